"""How long a signal takes from the input's plug to the output's, and who says so.

Best is a round trip that was measured on the device. Without one it is what the sound server, or else the driver, says
for both ways; and where they say nothing that can be true, at least one block: the first frame of a block waits until
the last frame of the block has arrived.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fxhost.io.jack import Server

LONGEST_S = 10.0  # no device holds more: a count that wrapped around

WORDS = {
    "measured": "measured",
    "server": "the server's figure",
    "driver": "the driver's claim",
    "block": "one block or more; the server tells nothing",
    "virtual": "a virtual device",
}


@dataclass(frozen=True)
class Latency:
    """A latency, and where it comes from.

    Attributes
    ----------
    seconds : float or None
        Both ways together; None where it is unknown.
    source : str
        'measured', 'server', 'driver', 'block' (no more than one block is known of), 'virtual' or 'unknown'.
    """

    seconds: float | None
    source: str

    def describe(self, *, brief: bool = False) -> str:
        """For people, such as "stream latency 16.0 ms (the server's figure)"; briefly ends with "(server)"."""
        what = "round trip" if self.source == "measured" else "stream latency"
        if self.seconds is None:
            return f"{what} unknown"
        least = "≥ " if self.source == "block" else ""
        return f"{what} {least}{1000 * self.seconds:.1f} ms ({self.source if brief else WORDS[self.source]})"

    def claimed_frames(self, sample_rate: float) -> float | None:
        """What a server or a driver says, in frames; None where nobody says anything."""
        return None if self.seconds is None or self.source == "block" else self.seconds * sample_rate


UNKNOWN = Latency(None, "unknown")


def add_ways(ways_s: Sequence[float | None], least_s: float, source: str, held_s: float = 0.0) -> Latency:
    """The latency that the ways come to.

    Parameters
    ----------
    ways_s : sequence of float or None
        Of the input and the output, or of the output alone, in seconds; None where it is unknown.
    least_s : float
        The duration of a block in seconds, 0 where it is unknown. Less than that nobody can play.
    source : str
        Who says so.
    held_s : float
        What is added to that on the way, in seconds.
    """
    known = [way for way in ways_s if way is not None and math.isfinite(way) and 0 <= way < LONGEST_S]
    if len(known) == len(ways_s) and sum(known) > 0 and sum(known) + held_s >= least_s:
        return Latency(sum(known) + held_s, source)
    return Latency(least_s, "block") if 0 < least_s < LONGEST_S else UNKNOWN


def claim_of_server(
    server: Server | None, source: str | None, target: str, block_frames: int, told_frames: int, sample_rate: float
) -> Latency:
    """What a JACK server says.

    Parameters
    ----------
    server : Server or None
        None answers nothing.
    source, target : str
        The names of the devices; None is no input.
    block_frames : int
        As the blocks come.
    told_frames : int
        The blocks that PortAudio was told to make of those of the server; 0 passes them on.
    sample_rate : float
        In Hz.
    """
    least_s = block_frames / sample_rate
    if server is None:
        return add_ways([None], least_s, "server")
    frames = [server.playback_frames.get(target), *([] if source is None else [server.capture_frames.get(source)])]
    ways = [None if count is None else count / sample_rate for count in frames]
    held_s = told_frames / sample_rate  # PortAudio holds one of its blocks to cut or join them
    if held_s:
        least_s = held_s + server.period_frames / sample_rate
    return add_ways(ways, least_s, "server", held_s)
