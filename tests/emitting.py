"""An intrinsic of any emitter, to try vector instructions alone."""

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from numba import types
from numba.extending import intrinsic

from fxhost.native.vectors import Vectors


def kernel(width: int, arguments: int) -> Callable[[Callable[..., None]], Any]:
    """The decorator that makes an intrinsic of an emitter.

    Parameters
    ----------
    width : int
        Float32 lanes in a vector.
    arguments : int
        How many int64 (addresses or counts) the intrinsic takes.

    Notes
    -----
    The emitter is called as `emit(vectors, *arguments)` with LLVM values.
    """

    def decorate(emit: Callable[..., None]) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            emit(Vectors(builder, width), *values)
            return context.get_dummy_value()

        def typing(typing_context: Any, *values: Any) -> Any:
            return types.void(*[types.int64] * arguments), generate

        # numba takes the number of arguments from the signature, which cannot be variable
        names = ["typing_context", *(f"argument_{n}" for n in range(arguments))]
        parameters = [Parameter(name, Parameter.POSITIONAL_ONLY) for name in names]
        typing.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return intrinsic(typing)

    return decorate
