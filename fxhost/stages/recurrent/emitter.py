"""The emitter of the recurrent kernels: the loop over a block's frames, and the step of one layer.

All sums of a group of units stay in registers while scaled columns are added to them, and the units' whole update
happens there too. In small networks h and c stay in registers from frame to frame, and the last group's columns come
last, so that one group is updated while the sums of the next are still under way. The weights of large ones do not fit
the L1 cache: what can be of the next frame's is fetched while units are updated.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from fxhost.native.llvm_types import Ptr, Vec, Word
from fxhost.native.vectors import Vectors
from fxhost.stages.recurrent.dense import activate_number, emit_product
from fxhost.stages.recurrent.layout import Group, RecurrentLayout

UNROLLED = 4  # columns in one turn of the inner loop
MOST_UNROLLED = 512  # vectors of weights up to which there is no inner loop
PREFETCHED = 256  # cache lines: half of the smallest L1 cache


def emit_block(
    v: Vectors, layout: RecurrentLayout, values: Sequence[Vec], cell: str, residual: int, registers: int, short: int
) -> None:
    """Emit the loop over a block's frames. `short` is that of `Vectors.polynomial`, for the activations."""
    state, block = map(v.pointer, values[:2])
    layers = [LayerEmitter(v, layout, cell, state, layer, registers, bool(short)) for layer in range(layout.layers)]
    with v.repeat(values[2]) as frame:
        audio = v.offset(block, frame)
        source: Ptr = emit_inputs(v, layout, state, audio, registers)
        for layer in layers:
            layer.emit(source)
            source = layer.h.all()
        emit_output(v, layout, state, layers[-1].h, audio, residual, registers)
    for layer in layers:
        layer.h.save()
        layer.c.save()


def emit_inputs(v: Vectors, layout: RecurrentLayout, state: Ptr, audio: Ptr, registers: int) -> Ptr:
    """Emit the inputs of the first layer for one frame of audio; returns where they lie."""
    at = layout.offsets()
    x, knobs = at["x"], at["knob_targets"]
    v.store_scalar(v.load_scalar(audio), state, x)
    for k in range(1, layout.inputs):
        glide = v.load_scalar(state, at["knob_smoothing"])
        now = v.load_scalar(state, x + k)
        step = v.subtract(v.load_scalar(state, knobs + k), now)
        v.store_scalar(v.multiply_add(glide, step, now), state, x + k)
    return emit_dense(v, layout, state, "before", v.offset(state, x), registers)


def emit_output(
    v: Vectors, layout: RecurrentLayout, state: Ptr, h: "Cells", audio: Ptr, residual: int, registers: int
) -> None:
    """Emit one output frame from the last layer's h, in the place of the input frame."""
    wet = activate_number(v, layout.dense.output, emit_sum(v, layout, state, h, registers))
    v.store_scalar(v.add(wet, v.load_scalar(audio)) if residual else wet, audio)


def emit_dense(v: Vectors, layout: RecurrentLayout, state: Ptr, place: str, source: Ptr, registers: int) -> Ptr:
    """Emit the dense layers of one place; returns where the last one's output lies, or `source` if there is none."""
    at = layout.offsets()
    products = [p for p in layout.dense.products(layout.inputs, layout.hidden_size) if p.place == place]
    for n, product in enumerate(products):
        target = v.offset(state, at["made" if n % 2 == 0 else "given"])
        emit_product(v, product, v.offset(state, at["dense"]), source, target, registers)
        source = target
    return source


def emit_sum(v: Vectors, layout: RecurrentLayout, state: Ptr, h: "Cells", registers: int) -> Vec:
    """Emit the output layer's sum over the last layer's h, or over the output of the dense layers after it."""
    at = layout.offsets()
    wet = v.load_scalar(state, at["head_bias"])
    if layout.dense.after:
        given = v.offset(state, at["given"])
        for n, (w, group) in enumerate(h.each()):
            w.store(h.get(n), given, group.first)
        made = emit_dense(v, layout, state, "after", given, registers)
        for start in range(0, layout.dense.after[-1][0], v.width):
            wet = v.add(wet, v.sum_lanes(v.multiply(v.load(state, at["head"] + start), v.load(made, start))))
        return wet
    for n, (w, group) in enumerate(h.each()):
        wet = v.add(wet, w.sum_lanes(w.multiply(w.load(state, at["head"] + group.first), h.get(n))))
    return wet


