"""The LSTM: a kernel compiled for the sizes of one network, cached on disk, and the memory that it runs in.

The equations are those of `torch.nn.LSTM` (i, f, g, o; σ logistic):

    i = σ(W_i x + U_i h + b_i)      f = σ(W_f x + U_f h + b_f)      o = σ(W_o x + U_o h + b_o)
    g = tanh(W_g x + U_g h + b_g)   c ← f c + i g                   h ← o tanh(c)
    y = w·h + b  (+ x_0 with a residual path)

Memory is one float32 block. Units lie in the vector lanes; `H` is the hidden size, rounded up to whole vectors (the
padding's weights are zero, so that padded units stay zero). Weights are stored column by column, and in a column the
four gates of a vector of units side by side: the sums of all gates stay in registers while the inner loop adds scaled
columns to them, and the units' whole update happens there too. σ(x) = ½ + ½ tanh(x/2), with the ½ folded into the
weights of i, f and o.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fxhost.native import address_of
from fxhost.stages import Stage, aligned_zeros, first_words, smoothing, stage_function
from fxhost.vectors import REVISION, Vectors, register_lanes

X_ROOM = 16  # float32 reserved for the inputs, and for the knobs' targets
KNOB_SMOOTHING_MS = 20.0
PARTIAL_SUMS = 8  # sums that must be under way at once, or the adder waits for itself
UNROLLED = 4  # columns in one turn of the inner loop


@dataclass(frozen=True)
class Layout:
    """Where everything lies in the memory of a network of these sizes, in float32 from its start."""

    layers: int
    hidden_size: int
    inputs: int
    width: int  # float32 lanes in a vector

    @property
    def padded(self) -> int:
        """The hidden size in whole vectors, H in the kernel."""
        return -(-self.hidden_size // self.width) * self.width

    def columns(self, layer: int) -> int:
        """The inputs of a layer."""
        return self.inputs if layer == 0 else self.hidden_size

    def offsets(self) -> dict[str, int]:
        """The first index of each part; the parts before `knob_targets` are what playing changes."""
        padded = self.padded
        sizes = {
            "h": self.layers * padded,
            "c": self.layers * padded,
            "x": X_ROOM,
            "knob_targets": X_ROOM,
            "h_next": padded,
        }
        for layer in range(self.layers):
            # the bias is the first column
            sizes[f"weights_{layer}"] = 4 * padded * (1 + self.columns(layer) + self.hidden_size)
        sizes |= {"head": padded, "head_bias": 1, "knob_smoothing": 1, "end": 0}
        starts = np.concatenate([[0], np.cumsum([-(-size // 16) * 16 for size in sizes.values()])])
        return {name: int(start) for name, start in zip(sizes, starts, strict=False)}


@intrinsic(prefer_literal=True)
def play_block(
    typing_context: Any,
    state: int,
    block: int,
    frames: int,
    layers: Any,
    hidden_size: Any,
    inputs: Any,
    residual: Any,
    width: Any,
    registers: Any,
    revision: Any,
) -> Any:
    """The whole kernel: three values, then the sizes as literals, which are constants to LLVM.

    The sizes and the revision of the emitter come from the caller's closure, and so into the key of the disk cache.
    """
    sizes = (layers, hidden_size, inputs, residual, width, registers, revision)
    if not all(isinstance(size, types.IntegerLiteral) for size in sizes):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        layout = Layout(layers.literal_value, hidden_size.literal_value, inputs.literal_value, width.literal_value)
        emit_block(Vectors(builder, layout.width), layout, values[:3], residual.literal_value, registers.literal_value)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, *sizes), generate


def emit_block(v: Vectors, layout: Layout, values: Sequence[Any], residual: int, registers: int) -> None:
    """Emit the loop over a block's frames."""
    state, block = map(v.pointer, values[:2])
    at = layout.offsets()
    x, knobs, top = at["x"], at["knob_targets"], at["h"] + (layout.layers - 1) * layout.padded
    with v.repeat(values[2]) as frame:
        audio = v.offset(block, frame)
        dry = v.load_scalar(audio)
        v.store_scalar(dry, state, x)
        for k in range(1, layout.inputs):
            glide = v.load_scalar(state, at["knob_smoothing"])
            now = v.load_scalar(state, x + k)
            step = v.subtract(v.load_scalar(state, knobs + k), now)
            v.store_scalar(v.multiply_add(glide, step, now), state, x + k)
        for layer in range(layout.layers):
            emit_layer(v, layout, state, layer, registers)
        total = v.constant(0.0)
        for unit in range(0, layout.padded, layout.width):
            total = v.multiply_add(v.load(state, at["head"] + unit), v.load(state, top + unit), total)
        wet = v.add(v.sum_lanes(total), v.load_scalar(state, at["head_bias"]))
        v.store_scalar(v.add(wet, dry) if residual else wet, audio)


