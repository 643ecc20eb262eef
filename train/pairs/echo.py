"""Find an echo or a reverberation on the wet side: more memory than a recurrent network of this size learns.

Conventions
-----------
Both sides are aligned. Lags are positive where the wet side answers late. At most the first minute is looked at.
"""

from dataclasses import dataclass

import numpy as np

from fxhost.arrays import Float32Array
from train.pairs.drift import Float64Array, hann_window

LONGEST_S = 60.0  # of the recordings
WINDOW_S = 2.7  # of a cepstrum, with room for the longest echo
EARLIEST_S, LATEST_S = 0.04, 1.2  # of an echo: what comes sooner is the pitch of notes
BAND_HZ = (80.0, 160.0, 8_000.0, 10_000.0)  # edges of the band in which echoes are looked for
SIDE_FRAMES_S = (0.0004, 0.0015)  # where a peak must have fallen off; that of a pitch is wider
LEAST_ECHO = 0.06  # of the signal; steady pairs have up to 0.047
LEAST_WINDOWS = 2
TAPS = (0, 1, 2, 3, 4, 5, 8, 11, 16, 24, 40, 64)
POINTS = 12_000
REVERB_S = (0.05, 0.25)
REVERB_BANDS_HZ = (100.0, 8_000.0)
REVERB_BANDS = 16
LEAST_REVERB = 2.0  # of the power of the answer over what is there by chance: steady pairs have 0.3 to 1.7


@dataclass(frozen=True)
class Echo:
    """The wet side once more: `delay_s` late, `gain` times as large."""

    delay_s: float
    gain: float


