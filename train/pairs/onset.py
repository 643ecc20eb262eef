"""Find the onset of the impulse response of an effect from spectra: the delay of the recording chain, without the phase
shift of the effect itself.

The dry side is turned into its unpredictable part by a linear predictor, which keeps causes before their effects. The
correlation of the wet side with that part, both passed through the predictor, is zero before the effect answers and
its impulse response afterwards, seen through a short known kernel. A causal response is fitted to it for every delay
in small steps; the delay that fits best is the one.

References
----------
.. [#] J. Makhoul, "Linear prediction: A tutorial review", Proceedings of the IEEE 63(4), 1975: the predictor from the
   autocorrelation (eq. 37-38, Levinson and Durbin).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Complex128Array = NDArray[np.complex128]

ORDER = 48  # of the predictor
# White noise that the predictor is made to expect, over the power of the dry side: the more, the fewer of the weak high
# frequencies count.
NOISES = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
EXPLAINED = 0.8  # the share of the response that a fit must explain to be believed
LOST_PER_DECADE = 0.4  # frames of uncertainty that ten times the expected noise counts for
BEFORE, AFTER = 24, 24  # frames of the response that are fitted, around its peak
EARLIEST, LATEST = -20, 4  # where the onset is looked for, from the peak
STEPS = 20  # a frame
LEAST_SHARE = 1e-6  # of the largest shape: a smaller remainder is rounding
REACH_S = 1.4e-3  # how far from the expected place the peak may be
# Time constants in frames: decays that start with a jump, and those that start with a bend. They are few enough to tell
# a late response from a slow one, and enough to put half a millisecond of a guitar circuit together.
JUMPS = (4.0, 16.0, 64.0)
BENDS = (4.0, 16.0)


@dataclass(frozen=True)
class Onset:
    """Where a response begins, in frames, how sure that is, and which way it first goes (+1 or −1)."""

    frames: float
    uncertainty_frames: float
    polarity: int
    explained: float


def find_onset(spectra: Sequence[tuple[Float64Array, Complex128Array]], sample_rate: int) -> Onset:
    """The delay of the beginning of the response of an effect, in frames.

    Parameters
    ----------
    spectra : sequence of (float64 (bins,), complex128 (bins,))
        The power spectrum of the dry side and the cross-spectrum conj(dry) · wet, averaged in one way or several, the
        wet side within 1.4 ms of its place.
    sample_rate : int
        In Hz.

    Returns
    -------
    Onset
        Of the averages and the expected noises the one whose fit says the most sharply where the onset is.
    """
    reach = max(64, int(REACH_S * sample_rate))
    fits = [(n, _fit_onset(*spectrum, noise, reach)) for spectrum in spectra for n, noise in enumerate(NOISES)]
    good = [fit for fit in fits if fit[1].explained >= EXPLAINED]
    # a narrow curve of errors may be wrong where the high frequencies are left out: they have to be outdone clearly
    sharpest = min(good, key=lambda fit: fit[1].uncertainty_frames + LOST_PER_DECADE * fit[0], default=None)
    onset = (sharpest or max(fits, key=lambda fit: fit[1].explained))[1]
    # which way an effect goes is heard in its middle frequencies: under the loudest noise that is expected
    return replace(onset, polarity=fits[len(NOISES) - 1][1].polarity)


def _fit_onset(dry_power: Float64Array, cross: Complex128Array, noise: float, reach: int) -> Onset:
    """The onset that is seen when white noise of a share of the dry side's power is expected."""
    size = 2 * (len(dry_power) - 1)
    autocorrelation = np.fft.irfft(dry_power)[: ORDER + 1]
    autocorrelation[0] *= 1 + noise
    predictor = np.abs(np.fft.rfft(_solve_predictor(autocorrelation), size)) ** 2
    kernel = predictor * dry_power
    response = np.fft.irfft(predictor * cross)
    near = np.concatenate([response[-reach:], response[: reach + 1]])
    peak = int(np.abs(near).argmax()) - reach
    window = np.arange(peak - BEFORE, peak + AFTER)
    target = response[window]
    shapes = _shape_responses(kernel)  # (times, shapes), from −(BEFORE + LATEST) frames on

    delays = np.arange(EARLIEST * STEPS, LATEST * STEPS + 1)
    rows = (np.arange(-BEFORE, AFTER) + BEFORE + LATEST) * STEPS
    bases = shapes[rows[None, :] - delays[:, None]]  # (delays, frames, shapes)
    errors = _measure_misfits(bases, target)
    best = int(errors.argmin())
    energy = float(np.sum(target**2))
    explained = 1 - float(errors[best]) / max(energy, 1e-300)
    likely = delays[errors <= 1.5 * errors[best]] / STEPS
    return Onset(
        frames=float(peak + delays[best] / STEPS),
        uncertainty_frames=float(np.abs(likely - delays[best] / STEPS).max() + 1 / STEPS),
        polarity=1 if near[peak + reach] > 0 else -1,
        explained=explained,
    )


