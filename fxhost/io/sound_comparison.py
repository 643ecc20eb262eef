"""A recording beside what should be equal to it, piece by piece."""

from pathlib import Path

import numpy as np
import soundfile

from fxhost.arrays import Float32Array, to_db

ROUNDING = {"PCM_16": (16, 1.5 / 2**15), "PCM_24": (24, 1.5 / 2**23)}  # bits, and the most that libsndfile is off


class Comparison:
    """The largest difference of a sample between a recording and what is played.

    Parameters
    ----------
    path : Path
        Of the recording.
    frames, channels, sample_rate : int
        That it should have.
    first : int
        The frame from which on it is compared.

    Attributes
    ----------
    largest : float or None
        So far; None if the recording is not there, or another one.
    """

    def __init__(self, path: Path, frames: int, channels: int, sample_rate: int, *, first: int = 0) -> None:
        self._name, self._first, self._at = path.name, first, 0
        self.largest: float | None = None
        try:
            self._file = soundfile.SoundFile(path)
        except (OSError, soundfile.LibsndfileError):
            return
        if (self._file.frames, self._file.channels, self._file.samplerate) == (frames, channels, sample_rate):
            self.largest = 0.0

    def add(self, block: Float32Array) -> None:
        """Compare the next piece, float32 (frames, channels)."""
        if self.largest is None:
            return
        recorded = self._file.read(len(block), dtype="float32", always_2d=True)
        first = max(0, self._first - self._at)
        self._at += len(block)
        if len(recorded) != len(block):
            self.largest = None
        elif len(block) > first:
            self.largest = max(self.largest, float(np.abs(block[first:] - recorded[first:]).max()))

    def describe(self, cause: str) -> str:
        """How the two compare, with the likely cause of a difference that rounding does not explain."""
        if self.largest is None:
            return f"not compared with {self._name}, which is no longer there as it was recorded"
        if self.largest == 0.0:
            return f"equal to {self._name} to the bit"
        bits, most = ROUNDING.get(self._file.subtype, (0, 0.0))
        if self.largest <= most:
            return f"equal to {self._name} but for its rounding to {bits} bits"
        level = f"{to_db(self.largest):.0f}".replace("-", "−")
        return f"off from {self._name} by up to {level} dB of full scale: {cause}"
