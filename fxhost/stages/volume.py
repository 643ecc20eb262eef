"""A volume control: a level in dB and a mute, which glide."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import carray

from fxhost.arrays import aligned_zeros
from fxhost.stages.base import Stage, first_words, offset_of, smoothing, stage_function
from fxhost.stages.gain import ARRIVED, SMOOTHING_MS
from fxhost.stages.parameter import Parameter

PARAMETERS = (
    Parameter("level", "dB", -60.0, 12.0, 0.0),
    Parameter("mute", "", 0.0, 1.0, 0.0, "switch"),
)

STATE = np.dtype(
    [("has_begun", "i8"), ("gain", "f8"), ("targets", "f4", len(PARAMETERS)), ("smoothing", "f8")], align=True
)


@stage_function(STATE)
def volume_block(state: Any, block: Any, frames: int) -> None:
    """Multiply a block by the smoothed gain; the first one after a reset begins with what is set."""
    s = carray(state, (1,))[0]
    x = carray(block, (frames,))
    level_db, mute = np.float64(s.targets[0]), s.targets[1]
    goal = 0.0 if mute >= 0.5 else 10.0 ** (level_db / 20.0)
    gain = s.gain if s.has_begun != 0 else goal
    for n in range(frames):
        step = goal - gain
        gain = goal if abs(step) < ARRIVED else gain + s.smoothing * step
        x[n] = np.float32(gain * x[n])
    s.gain, s.has_begun = gain, 1


class Volume(Stage):
    """A volume control.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    settings : mapping of str to float
        Parameters that differ from their defaults.
    """

    parameters = PARAMETERS

    def __init__(self, sample_rate: int, settings: Mapping[str, float]) -> None:
        memory = aligned_zeros(1, STATE)
        memory["targets"] = [settings.get(parameter.name, parameter.default) for parameter in PARAMETERS]
        memory["smoothing"] = smoothing(SMOOTHING_MS, sample_rate)
        super().__init__(volume_block.address, memory, first_words(memory, offset_of(STATE, "targets")), volume_block)
