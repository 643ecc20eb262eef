"""A disk that is full: each command says what the system said, in one line, and what was whole before stays.

A file is written beside its place first; where that name leads to /dev/full, the disk is full for this file.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.cli import main
from fxhost.convert import export_preset
from fxhost.errors import DiskFullError
from fxhost.io.files import ask_for_room
from fxhost.io.sound_writing import SUBTYPES, writing
from fxhost.preset.archive import read_preset
from tests.conftest import RATE

MakePreset = Callable[..., Path]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")

FULL = "No space left on device; make room on the disk"


def fill_disk(path: Path) -> Path:
    """Let the disk be full for a file; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}").symlink_to("/dev/full")
    return path


def fail(words: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that fails; its last line on stderr."""
    assert main([str(word) for word in words]) == 1
    error = capsys.readouterr().err
    assert "System error" not in error
    return error.splitlines()[-1]


@pytest.mark.parametrize("ending", SUBTYPES)
def test_every_format_of_audio_says_that_the_disk_is_full(ending: str, tmp_path: Path) -> None:
    path = fill_disk(tmp_path / f"out{ending}")
    audio = np.random.default_rng(1).uniform(-0.5, 0.5, RATE).astype(np.float32)
    with pytest.raises(DiskFullError, match=FULL), writing(path, RATE, overwrite=False) as writer:
        for block in np.split(audio, 100):
            writer.write(block)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", SUBTYPES)
@pytest.mark.parametrize("frames", [1, 1153, RATE])
def test_every_format_is_whole_when_it_is_closed(ending: str, frames: int, tmp_path: Path) -> None:
    path = tmp_path / f"out{ending}"
    with writing(path, RATE, overwrite=False) as writer:
        writer.write(np.random.default_rng(1).uniform(-0.5, 0.5, frames).astype(np.float32))
    assert soundfile.info(path).frames == frames


def test_the_test_signal_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = fill_disk(tmp_path / "signal.wav")
    assert fail(["signal", path, "--seconds", "5"], capsys) == f"fxhost: cannot write {path}: {FULL}"


def test_a_rendering_says_so(make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take, path = tmp_path / "take.wav", fill_disk(tmp_path / "out.flac")
    soundfile.write(take, np.zeros(RATE, np.float32), RATE)
    assert fail(["render", make_preset(1, 8), take, path], capsys) == f"fxhost: cannot write {path}: {FULL}"


def test_an_export_and_an_import_say_so(
    make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, capture = fill_disk(tmp_path / "out.nam"), tmp_path / "amp.nam"
    assert fail(["export", make_preset(1, 8), "-o", path], capsys) == f"fxhost: cannot write {path}: {FULL}"
    export_preset(read_preset(make_preset(1, 8)), capture)
    preset = fill_disk(tmp_path / "out.pt")
    assert fail(["import", capture, "-o", preset], capsys) == f"fxhost: cannot write {preset}: {FULL}"


def test_the_import_of_a_folder_stops_at_the_first_file_that_has_no_room(
    make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, target = tmp_path / "captures", tmp_path / "presets"
    folder.mkdir()
    for name in "abc":
        export_preset(read_preset(make_preset(1, 8)), folder / f"{name}.nam")
    (folder / "aa.nam").write_text("nonsense")
    path = fill_disk(target / "b.pt")
    assert main(["import", "--all", str(folder), "-o", str(target), "--json"]) == 1
    done = capsys.readouterr()
    told = json.loads(done.out)
    assert [result["imported"] for result in told["results"]] == [True, False]
    assert told["stopped"] == f"cannot write {path}: {FULL}"
    assert done.err == f"fxhost: {told['stopped']}; what was made is kept, and the same command goes on\n"
    assert [entry.name for entry in target.iterdir()] == ["a.pt"]


def test_an_import_into_what_cannot_be_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "amp.nam").write_text("nonsense")
    (tmp_path / "a-file").write_text("")
    assert main(["import", "--all", str(tmp_path), "-o", str(tmp_path / "a-file")]) == 1


def test_a_recording_that_has_no_more_room_keeps_what_it_has_while_the_music_goes_on(
    make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, tries = tmp_path / "take.wav", []
    write = soundfile.SoundFile.write

    def write_once(file: soundfile.SoundFile, block: object) -> None:
        tries.append(block)
        if len(tries) > 3:
            raise soundfile.LibsndfileError(2)
        write(file, block)

    monkeypatch.setattr(soundfile.SoundFile, "write", write_once)
    words = ["run", make_preset(1, 8), "--device", "virtual", "--duration", "0.6", "--output-file", path, "--json"]
    assert main([str(word) for word in words]) == 1
    done = capsys.readouterr()
    told = json.loads(done.out)
    assert told["seconds"] == pytest.approx(0.6, abs=0.2)
    assert "Playing goes on" in done.err.splitlines()[0]
    assert "s are kept" in done.err.splitlines()[-1]
    frames = soundfile.info(path).frames
    assert 0 < frames == sum(map(len, tries[:3]))


def test_asking_for_room_leaves_a_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    ask_for_room(path)
    assert path.read_bytes() == b"content"
    with pytest.raises(OSError, match="No space left"):
        ask_for_room(Path("/dev/full"))
