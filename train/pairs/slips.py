"""Places where a recording lost or doubled frames, or where takes were joined: steps in the delay.

Conventions
-----------
Places are frames of the dry recording. A step is positive where the wet side is later behind it: frames were doubled or
put in there, or are missing on the dry side.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.drift import Float64Array, Line, Step, sum_spectra, window_frames
from train.pairs.pieces import ALIKE, Pieces

LEAST_STEP = 4.0  # frames; less is within what an effect does by itself
MOST_OFF = 8.0  # frames: a piece further off costs no more, it tells nothing
STEP_COST = 20.0  # so that a step is borne by at least three pieces
MOST_ASTRAY = 0.4  # the share of the pieces that may lie on no level: else the delay wanders, and steps are none
STEADY = 1.5  # frames, the median distance of the pieces from their levels
MOST_PER_PIECE = 0.2  # steps
LEAST_DRIFT = 8.0  # frames from the first piece to the last, and
MOSTLY = 0.7  # the share of the pieces that must lie on a slope to be a drift
LEAST_HALF = 5  # pieces
AROUND_S = 15.0  # how much of both sides of a step makes the response that locates it
TAPS = 512  # before and after the peak of that response
DOUBTFUL_SHARE = 0.03  # of what the evidence rises to on the weaker side: so near to its lowest the step may be
GUARD_S = 0.05  # left out besides on both sides of a step


def find_steps(pieces: Pieces, line: Line) -> tuple[float, Line]:
    """The course of the delay: with steps, if that explains the pieces better than a line, else as it was.

    Parameters
    ----------
    pieces : Pieces
    line : Line
        Where the pieces were expected: the coarse trend of the delay.

    Returns
    -------
    cost : float
        The sum of the deviations of the pieces in frames. A piece without a known delay counts as far off, and each
        step adds a penalty.
    line : Line
        A step lies half-way between two pieces: see `locate_steps`.
    """
    known = pieces.known
    unknown = MOST_OFF * (len(pieces.starts) - len(known))
    if len(known) < 6:
        return unknown, line
    x, y = pieces.middles[known], pieces.delays[known]
    best, chosen = np.inf, line
    for slope in _offer_slopes(x, y):
        flat = y - slope * (x - line.middle)
        middle = float(np.median(flat))
        straight = float(np.sum(np.minimum(np.abs(flat - middle), MOST_OFF)))
        if straight < best:
            drifts = slope and _keeps_to(x, y, slope)
            best, chosen = straight, replace(line, frames=middle, slope=slope) if drifts else line
        levels = _offer_levels(flat)
        if len(levels) < 2:
            continue
        cost, path = _follow_levels(flat, levels)
        if cost < best and (steps := _describe_steps(x, flat, levels[path], pieces.frames)):
            best, chosen = cost, replace(line, frames=float(levels[path[0]]), slope=slope, steps=steps)
    return best + unknown, chosen


def _offer_slopes(x: Float64Array, y: Float64Array) -> list[float]:
    """No slope; the trend of the whole (Theil and Sen); that between neighbours, which steps do not touch."""
    near = float(np.median(np.diff(y) / np.diff(x)))
    return [0.0, _find_slope(x, y), near]


def _keeps_to(x: Float64Array, y: Float64Array, slope: float) -> bool:
    """Whether a delay clearly follows a slope: nearly all pieces lie on it, and either half for itself."""
    off = y - slope * x
    off -= np.median(off)
    if abs(slope) * (x[-1] - x[0]) < LEAST_DRIFT or np.mean(np.abs(off) <= ALIKE) < MOSTLY or len(x) < 2 * LEAST_HALF:
        return False
    half = len(x) // 2
    own = [_find_slope(x[part], y[part]) / slope for part in (slice(half), slice(half, None))]
    return min(own) > 0.5 and max(own) < 2


def _find_slope(x: Float64Array, y: Float64Array) -> float:
    """The trend of points of which some lie anywhere (Theil and Sen)."""
    a, b = np.triu_indices(len(x), 1)
    return float(np.median((y[b] - y[a]) / (x[b] - x[a])))


def _offer_levels(flat: Float64Array) -> Float64Array:
    """The delays at which several pieces agree, the most agreed first, none near another."""
    counts = np.count_nonzero(np.abs(flat[:, None] - flat) <= ALIKE, axis=1)
    levels: list[float] = []
    for n in np.argsort(-counts, kind="stable"):
        if counts[n] < 3:
            break
        level = float(np.median(flat[np.abs(flat - flat[n]) <= ALIKE]))
        if all(abs(level - other) >= LEAST_STEP for other in levels):
            levels.append(level)
    return np.array(levels)


def _follow_levels(flat: Float64Array, levels: Float64Array) -> tuple[float, NDArray[np.int64]]:
    """The cheapest way of the pieces from level to level (Viterbi), and its cost."""
    own = np.minimum(np.abs(flat[:, None] - levels), MOST_OFF)  # (pieces, levels)
    cost, back = own[0], np.zeros(own.shape, np.int64)
    for n in range(1, len(flat)):
        cheapest = int(cost.argmin())
        stays = cost <= cost[cheapest] + STEP_COST
        back[n] = np.where(stays, np.arange(len(levels)), cheapest)
        cost = own[n] + np.where(stays, cost, cost[cheapest] + STEP_COST)
    path = [int(cost.argmin())]
    for n in range(len(flat) - 1, 0, -1):
        path.append(int(back[n][path[-1]]))
    return float(cost.min()), np.array(path[::-1])


def _describe_steps(x: Float64Array, flat: Float64Array, path: Float64Array, length: int) -> tuple[Step, ...]:
    """The steps of a way from level to level; none if the pieces do not keep to it."""
    off = np.abs(flat - path)
    near = off <= ALIKE
    at = np.flatnonzero(np.diff(path))
    if np.mean(~near) > MOST_ASTRAY or np.median(off) > STEADY or len(at) > max(1, MOST_PER_PIECE * len(x)):
        return ()
    steps = []
    for n in at:
        before = max((k for k in range(n + 1) if near[k] and path[k] == path[n]), default=n)
        after = min((k for k in range(n + 1, len(x)) if near[k] and path[k] == path[n + 1]), default=n + 1)
        steps.append(
            Step(
                at=float(x[before] + x[after]) / 2,
                frames=float(round(path[n + 1] - path[n])),
                first=float(x[before]) - length,
                last=float(x[after]) + length,
            )
        )
    return tuple(steps)


def locate_steps(dry: Float32Array, wet: Float32Array, sample_rate: int, line: Line) -> Line:
    """The same course with each step where it happened, and how far that may be off.

    Notes
    -----
    The linear response of the effect around the step predicts the wet side as it would be with the delay before and
    with that behind the step, both whitened. The product of the wet side with the difference of the two, summed up
    over time, falls until the step and rises after it.
    """
    steps = []
    for n, step in enumerate(line.steps):
        earliest = max(0.0, step.first, line.steps[n - 1].at if n else 0.0)
        latest = min(float(len(dry)), step.last, line.steps[n + 1].at if n + 1 < len(line.steps) else np.inf)
        steps.append(_locate(dry, wet, sample_rate, line, replace(step, first=earliest, last=latest)))
    return replace(line, steps=tuple(steps))


def _locate(dry: Float32Array, wet: Float32Array, sample_rate: int, line: Line, step: Step) -> Step:
    size = window_frames(sample_rate)
    around = int(AROUND_S * sample_rate)
    first, last = max(0, int(step.first) - around), min(len(dry), int(step.last) + around)
    windows = [
        start
        for start in range(first, last - size, size)
        if not any(start + size > other.first and start < other.last for other in line.steps)
        and start + line.at(start + size / 2) - 1 >= 0
        and start + line.at(start + size / 2) + size + 1 < len(wet)
    ]
    if not windows:
        return step
    power, cross = sum_spectra(dry, wet, windows, size, line)[1]
    impulse = np.fft.irfft(cross / np.maximum(power, 1e-6 * power.max()))
    impulse = np.concatenate([impulse[-TAPS:], impulse[:TAPS]])
    # from here on in the wet recording, which is searched for the frame from which on the delay is another
    before, after = line.at(step.first), line.at(step.last)
    start, end = max(0, int(step.first + min(before, after))), min(len(wet), int(step.last + max(before, after)))
    heard = wet[start:end].astype(np.float64)
    ahead = _predict(dry, impulse, start - round(before), len(heard))
    behind = _predict(dry, impulse, start - round(after), len(heard))
    heard, difference = _whiten(heard, heard), _whiten(heard, ahead - behind)
    evidence = -np.cumsum(heard * difference)
    lowest = int(evidence.argmin())
    rise = min(evidence[0], evidence[-1]) - evidence[lowest]
    # how far it goes the wrong way on either side: so much is chance
    falling, rising = evidence[: lowest + 1], evidence[lowest:]
    chance = max(
        float(np.max(falling - np.minimum.accumulate(falling))), float(np.max(np.maximum.accumulate(rising) - rising))
    )
    likely = np.flatnonzero(evidence <= evidence[lowest] + max(chance, DOUBTFUL_SHARE * rise))
    guard = GUARD_S * sample_rate
    delays = sorted((before, after))
    return replace(
        step,
        at=float(start + lowest - before),
        first=float(start + likely[0] - delays[1] - guard),
        last=float(start + likely[-1] - delays[0] + guard),
    )


def _predict(dry: Float32Array, impulse: Float64Array, start: int, frames: int) -> Float64Array:
    """What a linear effect makes of the dry frames from `start` on; silence outside the recording."""
    first, last = start - TAPS, start + frames + TAPS
    piece = dry[max(0, first) : max(0, last)].astype(np.float64)
    piece = np.pad(piece, (max(0, -first), max(0, last - max(0, first) - len(piece))))
    size = 1 << int(np.ceil(np.log2(len(piece) + len(impulse))))
    whole = np.fft.irfft(np.fft.rfft(piece, size) * np.fft.rfft(impulse, size), size)
    return np.asarray(whole[2 * TAPS : 2 * TAPS + frames], np.float64)


def _whiten(like: Float64Array, audio: Float64Array) -> Float64Array:
    """The audio with the spectrum of another made flatter, without a delay."""
    size = 1 << int(np.ceil(np.log2(2 * len(like))))
    magnitude = np.abs(np.fft.rfft(like, size))
    smooth = np.convolve(magnitude, np.ones(257) / 257, "same")
    weight = 1 / np.maximum(smooth, 1e-3 * smooth.max() + 1e-30)
    return np.asarray(np.fft.irfft(np.fft.rfft(audio, size) * weight, size)[: len(audio)], np.float64)
