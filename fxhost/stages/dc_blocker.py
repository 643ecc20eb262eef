"""Removes a constant offset, which a learned effect may add and a loudspeaker should not see."""

from typing import Any

import numpy as np

from fxhost.arrays import aligned_zeros
from fxhost.native.intrinsics import record_at
from fxhost.stages.base import Stage, first_words, offset_of, stage_function

# Low enough to leave the sound alone: it adds an ESR of 6e-6 at the lowest note of a bass (41 Hz), 1.5e-6 at that of
# a guitar. The 5 Hz that is usual elsewhere adds 0.004 at 82 Hz, more than the error of a good preset.
CUTOFF_HZ = 0.1

STATE = np.dtype([("mean", "f8"), ("smoothing", "f8")], align=True)


@stage_function(STATE)
def dc_block(state: Any, block: Any, frames: int) -> None:
    """Subtract the slow mean: a one-pole high-pass, in float64 because the pole is so close to 1."""
    s = record_at(state)
    mean, k = s.mean, s.smoothing
    for n in range(frames):
        value = np.float64(block[n])
        block[n] = np.float32(value - mean)
        mean += k * (value - mean)
    s.mean = mean


class DcBlocker(Stage):
    """A high-pass at 0.1 Hz.

    Parameters
    ----------
    offset : float
        The constant that the signal rests at before the music begins: it starts there, without a thump.
    sample_rate : int
        In Hz.
    """

    def __init__(self, offset: float, sample_rate: int) -> None:
        memory = aligned_zeros(1, STATE)
        memory["mean"] = offset
        memory["smoothing"] = 1.0 - np.exp(-2.0 * np.pi * CUTOFF_HZ / sample_rate)
        super().__init__(dc_block.address, memory, first_words(memory, offset_of(STATE, "smoothing")), dc_block)
