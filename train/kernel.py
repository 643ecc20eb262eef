"""The fused CPU kernels of one LSTM layer: a whole sequence forward, a whole sequence backward.

torch spends its time between the steps of a small LSTM; here a step is a few hundred instructions. A *group* of
sequences lies in the vector lanes (two vectors side by side), so that every operation works on all of them at once and
weights are broadcast from memory. All arrays are float32, row-major, aligned to 64 bytes; `lanes` is the last axis:

    Z  (T + 1, Zr, lanes)     what the weights multiply at step t: h of the step before (H rows), input (I rows), ones;
                              further rows are padding, zero
    G  (T, H, 4, lanes)       the gates i, f, g, o after their activation
    DG (stretch, H, 4, lanes) the gradients of their sums, of the last few steps
    C  (T + 1, H, lanes)      the cell state before step t;  TC (T, H, lanes) tanh of the cell state after it
    Y  (T, lanes)             the head's output, of the top layer
    D  (T, ·, lanes)          the gradient of h that comes from the layer above
    DZ (T, Dr, lanes)         the gradient of Z: its first H rows go to the step before, the next I to the layer below
    A  (Zr / k, 4H / r, r k, width)   the weights' gradient, still to be summed over its last axis

H is even (padded by a unit with zero weights if need be). Weights come in two orders: `Wf` (H / 2, K, 8) for the step
forward, K = H + I + 1 columns, gate rows of two units side by side, scaled as `Vectors.activate_gates` takes their
sums; `Wb` (Dr / 8, 4H, 8) for the step back.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types

from fxhost.native.intrinsics import address_of
from fxhost.native.vectors import QUICK_TANH, Vectors, kernel, register_lanes

UNITS = 2  # units whose gates are summed at once: 8 rows × 2 vectors of sums stay in registers
BACK_ROWS = 8  # rows of DZ that are summed at once
PREFETCH = 2  # steps that the backward pass asks the memory ahead
DGATES_BYTES = 640 << 10  # of the L2 cache for DG


@dataclass(frozen=True)
class Tiling:
    """How the work is cut for the registers of this CPU.

    Attributes
    ----------
    width : int
        Float32 lanes in a vector register.
    vectors : int
        Vectors side by side in a group of sequences.
    gradient_rows, gradient_columns : int
        The tile of the weights' gradient that stays in registers.
    """

    width: int
    vectors: int
    gradient_rows: int
    gradient_columns: int

    @property
    def lanes(self) -> int:
        """Sequences in a group."""
        return self.width * self.vectors


def choose_tiling(columns: int) -> Tiling:
    """The tiling for the CPU at hand and so many columns of weights: 32 registers hold twice the sums of 16."""
    width, registers = register_lanes()
    if registers >= 32:
        tilings = [Tiling(width, 2, 4, 6), Tiling(width, 2, 8, 3)]
    else:
        tilings = [Tiling(width, 1, 2, 6), Tiling(width, 1, 4, 3)]
    return min(tilings, key=lambda tiling: -columns % tiling.gradient_columns)  # the fewest columns of padding


# One layer and the memory of one thread for it: what the kernels read. Addresses but for the numbers at the end.
LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            *("forward", "backward"),  # the kernels, `void kernel(LAYER *, float *Y or dY, int64 steps)`
            *("weights_forward", "weights_backward", "head"),  # Wf, Wb and the head's weights
            *("z", "gates", "cell", "tanh_cell"),  # Z, G, C, TC
            *("upstream", "upstream_step"),  # D, and how many float32 lie between its steps
            *("dz", "dz_step"),  # DZ, and the same; 0 if only one step of it is kept
            *("dc", "dgates", "gradient"),  # the gradient of C from the future; DG; A
            *("inputs", "z_rows", "d_rows"),  # I, Zr, Dr
            *("column_tiles", "row_tiles", "tile_rows", "tile_columns"),  # of A
        )
    ]
)

_SIGNATURE = types.void(types.CPointer(from_dtype(LAYER)), types.CPointer(types.float32), types.int64)


@dataclass(frozen=True)
class LayerKernels:
    """The compiled kernels of one layer, and the row counts of its arrays.

    Attributes
    ----------
    forward, backward : compiled functions with an `address`
        As `LAYER` says. Forward needs Z[0], C[0] and the inputs, and adds the output of the top layer's head to Y.
        Backward needs DZ[T] (or, with `dz_step` 0, the one DZ) and dC, the gradients from the future, and adds to A.
    z_rows, d_rows : int
        Zr and Dr above.
    row_tiles, column_tiles : int
        Of A.
    stretch : int
        Steps between two visits to the weights' gradient: what it reads of them is still in the L2 cache.
    tiling : Tiling
    """

    forward: Any
    backward: Any
    z_rows: int
    d_rows: int
    row_tiles: int
    column_tiles: int
    stretch: int
    tiling: Tiling


@cache
def compile_layer(hidden: int, inputs: int, *, is_top: bool, needs_input_gradient: bool) -> LayerKernels:
    """The kernels for these sizes, compiled at their first call (half a second).

    Parameters
    ----------
    hidden : int
        Units, even.
    inputs : int
        I; the hidden size of the layer below, or the inputs of the network.
    is_top : bool
        Whether the head is computed from this layer; otherwise gradients come from the layer above.
    needs_input_gradient : bool
        Whether there is a layer below.
    """
    columns = hidden + inputs + 1
    tiling = choose_tiling(columns)
    width, vectors, lanes = tiling.width, tiling.vectors, tiling.lanes
    tile_rows, tile_columns = tiling.gradient_rows, tiling.gradient_columns
    column_tiles, row_tiles = -(-columns // tile_columns), 4 * hidden // tile_rows
    z_rows = column_tiles * tile_columns
    back_tiles = -(-(hidden + inputs if needs_input_gradient else hidden) // BACK_ROWS)
    stretch = min(32, max(1, DGATES_BYTES // (16 * hidden * lanes)))
    z_step, g_step, c_step = (4 * lanes * rows for rows in (z_rows, 4 * hidden, hidden))  # bytes

    @kernel(width, 9)
    def step_forward(v: Vectors, *addresses: Any) -> None:
        weights, z, z_next, gates, cell, cell_next, tanh_cell, head, output = map(v.pointer, addresses)
        y = [v.variable(v.load(output, n * width)) for n in range(vectors)] if is_top else []
        with v.repeat(hidden // UNITS) as pair:
            biases = v.offset(weights, (pair, columns * 4 * UNITS), (columns - 1) * 4 * UNITS)
            sums = [[v.variable(v.broadcast(biases, row)) for _ in range(vectors)] for row in range(4 * UNITS)]
            with v.repeat(columns - 1) as k:
                inputs_k = [v.load(v.offset(z, (k, lanes)), n * width) for n in range(vectors)]
                weights_k = v.offset(weights, (pair, columns * 4 * UNITS), (k, 4 * UNITS))
                for row in range(4 * UNITS):
                    weight = v.broadcast(weights_k, row)
                    for n in range(vectors):
                        v.set(sums[row][n], v.multiply_add(weight, inputs_k[n], v.get(sums[row][n])))
            for u in range(UNITS):
                unit = (pair, UNITS * lanes)
                for n in range(vectors):
                    at = u * lanes + n * width
                    i, f, g, o = v.activate_gates([v.get(sums[4 * u + gate][n]) for gate in range(4)], QUICK_TANH)
                    c = v.multiply_add(f, v.load(v.offset(cell, unit), at), v.multiply(i, g))
                    tanh_c = v.divide(*v.tanh_ratio(c, QUICK_TANH))
                    h = v.multiply(o, tanh_c)
                    for gate, value in enumerate((i, f, g, o)):
                        target = v.offset(gates, (pair, UNITS * 4 * lanes))
                        v.store(value, target, (4 * u + gate) * lanes + n * width)
                    v.store(c, v.offset(cell_next, unit), at)
                    v.store(tanh_c, v.offset(tanh_cell, unit), at)
                    v.store(h, v.offset(z_next, unit), at)
                    if is_top:
                        weight = v.broadcast(v.offset(head, (pair, UNITS)), u)
                        v.set(y[n], v.multiply_add(weight, h, v.get(y[n])))
        for n, total in enumerate(y):
            v.store(v.get(total), output, n * width)

    @kernel(width, 9)
    def differentiate_gates(v: Vectors, *addresses: Any) -> None:
        gates, cell, tanh_cell, head, dy, upstream, dz, dc_carried, dgates = map(v.pointer, addresses)
        one = v.constant(1.0)
        dys = [v.load(dy, n * width) for n in range(vectors)] if is_top else []
        with v.repeat(hidden) as unit:
            row, gate_rows = (unit, lanes), v.offset(gates, (unit, 4 * lanes))
            # the step before lies behind: no hardware looks that way for it
            for line in range(0, 4 * lanes, 16):
                v.prefetch(gate_rows, line - PREFETCH * 4 * hidden * lanes)
            for line in range(0, lanes, 16):
                v.prefetch(v.offset(cell, row), line - PREFETCH * hidden * lanes)
                v.prefetch(v.offset(tanh_cell, row), line - PREFETCH * hidden * lanes)
            for n in range(vectors):
                at = n * width
                i, f, g, o = (v.load(gate_rows, gate * lanes + at) for gate in range(4))
                tanh_c = v.load(v.offset(tanh_cell, row), at)
                dh = v.load(v.offset(dz, row), at)
                if is_top:
                    dh = v.multiply_add(v.broadcast(head, unit), dys[n], dh)
                else:
                    dh = v.add(dh, v.load(v.offset(upstream, row), at))
                slope = v.subtract(one, v.multiply(tanh_c, tanh_c))
                dc = v.multiply_add(v.multiply(dh, o), slope, v.load(v.offset(dc_carried, row), at))
                v.store(v.multiply(dc, f), v.offset(dc_carried, row), at)
                derivatives = (
                    v.multiply(dc, g, i, v.subtract(one, i)),
                    v.multiply(dc, v.load(v.offset(cell, row), at), f, v.subtract(one, f)),
                    v.multiply(dc, i, v.subtract(one, v.multiply(g, g))),
                    v.multiply(dh, tanh_c, o, v.subtract(one, o)),
                )
                for gate, value in enumerate(derivatives):
                    v.store(value, v.offset(dgates, (unit, 4 * lanes)), gate * lanes + at)

    @kernel(width, 3)
    def step_back(v: Vectors, *addresses: Any) -> None:
        weights, gates, dz = map(v.pointer, addresses)
        with v.repeat(back_tiles) as tile:
            sums = [[v.variable(v.constant(0.0)) for _ in range(vectors)] for _ in range(BACK_ROWS)]
            with v.repeat(4 * hidden) as row:
                gate = [v.load(v.offset(gates, (row, lanes)), n * width) for n in range(vectors)]
                weights_row = v.offset(weights, (tile, 4 * hidden * BACK_ROWS), (row, BACK_ROWS))
                for k in range(BACK_ROWS):
                    weight = v.broadcast(weights_row, k)
                    for n in range(vectors):
                        v.set(sums[k][n], v.multiply_add(weight, gate[n], v.get(sums[k][n])))
            for k in range(BACK_ROWS):
                for n in range(vectors):
                    v.store(v.get(sums[k][n]), v.offset(dz, (tile, BACK_ROWS * lanes)), k * lanes + n * width)

    @kernel(width, 4)
    def add_weight_gradient(v: Vectors, *arguments: Any) -> None:
        gates, z, gradient = map(v.pointer, arguments[:3])
        size = tile_rows * tile_columns
        with v.repeat(column_tiles) as column_tile, v.repeat(row_tiles) as row_tile:
            target = v.offset(gradient, (column_tile, row_tiles * size * width), (row_tile, size * width))
            sums = [v.variable(v.load(target, n * width)) for n in range(size)]
            with v.repeat(arguments[3]) as step:
                gates_t = v.offset(gates, (row_tile, tile_rows * lanes), (step, 4 * hidden * lanes))
                z_t = v.offset(z, (column_tile, tile_columns * lanes), (step, z_rows * lanes))
                for n in range(vectors):
                    columns_t = [v.load(z_t, column * lanes + n * width) for column in range(tile_columns)]
                    for row in range(tile_rows):
                        value = v.load(gates_t, row * lanes + n * width)
                        for column in range(tile_columns):
                            total = sums[row * tile_columns + column]
                            v.set(total, v.multiply_add(value, columns_t[column], v.get(total)))
            for n in range(size):
                v.store(v.get(sums[n]), target, n * width)

    @cfunc(_SIGNATURE, error_model="numpy")
    def forward(layer: Any, y: Any, steps: int) -> None:
        place, output = carray(layer, 1)[0], address_of(y)
        for t in range(steps):
            step_forward(
                place.weights_forward,
                place.z + z_step * t,
                place.z + z_step * (t + 1),
                place.gates + g_step * t,
                place.cell + c_step * t,
                place.cell + c_step * (t + 1),
                place.tanh_cell + c_step * t,
                place.head,
                output + 4 * lanes * t,
            )

    @cfunc(_SIGNATURE, error_model="numpy")
    def backward(layer: Any, dy: Any, steps: int) -> None:
        place, slopes = carray(layer, 1)[0], address_of(dy)
        end = steps
        while end > 0:
            start = max(0, end - stretch)
            for t in range(end - 1, start - 1, -1):
                dgates = place.dgates + g_step * (t - start)
                differentiate_gates(
                    place.gates + g_step * t,
                    place.cell + c_step * t,
                    place.tanh_cell + c_step * t,
                    place.head,
                    slopes + 4 * lanes * t,
                    place.upstream + 4 * place.upstream_step * t,
                    place.dz + 4 * place.dz_step * (t + 1),
                    place.dc,
                    dgates,
                )
                step_back(place.weights_backward, dgates, place.dz + 4 * place.dz_step * t)
            add_weight_gradient(place.dgates, place.z + z_step * start, place.gradient, end - start)
            end = start

    return LayerKernels(forward, backward, z_rows, back_tiles * BACK_ROWS, row_tiles, column_tiles, stretch, tiling)
