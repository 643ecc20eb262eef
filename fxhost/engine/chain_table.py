"""A chain as the callback reads it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import aligned_zeros
from fxhost.engine.chain_playing import HEADER_WORDS, STAGE_WORDS
from fxhost.stages.base import PLANE, Stage


class ChainTable:
    """The addresses of the stages of a chain, and the stages, which it keeps alive."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = list(stages)
        self.words = aligned_zeros(HEADER_WORDS + STAGE_WORDS * len(self.stages), np.int64)
        self.words[:HEADER_WORDS] = len(self.stages), self.channels
        for row, stage in zip(self.words[HEADER_WORDS:].reshape(-1, STAGE_WORDS), self.stages, strict=True):
            state = stage.memory.ctypes.data, stage.initial.ctypes.data, len(stage.initial)
            row[:] = stage.function, *state, 4 * PLANE * stage.channel

    @property
    def channels(self) -> int:
        """How many channels leave the chain."""
        return 2 if any(stage.channel or stage.makes_stereo for stage in self.stages) else 1

    @property
    def address(self) -> int:
        """What the callback is given."""
        return int(self.words.ctypes.data)

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """All of its memory."""
        stages = self.stages
        return [self.words, *(array for stage in stages for array in (stage.memory, stage.initial, *stage.buffers))]
