"""The picture of the live screen in the README: two shipped presets play the built-in riff on the virtual device.

`python -m tests.measure.screen_picture` writes `.github/screen.svg`; a test compares its words with the screen as it is.
"""

import io
import tempfile
from pathlib import Path

from rich.console import Console

from fxhost.cli.play import make_screen
from fxhost.cli.screen import Picture
from fxhost.control.commands import Command
from fxhost.io.stream_options import Options
from fxhost.io.streams import VIRTUAL
from fxhost.preset.archive import read_preset
from fxhost.preset.library import find_preset
from fxhost.rig.rig import Rig
from fxhost.session import Session

PICTURE = Path(__file__).parents[2] / ".github" / "screen.svg"
PRESETS = ("ts-overdrive", "rc-lowpass")
COLUMNS, LINES = 80, 10
PLAYED_S = 1.2


def draw_screen() -> Picture:
    """The screen after a second of playing."""
    with tempfile.TemporaryDirectory() as folder:
        options = Options(VIRTUAL, VIRTUAL, output_file=Path(folder) / "riff.wav", duration_s=PLAYED_S)
        session = Session(Rig([read_preset(find_preset(name)) for name in PRESETS]), options, notice=print)
        screen = make_screen(session)

        def on_poll() -> list[Command]:
            screen.update(session.rack.read_meters())
            return []

        session.play(on_poll)
    return screen.draw()


def draw_picture() -> str:
    """The picture as SVG."""
    console = Console(record=True, width=COLUMNS, height=LINES, file=io.StringIO(), force_terminal=True)
    console.print(draw_screen(), height=LINES)
    return console.export_svg(title=f"fxhost run {' '.join(PRESETS)}", unique_id="screen")


if __name__ == "__main__":
    PICTURE.write_text(draw_picture(), encoding="utf-8")
    print(f"{PICTURE} written")
