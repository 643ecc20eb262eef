"""A delay that changes evenly along a recording, and the spectra of windows laid along it.

Conventions
-----------
Delays are in frames, positive where the wet side is late. Spectra are one-sided, `(bins,)`, summed over windows.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.source import release_pages

Float64Array = NDArray[np.float64]
Complex128Array = NDArray[np.complex128]

WINDOW_S = 0.085
MAX_WINDOWS = 2500
LEAST_DRIFT_FRAMES = 1.0  # along the recording; less changes nothing
EVEN = 0.3  # of the drift of the whole: a half that drifts by less, or the other way, shows that it is none
RELEASE_WINDOWS = 64  # after so many windows the memory of what is on disk is given back
WINDOWS_AT_ONCE = 16  # are transformed
MOST_DRIFT = 1e-3  # frames a frame: five times what two bad crystals do


@dataclass(frozen=True)
class Step:
    """Where a delay changes at once, by how many frames, and from where to where it may lie."""

    at: float
    frames: float
    first: float
    last: float


@dataclass(frozen=True)
class Line:
    """A delay that changes evenly, `frames` in the middle of the recording, `slope` frames a frame, and in steps.

    With steps, `frames` is what the delay would be in the middle without them.
    """

    frames: float
    slope: float
    middle: float
    steps: tuple[Step, ...] = ()

    def at(self, position: float) -> float:
        """The delay at a frame."""
        stepped = sum(step.frames for step in self.steps if position >= step.at)
        return self.frames + self.slope * (position - self.middle) + stepped


def window_frames(sample_rate: int) -> int:
    """The length of the windows of a spectrum: the power of two nearest to 85 ms."""
    return 1 << round(math.log2(WINDOW_S * sample_rate))


def hann_window(size: int) -> Float64Array:
    """A Hann window whose copies, shifted by half a window, add up to 1."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size), np.float64)


def follow_lags(lags: Float64Array, middles: Float64Array, frames: int, common: float) -> Line:
    """The trend of the lags of the excerpts (Theil and Sen), if there is a clear one, else the lag that all share."""
    level = Line(float(common), 0.0, frames / 2)
    if len(lags) < 3:
        return level
    a, b = np.triu_indices(len(lags), 1)
    slope = float(np.median((lags[b] - lags[a]) / (middles[b] - middles[a])))
    here = float(np.median(lags - slope * (middles - frames / 2)))
    off = float(np.median(np.abs(lags - here - slope * (middles - frames / 2))))
    # lags of a steady pair vary by 20 frames with what is played
    if abs(slope) * frames < max(64.0, 6 * off) or abs(slope) > MOST_DRIFT:
        return level
    return Line(here, slope, frames / 2)


def place_windows(dry: Float32Array, wet: Float32Array, size: int, line: Line) -> list[int]:
    """The first frames of windows of the dry side, evenly spread, whose wet counterparts lie in the file."""
    ends = [line.at(place) for step in line.steps for place in (step.at - 1, step.at)]
    lowest, highest = min(ends := [*ends, line.at(0), line.at(len(dry))]), max(ends)
    first = max(0, int(np.ceil(-lowest)) + 1)
    last = min(len(dry), len(wet) - int(np.ceil(highest)) - 1) - size
    count = min(MAX_WINDOWS, 1 + (last - first) // (size // 2)) if last >= first else 0
    windows = [int(n) for n in np.linspace(first, last, count)]
    return [n for n in windows if not any(n + size > step.first and n < step.last for step in line.steps)]


def sum_spectra(
    dry: Float32Array, wet: Float32Array, windows: list[int], size: int, line: Line
) -> list[tuple[Float64Array, Complex128Array]]:
    """The power spectrum of the dry side and the cross-spectrum to the wet one, laid along the line.

    Twice: summed over the windows as they are, and with each window brought to the same dry power. A fuzz is nearer to
    linear where it is played softly: the second finds its onset eight times as sharply.
    """
    hann = hann_window(size)
    turn = -2j * np.pi * np.arange(size // 2 + 1) / size
    powers, crosses = np.zeros((2, size // 2 + 1)), np.zeros((2, size // 2 + 1), np.complex128)
    floor = 1e-5 * size**2 * _mean_square(dry, windows[::16], size)
    for first in range(0, len(windows), WINDOWS_AT_ONCE):
        if first % RELEASE_WINDOWS == 0:
            release_pages(dry)
            release_pages(wet)
        starts = windows[first : first + WINDOWS_AT_ONCE]
        delays = [line.at(start + size / 2) for start in starts]
        whole = [round(delay) for delay in delays]
        x = np.fft.rfft(np.stack([dry[n : n + size] for n in starts]) * hann)
        y = np.fft.rfft(np.stack([wet[n + w : n + w + size] for n, w in zip(starts, whole, strict=True)]) * hann)
        if line.slope:
            y *= np.exp(np.outer(np.subtract(whole, delays), turn))
        power, cross = x.real**2 + x.imag**2, np.conj(x) * y
        weights = 1 / np.maximum(power.sum(axis=1) + floor, 1e-30)
        powers += [power.sum(axis=0), (weights[:, None] * power).sum(axis=0)]
        crosses += [cross.sum(axis=0), (weights[:, None] * cross).sum(axis=0)]
    return list(zip(powers, crosses, strict=True))


def _mean_square(audio: Float32Array, starts: list[int], size: int) -> float:
    return (
        float(np.mean([np.mean(np.square(audio[n : n + size], dtype=np.float64)) for n in starts])) if starts else 0.0
    )


def refine_drift(
    dry: Float32Array,
    wet: Float32Array,
    windows: list[int],
    size: int,
    line: Line,
) -> float:
    """What is left of the drift, in frames a frame; 0 where it cannot be told from chance.

    The cross-spectrum of each of eight parts is compared with the response in the middle of the recording, so that the
    phase of the effect drops out: what stays is the delay of the part.
    """
    parts = [list(part) for part in np.array_split(windows, 8)]
    if len(parts[-1]) < 16:
        return 0.0
    dry_power, cross = sum_spectra(dry, wet, [*parts[3], *parts[4]], size, line)[0]
    if not dry_power.any():  # silence in the middle
        return 0.0
    response = cross / np.maximum(dry_power, 1e-9 * dry_power.max())
    reach, up = size // 8, 16
    lags, middles = [], []
    for part in parts:
        of_part = sum_spectra(dry, wet, part, size, line)[0][1]
        likeness = of_part * np.conj(response)
        likeness /= np.maximum(np.abs(likeness), 1e-30) ** 0.5
        fine = np.fft.irfft(likeness, size * up)
        fine = np.concatenate([fine[-reach * up :], fine[: reach * up]])
        lags.append((int(fine.argmax()) - reach * up) / up)
        middles.append(float(np.mean(part)) + size / 2)
    x, y = np.array(middles), np.array(lags)
    a, b = np.triu_indices(len(y), 1)
    slope = float(np.median((y[b] - y[a]) / (x[b] - x[a])))
    halves = [np.polyfit(x[half], y[half], 1)[0] for half in (slice(4), slice(4, None))]
    if min(half / slope if slope else 0.0 for half in halves) < EVEN:
        return 0.0
    off = y - np.median(y) - slope * (x - np.median(x))
    scatter = 1.48 * float(np.median(np.abs(off - np.median(off)))) + 1 / up
    error = scatter / (np.std(x) * np.sqrt(len(x)))
    return slope if abs(slope) > max(8 * error, LEAST_DRIFT_FRAMES / len(dry)) else 0.0
