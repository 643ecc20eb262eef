"""Stages around a stage, for another rate than its own.

The inner stage lies in the memory of the outer one, so that one reset reaches both:

    header, buffers: what the outer stage changes ─ the inner stage ─ constants

All places in a header are offsets in bytes from the beginning of the memory, which may itself become a part of another.
"""

from typing import Any

import numpy as np
from numba import carray, njit
from numpy.typing import NDArray

from fxhost.arrays import ALIGNMENT, aligned_zeros
from fxhost.native.intrinsics import floats_at
from fxhost.stages.base import Stage, first_words

CHUNK = 512  # frames of the outer stage that are played at once


class Nested(Stage):
    """A stage with another one inside.

    Parameters
    ----------
    function : numba cfunc
        The outer stage; its memory begins with a record of `header`.
    header : structured numpy array (1,)
        With fields of the same names as `buffers` and `constants`, and `inner`, which are filled with their places;
        `function` is the inner stage's.
    inner : Stage
        Fresh; it moves into the memory of the outer one.
    buffers, constants : mapping of str to float32 array
        What playing changes, as it is in the beginning, and what it does not.
    """

    def __init__(
        self,
        function: Any,
        header: NDArray[Any],
        inner: Stage,
        *,
        buffers: dict[str, NDArray[np.float32]],
        constants: dict[str, NDArray[np.float32]] | None = None,
    ) -> None:
        self.inner = inner
        parts = {"": header, **buffers, "inner": inner.memory, **(constants or {})}
        places, end = {}, 0
        for name, part in parts.items():
            places[name] = slice(end, end + part.nbytes)
            end += -(-part.nbytes // ALIGNMENT) * ALIGNMENT
            if name:
                header[name] = places[name].start
        header["function"] = inner.function
        memory = aligned_zeros(end, np.uint8)
        for name, part in parts.items():
            memory[places[name]] = np.ascontiguousarray(part).view(np.uint8).ravel()
        self._inner_place = places["inner"]
        changing = self._inner_place.start + 8 * len(inner.initial)
        super().__init__(function.address, memory, first_words(memory, changing), (function, inner))
        inner.move(memory[self._inner_place])

    def parameter_address(self, index: int) -> int | None:
        """That of the inner stage."""
        return self.inner.parameter_address(index)

    def move(self, memory: NDArray[Any]) -> None:
        """Take the inner stage along."""
        super().move(memory)
        self.inner.move(self.memory[self._inner_place])


@njit(error_model="numpy", forceinline=True)
def floats_in(base: int, place: int, count: int) -> Any:
    """The float32 `(count,)` at a place in the memory that begins at an address."""
    return carray(floats_at(base + place), (count,))
