"""The live screen: what a player wants to see while playing, and the keys.

Pure functions from numbers to text and rich renderables; `fxhost.session` polls and `fxhost.cli` owns the console.
"""

import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from fxhost.cli.keys import Presses
from fxhost.cli.screen_meters import FULL_SCALE_DB, LABEL_WIDTH, Meter, draw_level, format_db
from fxhost.cli.screen_rows import Row, arrange, as_text, cell_lines, join_in, shorten, wrap
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.engine.rate_plan import Plan
from fxhost.engine.statistics import MeterReading, Statistics
from fxhost.io.realtime import LockedMemory, Scheduling, read_scheduling
from fxhost.io.streams import Stream

GAIN_STEP_DB = 1.0
GAIN_LIMIT_DB = 40.0
NOTE_S = 10.0

KNOB_KEYS = ("k next knob   , . turn it",)
KEYS = ("[ ] input gain", "- + output gain", "b bypass", "m mute", "r reset", "q quit")
SHORT_KNOB_KEYS = ("k , . knob",)
SHORT_KEYS = ("[ ] in", "- + out", "b bypass", "m mute", "r reset", "q quit")
FEW_KEYS = ("q quit", "b bypass", "m mute", "[ ] in", "- + out", *SHORT_KNOB_KEYS)
NO_KEYS = "no other keys: nobody types into standard input"


def format_load(statistics: Statistics) -> str:
    """The load as percentages of the block's budget."""
    load = statistics.load
    return f"p50 {load.p50:.1%}  p99 {load.p99:.1%}  max {load.max:.1%}"


def format_status(statistics: Statistics, seconds: float) -> str:
    """One line for a log."""
    return (
        f"{seconds:7.1f} s  in {format_db(statistics.input_peak_db)}  out {format_db(statistics.output_peak_db)}  "
        f"load {format_load(statistics)}  xruns {statistics.xruns.total}  bad samples {statistics.bad_samples}"
    )


def describe_blocks(statistics: Statistics, asked_frames: int, sample_rate: float) -> list[str]:
    """How the blocks come, and what was asked for where that is something else."""
    frames, at_once = statistics.block_frames, round(statistics.blocks_at_once)
    pieces = [f"{frames} frames ({1000 * frames / sample_rate:.2f} ms) a block"]
    if asked_frames not in (0, frames):
        pieces.append(f"asked for {asked_frames}")
    if at_once > 1:
        pieces.append(f"{at_once} at once every {1000 * at_once * frames / sample_rate:.1f} ms")
    return pieces


def format_grants(scheduling: Scheduling | None, memory: LockedMemory) -> str:
    """What the system granted the audio thread."""
    if scheduling is None:
        priority = "unknown"
    else:
        priority = f"real-time priority {scheduling.priority}" if scheduling.is_realtime else "no real-time priority"
    size, unit = (1e6, "MB") if memory.wanted_bytes >= 1e6 else (1e3, "kB")
    return f"{priority}   {memory.locked_bytes / size:.1f} of {memory.wanted_bytes / size:.1f} {unit} locked in memory"


@dataclass
class Picture:
    """The screen at a moment, which takes the shape of the window that it is shown in."""

    screen: "Screen"
    now: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.height
        yield Text("\n").join(self.lines(options.max_width, height))

    def lines(self, width: int, height: int) -> list[Text]:
        """What stands in each line of a window, in cells."""
        rows = self.screen.rows(width, self.now)
        return list(cell_lines(arrange(rows, height), width))


