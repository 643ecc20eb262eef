"""Whether a network is stable on interpolated states, told beforehand from its linearisation about silence.

With J the Jacobian of one step by the state, the perturbation of a network on the state Σ w_k s[n − d_k] follows
s[n] = J Σ w_k s[n − d_k]. Its modes grow by the roots z of

    z^D = λ Σ w_k z^(D − d_k)    for each eigenvalue λ of J,    D the largest d_k,

which are the eigenvalues of the augmented Jacobian, the block companion matrix.

References
----------
A. Carson et al., "Sample rate independent recurrent neural networks for audio effects processing", Proc. DAFx, 2024.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float64Array
from fxhost.networks.recurrent import update_cell
from fxhost.preset.effect import Preset

STEP = 1e-6  # of the central differences


def step_network(preset: Preset, states: Float64Array) -> Float64Array:
    """The states after one sample of silence, float64 (states, 2, layers, hidden): h and c of each, as before it."""
    architecture = preset.recurrent
    weights = {name: array.astype(np.float64) for name, array in preset.weights.items()}
    after = np.empty_like(states)
    # 0, then the knobs; (states, inputs)
    silence = np.array([0.0, *(knob.default for knob in preset.knobs)])
    below = np.tile(architecture.dense.enter(preset.weights, silence), (len(states), 1))
    for layer in range(architecture.layers):
        h, c = states[:, 0, layer], states[:, 1, layer]
        given = below @ weights[f"weight_ih_l{layer}"].T + weights[f"bias_ih_l{layer}"]
        kept = h @ weights[f"weight_hh_l{layer}"].T + weights[f"bias_hh_l{layer}"]
        below, c = update_cell(architecture.cell, given, kept, h, c)
        after[:, 0, layer] = below
        after[:, 1, layer] = c if architecture.cell == "lstm" else 0.0  # of a GRU c is not used
    return after


def modes_on_silence(preset: Preset) -> NDArray[np.complex128]:
    """The eigenvalues of one step about the settled state, complex (2 · layers · hidden,)."""
    settled = np.stack([preset.weights["h0"], preset.weights["c0"]]).astype(np.float64)
    steps = STEP * np.eye(settled.size).reshape(-1, *settled.shape)
    rise = step_network(preset, settled + steps) - step_network(preset, settled - steps)
    return np.asarray(np.linalg.eigvals(rise.reshape(settled.size, -1) / (2 * STEP)), np.complex128)


def spectral_radius(modes: NDArray[np.complex128], first: int, weights: Sequence[float]) -> float:
    """The largest growth in one sample of a network on interpolated states.

    Parameters
    ----------
    modes : complex (modes,)
        As `modes_on_silence` gives them.
    first : int
    weights : sequence of float
        As `lagrange_weights` gives them.

    Returns
    -------
    float
        Below 1 if the network comes to rest.
    """
    leading = [1.0, *[0.0] * (first - 1)]  # of z^D, and of the states that do not count
    return max(float(np.abs(np.roots([*leading, *(-mode * np.asarray(weights))])).max()) for mode in modes)
