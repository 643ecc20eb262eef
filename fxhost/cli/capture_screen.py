"""What `fxhost capture` shows while it plays: a screen in a terminal, lines without one."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from fxhost.capture.session import Answer, Progress
from fxhost.cli.console import format_time
from fxhost.cli.keys import QUIT
from fxhost.cli.screen_details import info, labelled
from fxhost.cli.screen_meters import FULL_SCALE_DB, LABEL_WIDTH, METER_WIDTH, Meter, draw_meter, format_db
from fxhost.cli.screen_rows import Row, arrange, cell_lines, shorten
from fxhost.control.commands import Command, Quit
from fxhost.engine.statistics import MeterReading

STATUS_EVERY_S = 5.0
NOTE_S = 10.0
BAR_WIDTH = 24
ANSWERS: dict[str, Answer] = {"\n": "go", "\r": "go", "c": "again"}
WORDS = {"check": "level check", "ask": "level check", "record": "recording", "repeat": "a stretch once more"}


@dataclass
class CaptureScreen:
    """What the screen shows of a capture, and what the keys mean.

    Parameters
    ----------
    device : str
        Where it plays, for the first line.
    """

    device: str
    has_keys: bool = True
    progress: Progress | None = None
    answer: Answer = ""
    input_meter: Meter = field(default_factory=Meter)
    output_meter: Meter = field(default_factory=Meter)
    _note: str = ""
    _noted_at: float = 0.0

    def update(self, progress: Progress) -> Answer:
        """Take the newest state; return what was answered since."""
        self.progress = progress
        now, meters = time.monotonic(), progress.meters
        if meters is not None:
            self.input_meter.update(meters.input_peak_db, meters.input_rms_db, now)
            self.output_meter.update(meters.output_peak_db, meters.output_rms_db, now)
            if meters.input_peak_db >= FULL_SCALE_DB:
                self.input_meter.clip(now)
        answer, self.answer = self.answer, ""
        return answer

    def note(self, text: str) -> None:
        """Show a line for some seconds."""
        self._note, self._noted_at = text, time.monotonic()

    def type(self, typed: str) -> list[Command]:
        """What a user means by all that was typed since the last call."""
        for key in typed:
            if key in QUIT:
                self.answer = "quit"
                return [Quit()]
            if self.progress is not None and self.progress.phase == "ask":
                self.answer = ANSWERS.get(key, self.answer)
        return []

    def draw(self) -> "CapturePicture":
        """The whole screen, for any window."""
        return CapturePicture(self, time.monotonic())

    def rows(self, width: int, now: float) -> list[Row]:
        """The screen from top to bottom for a window of so many columns; what ranks higher gives way sooner."""
        progress = self.progress
        top = [
            Row([[shorten(Text.assemble(("fxhost capture  ", "dim"), (self.device, "bold")), width)]], [20]),
            Row([[_draw_level("return", self.input_meter, width, now)]], [1]),
            Row([[_draw_level("played", self.output_meter, width, now)]], [10]),
        ]
        if progress is None:
            return top
        told = [] if progress.levels is None else [progress.levels.describe(), progress.levels.advise()]
        dropouts = Text(f"dropouts {progress.dropouts}", "yellow" if progress.dropouts else "")
        noted = [self._note] if self._note and now - self._noted_at <= NOTE_S else []
        return [
            *top,
            Row([[shorten(_draw_progress(progress), width)]], [2]),
            *(info("check" if n == 0 else "", [line], width, 40 - 30 * n, 3) for n, line in enumerate(told)),
            *(info("note", [line], width, 30) for line in noted),
            Row([[dropouts]], [15]),
            Row([self._key_lines(progress, width)], [5]),
        ]

    def _key_lines(self, progress: Progress, width: int) -> list[Text]:
        if not self.has_keys:
            return labelled("keys", ["Ctrl-C quit"], width)
        if progress.phase != "ask":
            return labelled("keys", ["q quit"], width)
        silent = progress.levels is not None and progress.levels.is_silent
        return labelled("keys", [*([] if silent else ["Enter record"]), "c check again", "q quit"], width)


@dataclass
class CapturePicture:
    """The screen at a moment, which takes the shape of the window that it is shown in."""

    screen: CaptureScreen
    now: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("\n").join(self.lines(options.max_width, options.height or console.height))

    def lines(self, width: int, height: int) -> list[Text]:
        """What stands in each line of a window, in cells."""
        return list(cell_lines(arrange(self.screen.rows(width, self.now), height), width))


def _draw_level(label: str, meter: Meter, width: int, now: float) -> Text:
    clip = Text(" CLIP" if meter.is_clipping(now) else "     ", style="bold red")
    level = f" {format_db(meter.level_db)}"
    bar = draw_meter(meter, max(1, min(METER_WIDTH, width - LABEL_WIDTH - len(level) - clip.cell_len)))
    return Text.assemble((f"{label:{LABEL_WIDTH}}", "dim"), bar, level, clip)


def _draw_progress(progress: Progress) -> Text:
    share = min(1.0, progress.seconds / progress.total_s)
    if progress.phase == "ask":
        return Text(f"{WORDS['ask']} done", "bold")
    filled = round(share * BAR_WIDTH)
    times = f" {format_time(progress.seconds)} of {format_time(progress.total_s)}"
    again = f"   attempt {progress.attempt}" if progress.attempt > 1 else ""
    bar = ("━" * filled + "─" * (BAR_WIDTH - filled), "cyan")
    return Text.assemble((f"{WORDS[progress.phase]} ", "bold"), bar, times, again)


@dataclass
class CaptureLines:
    """The same as lines for a log: each phase as it begins, levels every five seconds.

    Parameters
    ----------
    say : callable
        Prints a line.
    """

    say: Callable[[str], None]
    _began: tuple[str, int] = ("", 0)
    _told: object = None
    _next_s: float = STATUS_EVERY_S
    _peak_db: float = -200.0

    def update(self, progress: Progress) -> Answer:
        """Tell what is new."""
        self._see(progress.meters)
        if progress.levels is not self._told and progress.levels is not None:
            self._told = progress.levels
            self.say(progress.levels.describe())
            self.say(progress.levels.advise())
        began = progress.phase, progress.attempt
        if began != self._began:
            self._began, self._next_s = began, STATUS_EVERY_S
            self.say(f"{WORDS[progress.phase]}: {format_time(progress.total_s)}")
        if progress.seconds >= self._next_s:
            self._next_s += STATUS_EVERY_S
            self.say(
                f"{format_time(progress.seconds)} of {format_time(progress.total_s)}  return {format_db(self._peak_db)}"
                f"{'  CLIP' if self._peak_db >= FULL_SCALE_DB else ''}  dropouts {progress.dropouts}"
            )
            self._peak_db = -200.0
        return ""

    def _see(self, meters: MeterReading | None) -> None:
        if meters is not None:
            self._peak_db = max(self._peak_db, meters.input_peak_db)