@dataclass
class Screen:
    """What the screen shows, and what the keys do.

    Parameters
    ----------
    presets : sequence of str
        The names of the presets in the chain.
    engine : str
    rack : Rack
    stream : Stream
    locked_memory : LockedMemory
    plans : sequence of Plan
        How each preset plays at the stream's rate.
    knobs : KnobBoard
    has_keys : bool
        Whether there is a terminal to type in.
    """

    presets: Sequence[str]
    engine: str
    rack: Rack
    stream: Stream
    locked_memory: LockedMemory
    plans: Sequence[Plan]
    knobs: KnobBoard = field(default_factory=lambda: KnobBoard(()))
    has_keys: bool = True
    input_meter: Meter = field(default_factory=Meter)
    output_meter: Meter = field(default_factory=Meter)
    _presses: Presses = field(default_factory=Presses)
    _limited: int = 0
    _note: str = ""
    _noted_at: float = 0.0

    def update(self, levels: MeterReading | None) -> None:
        """Take new levels, if there are any."""
        if levels is not None:
            now = time.monotonic()
            self.input_meter.update(levels.input_peak_db, levels.input_rms_db, now)
            self.output_meter.update(levels.output_peak_db, levels.output_rms_db, now)
            if levels.input_peak_db >= FULL_SCALE_DB:
                self.input_meter.clip(now)

    def note(self, text: str) -> None:
        """Show a line for some seconds."""
        self._note, self._noted_at = text, time.monotonic()

    def type(self, typed: str) -> str:
        """Do what the player means by all that was typed since the last call; return as `press`."""
        wishes = [self.press(key) for key in self._presses.take(typed, time.monotonic())]
        return next((wish for wish in wishes if wish), "")

    def press(self, key: str) -> str:
        """Do what a key means; return 'reset' or 'quit' where the caller has to act."""
        rack = self.rack
        if key in "[]" and key:
            rack.input_gain_db = _step(rack.input_gain_db, up=key == "]")
        elif key in "-+=" and key:
            rack.output_gain_db = _step(rack.output_gain_db, up=key != "-")
        elif key == "k":
            self.knobs.choose_next()
        elif key in ",." and key:
            self.knobs.turn(-1 if key == "," else 1)
        elif key == "b":
            rack.is_bypassed = not rack.is_bypassed
        elif key == "m":
            rack.is_muted = not rack.is_muted
        return {"r": "reset", "q": "quit", "\x03": "quit"}.get(key, "")

    def draw(self) -> Picture:
        """The whole screen, for any window."""
        return Picture(self, time.monotonic())

    # --- its rows; the higher the rank of a form, the sooner it gives way ---------------------------------------------

    def rows(self, width: int, now: float) -> list[Row]:
        """The screen from top to bottom for a window of so many columns."""
        statistics = self.rack.statistics()
        if statistics.limited_samples > self._limited:
            self.output_meter.clip(now)
            self._limited = statistics.limited_samples
        thread = format_grants(read_scheduling(self.rack.thread), self.locked_memory).split("   ")
        stream = self.stream
        device = f"{stream.name} ({stream.host_api})" if stream.host_api != "none" else stream.name
        rates = [_info("rate", [plan.describe()], width, 80) for plan in self.plans if not plan.is_own]
        notes = [_info("note", [self._note], width, 60, 30)] if self._note and now - self._noted_at <= NOTE_S else []
        return [
            self._chain_row(width),
            Row([[draw_level("input", self.input_meter, self.rack.input_gain_db, width, now)]], [5]),
            Row([[draw_level("output", self.output_meter, self.rack.output_gain_db, width, now)]], [6]),
            _health_row(statistics, width),
            *notes,
            *self._knob_rows(width),
            _info("device", [device], width, 70),
            _info("stream", self._stream_pieces(statistics), width, 65),
            *rates,
            _info("thread", thread, width, 90),
            self._key_row(width),
        ]

    def _chain_row(self, width: int) -> Row:
        status = Text()
        for word, is_on in (("BYPASS", self.rack.is_bypassed), ("MUTE", self.rack.is_muted)):
            if is_on:
                status.append("  ").append(f" {word} ", style="reverse")
        names = [as_text(name).plain for name in self.presets]
        room = max(1, width - status.cell_len)
        short = Text.assemble((join_in(names, " → ", room), "bold"), status)
        if sum(map(len, names)) + 3 * (len(names) - 1) <= room:
            return Row([[short]], [0])
        long = wrap([name if n == 0 else f"→ {name}" for n, name in enumerate(names)], room)
        long[0].append_text(status)
        return Row([long, [short]], [50, 0])

    def _stream_pieces(self, statistics: Statistics) -> list[str]:
        stream = self.stream
        return [
            f"{stream.sample_rate:.0f} Hz",
            *describe_blocks(statistics, stream.asked_frames, stream.sample_rate),
            stream.latency.describe(brief=True),
            f"{self.engine} engine",
        ]

    def _knob_rows(self, width: int) -> list[Row]:
        if not self.knobs.places:
            return []
        line, pieces = _labelled("knobs", [self.knobs.describe()], width), self.knobs.describe_each()
        if cell_len(self.knobs.describe()) > width - LABEL_WIDTH:
            line = _labelled("knobs", pieces, width)
        return [Row([line, _labelled("knobs", [pieces[self.knobs.chosen]], width)], [45, 22])]

    def _key_row(self, width: int) -> Row:
        if not self.has_keys:
            return Row([_labelled("keys", ["Ctrl-C quit", NO_KEYS], width), [shorten("Ctrl-C quit", width)]], [40, 25])
        knobs, short_knobs = (KNOB_KEYS, SHORT_KNOB_KEYS) if self.knobs.places else ((), ())
        few = wrap([key for key in FEW_KEYS if key not in SHORT_KNOB_KEYS or short_knobs], width)[:1]
        return Row(
            [_labelled("keys", [*KEYS, *knobs], width), wrap([*SHORT_KEYS, *short_knobs], width), few], [55, 40, 25]
        )


def _health_row(statistics: Statistics, width: int) -> Row:
    load, xruns = statistics.load, statistics.xruns.total
    bad, limited = f"bad samples {statistics.bad_samples}", f"limited {statistics.limited_samples}"
    long = _labelled("load", format_load(statistics).split("  "), width)
    long += _labelled("health", [f"xruns {xruns}", bad, limited], width)
    short = [f"xruns {xruns}", f"load {load.p99:.0%} max {load.max:.0%}"]
    if statistics.bad_samples:
        short.insert(1, bad)
    return Row([long, wrap(short, width), wrap(short, width)[:1]], [48, 28, 20])


def _labelled(label: str, pieces: Sequence[str], width: int) -> list[Text]:
    return wrap(pieces, width, label=label, label_width=LABEL_WIDTH)


def _info(label: str, pieces: Sequence[str], width: int, rank: int, last_rank: int | None = None) -> Row:
    """What may be cut: all of it, then its first line."""
    room = max(1, width - LABEL_WIDTH)
    lines = _labelled(label, [line for piece in pieces for line in textwrap.wrap(piece, room)], width)
    short = _labelled(label, pieces, width) if len(pieces) == 1 else lines[:1]
    return Row([lines, short], [rank, rank if last_rank is None else last_rank])


def _step(gain_db: float, *, up: bool) -> float:
    stepped = round(gain_db) + (GAIN_STEP_DB if up else -GAIN_STEP_DB)
    return float(min(GAIN_LIMIT_DB, max(-GAIN_LIMIT_DB, stepped)))
