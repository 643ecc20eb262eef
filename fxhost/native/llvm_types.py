"""Names for the types of llvmlite and numba in code that emits code. All three values are `llvmlite.ir.Value`."""

from llvmlite import ir
from numba import types
from numba.core.base import BaseContext as TargetContext
from numba.core.typing.context import BaseContext as TypingContext
from numba.core.typing.templates import Signature

__all__ = ["Builder", "NumbaType", "Ptr", "Signature", "TargetContext", "TypingContext", "Vec", "Word"]

Builder = ir.IRBuilder
NumbaType = types.Type
Vec = ir.Value  # a vector, or one float
Ptr = ir.Value  # a float *
Word = ir.Value  # an int64
