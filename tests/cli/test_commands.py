"""The commands as a new user meets them: help, mistakes, and presets by name."""

import argparse
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from fxhost.cli import main
from fxhost.cli.parser import COMMANDS, OVERVIEW, build_parser, parse
from fxhost.errors import FileError, PresetError
from fxhost.preset.library import LIBRARY, find_preset, list_presets, resolve_output
from tests.conftest import ROOT, assert_one_line, run_fxhost

MakePreset = Callable[..., Path]
EXAMPLES = [example for _, _, _, examples in COMMANDS.values() for example in examples]


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user who has no presets yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "fxhost" / "presets"


def tell(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of a command that runs in this process."""
    try:
        code = main(list(map(str, words)))
    except SystemExit as err:
        code = int(err.code or 0)
    out, err_text = capsys.readouterr()
    return code, out, err_text


@pytest.mark.parametrize("words", [[], ["help"], ["-h"], ["--help"]], ids=" ".join)
def test_alone_it_shows_what_there_is_on_one_page(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = tell(capsys, *words)
    assert (code, out, err) == (0, OVERVIEW, "")
    assert len(out.splitlines()) <= 24 and max(map(len, out.splitlines())) <= 79
    assert all(name in out for name in COMMANDS if name != "help")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_its_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(capsys, "help", name) == tell(capsys, name, "--help")
    out = tell(capsys, "help", name)[1]
    assert out.startswith(f"usage: fxhost {name}")
    examples = [line.strip() for line in out.partition("examples:")[2].splitlines() if line.strip()]
    assert examples == [f"fxhost {example}" for example in COMMANDS[name][3]]
    assert len(examples) == 3


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_understood(example: str) -> None:
    words = shlex.split(example)
    options = parse(words)
    assert options.command == words[0]


def test_the_module_is_the_command() -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "fxhost", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.startswith("fxhost 0.")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu"], "fxhost: no command 'rnu'; did you mean run?\nTry: fxhost help\n"),
        (["--versoin"], "fxhost: no option --versoin; did you mean --version?\nTry: fxhost help\n"),
        (["run", "x", "--blok", "64"], "fxhost run: no option --blok; did you mean --block-frames?\nTry: fxhost help run\n"),
        (["run", "x", "--rate", "48000"], "fxhost run: no option --rate; did you mean --sample-rate?\nTry: fxhost help run\n"),
        (["run", "x", "--buffer-size", "64"], "fxhost run: no option --buffer-size; did you mean --block-frames?\nTry: fxhost help run\n"),
        (["run", "x", "--volume", "3"], "fxhost run: no option --volume; did you mean --input-gain-db or --output-gain-db?\nTry: fxhost help run\n"),
        (["train", "--time", "3"], "fxhost train: no option --time; did you mean --minutes?\nTry: fxhost help train\n"),
        (["run", "x", "--verbose"], "fxhost run: no option --verbose\nTry: fxhost help run\n"),
        (["help", "trian"], "fxhost: no command 'trian'; did you mean train?\nTry: fxhost help\n"),
        (["run", "x", "--duraton", "3"], "fxhost run: no option --duraton; did you mean --duration?\nTry: fxhost help run\n"),
        (["run"], "fxhost run: PRESET is missing\nTry: fxhost help run\n"),
        (
            ["run", "x", "--level", "nrmal"],
            "fxhost run: --level: 'nrmal' is not known; did you mean normalized?\nTry: fxhost help run\n",
        ),
        (["signal", "a.wav", "b.wav"], "fxhost signal: 'b.wav' is an argument too many; leave it out\nTry: fxhost help signal\n"),
        (
            ["run", "x", "--duration", "-1"],
            "fxhost run: --duration: -1 is out of range; give 0.01 to 1000000000 s\nTry: fxhost help run\n",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_is_two_lines_with_the_nearest_word(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(capsys, *words) == (2, "", told)


@pytest.mark.parametrize("name", ["x.pt", "x.nam", "folder/x", "x.json"])
def test_a_file_that_is_not_there_is_called_a_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(capsys, "info", name) == (1, "", f"fxhost: no such file: {name}\n")


def test_a_mistyped_preset_or_knob_gets_the_nearest(
    make_preset: MakePreset, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(capsys, "info", "ts-overdrve")[2] == "fxhost: no such preset: ts-overdrve; did you mean ts-overdrive?\n"
    done = run_fxhost("export", make_preset(1, 8, 2), "-o", "x.nam", "--knob", "knob1=0.5")
    assert_one_line(done, "no knob 'knob1': there is knob 1; did you mean 'knob 1'?")


def test_info_is_a_page_and_all_of_it_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    page = tell(capsys, "info", "ts-overdrive")[1]
    assert len(page.splitlines()) <= 16
    for words in (
        "a diode overdrive pedal",
        "LSTM 1×24",
        "48000 Hz",
        "very close",
        "−" if "−" in page else "-31 dB",
        "MIT",
    ):
        assert words in page
    rows = tell(capsys, "info", "ts-overdrive", "--all")[1].splitlines()
    assert len(rows) > 50
    assert any(row.startswith("architecture.hidden_size") and row.split()[-1] == "24" for row in rows)


def test_own_presets_are_found_by_name_and_go_before_shipped_ones(own_folder: Path, make_preset: MakePreset) -> None:
    assert {entry.origin for entry in list_presets()} == {"shipped"}
    assert resolve_output(Path("mine")) == own_folder / "mine.pt"
    assert resolve_output(Path("mine.pt")) == Path("mine.pt")
    assert resolve_output(Path("here/mine")) == Path("here/mine.pt")
    (own_folder / "identity.pt").write_bytes(make_preset(1, 8).read_bytes())
    assert find_preset("identity") == find_preset("Identity") == own_folder / "identity.pt"
    assert [entry.origin for entry in list_presets() if entry.name == "identity"] == [LIBRARY, "shipped"]


def test_a_folder_of_captures_is_added_named_and_removed(
    own_folder: Path, make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captures = tmp_path / "captures"
    (captures / "below").mkdir(parents=True)
    (captures / "below" / "deluxe.pt").write_bytes(make_preset(1, 8).read_bytes())
    (captures / "notes.txt").touch()
    (captures / "package.json").write_text('{"name": "x"}')
    assert (
        tell(capsys, "presets", "add", captures)[1] == f"{captures}: 1 preset can now be named; see `fxhost presets`\n"
    )
    assert find_preset("deluxe") == captures / "below" / "deluxe.pt"
    rows = json.loads(tell(capsys, "presets", "--json")[1])
    assert [row["path"] for row in rows if row["preset"] == "deluxe"] == [str(captures / "below" / "deluxe.pt")]
    (captures / "deluxe.nam").write_text("{}")
    with pytest.raises(PresetError, match="several presets are called deluxe; give the path of one"):
        find_preset("deluxe")
    assert tell(capsys, "presets", "remove", captures)[0] == 0
    assert tell(capsys, "presets", "remove", captures)[2].startswith(f"fxhost: {captures} was not added")
    with pytest.raises(PresetError, match="no such preset: deluxe"):
        find_preset("deluxe")
    assert (
        tell(capsys, "presets", "add", tmp_path / "none")[2]
        == f"fxhost: {tmp_path / 'none'} is not a folder; give one that exists\n"
    )


def test_a_list_of_folders_that_is_damaged_is_no_list(own_folder: Path) -> None:
    own_folder.parent.mkdir(parents=True)
    for content in ("[", '{"a": 1}', "[1, null]", "[" * 100_000):
        (own_folder.parent / "folders.json").write_text(content)
        assert {entry.origin for entry in list_presets()} == {"shipped"}


def test_a_library_that_cannot_be_made_is_told(own_folder: Path) -> None:
    own_folder.parent.parent.mkdir(parents=True, exist_ok=True)
    own_folder.parent.write_text("")
    with pytest.raises(FileError, match="cannot make"):
        resolve_output(Path("mine"))


def test_a_capture_is_imported_into_the_library_by_a_bare_name(
    own_folder: Path, make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "amp.json"
    assert tell(capsys, "export", make_preset(1, 8), "-o", capture)[0] == 0
    assert tell(capsys, "import", capture, "-o", "amp")[0] == 0
    assert find_preset("amp") == own_folder / "amp.pt"


def test_a_preset_is_not_written_as_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    told = tell(capsys, "train", "dry.wav", "wet.wav", "-o", "x.wav")
    assert told == (
        1,
        "",
        "fxhost: x.wav does not end in .pt, as presets do; give x.pt, or x for your library\n",
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("rig", "fxhost rig: say what to do: init, check, show or service"),
        ("rig check a.wav", "fxhost: a.wav does not end in .toml, as rig files do; give a rig file"),
        ("import x.nam", "fxhost import: -o is missing; it says what to write"),
        ("export identity -o a.wav/x.nam", "a.wav is a file, not a folder; give the name of a folder"),
    ],
)
def test_a_mistake_is_told_with_what_is_to_be_done(
    words: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.wav").write_bytes(b"RIFF")
    code, out, err = tell(capsys, *words.split())
    assert code != 0 and not out
    assert told in err.splitlines()[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_tells_of_every_option_in_lines_that_fit(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = build_parser()[1][name]
    told = [action for action in command._actions if action.help is not argparse.SUPPRESS]
    assert [action.dest for action in told if not action.help] == []
    lines = tell(capsys, "help", name)[1].splitlines()
    assert max(len(line) for line in lines if not line.startswith("usage: ")) <= 79


def test_an_option_of_several_commands_is_described_alike() -> None:
    other = {"-o", "--output", "--all", "--format", "--seconds", "--midi"}  # share their names alone
    words: dict[str, set[str]] = {}
    for name, command in build_parser()[1].items():
        for action in command._actions:
            for option in set(action.option_strings) - other - ({"--device"} if name == "train" else set()):
                said = str(action.help).removeprefix("with --stream: ").partition(" (")[0]
                words.setdefault(option, set()).add(" ".join(said.split()[:2]))
    assert {option: said for option, said in words.items() if len(said) > 1} == {}
