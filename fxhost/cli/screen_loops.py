"""The rows of the looper and of the song, which are there where there is one."""

from rich.text import Text

from fxhost.cli.screen_meters import LABEL_WIDTH, NARROW, SHORT_LABEL_WIDTH, format_db
from fxhost.cli.screen_rows import Row, as_text, shorten
from fxhost.engine.rack import Rack
from fxhost.stages.looper.stage import Looper
from fxhost.stages.play_along import PlayAlong

BAR_WIDTH = 40  # at most
SONG_NAME = 24  # cells of the name of a song, at most
MARKS = {
    "empty": ("–", ""),
    "recording": ("●", "red"),
    "playing": ("▶", "green"),
    "overdubbing": ("●", "yellow"),
    "stopped": ("■", ""),
}
STATE_WIDTH = max(map(len, MARKS))


def loop_rows(rack: Rack, width: int) -> list[Row]:
    """A row for the looper and one for the song."""
    lines = []
    if rack.looper is not None:
        lines.append(draw_loop(rack.looper, width))
    if rack.play_along is not None:
        lines.append(draw_song(rack.play_along, width))
    return [Row([[line]], [9 + n]) for n, line in enumerate(lines)]


def draw_loop(looper: Looper, width: int) -> Text:
    """The level of the loop, its state, and where it is."""
    status = looper.status()
    mark, colour = MARKS[status.state]
    words = Text(f"{mark} {status.state:{STATE_WIDTH if width >= NARROW else 0}}", colour)
    if status.state == "empty":
        return _draw("loop", looper.level_db, words, "", None, width)
    times = _seconds(status.position_s)
    if status.state != "recording":
        times += f"{' / ' if width >= NARROW else '/'}{_seconds(status.length_s)}"
    times += "  undone" if status.is_undone else ""
    share = None if status.state == "recording" or not status.length_s else status.position_s / status.length_s
    return _draw("loop", looper.level_db, words, times, share, width)


def draw_song(song: PlayAlong, width: int) -> Text:
    """The level of the song, its name, whether it plays, and where it is."""
    mark, colour = MARKS["playing" if song.is_on else "stopped"]
    name = shorten(as_text(song.name), min(SONG_NAME, width // 3))
    words = Text.assemble((f"{mark} ", colour), name)
    times = f"{_minutes(song.position_s)} / {_minutes(song.length_s)}"
    return _draw("song", song.level_db, words, times, song.position_s / song.length_s, width)


def _draw(label: str, level_db: float, words: Text, times: str, share: float | None, width: int) -> Text:
    is_narrow = width < NARROW
    label = f"{label:{SHORT_LABEL_WIDTH if is_narrow else LABEL_WIDTH}}"
    level = format_db(level_db)[: -3 if is_narrow else None]
    line = Text.assemble((label, "dim"), level, "  ", words)
    if times:
        bar = min(BAR_WIDTH, width - line.cell_len - len(times) - 4)
        if share is not None and bar >= SHORT_LABEL_WIDTH:
            done = round(bar * share)
            line.append("  ").append("█" * done + "·" * (bar - done), "cyan")
        line.append(f"  {times}")
    return shorten(line, width)


def _seconds(seconds: float) -> str:
    tenths = int(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
