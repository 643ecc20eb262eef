"""A stateful LSTM in float64, written down once more: as exact as torch's and a hundred times as fast to run."""

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from fxhost.native.code_cache import cached_njit
from fxhost.networks.architecture import Architecture

Float64Array = NDArray[np.float64]


def play_float64(
    architecture: Architecture,
    weights: dict[str, Float32Array],
    x: NDArray[np.float32],
    h: Float32Array,
    c: Float32Array,
) -> Float64Array:
    """What the network makes of x (frames, inputs) from a state (layers, hidden); float64 (frames,)."""
    y = x.astype(np.float64)
    for layer in range(architecture.layers):
        names = (f"{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        w_ih, w_hh, b_ih, b_hh = (weights[name].astype(np.float64) for name in names)
        sums = y @ w_ih.T + (b_ih + b_hh)
        y = play_layer(sums, np.ascontiguousarray(w_hh.T), h[layer].astype(np.float64), c[layer].astype(np.float64))
    wet = y @ weights["head_weight"][0].astype(np.float64) + float(weights["head_bias"][0])
    return np.asarray(wet + x[:, 0] if architecture.residual else wet, np.float64)


@cached_njit("f8[:,::1](f8[:,::1],f8[:,::1],f8[::1],f8[::1])", error_model="numpy")
def play_layer(sums: Float64Array, w_hh: Float64Array, h: Float64Array, c: Float64Array) -> Float64Array:
    """The states of a layer (frames, hidden), from what the inputs give (frames, 4 hidden) and W_hh transposed."""
    frames, hidden = len(sums), len(h)
    out, gates = np.empty((frames, hidden)), np.empty(4 * hidden)
    for n in range(frames):
        for k in range(4 * hidden):
            gates[k] = sums[n, k]
        for j in range(hidden):
            for k in range(4 * hidden):
                gates[k] += h[j] * w_hh[j, k]
        for k in range(hidden):
            i, f = 1.0 / (1.0 + np.exp(-gates[k])), 1.0 / (1.0 + np.exp(-gates[hidden + k]))
            g, o = np.tanh(gates[2 * hidden + k]), 1.0 / (1.0 + np.exp(-gates[3 * hidden + k]))
            c[k] = f * c[k] + i * g
            h[k] = o * np.tanh(c[k])
            out[n, k] = h[k]
    return out
