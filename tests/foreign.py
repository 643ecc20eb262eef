"""Other programs' files made up with seeded weights, and what they mean in float64, written from the formats alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.wavenet_reference import activation as play_activation

Float64Array = NDArray[np.float64]


def logistic(x: Float64Array) -> Float64Array:
    return 1.0 / (1.0 + np.exp(-x))


def draw(rng: np.random.Generator, *shape: int) -> list[Any]:
    """Float32 numbers within ±0.6, as nested lists."""
    return rng.uniform(-0.6, 0.6, shape).astype(np.float32).astype(float).tolist()


def make_nam(layers: int = 1, hidden: int = 3, seed: int = 1, **fields: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    count = sum(4 * hidden * ((1 if n == 0 else hidden) + hidden) + 6 * hidden for n in range(layers)) + hidden + 1
    return {
        "version": "0.5.4",
        "metadata": {"name": "made up", "loudness": -20.5, "input_level_dbu": 18.0, "output_level_dbu": 12.0},
        "architecture": "LSTM",
        "config": {"input_size": 1, "hidden_size": hidden, "num_layers": layers},
        "weights": draw(rng, count),
        "sample_rate": 48000,
    } | fields


def make_proteus(
    cell: str = "LSTM", hidden: int = 4, inputs: int = 1, skip: int = 1, layers: int = 1, seed: int = 2
) -> dict[str, Any]:
    rng, gates = np.random.default_rng(seed), 4 if cell == "LSTM" else 3
    state: dict[str, Any] = {}
    for n in range(layers):
        state[f"rec.weight_ih_l{n}"] = draw(rng, gates * hidden, inputs if n == 0 else hidden)
        state[f"rec.weight_hh_l{n}"] = draw(rng, gates * hidden, hidden)
        state[f"rec.bias_ih_l{n}"] = draw(rng, gates * hidden)
        state[f"rec.bias_hh_l{n}"] = draw(rng, gates * hidden)
    state |= {"lin.weight": draw(rng, 1, hidden), "lin.bias": draw(rng, 1)}
    model = {"model": "SimpleRNN", "input_size": inputs, "skip": skip, "output_size": 1, "unit_type": cell}
    return {
        "model_data": model | {"num_layers": layers, "hidden_size": hidden, "bias_fl": True},
        "state_dict": state,
    }


def make_keras(*layers: tuple[Any, ...], inputs: int = 1, seed: int = 3, **fields: Any) -> dict[str, Any]:
    """Layers (kind, size, activation) of RTNeural's layout; an activation has no size and no weights."""
    rng, entering, made = np.random.default_rng(seed), inputs, []
    for kind, size, activation in layers:
        weights: list[Any] = [draw(rng, entering, size), draw(rng, size)]
        if kind == "lstm":
            weights = [draw(rng, entering, 4 * size), draw(rng, size, 4 * size), draw(rng, 4 * size)]
        if kind == "gru":
            weights = [draw(rng, entering, 3 * size), draw(rng, size, 3 * size), draw(rng, 2, 3 * size)]
        scale = min(1.0, 3.0 / size**0.5)  # large networks of large weights are chaotic
        weights = [(scale * np.array(array)).tolist() for array in weights]
        layer = {"type": kind, "activation": activation, "shape": [None, None, size]}
        made.append(layer if kind == "activation" else layer | {"weights": weights})
        entering = size
    return {"in_shape": [None, None, inputs], "layers": made, "metadata": {"samplerate": "48000"}} | fields


def make_aidax(cell: str = "lstm", hidden: int = 4, inputs: int = 1, seed: int = 3, **fields: Any) -> dict[str, Any]:
    rng, gates = np.random.default_rng(seed), 4 if cell == "lstm" else 3
    bias = draw(rng, gates * hidden) if cell == "lstm" else draw(rng, 2, gates * hidden)
    recurrent = [draw(rng, inputs, gates * hidden), draw(rng, hidden, gates * hidden), bias]
    dense = [draw(rng, hidden, 1), draw(rng, 1)]
    return {
        "in_shape": [None, None, inputs],
        "layers": [
            {"type": cell, "activation": "", "shape": [None, None, hidden], "weights": recurrent},
            {"type": "dense", "activation": "", "shape": [None, None, 1], "weights": dense},
        ],
        "metadata": {"name": "made up", "samplerate": "48000"},
    } | fields


