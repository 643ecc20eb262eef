"""Neural Amp Modeler's `.nam`: JSON with a version, an architecture, its config, and all weights in one flat list.

An LSTM's weights lie layer by layer: W (4H, inputs + H) with the rows of the gates i, f, g, o and the columns of the
input before those of the hidden state; b (4H), the sum of torch's two biases; h0 (H); c0 (H), the state after a second
of silence; after the last layer the head's weights (H) and its bias. There is no residual path.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import PresetError
from fxhost.networks.architecture import Architecture
from fxhost.networks.recurrent import MAX_HIDDEN_SIZE, MAX_LAYERS, Recurrent
from fxhost.networks.wavenet import WaveNet
from fxhost.preset.captures.capture import make_preset, refuse_dense
from fxhost.preset.captures.nam_containers import list_submodels, play_at_quality, rate_inside
from fxhost.preset.captures.nam_convolutions import read_convnet, read_linear, write_convolutions
from fxhost.preset.captures.nam_wavenet import read_wavenet
from fxhost.preset.captures.nam_writing import write_network
from fxhost.preset.captures.rewriting import fold_gains, freeze_knobs, wire_residual
from fxhost.preset.effect import LEVELS_DB, Levels, Preset
from fxhost.preset.json_fields import DECIBELS, Fields, take_array

FORMAT = "nam"
ASSUMED_RATE = 48_000
OLDEST, NEWEST = (0, 5), (0, 7)  # major and minor version
NETWORKS = {"WaveNet": read_wavenet, "ConvNet": read_convnet, "Linear": read_linear}
STATE = ("h0", "c0")
WRITTEN_VERSION = "0.5.4"
VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:[a-zA-Z.+-][\w.+-]{0,40})?", re.ASCII)


def claims(data: dict[str, Any]) -> bool:
    """Whether a JSON object is of this format."""
    return "architecture" in data and "config" in data and "version" in data


def read(path: Path, data: dict[str, Any], quality: float = 1.0) -> Preset:
    """A capture of this format; an LSTM has the state that the file stores.

    Parameters
    ----------
    path : Path
    data : dict
    quality : float
        Of a container: from 0, its smallest model, to 1, its largest.

    Raises
    ------
    PresetError
        If anything in it is not as the format has it, or is nothing that fxhost plays.
    """
    fields = Fields(str(path), data)
    version = check_version(fields)
    preset = play_at_quality(fields, lambda models: read_model(path, models, version), quality)
    submodels = list_submodels(fields)
    if not submodels:
        return preset
    capture = {**preset.metadata["capture"], "quality": quality}
    return replace(preset, quality=quality, metadata={**preset.metadata, "submodels": submodels, "capture": capture})


def read_model(path: Path, models: list[Fields], version: str) -> Preset:
    """The innermost of nested models as a preset; the others are its containers.

    Raises
    ------
    PresetError
        As `read`.
    """
    for inside in models[1:]:
        check_version(inside)
    model, kind = models[-1], models[-1].data["architecture"]
    if not model.has("weights"):
        raise PresetError(
            f"{model.where} has no weights: they are missing, or lie in weights.npy beside it, as in the old format of "
            "two files; give the .nam file that a newer trainer exports"
        )
    if kind == "LSTM":
        architecture, weights = read_lstm(path, model.child("config"), model.data.get("weights"))
    else:
        network, flat = NETWORKS[kind](path, model)
        architecture, weights = network, {"wavenet": flat}
    told = [one.known_child("metadata").data for one in reversed(models)]
    about = model.within({key: value for data in told for key, value in data.items() if value is not None})
    return make_preset(
        path,
        architecture,
        weights,
        file_format=FORMAT,
        version=version,
        sample_rate=rate_inside(models),
        assumed_rate=ASSUMED_RATE,
        name=about.data.get("name"),
        levels=Levels(
            loudness_db=about.known_number("loudness", *LEVELS_DB, DECIBELS),
            input_dbu=about.known_number("input_level_dbu", *LEVELS_DB, DECIBELS),
            output_dbu=about.known_number("output_level_dbu", *LEVELS_DB, DECIBELS),
        ),
        capture=about.data,
        state={name: weights[name] for name in STATE} if kind == "LSTM" else None,
        notes=model.notes,
    )


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
    if isinstance(preset.architecture, WaveNet):
        if preset.levels.has_gains:
            raise PresetError(f"{preset.path} has gains around its network, for which a .nam file has no place")
        network = preset.architecture
        model = (write_network if network.arrays else write_convolutions)(network, preset.weights["wavenet"])
        return {**model, "metadata": describe(preset), "sample_rate": preset.sample_rate}, []
    refuse_dense(preset)
    if preset.architecture.cell != "lstm":
        raise PresetError(
            f"{preset.path} is a {preset.architecture.label}; a .nam file holds no such network, export it as .json"
        )
    notes = []
    if preset.knobs:
        stand = ", ".join(f"{knob.name}={knob.default:g}" for knob in preset.knobs)
        notes.append(f"a .nam LSTM has no knobs: they stand still at {stand}; --knob chooses where")
    if preset.architecture.residual:
        notes.append(
            "a .nam LSTM has no residual path: one more unit in each layer hands the dry signal through; players that "
            "approximate tanh alter it"
        )
    stored = stored_state(preset)
    preset = fold_gains(wire_residual(freeze_knobs(preset)))
    a, w = preset.architecture, {**preset.weights, **stored}
    flat = []
    for layer in range(a.layers):
        joined = np.concatenate([w[f"weight_ih_l{layer}"], w[f"weight_hh_l{layer}"]], axis=1)
        bias = w[f"bias_ih_l{layer}"] + w[f"bias_hh_l{layer}"]
        flat += [joined.ravel(), bias, w["h0"][layer], w["c0"][layer]]
    flat += [w["head_weight"][0], w["head_bias"]]
    data = {
        "version": WRITTEN_VERSION,
        "metadata": describe(preset),
        "architecture": "LSTM",
        "config": {"input_size": 1, "hidden_size": a.hidden_size, "num_layers": a.layers},
        "weights": np.concatenate(flat).astype(float).tolist(),
        "sample_rate": preset.sample_rate,
    }
    return data, notes


def stored_state(preset: Preset) -> dict[str, Float32Array]:
    """The state that the original `.nam` file stored, if the preset was imported from one."""
    capture = preset.metadata.get("capture")
    state = capture.get("state") if isinstance(capture, dict) and capture.get("format") == FORMAT else None
    if not isinstance(state, dict):
        return {}
    shapes = preset.architecture.weight_shapes()
    return {name: take_array(f"{preset.path}: capture.state.{name}", state.get(name), shapes[name]) for name in STATE}


def describe(preset: Preset) -> dict[str, Any]:
    """The metadata of the `.nam` file: those of the original, if the preset was imported from one, and what is known
    now.
    """
    capture = preset.metadata.get("capture")
    told = capture.get("about") if isinstance(capture, dict) and capture.get("format") == FORMAT else None
    levels, known = preset.levels, preset.metadata.get("levels")
    # what fxhost measured itself was measured on another signal than NAM's, and is left out
    by_maker = isinstance(known, dict) and known.get("loudness_db") is not None
    return {
        **(told if isinstance(told, dict) else {}),
        "name": preset.name,
        "loudness": levels.loudness_db if by_maker else None,
        "input_level_dbu": levels.input_dbu,
        "output_level_dbu": levels.output_dbu,
    }


def check_version(fields: Fields) -> str:
    """The version of the format, if it is one that is known; one that is no version is left out and noted.

    Raises
    ------
    PresetError
        If it is older or newer than what is known.
    """
    version = fields.data.get("version")
    version = str(version) if isinstance(version, int | float) and not isinstance(version, bool) else version
    match = VERSION.fullmatch(version.strip()) if isinstance(version, str) else None
    if match is None:
        fields.leave_out("version", "three numbers such as '0.5.4'")
        return ""
    number = int(match[1]), int(match[2])
    if not OLDEST <= number <= NEWEST:
        known = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
        mend = "upgrade fxhost to play it" if number > NEWEST else "export it anew with a newer trainer"
        raise PresetError(f"{fields.where} has version {match[0]} of the format, this fxhost reads {known}; {mend}")
    return match[0]


def read_lstm(path: Path, sizes: Fields, flat: Any) -> tuple[Architecture, dict[str, Float32Array]]:
    """An LSTM's sizes and weights, from the config and the flat list."""
    for key in ("in_channels", "out_channels"):
        if sizes.has(key):
            sizes.integer(key, 1, 1)
    sizes.integer("input_size", 1, 1)
    architecture = Recurrent(
        layers=sizes.integer("num_layers", 1, MAX_LAYERS), hidden_size=sizes.integer("hidden_size", 1, MAX_HIDDEN_SIZE)
    )
    hidden = architecture.hidden_size
    count = sum(np.prod(shape, dtype=int) for shape in architecture.weight_shapes().values())
    count -= 4 * hidden * architecture.layers  # one bias instead of two
    what = f"{path}: weights of {architecture.label}"
    rest = take_array(what, flat, (int(count),))
    weights: dict[str, Float32Array] = {}
    states: list[tuple[Float32Array, Float32Array]] = []

    def take(*shape: int) -> Float32Array:
        nonlocal rest
        size = int(np.prod(shape))
        taken, rest = rest[:size], rest[size:]
        return taken.reshape(shape)

    for layer in range(architecture.layers):
        inputs = 1 if layer == 0 else hidden
        joined = take(4 * hidden, inputs + hidden)
        weights[f"weight_ih_l{layer}"] = np.ascontiguousarray(joined[:, :inputs])
        weights[f"weight_hh_l{layer}"] = np.ascontiguousarray(joined[:, inputs:])
        weights[f"bias_ih_l{layer}"] = take(4 * hidden)
        weights[f"bias_hh_l{layer}"] = np.zeros(4 * hidden, np.float32)
        states.append((take(hidden), take(hidden)))
    weights["head_weight"], weights["head_bias"] = take(1, hidden), take(1)
    weights["h0"], weights["c0"] = (np.stack(state) for state in zip(*states, strict=True))
    return architecture, weights
