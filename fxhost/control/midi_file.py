"""The `[[midi]]` tables of a rig file: read with every mistake, and added to without a change to the rest."""

import tomllib
from pathlib import Path

from fxhost.control.midi_map import ACTIONS, Binding, format_binding
from fxhost.rig.checked_table import Problem, Problems, Table, refuse
from fxhost.rig.toml_lines import find_lines

KEYS = ("controller", "note", "channel", "knob", "slot", "action", "low", "high")
TARGETS = ("knob", "slot", "action")
TOGETHER = (*ACTIONS, "volume")


def check_bindings(path: Path, ids: tuple[str, ...]) -> tuple[list[Binding], list[Problem]]:
    """The bindings of a rig file that can be read, and every mistake in them.

    Parameters
    ----------
    path : Path
        A file that `read_rig_file` takes.
    ids : tuple of str
        Of the slots of the rig.
    """
    text = path.read_text(encoding="utf-8")
    problems = Problems(find_lines(text))
    tables = Table(tomllib.loads(text), (), problems).tables("midi")
    bindings = [binding for table in tables if (binding := _read_binding(table, ids)) is not None]
    return bindings, sorted(problems.found)


def read_bindings(path: Path, ids: tuple[str, ...]) -> list[Binding]:
    """The bindings of a rig file.

    Raises
    ------
    RigError
        If one has a mistake.
    """
    bindings, problems = check_bindings(path, ids)
    if problems:
        raise refuse(path, problems)
    return bindings


def _read_binding(table: Table, ids: tuple[str, ...]) -> Binding | None:
    before = len(table.problems.found)
    table.refuse_unknown(KEYS)
    kinds = [kind for kind in ("controller", "note") if kind in table.data]
    targets = [target for target in TARGETS if target in table.data]
    if len(kinds) != 1 or len(targets) != 1:
        table.problems.add(table.path, "a [[midi]] needs one of controller, note, and one of knob, slot, action")
        return None
    [kind], [target] = kinds, targets
    number = table.number(kind, 0, 0, 127)
    channel = table.number("channel", 1, 1, 16) if "channel" in table.data else None
    low, high = table.number("low", 0.0, 0.0, 1.0), table.number("high", 1.0, 0.0, 1.0)
    for value, name in ((number, kind), (channel or 1.0, "channel")):
        if value != int(value):
            table.problems.add((*table.path, name), f"{name} is {value:g}; expected a whole number")
    slot, _, knob = table.text(target).partition(".")
    if target == "action":
        table.one_of("action", "bypass", TOGETHER)
    elif slot not in ids:
        table.problems.add((*table.path, target), f"there is no slot {slot!r}: there is {', '.join(ids)}")
    if target == "knob" and (kind == "note" or not knob):
        table.problems.add((*table.path, target), 'a knob is turned by a controller and named "SLOT.KNOB"')
    if len(table.problems.found) > before:
        return None
    return Binding(
        kind,
        int(number),
        None if channel is None else int(channel),
        knob=(slot, knob) if target == "knob" else None,
        slot=slot if target == "slot" else None,
        action=slot if target == "action" else None,
        low=low,
        high=high,
    )


def add_bindings(text: str, bindings: list[Binding]) -> str:
    """The text of a rig file with more bindings at its end; what stood there before stays as it was."""
    return text.rstrip("\n") + "\n\n" + "\n".join(format_binding(binding) for binding in bindings)
