"""Say what a pair of recordings is like: levels, noise, drift, which side is which.

Everything here works on a pair that is aligned already, and on excerpts of it. Levels are in dB of full scale, None for
digital silence; powers are mean squares.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.drift import hann_window
from train.pairs.levels import TENTH_S, SideLevels, to_db
from train.pairs.pair import Pair
from train.pairs.swapped import judge_sides
from train.pairs.unsteady import find_unsteadiness, note_unsteadiness

Float64Array = NDArray[np.float64]

DC_SHARE = 0.05  # of the RMS
LOUD = 1e-3  # of the mean power: what is quieter says nothing about compression
QUIETEST_SHARE = 0.005
PAUSE_DB = 25.0  # below the RMS of the whole: what is louder is no pause
STEADY_DB = 6.0  # within which quiet places must agree to show a noise and not playing
DIGITAL_SILENCE = 1e-13  # a mean square of −130 dB: less than 24 bits can hold
GATED_DB = 30.0  # by how much more the wet side falls in pauses than the dry one
COMPRESSED = 0.6  # of the level's standard deviation in dB
MIN_LOUD = 30  # tenths of a second


def measure_noise(dry: Float32Array, wet: Float32Array, wet_levels: SideLevels, sample_rate: int) -> float | None:
    """The power of the noise of the wet side: at least so much of it nobody can learn.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        Aligned.
    wet_levels : SideLevels
        Of `wet`.
    sample_rate : int
        In Hz.

    Returns
    -------
    float or None
        None if the pauses are digital silence, or if there are none: the quietest places are less than 25 dB below
        the whole or differ by more than 6 dB.

    Notes
    -----
    The quietest tenths of a second of the wet side, at least four, are cut into windows of 20 ms. What in them is
    coherent with the dry side is taken off, for an effect that amplifies the hum and hiss of the dry side does what it
    should; the rest is noise. An effect that distorts even those, or has a gate, makes this an estimate, not a bound.
    White noise of −40 and −60 dB of the RMS of the wet side is found to 0.1 dB with a linear effect.
    """
    tenth = int(TENTH_S * sample_rate)
    powers = wet_levels.tenths[: len(dry) // tenth]
    count = max(4, int(QUIETEST_SHARE * len(powers)))
    if len(powers) < 2 * count:
        return None
    quietest = np.argsort(powers)[:count]
    lowest, highest = powers[quietest[0]], powers[quietest[-1]]
    loudest_pause = wet_levels.rms**2 / 10 ** (PAUSE_DB / 10)
    if highest < DIGITAL_SILENCE or highest > min(loudest_pause, lowest * 10 ** (STEADY_DB / 10)):
        return None
    size = 1 << round(np.log2(0.02 * sample_rate))
    hann = hann_window(size)
    starts = [place * tenth + n for place in quietest for n in range(0, tenth - size + 1, size // 2)]
    windows = (np.stack([side[n : n + size] for n in starts]).astype(np.float64) for side in (dry, wet))
    x, y = (np.fft.rfft((cut - cut.mean(axis=1, keepdims=True)) * hann) for cut in windows)  # (windows, bins)
    xx, yy = np.sum(np.abs(x) ** 2, axis=0), np.sum(np.abs(y) ** 2, axis=0)
    rest = yy - np.abs(np.sum(np.conj(x) * y, axis=0)) ** 2 / np.maximum(xx, 1e-30)
    # the windows overlap by half, so that about two in three are independent; one response is fitted for each bin
    free = 1 - 1.5 / len(starts)
    return float(2 * np.maximum(rest, 0).sum() / (len(starts) * free * size * np.sum(hann**2)))


def compare_ranges(dry: SideLevels, wet: SideLevels) -> float | None:
    """The standard deviation of the wet level in dB over that of the dry one; below 1 if the effect compresses."""
    count = min(len(dry.tenths), len(wet.tenths))
    a, b = dry.tenths[:count], wet.tenths[:count]
    loud = (a > LOUD * a.mean()) & (b > LOUD * b.mean())
    if np.count_nonzero(loud) < MIN_LOUD:
        return None
    dry_db, wet_db = 10 * np.log10(a[loud]), 10 * np.log10(b[loud])
    return float(wet_db.std() / dry_db.std()) if dry_db.std() > 0.5 else None


def describe_levels(levels: SideLevels) -> dict[str, Any]:
    """The levels of a recording for the findings: JSON-able."""
    return {
        "peak_db": to_db(levels.peak),
        "rms_db": to_db(levels.rms),
        "dc": levels.dc,
        "clipped_places": levels.clipped_places,
        "floor_db": to_db(levels.floor) if levels.floor**2 > DIGITAL_SILENCE else None,
    }


def inspect_pair(
    dry: Float32Array, wet: Float32Array, dry_levels: SideLevels, wet_levels: SideLevels, sample_rate: int
) -> dict[str, Any]:
    """What is found about two sides that are aligned: JSON-able.

    Parameters
    ----------
    dry, wet : float32 (frames,)
    dry_levels, wet_levels : SideLevels
    sample_rate : int
        In Hz.

    Returns
    -------
    dict
        `coherence` (0 to 1), `roughness_ratio`, `sides_score`, `swapped`, `swapped_surely`, `level_db` (wet over dry),
        `range_ratio`, `compressed`, `gated` ("wet", "dry" or None), `noise_db`, `esr_floor`; None where it cannot be
        told. `echo`, `reverb`, `modulation` and `move` as `train.pairs.unsteady.find_unsteadiness` makes them.
    """
    sides = judge_sides(dry, wet, dry_levels, wet_levels, sample_rate)
    range_ratio = compare_ranges(dry_levels, wet_levels)
    noise = measure_noise(dry, wet, wet_levels, sample_rate)
    return {
        "coherence": sides.coherence,
        "roughness_ratio": sides.roughness_ratio,
        "sides_score": sides.score,
        "swapped": sides.look_swapped,
        "swapped_surely": sides.are_swapped,
        "level_db": float(20 * np.log10(wet_levels.rms / dry_levels.rms)),
        "range_ratio": range_ratio,
        "compressed": range_ratio is not None and range_ratio < COMPRESSED,
        "gated": _find_gate(dry_levels, wet_levels),
        "noise_db": None if noise is None else to_db(np.sqrt(noise)),
        "esr_floor": None if noise is None else noise / wet_levels.rms**2,
        **find_unsteadiness(dry, wet, sample_rate),
    }


def _find_gate(dry: SideLevels, wet: SideLevels) -> str | None:
    """The side that falls silent where the other does not."""
    depth = [20 * np.log10(max(side.floor, 1e-7) / side.rms) for side in (dry, wet)]
    if depth[1] < depth[0] - GATED_DB:
        return "wet"
    return "dry" if depth[0] < depth[1] - GATED_DB and dry.floor**2 < DIGITAL_SILENCE else None


def note_findings(findings: dict[str, Any]) -> list[str]:
    """What of the findings of a pair may spoil the training, a line each."""
    notes = []
    if findings["swapped"]:
        notes.append(
            "the recordings look swapped: the noise and the overtones are on the dry side; check which file is which"
        )
    if drift := findings["drift_frames"]:
        notes.append(
            f"the clocks of the recordings drift by {findings['drift_ppm']:+.2f} ppm, {drift:+.1f} frames from "
            "beginning to end; record both sides on one device"
        )
    notes += note_unsteadiness(findings)
    return notes


def format_findings(pair: Pair) -> list[str]:
    """What was found about a pair, for people: a few short lines."""
    found = pair.findings
    if not found:
        return []
    delay = found["delay"]
    lines = [
        f"{pair.seconds:.1f} s at {pair.sample_rate} Hz, " + " and ".join(_describe_source(found, s) for s in _SIDES),
        *(_describe_levels(side, found[side]) for side in _SIDES),
        f"delay: wet is {delay['frames']:+.2f} ± {delay['uncertainty_frames']:.2f} frames late "
        f"(confidence {delay['confidence']:.2f}), "
        + (f"{pair.delay_frames:g} taken out" if pair.delay_frames else "nothing taken out")
        + (", as you said" if found["delay_given"] else ""),
        f"polarity: {'inverted' if found['polarity'] < 0 else 'kept'}; correlation {delay['correlation']:.2f}, "
        f"a linear effect explains {100 * found['coherence']:.0f} % of the wet power",
        f"level: wet {found['level_db']:+.1f} dB"
        + (f", moves {found['range_ratio']:.2f} as much as dry" if found["range_ratio"] is not None else "")
        + (" (compressed or distorted)" if found["compressed"] else "")
        + (f"; {found['gated']} has a gate" if found["gated"] else ""),
        f"drift: clock {found['drift_ppm']:+.3f} ppm, level "
        + (f"{found['move']['db']:+.1f} dB" if found["move"] is not None else "none found"),
    ]
    if found["esr_floor"] is not None:
        lines.append(
            f"floor: noise of {found['noise_db']:.0f} dB; no ESR below {found['esr_floor']:.1e} can be expected"
        )
    else:
        lines.append("floor: no pause shows a noise")
    return lines


_SIDES = ("dry", "wet")


def _describe_source(found: dict[str, Any], side: str) -> str:
    channels = found[side]["channels"]
    used = "mono" if channels == 1 else f"channel {found[side]['channel'] + 1} of {channels}"
    return f"{side} {used}, {found[side]['frames']} frames"


def _describe_levels(side: str, levels: dict[str, Any]) -> str:
    dc = f", DC {levels['dc']:+.4f}" if abs(levels["dc"]) > DC_SHARE * 10 ** (levels["rms_db"] / 20) else ""
    clipped = f", clipped in {levels['clipped_places']} places" if levels["clipped_places"] else ", not clipped"
    floor = "digital silence" if levels["floor_db"] is None else f"{levels['floor_db']:.0f} dB"
    return f"{side}: peak {levels['peak_db']:.1f} dB, RMS {levels['rms_db']:.1f} dB, quietest {floor}{dc}{clipped}"
