"""`fxhost run` with a looper and a song, on the virtual device."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import RATE, assert_one_line, call_fxhost

MakePreset = Callable[..., Path]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(1).uniform(-0.5, 0.5, (RATE, 2)), 44_100)
    return path


def test_what_is_recorded_is_the_same_with_a_song_and_a_looper(
    make_preset: MakePreset, song: Path, tmp_path: Path
) -> None:
    dry = tmp_path / "dry.wav"
    soundfile.write(dry, 0.2 * np.sin(np.arange(RATE // 2) / 20), RATE, subtype="FLOAT")
    for name, options in (("plain", []), ("beside", ["--looper", "--play-along", song, "--play-along-level", "-6"])):
        out = tmp_path / f"{name}.wav"
        command = "run", make_preset(1, 8), "--device", "virtual", "--input-file", dry, "--output-file", out, *options
        done = call_fxhost(*command)
        assert done.returncode == 0, done.stderr
    plain, beside = (soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0] for name in ("plain", "beside"))
    assert len(plain) == RATE // 2
    assert np.array_equal(plain, beside)


def test_a_song_that_cannot_be_played_is_one_line(make_preset: MakePreset, song: Path, tmp_path: Path) -> None:
    run = "run", make_preset(1, 8), "--device", "virtual", "--duration", "0.1"
    assert_one_line(call_fxhost(*run, "--play-along", tmp_path / "none.mp3"), "no such audio file")
    assert_one_line(call_fxhost(*run, "--play-along", song, "--output-file", song, "--force"), str(song))
    assert soundfile.info(song).samplerate == 44_100
