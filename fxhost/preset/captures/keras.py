"""RTNeural's Keras layout: recurrent layers with dense ones before and after, as AIDA-X files hold them.

A kernel lies as (inputs, columns of gates), those of a GRU in the order z, r, h. Recurrent layers of several sizes
become layers of the largest one: units of zeros stay at zero. What players ignore, the activation of a recurrent layer,
may be written there or not.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from fxhost.errors import PresetError
from fxhost.networks.architecture import Architecture
from fxhost.networks.dense import ACTIVATIONS, Dense, DenseLayers
from fxhost.networks.recurrent import GATES, MAX_DENSE, MAX_HIDDEN_SIZE, MAX_LAYERS, Recurrent
from fxhost.preset.captures.capture import zero_state
from fxhost.preset.effect import Preset
from fxhost.preset.json_fields import Fields, show, take_array

MOST_LAYERS = 64  # in a file
DENSE = ("dense", "time-distributed-dense")
RECURRENT_ACTIVATIONS = ("", "tanh")
PLAYED = "fxhost plays 'lstm' or 'gru', 'dense' before and after, and one 'dense' of one number at the end"


@dataclass
class Chain:
    """Layers as they are read, one after the other.

    Attributes
    ----------
    recurrent : list of (int, dict)
        The size and the weights, in torch's layout, of each recurrent layer.
    cell : str
        Their kind, where there is one.
    before, after : list of (Dense, kernel, bias)
        The dense layers, with kernels as the file has them.
    """

    cell: str = ""
    recurrent: list[tuple[int, dict[str, Float32Array]]] = field(default_factory=list)
    before: list[tuple[Dense, Float32Array, Float32Array]] = field(default_factory=list)
    after: list[tuple[Dense, Float32Array, Float32Array]] = field(default_factory=list)

    @property
    def dense(self) -> list[tuple[Dense, Float32Array, Float32Array]]:
        """Where the next dense layer goes."""
        return self.after if self.recurrent else self.before


def read_layers(fields: Fields, inputs: int, *, residual: bool) -> tuple[Architecture, dict[str, Float32Array]]:
    """The architecture and the weights of a chain of layers; its state is zero.

    Raises
    ------
    PresetError
        If anything in them is not as the format has it, or is nothing that fxhost plays.
    """
    layers = fields.children("layers", 1, MOST_LAYERS)
    chain, size = Chain(), inputs
    for layer in layers:
        kind = layer.data.get("type")
        if kind in DENSE:
            size = read_dense(chain, layer, size)
        elif kind == "activation":
            add_activation(chain, read_activation(layer), size)
        elif isinstance(kind, str) and kind in GATES and not chain.after and chain.cell in ("", kind):
            size = read_recurrent(chain, layer, kind, size)
        else:
            refuse_layers(fields, layers)
    if not chain.recurrent or not chain.after or size != 1:
        refuse_layers(fields, layers)
    for what, count, most in (
        ("recurrent layers", len(chain.recurrent), MAX_LAYERS),
        ("dense layers before them", len(chain.before), MAX_DENSE),
        ("dense layers after them", len(chain.after) - 1, MAX_DENSE),
    ):
        if count > most:
            raise PresetError(f"{fields.where} has {count} {what}, fxhost plays up to {most}")
    return join(chain, inputs, residual)


def refuse_layers(fields: Fields, layers: list[Fields]) -> None:
    """Refuse layers that are not played, by their names."""
    listed = ", ".join(show(layer.data.get("type")) for layer in layers[:6])
    more = " and more" if len(layers) > 6 else ""
    raise PresetError(f"{fields.where} has the layers {listed}{more}; {PLAYED}")


def last_of(fields: Fields, key: str, highest: int) -> int:
    """The last entry of a shape."""
    value = fields.data.get(key)
    if not isinstance(value, list) or not value or len(value) > 4:
        raise fields.refuse(key, "a list of three entries")
    return fields.within({key: value[-1]}).integer(key, 1, highest)


def read_activation(layer: Fields) -> str:
    """The activation of a dense layer."""
    name = layer.data.get("activation") or "linear"
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise layer.refuse("activation", f"'' or one of {', '.join(map(repr, ACTIVATIONS))}")
    return name


def read_dense(chain: Chain, layer: Fields, entering: int) -> int:
    """Add a dense layer; its size."""
    size, arrays = last_of(layer, "shape", MAX_HIDDEN_SIZE), layer.data.get("weights")
    what = f"{layer.where}: dense layer"
    if not isinstance(arrays, list) or len(arrays) not in (1, 2):
        raise PresetError(f"{what}: weights is {show(arrays)}, expected a list of 2 arrays")
    kernel = take_array(f"{what}: kernel", arrays[0], (entering, size))
    bias = take_array(f"{what}: bias", arrays[1], (size,)) if len(arrays) == 2 else np.zeros(size, np.float32)
    chain.dense.append((Dense(size, read_activation(layer)), kernel, bias))
    return size


def add_activation(chain: Chain, name: str, size: int) -> None:
    """Add an activation: to the layer before it if that has none, else as an identity layer with that activation."""
    if chain.dense and chain.dense[-1][0].activation == "linear":
        layer, kernel, bias = chain.dense.pop()
    else:
        layer, kernel, bias = Dense(size), np.eye(size, dtype=np.float32), np.zeros(size, np.float32)
    chain.dense.append((layer._replace(activation=name), kernel, bias))


def read_recurrent(chain: Chain, layer: Fields, cell: str, entering: int) -> int:
    """Add a recurrent layer; its size."""
    size = last_of(layer, "shape", MAX_HIDDEN_SIZE)
    if layer.has("activation") and layer.data["activation"] not in RECURRENT_ACTIVATIONS:
        raise layer.refuse("activation", f"one of {', '.join(map(repr, RECURRENT_ACTIVATIONS))}")
    weights = from_keras(f"{layer.where}: {cell} layer", layer.data.get("weights"), cell, entering, size)
    chain.cell = cell
    chain.recurrent.append((size, weights))
    return size


def from_keras(what: str, arrays: Any, cell: str, inputs: int, hidden: int) -> dict[str, Float32Array]:
    """The weights of a recurrent layer in torch's layout, from Keras': columns of gates, a GRU's in the order z, r, h.

    Parameters
    ----------
    what : str
        For the message of an error.
    arrays : object
        As JSON gave it.
    cell : {'lstm', 'gru'}
    inputs, hidden : int
    """
    if not isinstance(arrays, list) or len(arrays) != 3:
        raise PresetError(f"{what}: weights is {show(arrays)}, expected a list of 3 arrays")
    columns = GATES[cell] * hidden
    kernel = reorder(take_array(f"{what}: kernel", arrays[0], (inputs, columns)), cell)
    recurrent = reorder(take_array(f"{what}: recurrent kernel", arrays[1], (hidden, columns)), cell)
    if cell == "gru":
        biases = reorder(take_array(f"{what}: bias", arrays[2], (2, columns)), cell)
    else:
        bias = take_array(f"{what}: bias", arrays[2], (columns,))
        biases = np.stack([bias, np.zeros_like(bias)])
    weights = {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias_ih": biases[0], "bias_hh": biases[1]}
    return {name: np.ascontiguousarray(array) for name, array in weights.items()}


def reorder(columns: NDArray[np.float32], cell: str) -> Float32Array:
    """The gates of a GRU in the other order: z and r change places; those of an LSTM stay."""
    if cell != "gru":
        return columns
    first, second, third = np.split(columns, 3, axis=1)
    return np.concatenate([second, first, third], axis=1)


def join(chain: Chain, inputs: int, residual: bool) -> tuple[Architecture, dict[str, Float32Array]]:
    """All layers as one network, its recurrent layers of the size of the largest."""
    *after, (output, output_kernel, output_bias) = chain.after
    hidden = max(size for size, _ in chain.recurrent)
    architecture = Recurrent(
        layers=len(chain.recurrent),
        hidden_size=hidden,
        inputs=inputs,
        residual=residual,
        cell=chain.cell,
        dense=DenseLayers(
            tuple(layer for layer, _, _ in chain.before), tuple(layer for layer, _, _ in after), output.activation
        ),
    )
    shapes, weights = architecture.weight_shapes(), dict(zero_state(architecture))
    gates = GATES[chain.cell]
    for n, (size, arrays) in enumerate(chain.recurrent):
        for name, array in arrays.items():
            columns = array.reshape(gates, size, -1)
            shape = shapes[f"{name}_l{n}"]
            width = shape[1] if len(shape) == 2 else 1
            wider = np.zeros((gates, hidden, width), np.float32)
            wider[:, :size, : columns.shape[2]] = columns
            weights[f"{name}_l{n}"] = wider.reshape(shape)
    for place, layers in (("before", chain.before), ("after", after)):
        for n, (_, kernel, bias) in enumerate(layers):
            weights[f"{place}_weight_{n}"] = widen(kernel, shapes[f"{place}_weight_{n}"])
            weights[f"{place}_bias_{n}"] = bias
    weights["head_weight"], weights["head_bias"] = widen(output_kernel, shapes["head_weight"]), output_bias
    return architecture, weights


def widen(kernel: Float32Array, shape: tuple[int, ...]) -> Float32Array:
    """A dense kernel in torch's layout, with zero columns for padded units of the recurrent layer before it."""
    wider = np.zeros(shape, np.float32)
    wider[:, : len(kernel)] = kernel.T
    return wider


