"""A recurrent network at any rate: its state one own period ago is interpolated between past states.

With h and c the state, `delay` = M = outer rate ÷ the network's, and Lagrange weights w,

    h, c at n − M  ≈  Σ w_k (h, c at n − first − k)        h, c at n  =  cell(x at n, h, c at n − M)

Below M = 1 this is an extrapolation. No latency is added. `fxhost.engine.rate_stability` tells beforehand whether it
is stable.

References
----------
A. Carson, A. Wright, J. Chowdhury, V. Välimäki, S. Bilbao, "Sample rate independent recurrent neural networks for audio
effects processing", Proc. DAFx, 2024 (arXiv 2406.06293).
A. Carson, A. Wright, S. Bilbao, "Interpolation filter design for sample rate independent audio effect RNNs", Proc.
ICASSP, 2025 (arXiv 2409.15884).
"""

import math
from typing import Any

import numpy as np
from numba import carray

from fxhost.native.intrinsics import address_of, call_stage
from fxhost.stages.base import stage_function
from fxhost.stages.rate.nested import Nested, floats_in
from fxhost.stages.recurrent.stage import RecurrentStage

TAPS = 4  # old states that are summed
ORDERS = (1, 2, 3)

HEADER = np.dtype(
    [
        ("function", "i8"),
        ("inner", "i8"),
        ("state_floats", "i8"),  # h and c, at the beginning of the network's memory
        ("ring", "i8"),  # a row for each of the last states
        ("rows", "i8"),  # a power of two
        ("first", "i8"),  # how many samples ago the newest state is that counts
        ("turn", "i8"),  # the row of the next state
        ("weights", "f4", TAPS),
    ],
    align=True,
)


@stage_function(HEADER)
def interpolate_block(state: Any, block: Any, frames: int) -> None:
    """Play a block, sample by sample, with the interpolated state before each."""
    base = address_of(state)
    s = carray(state, (1,))[0]
    floats, mask, first, turn = s.state_floats, s.rows - 1, s.first, s.turn
    w0, w1, w2, w3 = s.weights[0], s.weights[1], s.weights[2], s.weights[3]
    current = floats_in(base, s.inner, floats)
    block_address = address_of(block)
    for n in range(frames):
        a = floats_in(base, s.ring + 4 * floats * ((turn - first) & mask), floats)
        b = floats_in(base, s.ring + 4 * floats * ((turn - first - 1) & mask), floats)
        c = floats_in(base, s.ring + 4 * floats * ((turn - first - 2) & mask), floats)
        d = floats_in(base, s.ring + 4 * floats * ((turn - first - 3) & mask), floats)
        for k in range(floats):
            current[k] = w0 * a[k] + w1 * b[k] + w2 * c[k] + w3 * d[k]
        call_stage(s.function, base + s.inner, block_address + 4 * n, 1)
        row = floats_in(base, s.ring + 4 * floats * turn, floats)
        for k in range(floats):
            row[k] = current[k]
        turn = (turn + 1) & mask
    s.turn = turn


def lagrange_weights(delay: float, order: int) -> tuple[int, tuple[float, ...]]:
    """Weights that take a value `delay` samples ago from whole ones, exactly so for polynomials of this order.

    Parameters
    ----------
    delay : float
        Above 0. The delay lies in the middle of the samples as far as those are in the past, 1 ago or more.
    order : {1, 2, 3}

    Returns
    -------
    first : int
        How many samples ago the newest one is.
    weights : tuple of float, order + 1 of them
        Of that sample and the ones before it.
    """
    first = max(1, math.floor(delay) - (order - 1) // 2)
    taps = range(first, first + order + 1)
    return first, tuple(math.prod((delay - other) / (tap - other) for other in taps if other != tap) for tap in taps)


class Interpolated(Nested):
    """A network at a rate that is not its own.

    Parameters
    ----------
    inner : RecurrentStage
        Fresh, with its knobs at the outer rate.
    delay : float
        The outer rate ÷ the network's.
    order : {1, 2, 3}
        Of the interpolation.
    """

    def __init__(self, inner: RecurrentStage, delay: float, order: int) -> None:
        first, weights = lagrange_weights(delay, order)
        header = np.zeros(1, HEADER)
        state = inner.memory[: inner.layout.state_floats]
        rows = 1 << (first + TAPS - 1).bit_length()
        header["state_floats"], header["rows"], header["first"] = len(state), rows, first
        header["weights"][0, : len(weights)] = weights
        super().__init__(interpolate_block, header, inner, buffers={"ring": np.tile(state, rows)})
