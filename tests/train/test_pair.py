"""Reading, checking and splitting a pair of recordings."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fxhost.errors import AudioError, TrainingError
from tests.conftest import SHARED
from train.pairs.levels import measure_levels
from train.pairs.pair import Pair
from train.pairs.read import read_pair
from train.pairs.splits import cut_warmed, split_pair
from train.pairs.stretch import Stretch

RATE = 8000
DATA = SHARED / "data"


def noise(frames: int = 4 * RATE, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, frames).astype(np.float32)


def smooth_noise() -> np.ndarray:
    """Noise that moves as slowly as a guitar, with a peak of 0.5."""
    slow = np.convolve(noise(), np.hanning(24), "same")
    return (0.5 * slow / np.abs(slow).max()).astype(np.float32)


def soft() -> np.ndarray:
    """What a soft clipper makes of the noise."""
    return np.tanh(1.5 * noise()).astype(np.float32)


def write(path: Path, audio: np.ndarray, rate: int = RATE, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, audio, rate, subtype=subtype)
    return path


@pytest.fixture
def dry(tmp_path: Path) -> Path:
    return write(tmp_path / "dry.wav", noise())


def test_a_pair_is_read_as_it_was_written(dry: Path, tmp_path: Path) -> None:
    pair = read_pair(dry, write(tmp_path / "wet.wav", soft()))
    np.testing.assert_array_equal(pair.dry, noise())
    np.testing.assert_array_equal(pair.wet, soft())
    assert (pair.sample_rate, pair.seconds, len(pair.dry_sha256)) == (RATE, 4.0, 64)
    assert pair.dry_sha256 != pair.wet_sha256


@pytest.mark.parametrize(("ending", "subtype", "step"), [
    ("wav", "PCM_16", 2**-15), ("wav", "PCM_24", 2**-23), ("flac", "PCM_16", 2**-15), ("flac", "PCM_24", 2**-23),
    ("wav", "PCM_32", 2**-24), ("wav", "DOUBLE", 2**-24),
])  # fmt: skip
def test_integers_and_doubles_are_read_to_within_their_step(
    dry: Path, tmp_path: Path, ending: str, subtype: str, step: float
) -> None:
    pair = read_pair(dry, write(tmp_path / f"wet.{ending}", soft(), subtype=subtype))
    assert np.abs(pair.wet - soft()).max() <= step


def test_a_missing_file_is_refused(dry: Path) -> None:
    with pytest.raises(AudioError, match=r"no such audio file: .*nothing\.wav"):
        read_pair(dry, dry.with_name("nothing.wav"))


@pytest.mark.parametrize("name", ["text.wav", "text.raw", "text", "text.flac"])
def test_a_file_that_is_no_audio_is_refused(dry: Path, name: str) -> None:
    other = dry.with_name(name)
    other.write_text("this is not audio")
    with pytest.raises(AudioError, match=r"text.* is not audio"):
        read_pair(dry, other)


def test_a_folder_is_refused(dry: Path) -> None:
    with pytest.raises(AudioError, match="is a folder; give a sound file"):
        read_pair(dry, dry.parent)


@pytest.mark.parametrize(("name", "subtype"), [("wet.wav", "PCM_U8"), ("wet.wav", "ULAW"), ("wet.flac", "PCM_S8")])
def test_8_bit_is_refused(dry: Path, tmp_path: Path, name: str, subtype: str) -> None:
    with pytest.raises(AudioError, match="8 bits a sample"):
        read_pair(dry, write(tmp_path / name, noise(), subtype=subtype))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(dry: Path, tmp_path: Path, bad: float) -> None:
    audio = noise()
    audio[17] = bad
    with pytest.raises(AudioError, match="NaN or infinity"):
        read_pair(dry, write(tmp_path / "wet.wav", audio))


def test_silence_is_refused(dry: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"wet\.wav is silent"):
        read_pair(dry, write(tmp_path / "wet.wav", noise() * 1e-5))


def test_an_empty_file_is_refused(dry: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is empty"):
        read_pair(dry, write(tmp_path / "wet.wav", noise(0)))


def test_another_sample_rate_is_refused(dry: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"8000 Hz.* 11025 Hz"):
        read_pair(dry, write(tmp_path / "wet.wav", noise(), rate=11025))


def test_a_sample_rate_that_no_preset_may_have_is_refused(tmp_path: Path) -> None:
    slow = write(tmp_path / "slow.wav", noise(), rate=4000)
    with pytest.raises(AudioError, match="4000 Hz"):
        read_pair(slow, slow)


def test_too_short_a_recording_is_refused(tmp_path: Path) -> None:
    short = write(tmp_path / "short.wav", noise(RATE))
    with pytest.raises(TrainingError, match=r"too short: 1\.00 s, where at least 3 s are needed"):
        read_pair(short, short)


def test_a_little_difference_in_length_is_cut_and_noted(dry: Path, tmp_path: Path) -> None:
    pair = read_pair(dry, write(tmp_path / "wet.wav", noise(4 * RATE - 509)))
    assert len(pair.dry) == len(pair.wet) == 4 * RATE - 509
    assert any("dry.wav is 509 frames longer" in note for note in pair.notes)


def test_a_great_difference_in_length_is_refused(dry: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="lengths differ"):
        read_pair(dry, write(tmp_path / "wet.wav", noise(6 * RATE)))


def test_clipping_at_full_scale_is_noted(dry: Path, tmp_path: Path) -> None:
    pair = read_pair(dry, write(tmp_path / "wet.wav", np.clip(noise() * 3, -1, 1)))
    assert any("wet.wav is clipped" in note for note in pair.notes)


@pytest.mark.parametrize("gain", [1.0, 1.99])
def test_an_unclipped_recording_is_not_called_clipped(dry: Path, tmp_path: Path, gain: float) -> None:
    pair = read_pair(dry, write(tmp_path / "wet.wav", noise() * gain))
    assert not any("clipped" in note for note in pair.notes)


def test_an_effect_that_clips_below_full_scale_is_not_called_clipped(dry: Path, tmp_path: Path) -> None:
    pair = read_pair(dry, write(tmp_path / "wet.wav", np.clip(noise(), -0.2, 0.2)))
    assert not any("clipped" in note for note in pair.notes)


@pytest.mark.parametrize("peak", [0.5, 0.995, 1.0])
def test_a_square_wave_is_the_effects_own_at_any_level(dry: Path, tmp_path: Path, peak: float) -> None:
    square = peak * np.clip(40 * smooth_noise(), -1, 1)
    pair = read_pair(write(dry, smooth_noise()), write(tmp_path / "wet.wav", square, subtype="PCM_24"))
    assert not any(word in note for note in pair.notes for word in ("clip", "flat"))


@pytest.mark.parametrize(("peak", "words"), [
    (0.01, "has flat tops at -40.0 dB"), (0.7, "has flat tops at -3.1 dB"), (1.0, "is clipped at full scale"),
])  # fmt: skip
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_flat_tops_of_the_dry_side_are_noted_at_any_level(
    dry: Path, tmp_path: Path, peak: float, words: str, subtype: str
) -> None:
    cut = peak * np.clip(2 * smooth_noise(), -0.4, 0.4) / 0.4
    write(dry, cut, subtype=subtype)
    pair = read_pair(dry, write(tmp_path / "wet.wav", np.tanh(3 * cut)))
    assert any(f"dry.wav {words}" in note for note in pair.notes)


@pytest.mark.parametrize("peak", [0.01, 0.7, 1.0])
def test_slow_and_steady_waves_have_no_flat_tops(peak: float) -> None:
    time = np.arange(5 * 48_000) / 48_000
    sweep = peak * np.sin(2 * np.pi * 20 * 5 / np.log(50) * (50 ** (time / 5) - 1))
    low = peak * np.sin(2 * np.pi * 41.2 * time)
    from_its_top = peak * np.cos(2 * np.pi * 41.25 * time)
    for wave in (sweep, low, from_its_top):
        rounded = (np.round(wave * 32_767) / 32_768).astype(np.float32)
        assert measure_levels(rounded, 48_000, any_flat_top=True).clipped_places == 0


def make_pair(frames: int, rate: int = RATE) -> Pair:
    audio = np.ones(frames, np.float32)
    return Pair(audio, audio, rate, "", "", ())


@given(frames=st.integers(3 * RATE, 400 * RATE), with_test=st.booleans())
def test_the_splits_cover_every_frame_once(frames: int, with_test: bool) -> None:
    split = split_pair(make_pair(frames), with_test=with_test)
    stretches = sorted(split.train + split.validation + split.test, key=lambda s: s.start)
    assert stretches[0].start == 0
    assert stretches[-1].end == frames
    assert all(len(s) > 0 for s in stretches)
    assert all(a.end == b.start for a, b in itertools.pairwise(stretches))
    assert bool(split.test) == with_test
    assert sum(map(len, split.train)) > 0.79 * frames


def test_a_long_recording_is_validated_in_several_places() -> None:
    split = split_pair(make_pair(158 * RATE), with_test=True)
    assert len(split.train) == len(split.validation) == len(split.test) == 6


def test_a_wet_recording_that_is_silent_where_it_is_validated_is_refused() -> None:
    pair = make_pair(10 * RATE)
    wet = pair.wet.copy()
    wet[int(7.9 * RATE) : int(9.1 * RATE)] = 0
    with pytest.raises(TrainingError, match=r"silent in its validation stretches \(8\.0–9\.0 s\)"):
        split_pair(Pair(pair.dry, wet, RATE, "", "", ()), with_test=True)


def test_the_warm_up_is_the_audio_just_before() -> None:
    audio = np.arange(100, dtype=np.float32)
    np.testing.assert_array_equal(cut_warmed(audio, Stretch(50, 53), 3), [47, 48, 49, 50, 51, 52])


def test_the_warm_up_of_the_beginning_is_silence() -> None:
    audio = np.arange(1, 100, dtype=np.float32)
    np.testing.assert_array_equal(cut_warmed(audio, Stretch(1, 3), 4), [0, 0, 0, 1, 2, 3])


def test_the_guitar_pair_is_read_whole_and_without_complaint() -> None:
    if not DATA.is_dir():
        pytest.skip("there are no recordings beside the project")
    pair = read_pair(DATA / "test-dry.flac", DATA / "test-ts-overdrive.flac")
    assert (len(pair.dry), pair.sample_rate, pair.notes) == (2_057_612, 48_000, ())
