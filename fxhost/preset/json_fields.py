"""Typed access to JSON from untrusted files. Each error names the file, the key and the value.

Other programs' files are read leniently: a number may stand there as text, and what is odd in a description, which is
what a file tells about itself besides its network, is left out and noted. Our own are read to the letter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import PresetError

WEIGHT_LIMIT = 1e6  # beyond this a float32 recurrence could overflow to infinity

NO_UNITS: Mapping[str, float] = {}
DECIBELS: Mapping[str, float] = {"db": 1.0, "dbu": 1.0, "dbfs": 1.0}
HERTZ: Mapping[str, float] = {"hz": 1.0, "khz": 1000.0, "k": 1000.0}


_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([a-zA-Z]*)\s*", re.ASCII)
_LONGEST_NUMBER = 40  # characters
_TRUTHS = {"true": True, "false": False, **dict.fromkeys(("1", "1.0"), True), **dict.fromkeys(("0", "0.0"), False)}


def read_number(value: Any, units: Mapping[str, float] = NO_UNITS) -> int | float | None:
    """The number in a value, also if it is written as text; None if there is none.

    Parameters
    ----------
    value : object
        As JSON gave it.
    units : mapping of str to float
        What may stand behind a number in text, in small letters, and how many of ours it is.

    Returns
    -------
    int or float or None
        It may be infinite or NaN.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        return None
    match = _NUMBER.fullmatch(value.replace("\N{MINUS SIGN}", "-"))
    if match is None:
        return None
    digits, unit = match[1], match[2].lower()
    if unit and unit not in units:
        return None
    number = int(digits) if digits.lstrip("+-").isdigit() else float(digits)
    return number * units[unit] if unit else number


def take_array(what: str, value: Any, shape: tuple[int, ...]) -> Float32Array:
    """Nested lists of numbers of exactly this shape as a float32 array; a number may be told as text.

    Parameters
    ----------
    what : str
        What it is, for the message of an error.
    value : object
        As JSON gave it.
    shape : tuple of int

    Raises
    ------
    PresetError
        If it has another shape, or holds anything but numbers within ±1e6.
    """
    rows = [value]
    for level, length in enumerate(shape):
        for row in rows:
            if not isinstance(row, list) or len(row) != length:
                got = f"{len(row)} entries" if isinstance(row, list) else show(row)
                raise PresetError(f"{what} has {got} where {length} belong (shape {shape[level:]} of {shape})")
        rows = [child for row in rows for child in row]
    if any(type(number) is not float and type(number) is not int for number in rows):  # bool is an int
        told = [read_number(number) for number in rows]
        if None in told:
            raise PresetError(f"{what} holds {show(rows[told.index(None)])}, expected a number")
        rows = told
    try:
        array = np.array(rows, np.float64)
    except OverflowError as err:
        raise PresetError(f"{what} holds a number beyond ±{WEIGHT_LIMIT:g}") from err
    if np.isnan(array).any():
        raise PresetError(f"{what} holds NaN, expected a number; its training has failed, train or get it again")
    if not np.all(np.abs(array) <= WEIGHT_LIMIT):
        raise PresetError(f"{what} holds a number beyond ±{WEIGHT_LIMIT:g}")
    narrow = array.astype(np.float32).reshape(shape)
    narrow.setflags(write=False)
    return narrow


