"""What a stranger's file, or its name, says never reaches a terminal, a log or JSON raw, and never makes it long."""

import copy
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fxhost.cli import main
from fxhost.errors import PresetError
from fxhost.plain_text import LONGEST_LINE, escape, json_ready, plain_line, shorten
from fxhost.preset.json_fields import Fields
from tests.conftest import ROOT
from tests.foreign import make_aidax, make_nam, make_proteus, write
from tests.measure.mutations import make_wavenets

SAYS = "\x1b[2J\x1b]0;mine\x07[red]X[/red] [/b] \u202egnp.\u2066 \x9b31m\x00\r\n\t\u2028\ud800\udc9b %s {0} :smile: "
VALUES: list[Any] = [SAYS, SAYS * 1500, [SAYS] * 3, {SAYS: SAYS}]
NAME = os.fsdecode(b"\xff\x1b[2J\x1b]0;x\x07[red]X[-1] \xe2\x80\xae\r\n$(id);") + "ü"
LONGEST = LONGEST_LINE + 100  # the word "fxhost: ", and how much was left out
MOST_LINES = 120


def assert_plain(text: str, most_lines: int = MOST_LINES) -> None:
    lines = text.split("\n")
    assert len(lines) <= most_lines
    for line in lines:
        assert line.isprintable(), ascii(line)
        assert len(line) <= LONGEST or line.startswith(("{", "["))


def told_by(arguments: list[object], capsys: pytest.CaptureFixture[str], codes: tuple[int, ...] = (0, 1)) -> str:
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) in codes
    told = capsys.readouterr()
    assert_plain(told.out)
    assert_plain(told.err, 4)
    return told.out + told.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – ü 日本 🎸", "plain – ü 日本 🎸"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\r\n\tb\u2028c\xa0d", "a   b c d"),
        ("\x00\x7f\x9b\x85", r"\x00\x7f\x9b\x85"),
        ("\u202e\u2066\ufeff\u200b", r"\u202e\u2066\ufeff\u200b"),
        ("\udcff\ud800\U000e0041", r"\xff\ud800\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_what_is_too_long_loses_its_middle() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefgh", 5) == "abc…(3 more)…gh"
    line = plain_line(f"start {'x' * 5000} {'y ' * 50_000} end")
    assert line.startswith("start xxx") and line.endswith("y  end") and len(line) <= LONGEST
    assert len(plain_line("\x00" * 10**7)) <= LONGEST


def test_json_is_what_every_reader_takes() -> None:
    ready = json_ready({"a\udcff": [float("nan"), float("inf"), "\ud800\x1b", (1, None)]})
    assert ready == {"a\\xff": [None, None, "\\ud800\x1b", [1, None]]}


def test_an_error_is_one_plain_line_whoever_makes_it() -> None:
    for value in VALUES:
        assert_plain(str(PresetError(f"x: got {value}, expected y")), 1)
        assert_plain(str(Fields(SAYS, {"key": value}).refuse("key", "y")), 1)


