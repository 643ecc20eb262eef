"""Detect a recording that holds only mains hum instead of playing, as from a cable that is not plugged in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.drift import hann_window
from train.pairs.source import release_pages

MAINS_HZ = (50.0, 60.0)
WINDOW_S = 2.0
LOWEST_HZ, HIGHEST_HZ = 10.0, 1500.0  # of its harmonics; what is below is a direct voltage that wanders
WIDTH_HZ, WIDTH_SHARE = 0.75, 0.004  # how far a line may lie from its place: a window's resolution, and the mains' own
LEAST_SHARE = 0.95  # of the power in those lines
LOW_HARMONICS, LEAST_LOW_SHARE = 4, 0.1  # hum has at least so much of its power there; a test tone of 1 kHz has none
ACTIVE_DB = -40.0  # below the loudest window: what is quieter does not count

Float64Array = NDArray[np.float64]


def find_hum(audio: Float32Array, sample_rate: int) -> float | None:
    """The frequency of the mains, if there is nothing else in a recording.

    Parameters
    ----------
    audio : float32 (frames,)
        At least two seconds; read in pieces.
    sample_rate : int
        In Hz.

    Returns
    -------
    float or None
        In Hz; None if anything else is heard in any of its windows of two seconds.
    """
    size = int(WINDOW_S * sample_rate)
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    masks = [_place_lines(frequency, mains) for mains in MAINS_HZ]
    low = [mask & (frequency < (LOW_HARMONICS + 0.5) * mains) for mask, mains in zip(masks, MAINS_HZ, strict=True)]
    hann = hann_window(size)
    powers, lines, lowest = [], [], []
    for start in range(0, len(audio) - size + 1, size):
        spectrum = np.abs(np.fft.rfft(audio[start : start + size] * hann)) ** 2
        spectrum[frequency < LOWEST_HZ] = 0
        powers.append(spectrum.sum())
        lines.append([spectrum[mask].sum() for mask in masks])
        lowest.append([spectrum[mask].sum() for mask in low])
        release_pages(audio)
    power, of_lines, of_low = np.array(powers), np.array(lines), np.array(lowest)
    active = power > 10 ** (ACTIVE_DB / 10) * power.max(initial=0.0)
    for n, mains in enumerate(MAINS_HZ):
        is_line = of_lines[active, n] >= LEAST_SHARE * power[active]
        if active.any() and np.all(is_line & (of_low[active, n] >= LEAST_LOW_SHARE * power[active])):
            return mains
    return None


def _place_lines(frequency: NDArray[np.floating[Any]], mains: float) -> NDArray[np.bool_]:
    """Where the harmonics of the mains stand in a spectrum."""
    nearest = np.maximum(1, np.round(frequency / mains)) * mains
    near = np.abs(frequency - nearest) <= np.maximum(WIDTH_HZ, WIDTH_SHARE * nearest)
    return np.asarray(near & (frequency <= HIGHEST_HZ), np.bool_)
