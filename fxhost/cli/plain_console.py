"""Consoles and tables of rich without markup, so that a text from a file cannot control the terminal.

What rich draws by itself (colours, cursor movements) passes; text passes escaped, and is never read as markup.
"""

import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from fxhost.plain_text import escape, plain_line

SIZES = ("COLUMNS", "LINES")  # environment variables


class PlainConsole(Console):
    """A console that shows text as it is: without markup, and escaped where it cannot be seen.

    It moves the cursor and colours on a terminal only, whatever FORCE_COLOR says, and takes no width or height of zero.

    Parameters
    ----------
    stderr : bool
        Whether it writes there instead of to stdout.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
        super().__init__(
            stderr=stderr,
            highlight=False,
            markup=False,
            emoji=False,
            force_terminal=is_terminal,
            force_interactive=None if is_terminal else False,
            _environ={name: text for name, text in os.environ.items() if name not in SIZES or text.strip("0")},
        )

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Draw something; the ends of lines stay, and what is no text."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable() or segment.text == "\n":
                yield segment
            else:
                yield Segment("\n".join(map(escape, segment.text.split("\n"))), segment.style)


class PlainTable(Table):
    """A table whose cells are text as it is: one line each."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row."""
        super().add_row(*(Text(plain_line(cell)) if isinstance(cell, str) else cell for cell in cells), **options)
