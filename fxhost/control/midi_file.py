"""The `[[midi]]` tables of a rig file: read with every mistake, and exchanged without a change to the rest."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from fxhost.control.midi_map import ACTIONS, KINDS, VOLUMES, Binding, add_learned, format_binding
from fxhost.errors import RigError
from fxhost.io.files import read_text
from fxhost.nearest import find_nearest
from fxhost.rig.checked_table import Problem, Problems, Table, refuse
from fxhost.rig.rig import Rig
from fxhost.rig.toml_editing import split_rows
from fxhost.rig.toml_lines import find_lines

FROM = tuple(KINDS.values())
TARGETS = ("knob", "slot", "scene", "rig", "action")
MOST = 128  # scenes and rigs that can be named by number
MOST_BINDINGS = 1024


class Names:
    """What the bindings of a rig can name; of a set list, no slots and knobs, and scenes only by their numbers.

    Parameters
    ----------
    rig : Rig or None
    """

    def __init__(self, rig: Rig | None) -> None:
        self.is_set_list = rig is None
        self.knobs: Mapping[str, list[str]] = {} if rig is None else _list_knobs(rig)
        self.scenes = [] if rig is None else [scene.name for scene in rig.scenes]


def _list_knobs(rig: Rig) -> dict[str, list[str]]:
    """The knobs of each slot in any scene."""
    knobs: dict[str, list[str]] = {name: [] for name in rig.ids}
    for parts in (rig.parts, *(scene.parts for scene in rig.scenes)):
        for name, part in zip(rig.ids, parts, strict=True):
            knobs[name] += [each.name for each in part.parameters if each.name not in knobs[name]]
    return knobs


def check_bindings(path: Path, rig: Rig | None) -> tuple[list[Binding], list[Problem]]:
    """The bindings of a rig file that can be read, and every mistake in them, sorted by lines.

    Parameters
    ----------
    path : Path
        A file that `read_rig_file` takes.
    rig : Rig or None
        What it has read there; None for a set list.
    """
    text = read_text(path)
    problems, names = Problems(find_lines(text)), Names(rig)
    tables = Table(tomllib.loads(text), (), problems).tables("midi", MOST_BINDINGS)
    bindings = [binding for table in tables if (binding := _read_binding(table, names)) is not None]
    return bindings, sorted(problems.found)


def read_bindings(path: Path, rig: Rig | None) -> list[Binding]:
    """The bindings of a rig file.

    Raises
    ------
    RigError
        If one has a mistake: the first, with its line.
    """
    bindings, problems = check_bindings(path, rig)
    if problems:
        raise refuse(path, problems)
    return bindings


def _read_binding(table: Table, names: Names) -> Binding | None:
    before = len(table.problems.found)
    table.refuse_unknown((*FROM, "channel", *TARGETS, "low", "high"))
    kinds = [kind for kind in FROM if kind in table.data]
    targets = [target for target in TARGETS if target in table.data]
    if len(kinds) != 1 or len(targets) != 1:
        table.problems.add(
            table.path,
            f"a [[midi]] needs one of {', '.join(FROM)}, and one of {', '.join(TARGETS)}; "
            f"it has {', '.join(table.data) or 'nothing'}",
        )
        return None
    [kind], [target] = kinds, targets
    number = _whole(table, kind, 0, 127)
    channel = _whole(table, "channel", 1, 16) if "channel" in table.data else None
    low, high = table.number("low", 0.0, 0.0, 1.0), table.number("high", 1.0, 0.0, 1.0)
    given = table.data[target]
    turns = target == "knob" or (target == "action" and given in tuple(VOLUMES))
    if turns and kind != "controller":
        table.problems.add((*table.path, target), f"{target} {given!r} is turned by a controller, not by a {kind}")
    if not turns and {"low", "high"} & set(table.data):
        table.problems.add(
            table.path, "low and high are where a knob or a volume stands at 0 and at 127; leave them out"
        )
    slot, knob, index, action = None, None, None, None
    match target:
        case "knob":
            knob = _read_knob(table, names)
        case "slot":
            slot = table.text("slot")
            _check_slot(table, "slot", slot, names)
        case "action":
            action = table.text("action")
            _check_word(table, "action", action, (*ACTIONS, *VOLUMES))
        case _:
            index = _read_index(table, target, names)
    if len(table.problems.found) > before:
        return None
    scene, rig = (index, None) if target == "scene" else (None, index)
    return Binding(kind, number, channel, knob, slot, scene, rig, action, low, high)


def _whole(table: Table, key: str, lowest: int, highest: int) -> int:
    value = table.number(key, lowest, lowest, highest)
    if value != int(value):
        table.problems.add((*table.path, key), f"{key} is {value:g}; expected a whole number")
    return int(value)


def _check_word(table: Table, key: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        near = find_nearest(word, known)
        guess = f"did you mean {near}?" if near else f"there is {', '.join(known)}"
        table.problems.add((*table.path, key), f"there is no {key} {word!r}: {guess}")


def _check_slot(table: Table, key: str, slot: str, names: Names) -> bool:
    if names.is_set_list:
        table.problems.add((*table.path, key), f"a set list has no slots; put this {key} into the file of its rig")
    elif slot not in names.knobs:
        near = find_nearest(slot, names.knobs)
        guess = f"did you mean {near}?" if near else f"there is {', '.join(names.knobs)}"
        table.problems.add((*table.path, key), f"there is no slot {slot!r}: {guess}")
    return slot in names.knobs


def _read_knob(table: Table, names: Names) -> tuple[str, str]:
    slots = sorted(names.knobs, key=len, reverse=True)  # an id may have a dot in it
    text = table.text("knob")
    slot = next((each for each in slots if text.startswith(f"{each}.")), text.partition(".")[0])
    knob = text[len(slot) + 1 :]
    if _check_slot(table, "knob", slot, names):
        known = {each.casefold(): each for each in names.knobs[slot]}
        if knob.casefold() not in known:
            near = find_nearest(knob, known.values())
            there = f"there is {', '.join(f'{slot}.{each}' for each in known.values())}" if known else "it has none"
            guess = f"did you mean {slot}.{near}?" if near else there
            table.problems.add((*table.path, "knob"), f"slot {slot!r} has no knob {knob!r}: {guess}")
    return slot, knob


def _read_index(table: Table, key: str, names: Names) -> int:
    """The number of a scene or rig, from 0; in the file it counts from 1, or is the name of a scene."""
    value = table.data[key]
    if key == "scene" and isinstance(value, str) and not names.is_set_list:
        known = [name for name in names.scenes if name]
        _check_word(table, key, value, known or [str(n + 1) for n in range(len(names.scenes))])
        return names.scenes.index(value) if value in names.scenes else 0
    return _whole(table, key, 1, len(names.scenes) or MOST if key == "scene" else MOST) - 1


def put_bindings(path: Path, rig: Rig | None, bindings: Sequence[Binding]) -> str:
    """The text of a rig file with more bindings at its end, in place of those that they meet or whose knobs they turn.

    All else stays as it was.

    Raises
    ------
    RigError
        If that cannot be done to the file as it is written, with what to write there.
    """
    text = read_text(path)
    newline = "\r\n" if "\r\n" in text else "\n"
    places, before = find_lines(text), read_bindings(path, rig)
    expected = before
    for binding in bindings:
        expected = add_learned(expected, binding)
    gone = {n for n, binding in enumerate(before) if binding not in expected}
    lines_of_gone = [[line for place, line in places.items() if place[:2] == ("midi", n)] for n in gone]
    removed = {line for own in lines_of_gone if own for line in range(min(own), max(own) + 1)}
    kept = "".join(row for n, row in enumerate(split_rows(text), 1) if n not in removed)
    added = [format_binding(binding) for binding in expected if binding not in before]
    changed = newline.join([kept.rstrip("\r\n") + newline, *(each.replace("\n", newline) for each in added)])
    if _read_back(changed, rig) != expected:
        told = "; ".join(" ".join(each.split("\n")).strip() for each in added)
        raise RigError(f"the midi tables of {path} are not written as [[midi]]; add yourself: {told}")
    return changed


def _read_back(text: str, rig: Rig | None) -> list[Binding | None] | None:
    """The bindings in a text; None where it is no TOML."""
    try:
        tables = Table(tomllib.loads(text), (), Problems({(): 1})).tables("midi", MOST_BINDINGS)
    except tomllib.TOMLDecodeError:
        return None
    return [_read_binding(table, Names(rig)) for table in tables]
