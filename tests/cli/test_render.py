"""`fxhost render`: several recordings, channels, encodings, and another rate."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.cli import main
from fxhost.stages.rate.resampler import convert, convert_in_pieces
from tests.conftest import RATE

MakePreset = Callable[..., Path]


@pytest.fixture
def stereo(tmp_path: Path, guitar: Float32Array) -> Path:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([guitar[:RATE], guitar[RATE : 2 * RATE]], axis=1), RATE, subtype="FLOAT")
    return path


def render(*words: object) -> int:
    return main(["render", *map(str, words)])


def test_each_channel_of_a_recording_has_a_state_of_its_own(
    stereo: Path, make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = make_preset()
    assert render(preset, stereo, tmp_path / "both.wav") == 0
    assert "both are played, each by itself" in capsys.readouterr().err
    both, _ = soundfile.read(tmp_path / "both.wav", dtype="float32")
    assert both.shape == (RATE, 2)
    for n in range(2):
        assert render(preset, stereo, tmp_path / f"{n}.wav", "--input-channel", n + 1) == 0
        assert np.array_equal(soundfile.read(tmp_path / f"{n}.wav", dtype="float32")[0], both[:, n])


def test_recordings_are_rendered_into_a_folder(
    stereo: Path, make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.wav"
    soundfile.write(other, 0.1 * np.ones(4800), RATE, subtype="PCM_16")
    wet = tmp_path / "wet"
    assert render(make_preset(), "-o", wet, "--format", "flac", stereo, other, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(Path(row["output"]).name, row["channels"]) for row in rows] == [("stereo.flac", 2), ("other.flac", 1)]
    assert sorted(path.name for path in wet.iterdir()) == ["other.flac", "stereo.flac"]
    assert render(make_preset(), "-o", wet, "--format", "flac", other) == 1
    assert "exists already" in capsys.readouterr().err
    assert render(make_preset(), "-o", tmp_path, other, "--force") == 1  # it would be written over what is read
    assert "other.wav" in capsys.readouterr().err
    assert soundfile.info(other).frames == 4800


@pytest.mark.parametrize(
    ("name", "options", "subtype"),
    [
        ("a.wav", ["--bits", "16"], "PCM_16"),
        ("a.flac", [], "PCM_24"),
        ("a.aiff", ["--bits", "24"], "PCM_24"),
        ("a.ogg", ["--quality", "0.9"], "VORBIS"),
    ],
)
def test_the_encoding_is_what_was_asked_for(
    name: str, options: list[str], subtype: str, stereo: Path, make_preset: MakePreset, tmp_path: Path
) -> None:
    assert render(make_preset(), stereo, tmp_path / name, *options) == 0
    assert soundfile.info(tmp_path / name).subtype == subtype


def test_a_better_quality_is_a_larger_file(stereo: Path, make_preset: MakePreset, tmp_path: Path) -> None:
    for quality in ("0.1", "1"):
        assert render(make_preset(), stereo, tmp_path / f"{quality}.ogg", "--quality", quality) == 0
    assert (tmp_path / "0.1.ogg").stat().st_size < 0.7 * (tmp_path / "1.ogg").stat().st_size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.flac", "--bits", "32f"], "cannot hold 32f bits; give --bits 16 or 24"),
        (["a.ogg", "--bits", "16"], "has no bits to choose"),
        (["a.wav", "--quality", "0.5"], "has no quality to choose"),
        (["a.wav", "--format", "flac"], "--format flac does nothing without -o FOLDER"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(
    words: list[str],
    message: str,
    stereo: Path,
    make_preset: MakePreset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert render(make_preset(), stereo, tmp_path / words[0], *words[1:]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / words[0]).exists()


def test_the_output_has_the_rate_that_was_asked_for(stereo: Path, make_preset: MakePreset, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    assert render(make_preset(), stereo, out, "--sample-rate", 96_000, "--input-channel", 1) == 0
    assert (soundfile.info(out).samplerate, soundfile.info(out).frames) == (96_000, 2 * RATE)
    dry, twice = tmp_path / "dry.wav", tmp_path / "twice.wav"
    soundfile.write(
        dry, convert(soundfile.read(stereo, dtype="float32")[0][:, 0].copy(), RATE, 96_000), 96_000, "FLOAT"
    )
    assert render(make_preset(), dry, twice) == 0
    assert np.array_equal(soundfile.read(out)[0], soundfile.read(twice)[0])


@pytest.mark.parametrize(("old", "new"), [(48_000, 44_100), (44_100, 48_000), (48_000, 96_000), (96_000, 44_100)])
def test_a_recording_that_is_converted_in_pieces_is_the_same(old: int, new: int, guitar: Float32Array) -> None:
    audio = guitar[: 3 * RATE + 17]
    whole = convert(audio, old, new)
    cut = [audio[start : start + 5003] for start in range(0, len(audio), 5003)]
    pieces = np.concatenate(list(convert_in_pieces(cut, old, new, frames=20_000)))
    assert len(pieces) == len(whole)
    assert np.abs(pieces - whole).max() < 1e-6