def emit_layer(v: Vectors, layout: Layout, state: Any, layer: int, registers: int) -> None:
    """Emit one layer's step: as many vectors of units at once as the registers have room for."""
    at, width, padded = layout.offsets(), layout.width, layout.padded
    vectors = padded // width
    passes = -(-4 * vectors // (3 * registers // 4))
    h, c, weights = at["h"] + layer * padded, at["c"] + layer * padded, at[f"weights_{layer}"]
    below = at["x"] if layer == 0 else h - padded
    target = h if passes == 1 else at["h_next"]  # the old h is needed until the last pass
    for turn in range(passes):
        units = range(turn * vectors // passes, (turn + 1) * vectors // passes)
        rows = [(4 * unit + gate) * width for unit in units for gate in range(4)]
        sets = -(-PARTIAL_SUMS // len(rows))
        sums = [
            [v.variable(v.load(state, weights + row) if n == 0 else v.constant(0.0)) for row in rows]
            for n in range(sets)
        ]
        column = 1
        for source, count in ((below, layout.columns(layer)), (h, layout.hidden_size)):
            first = v.offset(state, weights + column * 4 * padded)
            turns = count // UNROLLED
            with v.repeat(turns) as index:
                _add_columns(
                    v,
                    sums,
                    v.offset(state, source, (index, UNROLLED)),
                    v.offset(first, (index, UNROLLED * 4 * padded)),
                    rows,
                    UNROLLED,
                    4 * padded,
                )
            done = turns * UNROLLED
            _add_columns(
                v,
                sums,
                v.offset(state, source + done),
                v.offset(first, done * 4 * padded),
                rows,
                count - done,
                4 * padded,
            )
            column += count
        totals = [v.get(total) for total in sums[0]]
        for more in sums[1:]:
            totals = [v.add(total, v.get(extra)) for total, extra in zip(totals, more, strict=True)]
        for n, unit in enumerate(units):
            i, f, g, o = v.activate_gates(totals[4 * n : 4 * n + 4])
            cell = v.multiply_add(f, v.load(state, c + unit * width), v.multiply(i, g))
            v.store(cell, state, c + unit * width)
            v.store(v.multiply(o, v.divide(*v.tanh_ratio(cell))), state, target + unit * width)
    if passes > 1:
        for unit in range(vectors):
            v.store(v.load(state, target + unit * width), state, h + unit * width)


def _add_columns(
    v: Vectors, sums: list[list[Any]], source: Any, weights: Any, rows: list[int], count: int, stride: int
) -> None:
    """Add `count` columns, each scaled by its number at `source`, to the sums in turn."""
    for k in range(count):
        scale = v.broadcast(source, k)
        for total, row in zip(sums[k % len(sums)], rows, strict=True):
            v.set(total, v.multiply_add(scale, v.load(weights, k * stride + row), v.get(total)))


@cache
def compile_lstm(layers: int, hidden_size: int, inputs: int, residual: bool) -> Any:
    """The compiled stage for these sizes: from this process, else from the disk cache, else compiled (half a second).

    Parameters
    ----------
    layers, hidden_size, inputs : int
    residual : bool
        As in a preset's architecture.

    Returns
    -------
    numba cfunc
    """
    width, registers = register_lanes()
    has_residual, revision = int(residual), REVISION

    @stage_function(np.float32)
    def lstm_block(state: Any, block: Any, frames: int) -> None:
        play_block(
            address_of(state), address_of(block), frames,
            layers, hidden_size, inputs, has_residual, width, registers, revision,
        )  # fmt: skip

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
        self.layout = Layout(layers, hidden_size, inputs, register_lanes()[0])
        self._at = self.layout.offsets()
        memory = aligned_zeros(self._at["end"], np.float32)
        for layer in range(layers):
            part = memory[self._at[f"weights_{layer}"] :]
            columns = gate_columns(weights, layer, self.layout)
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


def gate_columns(weights: Mapping[str, NDArray[np.float32]], layer: int, layout: Layout) -> NDArray[np.float32]:
    """The weights of one layer as the kernel reads them.

    Returns
    -------
    float32 (1 + inputs + hidden_size, padded / width, 4, width)
        A row for the bias, one for each input, one for each hidden unit; in it the gates i, f, g, o of each vector of
        units.
    """
    bias = weights[f"bias_ih_l{layer}"].astype(np.float64) + weights[f"bias_hh_l{layer}"]
    parts = bias[:, None], weights[f"weight_ih_l{layer}"], weights[f"weight_hh_l{layer}"]
    rows = np.concatenate(parts, axis=1)  # (4 hidden_size, columns)
    out = np.zeros((rows.shape[1], 4, layout.padded), np.float32)
    out[:, :, : layout.hidden_size] = rows.T.reshape(-1, 4, layout.hidden_size)
    out[:, [0, 1, 3]] *= 0.5  # σ(x) = ½ + ½ tanh(x/2)
    return np.ascontiguousarray(out.reshape(len(out), 4, -1, layout.width).transpose(0, 2, 1, 3))
