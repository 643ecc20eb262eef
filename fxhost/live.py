"""The live screen: what a player wants to see while playing, and the keys.

Pure functions from numbers to text and rich renderables; `fxhost.session` polls and `fxhost.cli` owns the console.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fxhost.knobs import KnobBoard
from fxhost.plans import Plan
from fxhost.rack import Levels, Rack, Statistics
from fxhost.realtime import LockedMemory, Scheduling, read_scheduling
from fxhost.stream import Stream

GAIN_STEP_DB = 1.0
GAIN_LIMIT_DB = 40.0
PEAK_HOLD_S = 1.5
FLOOR_DB = -60.0
METER_WIDTH = 40

KNOB_KEYS = "[dim]k[/] next knob   [dim], .[/] turn it"
KEYS = "[dim]\\[ ][/] input gain   [dim]- +[/] output gain   [dim]b[/] bypass   [dim]r[/] reset   [dim]q[/] quit"


@dataclass
class Meter:
    """One level with its held peak, in dB relative to full scale."""

    level_db: float = -200.0
    rms_db: float = -200.0
    held_db: float = -200.0
    _held_at: float = field(default=0.0, repr=False)

    def update(self, peak_db: float, rms_db: float, now: float) -> None:
        """Take the newest levels, at a time in seconds."""
        self.level_db, self.rms_db = peak_db, rms_db
        if peak_db >= self.held_db or now - self._held_at > PEAK_HOLD_S:
            self.held_db, self._held_at = peak_db, now


def format_db(level_db: float) -> str:
    """A level in dB for people; silence is −∞."""
    return "   −∞ dB" if level_db <= -150.0 else f"{level_db:+5.1f} dB".replace("-", "−")


def draw_meter(meter: Meter, width: int = METER_WIDTH) -> Text:
    """A bar from −60 to 0 dB, with a mark where the peak is held."""

    def place(level_db: float) -> int:
        return round(width * min(1.0, max(0.0, 1.0 - level_db / FLOOR_DB)))

    bar = Text("█" * place(meter.level_db) + "·" * (width - place(meter.level_db)), style="green")
    for start_db, colour in ((-12.0, "yellow"), (-3.0, "red")):
        bar.stylize(colour, place(start_db))
    held = place(meter.held_db)
    if held:
        bar = Text.assemble(bar[: held - 1], Text("▌", style="bold white"), bar[held:])
    bar.append(f" {format_db(meter.level_db)}  peak {format_db(meter.held_db)}  rms {format_db(meter.rms_db)}")
    return bar


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


def format_grants(scheduling: Scheduling | None, memory: LockedMemory) -> str:
    """What the system granted the audio thread."""
    if scheduling is None:
        priority = "unknown"
    else:
        priority = f"real-time priority {scheduling.priority}" if scheduling.is_realtime else "no real-time priority"
    size, unit = (1e6, "MB") if memory.wanted_bytes >= 1e6 else (1e3, "kB")
    return f"{priority}   {memory.locked_bytes / size:.1f} of {memory.wanted_bytes / size:.1f} {unit} locked in memory"


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
    """

    presets: Sequence[str]
    engine: str
    rack: Rack
    stream: Stream
    locked_memory: LockedMemory
    plans: Sequence[Plan]
    knobs: KnobBoard = field(default_factory=lambda: KnobBoard(()))
    input_meter: Meter = field(default_factory=Meter)
    output_meter: Meter = field(default_factory=Meter)

    def update(self, levels: Levels | None) -> None:
        """Take new levels, if there are any."""
        if levels is not None:
            now = time.monotonic()
            self.input_meter.update(levels.input_peak_db, levels.input_rms_db, now)
            self.output_meter.update(levels.output_peak_db, levels.output_rms_db, now)

    def press(self, key: str) -> str:
        """Do what a key means for the gains and the bypass; return 'reset' or 'quit' where the caller has to act."""
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
        return {"r": "reset", "q": "quit", "\x03": "quit"}.get(key, "")

    def draw(self) -> RenderableType:
        """The whole screen."""
        statistics = self.rack.statistics()
        stream, xruns = self.stream, statistics.xruns
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", justify="right")
        table.add_column()
        rate, frames = stream.sample_rate, statistics.block_frames
        table.add_row(
            "device", Text(f"{stream.name} ({stream.host_api})" if stream.host_api != "none" else stream.name)
        )
        table.add_row(
            "stream",
            f"{rate:.0f} Hz   {frames} frames ({1000 * frames / rate:.2f} ms) a block   "
            f"stream latency {1000 * stream.latency_s:.1f} ms   {self.engine} engine",
        )
        for plan in self.plans:
            if not plan.is_own:
                table.add_row("rate", Text(plan.describe()))
        table.add_row(
            "gain", f"input {format_db(self.rack.input_gain_db)}   output {format_db(self.rack.output_gain_db)}"
        )
        if self.knobs.places:
            table.add_row("knobs", Text(self.knobs.describe()))
        table.add_row("input", draw_meter(self.input_meter))
        table.add_row("output", draw_meter(self.output_meter))
        table.add_row("load", format_load(statistics))
        table.add_row(
            "health",
            f"xruns {xruns.total}   bad samples {statistics.bad_samples}   limited {statistics.limited_samples}",
        )
        table.add_row("thread", format_grants(read_scheduling(self.rack.thread), self.locked_memory))
        table.add_row("keys", Text.from_markup(KEYS))
        if self.knobs.places:
            table.add_row("", Text.from_markup(KNOB_KEYS))
        title = Text(" → ".join(self.presets))  # as text, because names may hold what rich takes for markup
        if self.rack.is_bypassed:
            title.append("   ").append(" BYPASS ", style="reverse")
        return Panel(table, title=title, title_align="left", expand=False)


def _step(gain_db: float, *, up: bool) -> float:
    stepped = round(gain_db) + (GAIN_STEP_DB if up else -GAIN_STEP_DB)
    return float(min(GAIN_LIMIT_DB, max(-GAIN_LIMIT_DB, stepped)))
