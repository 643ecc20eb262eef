"""Measure how loud a recording is, tenth of a second by tenth of a second."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.preset import Float32Array
from train.source import audio_blocks

Float64Array = NDArray[np.float64]

TENTH_S = 0.1
FULL_SCALE = 0.99  # a peak from here on may be clipped
QUIET_SHARE = 0.02  # of the tenths: the quietest, which show the noise


@dataclass(frozen=True)
class Levels:
    """The levels of a recording, linear, full scale 1.

    Attributes
    ----------
    peak, rms, dc : float
    tenths : float64 (tenths,)
        The mean square of each tenth of a second without its mean.
    clipped_places : int
        Where three samples in a row stand at a peak of full scale.
    """

    peak: float
    rms: float
    dc: float
    tenths: Float64Array
    clipped_places: int

    @property
    def floor(self) -> float:
        """The RMS of the quietest fiftieth of the tenths of a second: noise, if the playing ever pauses."""
        count = max(1, int(QUIET_SHARE * len(self.tenths)))
        return float(np.sqrt(np.partition(self.tenths, count - 1)[:count].mean()))


def measure_levels(audio: Float32Array, sample_rate: int) -> Levels:
    """The levels of a recording.

    Parameters
    ----------
    audio : float32 (frames,)
        At least a tenth of a second; read in pieces.
    sample_rate : int
        In Hz.

    Returns
    -------
    Levels
    """
    tenth = max(1, int(TENTH_S * sample_rate))
    peak, total, square, tenths = 0.0, 0.0, 0.0, []
    for _, block in audio_blocks(audio, 50 * tenth):
        values = block.astype(np.float64)
        peak = max(peak, float(np.abs(values).max()))
        total += float(values.sum())
        square += float(values @ values)
        whole = values[: len(values) // tenth * tenth].reshape(-1, tenth)
        tenths.append(whole.var(axis=1))
    frames = len(audio)
    return Levels(
        peak=peak,
        rms=float(np.sqrt(square / frames)),
        dc=total / frames,
        tenths=np.concatenate(tenths),
        clipped_places=_count_clipped(audio, peak) if peak >= FULL_SCALE else 0,
    )


def _count_clipped(audio: Float32Array, peak: float) -> int:
    count, before = 0, np.zeros(2, np.bool_)
    for _, block in audio_blocks(audio):
        at_peak = np.concatenate([before, np.abs(block) > peak - 1e-4])
        count += int(np.count_nonzero(at_peak[:-2] & at_peak[1:-1] & at_peak[2:]))
        before = at_peak[-2:]
    return count


def to_db(linear: float) -> float | None:
    """A level in dB; None for digital silence."""
    return float(20 * np.log10(linear)) if linear > 0 else None
