"""Make more of little audio: change segments in ways under which what the effect would answer is known.

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

from fxhost.errors import TrainingError
from fxhost.preset import Float32Array
from train.check import DIGITAL_SILENCE, PAUSE_DB
from train.levels import QUIET_SHARE, TENTH_S, measure_levels
from train.pair import SHORTEST_S, Pair
from train.source import release_pages

Float64Array = NDArray[np.float64]

AUGMENTATIONS = ("gain", "polarity", "noise")

GAIN_DB = 12.0  # either way
LINEAR_LIMIT = 1e-3  # of the wet power that no filter explains; measured below 2e-4 for filters, 0.07 and more else
EVEN_LIMIT = 5e-3  # of the wet power, with two standard errors
UNEXPLAINED_LIMIT = 0.3  # of the wet power: a model that misses more tells nothing about the effect
BELOW_FLOOR_DB = 6.0  # the noise of the dry side grows by 1 dB
LEAST_NOISE_DB = -100.0  # the rounding of 16 bits is as loud

EXCERPTS = 32
EXCERPT_S = 0.7
MEMORY_S = 0.043  # of the linear filter
REACH_S = 0.019  # of the filters behind the shapes
ITERATIONS = 300  # of the conjugate gradients
ROWS = 60_000  # samples of the wet side that the shapes are fitted to
BASS_HZ = 700.0  # what overdrives take out before they clip
STEEPNESSES = (0.7, 2.0, 6.0, 20.0)  # of tanh, per RMS: from a hint of distortion to a fuzz
RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class Augmentation:
    """What is done to every batch of segments.

    Attributes
    ----------
    gain, polarity : bool
    noise : float
        The RMS of the noise, linear; 0 for none.
    findings : dict
        What was measured, JSON-able.
    """

    gain: bool = False
    polarity: bool = False
    noise: float = 0.0
    findings: dict[str, Any] = field(default_factory=dict, compare=False)

    def apply(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Change each segment of a batch by itself.

        Parameters
        ----------
        x : Tensor (batch, warm-up + frames, 1)
            Dry; not changed in place.
        y : Tensor (batch, frames)
            Wet; not changed in place.
        generator : torch.Generator
            On the CPU. How much is drawn depends on the shapes alone, and nothing is where nothing is to be done.

        Returns
        -------
        x, y : Tensor
            Of the same shapes.
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
        If a name is unknown, a pair is too short, or an effect is not linear (`gain`) or not odd (`polarity`).
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise TrainingError(f"augment is {name!r}, expected {', '.join(AUGMENTATIONS)}; choose of them")
    measured: list[dict[str, Any]] = []
    for pair in pairs if names else ():
        found: dict[str, Any] = {}
        if "gain" in names or "polarity" in names:
            dry, wet = _cut_excerpts(pair)
            found["linear_error"], response = measure_linear_error(dry, wet, pair.sample_rate)
            if "gain" in names:
                _check_linear(found["linear_error"])
            if "polarity" in names:
                even = measure_even_share(dry, wet, response, pair.sample_rate)
                found["even_share"], found["even_error"], found["unexplained"] = even
                _check_odd(*even)
        if "noise" in names:
            found["noise_db"] = choose_noise_db(pair.dry, pair.sample_rate)
        measured.append(found)
    noise_db = min((found["noise_db"] for found in measured if "noise_db" in found), default=None)
    return Augmentation(
        gain="gain" in names,
        polarity="polarity" in names,
        noise=0.0 if noise_db is None else 10 ** (noise_db / 20),
        findings={"names": [name for name in AUGMENTATIONS if name in names], "noise_db": noise_db, "pairs": measured},
    )


def _check_linear(error: float) -> None:
    if not error <= LINEAR_LIMIT:
        raise TrainingError(
            f"gain needs a linear effect: got {100 * error:.2g} % of the wet power that no filter explains, expected "
            f"at most {100 * LINEAR_LIMIT:g} %; leave gain out"
        )


def _check_odd(share: float, error: float, unexplained: float) -> None:
    if not share + 2 * error <= EVEN_LIMIT:
        raise TrainingError(
            f"polarity needs an effect that treats both polarities alike: got {100 * share:.2g} ± {100 * error:.1g} % "
            f"of the wet power that differs, expected at most {100 * EVEN_LIMIT:g} % for certain; leave polarity out"
        )
    if not unexplained <= UNEXPLAINED_LIMIT:
        raise TrainingError(
            f"whether the effect treats both polarities alike cannot be told: got {100 * unexplained:.0f} % of the wet "
            f"power that no model explains, expected at most {100 * UNEXPLAINED_LIMIT:g} %; leave polarity out"
        )


def _cut_excerpts(pair: Pair) -> tuple[list[Float64Array], list[Float64Array]]:
    """The loudest excerpt of each of up to `EXCERPTS` parts of a pair, the audio that sets the memory in front."""
    if pair.seconds < SHORTEST_S:
        raise TrainingError(
            f"the pair is too short to augment: got {pair.seconds:.2f} s, expected at least {SHORTEST_S:g} s; "
            "leave gain and polarity out"
        )
    frames, context = len(pair.dry), _context_frames(pair.sample_rate)
    length = min(int(EXCERPT_S * pair.sample_rate) + context, frames // 8)
    parts = min(EXCERPTS, frames // length)
    starts = []
    for part in range(parts):
        first, last = frames * part // parts, frames * (part + 1) // parts - length
        offered = np.linspace(first, last, 4).astype(int)
        loudness = [np.sum(np.square(pair.wet[n : n + length : 17], dtype=np.float64)) for n in offered]
        starts.append(int(offered[int(np.argmax(loudness))]))
    cut = tuple([side[n : n + length].astype(np.float64) for n in starts] for side in (pair.dry, pair.wet))
    release_pages(pair.dry)
    release_pages(pair.wet)
    return cut[0], cut[1]


def _context_frames(sample_rate: int) -> int:
    return int((MEMORY_S + REACH_S) * sample_rate) + 1


def measure_linear_error(
    dry: list[Float64Array], wet: list[Float64Array], sample_rate: int
) -> tuple[float, Float64Array]:
    """The share of the wet power that a causal linear filter of 43 ms leaves, on excerpts that it was not fitted to.

    Parameters
    ----------
    dry, wet : list of float64 (frames,)
        At least two excerpts.
    sample_rate : int
        In Hz.

    Returns
    -------
    error : float
        Distortion, but also noise and echoes beyond 43 ms: 0 is certainly linear, more may still be.
    response : float64 (taps,)
        Of the filter.

    Notes
    -----
    @LINEAR@
    """
    taps = int(MEMORY_S * sample_rate)
    context = _context_frames(sample_rate)
    halves = [_fit_filter(dry[half::2], wet[half::2], taps) for half in (0, 1)]
    error = power = 0.0
    for n, (x, y) in enumerate(zip(dry, wet, strict=True)):
        rest = (y - _convolve(x, halves[(n + 1) % 2]))[context:]
        error += float(rest @ rest)
        power += float(y[context:] @ y[context:])
    return error / max(power, 1e-30), (halves[0] + halves[1]) / 2


def _fit_filter(dry: list[Float64Array], wet: list[Float64Array], taps: int) -> Float64Array:
    """The least-squares filter: the Wiener-Hopf equations by conjugate gradients, their Toeplitz matrix by FFT."""
    size = _fft_size(len(dry[0]) + taps)
    power, cross = np.zeros(size // 2 + 1), np.zeros(size // 2 + 1, np.complex128)
    for x, y in zip(dry, wet, strict=True):
        spectrum = np.fft.rfft(x, size)
        power += np.abs(spectrum) ** 2
        cross += np.conj(spectrum) * np.fft.rfft(y, size)
    column, right = np.fft.irfft(power, size)[:taps], np.fft.irfft(cross, size)[:taps]
    column[0] *= 1 + 1e-9  # guitars have no treble: keep what nothing is known of at bay
    circulant = np.fft.rfft(np.concatenate([column, [0.0], column[:0:-1]]))
    response, rest = np.zeros(taps), right.copy()
    direction, square = rest.copy(), float(rest @ rest)
    first = square
    for _ in range(ITERATIONS):
        if square <= 1e-24 * first:
            break
        image = np.fft.irfft(circulant * np.fft.rfft(direction, 2 * taps), 2 * taps)[:taps]
        step = square / float(direction @ image)
        response += step * direction
        rest -= step * image
        before, square = square, float(rest @ rest)
        direction = rest + square / before * direction
    return response


def measure_even_share(
    dry: list[Float64Array], wet: list[Float64Array], response: Float64Array, sample_rate: int
) -> tuple[float, float, float]:
    """How much worse a model becomes that must treat both polarities alike.

    Parameters
    ----------
    dry, wet : list of float64 (frames,)
        At least two excerpts.
    response : float64 (taps,)
        The linear filter that comes nearest to the effect.
    sample_rate : int
        In Hz.

    Returns
    -------
    share : float
        Of the wet power, that the even part of the model explains; about 0 for an odd effect.
    error : float
        The standard error of `share`.
    unexplained : float
        The share of the wet power that the whole model leaves.

    Notes
    -----
    A plain statistic such as the correlation with x² fails on a guitar, whose own waveform is not symmetric. Instead
    the dry side, its treble, and what the nearest linear filter makes of it go through odd shapes, x and tanh(kx), and
    even ones, x tanh(x) and tanh²(kx), each followed by a free causal filter (steps over the lags, wider and wider).
    One model has the odd shapes, the other all. To train with inverted copies is to allow odd models only, so the
    share is what that costs. Both are fitted to every second excerpt and judged on the rest, then the other way
    round, each with the ridge that suits it best: what is not there to be explained makes neither better.

    @EVEN@
    """
    context = _context_frames(sample_rate)
    edges = np.unique(np.round(np.geomspace(1, REACH_S * sample_rate, 18)).astype(np.int64))
    edges = np.concatenate([[0], edges])
    driven = [(x, _cut_bass(x, sample_rate), _convolve(x, response)) for x in dry]
    scales = [1 / max(math.sqrt(np.mean([np.mean(d[n] ** 2) for d in driven])), 1e-30) for n in range(3)]
    rng = np.random.default_rng(0)
    grams, rights, powers, odds = [], [], [], 0
    for drives, y in zip(driven, wet, strict=True):
        count = min(ROWS // len(dry), len(y) - context)
        rows = context + np.sort(rng.choice(len(y) - context, count, replace=False))
        odd = [shape for u, scale in zip(drives, scales, strict=True) for shape in _shape_odd(scale * u)]
        even = [shape for u, scale in zip(drives, scales, strict=True) for shape in _shape_even(scale * u)]
        steps = len(edges) - 1
        odds = len(odd) * steps
        columns = np.ones((len(rows), (len(odd) + len(even)) * steps + 1), np.float32)  # the last: an offset is even
        for n, shape in enumerate(odd + even):
            columns[:, n * steps : (n + 1) * steps] = _average_lags(shape, rows, edges)
        target = y[rows].astype(np.float32)
        grams.append((columns.T @ columns).astype(np.float64))
        rights.append((columns.T @ target).astype(np.float64))
        powers.append(float(target @ target))
    odd_errors = _judge_models(grams, rights, powers, odds)
    all_errors = _judge_models(grams, rights, powers, len(rights[0]))
    power = max(sum(powers), 1e-30)
    gains = (odd_errors - all_errors) / power
    error = math.sqrt(len(gains)) * float(gains.std(ddof=1))
    return float(gains.sum()), error, float(all_errors.sum()) / power


def _shape_odd(u: Float64Array) -> list[Float64Array]:
    return [u, *(np.tanh(k * u) for k in STEEPNESSES)]


def _shape_even(u: Float64Array) -> list[Float64Array]:
    return [u * np.tanh(u), *(np.tanh(k * u) ** 2 for k in STEEPNESSES)]


def _average_lags(signal: Float64Array, rows: NDArray[np.int64], edges: NDArray[np.int64]) -> Float64Array:
    """The mean of the signal between every two edges of lags before each row, (rows, edges − 1)."""
    total = np.concatenate([[0.0], np.cumsum(signal)])
    at_edges = total[rows[:, None] + 1 - edges]
    return (at_edges[:, :-1] - at_edges[:, 1:]) / np.diff(edges)


def _judge_models(
    grams: list[Float64Array], rights: list[Float64Array], powers: list[float], columns: int
) -> Float64Array:
    """The squared error on each excerpt of a model of the first columns, fitted to the other half of the excerpts."""
    best = np.full(len(grams), np.inf)
    for ridge in RIDGES:
        errors = np.zeros(len(grams))
        for half in (0, 1):
            gram = np.sum(grams[half::2], axis=0)[:columns, :columns]
            scale = 1 / np.sqrt(np.maximum(np.diag(gram), 1e-30))
            matrix = gram * scale[:, None] * scale + ridge * np.eye(columns)
            weights = scale * np.linalg.solve(matrix, scale * np.sum(rights[half::2], axis=0)[:columns])
            for n in range(1 - half, len(grams), 2):
                image = grams[n][:columns, :columns] @ weights
                errors[n] = powers[n] - 2 * weights @ rights[n][:columns] + weights @ image
        if errors.sum() < best.sum():
            best = errors
    return best


def _cut_bass(x: Float64Array, sample_rate: int) -> Float64Array:
    pole = math.exp(-2 * math.pi * BASS_HZ / sample_rate)
    reach = int(12 * sample_rate / (2 * math.pi * BASS_HZ))  # what comes later is below −100 dB
    return x - _convolve(x, (1 - pole) * pole ** np.arange(reach))


def _convolve(x: Float64Array, response: Float64Array) -> Float64Array:
    size = _fft_size(len(x) + len(response))
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(response, size), size)[: len(x)]


def _fft_size(frames: int) -> int:
    return 1 << math.ceil(math.log2(frames))


def choose_noise_db(dry: Float32Array, sample_rate: int) -> float:
    """The level in dB of full scale of white noise that a dry recording can bear.

    Parameters
    ----------
    dry : float32 (frames,)
        May be memory-mapped: it is read in pieces.
    sample_rate : int
        In Hz.

    Returns
    -------
    float
        6 dB below the hiss of the recording, and −100 dB where that is fainter or there is none to be measured.

    Notes
    -----
    The hiss is the median of the spectrum of the quietest fiftieth of the recording, tenth of a second by tenth, so
    that neither hum nor the last of a note counts. Where even that is no pause (less than 25 dB below the whole)
    or is digital silence, −100 dB is taken, no more than 16 bits add by rounding, instead of a refusal: it changes
    nothing that anyone could hear.
    """
    levels = measure_levels(dry, sample_rate)
    tenth = int(TENTH_S * sample_rate)
    count = max(1, int(QUIET_SHARE * len(levels.tenths)))
    quietest = np.argsort(levels.tenths)[:count]
    loudest_pause = levels.rms**2 / 10 ** (PAUSE_DB / 10)
    if not DIGITAL_SILENCE < levels.floor**2 < loudest_pause:
        return LEAST_NOISE_DB
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(tenth) / tenth)
    spectrum = np.zeros(tenth // 2 + 1)
    for place in quietest:
        window = dry[place * tenth : (place + 1) * tenth] * hann
        spectrum += np.abs(np.fft.rfft(window)) ** 2
    release_pages(dry)
    power = float(np.median(spectrum)) / (count * float(np.sum(hann**2)))  # a mean square, were it white
    return max(LEAST_NOISE_DB, 10 * math.log10(max(power, 1e-30)) - BELOW_FLOOR_DB)
