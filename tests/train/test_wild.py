"""Single samples that no sound made."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.errors import AudioError
from fxhost.io.channels import choose_channel
from tests.train.test_align import RATE, pluck
from tests.train.test_check import play
from train.pairs.read import read_pair
from train.pairs.wild import mend_wild_samples

PLAYED = play(pluck())
PEAK = float(np.abs(PLAYED).max())


def mend(audio: np.ndarray) -> tuple[np.ndarray, list[tuple[int, float]]]:
    mended = audio.astype(np.float32)
    return mended, [(sample.frame, sample.value) for sample in mend_wild_samples(mended, RATE)]


def test_playing_has_none() -> None:
    mended, found = mend(PLAYED)
    assert found == []
    np.testing.assert_array_equal(mended, PLAYED)


@pytest.mark.parametrize("frame", [0, 1009, len(PLAYED) - 1])
@pytest.mark.parametrize("value", [5 * PEAK, -50.0, 1e6])
def test_a_wild_sample_is_found_and_replaced_by_what_its_neighbours_tell(frame: int, value: float) -> None:
    harmed = PLAYED.copy()
    harmed[frame] = value
    mended, found = mend(harmed)
    assert found == [(frame, pytest.approx(value))]
    assert np.abs(mended - PLAYED).max() < 0.5 * PEAK
    assert np.count_nonzero(mended != PLAYED) <= 1


def test_wild_samples_of_different_heights_are_all_found() -> None:
    harmed = PLAYED.copy()
    harmed[[509, 17_011, 17_012, 40_009]] = 5.0, 1e6, -1e5, -60.0
    assert [frame for frame, _ in mend(harmed)[1]] == [509, 17_011, 40_009]


def test_what_lasts_as_long_as_sound_is_left_alone() -> None:
    loud = PLAYED.copy()
    loud[RATE : RATE + 200] *= 20
    assert mend(loud)[1] == []


def test_clicks_that_are_all_there_is_are_left_alone() -> None:
    clicks = np.zeros(4 * RATE)
    clicks[RATE // 2 :: RATE] = 0.9
    assert mend(clicks)[1] == []
    assert mend(clicks + 1e-6 * np.random.default_rng(1).standard_normal(len(clicks)))[1] == []


def test_a_side_that_holds_nothing_but_a_click_is_refused(tmp_path: Path) -> None:
    click = np.zeros(len(PLAYED))
    click[RATE] = 1e4
    dry, wet = tmp_path / "dry.wav", tmp_path / "wet.wav"
    soundfile.write(dry, PLAYED, RATE, subtype="FLOAT")
    soundfile.write(wet, click, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"wet.wav is silent but for 0.1 s, as long as a click"):
        read_pair(dry, wet)


@pytest.mark.parametrize("other", [0.0, 0.5])
def test_a_wild_sample_makes_no_channel_the_louder_one(tmp_path: Path, other: float) -> None:
    both = np.stack([PLAYED, other * PLAYED], axis=1)
    both[RATE, 1] = 1e6
    soundfile.write(tmp_path / "wet.wav", both, RATE, subtype="FLOAT")
    assert choose_channel(tmp_path / "wet.wav").channel == 0


def test_a_wild_sample_turns_neither_delay_nor_polarity_nor_levels(tmp_path: Path) -> None:
    dry, wet = tmp_path / "dry.wav", tmp_path / "wet.wav"
    soundfile.write(dry, pluck(), RATE, subtype="FLOAT")
    soundfile.write(wet, PLAYED, RATE, subtype="FLOAT")
    sound = read_pair(dry, wet)
    harmed = PLAYED.copy()
    harmed[30_011] = -1e6
    soundfile.write(wet, harmed, RATE, subtype="FLOAT")
    pair = read_pair(dry, wet)
    assert any(f"of +120.0 dB at {30_011 / RATE:.3f} s (frame 30011)" in note for note in pair.notes)
    assert (pair.delay_frames, pair.findings["polarity"]) == (sound.delay_frames, sound.findings["polarity"])
    assert pair.findings["level_db"] == pytest.approx(sound.findings["level_db"], abs=0.01)
    assert pair.findings["wet"]["peak_db"] == pytest.approx(sound.findings["wet"]["peak_db"], abs=0.01)
