"""Tables of a rig file, read with checks that collect every mistake with its line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fxhost.errors import FxhostError, RigError
from fxhost.nearest import find_nearest
from fxhost.rig.toml_lines import Place, line_of


@dataclass(frozen=True, order=True)
class Problem:
    """A mistake in a rig file."""

    line: int
    text: str


@dataclass
class Problems:
    """The mistakes that were found so far."""

    lines: dict[Place, int]
    found: list[Problem] = field(default_factory=list)

    def add(self, path: Place, text: str) -> None:
        """Keep a mistake at a key or table."""
        self.found.append(Problem(line_of(self.lines, path), text))

    def attempt(self, path: Place, action: Callable[[], Any]) -> Any:
        """What an action returns; None where it fails, which is kept as a mistake."""
        try:
            return action()
        except FxhostError as err:
            self.add(path, str(err))
            return None


class Table:
    """A table of the file, and where it stands.

    Parameters
    ----------
    data : object
        What stands there; anything but a table is a mistake.
    path : Place
    problems : Problems
    """

    def __init__(self, data: object, path: Place, problems: Problems) -> None:
        self.path, self.problems = path, problems
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}
        if not isinstance(data, dict):
            problems.add(path, f"{name_of(path)} is {describe(data)}; expected a table")

    def refuse_unknown(self, known: Sequence[str], places: Mapping[str, Place] | None = None) -> None:
        """Note every key that is none of these, with the nearest of them.

        Parameters
        ----------
        known : sequence of str
        places : mapping of str to Place, optional
            Where keys stand in the table that are not plain.
        """
        for key in self.data:
            if key not in known:
                near = find_nearest(key, known)
                guess = f"did you mean {near}?" if near else f"there is {', '.join(known)}"
                place = (key,) if places is None else places[key]
                self.problems.add((*self.path, *place), f"unknown key {key!r}: {guess}")

    def number(self, key: str, default: float, lowest: float, highest: float) -> float:
        """A number within a range."""
        value = self.data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            self._wrong(key, value, f"a number from {lowest:g} to {highest:g}")
            return default
        return float(value)

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        value = self.data.get(key, default)
        if not isinstance(value, str):
            self._wrong(key, value, "a text in quotes")
            return default
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            self._wrong(key, value, "true or false")
            return default
        return value

    def one_of(self, key: str, default: Any, allowed: Sequence[Any]) -> Any:
        """One of a few values."""
        value = self.data.get(key, default)
        if value not in allowed:
            self._wrong(key, value, f"one of {', '.join(map(str, allowed))}")
            return default
        return value

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self._wrong(key, value, "a list of texts in quotes")
            return []
        return value

    def table(self, key: str) -> "Table":
        """A table in it; an empty one where there is none."""
        return Table(self.data.get(key, {}), (*self.path, key), self.problems)

    def tables(self, key: str, most: int) -> list["Table"]:
        """A list of so many tables at most."""
        value = self.data.get(key, [])
        if not isinstance(value, list):
            self._wrong(key, value, f"tables that begin with [[{key}]]")
            return []
        if len(value) > most:
            self.problems.add((*self.path, key, most), f"this is one of {len(value)} [[{key}]]; give at most {most}")
            value = value[:most]
        return [Table(each, (*self.path, key, n), self.problems) for n, each in enumerate(value)]

    def _wrong(self, key: str, value: object, expected: str) -> None:
        self.problems.add((*self.path, key), f"{key} is {describe(value)}; expected {expected}")


def name_of(path: Place) -> str:
    """A place in the file for people, such as 'slot 2 knobs'."""
    return " ".join(str(part + 1) if isinstance(part, int) else part for part in path)


def describe(value: object) -> str:
    """A value as it would stand in the file, shortened."""
    text = {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def refuse(path: object, problems: Sequence[Problem]) -> RigError:
    """The error for a file with mistakes: the first, and how many more there are."""
    first = min(problems)
    more = f" ({len(problems) - 1} more: fxhost rig check {path})" if len(problems) > 1 else ""
    return RigError(f"{path}, line {first.line}: {first.text}{more}")
