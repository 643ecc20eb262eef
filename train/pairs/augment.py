"""Data augmentation for short recordings: changes of segments for which the correct output of the effect is known.

* `gain`: dry and wet louder or softer by the same random factor. True for a linear effect only.
* `polarity`: dry and wet inverted, half of the time. True only where the effect is odd: f(−x) = −f(x).
* `noise`: white noise on the dry side alone, so faint that the wet side stays true.

What an effect must be like is measured on its recordings, and an augmentation that would teach something untrue is
refused. Powers are mean squares, shares are of the wet power, 0 to 1; levels are in dB of full scale.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fxhost.arrays import Float32Array
from fxhost.errors import TrainingError
from train.pairs.check import DIGITAL_SILENCE, PAUSE_DB
from train.pairs.drift import hann_window
from train.pairs.levels import QUIET_SHARE, TENTH_S, measure_levels
from train.pairs.pair import Pair
from train.pairs.source import release_pages

Float64Array = NDArray[np.float64]
Excerpt = tuple[Float64Array, Float64Array]  # dry and wet
TINY = 1e-30

AUGMENTATIONS = ("gain", "polarity", "noise")

GAIN_DB = 12.0  # either way
LINEAR_LIMIT = 1e-3  # of the wet power that no filter explains
EVEN_LIMIT = 5e-3  # of the wet power, two standard errors included
UNEXPLAINED_LIMIT = 0.3  # of the wet power: a model that misses more tells nothing about the effect
BELOW_FLOOR_DB = 6.0  # the noise of the dry side grows by 1 dB
LEAST_NOISE_DB = -100.0  # the rounding of 16 bits is as loud

MEMORY_S = 0.17  # of the linear filter: a cabinet rings as long
REACH_S = 0.019  # of the filters behind the shapes
DRIVE_S = 0.04  # of the linear filter in front of the shapes
ITERATIONS = 300  # of the conjugate gradients
ROWS = 60_000  # samples of the wet side that the shapes are fitted to
BASS_HZ = 700.0  # what overdrives take out before they clip
STEEPNESSES = (0.7, 2.0, 6.0, 20.0)  # of tanh, per RMS: from a hint of distortion to a fuzz
RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class Augmentation:
    """What is done to every batch of segments."""

    gain: bool = False
    polarity: bool = False
    noise: float = 0.0  # RMS, linear; 0 for none
    findings: dict[str, Any] = field(default_factory=dict, compare=False)  # what was measured, JSON-able

    def apply(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Change each segment of a batch by itself.

        Parameters
        ----------
        x, y : Tensor (batch, warm-up + frames, 1), Tensor (batch, frames)
            Dry and wet; not changed in place.
        generator : torch.Generator
            On the CPU. How much is drawn depends on the shapes alone, and nothing is where nothing is to be done.

        Returns
        -------
        x, y : Tensor
        """
        factor = torch.ones(len(x))
        if self.gain:
            peak = torch.maximum(x.abs().amax(dim=(1, 2)), y.abs().amax(dim=1)).cpu()
            # what is at full scale already is not made louder, and nothing is made to clip
            highest_db = (-20 * torch.log10(peak.clamp(min=1e-9))).clamp(0.0, GAIN_DB)
            share = torch.rand(len(x), generator=generator)
            factor = 10 ** ((share * (highest_db + GAIN_DB) - GAIN_DB) / 20)
        if self.polarity:
            factor = torch.where(torch.rand(len(x), generator=generator) < 0.5, -factor, factor)
        if self.gain or self.polarity:
            factor = factor.to(x.device)
            x, y = x * factor[:, None, None], y * factor[:, None]
        if self.noise:
            x = x + self.noise * torch.randn(x.shape, generator=generator).to(x.device)
        return x, y


