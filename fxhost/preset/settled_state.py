"""The settled state of a recurrent network, computed in numpy: a capture starts from it, so that no note clicks.

Most are at rest after a part of a second; for what is not, and for large ones, there is `fxhost.preset.slow_settling`.
"""

from dataclasses import replace

import numpy as np

from fxhost.networks.recurrent import take_layer, update_cell
from fxhost.networks.wavenet import WaveNet
from fxhost.preset.effect import Preset

WARM_UP_S = 0.5
STRIDE = 61  # steps between two looks at whether it still moves; prime, so that a cycle does not seem to stand still
STILL = 1e-9  # what moves by less between two looks is at rest
NEAR = 1e-6  # how far from its rest a state may be, as its last two moves tell
LARGE = 50_000  # recurrent weights, from which on numpy takes longer than the compiled engine


def settle_on_silence(preset: Preset) -> Preset:
    """The preset in its settled state: after silence until it rests, 30 s at most, with the knobs where they are.

    Parameters
    ----------
    preset : Preset
        In any state.

    Returns
    -------
    Preset
    """
    if isinstance(preset.architecture, WaveNet):  # its stage settles by itself
        return preset
    if preset.weights["h0"].size * preset.architecture.hidden_size > LARGE:
        from fxhost.preset.slow_settling import find_settled_state  # only now, since it needs numba

        return find_settled_state(preset)
    h, c = (preset.weights[name].astype(np.float64) for name in ("h0", "c0"))
    layers = [take_layer(preset.weights, layer) for layer in range(len(h))]
    dense = preset.architecture.dense
    x = dense.enter(preset.weights, np.array([0.0, *(knob.default for knob in preset.knobs)]))
    moved, moved_before = np.inf, np.inf
    for _ in range(round(WARM_UP_S * preset.sample_rate / STRIDE)):
        before = h.copy(), c.copy()
        for _ in range(STRIDE):
            given = x
            for layer, (w_ih, w_hh, b_ih, b_hh) in enumerate(layers):
                sums = w_ih @ given + b_ih, w_hh @ h[layer] + b_hh
                h[layer], c[layer] = update_cell(preset.architecture.cell, *sums, h[layer], c[layer])
                given = h[layer]
        moved_before, moved = moved, max(np.abs(h - before[0]).max(), np.abs(c - before[1]).max())
        if moved < STILL:
            break
    state = {"h0": h.astype(np.float32), "c0": c.astype(np.float32)}
    for array in state.values():
        array.setflags(write=False)
    output = float(dense.leave(preset.weights, h[-1]))
    settled = replace(preset, weights={**preset.weights, **state}, silent_output=output)
    # moves that shrink by a ratio add up to a geometric series
    if moved < STILL or moved * moved < NEAR * (moved_before - moved):
        return settled
    from fxhost.preset.slow_settling import find_settled_state  # only now, since it needs numba

    return find_settled_state(settled)
