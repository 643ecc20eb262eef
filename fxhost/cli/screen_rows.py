"""Rows of a screen that give way to each other: what matters most is there in the smallest window.

A row has several forms, from the longest to the shortest; a form is a list of lines. Where the window is too low, the
form that matters least is the first to give way to the next shorter one of its row, and the last of these to nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from fxhost.plain_text import plain_line

GAP = "   "
ELLIPSIS = "…"


@dataclass(frozen=True)
class Row:
    """A part of the screen.

    Attributes
    ----------
    forms : sequence of sequences of Text
        From the longest to the shortest, each fit for the width.
    ranks : sequence of int
        For each form, the same or less than for the one before: of all forms that are shown, the one with the highest
        is the first to give way.
    """

    forms: Sequence[Sequence[Text]]
    ranks: Sequence[int]


def arrange(rows: Sequence[Row], height: int) -> list[Text]:
    """The lines of all rows, from top to bottom, at most `height` of them."""
    chosen = [0] * len(rows)

    def lines() -> list[Text]:
        return [line for row, form in zip(rows, chosen, strict=True) for line in [*row.forms, []][form]]

    yielding = sorted((-rank, n) for n, row in enumerate(rows) for rank in row.ranks)
    for _, n in yielding:
        if len(lines()) > height:
            chosen[n] += 1
    for _, n in reversed(yielding):  # where more gave way than had to, what matters most comes back
        if chosen[n] > 0:
            chosen[n] -= 1
            chosen[n] += len(lines()) > height
    return lines()[:height]


def wrap(pieces: Sequence[str | Text], width: int, *, label: str = "", label_width: int = 0) -> list[Text]:
    """Lines of whole pieces, as many in a line as it has room for, behind a label that stands in the first.

    Parameters
    ----------
    pieces : sequence of str or Text
        Text without markup. One that is wider than a line ends in an ellipsis.
    width, label_width : int
        In cells of the terminal.
    """
    room = max(1, width - label_width)
    lines: list[Text] = []
    for piece in map(as_text, pieces):
        if lines and lines[-1].cell_len + len(GAP) + piece.cell_len <= room:
            lines[-1].append(GAP).append_text(piece)
        else:
            lines.append(shorten(piece, room))
    margins = [label.ljust(label_width), *[" " * label_width] * len(lines)]
    return [Text.assemble((margin, "dim"), line) for margin, line in zip(margins, lines, strict=False)]


def shorten(text: str | Text, width: int) -> Text:
    """A text that ends in an ellipsis where it is wider than `width` cells."""
    text = as_text(text)
    text.truncate(max(0, width), overflow="ellipsis")
    return text


def join_in(names: Sequence[str], link: str, width: int) -> str:
    """Names in one line with a link between each two: long names are shortened; what still has no room is counted."""
    lengths = [cell_len(name) for name in names]
    room = width - cell_len(link) * (len(names) - 1)
    if sum(lengths) <= room:
        return link.join(names)
    if room >= 2 * len(names):
        widest = max(n for n in range(2, room + 1) if sum(min(n, length) for length in lengths) <= room)
        return link.join(shorten(name, widest).plain for name in names)
    shown = 1
    while shown < len(names) and 2 * (shown + 1) + cell_len(link) * (shown + 1) + len(f"+{len(names)}") <= width:
        shown += 1
    return link.join([*(shorten(name, 2).plain for name in names[:shown]), f"+{len(names) - shown}"])


def as_text(text: str | Text) -> Text:
    """A copy as text without markup, in which nothing moves the cursor."""
    return text.copy() if isinstance(text, Text) else Text(plain_line(text))


def cell_lines(lines: Sequence[Text], width: int) -> Iterator[Text]:
    """The lines cut to a width, none of which wraps."""
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="crop")
        yield line
