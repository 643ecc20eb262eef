"""The limiter, last stage of every rack: no sample beyond full scale leaves it.

A peak limiter with instantaneous attack and exponential release, without look-ahead and so without latency. Below
full scale it is the identity, to the bit. Two channels are brought down together, so that nothing moves to a side.
"""

from typing import Any

import numpy as np

from fxhost.arrays import aligned_zeros
from fxhost.native.intrinsics import larger, record_at, smaller
from fxhost.stages.base import PLANE, Stage, first_words, offset_of, smoothing, stage_function

RELEASE_MS = 80.0
RELEASED = 0.99999

STATE = np.dtype([("gain", "f8"), ("release", "f8"), ("limited", "i8"), ("channels", "i8")], align=True)


@stage_function(STATE)
def limit_block(state: Any, block: Any, frames: int) -> None:
    """Keep every sample of a block within ±1."""
    s = record_at(state)
    gain, release, limited = s.gain, s.release, s.limited
    for n in range(frames):
        gain += release * (1.0 - gain)
        if gain > RELEASED:
            gain = 1.0
        level = abs(np.float64(block[n]))
        if s.channels > 1:
            level = larger(level, abs(np.float64(block[n + PLANE])))
        if level * gain > 1.0:
            gain = 1.0 / level
            limited += 1
        for channel in range(s.channels):
            sample = block[channel * PLANE + n]
            block[channel * PLANE + n] = np.float32(smaller(1.0, larger(-1.0, sample * gain)))
    s.gain = gain
    s.limited = limited


class Limiter(Stage):
    """A limiter to full scale.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    channels : {1, 2}
        Of the blocks.
    """

    def __init__(self, sample_rate: int, channels: int = 1) -> None:
        memory = aligned_zeros(1, STATE)
        memory["channels"] = channels
        memory["gain"] = 1.0
        memory["release"] = smoothing(RELEASE_MS, sample_rate)
        super().__init__(limit_block.address, memory, first_words(memory, offset_of(STATE, "limited")), limit_block)

    @property
    def limited(self) -> int:
        """How many samples it has brought down so far."""
        return int(self.memory["limited"][0])
