"""Find an effect that moves by itself: tremolo, vibrato, chorus, flanger, phaser. No network learns its phase.

Conventions
-----------
Both sides are aligned. Rates are in Hz, the turns of the oscillator a second. At most the first minute is looked at.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.drift import Complex128Array, Float64Array, hann_window

LONGEST_S = 60.0
WINDOW_S = 0.043
BANDS = 24
BANDS_HZ = (80.0, 6_000.0)
RATES_HZ = (0.1, 12.0)
LEAST_TURNS = 3
LEAST_FRAMES = 60  # of a band in which something sounds
CLEAR = 10.0  # times what is around a line; steady pairs that are not in rhythm have up to 9
OWN = 4.0  # times what the playing itself has at that rate
NEIGHBOURS = 40
LEAST_AROUND = 0.1  # white noise of one band has 1
HARMONIC = 0.5  # the slowest line of this share of the highest is the rate itself
ROUNDING = 0.01  # dB or radians: what moves by less is no movement
LOUDNESS_SHARE = 4.0  # times as clear in the level as in the phase: a tremolo


@dataclass(frozen=True)
class Modulation:
    """A movement of the effect `rate_hz` times a second; `is_tremolo` where it is the level that moves."""

    rate_hz: float
    is_tremolo: bool


def find_modulation(dry: Float32Array, wet: Float32Array, sample_rate: int) -> Modulation | None:
    """Whether the wet side moves periodically against the dry one.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        Aligned.
    sample_rate : int
        In Hz.

    Returns
    -------
    Modulation or None

    Notes
    -----
    In each of 24 bands, every 21 ms, the phase of the wet side against the dry one, and the level that the dry level
    does not explain, make two series. Their periodograms are added up. A line that stands tenfold above its
    surroundings and is no rhythm of the playing is an oscillator: tremolos of ±15 % and choruses of 1 ms have 8 to 300.
    """
    frames = min(len(dry), len(wet), int(LONGEST_S * sample_rate))
    size = 1 << round(np.log2(WINDOW_S * sample_rate))
    seconds = frames / sample_rate
    cross, dry_power, wet_power = _sum_bands(dry[:frames], wet[:frames], size, sample_rate)
    if len(cross) < LEAST_FRAMES:
        return None
    rates = np.fft.rfftfreq(2 * len(cross), size // 2 / sample_rate)
    slowest = max(RATES_HZ[0], LEAST_TURNS / seconds)
    looked_at = slice(*np.searchsorted(rates, (slowest, RATES_HZ[1])))
    rates = rates[looked_at]
    if len(rates) < NEIGHBOURS:
        return None
    level, phase, playing = (np.zeros(len(rates)) for _ in range(3))
    for band in range(cross.shape[1]):
        at = _where_sounding(dry_power[:, band], wet_power[:, band])
        if len(at) < max(LEAST_FRAMES, 0.2 * len(cross)):
            continue
        dry_db, wet_db = (10 * np.log10(power[:, band] + 1e-20) for power in (dry_power, wet_power))
        turned = cross[at, band] / np.maximum(np.abs(cross[at, band]), 1e-30)
        played = np.clip(dry_db[at] - dry_db[at].mean(), -15, 15)
        level += _periodogram(_unexplained(dry_db, wet_db, at), at, len(cross))[looked_at]
        phase += _periodogram(turned - turned.mean(), at, len(cross))[looked_at]
        playing += _periodogram(played, at, len(cross))[looked_at]
    onsets = np.maximum(np.diff(np.log(dry_power + 1e-6 * dry_power.mean(axis=0)), axis=0), 0).sum(axis=1)
    struck = _stand_out(_periodogram(onsets - onsets.mean(), np.arange(1, len(cross)), len(cross))[looked_at])
    clear = _stand_out(level + phase)
    rhythm = np.maximum(np.maximum(_stand_out(playing), struck), 1.0)
    lines = np.flatnonzero((clear >= CLEAR) & (clear >= OWN * rhythm))
    if not len(lines):
        return None
    first = int(lines[np.flatnonzero(clear[lines] >= HARMONIC * clear[lines].max())[0]])
    first += int(clear[first : first + 3].argmax())
    return Modulation(float(rates[first]), bool(level[first] > LOUDNESS_SHARE * phase[first]))


def _sum_bands(
    dry: Float32Array, wet: Float32Array, size: int, sample_rate: int
) -> tuple[Complex128Array, Float64Array, Float64Array]:
    """The cross-spectrum and the powers of both sides, (windows, bands) each."""
    edges = np.geomspace(BANDS_HZ[0], min(BANDS_HZ[1], 0.4 * sample_rate), BANDS + 1) * size / sample_rate
    starts = np.unique(np.maximum(edges.astype(np.int64), 1))
    hann = hann_window(size)
    rows = []
    for start in range(0, len(dry) - size + 1, size // 2):
        x, y = (np.fft.rfft(side[start : start + size] * hann) for side in (dry, wet))
        rows.append([np.add.reduceat(each, starts)[:-1] for each in (y * np.conj(x), np.abs(x) ** 2, np.abs(y) ** 2)])
    table = np.array(rows, np.complex128).reshape(len(rows), 3, max(0, len(starts) - 1))
    return table[:, 0], table[:, 1].real, table[:, 2].real


def _where_sounding(dry_power: Float64Array, wet_power: Float64Array) -> NDArray[np.int64]:
    """The windows, from the third on, in which a band sounds on both sides."""
    sounding = (dry_power > 1e-3 * dry_power.mean()) & (wet_power > 1e-4 * wet_power.mean())
    at = np.flatnonzero(sounding)
    return at[at >= 2]


def _unexplained(dry_db: Float64Array, wet_db: Float64Array, at: NDArray[np.int64]) -> Float64Array:
    """The wet level in some windows, less what the dry level then and just before explains, outliers cut off."""
    now, before, long_before = dry_db[at], dry_db[at - 1], dry_db[at - 2]
    columns = np.stack([np.ones(len(at)), now, now**2, before, before**2, long_before], axis=1)
    rest = wet_db[at] - columns @ np.linalg.lstsq(columns, wet_db[at], rcond=None)[0]
    most = 3 * rest.std()
    return np.asarray(np.clip(rest, -most, most), np.float64)


def _periodogram(series: Float64Array | Complex128Array, at: NDArray[np.int64], count: int) -> Float64Array:
    """The power at each rate of a series that is known in some of `count` windows, in units of its own power.

    What moves by less than `ROUNDING` has next to none.

    Returns
    -------
    float64 (count + 1,)
        At rates of half a turn in all the windows, and so on; both directions of turning together.
    """
    whole = np.zeros(2 * count, np.complex128)
    whole[at] = series
    power = np.abs(np.fft.fft(whole)) ** 2
    both = 0.5 * (power[: count + 1] + np.r_[power[:1], power[: count - 1 : -1]])
    return np.asarray(both / max(float(np.sum(np.abs(series) ** 2)), len(series) * ROUNDING**2), np.float64)


def _stand_out(spectrum: Float64Array) -> Float64Array:
    """A spectrum in units of the median around each of its values."""
    around = [np.median(spectrum[max(0, n - NEIGHBOURS) : n + NEIGHBOURS + 1]) for n in range(len(spectrum))]
    return np.asarray(spectrum / np.maximum(around, LEAST_AROUND), np.float64)