def show(value: Any) -> str:
    """A stranger's value in a message: one line, at most 40 characters."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    try:
        text = str(value)
    except ValueError:  # a whole number of more than 4,300 digits
        text = "a huge number"
    return repr("".join(letter if letter.isprintable() else "?" for letter in text[:40]))


@dataclass(frozen=True)
class Fields:
    """Typed look-ups in a JSON object, each of which names the file, the key and the value when it refuses.

    Attributes
    ----------
    where : str
        The file, and what part of it.
    data : dict
    exact : bool
        Whether everything must be of its own type: in our own files, where a number is no text.
    notes : list of str
        What was left out, and why, of this object and of those inside it.
    """

    where: str
    data: dict[str, Any]
    exact: bool = False
    notes: list[str] = field(default_factory=list)

    def refuse(self, key: str, expected: str) -> PresetError:
        """The error that a value is not what it should be."""
        return PresetError(f"{self.where}: {self.tell(key, expected)}")

    def tell(self, key: str, expected: str) -> str:
        """What is wrong with a value."""
        got = f"is {show(self.data[key])}" if key in self.data else "is missing"
        return f"{key} {got}, expected {expected}"

    def leave_out(self, key: str, expected: str) -> None:
        """Note that a value is not what it should be, and is not used."""
        self.notes.append(self.tell(key, expected))

    def has(self, key: str) -> bool:
        """Whether there is anything but null under a key."""
        return self.data.get(key) is not None

    def within(self, data: dict[str, Any], where: str | None = None) -> "Fields":
        """Look-ups in a part of this object."""
        return replace(self, data=data, where=self.where if where is None else where)

    def child(self, key: str) -> "Fields":
        """The object under a key."""
        value = self.data.get(key)
        if not isinstance(value, dict):
            raise self.refuse(key, "an object")
        return self.within(value)

    def known_child(self, key: str) -> "Fields":
        """The object under a key; an empty one where there is none, or something else, which is noted."""
        if isinstance(value := self.data.get(key), dict):
            return self.within(value)
        if self.has(key):
            self.leave_out(key, "an object")
        return self.within({})

    def children(self, key: str, lowest: int, highest: int) -> list["Fields"]:
        """The list of objects under a key, from `lowest` to `highest` of them."""
        value = self.data.get(key)
        if (
            not isinstance(value, list)
            or not lowest <= len(value) <= highest
            or not all(isinstance(entry, dict) for entry in value)
        ):
            raise self.refuse(key, f"a list of {lowest} to {highest} objects")
        return [self.within(entry, f"{self.where}: {key}[{n}]") for n, entry in enumerate(value)]

    def text(self, key: str) -> str:
        """The line of text under a key."""
        value = self.data.get(key)
        if not isinstance(value, str) or not value.isprintable() or not 1 <= len(value) <= 200:
            raise self.refuse(key, "a line of 1 to 200 characters")
        return value

    def boolean(self, key: str) -> bool:
        """The boolean under a key; captures may also write 0, 1, or text."""
        value = self.data.get(key)
        if not self.exact and not isinstance(value, bool) and isinstance(value, int | float | str):
            value = _TRUTHS.get(str(value).strip().lower())
        if not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def known_boolean(self, key: str) -> bool | None:
        """The truth under a key, or None where there is none, or something else, which is noted."""
        if not self.has(key):
            return None
        try:
            return self.boolean(key)
        except PresetError:
            self.leave_out(key, "true or false")
            return None

    def integer(self, key: str, lowest: int, highest: int) -> int:
        """The whole number under a key."""
        value = self.data.get(key)
        number = value if self.exact else read_number(value)
        if isinstance(number, float) and number.is_integer() and not self.exact:
            number = int(number)
        if not isinstance(number, int) or isinstance(number, bool) or not lowest <= number <= highest:
            raise self.refuse(key, f"a whole number from {lowest} to {highest}")
        return number

    def number(self, key: str, lowest: float, highest: float, units: Mapping[str, float] = NO_UNITS) -> float:
        """The number under a key; as text it may have one of these units behind it."""
        value = self.data.get(key)
        number = value if self.exact else read_number(value, units)
        if not isinstance(number, int | float) or isinstance(number, bool) or not lowest <= number <= highest:
            raise self.refuse(key, f"a number from {lowest:g} to {highest:g}")
        return float(number)

    def optional_number(self, key: str, lowest: float, highest: float) -> float | None:
        """The number under a key, or None where there is none or null."""
        return self.number(key, lowest, highest) if self.has(key) else None

    def known_number(
        self, key: str, lowest: float, highest: float, units: Mapping[str, float] = NO_UNITS
    ) -> float | None:
        """The number under a key, or None where there is none, or something else, which is noted."""
        if not self.has(key):
            return None
        try:
            return self.number(key, lowest, highest, units)
        except PresetError:
            self.leave_out(key, f"a number from {lowest:g} to {highest:g}")
            return None
