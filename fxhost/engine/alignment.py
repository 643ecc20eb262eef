"""How two signals lie to each other in time: for branches and responses that shall add up instead of cancelling.

Conventions
-----------
A lag is in frames, positive where the second signal is late. Spectra are one-sided and of periods that are at least
twice as long as what they hold.

References
----------
C. Knapp, G. Carter, "The Generalized Correlation Method for Estimation of Time Delay", IEEE Transactions on Acoustics,
Speech, and Signal Processing 24(4), 1976: the weighted cross-correlation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array

WHITENING = 0.5  # the share of the magnitude that is taken out, so that the lowest notes alone do not decide
BAND_HZ = (80.0, 8000.0)
REACH_S = 10e-3
LEAST_LIKENESS = 0.2  # below it two captures of different amplifiers may agree by chance
STEPS = 8  # of Newton's method


@dataclass(frozen=True)
class Lag:
    """How late a signal is against another.

    Attributes
    ----------
    frames : float
    polarity : {1, −1}
        −1 where they are inverted.
    likeness : float
        0 to 1: the height of the peak of the correlation; 1 is a pure delay.
    """

    frames: float
    polarity: int
    likeness: float = 1.0


def find_peak(cross: NDArray[Any], size: int, about: int, reach: int) -> tuple[float, float]:
    """Where a correlation is farthest from zero: the lag, to a thousandth of a frame or so, and the value there.

    Parameters
    ----------
    cross : complex (size // 2 + 1,)
        The cross-spectrum: that of the second signal times the conjugate of the first one's.
    size : int
        The length of the period, in frames.
    about, reach : int
        The lag is looked for at most so far from there, in frames.
    """
    correlation = np.fft.irfft(cross, size)
    near = correlation[np.arange(about - reach, about + reach + 1) % size]
    whole = about - reach + int(np.abs(near).argmax())
    lag = float(whole)
    omega = 2.0 * np.pi * np.arange(len(cross)) / size
    weight = np.full(len(cross), 2.0 / size)
    weight[0] = 1.0 / size
    if size % 2 == 0:
        weight[-1] = 1.0 / size
    for _ in range(STEPS):
        wave = weight * cross * np.exp(1j * omega * lag)
        slope, bend = -float(np.sum(omega * wave.imag)), -float(np.sum(omega**2 * wave.real))
        if bend == 0.0 or abs(lag - slope / bend - whole) > 1.0:
            break  # no peak here
        lag -= slope / bend
    return round(lag, 6) + 0.0, float(np.sum(weight * (cross * np.exp(1j * omega * lag)).real))


def find_lag(first: Float32Array, second: Float32Array, sample_rate: int, about: float = 0.0) -> Lag:
    """How late the second of two signals is that were made of one.

    Parameters
    ----------
    first, second : float32 (frames,)
    sample_rate : int
        In Hz.
    about : float
        The lag that is expected, in frames; it is looked for within 10 ms of there.

    Returns
    -------
    Lag
        To be believed where its likeness is at least `LEAST_LIKENESS`.
    """
    size = 1 << int(np.ceil(np.log2(2 * len(first))))
    spectra = [np.fft.rfft(signal.astype(np.float64), size) for signal in (first, second)]
    frequency = np.arange(len(spectra[0])) * (sample_rate / size)
    band = np.clip(frequency / BAND_HZ[0] - 1.0, 0.0, 1.0) * np.clip(2.0 - frequency / BAND_HZ[1], 0.0, 1.0)
    cross = spectra[1] * np.conj(spectra[0])
    weight = band * np.maximum(np.abs(cross), np.finfo(float).tiny) ** -WHITENING
    frames, height = find_peak(weight * cross, size, round(about), round(REACH_S * sample_rate))
    energies = [float(np.sum(weight * np.abs(spectrum) ** 2)) for spectrum in spectra]
    likeness = abs(height) * size / 2 / max(np.sqrt(energies[0] * energies[1]), np.finfo(float).tiny)
    return Lag(frames, 1 if height >= 0.0 else -1, min(1.0, likeness))
