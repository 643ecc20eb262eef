"""The steps of the fused kernels, emitted as vector instructions: one step forward, one back, the weights' gradient.

`train.network.kernel` says what the arrays hold, whose addresses the steps take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numba import types
from numba.extending import intrinsic

from fxhost.native.llvm_types import Builder, NumbaType, Ptr, Signature, TargetContext, TypingContext, Word
from fxhost.native.vectors import QUICK_TANH, Vectors, register_lanes

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


@dataclass(frozen=True)
class Shape:
    """The sizes of one layer.

    Attributes
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

    hidden: int
    inputs: int
    is_top: bool
    needs_input_gradient: bool

    @property
    def columns(self) -> int:
        """K, the columns of the weights."""
        return self.hidden + self.inputs + 1

    @property
    def tiling(self) -> Tiling:
        """How the work is cut for the CPU at hand."""
        return choose_tiling(self.columns)

    @property
    def column_tiles(self) -> int:
        """Of A."""
        return -(-self.columns // self.tiling.gradient_columns)

    @property
    def row_tiles(self) -> int:
        """Of A."""
        return 4 * self.hidden // self.tiling.gradient_rows

    @property
    def z_rows(self) -> int:
        """Zr."""
        return self.column_tiles * self.tiling.gradient_columns

    @property
    def back_tiles(self) -> int:
        """Tiles of `BACK_ROWS` rows of DZ."""
        return -(-(self.hidden + self.inputs if self.needs_input_gradient else self.hidden) // BACK_ROWS)

    @property
    def stretch(self) -> int:
        """The number of time steps between two updates of the weight gradient, chosen so that the data of these steps
        is still in the L2 cache.
        """
        return min(32, max(1, DGATES_BYTES // (16 * self.hidden * self.tiling.lanes)))


def step_forward(v: Vectors, shape: Shape, *addresses: Ptr) -> None:
    """One step: the gates, the cell state, h into the next Z, and what the head adds to Y."""
    hidden, columns, is_top = shape.hidden, shape.columns, shape.is_top
    width, vectors, lanes = _lanes(shape)
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


def differentiate_gates(v: Vectors, shape: Shape, *addresses: Ptr) -> None:
    """The gradients of the sums of the gates, and the gradient of the cell state for the step before."""
    hidden, is_top = shape.hidden, shape.is_top
    width, vectors, lanes = _lanes(shape)
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


def step_back(v: Vectors, shape: Shape, *addresses: Ptr) -> None:
    """The gradient of Z: W transposed times the gradients of the sums."""
    hidden = shape.hidden
    width, vectors, lanes = _lanes(shape)
    weights, gates, dz = map(v.pointer, addresses)
    with v.repeat(shape.back_tiles) as tile:
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


def add_weight_gradient(v: Vectors, shape: Shape, *arguments: Ptr) -> None:
    """Add the products of the gradients of the sums and of Z, over some steps, to A."""
    hidden = shape.hidden
    width, vectors, lanes = _lanes(shape)
    tile_rows, tile_columns = shape.tiling.gradient_rows, shape.tiling.gradient_columns
    gates, z, gradient = map(v.pointer, arguments[:3])
    size = tile_rows * tile_columns
    with v.repeat(shape.column_tiles) as column_tile, v.repeat(shape.row_tiles) as row_tile:
        target = v.offset(gradient, (column_tile, shape.row_tiles * size * width), (row_tile, size * width))
        sums = [v.variable(v.load(target, n * width)) for n in range(size)]
        with v.repeat(arguments[3]) as step:
            gates_t = v.offset(gates, (row_tile, tile_rows * lanes), (step, 4 * hidden * lanes))
            z_t = v.offset(z, (column_tile, tile_columns * lanes), (step, shape.z_rows * lanes))
            for n in range(vectors):
                columns_t = [v.load(z_t, column * lanes + n * width) for column in range(tile_columns)]
                for row in range(tile_rows):
                    value = v.load(gates_t, row * lanes + n * width)
                    for column in range(tile_columns):
                        total = sums[row * tile_columns + column]
                        v.set(total, v.multiply_add(value, columns_t[column], v.get(total)))
        for n in range(size):
            v.store(v.get(sums[n]), target, n * width)


def _lanes(shape: Shape) -> tuple[int, int, int]:
    tiling = shape.tiling
    return tiling.width, tiling.vectors, tiling.lanes


_STEPS = {emit.__name__: emit for emit in (step_forward, differentiate_gates, step_back, add_weight_gradient)}


@intrinsic(prefer_literal=True)
def run_step(
    typing_context: TypingContext,
    step: NumbaType,
    hidden: NumbaType,
    inputs: NumbaType,
    is_top: NumbaType,
    needs_input_gradient: NumbaType,
    addresses: NumbaType,
) -> Any:
    """One of the steps by its name, with the sizes of a layer as literals and a tuple of int64 addresses or counts.

    The sizes come from the caller's closure, and so into the key of the disk cache.
    """
    shape = Shape(
        hidden.literal_value, inputs.literal_value, bool(is_top.literal_value), bool(needs_input_gradient.literal_value)
    )
    emit = _STEPS[step.literal_value]
    count = len(addresses)

    def generate(context: TargetContext, builder: Builder, signature: Signature, values: Sequence[Word]) -> Word:
        emit(Vectors(builder, shape.tiling.width), shape, *(builder.extract_value(values[-1], n) for n in range(count)))
        return context.get_dummy_value()

    return types.void(step, hidden, inputs, is_top, needs_input_gradient, addresses), generate