class Cells:
    """h or c of a layer, a vector for each group: in registers while a block plays, or in memory."""

    def __init__(self, v: Vectors, layout: RecurrentLayout, memory: Ptr, *, in_registers: bool) -> None:
        self.memory, self.groups = memory, layout.groups
        self.emitters = [Vectors(v.builder, group.lanes) for group in layout.groups]
        self.kept = [w.variable(w.load(memory, g.first)) for w, g in self.each()] if in_registers else None

    def each(self) -> Iterator[tuple[Vectors, Group]]:
        """The emitter for a group's lanes, and the group."""
        return zip(self.emitters, self.groups, strict=True)

    def all(self) -> Vec:
        """What scales columns: the vectors of all groups as they are now, or where they lie in memory."""
        return [self.get(n) for n in range(len(self.groups))] if self.kept else self.memory

    def get(self, n: int) -> Vec:
        """The vector of a group."""
        w = self.emitters[n]
        return w.get(self.kept[n]) if self.kept else w.load(self.memory, self.groups[n].first)

    def set(self, n: int, value: Vec) -> None:
        """Change it."""
        if self.kept:
            self.emitters[n].set(self.kept[n], value)
        else:
            self.emitters[n].store(value, self.memory, self.groups[n].first)

    def save(self) -> None:
        """Write to memory what was in registers."""
        for value, (w, group) in zip(self.kept or (), self.each(), strict=False):
            w.store(w.get(value), self.memory, group.first)


Sums = dict[int, list[Vec]]  # of the rows of a column, each in one or two parts that are added up in turn


