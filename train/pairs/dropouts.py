"""Find where one side of a pair falls silent while the other plays on: a bad cable, a recorder that began late.

What is silent because of what is played, as behind a gate, is none: there all that is as soft is silent too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.levels import TENTH_S, Float64Array, SideLevels
from train.pairs.source import make_room
from train.pairs.stretch import Stretch

LOUD_DB = -20.0  # of the RMS of the whole: one side surely plays
DEAD_DB = -50.0  # of the RMS of the wet side
DIGITAL_DB = -80.0  # of the RMS of the dry side: a loud effect brings up much of what is above
SOFTER_DB = 12.0  # so much softer playing is looked at, whether it is heard elsewhere
HEARD = 0.5  # the share of it that is heard where no gate is
LEAST_TENTHS = 3
RISE_DB = 8.0  # by which the wet side starts anew, or more than it falls: what only dies away is a reverberation
LASTING_TENTHS = 10
EDGE_TENTHS = 1  # left out besides on both sides


@dataclass(frozen=True)
class Dropout:
    """Where a side (`dry` or `wet`) is silent and the other is not."""

    side: str
    stretch: Stretch


def find_dropouts(dry: SideLevels, wet: SideLevels, sample_rate: int) -> list[Dropout]:
    """Where one side of an aligned pair falls silent for 0.3 s or more while the other plays.

    Parameters
    ----------
    dry, wet : SideLevels
        Of aligned sides.
    sample_rate : int
        In Hz.

    Returns
    -------
    list of Dropout
        In order.
    """
    count = min(len(dry.tenths), len(wet.tenths))
    levels = [10 * np.log10(np.maximum(side.tenths[:count] / max(side.rms, 1e-30) ** 2, 1e-20)) for side in (dry, wet)]
    tenth = int(TENTH_S * sample_rate)
    found = []
    for side, runs in (("wet", _find_wet(*levels)), ("dry", _find_dry(*levels))):
        for first, last in runs:
            edges = max(0, first - EDGE_TENTHS), min(count, last + EDGE_TENTHS)
            found.append(Dropout(side, Stretch(edges[0] * tenth, edges[1] * tenth)))
    return sorted(found, key=lambda dropout: dropout.stretch.start)


def _find_wet(dry_db: Float64Array, wet_db: Float64Array) -> list[tuple[int, int]]:
    """The runs in which the wet side is silent though softer playing is heard elsewhere."""
    runs = []
    for first, last in _list_runs(wet_db < DEAD_DB):
        plays = dry_db[first:last] > LOUD_DB
        if np.count_nonzero(plays) < LEAST_TENTHS:
            continue
        level = float(np.median(dry_db[first:last][plays]))
        softer = (dry_db < level) & (dry_db > level - SOFTER_DB)
        softer[first:last] = False
        if np.any(softer) and np.mean(wet_db[softer] > DEAD_DB) > HEARD:
            runs.append((first, last))
    return runs


def _find_dry(dry_db: Float64Array, wet_db: Float64Array) -> list[tuple[int, int]]:
    """The runs in which the dry side is silent and something is played on the wet one."""
    runs = []
    for first, last in _list_runs(dry_db < DIGITAL_DB):
        heard = wet_db[first + 1 : last]  # what rings on from before begins in the first
        if last - first < LEAST_TENTHS or not len(heard):
            continue
        struck = np.any(heard > np.maximum(LOUD_DB, np.minimum.accumulate(heard) + RISE_DB))
        halves = [float(np.median(half)) for half in np.array_split(heard, 2) if len(half)]
        stays = len(heard) >= LASTING_TENTHS and min(halves) > LOUD_DB and halves[1] > halves[0] - RISE_DB
        if struck or stays:
            runs.append((first, last))
    return runs


def _list_runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The first tenth of each run and the one behind it."""
    edges = np.flatnonzero(np.diff(np.r_[0, mask.astype(np.int8), 0]))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def remove_stretches(audio: Float32Array, stretches: Sequence[Stretch]) -> Float32Array:
    """A copy of the audio without some stretches of it, in memory or where the audio is."""
    places = [0, *(place for s in sorted(stretches, key=lambda s: s.start) for place in (s.start, s.end)), len(audio)]
    kept = [audio[start:end] for start, end in zip(places[::2], places[1::2], strict=True)]
    joined = make_room(sum(map(len, kept)), on_disk=isinstance(audio, np.memmap))
    return np.concatenate(kept, out=joined)


def describe_dropouts(found: list[Dropout], names: dict[str, str], sample_rate: int) -> list[str]:
    """A line for each side that falls silent.

    Parameters
    ----------
    found : list of Dropout
    names : dict
        What the files of the sides are called, by side.
    sample_rate : int
        In Hz.
    """
    notes = []
    for side, other in (("dry", "wet"), ("wet", "dry")):
        of_side = [dropout.stretch for dropout in found if dropout.side == side]
        if of_side:
            places = ", ".join(f"{s.start / sample_rate:.1f}–{s.end / sample_rate:.1f} s" for s in of_side[:4])
            more = ", …" if len(of_side) > 4 else ""
            notes.append(
                f"the {side} side ({names[side]}) is silent at {places}{more} while the {other} side plays; that was "
                "left out"
            )
    return notes
