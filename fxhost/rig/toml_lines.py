"""Where the keys of a TOML file stand: the line of each table and of each key in it."""

import re

_HEADER = re.compile(r"^\s*\[(\[)?\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"^\s*([\w.\-\"']+)\s*=")

Place = tuple[str | int, ...]


def find_lines(text: str) -> dict[Place, int]:
    """The line, from 1, of each table and key by its path, such as ('slot', 0, 'preset').

    A path without the number of a table, such as ('slot',), has the line of the first.
    Keys inside an inline table or array have no line of their own: `line_of` gives that of what they stand in.
    """
    lines: dict[Place, int] = {(): 1}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
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
    return lines


def line_of(lines: dict[Place, int], path: Place) -> int:
    """The line of a key, or of the nearest thing around it that has one."""
    while path not in lines:
        path = path[:-1]
    return lines[path]
