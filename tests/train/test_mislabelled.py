"""Recordings whose headers lie about their rate."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.errors import TrainingError
from tests.train.test_align import pluck
from train.pairs.pair import Pair
from train.pairs.read import read_pair

RATE = 48_000


@pytest.fixture(scope="module")
def take() -> np.ndarray:
    """Twelve seconds of plucked strings, three times as high as they are played elsewhere."""
    return pluck(36.0, seed=2)


def read(folder: Path, dry: np.ndarray, wet: np.ndarray, wet_rate: int = RATE) -> Pair:
    soundfile.write(folder / "dry.wav", dry, RATE, subtype="FLOAT")
    soundfile.write(folder / "wet.wav", wet, wet_rate, subtype="FLOAT")
    return read_pair(folder / "dry.wav", folder / "wet.wav")


def played_at(audio: np.ndarray, true: int, said: int) -> np.ndarray:
    """Recorded at one rate and labelled with another: it plays faster by what the second is above the first."""
    return np.interp(np.arange(0, len(audio) - 1, said / true), np.arange(len(audio)), audio).astype(np.float32)


@pytest.mark.parametrize(("true", "said", "words"), [
    (44_100, 48_000, "8.8 % faster than .*dry.wav: wet.wav is 44100 Hz audio in a file that says 48000 Hz"),
    (48_000, 44_100, "8.8 % faster than .*wet.wav: dry.wav is 44100 Hz audio .* or wet.wav is 48000 Hz audio that"),
    (24_000, 48_000, "100.0 % faster than .*dry.wav: wet.wav is 24000 Hz .*, or dry.wav is 96000 Hz audio in a"),
])  # fmt: skip
def test_a_rate_that_a_header_lies_about_is_named(
    tmp_path: Path, take: np.ndarray, true: int, said: int, words: str
) -> None:
    wet = played_at(np.tanh(8 * take) / 2, true, said)
    with pytest.raises(TrainingError, match=words):
        read(tmp_path, take, wet)


def test_a_rate_is_named_too_where_both_sides_are_cut_to_one_length(tmp_path: Path, take: np.ndarray) -> None:
    wet = played_at(np.tanh(8 * take) / 2, 44_100, 48_000)
    frames = min(len(take), len(wet))
    with pytest.raises(TrainingError, match=r"wet.wav is 44100 Hz audio in a file that says 48000 Hz"):
        read(tmp_path, take[:frames], wet[:frames])


def test_headers_that_differ_over_the_same_frames_are_told(tmp_path: Path, take: np.ndarray) -> None:
    with pytest.raises(TrainingError, match=r"yet they fit frame by frame: one header is wrong"):
        read(tmp_path, take, np.tanh(8 * take), wet_rate=44_100)
    wet = played_at(np.tanh(8 * take), 48_000, 44_100)
    with pytest.raises(TrainingError, match=r"48000 Hz, .* has 44100 Hz; export both at the same rate"):
        read(tmp_path, take, wet, wet_rate=44_100)


def test_two_performances_fit_at_no_rate(tmp_path: Path, take: np.ndarray) -> None:
    with pytest.raises(TrainingError, match=r"are not a pair"):
        read(tmp_path, take, np.tanh(8 * pluck(36.0, seed=9)))
