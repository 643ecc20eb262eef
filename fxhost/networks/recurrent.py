"""A recurrent network computed in numpy, step by step: slow, and independent of both engines."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fxhost.arrays import Float32Array, Float64Array
from fxhost.networks.architecture import Architecture


def play_recurrence(
    architecture: Architecture,
    weights: Mapping[str, Float32Array],
    x: Float32Array,
    h: Float32Array,
    c: Float32Array,
    dtype: DTypeLike,
) -> NDArray[Any]:
    """Play a signal through a recurrent network without dense layers.

    Parameters
    ----------
    architecture : Architecture
    weights : mapping
        As `Architecture.weight_shapes` lists them.
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
    """The new h and c of a layer, from its input sums and its recurrent sums."""
    size = len(h)
    if cell == "gru":
        gates = _logistic(given[: 2 * size] + kept[: 2 * size])
        n = np.tanh(given[2 * size :] + gates[:size] * kept[2 * size :])
        return n + gates[size:] * (h - n), c
    sums = given + kept
    gates = _logistic(sums)
    c = gates[size : 2 * size] * c + gates[:size] * np.tanh(sums[2 * size : 3 * size])
    return gates[3 * size :] * np.tanh(c), c


def _logistic(x: Float64Array) -> Float64Array:
    return 0.5 + 0.5 * np.tanh(0.5 * x)
