"""The pitch of one plucked string, for an instrument tuner, and the name of the note that is nearest to it.

A detection has three steps. The newest `WINDOW_S` of the audio are brought to about 8 kHz, where what lies above the
lower partials of a string is gone. There McLeod's normalised square difference says how well the sound agrees with
itself after each lag, and the first lag that agrees about as well as the best is the period: so the octave is found
also where the fundamental is weak or missing. Then the partials of a stiff string are fitted to the samples by least
squares, which gives its first partial to a fraction of a cent, from fewer than three periods of a low B.

Conventions
-----------
Audio is float32 (frames,), frequencies are in Hz. A cent is a hundredth of an equal-tempered semitone.

References
----------
P. McLeod and G. Wyvill, "A Smarter Way to Find Pitch", ICMC 2005 (the normalised square difference, its key maxima).
H. Fletcher, "Normal Vibration Frequencies of a Stiff Piano String", JASA 36(1), 1964 (how sharp the partials are).
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from fxhost.arrays import Float32Array, Float64Array, to_db

WINDOW_S = 0.09  # of audio for one detection: two and a half periods of the lowest pitch
LOWEST_HZ = 27.0  # below the A of a dropped low B, 27.5 Hz
HIGHEST_HZ = 1400.0  # above the highest fret of a guitar, E6 at 1319 Hz
HIGHEST_SMOOTHED_HZ = 200.0  # of a string whose period is found only without its upper partials

QUIETEST_DB = -70.0  # RMS below it is silence
LEAST_CLARITY = 0.9  # noise and most chords are below it; a power chord is as clear as a string, an octave down
LEAST_SMOOTHED_CLARITY = 0.95  # what was smoothed agrees with itself more easily
NEARLY_BEST = 0.93  # of the best maximum: the first that reaches it is taken for the period
LOW_RATE_HZ = 8000  # or a little more: the pitch is looked for at this sample rate
FINER = 4  # steps of a lag for a sample there: narrow maxima between samples would look low
BAND_HZ = 2500.0  # what is kept there
DECIMATION_S = 0.004  # length of the low pass
SMOOTHING = np.hanning(35)[1:-1] / 17.0  # at the low rate: keeps what is below some 300 Hz

HIGHEST_HALVED_HZ = 100.0  # up to it the partials are fitted at half the low rate
MOST_PARTIALS = 12
FIT_STEPS = 5
LIKELY_STIFFNESS = 1e-3  # Fletcher's B: 3e-5 of a plain string, some 1e-4 of a wound one, more of a short thick one
MOST_STIFFNESS = 5e-3
CONVERGED = 5e-5  # a relative change of w: 0.1 cents, after which the next is much smaller
FARTHEST_CENTS = 40.0  # that the fit may go from the period; beyond it has lost its way

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MIDI_A4 = 69


@dataclass(frozen=True)
class Pitch:
    """A pitch that was heard.

    Attributes
    ----------
    frequency_hz : float
        Of the first partial, also where that is too weak to be heard.
    clarity : float
        How well the sound agrees with itself one period later, up to 1; about 0 is noise.
    """

    frequency_hz: float
    clarity: float


@dataclass(frozen=True)
class Note:
    """A note of the equal-tempered scale, and how far a pitch is from it.

    Attributes
    ----------
    name : str
        With sharps and the octave of scientific pitch notation: 'E2', 'F#3', 'A4'.
    cents : float
        From -50 to 50; above 0 the pitch is sharp.
    """

    name: str
    cents: float


def name_note(frequency_hz: float, reference_hz: float = 440.0) -> Note:
    """The note nearest to a frequency.

    Parameters
    ----------
    frequency_hz : float
        Above 0.
    reference_hz : float
        What A4 is tuned to, above 0.

    Raises
    ------
    ValueError
        If a frequency is not a number above 0.
    """
    for what, value in (("frequency_hz", frequency_hz), ("reference_hz", reference_hz)):
        if not 0.0 < value < math.inf:
            raise ValueError(f"{what} is {value}; expected a number of Hz above 0")
    midi = MIDI_A4 + 12.0 * math.log2(frequency_hz / reference_hz)
    nearest = round(midi)
    return Note(f"{NAMES[nearest % 12]}{nearest // 12 - 1}", 100.0 * (midi - nearest))


def detect_pitch(audio: Float32Array, sample_rate: int) -> Pitch | None:
    """The pitch of the sound at the end of the audio, if it has one, between `LOWEST_HZ` and `HIGHEST_HZ`.

    Parameters
    ----------
    audio : float32 (frames,)
        Of which the last `WINDOW_S` are listened to. Where there are fewer, the lowest pitches are not found.
    sample_rate : int
        In Hz, 8000 or more.

    Returns
    -------
    Pitch or None
        None for silence, noise, most chords, and audio that is not finite. A power chord is heard as the root below it.

    Raises
    ------
    ValueError
        If the audio is not mono, or the sample rate is too low.
    """
    if audio.ndim != 1:
        raise ValueError(f"audio of shape {audio.shape}; expected mono: (frames,)")
    if sample_rate < LOW_RATE_HZ:
        raise ValueError(f"a sample rate of {sample_rate} Hz; expected {LOW_RATE_HZ} Hz or more")
    factor = sample_rate // LOW_RATE_HZ
    rate = sample_rate / factor
    low = _decimate(audio[-round(WINDOW_S * sample_rate) :].astype(np.float64), sample_rate, factor)
    if len(low) < 4 * rate / HIGHEST_HZ or not np.isfinite(low).all():
        return None
    low -= low.mean()
    if to_db(math.sqrt(np.mean(low * low))) < QUIETEST_DB:
        return None
    period, clarity = _find_period(low, rate)
    if clarity < LEAST_CLARITY:
        # the upper partials of a thick string are so far off that they may hide the period of the lower ones
        period, clarity = _find_period(np.convolve(low, SMOOTHING, "valid"), rate)
        if clarity < LEAST_SMOOTHED_CLARITY or period < rate / HIGHEST_SMOOTHED_HZ:
            return None
    if period > rate / HIGHEST_HALVED_HZ:  # the fit takes half the time, and its partials are far below the aliases
        low, rate, period = (0.25 * (low[:-2] + low[2:]) + 0.5 * low[1:-1])[::2], rate / 2, period / 2
    radians = 2.0 * math.pi / rate  # per sample, of 1 Hz
    highest = min(BAND_HZ, 0.8 * rate / 2) * radians
    return Pitch(_fit_partials(low, 2.0 * math.pi / period, highest) / radians, clarity)


@cache
def _low_pass(sample_rate: int) -> Float64Array:
    """The taps of a windowed sinc that keeps what is below `BAND_HZ`."""
    half = round(DECIMATION_S * sample_rate / 2)
    n = np.arange(-half, half + 1)
    middle = (BAND_HZ + LOW_RATE_HZ / 2) / 2  # of its slope, which ends where aliases begin
    taps = np.sinc(2.0 * middle / sample_rate * n) * np.blackman(len(n))
    return np.asarray(taps / taps.sum())


def _decimate(audio: Float64Array, sample_rate: int, factor: int) -> Float64Array:
    """Every `factor`-th sample of the low-passed audio, the newest for certain, and none that the edges touch."""
    taps = _low_pass(sample_rate)
    if len(audio) < len(taps):
        return np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(audio, len(taps))
    return np.asarray(windows[(len(windows) - 1) % factor :: factor] @ taps)


def _normalised_square_difference(x: Float64Array, lags: int) -> Float64Array:
    """How far x agrees with itself after each lag below `lags`, in steps of 1 / `FINER`: 1 the same, -1 opposite."""
    size = 1 << (len(x) + lags - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    correlation = FINER * np.fft.irfft(spectrum.real**2 + spectrum.imag**2, FINER * size)[: FINER * lags]
    power = np.concatenate(([0.0], np.cumsum(x * x)))
    # the power of the two stretches that a lag compares, x[: N - lag] and x[lag:]
    both = power[len(x) - np.arange(lags)] + power[-1] - power[:lags]
    both = np.interp(np.arange(FINER * lags) / FINER, np.arange(lags), both)
    return np.asarray(2.0 * correlation / np.maximum(both, 1e-20))


def _find_period(x: Float64Array, rate: float) -> tuple[float, float]:
    """The first period, in samples, that is nearly as clear as the clearest, and its clarity, 0 where there is none."""
    lags = min(int(rate / LOWEST_HZ) + 2, len(x) // 2)
    agreement = _normalised_square_difference(x, lags)
    middle = agreement[1:-1]
    peaks = 1 + np.flatnonzero((middle > 0) & (middle >= agreement[:-2]) & (middle > agreement[2:]))
    negative = np.flatnonzero(agreement < 0)
    peaks = peaks[peaks > max(negative[0] if len(negative) else len(agreement), FINER * (rate / HIGHEST_HZ - 0.5))]
    if not len(peaks):
        return 0.0, 0.0
    before, at, after = agreement[peaks - 1], agreement[peaks], agreement[peaks + 1]
    shift = 0.5 * (before - after) / (before - 2.0 * at + after)
    heights = at - 0.25 * (before - after) * shift
    first = int(np.flatnonzero(heights >= NEARLY_BEST * heights.max())[0])
    return float(peaks[first] + shift[first]) / FINER, min(float(heights[first]), 1.0)


def _fit_partials(x: Float64Array, coarse: float, highest: float) -> float:
    """The angular frequency of a string's first partial near a coarse one, all in radians per sample.

    Notes
    -----
    Partial k is at k·w·sqrt((1 + B·k²) / (1 + B)), and its amplitude may rise or fall through the window. The first
    step solves for the amplitudes, the others (Gauss-Newton) also for their slopes and for changes of w and B. Where
    the residual leaves B open, it is held below its likely size. The taper keeps out what the window's edges would
    let in of partials that are not fitted.
    """
    t = np.arange(len(x)) - 0.5 * (len(x) - 1)
    ramp = t / t[-1]  # slopes are per half a window, so that all rows are of a size
    taper = np.sqrt(np.hanning(len(x) + 2)[1:-1])
    k = np.arange(1.0, min(MOST_PARTIALS, max(1, int(highest / coarse))) + 1)[:, np.newaxis]  # (partials, 1)
    target = taper * x
    w, stiffness, noise = coarse, 0.0, 0.0
    a = b = np.zeros_like(k)
    for step in range(FIT_STEPS):
        angles = (w * k * np.sqrt((1.0 + stiffness * k**2) / (1.0 + stiffness))) * t  # (partials, frames)
        single = angles.astype(np.float32)  # its sines are six times as quick, and good to -100 dB
        cosines, sines = taper * np.cos(single), taper * np.sin(single)
        rows = [cosines, sines, taper[np.newaxis]]
        if step > 0:
            turned = k * ramp * (b * cosines - a * sines)  # how a partial changes with w, times half a window
            bent = 0.5 * w * t[-1] * LIKELY_STIFFNESS * (k**2 - 1.0) * turned  # and with B, times its likely size
            rows += [ramp * (a * cosines + b * sines), turned.sum(0, keepdims=True), bent.sum(0, keepdims=True)]
        design = np.concatenate(rows)
        # by einsum: the threads of BLAS would wait for a core, and take one from the audio
        normal, right = np.einsum("in,jn->ij", design, design), np.einsum("in,n->i", design, target)
        normal[np.diag_indices(len(normal))] += 1e-9 * normal.diagonal().max()
        if step > 0:
            normal[-1, -1] += noise
            right[-1] -= noise * stiffness / LIKELY_STIFFNESS
        solved = np.linalg.solve(normal, right)
        noise = float(np.mean((target - np.einsum("in,i->n", design, solved)) ** 2))
        a, b = solved[: len(k), np.newaxis], solved[len(k) : 2 * len(k), np.newaxis]
        if step > 0:
            change = float(solved[-2] / t[-1])
            w += change
            stiffness = min(max(stiffness + LIKELY_STIFFNESS * float(solved[-1]), 0.0), MOST_STIFFNESS)
            if abs(change) < CONVERGED * w:
                break
    return w if abs(1200.0 * math.log2(max(w, 1e-9) / coarse)) < FARTHEST_CENTS else coarse
