"""The first taps of an impulse response, in the time domain: no latency."""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fxhost.native.llvm_types import Builder, Signature, TargetContext, TypingContext, Word

GROUP = 16  # frames that are computed at once: their sums stay in registers

_DOUBLE, _WORD = ir.DoubleType(), ir.IntType(64)


@intrinsic
def convolve_group(typing_context: TypingContext, taps: int, count: int, past: int, sums: int) -> Any:
    """Write the sums over n < count of taps[n] · past[frame − n] for the next `GROUP` frames.

    `taps`, `past` and `sums` are addresses of float64; `past` is that of the first frame.
    """

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        frames = ir.VectorType(_DOUBLE, GROUP)
        taps, count, past, sums = arguments
        response = builder.inttoptr(taps, _DOUBLE.as_pointer())
        newest = builder.inttoptr(past, _DOUBLE.as_pointer())
        total = cgutils.alloca_once_value(builder, ir.Constant(frames, [0.0] * GROUP))
        with cgutils.for_range(builder, count, intp=_WORD) as loop:
            tap = builder.load(builder.gep(response, [loop.index]))
            heard = builder.gep(newest, [builder.neg(loop.index)])
            window = builder.load(builder.bitcast(heard, frames.as_pointer()))
            window.align = 8
            lane = ir.Constant(ir.IntType(32), 0)
            first = builder.insert_element(ir.Constant(frames, ir.Undefined), tap, lane)
            spread = builder.shuffle_vector(
                first, ir.Constant(frames, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), GROUP), [0] * GROUP)
            )
            builder.store(builder.fadd(builder.load(total), builder.fmul(spread, window)), total)
        target = builder.inttoptr(sums, frames.as_pointer())
        builder.store(builder.load(total), target).align = 8
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate
