"""Frames that were lost or doubled, and takes that were joined: steps in the delay."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.errors import TrainingError
from tests.train.test_align import RATE, filtered, pluck
from train.pairs.align import close_steps
from train.pairs.delay import find_delay
from train.pairs.drift import Line, Step
from train.pairs.pair import Pair
from train.pairs.pieces import Pieces, measure_pieces
from train.pairs.read import read_pair
from train.pairs.slips import find_steps
from train.pairs.splits import leave_gaps, split_pair
from train.pairs.stretch import Stretch

HALF = 20 * RATE


def drive(audio: np.ndarray) -> np.ndarray:
    return filtered(np.tanh(10 * filtered(audio, 500, "high")), 3000)


def fuzz(audio: np.ndarray) -> np.ndarray:
    return np.tanh(100 * audio + 0.3) - np.tanh(np.float32(0.3))


@pytest.fixture(scope="module")
def take() -> np.ndarray:
    return pluck(40.0)


def read(folder: Path, dry: np.ndarray, wet: np.ndarray, *, force: bool = False) -> Pair:
    for name, audio in (("dry", dry), ("wet", wet)):
        soundfile.write(folder / f"{name}.wav", audio, RATE, subtype="FLOAT")
    return read_pair(folder / "dry.wav", folder / "wet.wav", force=force)


def outside(gaps: tuple[Stretch, ...], frames: int) -> np.ndarray:
    kept = np.ones(frames, np.bool_)
    for gap in gaps:
        kept[gap.start : gap.end] = False
    return kept


@pytest.mark.parametrize(
    ("effect", "lost", "put_in"),
    [(drive, lost, None) for lost in (256, -64, 3000, 12)]
    + [(drive, -256, np.zeros(256, np.float32))]
    + [(fuzz, lost, None) for lost in (-64, 12)],
)
def test_a_step_is_found_and_both_sides_of_it_are_aligned_to_the_frame(
    tmp_path: Path, take: np.ndarray, effect, lost: int, put_in: np.ndarray | None
) -> None:
    whole = effect(take)
    rest = whole[HALF:] if put_in is not None else whole[HALF + lost :]
    wet = np.concatenate([whole[:HALF], *([] if put_in is None else [put_in]), rest])
    pair = read(tmp_path, take, wet)
    (step,) = pair.findings["steps"]
    assert step["frames"] == -lost
    assert step["seconds"] == pytest.approx(20, abs=0.3)
    assert pair.findings["drift_frames"] == 0
    kept = outside(pair.gaps, len(pair.wet))
    assert kept.mean() > 0.94
    np.testing.assert_array_equal(pair.wet[kept], whole[: len(kept)][kept])
    np.testing.assert_array_equal(pair.dry, take[: len(kept)])
    assert any(f"{abs(lost)} frames" in note and "the delay jumps at" in note for note in pair.notes)


def test_frames_that_the_dry_side_lost_are_found_too(tmp_path: Path, take: np.ndarray) -> None:
    dry, whole = np.concatenate([take[:HALF], take[HALF + 200 :]]), drive(take)
    pair = read(tmp_path, dry, whole)
    assert [step["frames"] for step in pair.findings["steps"]] == [200]
    kept = outside(pair.gaps, len(pair.wet))
    expected = np.concatenate([whole[:HALF], whole[HALF + 200 :]])
    np.testing.assert_array_equal(pair.wet[kept], expected[: len(kept)][kept])


def test_several_steps_and_a_delay_are_taken_out_together(tmp_path: Path, take: np.ndarray) -> None:
    whole = drive(take)
    wet = np.concatenate(
        [np.zeros(100), whole[: 12 * RATE], whole[12 * RATE + 512 : 28 * RATE], whole[28 * RATE - 64 :]]
    )
    pair = read(tmp_path, take, wet.astype(np.float32))
    assert pair.delay_frames == 100
    assert [step["frames"] for step in pair.findings["steps"]] == [-512, 64]
    kept = outside(pair.gaps, len(pair.wet))
    np.testing.assert_array_equal(pair.wet[kept], whole[: len(kept)][kept])


def test_no_stretch_crosses_a_step(tmp_path: Path, take: np.ndarray) -> None:
    whole = drive(take)
    pair = read(tmp_path, take, np.concatenate([whole[:HALF], whole[HALF + 256 :]]))
    split = split_pair(pair, with_test=True)
    stretches = [*split.train, *split.validation, *split.test]
    assert len(pair.gaps) == 1
    assert pair.gaps[0].start < HALF < pair.gaps[0].end
    assert all(s.end <= pair.gaps[0].start or s.start >= pair.gaps[0].end for s in stretches)
    assert sum(map(len, stretches)) > 0.95 * len(pair.dry)


def test_a_recorder_that_loses_frames_all_the_time_is_refused_without_force(tmp_path: Path) -> None:
    dry = 0.1 * np.random.default_rng(3).standard_normal(36 * RATE).astype(np.float32)
    whole = drive(dry)
    wet = np.concatenate([whole[n * 5 * RATE + n * 64 : (n + 1) * 5 * RATE + n * 64] for n in range(7)])
    with pytest.raises(TrainingError, match=r"lost or doubled frames in 6 places \(5\.0\d s, .*; record again"):
        read(tmp_path, dry[: 35 * RATE], wet)
    assert len(read(tmp_path, dry[: 35 * RATE], wet, force=True).gaps) == 6


def test_a_drift_is_one_though_a_few_pieces_lie_elsewhere() -> None:
    middles = np.arange(25.0) * 44_100
    delays = 30 - 40e-6 * middles
    delays[[4, 9, 20]] -= 25
    pieces = Pieces(middles.astype(np.int64), 0, delays, np.zeros(25))
    line = Line(0.0, 0.0, float(middles[12]))
    assert find_steps(pieces, line)[1].slope == pytest.approx(-40e-6, rel=0.02)
    bent = Pieces(middles.astype(np.int64), 0, np.where(middles < middles[12], 0.0, delays - delays[12]), np.zeros(25))
    assert find_steps(bent, line)[1].slope == 0.0  # half of a recording shows no clock


@pytest.mark.parametrize("ppm", [-120.0, -20.0, 3.0])
@pytest.mark.parametrize("effect", [drive, fuzz])
def test_a_clock_that_drifts_makes_no_step(take: np.ndarray, effect, ppm: float) -> None:
    n = np.arange(len(take) - 200)
    wet = np.interp(n * (1 - ppm * 1e-6), np.arange(len(take)), filtered(effect(take), 3000)).astype(np.float32)
    delay = find_delay(take, wet, RATE)
    assert delay.steps == ()
    assert delay.drift_frames == pytest.approx(ppm * 1e-6 * len(take), rel=0.3)


def test_a_delay_that_swings_makes_no_step(take: np.ndarray) -> None:
    n = np.arange(len(take))
    wet = np.interp(n - 30 * (1 + np.sin(2 * np.pi * 0.3 * n / RATE)), n, drive(take)).astype(np.float32)
    delay = find_delay(take, wet, RATE)
    assert delay.steps == ()
    assert delay.drift_frames == 0


def test_pieces_tell_delay_and_gain_over_time(take: np.ndarray) -> None:
    gain = np.where(np.arange(len(take)) < HALF, 1.0, 2.0)
    wet = np.concatenate([np.zeros(7), filtered(take, 2000) * gain]).astype(np.float32)
    pieces = measure_pieces(take, wet, RATE, Line(7.0, 0.0, len(take) / 2))
    known = pieces.known
    assert len(known) >= 38
    np.testing.assert_allclose(pieces.delays[known], pieces.delays[known[0]], atol=0.3)
    first, last = (
        pieces.gains_db[known[pieces.middles[known] < HALF]],
        pieces.gains_db[known[pieces.middles[known] > HALF]],
    )
    assert np.median(last) - np.median(first) == pytest.approx(6.02, abs=0.1)


def test_what_is_missing_is_silent_and_what_is_doubled_is_dropped() -> None:
    dry = np.arange(100, dtype=np.float32)
    lost = np.concatenate([dry[:40], dry[50:]])
    doubled = np.concatenate([lost[:70], lost[60:]])
    steps = [Step(40.0, -10.0, 35.0, 55.0), Step(80.0, 10.0, 75.0, 85.0)]
    x, y = close_steps(dry[:100], doubled[:100], steps)
    np.testing.assert_array_equal(x, dry)
    np.testing.assert_array_equal(y, np.where((dry >= 40) & (dry < 50), 0, dry))


def test_a_stretch_that_a_gap_leaves_too_short_is_left_out() -> None:
    stretches = [Stretch(0, 30_000), Stretch(30_000, 60_000)]
    assert leave_gaps(stretches, [Stretch(29_000, 31_000)], 8000) == (Stretch(0, 29_000), Stretch(31_000, 60_000))
    assert leave_gaps(stretches, [Stretch(25_000, 29_000)], 8000) == (Stretch(0, 25_000), Stretch(30_000, 60_000))
    assert leave_gaps([Stretch(0, 5000)], [Stretch(1000, 2000)], 8000) == (Stretch(2000, 5000),)
    assert leave_gaps([Stretch(0, 5000)], [Stretch(0, 6000)], 8000) == ()
