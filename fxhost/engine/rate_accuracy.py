"""How true a preset is at another rate than its own: measures in numpy, offline, on whole periods of audio.

Conventions
-----------
Audio is float `(frames,)` and taken as periodic, so that its spectrum has no window: the resampling is exact, and a
band is cut to the bin. ESR is Σ(y − ŷ)² / Σy², both without their means, which a DC blocker takes away.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float64Array

QUIETEST = 1e-6  # of the loudest part's energy: what is below counts as nothing
EDGE = 0.1  # of a band's edge: over how much of it the response falls to zero


def resample(audio: NDArray[Any], old_rate: int, new_rate: int) -> Float64Array:
    """The same band-limited signal at another rate, float64 (frames · new_rate / old_rate,).

    Parameters
    ----------
    audio : float (frames,)
        A length that is whole at both rates.
    old_rate, new_rate : int
        In Hz. Content above the lower Nyquist frequency is removed.
    """
    frames = len(audio) * new_rate // old_rate
    spectrum = np.fft.rfft(audio.astype(np.float64))
    resized = np.zeros(frames // 2 + 1, complex)
    kept = min(len(audio), frames) // 2  # without the Nyquist frequency, which has no phase
    resized[:kept] = spectrum[:kept]
    return np.fft.irfft(resized, frames) * (frames / len(audio))


def limit_band(audio: NDArray[Any], sample_rate: int, edge: float) -> Float64Array:
    """The part of a signal below `edge`, in Hz, float64 (frames,); it falls smoothly over the last tenth below it."""
    spectrum = np.fft.rfft(audio.astype(np.float64))
    frequency = np.arange(len(spectrum)) * (sample_rate / len(audio))
    fall = np.clip((edge - frequency) / (EDGE * edge), 0.0, 1.0)
    return np.fft.irfft(spectrum * (0.5 - 0.5 * np.cos(np.pi * fall)), len(audio))


def measure_esr(got: NDArray[Any], expected: NDArray[Any]) -> float | None:
    """The error-to-signal ratio of two signals of one length, float (frames,); None where one is no signal."""
    if not np.isfinite(got).all() or not np.isfinite(expected).all():
        return None
    target = expected - np.mean(expected, dtype=np.float64)
    error = got - np.mean(got, dtype=np.float64) - target
    energy = float(np.sum(target * target, dtype=np.float64))
    return float(np.sum(error * error, dtype=np.float64)) / max(energy, np.finfo(float).tiny)


def measure_worst_esr(got: NDArray[Any], expected: NDArray[Any], parts: int) -> float | None:
    """The largest error-to-signal ratio of the parts of two signals; None where one is no signal.

    Parameters
    ----------
    got, expected : float (frames,)
    parts : int
        Of equal length. A part more than 60 dB below the loudest part is weighed as if it were exactly 60 dB below it.
    """
    if not np.isfinite(got).all() or not np.isfinite(expected).all():
        return None
    targets, outputs = (np.array_split(signal.astype(np.float64), parts) for signal in (expected, got))
    powers = [float(np.var(target)) for target in targets]
    least = max(QUIETEST * max(powers), np.finfo(float).tiny)
    errors = [float(np.var(output - target)) for output, target in zip(outputs, targets, strict=True)]
    return max(error / max(power, least) for error, power in zip(errors, powers, strict=True))
