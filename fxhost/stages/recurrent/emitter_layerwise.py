"""The emitter of large recurrent networks: some frames go through one layer before the next.

The weights of all layers together do not fit the second cache; those of one layer do, or at least what its own h is
multiplied by. What its inputs give is summed for all of these frames at once. There is one piece of code for all layers
but the first.
"""

from collections.abc import Sequence

from fxhost.native.llvm_types import Ptr, Vec, Word
from fxhost.native.vectors import Vectors
from fxhost.stages.recurrent.emitter import Cells, LayerEmitter, emit_inputs, emit_output
from fxhost.stages.recurrent.layout import LAYERWISE_FRAMES, RecurrentLayout


def emit_layerwise(
    v: Vectors, layout: RecurrentLayout, values: Sequence[Vec], cell: str, residual: int, registers: int, short: int
) -> None:
    """Emit the loop over a block's frames, as `fxhost.stages.recurrent.emitter.emit_block` does."""
    b, state, at = v.builder, v.pointer(values[0]), layout.offsets()
    most = v.word(LAYERWISE_FRAMES)
    stride = layout.rows * layout.width

    def sequence(frame: Word) -> Ptr:
        return v.offset(state, at["sequence"], (frame, layout.padded))

    def given(frame: Word) -> Ptr:
        return v.offset(state, at["given_sums"], (frame, stride))

    def keep(layer: LayerEmitter, frame: Word) -> None:
        """Write a layer's h to where the next one finds it."""
        for n, (w, group) in enumerate(layer.h.each()):
            w.store(layer.h.get(n), sequence(frame), group.first)

    with v.repeat(b.udiv(b.add(values[2], b.sub(most, v.word(1))), most)) as turn:
        start = b.mul(turn, most)
        left = b.sub(values[2], start)
        frames = b.select(b.icmp_signed("<", left, most), left, most)
        block = v.offset(v.pointer(values[1]), start)
        first = LayerEmitter(v, layout, cell, state, 0, registers, bool(short))
        with v.repeat(frames) as frame:
            first.emit(emit_inputs(v, layout, state, v.offset(block, frame), registers))
            keep(first, frame)
        with v.repeat(layout.layers - 1) as before:
            number = b.add(before, v.word(1))
            layer = LayerEmitter(v, layout, cell, state, number, registers, bool(short))
            layer.emit_given(sequence, given, frames)
            with v.repeat(frames) as frame:
                layer.emit(None, given(frame))
                keep(layer, frame)
        with v.repeat(frames) as frame:
            h = Cells(v, layout, sequence(frame), in_registers=False)
            emit_output(v, layout, state, h, v.offset(block, frame), residual, registers)