def prepare_augmentation(names: Sequence[str], pairs: Sequence[Pair]) -> Augmentation:
    """Measure whether the effect allows what is asked for.

    Parameters
    ----------
    names : sequence of str
        Of `AUGMENTATIONS`, in any order.
    pairs : sequence of Pair
        All recordings that are trained on. Each must allow it; the faintest noise is taken.

    Returns
    -------
    Augmentation

    Raises
    ------
    TrainingError
        If a name is unknown, or an effect is not linear (`gain`) or not odd (`polarity`).
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise TrainingError(f"augment has no {name!r}; give {', '.join(AUGMENTATIONS)} or several of them")
    measured: list[dict[str, Any]] = [{} for _ in pairs]
    for pair, found in zip(pairs, measured, strict=True):
        if "gain" in names or "polarity" in names:
            found["linear_error"], response = _measure_linear_error(pair)
            if "gain" in names:
                _check_linear(found["linear_error"])
            if "polarity" in names:
                even = _measure_even(pair, response)
                found |= zip(("even_share", "even_error", "unexplained"), even, strict=True)
                _check_odd(*even)
        if "noise" in names:
            found["noise_db"] = _choose_noise_db(pair.dry, pair.sample_rate)
    noise_db = min((found["noise_db"] for found in measured if "noise_db" in found), default=None)
    return Augmentation(
        gain="gain" in names,
        polarity="polarity" in names,
        noise=0.0 if noise_db is None else 10 ** (noise_db / 20),
        findings={"names": [name for name in AUGMENTATIONS if name in names], "noise_db": noise_db, "pairs": measured},
    )


def _check_linear(error: float) -> None:
    if not error <= LINEAR_LIMIT:  # also true for NaN
        raise TrainingError(
            f"gain needs a linear effect: no filter explains {100 * error:.3g} % of the wet power, where "
            f"{100 * LINEAR_LIMIT:g} % is the most; leave gain out"
        )


def _check_odd(share: float, error: float, unexplained: float) -> None:
    if not share + 2 * error <= EVEN_LIMIT:
        raise TrainingError(
            f"polarity needs an effect that is the same inverted: {100 * share:.2g} ± {200 * error:.1g} % of the wet "
            f"power is not, and at most {100 * EVEN_LIMIT:g} % in all may be so; record more or leave polarity out"
        )
    if not unexplained <= UNEXPLAINED_LIMIT:
        raise TrainingError(
            f"whether the effect is the same inverted cannot be told: no model explains {100 * unexplained:.0f} % of "
            f"the wet power, where {100 * UNEXPLAINED_LIMIT:g} % is the most; leave polarity out"
        )


def _cut_excerpts(pair: Pair, count: int, seconds: float, context: int) -> list[Excerpt]:
    """The excerpts, dry and wet, where the wet side is loudest in each part, `context` frames put before each."""
    frames, cut = len(pair.dry), []
    length = min(int(seconds * pair.sample_rate) + context, frames // 4)
    parts = min(count, frames // length)
    for part in range(parts):
        offered = np.linspace(frames * part // parts, frames * (part + 1) // parts - length, 4).astype(int)
        loudness = [np.sum(np.square(pair.wet[n : n + length : 17], dtype=np.float64)) for n in offered]
        n = int(offered[int(np.argmax(loudness))])
        cut.append((pair.dry[n : n + length].astype(np.float64), pair.wet[n : n + length].astype(np.float64)))
    release_pages(pair.dry)
    release_pages(pair.wet)
    return cut


def _measure_linear_error(pair: Pair) -> tuple[float, Float64Array]:
    """The share of the wet power that a causal linear filter leaves on excerpts it was not fitted to; the filter.

    Noise and echoes beyond the filter count as much as distortion: near 0 is linear for certain, more may still be.
    Measured: 1.4e-4 and less for an RC low-pass and cabinets, up to 9e-4 with 10 s of audio; 1e-4 and 2e-4 for noise
    at −40 dB; 3e-3 for 2 % of x², 0.06 to 1 for overdrives, fuzzes, boosters and compressors.
    """
    taps = int(MEMORY_S * pair.sample_rate)
    excerpts = _cut_excerpts(pair, 8, 3.0, taps)
    filters = [_fit_filter(excerpts[half::2], taps) for half in (0, 1)]
    rests = [(y - _convolve(x, filters[(n + 1) % 2]))[taps:] for n, (x, y) in enumerate(excerpts)]
    error = sum(float(rest @ rest) for rest in rests)
    power = sum(float(y[taps:] @ y[taps:]) for _, y in excerpts)
    return min(1.0, error / power) if power else 1.0, (filters[0] + filters[1]) / 2


def _fit_filter(excerpts: list[Excerpt], taps: int) -> Float64Array:
    """The least-squares filter: the Wiener-Hopf equations by conjugate gradients, their Toeplitz matrix by FFT."""
    frames = len(excerpts[0][0])
    size = 1 << (frames + taps).bit_length()
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(frames) + 0.5) / frames)  # what came before the excerpt fades
    power, cross = np.zeros(size // 2 + 1), np.zeros(size // 2 + 1, np.complex128)
    for x, y in excerpts:
        spectrum = np.fft.rfft(hann * x, size)
        power += np.abs(spectrum) ** 2
        cross += np.conj(spectrum) * np.fft.rfft(hann * y, size)
    column, rest = np.fft.irfft(power, size)[:taps], np.fft.irfft(cross, size)[:taps]
    column[0] = column[0] * (1 + 1e-9) + TINY  # a guitar has no treble: keep what nothing is known of at bay
    toeplitz = np.fft.rfft(np.concatenate([column, [0.0], column[:0:-1]]))
    share = np.arange(taps) / taps  # Chan's circulant, nearest to the matrix, makes some dozens of steps enough
    circulant = np.fft.rfft((1 - share) * column + share * np.roll(column[::-1], 1)).real
    response = np.zeros(taps)
    eased = direction = np.fft.irfft(np.fft.rfft(rest) / circulant, taps)
    first = now = float(rest @ eased)
    for _ in range(ITERATIONS):
        if now <= 1e-10 * first:  # or silence
            break
        image = np.fft.irfft(toeplitz * np.fft.rfft(direction, 2 * taps), 2 * taps)[:taps]
        step = now / float(direction @ image)
        response += step * direction
        rest = rest - step * image
        eased = np.fft.irfft(np.fft.rfft(rest) / circulant, taps)
        before, now = now, float(rest @ eased)
        direction = eased + now / before * direction
    return response


def _measure_even(pair: Pair, response: Float64Array) -> tuple[float, float, float]:
    """How much worse a model becomes that must treat both polarities alike: share, its standard error, unexplained.

    A plain statistic such as the correlation with x² fails on a guitar, whose own waveform is not symmetric. Instead
    the dry side, its treble, and what the nearest linear filter makes of it go through odd shapes, x and tanh(kx), and
    even ones, x tanh(x) and tanh²(kx), each with a free causal filter behind it (steps over the lags, ever wider). One
    model has the odd shapes, the other all. Training with inverted copies allows odd models only. `share` is the
    increase of the error by this restriction. Both are fitted to every second excerpt and judged on the rest, then the
    other way round, each with its best ridge. `unexplained` is what the model with all leaves of the wet power.

    Measured, share and standard error in % of the wet power, on whole pairs. Odd for certain: tanh with filters around
    it, crossover distortion, a compressor, −0.1 to 0.2 ± 0.1. Overdrive 0.1 ± 0.06, fuzz 9 ± 1.3 and 12 ± 1.1, diode
    clipper with unlike halves 2.7 ± 0.5 and 4.0 ± 1.9, treble booster 3.9 ± 1.2, LTspice gain stage 0.8 ± 0.08, 0.5 ±
    0.05 and, at full gain, 0.3 ± 0.06. The measure finds half to all of the even part (0.5 of 0.8, 1.1 of 2.1), so up
    to 1 may go unnoticed. The error is scatter alone: in 12.5 s of one take tanh behind a filter that no drive matches,
    odd for certain, got up to 0.7 ± 0.07, the overdrive 1.3 ± 0.14. Little audio is refused rather than believed.
    """
    rate, context = pair.sample_rate, int((REACH_S + DRIVE_S) * pair.sample_rate) + 1
    excerpts = _cut_excerpts(pair, 32, 0.7, context)
    edges = np.unique(np.append(0, np.round(np.geomspace(1, REACH_S * rate, 18)).astype(np.int64)))  # lags in frames
    pole, reach = math.exp(-2 * math.pi * BASS_HZ / rate), int(DRIVE_S * rate)
    treble: Float64Array = np.append(1.0, np.zeros(reach)) - (1 - pole) * pole ** np.arange(reach + 1.0)
    drives = [(x, _convolve(x, treble), _convolve(x, response[:reach])) for x, _ in excerpts]
    scales = [1 / max(math.sqrt(np.mean([np.mean(u[n] ** 2) for u in drives])), TINY) for n in range(3)]
    rng, products, odd = np.random.default_rng(0), [], 0
    for (_, y), driven in zip(excerpts, drives, strict=True):
        count = min(ROWS // len(excerpts), len(y) - context)
        rows = context + np.sort(rng.choice(len(y) - context, count, replace=False))
        inputs = [scale * u for u, scale in zip(driven, scales, strict=True)]
        shapes = [shape for u in inputs for shape in (u, *(np.tanh(k * u) for k in STEEPNESSES))]
        odd = len(shapes) * (len(edges) - 1)
        shapes += [shape for u in inputs for shape in (u * np.tanh(u), *(np.tanh(k * u) ** 2 for k in STEEPNESSES))]
        totals = (np.append(0.0, np.cumsum(shape))[rows[:, None] + 1 - edges] for shape in shapes)
        averages = [(total[:, :-1] - total[:, 1:]) / np.diff(edges) for total in totals]  # (rows, steps)
        # an offset, which is even, and the target close the columns
        columns = np.column_stack([*averages, np.ones(len(rows)), y[rows]]).astype(np.float32)
        products.append((columns.T @ columns).astype(np.float64))
    power = max(sum(product[-1, -1] for product in products), TINY)
    odd_errors, errors = (_judge_model(products, size) / power for size in (odd, len(products[0]) - 1))
    costs = odd_errors - errors
    return float(costs.sum()), math.sqrt(len(costs)) * float(costs.std(ddof=1)), float(errors.sum())


def _judge_model(products: list[Float64Array], size: int) -> Float64Array:
    """The squared error on each excerpt of a model of the first columns, fitted to the other half of the excerpts."""
    keep = [*range(size), -1]  # the last column is the target
    parts, best = [product[np.ix_(keep, keep)] for product in products], np.full(len(products), np.inf)
    for ridge in RIDGES:
        errors = np.zeros(len(parts))
        for half in (0, 1):
            total = np.sum(parts[half::2], axis=0)
            scale = 1 / np.sqrt(np.maximum(np.diag(total)[:-1], TINY))
            matrix = total[:-1, :-1] * scale[:, None] * scale + ridge * np.eye(size)
            weights = np.append(scale * np.linalg.solve(matrix, scale * total[:-1, -1]), -1.0)
            for n in range(1 - half, len(parts), 2):
                errors[n] = weights @ parts[n] @ weights
        if errors.sum() < best.sum():
            best = errors
    return best


def _convolve(x: Float64Array, response: Float64Array) -> Float64Array:
    size = 1 << (len(x) + len(response)).bit_length()
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(response, size), size)[: len(x)]


def _choose_noise_db(dry: Float32Array, sample_rate: int) -> float:
    """6 dB below the hiss of a dry recording; −100 dB where that is fainter or there is none to be measured.

    The hiss is the median of the spectrum of the quietest fiftieth of the recording, tenth of a second by tenth, so
    that neither hum nor the last of a note counts. Where even that is no pause, or is digital silence, −100 dB are
    taken instead of a refusal: no more than 16 bits add by rounding.
    """
    levels, tenth = measure_levels(dry, sample_rate), int(TENTH_S * sample_rate)
    if not DIGITAL_SILENCE < levels.floor**2 < levels.rms**2 / 10 ** (PAUSE_DB / 10):
        return LEAST_NOISE_DB
    quietest = np.argsort(levels.tenths)[: max(1, int(QUIET_SHARE * len(levels.tenths)))]
    hann = hann_window(tenth)
    windows = np.stack([dry[n * tenth : (n + 1) * tenth] * hann for n in quietest])
    release_pages(dry)
    spectrum = np.mean(np.abs(np.fft.rfft(windows)) ** 2, axis=0)
    power = float(np.median(spectrum)) / float(np.sum(hann**2))  # a mean square, were it white
    return max(LEAST_NOISE_DB, 10 * math.log10(max(power, TINY)) - BELOW_FLOOR_DB)
