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
from numba import carray, from_dtype, types

from fxhost.native.code_cache import cached_cfunc
from fxhost.native.intrinsics import address_of
from train.network.kernel_steps import BACK_ROWS, Shape, Tiling, run_step

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
    """The kernels for these sizes, from the disk, or compiled (half a second).

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
    shape = Shape(hidden, inputs, is_top, needs_input_gradient)
    top, below, stretch, lanes = int(is_top), int(needs_input_gradient), shape.stretch, shape.tiling.lanes
    z_step, g_step, c_step = (4 * lanes * rows for rows in (shape.z_rows, 4 * hidden, hidden))  # bytes
    what = f"the training of LSTM layers of {hidden} units"

    @cached_cfunc(_SIGNATURE, what, error_model="numpy")
    def forward(layer: Any, y: Any, steps: int) -> None:
        place, output = carray(layer, 1)[0], address_of(y)
        for t in range(steps):
            run_step("step_forward", hidden, inputs, top, below, (
                place.weights_forward, place.z + z_step * t, place.z + z_step * (t + 1), place.gates + g_step * t,
                place.cell + c_step * t, place.cell + c_step * (t + 1), place.tanh_cell + c_step * t, place.head,
                output + 4 * lanes * t,
            ))  # fmt: skip

    @cached_cfunc(_SIGNATURE, what, error_model="numpy")
    def backward(layer: Any, dy: Any, steps: int) -> None:
        place, slopes = carray(layer, 1)[0], address_of(dy)
        end = steps
        while end > 0:
            start = max(0, end - stretch)
            for t in range(end - 1, start - 1, -1):
                dgates, dz_next = place.dgates + g_step * (t - start), place.dz + 4 * place.dz_step * (t + 1)
                run_step("differentiate_gates", hidden, inputs, top, below, (
                    place.gates + g_step * t, place.cell + c_step * t, place.tanh_cell + c_step * t, place.head,
                    slopes + 4 * lanes * t, place.upstream + 4 * place.upstream_step * t, dz_next, place.dc, dgates,
                ))  # fmt: skip
                dz = place.dz + 4 * place.dz_step * t
                run_step("step_back", hidden, inputs, top, below, (place.weights_backward, dgates, dz))
            products = place.dgates, place.z + z_step * start, place.gradient, end - start
            run_step("add_weight_gradient", hidden, inputs, top, below, products)
            end = start

    return LayerKernels(
        forward,
        backward,
        shape.z_rows,
        shape.back_tiles * BACK_ROWS,
        shape.row_tiles,
        shape.column_tiles,
        stretch,
        shape.tiling,
    )
