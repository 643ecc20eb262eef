"""Where one side of a pair is silent while the other plays."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.train.test_align import RATE, pluck
from tests.train.test_check import play
from train.pairs.pair import Pair
from train.pairs.read import read_pair

DRY = pluck(20.0)
WET = play(DRY)
SECOND = np.arange(len(DRY)) / RATE


def read(folder: Path, dry: np.ndarray, wet: np.ndarray) -> Pair:
    for name, audio in (("dry", dry), ("wet", wet)):
        soundfile.write(folder / f"{name}.wav", audio, RATE, subtype="PCM_24")
    return read_pair(folder / "dry.wav", folder / "wet.wav")


def hush(audio: np.ndarray, first: float, last: float) -> np.ndarray:
    return np.where((first <= SECOND) & (last > SECOND), 0, audio)


@pytest.mark.parametrize("side", ["dry", "wet"])
@pytest.mark.parametrize("first", [0.0, 9.0])
def test_what_one_side_lacks_is_told_and_left_out(tmp_path: Path, side: str, first: float) -> None:
    last = first + 2.5
    sides = {"dry": DRY, "wet": WET} | {side: hush({"dry": DRY, "wet": WET}[side], first, last)}
    pair = read(tmp_path, sides["dry"], sides["wet"])
    (gap,) = pair.gaps
    assert gap.start <= first * RATE + 1 and last * RATE - 1 <= gap.end and len(gap) < 3.0 * RATE
    assert any(f"the {side} side ({side}.wav) is silent at" in note for note in pair.notes)


def test_an_end_that_only_one_side_has_is_cut(tmp_path: Path) -> None:
    pair = read(tmp_path, DRY, hush(WET, 12.0, 99.0))
    assert 11.5 < pair.seconds <= 12.0
    assert any("the wet side is silent from" in note for note in pair.notes)


def test_a_gate_and_notes_that_die_away_are_no_dropouts(tmp_path: Path) -> None:
    loud = np.convolve(np.abs(DRY), np.ones(800) / 800, "same") > 0.05
    for wet in (WET, WET * loud):
        pair = read(tmp_path, DRY, wet)
        assert pair.gaps == ()
        assert not any("silent" in note for note in pair.notes)
