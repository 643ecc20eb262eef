"""Rig files: read, checked in one go, drawn, played, rendered in any scene, and written back."""

import json
import os
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fxhost
from fxhost.arrays import Float32Array
from fxhost.errors import RigError
from fxhost.rig.effect import Effect
from fxhost.rig.file import check_rig_file, load_rig, read_rig_file
from fxhost.rig.parts import Gate, Tone
from tests.conftest import RATE, assert_one_line, call_fxhost

MakePreset = Callable[..., Path]

RIG = """\
name = "Gig"
output_gain_db = -3

[[slot]]
id = "gate"
type = "gate"
threshold = -52

[[slot]]
id = "drive"
preset = "ts-overdrive"

[[slot]]
id = "amp"
preset = "amp.pt"
knobs = { "knob 1" = 0.5 }

[[slot]]
id = "cab"
type = "cabinet"
files = ["cab.wav", { file = "cab.wav", level_db = -6, delay_ms = 0.5 }]

[[slot]]
id = "tone"
type = "tone"
bass = 2

[[scene]]
name = "Rhythm"

[[scene]]
name = "Clean"
off = ["drive"]
slots.tone = { treble = 3 }

[[scene]]
name = "Lead"
output_gain_db = 1.5
slots.amp = { knobs = { "knob 1" = 0.9 } }
slots.cab = { on = false }
slots.drive = { preset = "rc-lowpass" }
"""