def _measure_misfits(bases: Float64Array, target: Float64Array) -> Float64Array:
    """The squared error of the best fit to a target by each of many bases.

    Gram and Schmidt's orthogonalisation, twice over, for all bases at once: ten times as quick as a decomposition of
    each. What a shape adds to those before it is left out where it drowns in rounding.

    Parameters
    ----------
    bases : float64 (bases, frames, shapes)
    target : float64 (frames,)

    Returns
    -------
    float64 (bases,)
    """
    columns = np.ascontiguousarray(bases.transpose(2, 0, 1))  # (shapes, bases, frames)
    largest = np.sqrt(np.einsum("sdf,sdf->sd", columns, columns).max(axis=0))
    rest = np.broadcast_to(target, columns.shape[1:]).copy()
    for n, column in enumerate(columns):
        for earlier in (*columns[:n], *columns[:n]):
            column -= np.einsum("df,df->d", earlier, column)[:, None] * earlier
        norm = np.sqrt(np.einsum("df,df->d", column, column))
        column *= np.where(norm > LEAST_SHARE * largest, 1 / np.maximum(norm, 1e-300), 0.0)[:, None]
        rest -= np.einsum("df,df->d", column, rest)[:, None] * column
    return np.asarray(np.einsum("df,df->d", rest, rest))


def _solve_predictor(autocorrelation: Float64Array) -> Float64Array:
    """The coefficients 1, a[1], … of the whitening filter (Levinson and Durbin)."""
    a = np.zeros(ORDER + 1)
    a[0], error = 1.0, autocorrelation[0]
    for n in range(1, ORDER + 1):
        reflection = -float(a[:n] @ autocorrelation[n:0:-1]) / error
        a[: n + 1] += reflection * a[: n + 1][::-1]
        error *= 1 - reflection * reflection
    return a


def _shape_responses(kernel: Float64Array) -> Float64Array:
    """Causal responses seen through the kernel, at every step of a frame: (times, shapes).

    A jump and a bend are those of a circuit, in continuous time, without what lies above half the sample rate.
    """
    bins = len(kernel)
    size = 2 * (bins - 1)
    omega = 2 * np.pi * np.arange(bins) / size
    poles = {tau: 1 / (1 + 1j * omega * tau) for tau in (*JUMPS, *BENDS)}
    shapes = [np.ones(bins), *(poles[tau] for tau in JUMPS), *(poles[tau] ** 2 for tau in BENDS)]
    first, last = -(BEFORE + LATEST), AFTER - EARLIEST + 1
    columns = []
    for shape in shapes:
        fine = np.fft.irfft(kernel * shape, size * STEPS) * STEPS
        columns.append(np.concatenate([fine[first * STEPS :], fine[: last * STEPS]]))
    return np.stack(columns, axis=1)