def find_echo(dry: Float32Array, wet: Float32Array, sample_rate: int) -> Echo | None:
    """The clearest echo of the wet side, 40 ms to 1.2 s late.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        Aligned.
    sample_rate : int
        In Hz.

    Returns
    -------
    Echo or None
        None where there is none of about a tenth of the signal or more.

    Notes
    -----
    An echo of gain g multiplies the spectrum by 1 + g exp(−iωT), so that the cepstrum (the inverse transform of the log
    spectrum) has g at T, however the signal before it was distorted. What the dry side has there too is its rhythm and
    is taken off; the peak of a pitch is wide and is left out. The share of the spectrum that is noise makes g smaller.
    """
    size = min(1 << round(np.log2(WINDOW_S * sample_rate)), 1 << int(np.log2(max(2, len(dry) / 2))))
    first, last = int(EARLIEST_S * sample_rate), min(int(LATEST_S * sample_rate), size // 2)
    frames = min(len(dry), int(LONGEST_S * sample_rate))
    spectra = [_mean_log_spectrum(side[:frames], size) for side in (dry, wet)]
    if last <= first or spectra[0] is None or spectra[1] is None:
        return None
    hz = np.arange(size // 2 + 1) * sample_rate / size
    low, rise, fall, high = (
        min(edge, share * sample_rate) for edge, share in zip(BAND_HZ, (1, 1, 0.35, 0.4), strict=True)
    )
    band = np.clip((hz - low) / (rise - low), 0, 1) * np.clip((high - hz) / (high - fall), 0, 1)
    difference = spectra[1] - spectra[0]
    cepstrum = np.fft.irfft((difference - np.average(difference, weights=band)) * band)
    cepstrum /= np.fft.irfft(band)[0]
    near, far = (max(2, int(side * sample_rate)) for side in SIDE_FRAMES_S)
    at = first + int(cepstrum[first:last].argmax())
    around = np.r_[cepstrum[at - far : at - near], cepstrum[at + near + 1 : at + far + 1]]
    # the windows hold less of a late echo
    gain = float(cepstrum[at] - np.abs(around).max()) / (1 - at / size)
    return Echo(at / sample_rate, gain) if gain >= LEAST_ECHO else None


def _mean_log_spectrum(audio: Float32Array, size: int) -> Float64Array | None:
    """The mean of the log power of windows that overlap by half; None where too few hold any sound."""
    hann = hann_window(size)
    loudest = float(np.abs(audio).max(initial=0.0))
    total, count = np.zeros(size // 2 + 1), 0
    for start in range(0, len(audio) - size + 1, size // 2):
        cut = audio[start : start + size]
        if np.abs(cut).max() <= 1e-2 * loudest:
            continue
        power = np.abs(np.fft.rfft(cut * hann)) ** 2
        total += np.log(power + 1e-7 * power.max())
        count += 1
    return total / count if count >= LEAST_WINDOWS else None


def measure_reverb(dry: Float32Array, wet: Float32Array, sample_rate: int) -> float:
    """How much power the wet side's answer has 50 to 250 ms late, over what is there by chance.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        Aligned.
    sample_rate : int
        In Hz.

    Returns
    -------
    float
        About 1 for an effect without reverberation. Above `LEAST_REVERB` there is one; a fuzz can hide it.

    Notes
    -----
    The dry side goes through a short nonlinear filter that is fitted to the wet one. The linear response from there to
    the wet side is compared with itself at negative lags, where only chance puts anything. The median of 16 bands
    counts: notes that are held stand out in a few.
    """
    frames = min(len(dry), len(wet), int(LONGEST_S * sample_rate))
    if frames < 8 * REVERB_S[1] * sample_rate or frames <= 2 * max(TAPS):
        return 1.0
    predicted = _fit_filter(dry[:frames], wet[:frames])
    length = 1 << int(np.log2(min(4 * sample_rate, frames / 2)))
    response = _estimate_response(predicted, wet[:frames], length)
    first, last = (int(edge * sample_rate) for edge in REVERB_S)
    hann = hann_window(last - first)
    late, early = (
        np.abs(np.fft.rfft(part * hann)) ** 2
        for part in (response[first:last], response[len(response) - last : len(response) - first])
    )
    highest = min(REVERB_BANDS_HZ[1], 0.4 * sample_rate)
    edges = np.geomspace(REVERB_BANDS_HZ[0], highest, REVERB_BANDS + 1) * (last - first) / sample_rate
    bands = np.unique(edges.astype(np.int64))
    ratios = np.add.reduceat(late, bands)[:-1] / np.maximum(np.add.reduceat(early, bands)[:-1], 1e-30)
    return float(np.median(ratios))


def _fit_filter(dry: Float32Array, wet: Float32Array) -> Float64Array:
    """The wet side as far as the last frames of the dry one explain it through a few saturating curves."""
    x = dry.astype(np.float64)
    x /= np.sqrt(np.mean(x**2)) + 1e-12
    curves = (x, np.tanh(x), np.tanh(5 * x), np.tanh(25 * x), np.abs(np.tanh(2 * x)))
    places = np.sort(np.random.default_rng(0).integers(max(TAPS), len(x), POINTS))
    taps = np.array(TAPS)
    columns = np.concatenate([curve[places[:, None] - taps] for curve in curves], axis=1)
    products = columns.T @ columns
    products[np.diag_indices_from(products)] += 1e-6 * np.trace(products) / len(products)
    weights = iter(np.linalg.solve(products, columns.T @ wet[places].astype(np.float64)))
    out = np.zeros(len(x))
    for curve in curves:
        for tap in TAPS:
            out[tap:] += next(weights) * curve[: len(x) - tap]
    return out


def _estimate_response(x: Float64Array, y: Float32Array, length: int) -> Float64Array:
    """The linear response from x to y: cross-spectrum over spectrum; its second half holds the negative lags."""
    size, hann = 2 * length, hann_window(length)
    power, cross = np.zeros(length + 1), np.zeros(length + 1, np.complex128)
    for start in range(0, len(x) - length + 1, length // 2):
        begin = start - length // 2
        around = np.zeros(size)
        first, last = max(begin, 0), min(begin + size, len(y))
        around[first - begin : last - begin] = y[first:last]
        windowed = np.fft.rfft(x[start : start + length] * hann, size)
        power += np.abs(windowed) ** 2
        cross += np.conj(windowed) * np.fft.rfft(np.roll(around, -(length // 2)))
    return np.asarray(np.fft.irfft(cross / (power + 1e-3 * power.mean() + 1e-30)), np.float64)
