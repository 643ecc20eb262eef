"""AIDA-X, `.json` or `.aidax`: recurrent and dense layers as RTNeural has them from Keras, with gains in dB.

The order of operations is: x ← in_gain · x;  y = network(x), plus the gained x with `in_skip`;  y ← out_gain · y. A
gain of −90 dB or less is silence. The file may carry an input and the output of the network on it, from a state of
zeros; the knobs of a conditioned one stand at 0.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from fxhost.arrays import SILENCE_DB, Float32Array
from fxhost.errors import PresetError
from fxhost.networks.recurrent import MAX_INPUTS
from fxhost.preset.captures.capture import make_preset, read_any_rate, read_skip, refuse_wavenet
from fxhost.preset.captures.keras import last_of, read_layers, write_layers
from fxhost.preset.captures.rewriting import unwire_residual
from fxhost.preset.effect import GAINS_DB, Levels, Preset
from fxhost.preset.json_fields import DECIBELS, Fields, take_array

FORMAT = "aidax"
ASSUMED_RATE = 48_000
MAX_BATCH = 65_536


def claims(data: dict[str, Any]) -> bool:
    """Whether a JSON object is of this format."""
    return "layers" in data and "in_shape" in data


def read(path: Path, data: dict[str, Any]) -> Preset:
    """A capture of this format; its state is zero.

    Raises
    ------
    PresetError
        If anything in it is not as the format has it, or is nothing that fxhost plays.
    """
    fields = Fields(str(path), data)
    inputs = last_of(fields, "in_shape", MAX_INPUTS)
    architecture, weights = read_layers(fields, inputs, residual=read_skip(fields, "in_skip"))
    about = fields.known_child("metadata")
    gains = [fields.known_number(f"{side}_gain", -math.inf, GAINS_DB[1], DECIBELS) or 0.0 for side in ("in", "out")]
    return make_preset(
        path,
        architecture,
        weights,
        file_format=FORMAT,
        sample_rate=next((rate for part in (fields, about) if (rate := read_any_rate(part)) is not None), None),
        assumed_rate=ASSUMED_RATE,
        name=about.data.get("name"),
        levels=Levels(*(max(gain, SILENCE_DB) for gain in gains)),
        probe=read_batch(fields, architecture.inputs),
        capture=about.data,
        notes=fields.notes,
    )


def read_batch(fields: Fields, inputs: int) -> dict[str, Float32Array]:
    """The file's own input and output, if it has both; what is wrong with them is noted, and they are left out."""
    batch, answer = (fields.data.get(key) for key in ("input_batch", "output_batch"))
    if batch is None or answer is None:
        return {}
    for key, value in (("input_batch", batch), ("output_batch", answer)):
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_BATCH:
            fields.leave_out(key, f"a list of 1 to {MAX_BATCH} numbers")
            return {}
    frames = len(batch)
    full = np.zeros((frames, inputs), np.float32)
    try:
        full[:, 0] = take_array("input_batch", batch, (frames,))
        output = take_array("output_batch", answer, (frames,))
    except PresetError as err:
        fields.notes.append(str(err))
        return {}
    full.setflags(write=False)
    return {"input": full, "output_rest": output}


# --- writing ---------------------------------------------------------------------------------------------------------


def write(preset: Preset) -> tuple[dict[str, Any], list[str]]:
    """A preset in this format.

    Returns
    -------
    data : dict
        For JSON.
    notes : list of str
        What the user should know about the file.

    Raises
    ------
    PresetError
        If the format cannot hold it.
    """
    refuse_wavenet(preset)
    preset = unwire_residual(preset)
    a = preset.architecture
    notes = []
    ignored = [
        key for key, is_used in (("in_skip", a.residual), ("in_gain and out_gain", preset.levels.has_gains)) if is_used
    ]
    if ignored:
        notes.append(f"some players of this format ignore {', '.join(ignored)}, and will sound wrong")
    if a.layers > 1 or not a.is_plain:
        notes.append(f"some players of this format have one recurrent and one linear layer only; this is {a.label}")
    data: dict[str, Any] = {
        "in_shape": [None, None, a.inputs],
        "layers": write_layers(preset),
        "metadata": {"name": preset.name, "samplerate": str(preset.sample_rate)},
    }
    if a.residual:
        data["in_skip"] = 1
    if preset.levels.has_gains:
        data |= {"in_gain": preset.levels.input_gain_db, "out_gain": preset.levels.output_gain_db}
    return data, notes