def write_layers(preset: Preset) -> list[dict[str, Any]]:
    """The layers of a recurrent network."""
    a, w = preset.recurrent, preset.weights

    def layer(kind: str, size: int, activation: str, *arrays: NDArray[np.float32]) -> dict[str, Any]:
        numbers = [array.astype(float).tolist() for array in arrays]
        name = "" if activation == "linear" else activation
        return {"type": kind, "activation": name, "shape": [None, None, size], "weights": numbers}

    layers = []
    for n, (size, activation) in enumerate(a.dense.before):
        arrays = w[f"before_weight_{n}"].T, w[f"before_bias_{n}"]
        layers.append(layer("time-distributed-dense", size, activation, *arrays))
    for n in range(a.layers):
        kernel, recurrent = (reorder(w[f"{name}_l{n}"].T, a.cell) for name in ("weight_ih", "weight_hh"))
        given, kept = w[f"bias_ih_l{n}"], w[f"bias_hh_l{n}"]
        bias = reorder(np.stack([given, kept]), a.cell) if a.cell == "gru" else given + kept
        layers.append(layer(a.cell, a.hidden_size, "linear", kernel, recurrent, bias))
    for n, (size, activation) in enumerate(a.dense.after):
        layers.append(layer("dense", size, activation, w[f"after_weight_{n}"].T, w[f"after_bias_{n}"]))
    return [*layers, layer("dense", 1, a.dense.output, w["head_weight"].T, w["head_bias"])]
