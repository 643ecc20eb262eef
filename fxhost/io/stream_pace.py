"""The pace of a stream: its sample rate, the size of its blocks, and how many frames it calls for in a second.

A sound server may change its period while it plays, and comes back as it likes after it was away. PortAudio tells
neither; the frames of the callback do.
"""

import time

from fxhost.engine.rack import Rack
from fxhost.io.streams import Stream

PACE_S, SHORT_S = 1.0, 0.4  # over which the pace is taken, and where it is less than half of what is due
LEAST_PACE = 0.9  # of real time; a stream that is slower starves, if it is not we who are
MOST_LOAD = 0.5
STEADY = 4  # looks, one after the other, at which a new block size is seen: some hosts play a shorter block in between
SETTLING_S = 3.0  # in which a stream that has begun may still find its block size


class Pace:
    """The pace at which a stream calls for blocks of a rack.

    Parameters
    ----------
    stream : Stream
    rack : Rack
    """

    def __init__(self, stream: Stream, rack: Rack) -> None:
        self._stream, self._rack = stream, rack
        self._known: tuple[int, int] | None = None  # rate and block size, as they are known to the user
        self._seen = self._looks = 0
        self._begun = self._since = time.perf_counter()
        self._frames = 0

    def begin(self) -> None:
        """Take the pace of a stream that has just begun."""
        self._begun = time.perf_counter()
        self.take_anew()

    def take_anew(self) -> None:
        """Begin to count: what was before tells nothing of the stream."""
        self._since, self._frames = time.perf_counter(), self._rack.frames

    def starves(self, now: float) -> bool:
        """Whether the stream calls for fewer frames than real time has, and that is not because we are slow."""
        elapsed_s, frames = now - self._since, self._rack.frames
        if elapsed_s < SHORT_S:
            return False
        pace = (frames - self._frames) / (elapsed_s * self._stream.sample_rate)
        pace += (self._stream.claim.seconds or 0.0) / elapsed_s  # as much may be on its way
        if elapsed_s < PACE_S and pace > LEAST_PACE / 2:
            return False
        self.take_anew()
        return pace < LEAST_PACE and self._rack.statistics().load.p50 < MOST_LOAD

    def look(self, now: float) -> str:
        """What has changed while it plays, as `read_change`; to be called several times a second."""
        frames = self._rack.block_frames
        self._looks = self._looks + 1 if frames == self._seen else 1
        self._seen = frames
        if self._looks != STEADY or self._known is None:
            return ""
        words = self.read_change()
        return words if now - self._begun > SETTLING_S else ""

    def read_change(self) -> str:
        """The rate and the block size in words, where they are others than at the last call; at the first, nothing."""
        now, before = (round(self._stream.sample_rate), self._rack.block_frames), self._known
        self._known = now
        if before is None or now == before:
            return ""
        self.take_anew()
        self._rack.begin_span()
        return f"now {now[0]} Hz, {now[1]} frames a block"
