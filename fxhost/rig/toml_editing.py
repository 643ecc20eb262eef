"""Changes to a TOML text that leave everything else, comments and order included, as it is.

A value takes the place of the one before. A new key goes behind the last key of its table, with dots where it is deeper
(`slots.tone.mid = 3`); in an inline table it is written there. What comes out is read back and compared.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from fxhost.errors import RigError
from fxhost.rig.toml_lines import Line, Place, find_end, read_lines

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def change_text(text: str, changes: Sequence[tuple[Place, Any]]) -> str:
    """The text of a TOML file with values changed or added.

    Parameters
    ----------
    text : str
    changes : sequence of (Place, value)
        Paths such as ('scene', 1, 'slots', 'tone', 'mid'), and numbers, texts, booleans, lists or dicts.

    Raises
    ------
    RigError
        If that cannot be done to the text as it is written, with what to write there.
    """
    content = tomllib.loads(text)
    for place, value in changes:
        _set(content, place, value)
    changed: str | None = text
    for place, value in changes:
        changed = None if changed is None else _change(changed, place, value)
    try:
        if changed is not None and tomllib.loads(changed) == content:
            return changed
    except tomllib.TOMLDecodeError:
        pass
    told = "; ".join(f"{_format_place(place)} = {format_value(value)}" for place, value in changes)
    raise RigError(f"it is written in another way than `fxhost rig init` writes; change yourself: {told}")


def _set(content: Any, place: Place, value: Any) -> None:
    for part in place[:-1]:
        content = content[part] if isinstance(part, int) else content.setdefault(part, {})
    content[place[-1]] = value


def _change(text: str, place: Place, value: Any) -> str | None:
    """The text with one change; None where there is no place for it."""
    lines = list(read_lines(text))
    keys = {line.place: line for line in lines if not line.is_header}
    for depth in range(len(place), 0, -1):
        if line := keys.get(place[:depth]):  # the key itself, or that of an array or inline table around it
            values = {line.place: line.value_at, **line.inner}
            return _change_value(text, values, place, value)
    headers = [line for line in lines if line.is_header and place[: len(line.place)] == line.place]
    header = max(headers, key=lambda line: len(line.place), default=Line(0, (), True))
    name = place[len(header.place) :]
    return None if any(isinstance(part, int) for part in name) else _insert(text, lines, header, name, value)


def _change_value(text: str, values: Mapping[Place, int], place: Place, value: Any) -> str | None:
    """The text with a value changed, or added to the innermost inline table around it.

    Parameters
    ----------
    text : str
    values : mapping of Place to int
        Where a value begins, and those inside of it.
    place : Place
    value : object
    """
    found = next(place[:depth] for depth in range(len(place), 0, -1) if place[:depth] in values)
    at = values[found]
    end = find_end(text, at)
    if found == place:
        return f"{text[:at]}{format_value(value)}{text[end:]}"
    name = place[len(found) :]
    if text[at] != "{" or any(isinstance(part, int) for part in name):
        return None
    before = text[: end - 1].rstrip()
    separator = " " if before.endswith("{") else ", "
    return f"{before}{separator}{_format_place(name)} = {format_value(value)} {text[end - 1 :]}"


def _insert(text: str, lines: list[Line], header: Line, name: Place, value: Any) -> str:
    """The text with a new key behind the last one of a table."""
    later = [line for line in lines if line.number > header.number]
    following = next((line for line in later if line.is_header), None)
    own = [line for line in later if following is None or line.number < following.number]
    rows = split_rows(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    indent, gap = "", ""
    if own:
        row = rows[own[-1].number - 1]
        indent = row[: len(row) - len(row.lstrip())]
        at = text.count("\n", 0, find_end(text, own[-1].value_at)) + 1
    elif header.number:
        at = header.number
    else:  # the first key of the file, in front of the first table and the comment above it
        at = len(rows) if following is None else following.number - 1
        gap = newline
        while at and rows[at - 1].lstrip().startswith("#"):
            at -= 1
    if at and not rows[at - 1].endswith("\n"):
        rows[at - 1] += newline
    rows.insert(at, f"{indent}{_format_place(name)} = {format_value(value)}{newline}{gap}")
    return "".join(rows)


def split_rows(text: str) -> list[str]:
    """The lines with their ends; str.splitlines knows more ends than TOML."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def format_value(value: Any) -> str:
    """A value as it stands in a file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{format_key(key)} = {format_value(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(format_value, value))}]"
    if isinstance(value, str):
        return _quote(value)
    if not isinstance(value, int | float):  # a date
        return str(value)
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _format_place(place: Place) -> str:
    texts = [str(part + 1) if isinstance(part, int) else part for part in place]
    return ".".join(map(format_key, texts))


def format_key(key: str) -> str:
    """A key as it stands in a file: bare where TOML allows that."""
    return key if _BARE.fullmatch(key) else _quote(key)


def _quote(text: str) -> str:
    """A text in quotes, nearly as in JSON: TOML knows no halves of characters, and wants DEL escaped."""
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise RigError(f"{text} cannot stand in a file: it has bytes that are not UTF-8; rename it") from err
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
