"""Find a knob that was moved: the same playing that sounds louder later on.

Tenths of a second of the dry side that are alike in their spectrum and in what came just before are compared wherever
they recur. So a change of instrument, of song or of playing is no change of level: nothing is compared across it.

Conventions
-----------
Both sides are aligned. Spectra are those of bands, in dB; times are in seconds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.drift import Float64Array
from train.pairs.source import release_pages

TENTH_S = 0.1
EDGES_HZ = (60, 120, 200, 320, 500, 800, 1250, 2000, 3200, 5000, 9000)
QUIET_DB, FLOOR_DB = 40.0, 70.0  # below the loudest tenth: no longer playing; no longer told apart
ALIKE_DB = 4.0  # the root mean square of what two spectra differ by
APART_S = 3.0  # nearer tenths are those of one note
MAX_TENTHS = 1500
MIN_MATCHES = 50
CORRELATED = 3  # tenths in a row that count as one
CUTS = 33  # places at which a step is tried
MIN_SIDE = 18  # tenths on either side of a step
STEP_DB, RAMP_DB = 1.5, 2.0  # what is less is no knob
SURE_STEP, SURE_RAMP = 4.5, 3.8  # times its error; steady pairs have up to 2.5 and, above 2 dB, less than 2
ROUNDS = 20
RELEASE_TENTHS = 600  # after so many the memory of what is on disk is given back


@dataclass(frozen=True)
class Move:
    """By how many dB the wet side becomes louder: at `at_s`, or little by little from beginning to end if None."""

    db: float
    at_s: float | None


@dataclass(frozen=True)
class _Matches:
    """Pairs of tenths that are alike on the dry side, the earlier one first: (matches,) each."""

    first_s: Float64Array
    second_s: Float64Array
    rise_db: Float64Array  # of the wet side
    first: NDArray[np.int64]
    second: NDArray[np.int64]


def find_move(dry: Float32Array, wet: Float32Array, sample_rate: int) -> Move | None:
    """A step of the wet level, or a slow change of it, that the dry side does not explain.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        Aligned; may be memory-mapped.
    sample_rate : int
        In Hz.

    Returns
    -------
    Move or None
        None where there is none, or where the playing never recurs, so that nothing can be told.
    """
    matches = _match_tenths(dry, wet, sample_rate)
    if matches is None:
        return None
    seconds = len(dry) / sample_rate
    step, step_rest = _fit_step(matches, seconds)
    ramp, ramp_rest = _fit_ramp(matches, seconds)
    if step is not None and (ramp is None or step_rest <= ramp_rest):
        return step
    return ramp


def _match_tenths(dry: Float32Array, wet: Float32Array, sample_rate: int) -> _Matches | None:
    bands, wet_db = _measure_bands(dry, sample_rate), _measure_bands(wet, sample_rate)
    wet_db = 10 * np.log10(np.sum(10 ** (wet_db / 10), axis=1))
    level = 10 * np.log10(np.sum(10 ** (bands / 10), axis=1))
    if len(level) < 2:
        return None
    before = np.stack([np.r_[level[:1], level[:-1]], np.r_[level[:2], level[:-2]]], axis=1)
    described = np.maximum(np.concatenate([bands, before], axis=1), level.max() - FLOOR_DB)
    at = np.flatnonzero((level > level.max() - QUIET_DB) & np.isfinite(wet_db))
    at = at[:: max(1, -(-len(at) // MAX_TENTHS))]
    described, times = described[at], np.asarray(at * TENTH_S, np.float64)
    squares = np.sum(described**2, axis=1)
    unlike = (squares[:, None] + squares - 2 * described @ described.T) / described.shape[1]
    unlike[np.abs(times[:, None] - times) < APART_S] = np.inf
    first, second = np.nonzero(np.triu(unlike < ALIKE_DB**2))
    if len(first) < MIN_MATCHES:
        return None
    return _Matches(times[first], times[second], wet_db[at[second]] - wet_db[at[first]], first, second)


def _measure_bands(audio: Float32Array, sample_rate: int) -> Float64Array:
    """The level of each band in each tenth of a second, in dB, (tenths, bands)."""
    frames = int(TENTH_S * sample_rate)
    hz = np.fft.rfftfreq(frames, 1 / sample_rate)
    edges = np.searchsorted(hz, [edge for edge in EDGES_HZ if edge < 0.45 * sample_rate])
    hann = np.hanning(frames)
    rows = []
    for tenth in range(len(audio) // frames):
        cut = audio[tenth * frames : (tenth + 1) * frames]
        power = np.abs(np.fft.rfft(cut * hann)) ** 2 / frames**2
        rows.append(np.add.reduceat(power, edges)[:-1])
        if tenth % RELEASE_TENTHS == 0:
            release_pages(audio)
    release_pages(audio)
    return np.asarray(10 * np.log10(np.array(rows).reshape(len(rows), len(edges) - 1) + 1e-11), np.float64)


def _spread(values: Float64Array) -> float:
    """The standard deviation, estimated from the median absolute deviation; at least 0.1 dB."""
    return 1.48 * float(np.median(np.abs(values - np.median(values)))) + 0.1


def _fit_step(matches: _Matches, seconds: float) -> tuple[Move | None, float]:
    """The clearest step, and the spread of what it leaves."""
    best: Move | None = None
    sure, rest = SURE_STEP, np.inf
    for cut in np.linspace(0.1 * seconds, 0.9 * seconds, CUTS):
        across = (matches.first_s < cut) & (matches.second_s >= cut)
        sides = [len(np.unique(side[across])) for side in (matches.first, matches.second)]
        if min(sides) < MIN_SIDE:
            continue
        rise = float(np.median(matches.rise_db[across]))
        error = 1.25 * _spread(matches.rise_db[across]) / np.sqrt(min(sides) / CORRELATED)
        if abs(rise) >= STEP_DB and abs(rise) > sure * error:
            sure = abs(rise) / error
            best, rest = Move(rise, float(cut)), _spread(matches.rise_db - rise * across)
    return best, rest


def _fit_ramp(matches: _Matches, seconds: float) -> tuple[Move | None, float]:
    """A steady rise from beginning to end (Huber's fit through zero), and the spread of what it leaves."""
    apart = (matches.second_s - matches.first_s) / seconds
    rise, weights = 0.0, np.ones(len(apart))
    for _ in range(ROUNDS):
        rise = float(np.sum(weights * apart * matches.rise_db) / np.sum(weights * apart**2))
        left = matches.rise_db - rise * apart
        weights = 1 / np.maximum(1, np.abs(left) / (1.3 * _spread(left)))
    free = min(len(apart), len(np.unique(np.r_[matches.first, matches.second])) / CORRELATED)
    error = _spread(left) / np.sqrt(free * np.mean(apart**2))
    clear = abs(rise) >= RAMP_DB and abs(rise) > SURE_RAMP * error
    return (Move(rise, None) if clear else None), _spread(left)
