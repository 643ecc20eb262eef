"""What the readers of other programs' files share: a capture as a preset, and a stranger's words made printable."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fxhost.effect import SAMPLE_RATES, Architecture, Float32Array, Knob, Levels, Preset
from fxhost.errors import PresetError
from fxhost.fields import Fields

MAX_METADATA = 1 << 16  # characters of JSON; more is left out
KNOB_DEFAULT = 0.5


def make_preset(
    path: Path,
    architecture: Architecture,
    weights: Mapping[str, Float32Array],
    *,
    file_format: str,
    version: str = "",
    sample_rate: int | None,
    assumed_rate: int,
    name: object = None,
    levels: Levels | None = None,
    probe: Mapping[str, Float32Array] | None = None,
    capture: Mapping[str, Any] | None = None,
    state: Mapping[str, Float32Array] | None = None,
) -> Preset:
    """A capture as a preset, its state as the file has it.

    Parameters
    ----------
    path : Path
    architecture : Architecture
    weights : mapping of str to float32 array
        As the architecture lists them.
    file_format, version : str
    sample_rate : int or None
        In Hz, where the file tells it.
    assumed_rate : int
        What the format's own programs assume otherwise.
    name : object
        What the file says; where that is no line of text, the file's own name.
    levels : Levels, optional
    probe : mapping of str to float32 array, optional
        As `Preset.probe`.
    capture : mapping, optional
        Whatever else the file tells about itself; shown, not used.
    state : mapping of str to float32 array, optional
        The state that the file stores, which a file made of this preset in the same format stores again.
    """
    title = clean(name) if isinstance(name, str) else ""
    title = title or clean(path.stem) or "capture"
    levels = levels or Levels()
    knobs = name_knobs(architecture.inputs - 1)
    metadata = {
        "format": file_format,
        "name": title,
        "architecture": architecture.as_dict(),
        "sample_rate": sample_rate or assumed_rate,
        "sample_rate_known": sample_rate is not None,
        "knobs": [{"name": knob.name, "default": knob.default} for knob in knobs],
        "levels": asdict(levels),
        "capture": {
            "format": file_format,
            "version": version,
            "about": keep_small(capture or {}),
            **({} if state is None else {"state": {key: rows.astype(float).tolist() for key, rows in state.items()}}),
        },
    }
    return Preset(
        path=path,
        name=title,
        sample_rate=sample_rate or assumed_rate,
        architecture=architecture,
        knobs=knobs,
        weights=weights,
        probe=probe or {},
        silent_output=0.0,
        metadata=metadata,
        levels=levels,
        file_format=file_format,
    )


def name_knobs(count: int) -> tuple[Knob, ...]:
    """Knobs without names of their own: knob, or knob1, knob2 and so on."""
    return tuple(Knob("knob" if count == 1 else f"knob{n + 1}", KNOB_DEFAULT) for n in range(count))


def clean(text: str) -> str:
    """A stranger's line, printable and at most 200 characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200]).strip()


def keep_small(capture: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a stranger's metadata that are of reasonable size."""
    kept, room = {}, MAX_METADATA
    for key, value in capture.items():
        room -= len(json.dumps({key: value}))
        if room >= 0:
            kept[key] = value
    return kept


def read_rate(fields: Fields, key: str) -> int | None:
    """A sample rate in Hz, where there is one: a whole number, or a float that is one.

    Raises
    ------
    PresetError
        If it is anything else, or out of range.
    """
    if not fields.has(key):
        return None
    value = fields.data[key]
    if type(value) is float and value.is_integer():
        fields = Fields(fields.where, {key: int(value)})
    try:
        return fields.integer(key, *SAMPLE_RATES)
    except PresetError:
        raise fields.refuse(key, f"a sample rate from {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz") from None


def zero_state(architecture: Architecture) -> dict[str, Float32Array]:
    """The state that formats without a stored one start from."""
    shape = (architecture.layers, architecture.hidden_size)
    return {"h0": np.zeros(shape, np.float32), "c0": np.zeros(shape, np.float32)}


def refuse_wavenet(preset: Preset) -> None:
    """Make sure that a preset is a recurrent network.

    Raises
    ------
    PresetError
    """
    if preset.architecture.network is not None:
        raise PresetError(f"{preset.path} is a {preset.architecture.label}, which only a .nam file can hold")
