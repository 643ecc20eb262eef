"""The rows of the live screen that `d` opens, and rows with a label."""

import textwrap
from collections.abc import Sequence

from rich.text import Text

from fxhost.cli.screen_meters import LABEL_WIDTH
from fxhost.cli.screen_rows import Row, wrap
from fxhost.cli.screen_words import describe_blocks, format_grants, format_load
from fxhost.engine.statistics import Statistics
from fxhost.io.realtime import LockedMemory, Scheduling
from fxhost.io.streams import Stream
from fxhost.rig.slot import Slot, list_effects


def detail_rows(
    stream: Stream,
    engine: str,
    slots: Sequence[Slot],
    statistics: Statistics,
    grants: tuple[Scheduling | None, LockedMemory],
    width: int,
) -> list[Row]:
    """The details of the stream, the load, the rate plans of the slots, and what the system granted."""
    blocks = describe_blocks(statistics, stream.asked_frames, stream.sample_rate, stream.asked_latency)
    thread = format_grants(*grants).split("   ")
    xruns = statistics.xruns
    kinds = f"input {xruns.input_underflows} under, {xruns.input_overflows} over"
    kinds += f"; output {xruns.output_underflows} under, {xruns.output_overflows} over"
    health = [f"xruns {kinds}", f"bad samples {statistics.bad_samples}", f"limited {statistics.limited_samples}"]
    return [
        info("stream", [*blocks, stream.latency.describe(brief=True), f"{engine} engine"], width, 75),
        info("load", format_load(statistics).split("  "), width, 74),
        info("health", health, width, 76),
        *(
            info("rate", [effect.plan.describe()], width, 80)
            for effect in list_effects(slots)
            if not effect.plan.is_own
        ),
        *(info("blend", [note], width, 81) for slot in slots for note in slot.notes),
        info("thread", thread, width, 90),
    ]


def labelled(label: str, pieces: Sequence[str], width: int) -> list[Text]:
    """Pieces in lines behind a label."""
    return wrap(pieces, width, label=label, label_width=LABEL_WIDTH)


def info(label: str, pieces: Sequence[str], width: int, rank: int, last_rank: int | None = None) -> Row:
    """What may be cut: all of it, then its first line."""
    room = max(1, width - LABEL_WIDTH)
    lines = labelled(label, [line for piece in pieces for line in textwrap.wrap(piece, room)], width)
    short = labelled(label, pieces, width) if len(pieces) == 1 else lines[:1]
    return Row([lines, short], [rank, rank if last_rank is None else last_rank])
