"""Plays a test signal once and records the input meanwhile: both ends of a loopback measurement."""

from typing import Any

import numpy as np
from numba import carray
from numpy.typing import NDArray

from fxhost.arrays import aligned_zeros
from fxhost.native.intrinsics import floats_at
from fxhost.stages.base import Stage, first_words, offset_of, stage_function

STATE = np.dtype(
    [
        ("position", "i8"),  # frames played and recorded
        ("frames", "i8"),  # of the signal
        ("signal", "i8"),  # address of float32 (frames,)
        ("recorded", "i8"),  # address of float32 (frames,)
    ],
    align=True,
)


@stage_function(STATE)
def loop_block(state: Any, block: Any, frames: int) -> None:
    """Swap a block for the next one of the signal, and for silence after its end."""
    s = carray(state, (1,))[0]
    x = carray(block, (frames,))
    signal, recorded = carray(floats_at(s.signal), (s.frames,)), carray(floats_at(s.recorded), (s.frames,))
    position = s.position
    for n in range(frames):
        if position < s.frames:
            recorded[position] = x[n]
            x[n] = signal[position]
            position += 1
        else:
            x[n] = 0.0
    s.position = position


class Loopback(Stage):
    """Both ends of a loop: frame n of what is recorded came in when frame n of the signal went out.

    Parameters
    ----------
    signal : float32 (frames,)
        What to play.
    """

    def __init__(self, signal: NDArray[np.float32]) -> None:
        self._signal = np.ascontiguousarray(signal, np.float32)
        self._recorded = np.zeros_like(self._signal)
        self._recorded.fill(0)  # touches every page, so that none is fetched on the audio thread
        memory = aligned_zeros(1, STATE)
        memory["frames"] = len(self._signal)
        memory["signal"], memory["recorded"] = self._signal.ctypes.data, self._recorded.ctypes.data
        super().__init__(loop_block.address, memory, first_words(memory, offset_of(STATE, "frames")), loop_block)

    @property
    def position(self) -> int:
        """How many frames of the signal have been played."""
        return int(self.memory["position"][0])

    @property
    def has_finished(self) -> bool:
        """Whether the whole signal has been played."""
        return bool(self.memory["position"][0] == self.memory["frames"][0])

    @property
    def recorded(self) -> NDArray[np.float32]:
        """What came in so far, float32 (frames,)."""
        return self.recorded_between(0, self.position)

    def recorded_between(self, first: int, last: int) -> NDArray[np.float32]:
        """What came in from one frame up to another, of those so far; float32 (frames,)."""
        return self._recorded[max(0, first) : min(last, self.position)].copy()
