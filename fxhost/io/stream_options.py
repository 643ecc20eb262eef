"""Where and how long a rig plays."""

from dataclasses import dataclass
from pathlib import Path

from fxhost.io.jack_client import CLIENT_NAME, USUAL, Connections
from fxhost.io.stream_watch import PATIENCE_S


@dataclass(frozen=True)
class Options:
    """Where and how long a rig plays; the defaults are those of `fxhost run`."""

    input_device: str | None = None  # a name or number; None is the system's default
    output_device: str | None = None
    input_channel: int | None = None  # of the device or file, from 0; None is the first, or what carries the signal
    right_input_channel: int | None = None  # of a second input, which plays on the right side; None is no such
    block_frames: int = 0  # 0 leaves it open: 64, or what a server runs at
    latency: str | float = "low"  # 'low', 'high' or seconds
    input_file: Path | None = None
    output_file: Path | None = None
    record_file: Path | None = None  # the output of a take, which has the input too and all that was done
    bits: str | None = None  # of what is recorded: '16', '24' or '32f'; None is the format's best
    overwrite: bool = False
    duration_s: float | None = None
    looper: bool = False
    play_along: Path | None = None  # a song that is heard beside the rig, and not recorded
    play_along_level_db: float = 0.0
    sample_rate: int | None = None  # of the stream, in Hz; None leaves it to the file, the presets and the device
    client_name: str = CLIENT_NAME  # in a JACK graph
    connections: Connections = USUAL  # of the ports in a JACK graph
    patience_s: float = PATIENCE_S  # how long to wait for a device that went away
    guards_overruns: bool = True  # switch off a slot that is too slow for its blocks
    guards_howl: bool = False  # turn the output down while it feeds back into the input
