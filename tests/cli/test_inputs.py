"""No command writes over a file that it reads, under whatever name, asked to or not."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.cli import main
from fxhost.convert import export_preset, import_capture, import_folder
from fxhost.errors import FileError, FxhostError
from fxhost.io.files import check_output, refuse_inputs
from fxhost.preset.archive import read_preset
from tests.conftest import RATE
from train.fit import Settings, fit
from train.search.search import search

MakePreset = Callable[..., Path]
Alias = Callable[[Path], Path]

TINY = Settings(hidden_size=3, epochs=1, threads=1)


def same(path: Path) -> Path:
    return path


def spelled_otherwise(path: Path) -> Path:
    return path.parent / ".." / path.parent.name / path.name


def linked(path: Path) -> Path:
    link = path.with_name(f"link{path.suffix}")
    link.symlink_to(path)
    return link


def linked_hard(path: Path) -> Path:
    link = path.with_name(f"hard{path.suffix}")
    os.link(path, link)
    return link


def in_a_linked_folder(path: Path) -> Path:
    folder = path.parent.with_name("elsewhere")
    folder.symlink_to(path.parent, target_is_directory=True)
    return folder / path.name


ALIASES = [same, spelled_otherwise]
if sys.platform != "win32":
    ALIASES += [linked, linked_hard, in_a_linked_folder]


@pytest.fixture
def take(tmp_path: Path) -> Path:
    (tmp_path / "takes").mkdir()
    path = tmp_path / "takes" / "take.wav"
    rng = np.random.default_rng(5)
    soundfile.write(path, rng.uniform(-0.5, 0.5, RATE).astype(np.float32), RATE, subtype="FLOAT")
    return path


@pytest.fixture
def capture(make_preset: MakePreset, tmp_path: Path) -> Path:
    (tmp_path / "captures").mkdir()
    path = tmp_path / "captures" / "amp.nam"
    export_preset(read_preset(make_preset(1, 8)), path)
    return path


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_rendering_never_replaces_the_take(
    alias: Alias, force: list[str], take: Path, make_preset: MakePreset, capsys: pytest.CaptureFixture[str]
) -> None:
    before = take.read_bytes()
    assert main(["render", str(make_preset(1, 8)), str(take), str(alias(take)), *force]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is one of the inputs" in error
    assert "add --force" not in error
    assert take.read_bytes() == before


@pytest.mark.parametrize("alias", ALIASES)
def test_a_recording_of_a_run_never_replaces_what_is_played(
    alias: Alias, take: Path, make_preset: MakePreset, capsys: pytest.CaptureFixture[str]
) -> None:
    before = take.read_bytes()
    words = ["run", str(make_preset(1, 8)), "--device", "virtual", "--input-file", str(take)]
    assert main([*words, "--output-file", str(alias(take)), "--force"]) == 1
    assert "is one of the inputs" in capsys.readouterr().err
    assert take.read_bytes() == before


@pytest.mark.parametrize("command", ["render", "run", "blend"])
def test_nor_does_it_replace_an_impulse_response(
    command: str, take: Path, make_preset: MakePreset, capsys: pytest.CaptureFixture[str]
) -> None:
    response = take.with_name("cab.wav")
    soundfile.write(response, np.float32([1, 0.5, 0.25]), RATE, subtype="FLOAT")
    before = response.read_bytes()
    words = [str(make_preset(1, 8)), "--cab", str(response)]
    if command == "blend":
        (rig := take.with_name("rig.toml")).write_text(
            '[[slot]]\ntype = "blend"\n[[slot.branch]]\n[[slot.branch.slot]]\ntype = "cabinet"\nfiles = ["cab.wav"]\n'
            '[[slot.branch]]\n[[slot.branch.slot]]\ntype = "volume"\n'
        )
        words = [str(rig)]
    live = ["run", *words, "--device", "virtual", "--duration", "0.1", "--output-file", str(response), "--force"]
    offline = ["render", *words, str(take), str(response), "--force"]
    assert main(offline if command == "render" else live) == 1
    assert "is one of the inputs" in capsys.readouterr().err
    assert response.read_bytes() == before


def test_nor_does_a_take_replace_what_is_played(
    take: Path, make_preset: MakePreset, capsys: pytest.CaptureFixture[str]
) -> None:
    before = take.read_bytes()
    words = ["run", str(make_preset(1, 8)), "--device", "virtual", "--force"]
    assert main([*words, "--input-file", str(take), "--record", str(take)]) == 1
    assert "is one of the inputs" in capsys.readouterr().err
    (rig := take.with_name("gig.rig.toml")).write_text('[[slot]]\npreset = "identity"\n')
    words = ["run", str(rig), "--device", "virtual", "--force", "--record", str(take.with_name("gig.wav"))]
    assert main([*words, "--duration", "0.1"]) == 1
    assert "is one of the inputs" in capsys.readouterr().err
    assert take.read_bytes() == before


@pytest.mark.parametrize(
    ("record", "other", "name"),
    [("a.wav", "--output-file", "a.wav"), ("a.wav", "--output-file", "a.dry.wav"), ("a.wav", "--save", "a.rig.toml")],
)
def test_two_outputs_of_a_run_are_two_files(
    record: str, other: str, name: str, make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", str(make_preset(1, 8)), "--device", "virtual", "--duration", "0.1"]
    assert main([*words, "--record", str(tmp_path / record), other, str(tmp_path / "." / name)]) == 1
    error = capsys.readouterr().err
    assert f"{name} would be written by " in error
    assert not (tmp_path / record).exists()


@pytest.mark.parametrize("command", ["render", "run"])
def test_nor_does_it_replace_any_of_the_presets(
    command: str, take: Path, make_preset: MakePreset, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = make_preset(1, 8), make_preset(1, 5)
    link = take.with_name("out.wav")
    os.link(second, link)
    files = [str(take), str(link)]
    if command == "run":
        files = ["--device", "virtual", "--input-file", str(take), "--output-file", str(link)]
    before = second.read_bytes()
    assert main([command, str(first), str(second), *files, "--force"]) == 1
    assert "is one of the inputs" in capsys.readouterr().err
    assert second.read_bytes() == before


@pytest.mark.parametrize("alias", ALIASES)
def test_an_import_and_an_export_never_replace_their_source(alias: Alias, capture: Path) -> None:
    before = capture.read_bytes()
    output = alias(capture)
    with pytest.raises(FileError, match="is one of the inputs"):
        import_capture(capture, output, overwrite=True)
    with pytest.raises(FileError, match="is one of the inputs"):
        export_preset(read_preset(capture), output, overwrite=True)
    assert capture.read_bytes() == before


def test_the_import_of_a_folder_replaces_none_of_its_files(capture: Path, tmp_path: Path) -> None:
    other = capture.with_name("bass.nam")
    other.write_bytes(capture.read_bytes())
    presets = tmp_path / "presets"
    presets.mkdir()
    os.link(other, presets / "amp.pt")
    results = list(import_folder(capture.parent, presets, overwrite=True))
    assert [result.preset is not None for result in results] == [False, True]
    assert "is one of the inputs" in results[0].reason
    assert (presets / "amp.pt").samefile(other)


@pytest.mark.parametrize("alias", ALIASES)
def test_a_training_replaces_neither_a_recording_nor_the_preset_that_it_starts_from(
    alias: Alias, take: Path, make_preset: MakePreset
) -> None:
    output = alias(take)
    with pytest.raises(FileError, match="is one of the recordings"):
        fit(TINY, [(take, take)], output, overwrite=True)
    with pytest.raises(FileError, match="is one of the recordings"):
        fit(TINY, [(make_preset(1, 8), make_preset(1, 8))], output, test=(take, take), overwrite=True)
    with pytest.raises(FileError, match="is one of the recordings"):
        search(TINY, [(take, take)], output, trials=1, overwrite=True)
    with pytest.raises(FileError, match="is one of the inputs"):
        fit(TINY, [(make_preset(1, 8), make_preset(1, 8))], output, start_from=take, overwrite=True)


def test_a_training_saves_its_progress_over_no_recording(take: Path) -> None:
    saved = take.with_name("mine.pt.training")
    os.link(take, saved)
    with pytest.raises(FileError, match=r"mine\.pt\.training is one of the recordings"):
        fit(TINY, [(take, take)], take.with_name("mine.pt"), overwrite=True)


@pytest.mark.parametrize(("output", "report"), [("mine.pt", "takes"), ("report/sub/mine.pt", "report")])
def test_a_report_takes_no_folder_of_ours(
    output: str, report: str, take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report" / "sub").mkdir(parents=True)
    words = ["train", str(take), str(take), "-o", str(tmp_path / output), "--report", str(tmp_path / report)]
    assert main([*words, "--force"]) == 1
    assert "give the report a folder of its own" in capsys.readouterr().err


def test_what_is_no_input_may_be_replaced_as_before(take: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    other.write_bytes(b"old")
    check_output(other, overwrite=True, inputs=[take, None, tmp_path / "missing.wav"])
    refuse_inputs(tmp_path / "new.wav", [tmp_path / "new.wav"])
    with pytest.raises(FxhostError, match="add --force"):
        check_output(other, overwrite=False, inputs=[take])
