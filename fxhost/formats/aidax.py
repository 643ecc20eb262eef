"""AIDA-X, `.json` or `.aidax`: RTNeural's Keras layout of one recurrent and one dense layer, with gains in dB.

The order of operations is: x ← in_gain · x;  y = network(x), plus the gained x with `in_skip`;  y ← out_gain · y. A
gain of −90 dB or less is silence. The file may carry an input and the output of the network on it, from a state of
zeros; the knobs of a conditioned one stand at 0.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.effect import GAINS_DB, GATES, MAX_HIDDEN_SIZE, MAX_INPUTS, SILENCE_DB, Architecture, Levels, Preset
from fxhost.errors import PresetError
from fxhost.fields import DECIBELS, Fields, Float32Array, show, take_array
from fxhost.formats.capture import make_preset, read_rate, read_skip, refuse_wavenet, zero_state

FORMAT = "aidax"
ASSUMED_RATE = 48_000
MAX_BATCH = 65_536
ACTIVATIONS = {"recurrent": ("", "tanh"), "dense": ("", "linear")}  # players ignore what is written there


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
    layers = fields.children("layers", 1, 64)
    kinds = [kind if isinstance(kind := layer.data.get("type"), str) else "" for layer in layers]
    if len(layers) != 2 or kinds[0] not in GATES or kinds[1] != "dense":
        listed = ", ".join(show(layer.data.get("type")) for layer in layers[:6])
        raise PresetError(f"{path} has the layers {listed}; fxhost plays one 'lstm' or 'gru' and then one 'dense'")
    for layer, kind in zip(layers, ACTIVATIONS, strict=True):
        if layer.data.get("activation", "") not in ACTIVATIONS[kind]:
            raise layer.refuse("activation", f"one of {', '.join(map(repr, ACTIVATIONS[kind]))}")
    architecture = Architecture(
        layers=1,
        hidden_size=last_of(layers[0], "shape", MAX_HIDDEN_SIZE),
        inputs=last_of(fields, "in_shape", MAX_INPUTS),
        residual=read_skip(fields, "in_skip"),
        cell=kinds[0],
    )
    last_of(layers[1], "shape", 1)
    weights = {
        **from_keras(f"{path}: {kinds[0]} layer", layers[0].data.get("weights"), architecture),
        **head_from_keras(f"{path}: dense layer", layers[1].data.get("weights"), architecture.hidden_size),
        **zero_state(architecture),
    }
    about = fields.known_child("metadata")
    gains = [fields.known_number(f"{side}_gain", -1000.0, GAINS_DB[1], DECIBELS) or 0.0 for side in ("in", "out")]
    return make_preset(
        path,
        architecture,
        weights,
        file_format=FORMAT,
        sample_rate=read_rate(fields, "samplerate") or read_rate(about, "samplerate"),
        assumed_rate=ASSUMED_RATE,
        name=about.data.get("name"),
        levels=Levels(*(max(gain, SILENCE_DB) for gain in gains)),
        probe=read_batch(fields, architecture.inputs),
        capture=about.data,
        notes=fields.notes,
    )


def last_of(fields: Fields, key: str, highest: int) -> int:
    """The last entry of a shape."""
    value = fields.data.get(key)
    if not isinstance(value, list) or not value or len(value) > 4:
        raise fields.refuse(key, "a list of three entries")
    return fields.within({key: value[-1]}).integer(key, 1, highest)


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


# --- Keras -----------------------------------------------------------------------------------------------------------


def from_keras(what: str, arrays: Any, architecture: Architecture) -> dict[str, Float32Array]:
    """The weights of a recurrent layer in torch's layout, from Keras': columns of gates, a GRU's in the order z, r, h.

    Parameters
    ----------
    what : str
        For the message of an error.
    arrays : object
        As JSON gave it.
    architecture : Architecture
        Of one layer.
    """
    if not isinstance(arrays, list) or len(arrays) != 3:
        raise PresetError(f"{what}: weights is {show(arrays)}, expected a list of 3 arrays")
    inputs, hidden, cell = architecture.inputs, architecture.hidden_size, architecture.cell
    columns = GATES[cell] * hidden
    kernel = reorder(take_array(f"{what}: kernel", arrays[0], (inputs, columns)), cell)
    recurrent = reorder(take_array(f"{what}: recurrent kernel", arrays[1], (hidden, columns)), cell)
    if cell == "gru":
        biases = reorder(take_array(f"{what}: bias", arrays[2], (2, columns)), cell)
    else:
        bias = take_array(f"{what}: bias", arrays[2], (columns,))
        biases = np.stack([bias, np.zeros_like(bias)])
    weights = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": biases[0], "bias_hh_l0": biases[1]}
    return {name: np.ascontiguousarray(array) for name, array in weights.items()}


def reorder(columns: NDArray[np.float32], cell: str) -> Float32Array:
    """The gates of a GRU in the other order: z and r change places; those of an LSTM stay."""
    if cell != "gru":
        return columns
    first, second, third = np.split(columns, 3, axis=1)
    return np.concatenate([second, first, third], axis=1)


def head_from_keras(what: str, arrays: Any, hidden: int) -> dict[str, Float32Array]:
    """The weights of the dense layer."""
    if not isinstance(arrays, list) or len(arrays) != 2:
        raise PresetError(f"{what}: weights is {show(arrays)}, expected a list of 2 arrays")
    kernel = take_array(f"{what}: kernel", arrays[0], (hidden, 1))
    return {
        "head_weight": np.ascontiguousarray(kernel.T),
        "head_bias": take_array(f"{what}: bias", arrays[1], (1,)),
    }


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
    a, w = preset.architecture, preset.weights
    if a.layers != 1:
        raise PresetError(f"{preset.path}: AIDA-X plays one recurrent layer, this is {a.label}; export it as .nam")
    kernel, recurrent = (reorder(w[name].T, a.cell) for name in ("weight_ih_l0", "weight_hh_l0"))
    if a.cell == "gru":
        bias = reorder(np.stack([w["bias_ih_l0"], w["bias_hh_l0"]]), a.cell)
    else:
        bias = w["bias_ih_l0"] + w["bias_hh_l0"]
    data: dict[str, Any] = {
        "in_shape": [None, None, a.inputs],
        "layers": [
            {
                "type": a.cell,
                "activation": "",
                "shape": [None, None, a.hidden_size],
                "weights": [array.astype(float).tolist() for array in (kernel, recurrent, bias)],
            },
            {
                "type": "dense",
                "activation": "",
                "shape": [None, None, 1],
                "weights": [w["head_weight"].T.astype(float).tolist(), w["head_bias"].astype(float).tolist()],
            },
        ],
        "metadata": {"name": preset.name, "samplerate": str(preset.sample_rate)},
    }
    if a.residual:
        data["in_skip"] = 1
    if preset.levels.has_gains:
        data |= {"in_gain": preset.levels.input_gain_db, "out_gain": preset.levels.output_gain_db}
    return data, []