def write(path: Path, data: dict[str, Any]) -> Path:
    path.write_text(json.dumps(data))
    return path


# --- what they mean --------------------------------------------------------------------------------------------------


def play_nam(data: dict[str, Any], x: Float64Array, silence: int = 0) -> Float64Array:
    """A `.nam` LSTM from its stored state, after frames of silence."""
    hidden, layers = data["config"]["hidden_size"], data["config"]["num_layers"]
    flat = iter(np.float32(data["weights"]).astype(np.float64))

    def take(*shape: int) -> Float64Array:
        return np.array([next(flat) for _ in range(int(np.prod(shape)))]).reshape(shape)

    parameters = [
        [take(4 * hidden, (1 if n == 0 else hidden) + hidden), take(4 * hidden), take(hidden), take(hidden)]
        for n in range(layers)
    ]
    head, bias = take(hidden), take(1)[0]
    assert next(flat, None) is None
    out = []
    for sample in np.concatenate([np.zeros(silence), x]):
        given = np.array([sample])
        for layer in parameters:
            w, b, h, c = layer
            i, f, g, o = np.split(w @ np.concatenate([given, h]) + b, 4)
            c = logistic(f) * c + logistic(i) * np.tanh(g)
            given = logistic(o) * np.tanh(c)
            layer[2:] = given, c
        out.append(head @ given + bias)
    return np.array(out[silence:])


