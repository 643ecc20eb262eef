"""Whether two recordings fit once one of them is played at another rate: a header that lies about it."""

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from fxhost.errors import TrainingError
from train.pairs.delay import find_delay
from train.pairs.source import Source

Float64Array = NDArray[np.float64]

RATES = (22050, 24000, 32000, 44100, 48000, 88200, 96000, 176_400, 192_000)
PULLED = 1.001  # film and video at 30 and 29.97 pictures a second
EXCERPT_S = 6.0
EXCERPTS = 3
SEARCH_S = 3.0  # how far apart the excerpts may lie
SEARCHED_RATE = 12_000  # what lies below half of it tells enough
WHITENING = 0.8
CLEAR = 16.0  # of the peak over the RMS of a correlation; unrelated recordings come to 11


def refuse_mislabelled(dry: Source, wet: Source) -> None:
    """Refuse a pair, which fits nowhere as it is, by the name of its fault if it fits at another speed.

    Raises
    ------
    TrainingError
        If it does: with the ratio, and what to do.
    """
    rate = dry.sample_rate
    ratio = find_speed(dry.audio, wet.audio, rate)
    if ratio is None:
        return
    fast, slow = (wet.path, dry.path) if ratio > 1 else (dry.path, wet.path)
    faster = max(ratio, 1 / ratio)
    raise TrainingError(
        f"{fast} plays {100 * (faster - 1):.1f} % faster than {slow}: "
        f"{_explain(fast.name, slow.name, faster, rate)}; set that file's rate right and convert it to {rate} Hz, or "
        f"export both again at {rate} Hz"
    )


def _explain(fast: str, slow: str, faster: float, rate: int) -> str:
    """What may have happened to one of two recordings of which one plays faster."""
    if np.isclose(faster, PULLED):
        return "one of them was pulled down or up by 0.1 % for a film"
    told = [
        f"{name} is {true} Hz audio in a file that says {rate} Hz"
        for name, true in ((fast, round(rate / faster)), (slow, round(rate * faster)))
        if true in RATES
    ]
    pairs = [(a, b) for a in RATES for b in RATES if abs(b / a / faster - 1) < 1e-4]
    lower, higher = min(pairs, key=lambda pair: (rate not in pair, abs(pair[1] - rate)))
    if len(told) < 2:
        told.append(f"{slow} is {higher} Hz audio that was taken for {lower} Hz")
    return ", or ".join(told)


def explain_rates(dry: Source, wet: Source) -> TrainingError:
    """What is wrong with two recordings of different rates: the rates, or what a header says of them."""
    a, b = dry.sample_rate, wet.sample_rate
    if find_delay(dry.audio, wet.audio, a).is_of_a_pair:
        return TrainingError(
            f"the sample rates differ: {dry.path} says {a} Hz, {wet.path} says {b} Hz, yet they fit frame by frame: "
            f"one header is wrong; correct the rate in it, without converting the file"
        )
    return TrainingError(
        f"the sample rates differ: {dry.path} has {a} Hz, {wet.path} has {b} Hz; export both at the same rate"
    )


def find_speed(dry: Float32Array, wet: Float32Array, sample_rate: int) -> float | None:
    """How much faster the wet recording plays than the dry one, if that is the ratio of two usual rates.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        Both as if at `sample_rate`, beginning within 3 s of each other.
    sample_rate : int
        In Hz.

    Returns
    -------
    float or None
        None if no such ratio makes them fit.
    """
    step = max(1, sample_rate // SEARCHED_RATE)
    x, y = _thin(dry, step), _thin(wet, step)
    # the ratios of which one of the two rates is that of the files come first, and the nearest of them
    own: dict[float, bool] = {}
    for ratio, is_own in ((round(a / b, 9), sample_rate in (a, b)) for a in RATES for b in RATES if a != b):
        own[ratio] = is_own or own.get(ratio, False)
    order = sorted(own, key=lambda ratio: (not own[ratio], abs(np.log(ratio))))
    for ratio in order:
        if _measure_peak(x, y, sample_rate / step, ratio) >= CLEAR:
            return ratio
    same = _measure_peak(x, y, sample_rate / step, 1.0)  # so small a difference hardly lowers the peak
    for ratio in (PULLED, 1 / PULLED):
        if _measure_peak(x, y, sample_rate / step, ratio) >= max(CLEAR, 2 * same):
            return ratio
    return None


def _thin(audio: Float32Array, step: int) -> Float64Array:
    """Every mean of `step` frames."""
    whole = audio[: len(audio) // step * step].reshape(-1, step)
    return np.asarray(whole.mean(axis=1, dtype=np.float64))


def _measure_peak(dry: Float64Array, wet: Float64Array, sample_rate: float, ratio: float) -> float:
    """How excerpts of the wet side, slowed down by the ratio, correlate with the dry side: the peak over the RMS."""
    search = int(SEARCH_S * sample_rate)
    total = min(len(dry), int(len(wet) * ratio))
    length = min(int(EXCERPT_S * sample_rate), total // 2)
    summed = np.zeros(2 * search + 1)
    for part in range(EXCERPTS):
        start = (total - length) * part // EXCERPTS
        first, last = max(0, start - search), min(total, start + length + search)
        around = np.zeros(length + 2 * search)
        places = np.arange(first, last) / ratio
        origin = int(places[0])
        cut = wet[origin : int(places[-1]) + 2]
        around[first - start + search : last - start + search] = np.interp(places - origin, np.arange(len(cut)), cut)
        summed += _correlate(dry[start : start + length], around, search)
    return float(np.abs(summed).max() / max(float(np.sqrt(np.mean(summed**2))), 1e-30))


def _correlate(dry: Float64Array, around: Float64Array, search: int) -> Float64Array:
    size = 1 << int(np.ceil(np.log2(len(around))))
    spectrum = np.conj(np.fft.rfft((dry - dry.mean()) * np.hanning(len(dry)), size)) * np.fft.rfft(around, size)
    spectrum /= np.maximum(np.abs(spectrum), 1e-30) ** WHITENING
    correlation = np.fft.irfft(spectrum, size)[: 2 * search + 1]
    return np.asarray(correlation / max(float(np.sqrt(np.mean(correlation**2))), 1e-30), np.float64)
