"""A chain as the callback reads it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import aligned_zeros
from fxhost.engine.callback import STAGE_WORDS
from fxhost.stages.base import Stage


class ChainTable:
    """The addresses of the stages of a chain, and the stages, which it keeps alive."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = list(stages)
        self.words = aligned_zeros(1 + STAGE_WORDS * len(self.stages), np.int64)
        self.words[0] = len(self.stages)
        for row, stage in zip(self.words[1:].reshape(-1, STAGE_WORDS), self.stages, strict=True):
            row[:] = stage.function, stage.memory.ctypes.data, stage.initial.ctypes.data, len(stage.initial)

    @property
    def address(self) -> int:
        """What the callback is given."""
        return int(self.words.ctypes.data)

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """All of its memory."""
        return [self.words, *(array for stage in self.stages for array in (stage.memory, stage.initial))]
