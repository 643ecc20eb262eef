"""Where the keys of a TOML file stand: the line of each table and of each key in it."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_PART = r"""(?:[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_NAME = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*\[(\[)?[ \t]*({_NAME})[ \t]*\]")
_KEY = re.compile(rf"[ \t]*({_NAME})[ \t]*=[ \t]*")
_INNER_KEY = re.compile(rf"({_NAME})[ \t]*=[ \t]*")
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
        Where the value of a key begins in the text.
    inner : mapping of Place to int
        Where the tables and values in the array or inline table that is the value begin in the text.
    """

    number: int
    place: Place
    is_header: bool
    value_at: int = 0
    inner: Mapping[Place, int] = field(default_factory=dict)


def read_lines(text: str) -> Iterator[Line]:
    """The lines that begin a table or a key, in order; not those inside an array, an inline table or a text."""
    counts: dict[Place, int] = {}
    table: Place = ()
    at, read = 0, 0  # where the next line begins, and the end of the values that have been read
    for number, line in enumerate(text.split("\n"), 1):
        start, at = at, at + len(line) + 1
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
            place, value_at = (*table, *split_name(key[1])), start + key.end()
            is_nested = text[value_at : value_at + 1] in ("[", "{")
            read, inner = _find_inner(text, value_at, place) if is_nested else (find_end(text, value_at), {})
            yield Line(number, place, False, value_at, inner)


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
    ends = [match.start() for match in re.finditer("\n", text)]
    table: Place = ()
    for line in read_lines(text):
        for depth in range(1 if line.is_header else len(table) + 1, len(line.place) + 1):
            lines.setdefault(line.place[:depth], line.number)
        if line.is_header:
            table = line.place
            lines[table] = line.number
        for place, at in line.inner.items():
            lines.setdefault(place, 1 + bisect_left(ends, at))
    return lines


def find_end(text: str, at: int) -> int:
    """Where the value that begins at a character ends."""
    if text[at : at + 1] in ("[", "{"):
        return _find_inner(text, at, ())[0]
    found = _STRING.match(text, at) or _WORD.match(text, at)
    return found.end() if found else at


def _find_inner(text: str, at: int, path: Place) -> tuple[int, dict[Place, int]]:
    """The end of an array or inline table that begins at a character, and where the tables and values in it begin."""
    opened: list[tuple[Place, int]] = []  # arrays and tables that are open: their paths, and the element; −1 in a table
    inner: dict[Place, int] = {}
    while at < len(text):
        sign = text[at]
        if sign == "#":
            at = (text.find("\n", at) + 1 or len(text) + 1) - 1
            continue
        if opened and opened[-1][1] < 0 and (key := _INNER_KEY.match(text, at)):
            path = opened[-1][0]
            for name in split_name(key[1]):
                path = (*path, name)
                inner.setdefault(path, key.end())
            at = key.end()
            continue
        if skipped := _STRING.match(text, at) or _WORD.match(text, at):
            at = skipped.end()
            continue
        if sign in "[{":
            if opened and opened[-1][1] >= 0:
                path = (*opened[-1][0], opened[-1][1])
                inner.setdefault(path, at)
            opened.append((path, 0 if sign == "[" else -1))
        elif sign in "]}":
            opened.pop()
            if not opened:
                return at + 1, inner
        elif sign == "," and opened[-1][1] >= 0:
            opened[-1] = (opened[-1][0], opened[-1][1] + 1)
        at += 1
    return at, inner


def line_of(lines: dict[Place, int], path: Place) -> int:
    """The line of a key, or of the nearest thing around it that has one."""
    while path not in lines:
        path = path[:-1]
    return lines[path]
