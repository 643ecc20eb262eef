"""JSON of strangers, read with care: finite numbers, bounded depth, and look-ups that name what they refuse."""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.errors import PresetError

MAX_DEPTH = 32  # of nested objects and lists
WEIGHT_LIMIT = 1e6  # beyond this a float32 recurrence could overflow to infinity

Float32Array = NDArray[np.float32]


def parse_object(what: str, content: bytes) -> dict[str, Any]:
    """The JSON object that `content` holds.

    Parameters
    ----------
    what : str
        What it is, for the message of an error.
    content : bytes
        UTF-8, with or without a byte order mark.

    Raises
    ------
    PresetError
        If it is no JSON, no object, nested more than 32 deep, or holds a number that is not finite.
    """

    def parse_finite(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text[:40]} is not a finite number")
        return value

    try:
        data = json.loads(content.decode("utf-8-sig"), parse_constant=parse_finite, parse_float=parse_finite)
        _check_depth(data, MAX_DEPTH)
    except (ValueError, RecursionError) as err:
        raise PresetError(f"{what} is damaged: {str(err)[:120]}") from err
    except MemoryError as err:
        raise PresetError(f"{what} holds more than fits into memory") from err
    if not isinstance(data, dict):
        raise PresetError(f"{what} must hold an object, got {type(data).__name__}")
    return data


def _check_depth(value: Any, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"objects are nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            if isinstance(child, dict | list):
                _check_depth(child, depth - 1)


def take_array(what: str, value: Any, shape: tuple[int, ...]) -> Float32Array:
    """Nested lists of numbers of exactly this shape as a float32 array.

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
        odd = next(number for number in rows if type(number) not in (int, float))
        raise PresetError(f"{what} holds {show(odd)}, expected a number")
    try:
        array = np.array(rows, np.float64)
    except OverflowError as err:
        raise PresetError(f"{what} holds a number beyond ±{WEIGHT_LIMIT:g}") from err
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
    """Typed look-ups in a JSON object, each of which names the file, the key and the value when it refuses."""

    where: str  # the file, and what part of it
    data: dict[str, Any]

    def refuse(self, key: str, expected: str) -> PresetError:
        """The error that a value is not what it should be."""
        if key not in self.data:
            return PresetError(f"{self.where}: {key} is missing, expected {expected}")
        return PresetError(f"{self.where}: {key} is {show(self.data[key])}, expected {expected}")

    def has(self, key: str) -> bool:
        """Whether there is anything but null under a key."""
        return self.data.get(key) is not None

    def child(self, key: str) -> "Fields":
        """The object under a key."""
        value = self.data.get(key)
        if not isinstance(value, dict):
            raise self.refuse(key, "an object")
        return Fields(self.where, value)

    def children(self, key: str, lowest: int, highest: int) -> list["Fields"]:
        """The list of objects under a key, from `lowest` to `highest` of them."""
        value = self.data.get(key)
        if (
            not isinstance(value, list)
            or not lowest <= len(value) <= highest
            or not all(isinstance(entry, dict) for entry in value)
        ):
            raise self.refuse(key, f"a list of {lowest} to {highest} objects")
        return [Fields(f"{self.where}: {key}[{n}]", entry) for n, entry in enumerate(value)]

    def text(self, key: str) -> str:
        """The line of text under a key."""
        value = self.data.get(key)
        if not isinstance(value, str) or not value.isprintable() or not 1 <= len(value) <= 200:
            raise self.refuse(key, "a line of 1 to 200 characters")
        return value

    def boolean(self, key: str) -> bool:
        """The truth under a key."""
        value = self.data.get(key)
        if not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def integer(self, key: str, lowest: int, highest: int) -> int:
        """The whole number under a key."""
        value = self.data.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self.refuse(key, f"a whole number from {lowest} to {highest}")
        return value

    def number(self, key: str, lowest: float, highest: float) -> float:
        """The number under a key."""
        value = self.data.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self.refuse(key, f"a number from {lowest:g} to {highest:g}")
        return float(value)

    def optional_number(self, key: str, lowest: float, highest: float) -> float | None:
        """The number under a key, or None where there is none or null."""
        return self.number(key, lowest, highest) if self.has(key) else None
