"""Runs a window of sequences through the compiled kernels, one group of sequences at a time, without Python and the
GIL.

Audio into lanes and back, the loss, weights and gradients in torch's order: plain loops that numba compiles and LLVM
vectorises. The axis `lanes` holds the sequences of a group; `padded` is the hidden size made even. Array layouts are
those of `train.network.kernel`.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import carray, from_dtype, types
from numpy.typing import NDArray

from fxhost.native.code_cache import cached_njit
from fxhost.native.intrinsics import call_stage, fetch_add, floats_at
from train.network.kernel import LAYER
from train.network.kernel_steps import choose_tiling
from train.network.losses import PRE_EMPHASIS as EMPHASIS

Array = NDArray[np.float32]

WIDTH, LANES = choose_tiling(1).width, choose_tiling(1).lanes  # constants for the compiler

STRIP = 16  # frames that are turned from (sequences, frames) to (frames, lanes) at once: a cache line of each sequence
PRE_EMPHASIS = np.float32(EMPHASIS)
SCALES = tuple(np.float32(scale) for scale in (-np.log2(np.e), -np.log2(np.e), 1.0, 0.5))  # of the sums of i, f, g, o
FAST = {"contract", "nsz", "arcp", "reassoc"}  # sums in any order; NaN stays NaN


@cached_njit(nogil=True, error_model="numpy", fastmath=FAST)
def spread_inputs(x: Array, bias: float, residual: bool, z: Array, output: Array) -> None:
    """Put x (sequences, frames, inputs) into z (frames + 1, rows, lanes), and what the head adds to into output.

    Lanes without a sequence hear silence.
    """
    sequences, frames, inputs = x.shape
    z[:frames, :inputs, sequences:] = 0.0
    for start in range(0, frames, STRIP):
        end = min(start + STRIP, frames)
        for row in range(inputs):
            for lane in range(sequences):
                for n in range(start, end):
                    z[n, row, lane] = x[lane, n, row]
    for n in range(frames):
        for lane in range(LANES):
            output[n, lane] = bias + z[n, 0, lane] if residual else bias


@cached_njit(nogil=True, error_model="numpy", fastmath=FAST)
def differentiate_loss(
    target: Array, output: Array, plain: float, emphasised: float, direct: float
) -> tuple[float, float]:
    """The loss of a group and the sum of its gradient; `output` (frames, lanes) is replaced by that gradient.

    With e the error: plain Σ e² + emphasised Σ p² + direct Σ (mean of e over the frames)², p the pre-emphasised error.
    Target is (sequences, frames).
    """
    sequences, frames = target.shape
    means = np.zeros(LANES, np.float32)
    output[:frames, sequences:] = 0.0
    for start in range(0, frames, STRIP):
        end = min(start + STRIP, frames)
        for lane in range(sequences):
            for n in range(start, end):
                output[n, lane] -= target[lane, n]
        for n in range(start, end):
            for lane in range(LANES):
                means[lane] += output[n, lane]
    means /= np.float32(frames)
    squares, slopes = np.zeros(LANES), np.zeros(LANES)
    ahead = output[0].copy()  # the pre-emphasised error
    cost, steep, steady = np.float32(2 * plain), np.float32(2 * emphasised), np.float32(2 * direct / frames)
    for n in range(frames):
        for lane in range(LANES):
            error = output[n, lane]
            slope = cost * error + steady * means[lane]
            square = cost * error * error
            if emphasised:
                now = ahead[lane]
                following = output[n + 1, lane] - PRE_EMPHASIS * error if n + 1 < frames else np.float32(0)
                slope += steep * (now - PRE_EMPHASIS * following)
                square += steep * now * now
                ahead[lane] = following
            output[n, lane] = slope
            squares[lane] += square
            slopes[lane] += slope
    return 0.5 * squares.sum() + direct * (means * means).sum(), slopes.sum()


@cached_njit(nogil=True, error_model="numpy", fastmath=FAST)
def sum_head_gradient(h: Array, slopes: Array, gradient: Array) -> None:
    """Fill the gradient (hidden,) with Σ h slope over frames and lanes; h is (frames, rows, lanes)."""
    lanes = h.shape[2]
    sums = np.zeros((len(gradient), lanes), np.float32)
    for n in range(len(h)):
        for unit in range(len(gradient)):
            for lane in range(lanes):
                sums[unit, lane] += h[n, unit, lane] * slopes[n, lane]
    for unit in range(len(gradient)):
        gradient[unit] = sums[unit].sum()


@cached_njit(nogil=True, error_model="numpy")
def pack_forward(weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array, padded: int, out: Array) -> None:
    """Torch's weights of a layer as the forward step reads them, `Wf` (padded / units, columns, 4 units)."""
    hidden, units = weight_hh.shape[1], out.shape[2] // 4
    for unit in range(hidden):
        for gate in range(4):
            row = gate * hidden + unit
            place = 4 * (unit % units) + gate
            scale = SCALES[gate]
            rows = out[unit // units]
            for k in range(hidden):
                rows[k, place] = scale * weight_hh[row, k]
            for k in range(weight_ih.shape[1]):
                rows[padded + k, place] = scale * weight_ih[row, k]
            rows[-1, place] = scale * (bias_ih[row] + bias_hh[row])


@cached_njit(nogil=True, error_model="numpy")
def pack_backward(weight_ih: Array, weight_hh: Array, padded: int, out: Array) -> None:
    """Torch's W_ih and W_hh as the step back reads them, `Wb` (d_rows / rows, 4 padded, rows)."""
    hidden, rows = weight_hh.shape[1], out.shape[2]
    with_inputs = out.shape[0] * rows >= padded + weight_ih.shape[1]
    for unit in range(hidden):
        for gate in range(4):
            row = gate * hidden + unit
            for k in range(hidden):
                out[k // rows, 4 * unit + gate, k % rows] = weight_hh[row, k]
            if with_inputs:
                for k in range(weight_ih.shape[1]):
                    out[(padded + k) // rows, 4 * unit + gate, (padded + k) % rows] = weight_ih[row, k]


@cached_njit(nogil=True, error_model="numpy", fastmath=FAST)
def sum_gradient(
    tiles: Array,
    tile_columns: int,
    padded: int,
    inputs: int,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
) -> None:
    """The gradients that a kernel left in `A` (column tiles, row tiles, tile, lanes) in torch's order, lanes summed."""
    hidden = weight_hh.shape[1]
    tile_rows = tiles.shape[2] // tile_columns
    for column_tile in range(tiles.shape[0]):
        for row_tile in range(tiles.shape[1]):
            for n in range(tiles.shape[2]):
                unit, gate = divmod(row_tile * tile_rows + n // tile_columns, 4)
                column = column_tile * tile_columns + n % tile_columns
                if unit >= hidden or column > padded + inputs:
                    continue
                total = np.float32(0.0)
                for lane in range(WIDTH):
                    total += tiles[column_tile, row_tile, n, lane]
                row = gate * hidden + unit
                if column < hidden:
                    weight_hh[row, column] = total
                elif column == padded + inputs:
                    bias_ih[row] = total
                    bias_hh[row] = total
                elif padded <= column < padded + weight_ih.shape[1]:
                    weight_ih[row, column - padded] = total


@cached_njit(nogil=True, error_model="numpy")
def differentiate_layers(
    layers: Any, hidden: int, padded: int, inputs: int, steps: int, slopes: Array, gradient: Array
) -> None:
    """The gradients of all layers' weights, in torch's order, from those of the head's output.

    Parameters
    ----------
    layers : LAYER (layers,)
        After the steps forward.
    inputs : int
        Of the first layer.
    slopes : (at least steps, lanes)
        The gradient of the head's output.
    gradient : (numbers,)
        Filled in, without the head.
    """
    last = len(gradient)
    for n in range(len(layers) - 1, -1, -1):
        layer = layers[n]
        dz = carray(floats_at(layer.dz + 4 * layer.dz_step * steps), (layer.d_rows, LANES))
        dz[:] = 0.0
        carray(floats_at(layer.dc), (padded, LANES))[:] = 0.0
        shape = (layer.column_tiles, layer.row_tiles, layer.tile_rows * layer.tile_columns, WIDTH)
        tiles = carray(floats_at(layer.gradient), shape)
        tiles[:] = 0.0
        call_stage(layer.backward, layers[n:].ctypes.data, slopes.ctypes.data, steps)
        own = inputs if n == 0 else hidden
        sizes = (4 * hidden * own, 4 * hidden * hidden, 4 * hidden, 4 * hidden)
        start = last - (sizes[0] + sizes[1] + sizes[2] + sizes[3])
        second, third, fourth = start + sizes[0], start + sizes[0] + sizes[1], last - sizes[3]
        sum_gradient(
            tiles,
            layer.tile_columns,
            padded,
            layer.inputs,
            gradient[start:second].reshape((4 * hidden, own)),
            gradient[second:third].reshape((4 * hidden, hidden)),
            gradient[third:fourth],
            gradient[fourth:last],
        )
        last = start


def _run_groups(
    next_group: int,
    layers: Any,
    hidden: int,
    padded: int,
    residual: bool,
    head_bias: float,
    x: Array,
    h: Array,
    c: Array,
    h_out: Array,
    c_out: Array,
    output: Array,
    audio: Array,
    costs: Array,
    losses: Any,
    gradients: Array,
) -> None:
    """Take groups of sequences through a window until none is left.

    Parameters
    ----------
    next_group : address of an int64
        Counts the groups that threads have taken.
    layers : LAYER (layers,)
        With this thread's memory.
    x : (batch, frames, inputs);  h, c, h_out, c_out : (layers, batch, hidden)
    output : (at least frames, lanes)
        This thread's.
    audio : (batch, frames)
        The target; or, where `gradients` is empty, what is filled with the output.
    costs : (3,)
        Of `differentiate_loss`.
    losses : float64 (groups,);  gradients : (groups, numbers)
        Filled in for each group.
    """
    batch, steps, lanes = x.shape[0], x.shape[1], LANES
    while True:
        group = fetch_add(next_group, 1)
        first = group * lanes
        if first >= batch:
            return
        end = min(batch, first + lanes)
        below = carray(floats_at(layers[0].z), (steps + 1, layers[0].z_rows, lanes))
        spread_inputs(x[first:end], head_bias, residual, below[:, padded:], output[:steps])
        for n in range(len(layers)):
            z = carray(floats_at(layers[n].z), (steps + 1, layers[n].z_rows, lanes))
            cell = carray(floats_at(layers[n].cell), (steps + 1, padded, lanes))
            if n:
                z[:steps, padded : 2 * padded] = below[1:, :padded]
            for unit in range(hidden):
                for lane in range(end - first):
                    z[0, unit, lane] = h[n, first + lane, unit]
                    cell[0, unit, lane] = c[n, first + lane, unit]
            call_stage(layers[n].forward, layers[n:].ctypes.data, output.ctypes.data, steps)
            for unit in range(hidden):
                for lane in range(end - first):
                    h_out[n, first + lane, unit] = z[steps, unit, lane]
                    c_out[n, first + lane, unit] = cell[steps, unit, lane]
            below = z
        if not gradients.size:
            for lane in range(end - first):
                for n in range(steps):
                    audio[first + lane, n] = output[n, lane]
            continue
        gradient = gradients[group]
        losses[group], gradient[-1] = differentiate_loss(audio[first:end], output[:steps], costs[0], costs[1], costs[2])
        sum_head_gradient(below[1:], output[:steps], gradient[-1 - hidden : -1])
        differentiate_layers(layers, hidden, padded, x.shape[2], steps, output, gradient[: -1 - hidden])


@cache
def compile_groups() -> Any:
    """`_run_groups` for any memory layout of x, h, c and the audio."""

    def array(dimensions: int, layout: str = "A") -> Any:
        return types.Array(types.float32, dimensions, layout)

    signature = types.void(
        types.int64,
        types.Array(from_dtype(LAYER), 1, "C"),
        *(types.int64, types.int64, types.boolean, types.float32),
        *(*[array(3)] * 5, array(2, "C"), array(2), array(1, "C")),
        *(types.Array(types.float64, 1, "C"), array(2, "C")),
    )
    return cached_njit(signature, nogil=True, error_model="numpy")(_run_groups)