class LayerEmitter:
    """Emits the step of one layer: the sums of all units, then the units that they move."""

    def __init__(
        self, v: Vectors, layout: RecurrentLayout, cell: str, state: Ptr, layer: Ptr, registers: int, short: bool
    ) -> None:
        at = layout.offsets()
        self.v, self.layout, self.cell, self.registers, self.short = v, layout, cell, registers, short
        self.stride = layout.rows * layout.width
        self.weights = v.offset(state, at["weights"])
        self.inputs = layout.columns(1)
        if isinstance(layer, int) and layer == 0:
            self.inputs = layout.columns(0)
        elif isinstance(layer, int):
            self.weights = v.offset(self.weights, layout.size(0) + (layer - 1) * layout.size(1))
        else:
            later = v.builder.sub(layer, v.word(1))
            self.weights = v.offset(self.weights, layout.size(0), (later, layout.size(1)))
        room = 3 * registers // 4  # registers for sums
        passes = -(-layout.rows // room)
        self.small = passes == 1 and layout.rows * layout.hidden_size <= MOST_UNROLLED
        count = len(layout.groups) if self.small else passes
        ends = [turn * len(layout.groups) // count for turn in range(count + 1)]
        self.chunks = [range(start, end) for start, end in pairwise(ends)]  # of groups that are summed at once
        h, c = (v.offset(state, at[part], (layer, layout.padded)) for part in ("h", "c"))
        self.h, self.c = (Cells(v, layout, memory, in_registers=self.small) for memory in (h, c))
        # with several passes the old h is needed until the last one
        self.h_next = self.h if passes == 1 else Cells(v, layout, v.offset(state, at["h_next"]), in_registers=False)

    def emit(self, source: Ptr, given: Vec = None) -> None:
        """Emit the step.

        `source` is what scales the columns of the inputs, as `Cells.all` gives it; or else `given` is where the sums
        of those lie, as `emit_given` writes them.
        """
        v, groups, hidden = self.v, self.layout.groups, self.layout.hidden_size
        own, first = self.h.all(), 1 + self.inputs
        late = groups[-1].first if self.small else 0  # the columns that come after those of all rows
        sums: Sums = {}
        for number, chunk in enumerate(self.chunks):
            rows = [row for n in chunk for row in groups[n].rows]
            if number == 0 or not self.small:
                if given is None:
                    sums = self.begin(range(self.layout.rows) if self.small else rows, self.weights)
                    self.add(sums, 1, range(self.inputs), source)
                else:
                    sums = self.begin(rows, given)
                self.add(sums, first, range(late), own)
            self.add({row: sums[row] for row in rows}, first, range(late, hidden), own)
            for n in chunk:
                if given is None:
                    self.prefetch(n - chunk[0], len(chunk))
                totals = [self.total(sums[row]) for row in groups[n].rows]
                h, c = UPDATES[self.cell](v, self.h.emitters[n], totals, self.h.get(n), self.c.get(n), self.short)
                self.c.set(n, c)
                self.h_next.set(n, h)
        if self.h_next is not self.h:
            for n in range(len(groups)):
                self.h.set(n, self.h_next.get(n))

    def emit_given(self, source: Callable[[Ptr], Vec], given: Callable[[Ptr], Vec], frames: Word) -> None:
        """Emit the sums of the inputs of several frames, some rows of all frames after each other: their weights
        are fetched once for all frames. `source` and `given` tell where those of a frame lie.
        """
        for chunk in self.chunks:
            rows = [row for n in chunk for row in self.layout.groups[n].rows]
            with self.v.repeat(frames) as frame:
                sums = self.begin(rows, self.weights)
                self.add(sums, 1, range(self.inputs), source(frame))
                target = given(frame)
                for row in rows:
                    self.v.store(self.total(sums[row]), target, row * self.v.width)

    def total(self, parts: Sequence[Vec]) -> Vec:
        """The sum of the parts of a row."""
        total = self.v.get(parts[0])
        for more in parts[1:]:
            total = self.v.add(total, self.v.get(more))
        return total

    def begin(self, rows: Sequence[int], start: Ptr) -> Sums:
        """The sums of these rows with nothing in them but the bias, or what else lies at `start`."""
        v = self.v
        parts = 2 if len(rows) <= self.registers // 5 else 1  # so that the adder need not wait for itself
        return {
            row: [
                v.variable(v.load(start, row * v.width)),
                *(v.variable(v.constant(0.0)) for _ in range(1, parts)),
            ]
            for row in rows
        }

    def add(self, sums: Sums, first: int, columns: range, source: Ptr) -> None:
        """Add some columns, counted from `first` on, each scaled by its number in `source`."""
        v = self.v
        if self.cell == "gru":  # the inputs give nothing to the fourth sum, the hidden units nothing to the third
            idle = 3 if first == 1 else 2
            whole = [group for group in self.layout.groups if group.vectors == 4]
            sums = {row: parts for row, parts in sums.items() if all(row != group.row + idle for group in whole)}
        done = columns.start
        if not self.small:
            turns = len(columns) // UNROLLED
            with v.repeat(turns) as index:
                scales = v.offset(source, columns.start, (index, UNROLLED))
                weights = v.offset(self.weights, (first + columns.start) * self.stride, (index, UNROLLED * self.stride))
                for k in range(UNROLLED):
                    self.add_column(sums, k, v.broadcast(scales, k), v.offset(weights, k * self.stride))
            done += turns * UNROLLED
        for column in range(done, columns.stop):
            scale = self.spread(source, column) if isinstance(source, list) else v.broadcast(source, column)
            self.add_column(sums, column, scale, v.offset(self.weights, (first + column) * self.stride))

    def add_column(self, sums: Sums, number: int, scale: Vec, weights: Ptr) -> None:
        """Add one scaled column."""
        v = self.v
        changed = [parts[number % len(parts)] for parts in sums.values()]
        values = [
            v.multiply_add(scale, v.load(weights, row * v.width), v.get(part))
            for row, part in zip(sums, changed, strict=True)
        ]
        for part, value in zip(changed, v.pin(values), strict=True):
            v.set(part, value)

    def spread(self, vectors: list[Vec], unit: int) -> Vec:
        """The number of a unit in every lane."""
        n = next(n for n, group in enumerate(self.layout.groups) if unit < group.first + group.lanes)
        return self.v.spread(vectors[n], unit - self.layout.groups[n].first)

    def prefetch(self, turn: int, turns: int) -> None:
        """Fetch a share of the first weights while units are updated, where the weights are larger than the cache."""
        if not self.small:
            for line in range(turn * PREFETCHED // turns, (turn + 1) * PREFETCHED // turns):
                self.v.prefetch(self.weights, 16 * line)


def part_of(v: Vectors, w: Vectors, vectors: Sequence[Vec], n: int) -> Vec:
    """Sum `n` of the four of a group, or what became of it: a vector, or a part of one if the group is narrow."""
    share = v.width // w.width
    return v.part(vectors[n // share], w.width * (n % share), w.width) if share > 1 else vectors[n // share]


def update_lstm(v: Vectors, w: Vectors, totals: Sequence[Vec], h: Vec, c: Vec, short: bool) -> tuple[Vec, Vec]:
    """The new h and c of a group, with two divisions.

    The sums are those of i and f times −log₂ e, of g, and half that of o. With σ = 1/q for i and f, and tanh = p/q, so
    that σ(2s) = (q + p)/2q for o, both f c + i g and o tanh(c) go over their common denominator. i and f are made of
    powers because those are exact near 1 too: a ratio of polynomials would shorten or lengthen a memory of seconds.
    """
    half, one = len(totals) // 2, w.constant(1.0)
    powers = [v.power_of_two(total, short=short) for total in totals[: half or 1]]
    over, under = zip(
        *[(None, None)] * half, *(v.tanh_ratio(total, short=short) for total in totals[half:]), strict=True
    )
    q_i, q_f = (w.add(part_of(v, w, powers, n), one) for n in (0, 1))
    (p_g, q_g), (p_o, q_o) = ((part_of(v, w, over, n), part_of(v, w, under, n)) for n in (2, 3))
    q_ig = w.multiply(q_i, q_g)
    c = w.divide(w.multiply_add(p_g, q_f, w.multiply(c, q_ig)), w.multiply(q_ig, q_f))
    p, q = w.tanh_ratio(c, short=short)
    return w.divide(w.multiply(w.add(q_o, p_o), p), w.multiply(w.add(q_o, q_o), q)), c


def update_gru(v: Vectors, w: Vectors, totals: Sequence[Vec], h: Vec, c: Vec, short: bool) -> tuple[Vec, Vec]:
    """The new h of a group; c is not used.

    The sums are those of r and z times −log₂ e, W_n x + b_n, and U_n h + d_n.
    """
    r, z, from_inputs, from_hidden = (part_of(v, w, totals, n) for n in range(4))
    one = w.constant(1.0)
    power_r, power_z = (w.power_of_two(total, short=short) for total in (r, z))
    p, q = w.tanh_ratio(w.add(from_inputs, w.divide(from_hidden, w.add(power_r, one))), short=short)
    return w.divide(w.multiply_add(power_z, p, w.multiply(h, q)), w.multiply(w.add(power_z, one), q)), c


UPDATES = {"lstm": update_lstm, "gru": update_gru}
