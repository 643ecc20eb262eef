"""Text that may come from a stranger's file, made fit for a terminal, a log or a page: one line of what can be seen.

Everything that fxhost tells goes through here: errors when they are made, all else when it is written.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

LONGEST_WORD = 256  # characters without a space: the name of a file has no more
LONGEST_LINE = 1000

_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def escape(text: str) -> str:
    r"""Write what cannot be seen as an escape: control characters, marks of direction, halves of characters.

    Parameters
    ----------
    text : str
        Any, of several lines too.

    Returns
    -------
    str
        One line in which every character is printable. Spaces of all kinds and ends of lines are single spaces; a byte
        that the system's encoding could not read stands as `\xff`.
    """
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else _escape_letter(letter) for letter in text)
    return text


def _escape_letter(letter: str) -> str:
    code = ord(letter)
    if letter.isspace() and letter not in "\x1c\x1d\x1e\x1f\x85":
        return " "
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name, as Python carries it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shorten(text: str, longest: int) -> str:
    """Leave out the middle of what is longer than `longest` characters, and say how much."""
    if len(text) <= longest:
        return text
    gap = f"…({len(text) - longest} more)…"
    head = (longest + 1) // 2
    return f"{text[:head]}{gap}{text[len(text) - (longest - head) :]}"


def plain_line(text: str) -> str:
    """One line for people: escaped, and of about 1,000 characters at most, however long what came from a file is."""
    text = escape(shorten(text, 100 * LONGEST_LINE))
    if len(text) > LONGEST_WORD:
        text = _LONG_WORD.sub(lambda found: shorten(found[0], LONGEST_WORD), text)
    return shorten(text, LONGEST_LINE)


def join_words(words: Sequence[str], last: str = "and") -> str:
    """Words as a sentence lists them: 'run, render and bench'."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def json_ready(value: Any) -> Any:
    """What JSON can say to every reader: no half characters in texts, and null for numbers that are not finite."""
    if isinstance(value, str):
        return value if value.isprintable() else "".join(map(_whole_letter, value))
    if isinstance(value, dict):
        return {json_ready(key): json_ready(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(child) for child in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _whole_letter(letter: str) -> str:
    return _escape_letter(letter) if "\ud800" <= letter <= "\udfff" else letter
