"""Meters: a level with its peak, as a bar in a line of the screen. Levels are in dB relative to full scale."""

from dataclasses import dataclass, field

from rich.text import Text

from fxhost.rig.pitch import Note
from fxhost.stages.parameter import Parameter

PEAK_HOLD_S = 1.5
FLOOR_DB = -60.0
METER_WIDTH = 60  # at most
METER_MIN_WIDTH = 20  # before figures go beside it
FULL_SCALE_DB = -0.01  # a converter's full scale
CLIP_S = 2.0  # how long it is shown
SLIDER_WIDTH = 13
TUNER_WIDTH = 60  # of its scale, at most
IN_TUNE_CENTS = 2.0
NARROW = 60  # columns; below, units are left out
LABEL_WIDTH, SHORT_LABEL_WIDTH = 8, 4


@dataclass
class Meter:
    """One level with its held peak, in dB relative to full scale."""

    level_db: float = -200.0
    rms_db: float = -200.0
    held_db: float = -200.0
    _held_at: float = field(default=0.0, repr=False)
    _clipped_at: float = field(default=-1e9, repr=False)

    def update(self, peak_db: float, rms_db: float, now: float) -> None:
        """Take the newest levels, at a time in seconds."""
        self.level_db, self.rms_db = peak_db, rms_db
        if peak_db >= self.held_db or now - self._held_at > PEAK_HOLD_S:
            self.held_db, self._held_at = peak_db, now

    def clip(self, now: float) -> None:
        """Remember that the level was too high, at a time in seconds."""
        self._clipped_at = now

    def is_clipping(self, now: float) -> bool:
        """Whether that was just now."""
        return now - self._clipped_at <= CLIP_S


def format_db(level_db: float) -> str:
    """A level in dB for people; silence is −∞."""
    return "   −∞ dB" if level_db <= -150.0 else f"{level_db:+5.1f} dB".replace("-", "−")


def draw_meter(meter: Meter, width: int) -> Text:
    """A bar from −60 to 0 dB, with a mark where the peak is held."""

    def place(level_db: float) -> int:
        return round(width * min(1.0, max(0.0, 1.0 - level_db / FLOOR_DB)))

    bar = Text("█" * place(meter.level_db) + "·" * (width - place(meter.level_db)), style="green")
    for start_db, colour in ((-12.0, "yellow"), (-3.0, "red")):
        bar.stylize(colour, place(start_db))
    held = place(meter.held_db)
    if held:
        bar = Text.assemble(bar[: held - 1], Text("▌", style="bold white"), bar[held:])
    return bar


def draw_level(label: str, meter: Meter, gain_db: float, width: int, now: float) -> Text:
    """A line with a gain, the meter behind it, and CLIP; where there is room also its peak and RMS in figures.

    Parameters
    ----------
    label : str
    meter : Meter
    gain_db : float
        What is set.
    width : int
        Of the line, in cells. In a narrow one units are left out.
    now : float
        The time in seconds.
    """
    clip = Text(" CLIP" if meter.is_clipping(now) else "     ", style="bold red")
    name, gain, level = f"{label:{LABEL_WIDTH}}", f"{format_db(gain_db)}  ", f" {format_db(meter.level_db)}"
    figures = [f"   peak {format_db(meter.held_db)}", f"   rms {format_db(meter.rms_db)}"]
    if width < NARROW:
        name, figures = f"{label.removesuffix('put'):{SHORT_LABEL_WIDTH}}", []
        gain, level = f"{format_db(gain_db)[:-3]} ", f" {format_db(meter.level_db)[:-3]}"
    room = width - len(name + gain + level) - clip.cell_len
    shown = ""
    for figure in figures:
        if room - len(shown + figure) >= METER_MIN_WIDTH:
            shown += figure
    bar = draw_meter(meter, max(1, min(METER_WIDTH, room - len(shown))))
    return Text.assemble((name, "dim"), gain, bar, level, clip, shown)


def draw_tuner(note: Note | None, width: int) -> Text:
    """The note that is heard, and a scale from 50 cents below it to 50 above; green within 2 cents."""
    if note is None:
        return Text("tuner    –", "bold")
    half = max(5, min(TUNER_WIDTH, width - 24) // 2)
    place = half + round(note.cents / 50.0 * half)
    is_true = abs(note.cents) <= IN_TUNE_CENTS
    scale = "".join("●" if n == place else "┃" if n == half else "─" for n in range(2 * half + 1))
    cents = f"{note.cents:+5.1f} ct".replace("-", "−")
    return Text.assemble(
        ("tuner    ", "bold"), f"{note.name:4}", (scale, "green" if is_true else "yellow"), f" {cents}"
    )


def draw_slider(name: str, parameter: Parameter, value: float, is_chosen: bool) -> Text:
    """A knob with its name, a bar and its value, or a switch without a bar; the chosen one is marked."""
    mark = "▸" if is_chosen else " "
    if parameter.taper == "switch":
        return Text(f"{mark}{name} {parameter.format(value)}")
    filled = round(parameter.position_of(value) * (SLIDER_WIDTH - 1))
    bar = "━" * filled + "╸" + "─" * (SLIDER_WIDTH - 1 - filled)
    return Text.assemble(f"{mark}{name} ", (bar, "cyan"), f" {parameter.format(value)}")
