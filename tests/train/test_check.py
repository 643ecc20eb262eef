"""What is found about a pair, and what is said of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import train.pairs.source
from fxhost.errors import AudioError, TrainingError
from tests.train.test_align import DATA, RATE, delayed, filtered, pluck
from train.pairs.check import format_findings
from train.pairs.levels import measure_levels
from train.pairs.pair import Pair
from train.pairs.read import read_pair
from train.pairs.source import read_source


def play(audio: np.ndarray) -> np.ndarray:
    return filtered(np.tanh(6 * filtered(audio, 300, "high")), 2500) / 2


def write(path: Path, audio: np.ndarray, rate: int = RATE, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, audio, rate, subtype=subtype)
    return path


@pytest.fixture(scope="module")
def take() -> np.ndarray:
    """Playing with a pause of a second in its middle, in which only hiss is left."""
    audio = pluck()
    audio[5 * RATE : 6 * RATE] = 1e-5 * np.random.default_rng(4).standard_normal(RATE)
    return audio


@pytest.fixture
def dry(tmp_path: Path, take: np.ndarray) -> Path:
    return write(tmp_path / "dry.wav", take)


def read_with(dry: Path, wet: np.ndarray) -> Pair:
    return read_pair(dry, write(dry.with_name("wet.wav"), wet))


def test_an_aligned_pair_comes_through_bit_by_bit(dry: Path, take: np.ndarray) -> None:
    pair = read_with(dry, play(take))
    np.testing.assert_array_equal(pair.dry, take)
    np.testing.assert_array_equal(pair.wet, play(take))
    assert pair.delay_frames == 0.0
    assert [note for note in pair.notes if "only" not in note] == []


@pytest.mark.parametrize("frames", [509, -509])
def test_a_delay_of_whole_frames_is_taken_out_exactly(dry: Path, take: np.ndarray, frames: int) -> None:
    wet = play(take)
    late = np.concatenate([np.zeros(frames, np.float32), wet]) if frames > 0 else wet[-frames:]
    pair = read_with(dry, late)
    assert pair.delay_frames == frames
    lost = max(0, -frames)
    np.testing.assert_array_equal(pair.dry, take[lost:])
    np.testing.assert_array_equal(pair.wet, wet[lost:])
    assert any("509.00 frames" in note and "taken out" in note for note in pair.notes)
    assert not any("longer" in note for note in pair.notes)


def test_a_fraction_of_a_frame_is_taken_out(dry: Path, take: np.ndarray) -> None:
    pair = read_with(dry, delayed(np.tanh(6 * take), 20.5))
    assert pair.delay_frames == pytest.approx(20.5, abs=0.1)
    np.testing.assert_allclose(pair.wet[100:-100], np.tanh(6 * pair.dry)[100:-100], atol=0.1)


@pytest.mark.parametrize("given", [0.0, 509.0, -17.0])
def test_a_delay_that_the_user_gives_is_taken_out_whatever_is_found(dry: Path, take: np.ndarray, given: float) -> None:
    late = np.concatenate([np.zeros(40, np.float32), play(take)])
    pair = read_pair(dry, write(dry.with_name("wet.wav"), late), delay_frames=given)
    assert pair.delay_frames == given
    np.testing.assert_array_equal(pair.dry, take[max(0, -int(given)) :][: len(pair.dry)])
    np.testing.assert_array_equal(pair.wet, late[max(0, int(given)) :][: len(pair.wet)])
    assert any("40." in line and "as you said" in line for line in format_findings(pair))


def test_a_given_delay_that_leaves_too_little_is_refused(dry: Path, take: np.ndarray) -> None:
    wet = write(dry.with_name("wet.wav"), play(take))
    with pytest.raises(TrainingError, match=r"a delay of 160000 frames .* at most 144000 frames either way"):
        read_pair(dry, wet, delay_frames=160_000.0)


def test_the_findings_are_json_and_a_few_short_lines(dry: Path, take: np.ndarray) -> None:
    pair = read_with(dry, play(take))
    found = json.loads(json.dumps(pair.findings))
    assert found == pair.findings
    assert found["dry"]["peak_db"] == pytest.approx(20 * np.log10(np.abs(take).max()), abs=1e-3)
    lines = format_findings(pair)
    assert 6 <= len(lines) <= 10
    assert all(len(line) < 140 and "\n" not in line for line in lines)
    assert format_findings(Pair(pair.dry, pair.wet, RATE, "", "", ())) == []


def test_an_inversion_is_reported_and_kept(dry: Path, take: np.ndarray) -> None:
    pair = read_with(dry, -play(take))
    assert pair.findings["polarity"] == -1
    assert any("inverted" in line for line in format_findings(pair))
    np.testing.assert_array_equal(pair.wet, -play(take))


@pytest.mark.parametrize("noise_db", [-60.0, -40.0])
def test_the_floor_is_the_noise_over_the_wet_power(dry: Path, take: np.ndarray, noise_db: float) -> None:
    wet = play(take)
    noise = 10 ** (noise_db / 20) * wet.std() * np.random.default_rng(8).standard_normal(len(wet))
    floor = read_with(dry, (wet + noise).astype(np.float32)).findings["esr_floor"]
    assert 10 * np.log10(floor) == pytest.approx(noise_db, abs=0.7)


def test_hiss_of_the_dry_side_that_the_effect_amplifies_is_no_floor(dry: Path, take: np.ndarray) -> None:
    pair = read_with(dry, play(take))
    hiss = pair.findings["wet"]["floor_db"] - pair.findings["wet"]["rms_db"]
    assert pair.findings["esr_floor"] < 0.05 * 10 ** (hiss / 10)


def test_without_a_pause_there_is_no_floor(dry: Path) -> None:
    steady = np.random.default_rng(2).standard_normal(12 * RATE).astype(np.float32) / 8
    write(dry, steady)
    assert read_with(dry, np.tanh(steady)).findings["esr_floor"] is None


def test_a_gate_and_digital_silence_are_reported(dry: Path, take: np.ndarray) -> None:
    wet = play(take)
    wet[5 * RATE : 6 * RATE] = 0
    found = read_with(dry, wet).findings
    assert found["gated"] == "wet"
    assert found["wet"]["floor_db"] is None
    assert found["esr_floor"] is None


def test_a_compressor_is_reported(dry: Path, take: np.ndarray) -> None:
    envelope = np.sqrt(np.convolve(take**2, np.ones(800) / 800, "same")) + 1e-3
    found = read_with(dry, (0.1 * take / envelope**0.7).astype(np.float32)).findings
    assert found["compressed"]
    assert not read_with(dry, filtered(take, 2000)).findings["compressed"]


def test_a_direct_voltage_is_reported(dry: Path, take: np.ndarray) -> None:
    pair = read_with(dry, play(take) + np.float32(0.1))
    assert pair.findings["wet"]["dc"] == pytest.approx(0.1, abs=0.01)
    assert any("DC +0.1" in line for line in format_findings(pair))


def test_clipping_across_the_border_of_two_blocks_is_counted() -> None:
    audio = np.zeros(train.pairs.source.BLOCK_FRAMES + 100, np.float32)
    audio[train.pairs.source.BLOCK_FRAMES - 2 : train.pairs.source.BLOCK_FRAMES + 2] = 1.0
    assert measure_levels(audio, RATE).clipped_places == 2


# --- what is refused


def test_recordings_of_two_performances_are_refused(dry: Path) -> None:
    with pytest.raises(TrainingError, match=r"are not a pair: .* \(correlation 0\.\d+, .* 12 times is needed"):
        read_with(dry, play(pluck(seed=9)))


@pytest.mark.parametrize(("frames", "words"), [(3 * RATE, "3.00 s late"), (-3 * RATE, "3.00 s early")])
def test_a_delay_beyond_the_search_is_refused_with_its_value(
    dry: Path, take: np.ndarray, frames: int, words: str
) -> None:
    with pytest.raises(TrainingError, match=rf"{words}, and at most 2 s are made up for; cut that off the beginning"):
        read_with(dry, np.roll(play(take), frames))


# --- stereo and long files


@pytest.mark.parametrize(("used", "side"), [(0, "left"), (1, "right")])
@pytest.mark.parametrize("other", [0.0, 1e-4])
def test_the_used_channel_of_a_stereo_file_is_taken(
    dry: Path, take: np.ndarray, used: int, side: str, other: float
) -> None:
    both = np.zeros((len(take), 2), np.float32)
    both[:, used] = play(take)
    both[:, 1 - used] = other * np.random.default_rng(6).standard_normal(len(take))
    pair = read_with(dry, both)
    np.testing.assert_array_equal(pair.wet, both[:, used])
    assert (pair.findings["wet"]["channels"], pair.findings["wet"]["channel"]) == (2, used)
    assert any(f"its {side} channel is used" in note for note in pair.notes)


def test_a_stereo_file_with_the_same_signal_twice_is_taken(dry: Path, take: np.ndarray) -> None:
    pair = read_with(dry, np.stack([play(take)] * 2, axis=1))
    np.testing.assert_array_equal(pair.wet, play(take))
    assert any("same signal on both channels" in note for note in pair.notes)


@pytest.mark.parametrize("channel", [0, 1])
def test_a_bad_sample_of_either_channel_is_refused_with_its_frame(dry: Path, take: np.ndarray, channel: int) -> None:
    both = np.stack([take, take], axis=1)
    both[1009, channel] = np.nan
    with pytest.raises(AudioError, match=r"NaN or infinity\) at frame 1009"):
        read_with(dry, both)


def test_a_long_recording_lies_on_disk_and_is_the_same(
    dry: Path, take: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = delayed(play(take), 20.5)
    short = read_with(dry, late)
    monkeypatch.setattr(train.pairs.source, "ON_DISK_S", 5.0)
    monkeypatch.setattr(train.pairs.source, "BLOCK_FRAMES", 509)
    long = read_with(dry, late)
    assert isinstance(read_source(dry).audio, np.memmap)
    np.testing.assert_array_equal(long.dry, short.dry)
    np.testing.assert_allclose(long.wet, short.wet, atol=1e-7)
    assert long.findings["delay"] == short.findings["delay"]


# --- real recordings

SHARED_PAIRS = [
    ("test-dry", "test-rc-lowpass"), ("test-dry", "test-fuzz"),
    ("pairs/dafx15/riff_input", "pairs/dafx15/riff_diode_target"),
    ("pairs/dafx15/chord_input", "pairs/dafx15/chord_rangemaster_target"),
]  # fmt: skip


@pytest.mark.parametrize(("x", "y"), SHARED_PAIRS, ids=lambda name: name.split("/")[-1])
def test_real_pairs_are_told_from_swapped_ones_and_not_moved(x: str, y: str) -> None:
    if not DATA.is_dir():
        pytest.skip("there are no recordings beside the project")
    dry, wet = DATA / f"{x}.flac", DATA / f"{y}.flac"
    pair = read_pair(dry, wet)
    assert not pair.findings["swapped"]
    assert pair.delay_frames == 0.0
    assert pair.findings["drift_frames"] == 0.0
    assert read_pair(wet, dry, force=True).findings["swapped_surely"]
