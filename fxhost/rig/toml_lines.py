"""Where the keys of a TOML file stand: the line of each table and of each key in it."""

import re

_HEADER = re.compile(r"^\s*\[(\[)?\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"^\s*([\w.\-\"']+)\s*=\s*")
_INNER_KEY = re.compile(r"([\w.\-]+|\"[^\"\n]*\"|'[^'\n]*')\s*=")
_WORD = re.compile(r"[\w.\-+:]+")  # a number, a date, true, false
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL)

Place = tuple[str | int, ...]


def find_lines(text: str) -> dict[Place, int]:
    """The line, from 1, of each table and key by its path, such as ('slot', 0, 'preset'); also of those in arrays and
    inline tables, of which `line_of` gives the line of what they stand in where they have none of their own. A path
    without the number of a table, such as ('slot',), has the line of the first.
    """
    lines: dict[Place, int] = {(): 1}
    counts: dict[Place, int] = {}
    table: Place = ()
    at, read = 0, 0  # where the next line begins, and the end of the arrays and inline tables that have been read
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        start, at = at, at + len(line)
        if start < read:
            continue
        if header := _HEADER.match(line):
            names = [name.strip().strip("\"'") for name in header[2].split(".")]
            table = ()
            for depth, name in enumerate(names):
                table = (*table, name)
                lines.setdefault(table, number)
                is_array = header[1] is not None and depth == len(names) - 1
                if is_array:
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            lines[table] = number
        elif key := _KEY.match(line):
            path = table
            for name in key[1].split("."):
                path = (*path, name.strip("\"'"))
                lines.setdefault(path, number)
            if line[key.end() : key.end() + 1] in ("[", "{"):
                read = _find_inner_lines(text, start + key.end(), path, number, lines)
    return lines


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
