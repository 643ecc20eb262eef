"""Rewrites a network for a format that lacks one of its features: equal but for rounding."""

import math
from dataclasses import replace

import numpy as np

from fxhost.arrays import Float32Array, linear
from fxhost.errors import PresetError
from fxhost.networks.recurrent import Recurrent
from fxhost.preset.effect import Preset

WIRE_SCALE = 2.0**13  # tanh(x) is x to within float32 for x this many times smaller than a loud sample
MOST_FOLDED = 1e4  # of a gain that was folded into the weights
WIDE_OPEN = 20.0  # a gate's sum at which it lets everything through, to within float32


def freeze_knobs(preset: Preset) -> Preset:
    """A recurrent network without knobs, that plays as this one does with its knobs where they are.

    What a knob that stands still adds to the gates is a part of their bias.
    """
    if preset.architecture.inputs == 1:
        return preset
    a = preset.recurrent
    columns = preset.weights["weight_ih_l0"].astype(np.float64)
    added = columns[:, 1:] @ np.array([knob.default for knob in preset.knobs])
    weights = {
        **preset.weights,
        "weight_ih_l0": narrow(columns[:, :1]),
        "bias_ih_l0": narrow(preset.weights["bias_ih_l0"] + added),
    }
    return replace(preset, architecture=replace(a, inputs=1), knobs=(), weights=weights, probe={})


def fold_gains(preset: Preset) -> Preset:
    """A network whose gains are folded into its first and last weights.

    Raises
    ------
    PresetError
        If there is a residual path, which has no weights.
    """
    levels = preset.levels
    if not levels.has_gains:
        return preset
    if preset.architecture.residual:
        raise PresetError(
            f"{preset.path} has gains of {levels.input_gain_db:g} dB before and {levels.output_gain_db:g} dB after its "
            "network and a residual path, for which this format has no place; export it as .aidax or .nam"
        )
    given, taken = (linear(level) for level in (levels.input_gain_db, levels.output_gain_db))
    columns = preset.weights["weight_ih_l0"].astype(np.float64)
    columns[:, 0] *= given
    weights = {**preset.weights, "weight_ih_l0": narrow(columns)}
    for name in ("head_weight", "head_bias"):
        weights[name] = narrow(preset.weights[name].astype(np.float64) * taken)
    silent = preset.silent_output * taken
    plain = replace(levels, input_gain_db=0.0, output_gain_db=0.0)
    return replace(preset, weights=weights, levels=plain, silent_output=silent, probe={})


def wire_residual(preset: Preset) -> Preset:
    """An equal LSTM without a residual path: one more unit in each layer passes the audio on.

    Its gates stand open, its cell keeps nothing, and what it is given is so small that tanh leaves it as it is.
    """
    if not preset.architecture.residual:
        return preset
    a = preset.recurrent
    weights: dict[str, Float32Array] = {}
    for layer in range(a.layers):
        inputs = a.inputs if layer == 0 else a.hidden_size
        gates = {
            name: preset.weights[f"{name}_l{layer}"].reshape(4, a.hidden_size, -1)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        widened = {name: np.pad(array, ((0, 0), (0, 1), (0, 0))) for name, array in gates.items()}
        widened["weight_hh"] = np.pad(widened["weight_hh"], ((0, 0), (0, 0), (0, 1)))
        if layer > 0:
            widened["weight_ih"] = np.pad(widened["weight_ih"], ((0, 0), (0, 0), (0, 1)))
        widened["weight_ih"][2, -1, 0 if layer == 0 else inputs] = 1.0 / WIRE_SCALE if layer == 0 else 1.0
        widened["bias_ih"][:, -1, 0] = WIDE_OPEN, -WIDE_OPEN, 0.0, WIDE_OPEN
        for name, array in widened.items():
            shape = (4 * (a.hidden_size + 1),) if name.startswith("bias") else (4 * (a.hidden_size + 1), -1)
            weights[f"{name}_l{layer}"] = narrow(array.reshape(shape))
    weights["head_weight"] = narrow(np.append(preset.weights["head_weight"][0], WIRE_SCALE)[None])
    weights["head_bias"] = preset.weights["head_bias"]
    for name in ("h0", "c0"):
        weights[name] = narrow(np.pad(preset.weights[name], ((0, 0), (0, 1))))
    architecture = Recurrent(a.layers, a.hidden_size + 1, a.inputs, False, a.cell)
    return replace(preset, architecture=architecture, weights=weights, probe={})


def unwire_residual(preset: Preset) -> Preset:
    """Undoes `wire_residual`: a network whose last unit only passes the audio on gets its residual path back.

    Gains that were folded into the weights afterwards stand around it again.
    """
    if preset.architecture.cell != "lstm":
        return preset
    a, w = preset.recurrent, preset.weights
    if a.residual or a.hidden_size < 2 or not a.is_plain or not has_wire(preset):
        return preset
    hidden = a.hidden_size - 1
    weights: dict[str, Float32Array] = {}
    given = WIRE_SCALE * float(w["weight_ih_l0"].reshape(4, a.hidden_size, -1)[2, -1, 0])
    taken = float(w["head_weight"][0, -1]) / WIRE_SCALE
    plain = replace(a, hidden_size=hidden, residual=True)
    for name, shape in plain.weight_shapes().items():
        if name.startswith(("weight_", "bias_")):
            columns = shape[1] if len(shape) == 2 else 1
            rows = w[name].reshape(4, a.hidden_size, -1)[:, :hidden, :columns].astype(np.float64)
            if name == "weight_ih_l0":
                rows[:, :, 0] /= given
            weights[name] = narrow(rows.reshape(shape))
    weights["head_weight"] = narrow(w["head_weight"][:, :hidden].astype(np.float64) / taken)
    weights["head_bias"] = narrow(w["head_bias"].astype(np.float64) / taken)
    for name in ("h0", "c0"):
        weights[name] = narrow(w[name][:, :hidden])
    levels = replace(
        preset.levels,
        input_gain_db=preset.levels.input_gain_db + 20.0 * math.log10(given),
        output_gain_db=preset.levels.output_gain_db + 20.0 * math.log10(taken),
    )
    silent = preset.silent_output / taken
    return replace(preset, architecture=plain, weights=weights, levels=levels, silent_output=silent, probe={})


def has_wire(preset: Preset) -> bool:
    """Whether the last unit of each layer of an LSTM does nothing but hand the audio through."""
    a, w = preset.architecture, preset.weights
    for layer in range(a.layers):
        ih, hh, b_ih, b_hh = (
            w[f"{name}_l{layer}"].reshape(4, a.hidden_size, -1)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        from_below = ih[:, -1].copy()
        handed = float(from_below[2, 0 if layer == 0 else -1])
        from_below[2, 0 if layer == 0 else -1] = 0.0
        from_others = ih[:, :-1, -1].any() if layer > 0 else False
        if from_below.any() or from_others or hh[:, -1].any() or hh[:, :, -1].any():
            return False
        if not np.array_equal((b_ih + b_hh)[:, -1, 0], np.array([WIDE_OPEN, -WIDE_OPEN, 0.0, WIDE_OPEN], np.float32)):
            return False
        if not (handed == 1.0 if layer > 0 else MOST_FOLDED > WIRE_SCALE * handed > 1.0 / MOST_FOLDED):
            return False
    return MOST_FOLDED > float(w["head_weight"][0, -1]) / WIRE_SCALE > 1.0 / MOST_FOLDED


def narrow(array: np.ndarray) -> Float32Array:
    """The nearest float32 numbers, one after the other in memory."""
    return np.ascontiguousarray(array, np.float32)
