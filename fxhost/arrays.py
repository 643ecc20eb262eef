"""Names for arrays, levels in dB, and memory that begins on a cache line. It imports nothing of fxhost.

Conventions
-----------
Audio is float32, mono `(frames,)`, several channels `(frames, channels)`. A level of 0 dB is a factor of 1.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

ALIGNMENT = 64  # bytes: a cache line, and the widest vector
SILENCE_DB = -90.0  # a gain of so little or less is silence


def aligned_zeros(count: int, dtype: np.dtype[Any] | type) -> NDArray[Any]:
    """Zeros `(count,)` that begin on a cache line."""
    size = np.dtype(dtype).itemsize * count
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype)


def from_db(level_db: float) -> float:
    """A level in dB as a linear gain."""
    return float(10.0 ** (level_db / 20.0))


def to_db(gain: float) -> float:
    """A linear gain as a level in dB; silence is −200 dB."""
    return 20.0 * math.log10(max(gain, 1e-10))


def linear(level_db: float) -> float:
    """A gain in dB as a factor; −90 dB and less is silence."""
    return 0.0 if level_db <= SILENCE_DB else float(10.0 ** (level_db / 20.0))
