"""Recurrent networks: their sizes, and one computed in numpy, step by step: slow, and independent of both engines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fxhost.arrays import Float32Array, Float64Array
from fxhost.networks.dense import NONE, DenseLayers

MAX_HIDDEN_SIZE = 256
MAX_LAYERS = 5
MAX_DENSE = 4  # layers before the recurrent ones, and after them
MAX_INPUTS = 4
GATES = {"lstm": 4, "gru": 3}


@dataclass(frozen=True)
class Recurrent:
    """A recurrent network: its cells and sizes.

    Attributes
    ----------
    layers : int
    hidden_size : int
        Units in each layer.
    inputs : int
        The audio channel and, after it, the knobs.
    residual : bool
        Whether the audio is added to the output.
    cell : {'lstm', 'gru'}
    dense : DenseLayers
        What stands before and after the recurrent layers besides the output layer.
    """

    layers: int
    hidden_size: int
    inputs: int = 1
    residual: bool = False
    cell: str = "lstm"
    dense: DenseLayers = NONE

    @property
    def label(self) -> str:
        """The network in a word or two, such as LSTM 1×24."""
        more = "" if self.dense == NONE else f", dense {self.dense.describe()}"
        return f"{self.cell.upper()} {self.layers}×{self.hidden_size}{more}"

    @property
    def is_plain(self) -> bool:
        """Whether it has a linear output layer and no other dense layer."""
        return self.dense == NONE

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every array of its weights, in torch's layout.

        The gates of an LSTM lie in the order i, f, g, o; those of a GRU in the order r, z, n.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        gates = GATES[self.cell] * self.hidden_size
        entering = self.dense.before[-1].size if self.dense.before else self.inputs
        for layer in range(self.layers):
            columns = entering if layer == 0 else self.hidden_size
            shapes[f"weight_ih_l{layer}"] = (gates, columns)
            shapes[f"weight_hh_l{layer}"] = (gates, self.hidden_size)
            shapes[f"bias_ih_l{layer}"] = (gates,)
            shapes[f"bias_hh_l{layer}"] = (gates,)
        shapes |= self.dense.weight_shapes(self.inputs, self.hidden_size)
        shapes["head_weight"] = (1, self.dense.after[-1].size if self.dense.after else self.hidden_size)
        shapes["head_bias"] = (1,)
        shapes["h0"] = (self.layers, self.hidden_size)
        shapes["c0"] = (self.layers, self.hidden_size)
        return shapes

    @property
    def state_shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The shapes of h and c, without the batch."""
        return (self.layers, self.hidden_size), (self.layers, self.hidden_size)

    def probe_shapes(self, frames: int) -> dict[str, tuple[int, ...]]:
        """The name and shape of every array in `probe.npz`."""
        state, _ = self.state_shapes
        return {
            "input": (frames, self.inputs),
            "output_settled": (frames,),  # starts from h0, c0
            "h": state,
            "c": state,
            "output_state": (frames,),  # starts from h, c
        }

    def as_dict(self) -> dict[str, Any]:
        """As `fxhost.json` holds it."""
        return {
            "type": self.cell,
            "layers": self.layers,
            "hidden_size": self.hidden_size,
            "inputs": self.inputs,
            "residual": self.residual,
            **({} if self.dense == NONE else {"dense": self.dense.as_dict()}),
        }


def play_recurrence(
    architecture: Recurrent,
    weights: Mapping[str, Float32Array],
    x: Float32Array,
    h: Float32Array,
    c: Float32Array,
    dtype: DTypeLike,
) -> NDArray[Any]:
    """Play a signal through a recurrent network without dense layers.

    Parameters
    ----------
    architecture : Recurrent
    weights : mapping
        As `Recurrent.weight_shapes` lists them.
    x : float32 (frames, inputs)
    h, c : float32 (layers, hidden)
        The state to start from.
    dtype : float32 or float64
        What it is computed in.

    Returns
    -------
    dtype (frames,)
    """
    entering = x.astype(dtype)
    for layer in range(architecture.layers):
        w_ih, w_hh, b_ih, b_hh = (array.astype(dtype) for array in take_layer(weights, layer))
        given = entering @ w_ih.T + b_ih
        h_now, c_now = h[layer].astype(dtype), c[layer].astype(dtype)
        entering = np.empty((len(x), architecture.hidden_size), dtype)
        for frame, sums in enumerate(given):
            h_now, c_now = update_cell(architecture.cell, sums, w_hh @ h_now + b_hh, h_now, c_now)
            entering[frame] = h_now
    y: NDArray[Any] = entering @ weights["head_weight"][0].astype(dtype) + weights["head_bias"].astype(dtype)
    return y + x[:, 0].astype(dtype) if architecture.residual else y


def take_layer(weights: Mapping[str, Float32Array], layer: int) -> list[Float64Array]:
    """The input weights, recurrent weights and two biases of one layer."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [weights[f"{name}_l{layer}"].astype(np.float64) for name in names]


def update_cell(cell: str, given: Float64Array, kept: Float64Array, h: Float64Array, c: Float64Array) -> Any:
    """The new h and c of a layer, (..., hidden), from its input sums and its recurrent sums, (..., gates · hidden)."""
    size = h.shape[-1]
    if cell == "gru":
        gates = _logistic(given[..., : 2 * size] + kept[..., : 2 * size])
        n = np.tanh(given[..., 2 * size :] + gates[..., :size] * kept[..., 2 * size :])
        return n + gates[..., size:] * (h - n), c
    sums = given + kept
    gates = _logistic(sums)
    c = gates[..., size : 2 * size] * c + gates[..., :size] * np.tanh(sums[..., 2 * size : 3 * size])
    return gates[..., 3 * size :] * np.tanh(c), c


def _logistic(x: Float64Array) -> Float64Array:
    return 0.5 + 0.5 * np.tanh(0.5 * x)
