"""Where the keys of a TOML file stand: the line of each table and of each key in it."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PART = r"""(?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAME = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"^[ \t]*\[(\[)?[ \t]*({_NAME})[ \t]*\]")
_KEY = re.compile(rf"^[ \t]*({_NAME})[ \t]*=[ \t]*")
_INNER_KEY = re.compile(r"([\w.\-]+|\"[^\"\n]*\"|'[^'\n]*')\s*=")
_WORD = re.compile(r"[\w.\-+:]+")  # a number, a date, true, false
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL)

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Line:
    """A line that begins a table or a key.

    Attributes
    ----------
    number : int
        From 1.
    place : Place
        The path of the table or key, such as ('slot', 0, 'preset').
    is_header : bool
    value_at : int
        Where the value of a key begins in the line.
    """

    number: int
    place: Place
    is_header: bool
    value_at: int = 0


def read_lines(text: str) -> Iterator[Line]:
    """The lines that begin a table or a key, in order. Keys inside an inline table or array have none."""
    counts: dict[Place, int] = {}
    table: Place = ()
    read = 0  # the end of the arrays and inline tables that have been read
    for number, (start, line) in enumerate(zip(_find_starts(text), text.split("\n"), strict=True), 1):
        if start < read:
            continue
        if header := _HEADER.match(line):
            names = split_name(header[2])
            table = ()
            for depth, name in enumerate(names):
                table = (*table, name)
                if header[1] is not None and depth == len(names) - 1:
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            yield Line(number, table, True)
        elif key := _KEY.match(line):
            place = (*table, *split_name(key[1]))
            yield Line(number, place, False, key.end())
            read = _read_value(text, start + key.end(), place, number, {})


def _find_starts(text: str) -> list[int]:
    """Where each line begins."""
    return [0, *(match.end() for match in re.finditer("\n", text))]


def split_name(name: str) -> list[str]:
    """The parts of a name with dots, without their quotes."""
    parts: list[str] = []
    try:
        inner: Any = tomllib.loads(f"{name} = 0")
    except tomllib.TOMLDecodeError:  # of an odd escape sequence; the file will be refused
        return [name]
    while isinstance(inner, dict):
        [(part, inner)] = inner.items()
        parts.append(part)
    return parts


def find_lines(text: str) -> dict[Place, int]:
    """The line, from 1, of each table and key by its path, such as ('slot', 0, 'preset'); also of those in arrays and
    inline tables, of which `line_of` gives the line of what they stand in where they have none of their own. A path
    without the number of a table, such as ('slot',), has the line of the first.
    """
    lines: dict[Place, int] = {(): 1}
    table: Place = ()
    starts = _find_starts(text)
    for line in read_lines(text):
        first = 1 if line.is_header else len(table) + 1
        for depth in range(first, len(line.place) + 1):
            lines.setdefault(line.place[:depth], line.number)
        if line.is_header:
            table = line.place
            lines[table] = line.number
        else:
            _read_value(text, starts[line.number - 1] + line.value_at, line.place, line.number, lines)
    return lines


def _read_value(text: str, at: int, path: Place, line: int, lines: dict[Place, int]) -> int:
    """Note the lines in the value that begins at a character; return its end, or a place in its own line."""
    if text[at : at + 1] in ("[", "{"):
        return _find_inner_lines(text, at, path, line, lines)
    string = _STRING.match(text, at)
    return string.end() if string else at


def _find_inner_lines(text: str, at: int, path: Place, line: int, lines: dict[Place, int]) -> int:
    """Note the lines of the tables and keys in an array or inline table that begins at a character; return its end."""
    opened: list[tuple[Place, int]] = []  # arrays and tables that are open: their paths, and the element; −1 in a table
    while at < len(text):
        sign = text[at]
        if sign == "#":
            at = (text.find("\n", at) + 1 or len(text) + 1) - 1
            continue
        if opened and opened[-1][1] < 0 and (key := _INNER_KEY.match(text, at)):
            path = opened[-1][0]
            for name in key[1].strip("\"'").split("."):
                path = (*path, name)
                lines.setdefault(path, line)
            at = key.end()
            continue
        if skipped := _STRING.match(text, at) or _WORD.match(text, at):
            line += skipped[0].count("\n")
            at = skipped.end()
            continue
        if sign in "[{":
            if opened and opened[-1][1] >= 0:
                path = (*opened[-1][0], opened[-1][1])
                lines.setdefault(path, line)
            opened.append((path, 0 if sign == "[" else -1))
        elif sign in "]}":
            opened.pop()
            if not opened:
                return at + 1
        elif sign == "," and opened[-1][1] >= 0:
            opened[-1] = (opened[-1][0], opened[-1][1] + 1)
        line += sign == "\n"
        at += 1
    return at


def line_of(lines: dict[Place, int], path: Place) -> int:
    """The line of a key, or of the nearest thing around it that has one."""
    while path not in lines:
        path = path[:-1]
    return lines[path]
