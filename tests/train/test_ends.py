"""What one side of a pair has before or after the other."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.errors import TrainingError
from tests.train.test_align import RATE, pluck
from tests.train.test_check import play
from train.pairs.pair import Pair
from train.pairs.read import read_pair

TAKE = pluck()
WET = play(TAKE)
GENERATOR = np.random.default_rng(11)


def read(folder: Path, dry: np.ndarray, wet: np.ndarray) -> Pair:
    for name, audio in (("dry.wav", dry), ("wet.wav", wet)):
        soundfile.write(folder / name, audio, RATE, subtype="FLOAT")
    return read_pair(folder / "dry.wav", folder / "wet.wav")


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)


def reverb(seconds: float) -> np.ndarray:
    """A tail that falls by 15 dB a second, from the level of the playing."""
    frames = int(seconds * RATE)
    fall = 10 ** (-15 / 20 * np.arange(frames) / RATE)
    return (WET.std() * fall * GENERATOR.standard_normal(frames)).astype(np.float32)


def hiss(seconds: float) -> np.ndarray:
    return (0.01 * WET.std() * GENERATOR.standard_normal(int(seconds * RATE))).astype(np.float32)


TAILS = {
    "a second": silence(1), "a second and a frame": np.zeros(RATE + 1), "silence": silence(7), "hiss": hiss(7),
    "a reverb": reverb(6), "a reverb and silence": np.concatenate([reverb(2), silence(3)]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("side", "tail"),
    [*(("wet", tail) for tail in TAILS), *(("dry", tail) for tail in ("a second", "hiss", "a reverb"))],
)
def test_a_tail_is_cut_off_and_told(tail: str, side: str, tmp_path: Path) -> None:
    longer = {side: np.concatenate([TAKE if side == "dry" else WET, TAILS[tail]])}
    pair = read(tmp_path, longer.get("dry", TAKE), longer.get("wet", WET))
    np.testing.assert_array_equal(pair.dry, TAKE)
    np.testing.assert_array_equal(pair.wet, WET)
    frames = len(TAILS[tail])
    assert any(f"{side}.wav is {frames} frames longer than the other; its end was cut" in note for note in pair.notes)


@pytest.mark.parametrize("side", ["dry", "wet"])
@pytest.mark.parametrize(("before", "seconds"), [(silence, 1.5), (silence, 11.0), (hiss, 1.5), (hiss, 11.0)])
def test_silence_before_the_start_of_one_side_is_a_delay_that_is_taken_out(seconds, side, before, tmp_path) -> None:  # type: ignore[no-untyped-def]
    longer = {side: np.concatenate([before(seconds), TAKE if side == "dry" else WET])}
    pair = read(tmp_path, longer.get("dry", TAKE), longer.get("wet", WET))
    assert pair.delay_frames == int(seconds * RATE) * (1 if side == "wet" else -1)
    np.testing.assert_array_equal(pair.dry, TAKE)
    np.testing.assert_array_equal(pair.wet, WET)
    assert not any("longer" in note for note in pair.notes)


def test_silence_before_and_a_tail_behind_are_both_cut(tmp_path: Path) -> None:
    pair = read(tmp_path, TAKE, np.concatenate([silence(3), WET, reverb(4)]))
    np.testing.assert_array_equal(pair.wet, WET)
    assert any(f"wet.wav is {4 * RATE} frames longer" in note for note in pair.notes)


@pytest.mark.parametrize("gap", [0.0, 3.0])
def test_playing_after_the_other_side_has_ended_is_refused_with_its_time(gap: float, tmp_path: Path) -> None:
    longer = np.concatenate([TAKE, silence(gap), TAKE[: 4 * RATE]])
    with pytest.raises(TrainingError, match=r"lengths differ: .* in dry\.wav something is still played \d\.\d s after"):
        read(tmp_path, longer, WET)


def test_playing_before_the_other_side_begins_is_refused_with_its_time(tmp_path: Path) -> None:
    count_in = silence(4)
    count_in[[RATE, 2 * RATE, 3 * RATE]] = 1
    count_in = np.convolve(count_in, 0.5 * np.hanning(RATE // 10), "same").astype(np.float32)
    with pytest.raises(TrainingError, match=r"wet\.wav is 4\.00 s late, .* something is played at 0\.9 s"):
        read(tmp_path, TAKE, np.concatenate([count_in, WET]))


def test_silence_that_both_sides_end_with_is_cut_but_for_a_second(tmp_path: Path) -> None:
    pair = read(tmp_path, np.concatenate([TAKE, silence(9)]), np.concatenate([WET, silence(9)]))
    assert len(TAKE) <= len(pair.dry) + RATE // 10
    assert len(pair.dry) == len(pair.wet) <= len(TAKE) + RATE
    assert any("both sides are silent from 1" in note for note in pair.notes)
