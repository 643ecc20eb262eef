"""Intrinsics for whole blocks of numbers, at C pointers: one call each, where numba would compile a loop."""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fxhost.native.llvm_types import Builder, NumbaType, Signature, TargetContext, TypingContext, Word


@intrinsic
def after(typing_context: TypingContext, pointer: NumbaType, count: int) -> Any:
    """The pointer to what comes after so many numbers."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.int64), generate


@intrinsic
def copy(typing_context: TypingContext, target: NumbaType, source: NumbaType, count: int) -> Any:
    """Copy so many numbers from one pointer to another. The two do not overlap."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        cgutils.raw_memcpy(builder, *arguments, target.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(target, target, types.int64), generate


@intrinsic
def clear(typing_context: TypingContext, target: NumbaType, count: int) -> Any:
    """Fill so many numbers with 0."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        size = builder.mul(arguments[1], ir.Constant(arguments[1].type, target.dtype.bitwidth // 8))
        cgutils.memset(builder, arguments[0], size, 0)
        return context.get_dummy_value()

    return types.void(target, types.int64), generate
