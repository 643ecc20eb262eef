"""A gain that glides: no zipper noise when it is turned, exact when it stands still.

The gliding value is float64: a float32 would come to rest where its steps round to nothing, short of the target.
"""

from typing import Any

import numpy as np

from fxhost.arrays import aligned_zeros, from_db, to_db
from fxhost.native.intrinsics import record_at
from fxhost.stages.base import PLANE, Stage, first_words, offset_of, smoothing, stage_function

SMOOTHING_MS = 10.0
ARRIVED = 1e-5  # closer than −100 dB: take the target itself, so that unity gain is the identity

STATE = np.dtype([("gain", "f8"), ("target", "f4"), ("smoothing", "f4"), ("channels", "i8")], align=True)


@stage_function(STATE)
def gain_block(state: Any, block: Any, frames: int) -> None:
    """Multiply a block by the smoothed gain."""
    s = record_at(state)
    gain, target, k = s.gain, np.float64(s.target), np.float64(s.smoothing)
    for n in range(frames):
        step = target - gain
        gain = target if abs(step) < ARRIVED else gain + k * step
        for channel in range(s.channels):
            block[channel * PLANE + n] *= np.float32(gain)
    s.gain = gain


class Gain(Stage):
    """A smoothed gain.

    Parameters
    ----------
    gain_db : float
        In dB; it starts there at once.
    sample_rate : int
        In Hz.
    channels : {1, 2}
        Of the blocks.
    """

    def __init__(self, gain_db: float, sample_rate: int, channels: int = 1) -> None:
        memory = aligned_zeros(1, STATE)
        memory["channels"] = channels
        memory["target"] = from_db(gain_db)
        memory["gain"] = memory["target"]
        memory["smoothing"] = smoothing(SMOOTHING_MS, sample_rate)
        super().__init__(gain_block.address, memory, first_words(memory, offset_of(STATE, "target")), gain_block)

    @property
    def target_address(self) -> int:
        """Where the linear gain stands that it is set to, float32."""
        return int(self.memory.ctypes.data) + offset_of(STATE, "target")

    @property
    def gain_db(self) -> float:
        """The gain that it is set to, in dB."""
        return to_db(float(self.memory["target"][0]))

    @gain_db.setter
    def gain_db(self, level_db: float) -> None:
        self.memory["target"][0] = from_db(level_db)
