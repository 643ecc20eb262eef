"""Where a mono chain becomes stereo: the left channel goes to the right one too."""

from typing import Any

import numpy as np
from numba import carray

from fxhost.arrays import aligned_zeros
from fxhost.stages.base import PLANE, Stage, first_words, stage_function

STATE = np.dtype([("unused", "i8")], align=True)


@stage_function(STATE)
def widen_block(state: Any, block: Any, frames: int) -> None:
    """Copy the left channel of a block to the right one."""
    x = carray(block, (PLANE + frames,))
    for n in range(frames):
        x[PLANE + n] = x[n]


class Widen(Stage):
    """Makes a chain stereo, in blocks of at most `PLANE` frames."""

    def __init__(self) -> None:
        memory = aligned_zeros(1, STATE)
        super().__init__(widen_block.address, memory, first_words(memory, 0), widen_block)
        self.makes_stereo = True
