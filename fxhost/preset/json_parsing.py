"""Parses JSON from strangers: bounded depth, and an error that tells a cut-off file from another kind of file.

Other programs' files are parsed leniently: what is odd in a part that nobody needs refuses nothing.
"""

import json
import math
from typing import Any

from fxhost.errors import PresetError

MAX_DEPTH = 32  # of nested objects and lists

_LONGEST_WORD = 5  # characters of `false` without its last, and of half a number
_LONGEST_INTEGER = 400  # digits; more are beyond any limit


def parse_object(what: str, content: bytes, *, exact: bool = False) -> dict[str, Any]:
    """The JSON object that `content` holds.

    Parameters
    ----------
    what : str
        What it is, for the message of an error.
    content : bytes
        UTF-8, with or without a byte order mark.
    exact : bool
        Whether everything must be as it should. Otherwise a number that is not finite is left to whoever takes it,
        letters that are no UTF-8 are replaced, zeros after the end are left out, and what is nested more than 32 deep
        becomes null.

    Raises
    ------
    PresetError
        If it is no JSON, no object, or, where that counts, nested too deep or with a number that is not finite.
    """

    def parse_finite(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text[:40]} is not a finite number")
        return value

    try:
        text = content.decode("utf-8-sig", errors="strict" if exact else "replace")
        if exact:
            data = json.loads(text, parse_constant=parse_finite, parse_float=parse_finite)
            _check_depth(data, MAX_DEPTH)
        else:
            data = json.loads(text.rstrip("\x00"), parse_int=_parse_integer)
            if isinstance(data, dict | list):
                _prune(data, MAX_DEPTH)
    except json.JSONDecodeError as err:
        if err.msg == "Extra data":
            raise PresetError(
                f"{what} is damaged: it goes on after the end of its object, at character {err.pos} of {len(text)}; "
                "get the file again"
            ) from err
        if _is_cut_off(text, err):
            raise PresetError(f"{what} is cut off: it ends after {len(content)} bytes; get the file again") from err
        raise PresetError(f"{what} is damaged: {str(err)[:120]}; get the file again") from err
    except RecursionError as err:
        raise PresetError(f"{what} is damaged: it is nested too deep; get the file again") from err
    except ValueError as err:
        raise PresetError(f"{what} is damaged: {str(err)[:120]}") from err
    except MemoryError as err:
        raise PresetError(f"{what} holds more than fits into memory") from err
    if not isinstance(data, dict):
        raise PresetError(f"{what} must hold an object, got {type(data).__name__}")
    return data


def _is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    """Whether JSON is valid up to an end that is missing or was written as zeros."""
    is_in_text = error.msg.startswith("Unterminated") and '"' not in text[error.pos + 1 :]
    return is_in_text or error.pos >= len(text.rstrip("\x00 \r\n\t")) - _LONGEST_WORD


def _parse_integer(text: str) -> int | float:
    return int(text) if len(text) <= _LONGEST_INTEGER else math.copysign(math.inf, -1 if text[0] == "-" else 1)


def _check_depth(value: Any, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"objects are nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            if isinstance(child, dict | list):
                _check_depth(child, depth - 1)


def _prune(value: Any, depth: int) -> None:
    """Put null in the place of what is nested deeper."""
    for place, child in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(child, dict | list):
            if depth > 1:
                _prune(child, depth - 1)
            else:
                value[place] = None  # no list of places is made beside it: there may be millions
