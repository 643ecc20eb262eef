"""Shared by the readers of captures: building a preset, and making texts from strangers printable."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import PresetError
from fxhost.networks.architecture import Architecture
from fxhost.networks.recurrent import Recurrent
from fxhost.networks.wavenet import WaveNet
from fxhost.preset.effect import SAMPLE_RATES, Knob, Levels, Preset
from fxhost.preset.json_fields import HERTZ, Fields, read_number, show

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
    notes: list[str] | None = None,
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
    notes : list of str, optional
        What of the file was left out, and why.
    """
    notes = [] if notes is None else notes
    if name is not None and not isinstance(name, str):
        notes.append(f"name is {show(name)}, expected text")
    if sample_rate is None and any(note.startswith(("sample_rate is", "samplerate is")) for note in notes):
        notes.append(f"{assumed_rate} Hz is assumed")
    title = clean(name) if isinstance(name, str) else ""
    title = title or clean(Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem) or "capture"
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
            "about": keep_small(capture or {}, notes),
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
        notes=tuple(notes),
    )


def name_knobs(count: int) -> tuple[Knob, ...]:
    """Default names of knobs: knob, or knob1, knob2 and so on."""
    return tuple(Knob("knob" if count == 1 else f"knob{n + 1}", KNOB_DEFAULT) for n in range(count))


def clean(text: str) -> str:
    """A text from a file as one printable line of at most 200 characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200]).strip()


def keep_small(capture: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The parts of a stranger's metadata that are of reasonable size; what is not finite becomes null and is noted."""
    kept, room = {}, MAX_METADATA
    for key, value in capture.items():
        finite = keep_finite(value, clean(key), notes)
        room -= len(json.dumps({key: finite}))
        if room >= 0:
            kept[key] = finite
    return kept


def keep_finite(value: Any, name: str, notes: list[str]) -> Any:
    """The same JSON with null for numbers that are not finite, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: keep_finite(child, f"{name}.{clean(key)}", notes) for key, child in value.items()}
    if isinstance(value, list):
        return [keep_finite(child, name, notes) for child in value]
    if isinstance(value, float) and not math.isfinite(value):
        if not any(note.startswith(f"{name} is ") for note in notes):
            notes.append(f"{name} is {show(value)}, expected a number")
        return None
    return value


def read_rate(fields: Fields, key: str) -> int | None:
    """A sample rate in Hz, where there is one; something else is left out and noted."""
    if not fields.has(key):
        return None
    rate = read_number(fields.data[key], HERTZ)
    if rate is not None and math.isfinite(rate) and rate == int(rate) and SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
        return int(rate)
    fields.leave_out(key, f"a sample rate from {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz")
    return None


def read_any_rate(fields: Fields) -> int | None:
    """The sample rate in Hz under either spelling of its key, where there is one."""
    rates = (read_rate(fields, key) for key in ("samplerate", "sample_rate"))
    return next((rate for rate in rates if rate is not None), None)


def read_skip(fields: Fields, key: str) -> bool:
    """Whether the audio is added to the output: 0 or 1, or true or false; no where nothing is said.

    Raises
    ------
    PresetError
        If it is anything else, which would leave the sound in doubt.
    """
    if not fields.has(key):
        return False
    try:
        return fields.boolean(key)
    except PresetError:
        return bool(fields.integer(key, 0, 1))


def zero_state(architecture: Architecture) -> dict[str, Float32Array]:
    """The state that formats without a stored one start from."""
    shape = (architecture.layers, architecture.hidden_size)
    return {"h0": np.zeros(shape, np.float32), "c0": np.zeros(shape, np.float32)}


def refuse_dense(preset: Preset) -> None:
    """Make sure that a recurrent network has no dense layer but a linear one at its end.

    Raises
    ------
    PresetError
    """
    if isinstance(preset.architecture, Recurrent) and not preset.architecture.is_plain:
        raise PresetError(
            f"{preset.path} is {preset.architecture.label}, for which this format has no place; export it as .aidax"
        )


def refuse_wavenet(preset: Preset) -> None:
    """Make sure that a preset is a recurrent network.

    Raises
    ------
    PresetError
    """
    if isinstance(preset.architecture, WaveNet):
        raise PresetError(
            f"{preset.path} is {preset.architecture.label}, which only a .nam file can hold; end the name in .nam"
        )
