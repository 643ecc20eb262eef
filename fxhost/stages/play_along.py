"""A song to play along with: added to what is heard, again and again from its beginning.

While it is off or muted it is faded out. Off, it goes back to its beginning once it is silent; muted, it goes on.
"""

from typing import Any

import numpy as np
from numba import carray
from numpy.typing import NDArray

from fxhost.arrays import aligned_zeros, from_db
from fxhost.native.intrinsics import floats_at
from fxhost.stages.base import PLANE, Stage, first_words, offset_of, smoothing, stage_function

SMOOTHING_MS = 10.0
ARRIVED = 1e-5

STATE = np.dtype(
    [
        ("gain", "f8"),  # which a reset brings to 0, so that the song fades in
        ("position", "i8"),  # of the frame that comes next
        ("level", "f4"),  # written by Python, like all that follows
        ("is_on", "f4"),
        ("is_muted", "f4"),
        ("smoothing", "f4"),
        ("frames", "i8"),
        ("channels", "i8"),
        ("song", "i8"),  # address of float32 (frames, channels)
    ],
    align=True,
)


@stage_function(STATE, "play-along")
def play_song(state: Any, block: Any, frames: int) -> None:
    """Add the song to a block of two channels."""
    s = carray(state, (1,))[0]
    x = carray(block, (PLANE + frames,))
    song = carray(floats_at(s.song), (s.frames * s.channels,))
    target = np.float64(s.level) if s.is_on != 0.0 and s.is_muted == 0.0 else 0.0
    gain, position = s.gain, s.position
    for n in range(frames):
        step = target - gain
        gain = target if abs(step) < ARRIVED else gain + s.smoothing * step
        if s.is_on == 0.0 and gain == 0.0:
            position = 0
            continue
        at = position * s.channels
        x[n] += np.float32(gain) * song[at]
        x[PLANE + n] += np.float32(gain) * song[at + s.channels - 1]
        position = position + 1 if position + 1 < s.frames else 0
    s.gain, s.position = gain, position


class PlayAlong(Stage):
    """A song, in blocks of two channels of at most `PLANE` frames. It begins at once.

    Parameters
    ----------
    song : float32 (frames,) or (frames, 2)
        At least one frame, at the rate of the stream.
    sample_rate : int
        In Hz.
    level_db : float
    name : str
        For people.

    Attributes
    ----------
    level_db : float
    is_on : bool
        What it is set to; whoever changes them also writes to `level_address` (a factor) and the address of 'is_on'.
    """

    def __init__(self, song: NDArray[np.float32], sample_rate: int, level_db: float = 0.0, name: str = "") -> None:
        self.level_db, self.name, self.is_on = level_db, name, True
        memory = aligned_zeros(1, STATE)
        memory["level"], memory["is_on"] = from_db(level_db), 1.0
        super().__init__(play_song.address, memory, first_words(memory, offset_of(STATE, "position")), play_song)
        self.set_song(song, sample_rate)

    def set_song(self, song: NDArray[np.float32], sample_rate: int) -> None:
        """Go on with the same song at another rate, at the same place. Only while no thread runs the stage.

        Parameters
        ----------
        song : float32 (frames,) or (frames, 2)
        sample_rate : int
            In Hz.
        """
        s, song = self.memory[0], np.ascontiguousarray(song, np.float32)
        s["position"] = int(s["position"]) * len(song) // max(1, int(s["frames"]))
        s["smoothing"] = smoothing(SMOOTHING_MS, sample_rate)
        s["frames"], s["channels"], s["song"] = len(song), song.size // len(song), song.ctypes.data
        self.buffers, self.sample_rate = [song], sample_rate

    def address(self, setting: str) -> int:
        """Where 'level', 'is_on' or 'is_muted' stands, float32."""
        return int(self.memory.ctypes.data) + offset_of(STATE, setting)

    @property
    def level_address(self) -> int:
        """Where the factor of the level stands, float32."""
        return self.address("level")

    @property
    def position_s(self) -> float:
        """Where the song is, in seconds."""
        return float(self.memory["position"][0]) / self.sample_rate

    @property
    def length_s(self) -> float:
        """How long it is, in seconds."""
        return float(self.memory["frames"][0]) / self.sample_rate
