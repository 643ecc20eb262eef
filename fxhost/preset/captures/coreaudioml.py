"""The JSON of Automated-GuitarAmpModelling (CoreAudioML), as Proteus and NeuralPi open it.

`model_data` holds the sizes, `state_dict` torch's parameters as nested lists: `rec.*` of the recurrent layers, `lin.*`
of the linear one. With `skip` the audio input is added to the output. There is no state (it starts from zeros), no
gain, and no sample rate but BYOD's key; players without it assume 44,100 Hz.
"""

from pathlib import Path
from typing import Any

import numpy as np

from fxhost.errors import PresetError
from fxhost.networks.architecture import Architecture
from fxhost.networks.recurrent import GATES, MAX_HIDDEN_SIZE, MAX_INPUTS, MAX_LAYERS, Recurrent
from fxhost.preset.captures.capture import (
    make_preset,
    read_any_rate,
    read_skip,
    refuse_dense,
    refuse_wavenet,
    zero_state,
)
from fxhost.preset.captures.rewriting import fold_gains, unwire_residual
from fxhost.preset.effect import Preset
from fxhost.preset.json_fields import Fields, show, take_array

FORMAT = "coreaudioml"
ASSUMED_RATE = 44_100


def claims(data: dict[str, Any]) -> bool:
    """Whether a JSON object is of this format."""
    return "model_data" in data and "state_dict" in data


def read(path: Path, data: dict[str, Any]) -> Preset:
    """A capture of this format; its state is zero.

    Raises
    ------
    PresetError
        If anything in it is not as the format has it, or is nothing that fxhost plays.
    """
    fields = Fields(str(path), data)
    sizes = fields.child("model_data")
    if sizes.has("model") and sizes.data["model"] != "SimpleRNN":
        raise PresetError(f"{path}: model is {show(sizes.data['model'])}; fxhost plays 'SimpleRNN' of this format")
    unit = sizes.data.get("unit_type")
    cell = unit.lower() if isinstance(unit, str) else ""
    if cell not in GATES:
        raise PresetError(f"{path}: unit_type is {show(unit)}; fxhost plays 'LSTM' and 'GRU'")
    sizes.integer("output_size", 1, 1)
    architecture = Recurrent(
        layers=sizes.integer("num_layers", 1, MAX_LAYERS) if sizes.has("num_layers") else 1,
        hidden_size=sizes.integer("hidden_size", 1, MAX_HIDDEN_SIZE),
        inputs=sizes.integer("input_size", 1, MAX_INPUTS),
        residual=read_skip(sizes, "skip"),
        cell=cell,
    )
    state = fields.child("state_dict").data
    weights = zero_state(architecture)
    has_bias = sizes.known_boolean("bias_fl")
    if has_bias is None:  # the weights themselves tell
        has_bias = "lin.bias" in state
    for name, shape in architecture.weight_shapes().items():
        if name in weights:
            continue
        key = f"lin.{name.removeprefix('head_')}" if name.startswith("head_") else f"rec.{name}"
        if key == "lin.bias" and not has_bias:
            weights[name] = np.zeros(shape, np.float32)
        else:
            weights[name] = take_array(f"{path}: {key}", state.get(key), shape)
    unknown = set(state) - set(keys_of(architecture))
    if unknown:
        raise PresetError(f"{path}: state_dict holds {show(sorted(unknown)[0])}, which {architecture.label} has not")
    described = {key: value for key, value in data.items() if key != "state_dict"}
    rate = read_any_rate(fields)
    return make_preset(
        path,
        architecture,
        weights,
        file_format=FORMAT,
        sample_rate=rate,
        assumed_rate=ASSUMED_RATE,
        name=data.get("name"),
        capture=described,
        notes=fields.notes,
    )


def keys_of(architecture: Architecture) -> dict[str, str]:
    """The keys of `state_dict`, and the names of the same arrays here."""
    names = [name for name in architecture.weight_shapes() if name not in ("h0", "c0")]
    return {(f"lin.{name[5:]}" if name.startswith("head_") else f"rec.{name}"): name for name in names}


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
    refuse_dense(preset)
    preset = fold_gains(unwire_residual(preset))
    a = preset.architecture
    notes = []
    if not a.residual:
        notes.append("Proteus and NeuralPi add the dry signal whatever the file says, and will sound wrong")
    if a.layers != 1 or a.cell != "lstm":
        notes.append(f"Proteus and NeuralPi play LSTM of one layer, this is {a.label}")
    if preset.sample_rate != ASSUMED_RATE:
        notes.append(
            f"the sample rate of {preset.sample_rate} Hz is stored as BYOD reads it; Proteus and NeuralPi ignore it"
        )
    data = {
        "model_data": {
            "model": "SimpleRNN",
            "input_size": a.inputs,
            "skip": int(a.residual),
            "output_size": 1,
            "unit_type": a.cell.upper(),
            "num_layers": a.layers,
            "hidden_size": a.hidden_size,
            "bias_fl": True,
        },
        "state_dict": {key: preset.weights[name].astype(float).tolist() for key, name in keys_of(a).items()},
        "sample_rate": preset.sample_rate,
        "name": preset.name,
    }
    return data, notes
