"""Find isolated faulty samples (spikes) in a recording and replace them by interpolation between their neighbours.

A damaged float file, or a fault in an export, has single samples far above everything else. One of +34 dB among a
minute of guitar has more power than all of it: delay, polarity, levels and loss would be those of that sample.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.source import audio_blocks

CHUNK_S = 0.005
RATIO = 3.0  # over the loudest of all the rest
MOST_PLACES = 16  # more are no accident
WIDEST_S = 1.7e-4  # a place is as wide at most: what sounds lasts longer
SILENCE = 1e-4  # a peak below which there is no sound
CHUNKS_A_BLOCK = 1000

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class WildSample:
    """A place where a recording jumps: its first frame, and the value that stands out most."""

    frame: int
    value: float


def mend_wild_samples(audio: Float32Array, sample_rate: int) -> list[WildSample]:
    """Replace samples that stand alone, far above all others, by a straight line between their neighbours.

    Parameters
    ----------
    audio : float32 (frames,)
        Changed in place; read in pieces.
    sample_rate : int
        In Hz.

    Returns
    -------
    list of WildSample
        Empty where there are none, or what stands out lasts longer than 0.17 ms, or is in more than 16 places: that is
        sound.
    """
    found: list[WildSample] = []
    while more := _mend_tallest(audio, sample_rate):  # of very different heights
        found += more
    return sorted(found, key=lambda sample: sample.frame)


def _mend_tallest(audio: Float32Array, sample_rate: int) -> list[WildSample]:
    """Mend those that stand out by the widest gap."""
    chunk = max(1, int(CHUNK_S * sample_rate))
    peaks = _measure_peaks(audio, chunk)
    places = _find_loud_chunks(peaks)
    if not places:
        return []
    loudest_else = float(np.partition(peaks, -len(places) - 1)[-len(places) - 1])
    loud = [
        int(place * chunk + n)
        for place in sorted(places)
        for n in np.flatnonzero(np.abs(audio[place * chunk : (place + 1) * chunk]) > loudest_else)
    ]
    widest = max(2, int(WIDEST_S * sample_rate))
    runs: list[tuple[int, int]] = []  # first and last frame
    for frame in loud:
        if runs and frame - runs[-1][1] <= widest:
            runs[-1] = runs[-1][0], frame
        else:
            runs.append((frame, frame))
    if len(runs) > MOST_PLACES or any(last - first >= widest for first, last in runs):
        return []
    found = []
    for first, last in runs:
        here = audio[first : last + 1]
        found.append(WildSample(first, float(here[np.abs(here).argmax()])))
        known = [n for n in (first - 1, last + 1) if 0 <= n < len(audio)]
        here[:] = np.interp(np.arange(first, last + 1), known, audio[known])
    return found


def describe_wild_samples(name: str, found: list[WildSample], sample_rate: int) -> str:
    """What is said of them, with the time of the first."""
    worst = max(found, key=lambda sample: abs(sample.value))
    where = f"at {worst.frame / sample_rate:.3f} s (frame {worst.frame})"
    level = f"{20 * np.log10(abs(worst.value)):+.1f} dB"
    if len(found) == 1:
        return (
            f"{name} has a single sample of {level} {where}, far above all others; "
            "no sound makes that, so it was taken out"
        )
    return (
        f"{name} has {len(found)} single samples far above all others, the worst of {level} {where}; no sound makes "
        "those, so they were taken out"
    )


def _measure_peaks(audio: Float32Array, chunk: int) -> Float64Array:
    """The peak of each chunk, the last one too if it is short."""
    peaks = []
    for _, block in audio_blocks(audio, CHUNKS_A_BLOCK * chunk):
        size = np.abs(block)
        peaks.append(np.maximum.reduceat(size, np.arange(0, len(size), chunk)))
    return np.concatenate(peaks).astype(np.float64)


def _find_loud_chunks(peaks: Float64Array) -> list[int]:
    """The chunks that stand out: those above the widest gap among the loudest, if it is wide enough."""
    most = min(2 * MOST_PLACES, len(peaks) - 1)
    if most < 1:
        return []
    loudest = np.argpartition(peaks, -most - 1)[-most - 1 :]
    loudest = loudest[np.argsort(-peaks[loudest])]
    ordered = peaks[loudest]
    ratios = ordered[:-1] / np.maximum(ordered[1:], SILENCE)
    gap = int(ratios.argmax())
    if ratios[gap] <= RATIO or ordered[gap + 1] < SILENCE:
        return []  # where all else is silent, clicks are what was recorded
    return [int(n) for n in loudest[: gap + 1]]
