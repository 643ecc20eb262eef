"""The test signal: what it holds, where, and at which levels."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

import train.signal
import train.sounds
from fxhost.arrays import Float32Array
from fxhost.errors import AudioError, FileError, TrainingError
from train.pairs.pair import Pair
from train.pairs.read import read_pair
from train.pairs.splits import split_pair
from train.pairs.stretch import Stretch
from train.signal import KINDS, Piece, make_signal, plan_signal, write_signal

RATE = 48_000
PEAK = 10 ** (-1 / 20)
LOUDNESS = (0.09695530726168983, 0.0763602871098669, 0.08413203927881523, 0.08952265834320754, 0.08806281646069565)


@pytest.fixture(scope="module")
def signal() -> Float32Array:
    return make_signal(RATE)


@pytest.fixture(scope="module")
def stretches(signal: Float32Array) -> list[Stretch]:
    """Every stretch that a training holds out."""
    split = split_pair(Pair(signal, signal, RATE, "", "", ()), with_test=True)
    return [*split.validation, *split.test]


def measure_levels(audio: Float32Array) -> np.ndarray:
    """The RMS of each 20 ms in dB, silence at −200."""
    blocks = audio[: len(audio) // 960 * 960].reshape(-1, 960).astype(np.float64)
    return 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-20)


# --- the whole


@pytest.mark.parametrize(
    ("rate", "seconds"), [(RATE, 180.0), (44_100, 60.0), (96_000, 31.7), (8000, 5.0), (11_025, 7.3)]
)
def test_it_has_the_length_and_the_peak_that_it_should_have(rate: int, seconds: float) -> None:
    audio = make_signal(rate, seconds)
    assert audio.dtype == np.float32
    assert audio.shape == (round(rate * seconds),)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() == pytest.approx(PEAK, abs=2**-23)
    assert np.abs(audio.mean(dtype=np.float64)) < 1e-3


def test_it_is_the_same_at_every_call(signal: Float32Array) -> None:
    np.testing.assert_array_equal(signal, make_signal(RATE))


def test_it_stays_what_it_was_when_presets_were_trained_on_it(signal: Float32Array) -> None:
    # not a checksum: the sines of another processor may differ in the last of 24 bits here and there
    loudness = [float(np.sqrt(np.mean(part.astype(np.float64) ** 2))) for part in np.array_split(signal, 5)]
    np.testing.assert_allclose(loudness, LOUDNESS, rtol=1e-7)


def test_the_same_is_played_at_another_sample_rate(signal: Float32Array) -> None:
    other = make_signal(2 * RATE)
    # the treble of noise and of picks is that of the rate; what a piece is and how loud stays
    ours, theirs = measure_levels(signal), measure_levels(other[::2])
    assert np.median(np.abs(ours - theirs)) < 0.5
    assert np.corrcoef(ours, theirs)[0, 1] > 0.98


def test_it_lies_on_the_steps_of_24_bits(signal: Float32Array) -> None:
    steps = signal.astype(np.float64) * 2**23
    np.testing.assert_array_equal(steps, np.round(steps))


def test_every_level_is_covered(signal: Float32Array) -> None:
    counts, _ = np.histogram(measure_levels(signal), np.arange(-72, -5, 3))
    assert counts.min() > 0.005 * counts.sum()


def test_silence_is_covered(signal: Float32Array) -> None:
    assert 0.04 < np.mean(measure_levels(signal) == -200) < 0.25


def test_the_spectrum_reaches_from_30_hz_to_20_khz(signal: Float32Array) -> None:
    power = np.abs(np.fft.rfft(signal)) ** 2
    frequency = np.fft.rfftfreq(len(signal), 1 / RATE)
    thirds = 30 * 2 ** (np.arange(29) / 3)
    bands = [power[(frequency >= low) & (frequency < high)].sum() for low, high in itertools.pairwise(thirds)]
    assert thirds[-1] > 19_000
    assert 10 * np.log10(min(bands) / max(bands)) > -35
    assert power[frequency < 10].sum() < 0.01 * power.sum()


def test_nothing_folds_back_at_a_low_sample_rate() -> None:
    sweeps = [piece for piece in plan_signal(60.0) if piece.kind == "sweep"]
    audio = make_signal(8000, 60.0)
    for piece in sweeps[:4]:
        end = audio[round(piece.start_s * 8000) : round(piece.end_s * 8000)]
        power = np.abs(np.fft.rfft(end)) ** 2
        frequency = np.fft.rfftfreq(len(end), 1 / 8000)
        assert power[frequency > 3800].sum() < 0.02 * power.sum()


# --- the score


def test_strings_are_most_of_it() -> None:
    length: Counter[str] = Counter()
    for piece in plan_signal():
        length[piece.kind] += piece.end_s - piece.start_s
    assert set(length) == set(KINDS)
    assert length["note"] + length["strum"] > 0.5 * length.total()


@pytest.mark.parametrize("seconds", [5.0, 31.7, 37.4, 60.0, 180.0, 601.0])
def test_pieces_follow_each_other_without_overlap(seconds: float) -> None:
    pieces = plan_signal(seconds)
    assert pieces[0].start_s > 0
    assert pieces[-1].end_s < seconds
    for piece, following in itertools.pairwise(pieces):
        assert piece.start_s < piece.end_s <= following.start_s + 1e-9


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "silence"])
def test_every_kind_is_played_at_every_level(kind: str) -> None:
    levels = sorted(20 * np.log10(piece.level) for piece in plan_signal() if piece.kind == kind)
    assert levels[0] < -50
    assert levels[-1] > -5
    assert np.diff(levels).max() < 8


def test_notes_reach_from_a_bass_to_the_highest_fret() -> None:
    places = sorted(piece.turn * train.sounds.GOLDEN % 1 for piece in plan_signal() if piece.kind == "note")
    pitches = 440 * 2 ** ((train.sounds.LOWEST_NOTE + train.sounds.NOTES * np.array(places) - 69) / 12)
    assert pitches[0] < 31
    assert pitches[-1] > 1250
    assert (pitches[1:] / pitches[:-1]).max() < 2 ** (3 / 12)


def overlap(piece: Piece, stretch: Stretch) -> float:
    return min(piece.end_s, stretch.end / RATE) - max(piece.start_s, stretch.start / RATE)


def test_every_kind_is_in_every_stretch_that_is_held_out(stretches: list[Stretch]) -> None:
    pieces = plan_signal()
    for stretch in stretches:
        length: Counter[str] = Counter()
        for piece in pieces:
            length[piece.kind] += max(0.0, overlap(piece, stretch))
        for kind, share in KINDS.items():
            assert length[kind] > 0.8 * share * len(stretch) / RATE, (kind, stretch)


def test_every_stretch_that_is_held_out_has_a_wide_range_of_levels(
    signal: Float32Array, stretches: list[Stretch]
) -> None:
    for stretch in stretches:
        levels = measure_levels(signal[stretch.start : stretch.end])
        heard = levels[levels > -100]
        assert np.percentile(heard, 95) > -24
        assert np.percentile(heard, 10) < -45


def test_a_long_piece_opens_each_part_and_is_trained_on(signal: Float32Array) -> None:
    split = split_pair(Pair(signal, signal, RATE, "", "", ()), with_test=True)
    long = [piece for piece in plan_signal() if piece.end_s - piece.start_s > 2]
    assert len(long) == len(split.train) == 7
    for piece, stretch in zip(long, split.train, strict=True):
        assert overlap(piece, stretch) == pytest.approx(piece.end_s - piece.start_s)


def test_a_blip_comes_first_and_last(signal: Float32Array) -> None:
    for audio in (signal, signal[::-1]):
        first = int(np.argmax(audio != 0))
        blip = audio[first : first + 60]
        assert first == pytest.approx(0.1 * RATE, abs=60)
        assert blip.max() == pytest.approx(PEAK, abs=0.01)
        assert not audio[first + 60 : first + 3000].any()


# --- the file


@pytest.mark.parametrize("ending", ["wav", "flac", "aiff"])
def test_the_file_holds_the_signal_in_24_bits(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"signal.{ending}"
    write_signal(path, 44_100, seconds=7.0)
    audio, rate = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(audio, make_signal(44_100, 7.0))
    assert (rate, soundfile.info(path).subtype) == (44_100, "PCM_24")
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_a_recording_that_can_be_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "signal.wav"
    write_signal(path, seconds=31.0)
    pair = read_pair(path, path)
    assert (pair.sample_rate, pair.seconds, pair.notes) == (RATE, 31.0, ())


def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "signal.wav"
    path.write_text("precious")
    with pytest.raises(FileError, match="exists already"):
        write_signal(path, seconds=5.0)
    assert path.read_text() == "precious"
    write_signal(path, seconds=5.0, overwrite=True)
    assert soundfile.info(path).frames == 5 * RATE


@pytest.mark.parametrize("name", ["signal.mp3", "signal.ogg", "signal"])
def test_a_format_without_24_bits_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"does not end in \.wav, \.flac or \.aiff"):
        write_signal(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [0, -48_000, 7999, 384_001, 44_100.5, float("nan")])
def test_a_sample_rate_that_no_device_has_is_refused(rate: int, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"sample rate .* Hz; give .* 8000 to 384000 Hz, best"):
        write_signal(tmp_path / "signal.wav", rate)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seconds", [0.0, 4.9, 1201.0, float("nan"), float("inf")])
def test_a_length_that_makes_no_sense_is_refused(seconds: float) -> None:
    with pytest.raises(TrainingError, match=r"length .* s; give 5 to 1200 s"):
        make_signal(RATE, seconds)