def places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value of a JSON object lies, of a list the first only."""
    if at:
        yield at
    if isinstance(data, dict):
        for key, child in data.items():
            yield from places(child, (*at, key))
    elif isinstance(data, list) and data:
        yield from places(data[0], (*at, 0))


def replaced(data: Any, at: tuple[Any, ...], value: Any) -> Any:
    data = copy.deepcopy(data)
    place = data
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    return data


@pytest.mark.parametrize("ending", [".nam", ".json", ".aidax", "WaveNet"])
def test_no_value_of_a_capture_is_told_raw(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds = {".nam": make_nam(1, 2), ".json": make_proteus("LSTM", 3), ".aidax": make_aidax("lstm", 3, in_skip=1)}
    seed = seeds.get(ending) or make_wavenets()[1]
    refused = 0
    for n, at in enumerate(places(seed)):
        path = tmp_path / f"{n}{ending if ending in seeds else '.nam'}"
        path.write_text(json.dumps(replaced(seed, at, VALUES[n % len(VALUES)])))
        refused += "expected" in told_by(["info", path], capsys)
    assert refused >= 3


def test_no_word_of_a_preset_is_told_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = ROOT / "presets" / "identity.pt"
    with zipfile.ZipFile(shipped) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    (where,) = (name for name in members if name.endswith("extra/fxhost.json"))
    metadata = json.loads(members[where])
    for n, at in enumerate([*places({key: metadata[key] for key in metadata if key != "training"}), ("training", "x")]):
        changed = replaced(metadata, at, VALUES[n % len(VALUES)])
        path = tmp_path / f"{n}.pt"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, json.dumps(changed) if name == where else content)
        told_by(["info", path], capsys)
        told_by(["info", path, "--json"], capsys)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_name_of_a_member_is_told_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.pt"
    for names in (
        [SAYS.encode("utf-8", "replace").decode()] * 3,
        ["x" * 50_000],
        [f"{n}/extra/fxhost.json" for n in (1, 2)],
    ):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"{}")
        told_by(["info", path], capsys)


def test_no_command_tells_the_name_of_a_file_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    preset, capture, dry = folder / f"{NAME}.pt", folder / f"{NAME}.nam", folder / f"{NAME}.wav"
    preset.write_bytes((ROOT / "presets" / "identity.pt").read_bytes())
    write(capture, make_nam(1, 2, metadata={"name": SAYS, "gear_make": SAYS}))
    soundfile.write(tmp_path / "d.wav", np.zeros(4800, np.float32), 48000)
    (tmp_path / "d.wav").rename(dry)
    broken = folder / f"{NAME}.json"
    broken.write_text(json.dumps({SAYS: SAYS}))
    out, device = folder / f"{NAME} out", ["--device", "virtual", "--duration", 0.05]
    commands: list[list[object]] = [
        ["info", preset],
        ["info", capture],
        ["info", broken],
        ["info", folder],
        ["info", folder / "missing"],
        ["render", capture, dry, f"{out}.wav"],
        ["render", capture, dry, f"{out}.wav", "--json", "--force"],
        ["render", capture, dry, f"{out}.wav"],
        ["render", preset, broken, f"{out}2.wav"],
        ["render", preset, dry, f"{out}.{SAYS[:40].replace('/', '')}".replace("\x00", "")],
        ["run", capture, *device],
        ["run", capture, *device, "--json"],
        ["run", preset, *device, "--input-file", broken],
        ["run", preset, "--device", SAYS],
        ["bench", capture, "--seconds", 0.05, "--block-frames", 64],
        ["export", preset, "-o", f"{out}.nam"],
        ["export", preset, "-o", f"{out}.{NAME}"],
        ["export", capture, "-o", f"{out}.json", "--knob", f"{SAYS}=0.5"],
        ["import", capture, "-o", f"{out}.pt"],
        ["import", capture, "-o", f"{out}.pt"],
        ["import", "--all", folder, "-o", tmp_path / "all"],
        ["import", "--all", folder, "-o", tmp_path / "all", "--json"],
        ["signal", f"{out}.mp4", "--seconds", 5],
        ["train", dry, broken, "-o", f"{out}3.pt"],
        ["train", folder, "-o", f"{out}3.pt"],
        ["train", folder / "a", folder / "b", folder / "c", "-o", f"{out}3.pt"],
    ]
    for command in commands:
        told = told_by(command, capsys)
        assert "Traceback" not in told
    assert (folder / f"{NAME} out.wav").exists() and (folder / f"{NAME} out.nam").exists()


def test_the_words_of_a_wrong_command_are_told_plain(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["run", "x", SAYS, "--\x1b[2J\u202e"],
        ["run", "x", "--knob", SAYS],
        [SAYS],
        ["run", "x", "--duration", SAYS * 99],
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert_plain(capsys.readouterr().err)