def play_proteus(data: dict[str, Any], x: Float64Array) -> Float64Array:
    """A CoreAudioML model from zeros; x (frames, inputs)."""
    model = data["model_data"]
    state = {key: np.float32(value).astype(np.float64) for key, value in data["state_dict"].items()}
    hidden, layers = model["hidden_size"], model["num_layers"]
    h, c = np.zeros((layers, hidden)), np.zeros((layers, hidden))
    out = []
    for frame in x:
        given = frame
        for n in range(layers):
            left = state[f"rec.weight_ih_l{n}"] @ given + state[f"rec.bias_ih_l{n}"]
            right = state[f"rec.weight_hh_l{n}"] @ h[n] + state[f"rec.bias_hh_l{n}"]
            if model["unit_type"] == "LSTM":
                i, f, g, o = np.split(left + right, 4)
                c[n] = logistic(f) * c[n] + logistic(i) * np.tanh(g)
                h[n] = logistic(o) * np.tanh(c[n])
            else:
                (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(left, 3), np.split(right, 3)
                r, z = logistic(a_r + b_r), logistic(a_z + b_z)
                h[n] = (1.0 - z) * np.tanh(a_n + r * b_n) + z * h[n]
            given = h[n]
        out.append(state["lin.weight"][0] @ given + state["lin.bias"][0] + model["skip"] * frame[0])
    return np.array(out)


def play_aidax(data: dict[str, Any], x: Float64Array, gains: tuple[float, float] = (1.0, 1.0)) -> Float64Array:
    """An AIDA-X model from zeros, of any recurrent and dense layers; x (frames, inputs)."""
    x = x * np.array([gains[0], *[1.0] * (x.shape[1] - 1)])
    y = x
    for layer in data["layers"]:
        arrays = [np.float32(value).astype(np.float64) for value in layer.get("weights", [])]
        if layer["type"] in ("lstm", "gru"):
            y = play_keras(layer["type"], arrays, y)
            continue
        if layer["type"] != "activation":
            y = y @ arrays[0] + (arrays[1] if len(arrays) > 1 else 0.0)
        y = {
            "tanh": np.tanh,
            "relu": lambda v: np.maximum(v, 0.0),
            "sigmoid": logistic,
            "elu": lambda v: np.where(v > 0.0, v, np.exp(np.minimum(v, 0.0)) - 1.0),
        }.get(layer.get("activation", ""), np.asarray)(y)
    return gains[1] * (y[:, 0] + data.get("in_skip", 0) * x[:, 0])


def play_keras(cell: str, arrays: list[Float64Array], x: Float64Array) -> Float64Array:
    """What a recurrent layer makes of x (frames, columns), from zeros; (frames, hidden)."""
    kernel, recurrent, bias = arrays
    h, c = np.zeros(len(recurrent)), np.zeros(len(recurrent))
    out = []
    for frame in x:
        if cell == "lstm":
            i, f, g, o = np.split(frame @ kernel + h @ recurrent + bias, 4)
            c = logistic(f) * c + logistic(i) * np.tanh(g)
            h = logistic(o) * np.tanh(c)
        else:  # Keras, reset_after: columns of z, r, h
            (a_z, a_r, a_h), (b_z, b_r, b_h) = (
                np.split(row, 3) for row in (frame @ kernel + bias[0], h @ recurrent + bias[1])
            )
            z, r = logistic(a_z + b_z), logistic(a_r + b_r)
            h = z * h + (1.0 - z) * np.tanh(a_h + r * b_h)
        out.append(h)
    return np.array(out)


def make_convnet(
    channels: int, dilations: list[int], activation: Any = "Tanh", *, norm: bool = False, seed: int = 4, **fields: Any
) -> dict[str, Any]:
    """A `.nam` of two taps a block."""
    rng, weights = np.random.default_rng(seed), []
    for n in range(len(dilations)):
        weights += draw(rng, channels * (channels if n else 1) * 2)
        if norm:
            mean, scale, bias = (draw(rng, channels) for _ in range(3))
            weights += [*mean, *np.float32(rng.uniform(0.2, 1.5, channels)).tolist(), *scale, *bias, 0.001]
        else:
            weights += draw(rng, channels)
    config = {"channels": channels, "dilations": dilations, "batchnorm": norm, "activation": activation}
    return make_nam(architecture="ConvNet", config=config, weights=[*weights, *draw(rng, channels + 1)]) | fields


def play_convnet(data: dict[str, Any], x: Float64Array) -> Float64Array:
    """A ConvNet after silence, from the description of the format alone."""
    config, flat = data["config"], iter(np.float32(data["weights"]).astype(np.float64))

    def take(*shape: int) -> Float64Array:
        return np.array([next(flat) for _ in range(int(np.prod(shape)))]).reshape(shape)

    channels, before = config["channels"], sum(config["dilations"])
    y = np.concatenate([np.zeros(before), x])[None]
    for dilation in config["dilations"]:
        w = take(channels, len(y), 2)
        past = np.concatenate([np.zeros((len(y), dilation)), y[:, :-dilation]], axis=1)
        y = w[:, :, 0] @ past + w[:, :, 1] @ y
        if config["batchnorm"]:
            mean, variance, scale, bias = (take(channels, 1) for _ in range(4))
            y = (y - mean) / np.sqrt(variance + take(1)) * scale + bias
        else:
            y = y + take(channels, 1)
        y = play_activation(config["activation"])(y)
    out = take(channels) @ y + take(1)
    assert next(flat, None) is None
    return out[before:]


def make_linear(taps: int, *, bias: bool = True, seed: int = 5, **fields: Any) -> dict[str, Any]:
    """A `.nam` of a decaying impulse response."""
    rng = np.random.default_rng(seed)
    response = rng.uniform(-0.6, 0.6, taps) * np.exp(-np.arange(taps) / (1 + taps / 6))
    weights = np.float32([*response, *([0.3] if bias else [])]).astype(float).tolist()
    config = {"receptive_field": taps, "bias": bias}
    return make_nam(architecture="Linear", config=config, weights=weights) | fields


def play_linear(data: dict[str, Any], x: Float64Array) -> Float64Array:
    """An impulse response after silence: its first number is heard at once."""
    taps, weights = data["config"]["receptive_field"], np.float32(data["weights"]).astype(np.float64)
    out = np.zeros(len(x))
    for n in range(min(taps, len(x))):
        out[n:] += weights[n] * x[: len(x) - n]
    return out + (weights[taps] if data["config"]["bias"] else 0.0)