@pytest.fixture
def rig_file(make_preset: MakePreset, tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    soundfile.write(tmp_path / "cab.wav", (0.3 * rng.standard_normal(500) * 0.99 ** np.arange(500)), RATE, "FLOAT")
    (tmp_path / "amp.pt").write_bytes(make_preset(1, 8, 2).read_bytes())
    path = tmp_path / "gig.toml"
    path.write_text(RIG)
    return path


def test_slots_and_scenes_are_what_the_file_says(rig_file: Path) -> None:
    read = read_rig_file(rig_file)
    assert (read.name, read.ids) == ("Gig", ("gate", "drive", "amp", "cab", "tone"))
    assert read.rig is not None
    rhythm, clean, lead = read.rig.scenes
    assert [scene.name for scene in read.rig.scenes] == ["Rhythm", "Clean", "Lead"]
    assert [scene.is_on for scene in read.rig.scenes] == [
        (True,) * 5,
        (True, False, True, True, True),
        (True, True, True, False, True),
    ]
    assert [scene.output_gain_db for scene in read.rig.scenes] == [-3.0, -3.0, 1.5]
    gate, tone = rhythm.parts[0], clean.parts[4]
    assert isinstance(gate, Gate) and gate.settings == {"threshold": -52.0}
    assert isinstance(tone, Tone) and tone.settings == {"bass": 2.0, "treble": 3.0}
    knobs = [part.preset.knobs[0].default for part in (rhythm.parts[2], lead.parts[2]) if isinstance(part, Effect)]
    assert knobs == [0.5, 0.9]
    assert clean.parts[3] is rhythm.parts[3]
    assert isinstance(lead.parts[1], Effect) and lead.parts[1].path.stem == "rc-lowpass"


MISTAKES = """\
nam = "x"

[[slot]]
id = "a"
preset = "ts-overdriv"

[[slot]]
type = "gate"
treshold = -50
hold = 5000

[[slot]]
id = "a"
type = "cabinet"
files = ["none.wav"]

[[slot]]
type = "gat"

[[scene]]
off = ["b"]
slots.a = { bass = 3 }
output_gain_db = "loud"
"""


def test_every_mistake_is_told_in_one_go_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(MISTAKES)
    done = call_fxhost("rig", "check", path)
    assert done.returncode == 1
    told = [line.removeprefix(f"fxhost: {path}, line ") for line in done.stderr.splitlines()]
    expected = [
        "1: unknown key 'nam': did you mean name?",
        "5: no such preset: ts-overdriv; did you mean ts-overdrive?",
        "9: unknown key 'treshold': did you mean threshold?",
        "10: gate: hold = 5000 is out of range; give 1 to 1000 ms",
        "13: two slots have the id 'a'; give each its own",
        f"15: no such file: {tmp_path / 'none.wav'}",
        "18: type is 'gat'; expected one of effect, blend, cabinet, gate, tone, volume",
        "21: there is no slot 'b': there is a, gate2",
        "22: unknown key 'bass': there is on, files, levels, trims, aligns, mix",
        "23: output_gain_db is 'loud'; expected a number from -60 to 60",
    ]
    assert set(expected) - set(told) == set()
    run = call_fxhost("run", path, "--device", "virtual")
    assert_one_line(run, "line 1: unknown key 'nam': did you mean name? (")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a = \n", 1, "cannot be read as TOML"),
        ("\n\n[[slot]\n", 3, "cannot be read as TOML"),
        ("", 1, "there is no [[slot]]"),
        ("slot = 3\n", 1, "slot is 3; expected tables that begin with [[slot]]"),
        ("[[slot]]\npreset = 3\n", 2, "preset is 3; expected a text in quotes"),
        ("[[slot]]\ntype = 'tone'\nbass = true\n", 3, "bass = True is not a number"),
        ("rigs = ['a.toml']\n", 1, "no such file"),
    ],
)
def test_what_is_no_rig_is_refused_with_its_line(text: str, line: int, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    read, problems = check_rig_file(path)
    assert read is None
    assert [problem.line for problem in problems] == [line]
    assert message in problems[0].text


def test_a_file_that_is_missing_huge_or_no_text_is_one_clear_line(tmp_path: Path) -> None:
    assert_one_line(call_fxhost("rig", "check", tmp_path / "none.toml"), "no such file")
    big, binary = tmp_path / "big.toml", tmp_path / "binary.toml"
    big.write_text("# " + "x" * (1 << 20))
    assert_one_line(call_fxhost("rig", "check", big), "a rig file at most")
    binary.write_bytes(b"a = 1\n\xff\xfe")
    assert_one_line(call_fxhost("rig", "check", binary), "line 2: this is not text in UTF-8")


def test_the_example_plays_at_once_and_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "first.toml"
    assert call_fxhost("rig", "init", path).returncode == 0
    assert "without a mistake" in call_fxhost("rig", "check", path).stdout
    run = call_fxhost("run", path, "--device", "virtual", "--duration", 0.2, "--json")
    assert run.returncode == 0, run.stderr
    assert [slot["kind"] for slot in json.loads(run.stdout)["slots"]] == ["gate", "effect", "tone"]
    assert_one_line(call_fxhost("rig", "init", path), "exists already")
    assert_one_line(call_fxhost("rig", "init", tmp_path / "rig.txt"), "name it rig.toml")
    saved = call_fxhost("run", "ts-overdrive", "--device", "virtual", "--duration", 0.1, "--save", tmp_path / "r.txt")
    assert_one_line(saved, "name it r.toml")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["first.toml"]
    assert call_fxhost("rig", "init", path, "--force").returncode == 0


def test_a_rig_is_drawn_scene_by_scene(rig_file: Path) -> None:
    shown = call_fxhost("rig", "show", rig_file).stdout
    assert "2 Clean" in shown
    assert "(drive  a diode overdrive pedal)" in shown
    assert "treble +3.0 dB" in shown
    assert "output +1.5 dB" in shown


@pytest.mark.parametrize(("scene", "index"), [(None, 0), ("clean", 1), ("3", 2)])
def test_every_scene_is_rendered_as_python_plays_it(
    scene: str | None, index: int, rig_file: Path, guitar: Float32Array, tmp_path: Path
) -> None:
    dry, wet = tmp_path / "dry.wav", tmp_path / "wet.wav"
    audio = guitar[4 * RATE : 5 * RATE]
    soundfile.write(dry, audio, RATE, subtype="FLOAT")
    chosen = [] if scene is None else ["--scene", scene]
    done = call_fxhost("render", rig_file, dry, wet, *chosen)
    assert done.returncode == 0, done.stderr
    rig = load_rig(rig_file)
    wanted = rig.in_scene(rig.scenes[index])(audio, RATE)
    assert np.abs(wanted).max() > 1e-4
    assert np.array_equal(soundfile.read(wet, dtype="float32")[0], wanted)
    if scene is None:
        live = tmp_path / "live.wav"
        run = call_fxhost("run", rig_file, "--device", "virtual", "--input-file", dry, "--output-file", live)
        assert run.returncode == 0, run.stderr
        assert np.array_equal(soundfile.read(live, dtype="float32")[0], wanted)
    assert_one_line(
        call_fxhost("render", rig_file, dry, wet, "--force", "--scene", "none"), "there is 1 Rhythm, 2 Clean"
    )


def test_what_the_flags_made_is_saved_and_plays_the_same(
    make_preset: MakePreset, rig_file: Path, guitar: Float32Array, tmp_path: Path
) -> None:
    saved, preset = tmp_path / "deep" / "saved.toml", make_preset(1, 8, 2)
    saved.parent.mkdir()
    flags = ("--gate", -50, "--cab", tmp_path / "cab.wav", "--eq", "bass=3 low_cut=80", "--output-gain-db", -2)
    play = ("--device", "virtual", "--duration", 0.2)
    done = call_fxhost("run", "ts-overdrive", preset, *flags, "--knob", "knob 1=0.8", *play, "--save", saved)
    assert done.returncode == 0, done.stderr
    content = tomllib.loads(saved.read_text())
    assert [slot.get("preset") for slot in content["slot"]][1] == "ts-overdrive"
    assert content["slot"][3]["files"] == [{"file": "../cab.wav"}]
    audio = guitar[4 * RATE : 5 * RATE]
    by_flags = fxhost.Rig(
        [
            fxhost.Gate(threshold=-50.0),
            "ts-overdrive",
            load_rig(saved).parts[2],
            fxhost.Cabinet(tmp_path / "cab.wav", aligns=True),
            fxhost.Tone(bass=3.0, low_cut=80.0),
        ],
        output_gain_db=-2.0,
    )
    assert load_rig(saved).effects[1].preset.knobs[0].default == pytest.approx(0.8)
    assert np.array_equal(load_rig(saved)(audio, RATE), by_flags(audio, RATE))
    assert_one_line(call_fxhost("run", "ts-overdrive", *play, "--save", saved), "exists already")


@pytest.mark.parametrize("name", ['amp🎸 "x"', "del\x7f", "tab\tand\\", "é́"])
def test_a_saved_rig_is_read_again_whatever_its_files_are_called(
    name: str, make_preset: MakePreset, tmp_path: Path
) -> None:
    preset, saved = tmp_path / f"{name}.pt", tmp_path / "saved.toml"
    preset.write_bytes(make_preset(1, 8).read_bytes())
    done = call_fxhost("run", preset, "--device", "virtual", "--duration", 0.1, "--save", saved)
    assert done.returncode == 0, done.stderr
    assert tomllib.loads(saved.read_text(encoding="utf-8"))["slot"][0]["preset"] == preset.name
    assert load_rig(saved).effects[0].preset.path == preset


def test_a_name_that_no_text_file_can_hold_is_refused(make_preset: MakePreset, tmp_path: Path) -> None:
    preset, saved = tmp_path / os.fsdecode(b"bad\xff.pt"), tmp_path / "saved.toml"
    preset.write_bytes(make_preset(1, 8).read_bytes())
    done = call_fxhost("run", preset, "--device", "virtual", "--duration", 0.1, "--save", saved)
    assert done.returncode == 1
    assert "bad\\xff.pt cannot stand in a file" in done.stderr
    assert not saved.exists()


def test_options_that_a_rig_file_has_keys_for_are_refused(rig_file: Path) -> None:
    done = call_fxhost("run", rig_file, "--device", "virtual", "--gate", -50)
    assert_one_line(done, "--gate -50 does nothing with a rig file; write it into the file")
    assert_one_line(call_fxhost("run", rig_file, "ts-overdrive", "--device", "virtual"), "plays alone")


def test_more_slots_or_scenes_than_may_be_are_told_and_not_left_out(tmp_path: Path) -> None:
    path = tmp_path / "many.toml"
    path.write_text('[[slot]]\ntype = "tone"\n' * 65)
    _, problems = check_rig_file(path)
    assert [(each.line, each.text) for each in problems] == [(129, "this is one of 65 [[slot]]; give at most 64")]
    path.write_text('[[slot]]\ntype = "tone"\n' + '[[scene]]\nname = "x"\n' * 129)
    assert "this is one of 129 [[scene]]; give at most 128" in call_fxhost("rig", "check", path).stderr


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_text_of_any_editor_is_read(mark: bytes, newline: str, tmp_path: Path) -> None:
    path, rows = tmp_path / "rig.toml", ["# mine", "[[slot]]", 'type = "tone"', "bass = 3", "[[midi]]", "note = 60"]
    path.write_bytes(mark + newline.join([*rows, 'slot = "tone1"', ""]).encode())
    assert call_fxhost("rig", "check", path).stdout.endswith("1 slots, without a mistake\n")
    assert load_rig(path).parts[0].settings["bass"] == 3.0
    path.write_bytes(mark + newline.join([*rows, "slots = 3", "[[slot]]", 'type = "ton"']).encode())
    assert f"{path}, line 9: type is 'ton'" in call_fxhost("rig", "check", path).stderr


def test_a_set_list_in_a_set_list_is_refused(rig_file: Path, tmp_path: Path) -> None:
    for name, held in (("self", "self"), ("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.toml").write_text(f'rigs = ["{held}.toml"]\n')
    for name in ("self", "a"):
        assert_one_line(call_fxhost("rig", "check", tmp_path / f"{name}.toml"), "is a set list, and a set list holds")


def test_a_set_list_is_checked_and_its_first_rig_plays(rig_file: Path, tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text('rigs = ["gig.toml", "gig.toml"]\n')
    assert "a set list of 2 rigs" in call_fxhost("rig", "check", tmp_path / "set.toml").stdout
    run = call_fxhost("run", tmp_path / "set.toml", "--device", "virtual", "--duration", 0.2, "--json")
    assert run.returncode == 0, run.stderr
    assert len(json.loads(run.stdout)["slots"]) == 5
    with pytest.raises(RigError, match="is a set list"):
        load_rig(tmp_path / "set.toml")


def test_a_folder_is_stepped_through_and_what_cannot_be_opened_is_told(make_preset: MakePreset, tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    (folder / "more").mkdir(parents=True)
    for path, size in ((folder / "b.pt", 8), (folder / "more" / "a.pt", 20)):
        path.write_bytes(make_preset(1, size).read_bytes())
    (folder / "broken.nam").write_text("{}")
    run = call_fxhost("run", folder, "--device", "virtual", "--duration", 0.2)
    assert run.returncode == 0, run.stderr
    assert "1 of 3 captures cannot be opened" in run.stdout
    assert "broken.nam" in run.stdout
    (tmp_path / "empty").mkdir()
    assert_one_line(call_fxhost("run", tmp_path / "empty", "--device", "virtual"), "there is no preset or capture")


def test_a_scene_is_chosen_from_python_while_it_plays(rig_file: Path) -> None:
    with fxhost.play(fxhost.load_rig(rig_file), device="virtual") as live:
        assert live.scenes == ["Rhythm", "Clean", "Lead"]
        assert live.knobs["knob 1"] == 0.5
        live.choose_scene("lead")
        deadline = time.monotonic() + 10
        while live.knobs["knob 1"] != 0.9 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert live.knobs["knob 1"] == 0.9
        assert live.output_gain_db == 1.5
        assert live.scene == "Lead"
        live.knobs["bass"] = -6.0
        assert live.knobs["bass"] == -6.0
        with pytest.raises(ValueError, match="expected −15 to 15 dB"):
            live.knobs["bass"] = 40.0
        with pytest.raises(ValueError, match="there is Rhythm, Clean, Lead"):
            live.choose_scene("solo")
