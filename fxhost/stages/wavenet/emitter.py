"""The emitter of a WaveNet's code: successive frames of a channel lie in the lanes of a vector.

The sums of as many channels as there are registers for stay in them while a tile of every channel that enters, times
a weight that is read into all lanes, is added to them. A chunk of tiles goes through one layer before the next, so
that the layer's weights stay in the innermost cache.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from fxhost.native.llvm_types import Ptr, Vec, Word
from fxhost.networks.wavenet_layers import Activation
from fxhost.networks.wavenet_rings import CHUNK, TILE
from fxhost.stages.activations import activate
from fxhost.stages.wavenet.emitter_rings import Rings, RingState, Rows, Term
from fxhost.stages.wavenet.plan import ArrayPlan, HeadPlan, Run, products

MOST_UNROLLED = 256  # multiply-adds in a row
COLUMNS_UNROLLED = 8  # in one turn of a loop over more than that
RESPONSE_PARTS = 8  # sums of one channel's many taps
ACTIVATED_AT_ONCE = 4  # vectors: as many as are needed to keep the CPU busy


class Emitter(Rings):
    """Emits the code of a network."""

    def emit_block(self, block: Ptr, frames: Word) -> None:
        """Emit the loop over the chunks of a block."""
        b, v = self.builder, self.v
        before = self.load_word(self.at["phase"])
        count = b.udiv(b.add(b.add(before, frames), v.word(CHUNK - 1)), v.word(CHUNK))
        with v.repeat(count) as chunk:
            phase = self.load_word(self.at["phase"])
            start = b.select(b.icmp_signed("==", chunk, v.word(0)), chunk, b.sub(b.mul(chunk, v.word(CHUNK)), before))
            left, room = b.sub(frames, start), b.sub(v.word(CHUNK), phase)
            taken = b.select(b.icmp_signed("<", left, room), left, room)
            filled = b.add(phase, taken)
            audio = v.offset(block, start)
            entering, leaving = self.ring(0), self.ring(1)
            self.copy_frames(
                taken, lambda frame: v.offset(audio, frame), lambda frame: self.frame(entering, phase, frame)
            )
            tiles = b.udiv(b.add(filled, v.word(TILE - 1)), v.word(TILE))
            for part in self.layout.parts:
                if isinstance(part, ArrayPlan):
                    self.emit_array(part, tiles)
                else:
                    self.emit_head(part, tiles)
            self.copy_frames(
                taken, lambda frame: self.frame(leaving, phase, frame), lambda frame: v.offset(audio, frame)
            )
            self.store_word(b.urem(filled, v.word(TILE)), self.at["phase"])
            self.advance(b.sub(filled, b.urem(filled, v.word(TILE))))

    def copy_frames(self, count: Word, source: Callable[[Ptr], Vec], target: Callable[[Ptr], Vec]) -> None:
        """Copy `count` frames."""
        with self.v.repeat(count) as frame:
            self.v.store_scalar(self.v.load_scalar(source(frame)), target(frame))

    def frame(self, ring: RingState, phase: Word, number: Word) -> Ptr:
        """The address of a frame of this chunk in a ring of one channel."""
        place = self.builder.add(self.builder.add(ring.position, phase), number)
        return self.v.offset(ring.first, self.wrapped(place, ring))

    def multiply(self, rows: int, weights: Ptr, *terms: Term) -> Iterator[tuple[list[Vec], list[list[Vec]]]]:
        """Emit a sum of products with its bias; yields the numbers of some rows and their sums, to be used there."""
        size, times, rest = self.layout.split(rows)
        per_row = 1 + sum(term.taps * term.columns for term in terms)
        with self.v.repeat(times) as part:
            first = self.builder.mul(part, self.v.word(size))
            numbers = [self.builder.add(first, self.v.word(n)) for n in range(size)]
            yield numbers, self.multiply_part(size, self.v.offset(weights, (part, size * per_row)), terms)
        if rest:
            start = times * size
            yield list(range(start, rows)), self.multiply_part(rest, self.v.offset(weights, start * per_row), terms)

    def multiply_part(self, rows: int, weights: Ptr, terms: Sequence[Term]) -> list[list[Vec]]:
        """The sums of as many rows as fit into registers."""
        v = self.v
        sums = [[v.variable(v.constant(0.0)) for _ in self.vectors] for _ in range(rows)]
        for term in terms:
            size = term.columns * rows
            if size == 1 and term.taps > MOST_UNROLLED:
                self.add_response(sums[0], weights, term)
            elif term.taps * size * len(self.vectors) <= MOST_UNROLLED:
                for tap in range(term.taps):
                    self.add_columns(sums, v.offset(weights, tap * size), term.columns, term.rows(tap))
            else:
                with v.repeat(term.taps) as tap:
                    self.add_columns(sums, v.offset(weights, (tap, size)), term.columns, term.rows(tap))
            weights = v.offset(weights, term.taps * size)
        # the bias, often larger than all else, comes last: every sum that it is in is rounded to its size
        biases = [v.broadcast(weights, row) for row in range(rows)]
        return [[v.add(v.get(total), bias) for total in row] for row, bias in zip(sums, biases, strict=True)]

    def add_response(self, totals: Sequence[Vec], weights: Ptr, term: Term) -> None:
        """Add one channel's many taps, in several sums by turns, so that the adder need not wait for itself."""
        b, v = self.builder, self.v
        parts = [[v.variable(v.constant(0.0)) for _ in totals] for _ in range(RESPONSE_PARTS)]
        turns = term.taps // RESPONSE_PARTS
        with v.repeat(turns) as turn:
            for n, part in enumerate(parts):
                tap = b.add(b.mul(turn, v.word(RESPONSE_PARTS)), v.word(n))
                self.add_column([part], v.offset(weights, tap), self.load(term.rows(tap), 0))
        for tap in range(turns * RESPONSE_PARTS, term.taps):
            self.add_column([totals], v.offset(weights, tap), self.load(term.rows(tap), 0))
        for part in parts:
            for total, value in zip(totals, part, strict=True):
                v.set(total, v.add(v.get(total), v.get(value)))

    def add_columns(self, sums: Sequence[Sequence[Vec]], weights: Ptr, columns: int, rows: Rows) -> None:
        """Add channels times their weights."""
        done = 0
        if columns * len(sums) * len(self.vectors) > MOST_UNROLLED:
            turns = columns // COLUMNS_UNROLLED
            with self.v.repeat(turns) as turn:
                for n in range(COLUMNS_UNROLLED):
                    column = self.builder.add(self.builder.mul(turn, self.v.word(COLUMNS_UNROLLED)), self.v.word(n))
                    self.add_column(sums, self.v.offset(weights, (column, len(sums))), self.load(rows, column))
            done = turns * COLUMNS_UNROLLED
        for column in range(done, columns):
            self.add_column(sums, self.v.offset(weights, column * len(sums)), self.load(rows, column))

    def add_column(self, sums: Sequence[Sequence[Vec]], weights: Ptr, values: Sequence[Vec]) -> None:
        """Add one channel times its weights."""
        v = self.v
        for row, totals in enumerate(sums):
            weight = v.broadcast(weights, row)
            for total, value in zip(totals, values, strict=True):
                v.set(total, v.multiply_add(weight, value, v.get(total)))

    def emit_array(self, plan: ArrayPlan, tiles: Word) -> None:
        """Emit one array of layers for a chunk of tiles."""
        v, a = self.v, plan.array
        source, head, first = self.ring(plan.source), self.ring(plan.head), self.ring(plan.runs[0].ring)
        weights = v.offset(self.state, self.at["weights"])
        with v.repeat(tiles) as tile:
            entering, sums, start = self.rows(source, tile), self.rows(head, tile), v.offset(weights, plan.entry)
            term = Term(a.input_size, 1, lambda tap: entering)
            self.store_product(a.channels, start, self.rows(first, tile), term)
            if plan.first:
                with v.repeat(a.summed) as row:
                    self.store([v.constant(0.0) for _ in self.vectors], sums, row)
        for run in plan.runs:
            with v.repeat(run.count) as layer:
                start = v.offset(weights, run.weights, (layer, run.step))
                self.emit_layer(plan, run, layer, start, tiles)
        target = self.ring(plan.target)
        with v.repeat(tiles) as tile:
            if a.head_kernel_size > 1:
                self.mirror(head, tile, a.summed)
            term = self.history(head, tile, a.summed, a.head_kernel_size)
            self.store_product(a.head_size, v.offset(weights, plan.result), self.rows(target, tile), term)

    def emit_head(self, plan: HeadPlan, tiles: Word) -> None:
        """Emit the head of a network for a chunk of tiles."""
        b, v = self.builder, self.v
        for first, count in plan.runs:
            matrix = plan.matrices[first]
            with v.repeat(count) as number:
                own = self.ring(b.add(v.word(plan.rings[first]), number))
                after = self.ring(b.add(v.word(plan.rings[first + 1]), number))
                size = matrix.rows * (matrix.columns * matrix.taps + 1)
                weights = v.offset(self.state, self.at["weights"] + plan.weights[first], (number, size))
                with v.repeat(tiles) as tile:
                    if first or not plan.alone:
                        self.activate_alone(plan.head.activation, matrix.columns, self.rows(own, tile))
                    if matrix.taps > 1:
                        self.mirror(own, tile, matrix.columns)
                    term = self.history(own, tile, matrix.columns, matrix.taps)
                    self.store_product(matrix.rows, weights, self.rows(after, tile), term)

    def store_product(
        self, rows: int, weights: Ptr, target: Rows, *terms: Term, times: Rows | None = None, onto: Rows | None = None
    ) -> None:
        """Emit a product, times or plus what is in other rows, and write it."""
        for numbers, sums in self.multiply(rows, weights, *terms):
            for row, values in zip(numbers, sums, strict=True):
                if times:
                    values = [self.v.multiply(x, y) for x, y in zip(values, self.load(times, row), strict=True)]
                self.store(self.add(values, self.load(onto, row)) if onto else values, target, row)

    def add_rows(self, count: int, source: Rows, target: Rows) -> None:
        """Add channels to other channels."""
        with self.v.repeat(count) as row:
            self.store(self.add(self.load(source, row), self.load(target, row)), target, row)

    def emit_layer(self, plan: ArrayPlan, run: Run, number: Word, weights: Ptr, tiles: Word) -> None:
        """Emit one layer for a chunk of tiles."""
        b, v, a, layer = self.builder, self.v, plan.array, run.layer
        ring_number = b.add(v.word(run.ring), number)
        own, after = self.ring(ring_number), self.ring(b.add(ring_number, v.word(1)))
        heard = own if run.filmed == run.ring else self.ring(b.add(v.word(run.filmed), number))
        condition, head = self.ring(plan.condition), self.ring(plan.head)
        z, modulated, mixed, summed = (
            Rows(v.offset(self.state, self.at[name]), TILE) for name in ("activations", "condition", "mixed", "summed")
        )
        parts = products(a, layer)
        starts = dict(zip(parts, accumulate((part.size for part in parts.values()), initial=0), strict=False))

        def multiply(
            name: str, target: Rows, *terms: Term, times: Rows | None = None, onto: Rows | None = None
        ) -> None:
            start = v.offset(weights, starts[name])
            self.store_product(parts[name].rows, start, target, *terms, times=times, onto=onto)

        def film(place: str, source: Rows, target: Rows) -> bool:
            if a.film(place) is None:
                return False
            multiply(f"{place} scale", target, given, times=source)
            if f"{place} shift" in parts:
                multiply(f"{place} shift", target, given, onto=target)
            return True

        with v.repeat(tiles) as tile:
            conditions, sums, entering = self.rows(condition, tile), self.rows(head, tile), self.rows(own, tile)
            leaving = self.rows(after, tile)
            given = Term(a.condition_size, 1, lambda tap: conditions)
            passed = Term(a.activations, 1, lambda tap: z)
            film("conv_pre", entering, self.rows(heard, tile))
            if layer.kernel_size > 1:
                self.mirror(heard, tile, a.channels)
            convolution = self.history(heard, tile, a.channels, layer.kernel_size)
            is_modulated = film("input_mixin_pre", conditions, modulated)
            mixin = Term(a.condition_size, 1, lambda tap: modulated) if is_modulated else given
            if "mixin" not in parts:
                multiply("convolution", z, convolution, mixin)
            else:
                multiply("convolution", z, convolution)
                film("conv_post", z, z)
                if a.film("input_mixin_post"):
                    multiply("mixin", mixed, mixin)
                    film("input_mixin_post", mixed, mixed)
                    self.add_rows(parts["mixin"].rows, mixed, z)
                else:
                    multiply("mixin", z, mixin, onto=z)
            film("activation_pre", z, z)
            is_summed = a.head1x1_size == 0 and a.film("activation_post") is None
            self.activate(run, a.activations, z, sums if is_summed else None)
            if film("activation_post", z, z) and a.head1x1_size == 0:
                self.add_rows(a.activations, z, sums)
            if not a.layer1x1:
                with v.repeat(a.channels) as row:
                    self.store(self.load(entering, row), leaving, row)
            elif a.film("layer1x1_post"):
                multiply("layer1x1", leaving, passed)
                film("layer1x1_post", leaving, leaving)
                self.add_rows(a.channels, entering, leaving)
            else:
                multiply("layer1x1", leaving, passed, onto=entering)
            if a.film("head1x1_post"):
                multiply("head1x1", summed, passed)
                film("head1x1_post", summed, summed)
                self.add_rows(a.head1x1_size, summed, sums)
            elif a.head1x1_size:
                multiply("head1x1", sums, passed, onto=sums)

    def activate(self, run: Run, channels: int, rows: Rows, sums: Rows | None) -> None:
        """Replace z, in `rows`, by its (gated) activation, and add that to `sums`."""
        is_equal = "PReLU" not in (run.layer.activation.name, run.layer.secondary.name)
        for part in self.some_rows(channels, is_equal=is_equal):
            self.activate_rows(run, channels, part, rows, sums)

    def activate_alone(self, activation: Activation, channels: int, rows: Rows) -> None:
        """Replace channels by their activations."""
        for part in self.some_rows(channels, is_equal=activation.name != "PReLU"):
            results = activate(self.v, activation, [self.load(rows, row) for row in part], part)
            for row, values in zip(part, results, strict=True):
                self.store(values, rows, row)

    def some_rows(self, channels: int, *, is_equal: bool) -> Iterator[list[Vec]]:
        """Emit a loop over channels; yields the numbers of a few, to be used there: numbers only if all are equal."""
        step = max(1, ACTIVATED_AT_ONCE // len(self.vectors))
        turns = channels // step if is_equal else 0
        if turns:
            with self.v.repeat(turns) as turn:
                first = self.builder.mul(turn, self.v.word(step))
                yield [self.builder.add(first, self.v.word(n)) for n in range(step)]
        for start in range(turns * step, channels, step):
            yield list(range(start, min(start + step, channels)))

    def activate_rows(self, run: Run, channels: int, part: list[Word], rows: Rows, sums: Rows | None) -> None:
        """The same for the channels `part`."""
        v, layer, b = self.v, run.layer, self.builder
        z = [self.load(rows, row) for row in part]
        results = activate(v, layer.activation, z, part)
        if layer.gating != "none":
            after = [row + channels if isinstance(row, int) else b.add(row, v.word(channels)) for row in part]
            gates = activate(v, layer.secondary, [self.load(rows, row) for row in after], part)
            mixed = zip(results, gates, z, strict=True)
            if layer.gating == "gated":
                results = [[v.multiply(f, g) for f, g in zip(fs, gs, strict=True)] for fs, gs, _ in mixed]
            else:
                results = [
                    [v.multiply_add(g, v.subtract(f, x), x) for f, g, x in zip(*row, strict=True)] for row in mixed
                ]
        for row, values in zip(part, results, strict=True):
            self.store(values, rows, row)
            if sums:
                self.store(self.add(values, self.load(sums, row)), sums, row)
