"""No option is taken and forgotten: what would do nothing is refused, or told when the device is known."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from fxhost.cli.idle_options import tell_idle_on_device
from fxhost.cli.info import describe_entries
from fxhost.io.jack import HOST_API
from fxhost.preset.library import Entry
from tests.conftest import assert_one_line, call_fxhost, run_fxhost, without_waits
from tests.foreign import make_nam, write

MakePreset = Callable[..., Path]
VIRTUAL = ("--device", "virtual", "--duration", 0.1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run a.toml --level raw", "--level raw does nothing with a rig file; write it into the file"),
        ("run a --input-file b.wav --input-device 3", "--input-device 3 does nothing with --input-file"),
        ("run a --force", "--force does nothing without --output-file, --record or --save"),
        (
            "run a --device 1 --input-device 2 --output-device 3",
            "--device 1 does nothing beside --input-device and --output-device",
        ),
        ("render a b.wav c.wav --scene Lead", "--scene Lead does nothing without a rig file"),
        ("render a.toml b.wav c.wav --input-gain-db 0", "--input-gain-db 0 does nothing with a rig file"),
        ("render a.take b.wav --sample-rate 48000", "--sample-rate 48000 does nothing with a take"),
        ("rig check --force", "--force does nothing with check, show and service"),
        ("presets add . --json", "--json does nothing with add and remove"),
        ("info a --all --json", "--all does nothing with --json"),
        ("import --all a -o b --sample-rate 44100", "--sample-rate 44100 does nothing with --all"),
        ("export a -o b.json --knob gain=0.5", "--knob gain=0.5 does nothing in a .json or .aidax file"),
        ("train a.wav b.wav --selftest", "a.wav is not read with --selftest"),
        ("train --selftest --minutes 3", "--minutes 3 does nothing with --selftest"),
        ("train --selftest -o x.pt", "-o x.pt does nothing with --selftest"),
        ("train a.wav b.wav -o c.pt --storage d", "--storage d does nothing without --search N"),
        ("train a.wav b.wav -o c.pt --search 2 --resume", "--resume does nothing with --search"),
        ("train a.wav b.wav -o c.pt --search 2 --from d", "--from d does nothing with --search"),
        ("bench a.pt --largest-hidden", "a.pt is not played with --largest-hidden"),
        ("bench --latency low", "--latency low does nothing without --loopback or --stream"),
    ],
)
def test_what_would_do_nothing_is_refused_as_it_was_typed(words: str, told: str) -> None:
    assert_one_line(call_fxhost(*words.split()), f"fxhost: {told}")


def test_a_quality_of_a_folder_without_a_container_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    write(folder / "a.nam", make_nam(hidden=3))
    told = f"{folder} holds no container of several models to choose from; leave out --nam-quality"
    assert_one_line(call_fxhost("run", folder, *VIRTUAL, "--nam-quality", "low"), told)
    done = call_fxhost("import", "--all", folder, "-o", tmp_path / "presets", "--nam-quality", "low")
    assert (done.returncode, without_waits(done.stderr).count("\n")) == (0, 1)
    assert "note: --nam-quality did nothing" in done.stderr


def test_what_does_nothing_on_the_virtual_device_is_told_in_one_line(make_preset: MakePreset, tmp_path: Path) -> None:
    given = ("--client-name", "amp", "--no-connect", "--connect-to", "a", "--connect-to", "b", "--patience", 5)
    done = call_fxhost("run", make_preset(), *VIRTUAL, *given, "--input-channel", 2)
    assert done.returncode == 0
    assert without_waits(done.stderr) == (
        "fxhost: note: --client-name amp, --no-connect, --connect-to b, --patience 5 and --input-channel 2 do nothing "
        "on the virtual device\n"
    )


@pytest.mark.parametrize(
    ("given", "host_api", "told"),
    [
        ("latency", HOST_API, "note: --latency x does nothing on JACK"),
        ("client-name", "ALSA", "note: --client-name x does nothing on ALSA"),
        ("client-name", HOST_API, ""),
        ("latency", "ALSA", ""),
        ("input-channel", "ALSA", ""),
    ],
)
def test_what_a_device_does_not_take_is_told(
    given: str, host_api: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_idle_on_device({given.replace("-", "_"): f"--{given} x"}, host_api)
    assert (told in (said := capsys.readouterr().err)) and bool(said) == bool(told)


def test_json_stands_alone_on_stdout_whatever_else_is_said(make_preset: MakePreset, tmp_path: Path) -> None:
    folder, saved = tmp_path / "captures", tmp_path / "saved.toml"
    folder.mkdir()
    (folder / "a.pt").write_bytes(make_preset().read_bytes())
    (folder / "b.nam").write_text("no capture")
    done = call_fxhost("run", folder, *VIRTUAL, "--json", "--save", saved)
    assert json.loads(done.stdout)["device"] == "virtual"
    assert "1 of 2 captures cannot be opened" in done.stderr
    assert f"wrote {saved}" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("import a.nam -o x.txt", "x.txt does not end in .pt, as presets do; give x.pt, or x for your library"),
        ("import --all . -o x.pt", "x.pt is named as one preset; give a folder, such as x"),
        ("export identity -o b.nam --format aidax", "b.nam does not end in .aidax or .json, as aidax files do"),
        ("export identity -o b --format nam", "b does not end in .nam, as nam files do; give b.nam"),
        ("export identity -o b", "b ends in none of .nam, .json, .aidax"),
    ],
)
def test_an_output_has_the_ending_of_its_format(
    words: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.nam").write_text("{}")
    assert_one_line(call_fxhost(*words.split()), told)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.nam"}


def test_json_that_is_no_model_is_no_preset_and_damaged_files_are_told(
    make_preset: MakePreset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "found"
    folder.mkdir()
    (folder / "good.pt").write_bytes(make_preset().read_bytes())
    (folder / "package.json").write_text('{"name": "x", "version": 1}')
    (folder / "cut.json").write_text('{"layers": [1, 2')
    (folder / "cut.nam").write_text('{"architecture": ')
    done = call_fxhost("presets", "add", folder)
    assert done.stdout == f"{folder}: 1 preset can now be named, 2 files cannot be read; see `fxhost presets`\n"
    rows = {row["path"]: row for row in json.loads(call_fxhost("presets", "--json").stdout)}
    assert str(folder / "package.json") not in rows
    assert "cut off" in rows[str(folder / "cut.json")]["error"]
    assert "error" not in rows[str(folder / "good.pt")]
    assert "cannot be" in call_fxhost("presets").stdout


def test_a_terminal_shows_how_far_the_reading_of_a_large_library_is(tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"amp {n}.nam").write_text('{"architecture": ')
    entries = [Entry(path.stem, path, "library") for path in sorted(tmp_path.iterdir())]
    for is_terminal in (True, False):
        shown = io.StringIO()
        described = describe_entries(entries, Console(file=shown, force_terminal=is_terminal, width=79))
        assert [entry for entry, _ in described] == entries
        assert bool(re.search(r"reading captures.*30/30", shown.getvalue(), re.DOTALL)) == is_terminal
        assert bool(shown.getvalue()) == is_terminal


def test_odd_surroundings_are_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = call_fxhost("info", "ts-overdrive")
    assert "a diode overdrive pedal" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert_one_line(run_fxhost("run", "identity", *VIRTUAL), "NUMBA_DISABLE_JIT is set")
