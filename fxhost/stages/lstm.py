"""The LSTM: a kernel compiled for the sizes of one network, cached on disk, and the memory that it runs in.

The equations are those of `torch.nn.LSTM` (i, f, g, o; σ logistic):

    i = σ(W_i x + U_i h + b_i)      f = σ(W_f x + U_f h + b_f)      o = σ(W_o x + U_o h + b_o)
    g = tanh(W_g x + U_g h + b_g)   c ← f c + i g                   h ← o tanh(c)
    y = w·h + b  (+ x_0 with a residual path)

Memory is one float32 block. `H` is the hidden size, rounded up to whole vectors (the padding's weights are zero, so
that padded units stay zero). Weights are stored column by column, the 4 H gate rows of a column side by side: the inner
loop adds a scaled column to the gates, and vectorises without reordering a sum. σ(x) = ½ + ½ tanh(x/2), with the ½
folded into the weights of i, f and o.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import carray, njit
from numpy.typing import NDArray

from fxhost.stages import FAST_BUT_FINITE, Stage, aligned_zeros, first_words, smoothing, stage_function

LANES = 8  # the hidden size is padded to a multiple of this
MAX_INPUTS = 4
KNOB_SMOOTHING_MS = 20.0

# tanh(x) = x P(x²)/Q(x²) for |x| ≤ LIMIT: a minimax fit of the relative error (1.1e-8; in float32 arithmetic 3.4e-7).
LIMIT = np.float32(8.4)
P0, P1, P2, P3, P4 = (
    np.float32(value)
    for value in (
        0.9999999896265909,
        0.13419631884946062,
        0.003541678784156161,
        2.138076105013515e-05,
        1.4459172703479556e-08,
    )
)
Q1, Q2, Q3, Q4 = (
    np.float32(value)
    for value in (0.46752955767844917, 0.026051674504915884, 0.0003361526639893708, 8.220511868275514e-07)
)
ONE = np.float32(1.0)
HALF = np.float32(0.5)


@njit(inline="always", error_model="numpy", fastmath=FAST_BUT_FINITE)
def tanh(x: Any) -> Any:
    """Tanh of a float32, as a ratio of two polynomials."""
    x = min(LIMIT, max(-LIMIT, x))
    z = x * x
    p = P0 + z * (P1 + z * (P2 + z * (P3 + z * P4)))
    q = ONE + z * (Q1 + z * (Q2 + z * (Q3 + z * Q4)))
    return x * p / q


@dataclass(frozen=True)
class Layout:
    """Where everything lies in the memory of a network of these sizes, in float32 from its start."""

    layers: int
    hidden_size: int
    inputs: int

    @property
    def padded(self) -> int:
        """The hidden size in whole vectors, H in the kernel."""
        return -(-self.hidden_size // LANES) * LANES

    def offsets(self) -> dict[str, int]:
        """The first index of each part; the parts before `knob_targets` are what playing changes."""
        padded = self.padded
        sizes = {
            "h": self.layers * padded,
            "c": self.layers * padded,
            "x": LANES,
            "knob_targets": LANES,
            "gates": 4 * padded,
        }
        for layer in range(self.layers):
            columns = (self.inputs if layer == 0 else padded) + padded
            sizes[f"weights_{layer}"] = 4 * padded * (1 + columns)  # the bias is the first column
        sizes |= {"head": padded, "head_bias": 1, "knob_smoothing": 1, "end": 0}
        starts = np.concatenate([[0], np.cumsum([-(-size // 16) * 16 for size in sizes.values()])])
        return {name: int(start) for name, start in zip(sizes, starts, strict=False)}


@cache
def compile_lstm(layers: int, hidden_size: int, inputs: int, residual: bool) -> Any:
    """The compiled stage for these sizes: from this process, else from the disk cache, else compiled (1 to 3 s).

    Parameters
    ----------
    layers, hidden_size, inputs : int
    residual : bool
        As in a preset's architecture.

    Returns
    -------
    numba cfunc
    """
    layout = Layout(layers, hidden_size, inputs)
    at = layout.offsets()
    LAYERS, INPUTS, H, ROWS = layers, inputs, layout.padded, 4 * layout.padded  # noqa: N806
    AT_H, AT_C, AT_X, AT_KNOBS, AT_GATES = at["h"], at["c"], at["x"], at["knob_targets"], at["gates"]  # noqa: N806
    AT_WEIGHTS = tuple(at[f"weights_{layer}"] for layer in range(layers))  # noqa: N806
    AT_HEAD, AT_HEAD_BIAS, AT_SMOOTHING, END = at["head"], at["head_bias"], at["knob_smoothing"], at["end"]  # noqa: N806
    RESIDUAL = residual  # noqa: N806

    @stage_function(np.float32, fast=True)
    def lstm_block(state: Any, block: Any, frames: int) -> None:
        m = carray(state, (END,))
        audio = carray(block, (frames,))
        for n in range(frames):
            m[AT_X] = audio[n]
            for k in range(1, INPUTS):
                m[AT_X + k] += m[AT_SMOOTHING] * (m[AT_KNOBS + k] - m[AT_X + k])
            for layer in range(LAYERS):
                h, c, column = AT_H + layer * H, AT_C + layer * H, AT_WEIGHTS[layer]
                for r in range(ROWS):
                    m[AT_GATES + r] = m[column + r]
                below, columns = (AT_X, INPUTS) if layer == 0 else (AT_H + (layer - 1) * H, H)
                for k in range(columns):
                    column += ROWS
                    for r in range(ROWS):
                        m[AT_GATES + r] += m[column + r] * m[below + k]
                for k in range(H):
                    column += ROWS
                    for r in range(ROWS):
                        m[AT_GATES + r] += m[column + r] * m[h + k]
                for j in range(H):
                    i = HALF + HALF * tanh(m[AT_GATES + j])
                    f = HALF + HALF * tanh(m[AT_GATES + H + j])
                    g = tanh(m[AT_GATES + 2 * H + j])
                    o = HALF + HALF * tanh(m[AT_GATES + 3 * H + j])
                    m[c + j] = f * m[c + j] + i * g
                    m[h + j] = o * tanh(m[c + j])
            y = m[AT_HEAD_BIAS]
            for j in range(H):
                y += m[AT_HEAD + j] * m[AT_H + (LAYERS - 1) * H + j]
            audio[n] = y + audio[n] if RESIDUAL else y

    return lstm_block


class Lstm(Stage):
    """A network of a preset, ready to play.

    Parameters
    ----------
    weights : mapping of str to float32 array
        The arrays of a preset, in torch's layout.
    layers, hidden_size, inputs : int
    residual : bool
        The architecture; the weights have these sizes.
    sample_rate : int
        In Hz; for the smoothing of the knobs.
    knobs : sequence of float
        The values of the inputs after the first, 0 to 1.
    """

    def __init__(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        *,
        layers: int,
        hidden_size: int,
        inputs: int,
        residual: bool,
        sample_rate: int,
        knobs: Sequence[float] = (),
    ) -> None:
        function = compile_lstm(layers, hidden_size, inputs, residual)
        self.layout = Layout(layers, hidden_size, inputs)
        self._at = self.layout.offsets()
        memory = aligned_zeros(self._at["end"], np.float32)
        for layer in range(layers):
            part = memory[self._at[f"weights_{layer}"] :]
            columns = gate_columns(weights, layer, self.layout.padded, inputs if layer == 0 else self.layout.padded)
            part[: columns.size] = columns.ravel()
        memory[self._at["head"] :][:hidden_size] = weights["head_weight"][0]
        memory[self._at["head_bias"]] = weights["head_bias"][0]
        memory[self._at["knob_smoothing"]] = smoothing(KNOB_SMOOTHING_MS, sample_rate)
        memory[self._at["x"] + 1 : self._at["x"] + inputs] = knobs
        memory[self._at["knob_targets"] + 1 : self._at["knob_targets"] + inputs] = knobs
        super().__init__(function.address, memory, first_words(memory, 0), function)
        self.set_initial_state(weights["h0"], weights["c0"])

    def set_initial_state(self, h: NDArray[np.float32], c: NDArray[np.float32]) -> None:
        """Take `h` and `c`, float32 (layers, hidden_size), as the state that a reset returns to, and go there."""
        for name, values in (("h", h), ("c", c)):
            for layer, row in enumerate(values):
                start = self._at[name] + layer * self.layout.padded
                self.memory[start : start + len(row)] = row
        self.initial = first_words(self.memory, 4 * self._at["knob_targets"])


def gate_columns(
    weights: Mapping[str, NDArray[np.float32]], layer: int, padded: int, inputs: int
) -> NDArray[np.float32]:
    """The weights of one layer as the kernel reads them.

    Returns
    -------
    float32 (1 + inputs + padded, 4 * padded)
        A row for the bias, one for each input, one for each hidden unit; in it the gates i, f, g, o of all units.
    """
    bias = weights[f"bias_ih_l{layer}"].astype(np.float64) + weights[f"bias_hh_l{layer}"]
    parts: list[tuple[NDArray[Any], int]] = [
        (bias[:, None], 1),
        (weights[f"weight_ih_l{layer}"], inputs),
        (weights[f"weight_hh_l{layer}"], padded),
    ]
    out = np.zeros((1 + inputs + padded, 4, padded), np.float32)
    row = 0
    for matrix, rows in parts:
        gates = matrix.reshape(4, -1, matrix.shape[1])  # (gate, unit, column)
        out[row : row + matrix.shape[1], :, : gates.shape[1]] = gates.transpose(2, 0, 1)
        row += rows
    out[:, [0, 1, 3]] *= 0.5  # σ(x) = ½ + ½ tanh(x/2)
    return out.reshape(len(out), -1)
