"""What the screen and the log say, as words."""

from fxhost.cli.screen_meters import format_db
from fxhost.engine.statistics import Statistics
from fxhost.io.latency import Latency
from fxhost.io.realtime import LockedMemory, Scheduling


def format_load(statistics: Statistics) -> str:
    """The load as percentages of the block's budget."""
    load = statistics.load
    return f"p50 {load.p50:.1%}  p99 {load.p99:.1%}  max {load.max:.1%}"


def format_status(statistics: Statistics, seconds: float) -> str:
    """One line for a log."""
    return (
        f"{seconds:7.1f} s  in {format_db(statistics.input_peak_db)}  out {format_db(statistics.output_peak_db)}  "
        f"load {format_load(statistics)}  dropouts {statistics.xruns.total}  bad samples {statistics.bad_samples}"
    )


def describe_blocks(
    statistics: Statistics, asked_frames: int, sample_rate: float, asked_latency: str | float | None = None
) -> list[str]:
    """How the blocks come, and what was asked for: blocks of so many frames, and of a driver a latency too."""
    frames, at_once = statistics.block_frames, round(statistics.blocks_at_once)
    given = f"{frames} frames ({1000 * frames / sample_rate:.2f} ms) a block"
    pieces = [f"{given}, as asked" if asked_frames == frames else given]
    if asked_frames not in (0, frames):
        pieces.append(f"asked for {asked_frames}")
    if at_once > 1:
        pieces.append(f"{at_once} at once every {1000 * at_once * frames / sample_rate:.1f} ms")
    if isinstance(asked_latency, str):
        pieces.append(f"asked the driver for its {asked_latency} latency")
    elif asked_latency is not None:
        pieces.append(f"asked the driver for {1000 * asked_latency:.1f} ms each way")
    return pieces


def format_grants(scheduling: Scheduling | None, memory: LockedMemory) -> str:
    """What the system granted the audio thread."""
    if scheduling is None:
        priority = "unknown"
    else:
        priority = f"real-time priority {scheduling.priority}" if scheduling.is_realtime else "no real-time priority"
    size, unit = (1e6, "MB") if memory.wanted_bytes >= 1e6 else (1e3, "kB")
    return f"{priority}   {memory.locked_bytes / size:.1f} of {memory.wanted_bytes / size:.1f} {unit} locked in memory"


def describe_latency(latency: Latency) -> str:
    """The latency from input to output in ms, and who says so."""
    if latency.seconds is None:
        return "latency unknown"
    least = "≥ " if latency.source == "block" else ""
    return f"{least}{1000 * latency.seconds:.1f} ms in → out ({latency.source})"
