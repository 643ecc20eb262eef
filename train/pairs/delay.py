"""Find how late a wet recording is, to a fraction of a sample, on whatever was played.

Conventions
-----------
Delays are in frames, positive where the wet side is late. Spectra are one-sided, `(bins,)`, summed over windows.

A delay is what may be taken out of the wet side so that it still depends on nothing but the dry past. The phase of the
effect itself is none: an RC low-pass at 1 kHz has 8 frames of group delay at 48 kHz, yet answers at once.

References
----------
.. [#] C. Knapp, G. Carter, "The Generalized Correlation Method for Estimation of Time Delay", IEEE Transactions on
   Acoustics, Speech, and Signal Processing 24(4), 1976: the weighted cross-correlation.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.drift import Line, Step, follow_lags, place_windows, refine_drift, sum_spectra, window_frames
from train.pairs.onset import EXPLAINED, find_onset
from train.pairs.pieces import measure_pieces
from train.pairs.slips import find_steps, locate_steps
from train.pairs.source import release_pages

Float64Array = NDArray[np.float64]

SEARCH_S = 2.0  # how late or early the wet side may be
EXCERPT_S = 8.0
MAX_EXCERPTS = 8
WHITENING = 0.8  # the share of the magnitude that is taken out: 1 lets noise in, 0 gives a peak a thousand frames wide
LOWEST_PEAK = 12.0  # of the correlation, over its RMS; see `Delay`
LEAST_CONFIDENCE = 0.35  # with a peak below twice that
AMBIGUOUS = 0.9  # of two peaks this near in height the one with the smaller delay is taken: loops repeat themselves
PARTS = 5  # of the recording, whose onsets tell how sure that of the whole is
LEAST_WINDOWS = 12  # in a part
SAME_PEAK_S = 0.02  # what stands nearer to a peak belongs to it


@dataclass(frozen=True)
class Delay:
    """How the wet side lies to the dry one.

    Attributes
    ----------
    frames : float
        Positive if the wet side is late. In the middle of the recording if it drifts, without the steps behind it.
    uncertainty_frames : float
        How far `frames` may be off, as far as the evidence tells.
    confidence : float
        0 to 1: how far the peak of the correlation stands above the second.
    polarity : int
        +1, or −1 if the effect inverts.
    correlation : float
        0 to 1: the height of that peak, where 1 is a pure delay.
    peak : float
        The same over the RMS of the correlation. Measured: 4 to 11 for recordings that have nothing to do with each
        other, 58 and more for whole pairs, 11 to 23 for 3 to 5 s of a fuzz.
    drift_frames : float
        How much later the end of the wet side is than its beginning; 0 if that cannot be told from nothing.
    steps : tuple of Step
        Where it changes at once; `frames` is the delay before the first of them.
    """

    frames: float
    uncertainty_frames: float
    confidence: float
    polarity: int
    correlation: float
    peak: float
    drift_frames: float
    steps: tuple[Step, ...] = ()

    @property
    def is_of_a_pair(self) -> bool:
        """Whether the two recordings have anything to do with each other."""
        return self.peak >= 2 * LOWEST_PEAK or (self.peak >= LOWEST_PEAK and self.confidence >= LEAST_CONFIDENCE)


def find_delay(dry: Float32Array, wet: Float32Array, sample_rate: int, search_s: float = SEARCH_S) -> Delay:
    """The delay of the wet recording in frames, positive where it is late.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        May be memory-mapped: only excerpts are read. The lengths may differ.
    sample_rate : int
        In Hz.
    search_s : float
        How many seconds of delay are looked for, either way.

    Returns
    -------
    Delay
        To be believed only if it `is_of_a_pair`.

    Notes
    -----
    Three steps. First a cross-correlation with most of the magnitude taken out (Knapp and Carter's phase transform,
    short of its end) of up to 8 excerpts of 8 s gives the delay to some 20 frames, and its trend along the file.
    Then the cross-spectrum of windows laid along that trend gives the response of the effect to the unpredictable
    part of the dry side, which begins where the effect answers first: `train.pairs.onset` fits a causal response to it.
    Between the two, the responses of eight parts of the file, compared with that of its middle, give what is left of
    the trend: half a ppm over 158 s, 3.8 frames, is found to 0.2 frames with an overdrive and with a fuzz.

    Measured on pairs that are aligned, whole files of 7 to 158 s, in frames: RC low-pass −0.25 and −0.20, overdrive
    +0.05 and +0.20, fuzz +0.15 and +0.20, diode clipper +0.40 and +0.25, treble booster 0.00, LTspice gain stage +0.15.
    Shifts of −300.4, 0.25, 17.5 and 4800.5 frames, inversion, and white noise 60 and 40 dB below the wet side change
    that by 0.2 at most, but for one in a hundred (an overdrive with noise, 0.65).
    Few seconds of a fuzz may be off by nine frames. `uncertainty_frames` then says so: it is the larger of what the fit
    leaves open and of how far five parts of the recording lie from the whole, the furthest one left out.
    """
    coarse = _find_trend(dry, wet, sample_rate, search_s)
    line = coarse.line
    size = window_frames(sample_rate)
    windows = place_windows(dry, wet, size, line)
    spectra = sum_spectra(dry, wet, windows, size, line)
    if not all(power.any() and cross.any() for power, cross in spectra):
        return Delay(line.frames, np.inf, 0.0, 1, coarse.correlation, coarse.height, 0.0)
    if slope := refine_drift(dry, wet, windows, size, line):
        line = replace(line, slope=line.slope + slope)
        windows = place_windows(dry, wet, size, line)
        spectra = sum_spectra(dry, wet, windows, size, line)
        line = replace(line, slope=line.slope + refine_drift(dry, wet, windows, size, line))
        windows = place_windows(dry, wet, size, line)
    onset = find_onset(spectra, sample_rate)
    scatter = _measure_scatter(dry, wet, windows, size, line, sample_rate, onset.frames)
    return Delay(
        frames=line.frames + onset.frames,
        uncertainty_frames=max(onset.uncertainty_frames, scatter),
        confidence=max(0.0, coarse.confidence),
        polarity=onset.polarity,
        correlation=min(1.0, coarse.correlation),
        peak=coarse.height,
        drift_frames=line.slope * min(len(dry), len(wet)),
        steps=line.steps,
    )


class _Trend(NamedTuple):
    """What the cross-correlation of excerpts tells: the delay along the file, and how much it is to be believed."""

    line: Line
    correlation: float
    height: float
    confidence: float


def _find_trend(dry: Float32Array, wet: Float32Array, sample_rate: int, search_s: float) -> _Trend:
    frames = min(len(dry), len(wet))
    correlations, middles = correlate_excerpts(dry, wet, sample_rate, search_s)
    summed = np.mean(correlations, axis=0)
    zero = len(summed) // 2
    lags = np.array([np.abs(c).argmax() - zero for c in correlations], np.float64)
    rms = float(np.sqrt(np.mean(summed**2)))
    at = _choose_peak(summed, zero)
    peak = abs(summed[at])
    apart = np.abs(summed)
    near = int(SAME_PEAK_S * sample_rate)
    apart[max(0, at - near) : at + near + 1] = 0
    line = follow_lags(lags, middles, frames, at - zero)
    if search_s <= SEARCH_S:
        # steps look like a trend to a few excerpts: without one they are seen better
        offered = [line, *([Line(float(at - zero), 0.0, line.middle)] if line.slope else [])]
        reach = int(search_s * sample_rate)
        found = [find_steps(measure_pieces(dry, wet, sample_rate, one, reach), one) for one in offered]
        line = locate_steps(dry, wet, sample_rate, min(found, key=lambda each: each[0])[1])
    if line.slope or line.steps:  # excerpts that drift apart do not add up: judge them one by one
        alone = [np.abs(c) / np.sqrt(np.mean(c**2)) for c in correlations]
        height = float(np.median([c.max() for c in alone]))
        confidence = 1 - float(np.median([np.median(c) for c in alone])) / height
    else:
        height, confidence = float(peak / max(rms, 1e-30)), float(1 - apart.max() / max(peak, 1e-30))
    correlation = float(np.median([np.abs(c).max() for c in correlations]) if line.slope or line.steps else peak)
    return _Trend(line, correlation, height, confidence)


def _measure_scatter(
    dry: Float32Array,
    wet: Float32Array,
    windows: list[int],
    size: int,
    line: Line,
    sample_rate: int,
    found: float,
) -> float:
    """How far the onset in parts of the recording is from that of the whole: what is played moves it more than noise.

    The part that is furthest off is left out.
    """
    parts = [list(part) for part in np.array_split(windows, PARTS) if len(part) >= LEAST_WINDOWS]
    off = []
    for part in parts:
        spectra = sum_spectra(dry, wet, part, size, line)
        if all(power.any() and cross.any() for power, cross in spectra):
            onset = find_onset(spectra, sample_rate)
            if onset.explained >= EXPLAINED:
                off.append(abs(onset.frames - found))
    return sorted(off)[-2] if len(off) > 1 else 0.0


def correlate_excerpts(
    dry: Float32Array, wet: Float32Array, sample_rate: int, search_s: float
) -> tuple[list[Float64Array], Float64Array]:
    """The whitened cross-correlation of each excerpt, with the middle frame of each.

    Returns
    -------
    correlations : list of float64 (2 * search + 1,)
        Delay 0 in the middle; 1 is a pure delay.
    middles : float64 (excerpts,)
    """
    frames, search = min(len(dry), len(wet)), int(search_s * sample_rate)
    length = min(int(EXCERPT_S * sample_rate), frames)
    size = 1 << int(np.ceil(np.log2(length + 2 * search)))
    correlations, middles = [], []
    for start in _place_excerpts(dry, wet, frames, length):
        first, last = max(0, start - search), min(len(wet), start + length + search)
        around = np.zeros(length + 2 * search)
        around[first - start + search : last - start + search] = _taper(wet[first:last])
        spectrum = np.conj(np.fft.rfft(_taper(dry[start : start + length]), size)) * np.fft.rfft(around, size)
        magnitude = np.abs(spectrum)
        spectrum /= np.maximum(magnitude, 1e-30) ** WHITENING
        total = np.sum(magnitude ** (1 - WHITENING)) * 2 / size
        correlations.append(np.fft.irfft(spectrum, size)[: 2 * search + 1] / max(total, 1e-30))
        middles.append(start + length / 2)
    return correlations, np.array(middles)


def _place_excerpts(dry: Float32Array, wet: Float32Array, frames: int, length: int) -> list[int]:
    """The first frame of the loudest excerpt of each of up to `MAX_EXCERPTS` parts of the recording."""
    parts = max(1, min(MAX_EXCERPTS, frames // length))
    starts = []
    for part in range(parts):
        first, last = frames * part // parts, frames * (part + 1) // parts - length
        offered = np.linspace(first, last, 1 + min(15, (last - first) // length * 2)).astype(int)
        # a sample in seventeen tells the loudness well enough
        loudness = [
            np.sum(np.square(dry[n : n + length : 17], dtype=np.float64))
            * np.sum(np.square(wet[n : n + length : 17], dtype=np.float64))
            for n in offered
        ]
        starts.append(int(offered[int(np.argmax(loudness))]))
        release_pages(dry)
        release_pages(wet)
    return starts


def _taper(audio: Float32Array) -> Float64Array:
    """The audio without its mean, faded at both ends: a cut edge is a click that correlates with every other."""
    tapered = audio.astype(np.float64)
    tapered -= tapered.mean()
    rise = max(1, len(tapered) // 16)
    fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(rise) + 0.5) / rise)
    tapered[:rise] *= fade
    tapered[-rise:] *= fade[::-1]
    return tapered


def _choose_peak(correlation: Float64Array, zero: int) -> int:
    """The index of the highest peak; of several as high, of the one nearest to no delay."""
    height = np.abs(correlation)
    highest = int(height.argmax())
    high: NDArray[np.int64] = np.flatnonzero(height >= AMBIGUOUS * height[highest])
    nearest = int(high[np.abs(high - zero).argmin()])
    reach = 64  # its flank may be what is nearest: climb it
    first = max(0, nearest - reach)
    return highest if abs(nearest - highest) <= reach else first + int(height[first : nearest + reach].argmax())
