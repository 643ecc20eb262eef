"""A scene goes back into its rig file as it plays: what was not turned stays as it is written, comments included."""

import difflib
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fxhost.cli.remotes import Remotes
from fxhost.cli.saving import save_playing
from fxhost.control.commands import (
    ChooseScene,
    Command,
    Quit,
    ResetGains,
    SaveScene,
    SetGain,
    SetKnob,
    StepGain,
    ToggleSlot,
)
from fxhost.errors import RigError
from fxhost.rig.file import load_rig
from fxhost.rig.file_writing import format_example
from fxhost.rig.toml_editing import change_text, format_value
from fxhost.session import Session
from tests.cli.test_midi_rigs import make_session

# --- the text --------------------------------------------------------------------------------------------------------

HEAD = '[[scene]]\nname = "A"   # mine\n'
NEXT = '\n# the other\n[[scene]]\nname = "B"\n'
FORMS = {  # how the slots of a scene are written → with one value changed, one added to that slot, and another slot
    "not at all": ("", 'slots.tone = { mid = 5, bass = 1 }\nslots."my amp" = { knobs = { "knob 1" = 0.5 } }\n'),
    "dotted to a table": (
        "slots.tone = { mid = 4, treble = 2.25 }  # bright\n",
        "slots.tone = { mid = 5, treble = 2.25, bass = 1 }  # bright\n"
        'slots."my amp" = { knobs = { "knob 1" = 0.5 } }\n',
    ),
    "in one table": (
        "slots = { tone = { mid = 4 } }# bright\n",
        'slots = { tone = { mid = 5, bass = 1 }, "my amp" = { knobs = { "knob 1" = 0.5 } } }# bright\n',
    ),
    "dotted to the end": (
        '  slots."tone".mid=4 # not 3\n',
        '  slots."tone".mid=5 # not 3\n  slots.tone.bass = 1\n  slots."my amp" = { knobs = { "knob 1" = 0.5 } }\n',
    ),
    "under a header": (
        "\n[scene.slots.tone] # bright\nmid = 4\n# low = 3\n",
        'slots."my amp" = { knobs = { "knob 1" = 0.5 } }\n\n[scene.slots.tone] # bright\nmid = 5\nbass = 1\n# low = 3\n',
    ),
    "under a header of all": (
        "[scene.slots]\ntone.mid = 4\n",
        '[scene.slots]\ntone.mid = 5\ntone.bass = 1\n"my amp" = { knobs = { "knob 1" = 0.5 } }\n',
    ),
}


def changes_of(text: str) -> list[tuple[Any, Any]]:
    has_tone = "tone" in tomllib.loads(text)["scene"][0].get("slots", {})
    tone = ("scene", 0, "slots", "tone")
    own = [((*tone, "mid"), 5.0), ((*tone, "bass"), 1.0)] if has_tone else [(tone, {"mid": 5.0, "bass": 1.0})]
    return [*own, (("scene", 0, "slots", "my amp"), {"knobs": {"knob 1": 0.5}})]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_values_are_changed_and_added_in_every_way_to_write_them(form: str, newline: str) -> None:
    before, after = FORMS[form]
    for follows in (NEXT, ""):
        text = f"{HEAD}{before}{follows}".replace("\n", newline)
        expected = f"{HEAD}{after}{follows}".replace("\n", newline)
        assert change_text(text, changes_of(text)) == expected


def test_a_file_without_a_line_end_or_a_key_gets_them() -> None:
    assert change_text('[[slot]]\nid = "a"', [(("slot", 0, "on"), False)]) == '[[slot]]\nid = "a"\non = false\n'
    assert change_text("[[slot]]\n[[slot]]", [(("slot", 0, "on"), True)]) == "[[slot]]\non = true\n[[slot]]"
    first = "# My rig\n\n# the amp\n[[slot]]\n"
    assert (
        change_text(first, [(("input_gain_db",), -1.5)]) == "# My rig\n\ninput_gain_db = -1.5\n\n# the amp\n[[slot]]\n"
    )
    dated = 'scene = [\n  { name = "a", d = 1979-05-27 },\n] # all\n'
    expected = 'scene = [\n  { name = "a", d = 1979-05-27, on = ["b"] },\n] # all\n'
    assert change_text(dated, [(("scene", 0, "on"), ["b"])]) == expected
    assert change_text("a = [ {}, { } ] # {", [(("a", 1, "b", "c"), 2)]) == "a = [ {}, { b.c = 2 } ] # {"
    assert change_text("", [(("input_gain_db",), 1)]) == "input_gain_db = 1\n\n"


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        ('["a", # x = 1\n  "b",\n]', "  # the end"),
        ("'''x = 1 # no\n[[scene]]\n'''", ""),
        ('"a # b"', " # c"),
        ("'\u2028 \u0085'", "\t"),
    ],
)
def test_a_value_ends_where_toml_says(value: str, rest: str) -> None:
    text = f"a = {value}{rest}\nb = 2 # two\n[t]\nc = 3\n"
    assert change_text(text, [(("a",), [1, "x"]), (("b",), 3), (("d",), True)]) == (
        f'a = [1, "x"]{rest}\nb = 3 # two\nd = true\n[t]\nc = 3\n'
    )
    assert change_text(text, [(("b",), 3)]) == text.replace("b = 2", "b = 3")


def test_what_looks_like_a_table_in_a_text_is_none() -> None:
    text = "x = '''\n[[scene]]\n'''\n[[scene]]\noutput_gain_db = 1\n"
    changed = change_text(text, [(("scene", 0, "output_gain_db"), 2.0), (("on",), True)])
    assert changed == "x = '''\n[[scene]]\n'''\non = true\n[[scene]]\noutput_gain_db = 2\n"


def test_what_cannot_be_changed_is_told_to_be_written_by_hand() -> None:
    text = "[[scene]]\nname = 'x'\non = 1979-05-27 07:32:00\n"
    with pytest.raises(RigError, match=r"change yourself: scene\.1\.output_gain_db = 2; scene\.1\.on = true$"):
        change_text(text, [(("scene", 0, "output_gain_db"), 2.0), (("scene", 0, "on"), True)])


def test_numbers_are_written_as_they_are_read() -> None:
    for number in (0.1, -60.0, 1e-7, 123456.789, 1 / 3, 20000, 1e22, 0):
        assert tomllib.loads(f"x = {format_value(number)}")["x"] == number


# --- the scene -------------------------------------------------------------------------------------------------------

RIG = """\
# My rig
name = "Gig"
output_gain_db = -3      # not too loud

[[slot]]
id = "drive"
on = false
preset = "ts-overdrive"  # a pedal

[[slot]]
id = "amp"
preset = "amp.pt"
knobs = { "Knob 1" = 0.5 }

[[slot]]
id = "tone"
type = "tone"
bass = 2

# --- scenes ---

[[scene]]
name = "Rhythm"

# for solos
[[scene]]
name = "Lead"
on = ["drive"]           # only here
slots.tone = { mid = 4 } # to be heard
"""


@pytest.fixture
def rig_file(make_preset: Callable[..., Path], tmp_path: Path) -> Path:
    (tmp_path / "amp.pt").write_bytes(make_preset(1, 8, 2).read_bytes())
    path = tmp_path / "rig.toml"
    path.write_text(RIG)
    return path


def give(session: Session, *commands: Command) -> str:
    """Give commands, save, and return the line that tells of it."""
    for command in commands:
        session.controls.apply(command)
        session._change()
        while session.rack.is_crossfading:
            session.rack.process(block := session.rack._data.scratch[:64].copy(), block)
    session.controls.apply(SaveScene())
    assert session.controls.wants_save
    session.controls.wants_save = False
    return save_playing(session)


def difference(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_what_was_turned_and_switched_goes_into_the_scene_that_plays(rig_file: Path) -> None:
    session = make_session(rig_file)
    told = give(
        session, ChooseScene(1), SetKnob(1, 0, 0.75), SetKnob(2, 1, 0.7), ToggleSlot(0), SetGain("output", -1.5)
    )
    assert told == (
        "saved scene 2 Lead of rig.toml: output −1.5 dB, drive off, amp knob 1 0.75, tone mid +6.0 dB; "
        "the file before is rig.toml~"
    )
    assert difference(RIG, rig_file.read_text()) == [
        '- on = ["drive"]           # only here',
        "+ on = []           # only here",
        "- slots.tone = { mid = 4 } # to be heard",
        "+ slots.tone = { mid = 6 } # to be heard",
        "+ output_gain_db = -1.5",
        '+ slots.amp = { knobs = { "Knob 1" = 0.75 } }',
    ]
    assert rig_file.with_name("rig.toml~").read_text() == RIG
    assert sorted(file.name for file in rig_file.parent.iterdir()) == ["amp.pt", "rig.toml", "rig.toml~"]
    read, playing = load_rig(rig_file).scenes[1], session.playing.sound
    assert read.is_on == tuple(playing.is_on) == (False, True, True)
    assert (read.input_gain_db, read.output_gain_db) == (0.0, -1.5)
    values = [[each.default for each in slot.parameters] for slot in load_rig(rig_file).slots_at(48_000, read)]
    assert values == playing.knobs.values


def test_what_was_saved_is_what_the_scene_returns_to_and_is_saved_once(rig_file: Path) -> None:
    session = make_session(rig_file)
    give(session, SetKnob(2, 1, 0.7), ToggleSlot(0), StepGain("output", 2))
    saved = rig_file.read_text()
    assert "slots.tone = { mid = 6 }" in saved and 'on = ["drive"]\n' in saved.partition("# for solos")[0]
    assert give(session) == "scene 1 Rhythm of rig.toml is as it plays; there is nothing to save"
    assert (rig_file.read_text(), rig_file.with_name("rig.toml~").read_text()) == (saved, RIG)
    for command in (SetKnob(2, 1, 0.1), ToggleSlot(0), SetGain("output", 9.0), ChooseScene(1), ChooseScene(0)):
        session.controls.apply(command)
        session._change()
        while session.rack.is_crossfading:
            session.rack.process(block := session.rack._data.scratch[:64].copy(), block)
    assert session.playing.sound.is_on == [True, True, True]
    assert session.knobs.values[2][1] == pytest.approx(6.0)
    assert session.rack.output_gain_db == pytest.approx(-1.0)
    session.controls.apply(StepGain("output", 1))
    session.controls.apply(ResetGains())
    assert session.rack.output_gain_db == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("scene", "slot", "lists"),
    [
        ("", 2, 'off = ["tone"]\n'),
        ("", 0, 'on = ["drive"]\n'),
        ('off = ["amp"]\n', 1, "off = []\n"),
        ('off = ["amp"] # or not\n', 2, 'off = ["amp", "tone"] # or not\n'),
        ("slots.drive = { on = true }\n", 0, "slots.drive = { on = false }\n"),
        ("slots.tone.on = true\n", 2, "slots.tone.on = false\n"),
    ],
)
def test_a_slot_is_switched_the_way_the_scene_does_it(scene: str, slot: int, lists: str, rig_file: Path) -> None:
    text = RIG.replace('name = "Rhythm"\n', f'name = "Rhythm"\n{scene}')
    rig_file.write_text(text)
    session = make_session(rig_file)
    give(session, ToggleSlot(slot))
    assert rig_file.read_text() == RIG.replace('name = "Rhythm"\n', f'name = "Rhythm"\n{lists}')
    assert load_rig(rig_file).scenes[0].is_on == tuple(session.playing.sound.is_on)
    give(session, ToggleSlot(slot))
    assert load_rig(rig_file).scenes[0].is_on == tuple(session.playing.sound.is_on)


def test_without_scenes_the_slots_and_gains_themselves_are_written(rig_file: Path) -> None:
    rig_file.write_text(RIG.partition("# --- scenes")[0])
    session = make_session(rig_file)
    told = give(session, SetKnob(1, 0, 0.25), SetKnob(2, 0, 0.5), ToggleSlot(0), SetGain("input", 2.0))
    assert told.startswith("saved rig.toml: input +2.0 dB, drive on, amp knob 1 0.25, tone bass ")
    assert difference(RIG.partition("# --- scenes")[0], rig_file.read_text()) == [
        "+ input_gain_db = 2",
        "- on = false",
        "+ on = true",
        '- knobs = { "Knob 1" = 0.5 }',
        '+ knobs = { "Knob 1" = 0.25 }',
        "- bass = 2",
        "+ bass = 0",
    ]


def test_the_example_is_saved_with_all_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "first.toml"
    path.write_text(before := format_example(path))
    session = make_session(path)
    give(session, ChooseScene(2), SetKnob(0, 0, 0.5), SetKnob(2, 0, 0.6), SetGain("output", 3.0))
    assert difference(before, path.read_text()) == [
        "- output_gain_db = 2.0",
        "+ output_gain_db = 3",
        "- slots.tone = { mid = 4, treble = 2 }",
        "+ slots.tone = { mid = 4, treble = 2, bass = 3 }",
        "+ slots.gate = { threshold = -45 }",
    ]


BLEND = """\
[[slot]]
id = "amps"
type = "blend"
aligns = false
branches = [
  { id = "clean", preset = "amp.pt", level = -3 },  # the clean one
  # and what is driven
  { slots = [{ preset = "ts-overdrive", mix = 0.5 }, { id = "eq", type = "tone" }] },
]

[[slot]]
id = "drive"
preset = "ts-overdrive"
mix = 0.8                # not all of it

[[slot]]
id = "boost"
type = "volume"
"""
TABLES = BLEND.replace(
    BLEND[BLEND.index("branches = [") : BLEND.index("\n\n[[slot]]")],
    """
[[slot.branch]]
id = "clean"
preset = "amp.pt"
level = -3 # the clean one

[[slot.branch]]
[[slot.branch.slot]]
preset = "ts-overdrive"
mix = 0.5
[[slot.branch.slot]]
id = "eq"
type = "tone"
""",
)


def turn(session: Session, **values: float) -> None:
    """Turn the parameters of the slots to values, by names such as amps.clean.level."""
    board = session.knobs
    names = [f"{session.rig.ids[n]}.{session.slots[n].parameters[k].name}" for n, k in board.places]
    for name, value in values.items():
        board.set(names.index(name), value)


TURNED = {
    "amps.clean.level": -6.0,
    "amps.mute2": 1.0,
    "amps.clean.knob 1": 0.75,
    "amps.2.mix": 0.25,
    "amps.2.bass": 3.0,
    "drive.mix": 0.4,
    "boost.level": 2.5,
}


@pytest.mark.parametrize("how", ["inline", "tables"])
def test_a_blend_without_scenes_is_changed_in_its_branches(how: str, rig_file: Path) -> None:
    rig_file.write_text(before := BLEND if how == "inline" else TABLES)
    session = make_session(rig_file)
    turn(session, **TURNED)
    assert "saved rig.toml: amps clean.level −6.0 dB, amps mute2 on" in give(session)
    text = rig_file.read_text()
    if how == "inline":
        assert difference(before, text) == [
            '-   { id = "clean", preset = "amp.pt", level = -3 },  # the clean one',
            '+   { id = "clean", preset = "amp.pt", level = -6, knobs = { "knob 1" = 0.75 } },  # the clean one',
            '-   { slots = [{ preset = "ts-overdrive", mix = 0.5 }, { id = "eq", type = "tone" }] },',
            '+   { slots = [{ preset = "ts-overdrive", mix = 0.25 }, { id = "eq", type = "tone", bass = 3 }], mute = true },',
            "- mix = 0.8                # not all of it",
            "+ mix = 0.4                # not all of it",
            "+ level = 2.5",
        ]
    else:
        assert [line for line in difference(before, text) if line[0] == "-"] == [
            "- level = -3 # the clean one",
            "- mix = 0.5",
            "- mix = 0.8                # not all of it",
        ]
    values = [[each.default for each in slot.parameters] for slot in load_rig(rig_file).slots_at(48_000)]
    assert values == session.knobs.values
    assert "nothing to save" in give(session)


def test_a_blend_in_a_scene_is_changed_by_the_names_of_its_parameters(rig_file: Path) -> None:
    scenes = '\n[[scene]]\nname = "A"\n\n[[scene]]\nname = "B"\nslots.amps = { clean.level = -1 } # more\n'
    rig_file.write_text(before := BLEND + scenes)
    session = make_session(rig_file)
    turn(session, **TURNED)
    give(session)
    assert difference(before, first := rig_file.read_text()) == [
        '+ slots.amps = { clean = { level = -6, "knob 1" = 0.75 }, mute2 = true, 2 = { mix = 0.25, bass = 3 } }',
        "+ slots.drive = { mix = 0.4 }",
        "+ slots.boost = { level = 2.5 }",
    ]
    give(session, ChooseScene(1))
    turn(session, **{"amps.clean.level": -2.0, "amps.2.bass": 1.0})
    give(session)
    assert difference(first, rig_file.read_text()) == [
        "- slots.amps = { clean.level = -1 } # more",
        "+ slots.amps = { clean.level = -2, 2 = { bass = 1 } } # more",
    ]
    for sound, scene in zip(session.playing.sounds, load_rig(rig_file).scenes, strict=True):
        read = load_rig(rig_file).slots_at(48_000, scene)
        assert [[each.default for each in slot.parameters] for slot in read] == sound.saved


def test_a_file_that_has_become_another_rig_is_left_as_it_is(rig_file: Path) -> None:
    session = make_session(rig_file)
    for text in (
        RIG.replace('"Lead"', '"Solo"'),
        RIG.replace('id = "tone"', 'id = "eq"').replace("slots.tone", "slots.eq"),
        RIG.replace("# --- scenes", '[[slot]]\ntype = "gate"\n# --- scenes'),
    ):
        rig_file.write_text(text)
        assert "rig.toml is not saved: it has other slots or scenes by now" in give(session, StepGain("input", 1))
        assert rig_file.read_text() == text
    rig_file.write_text("[[")
    assert "is not saved: it cannot be read as TOML any more" in give(session)
    rig_file.unlink()
    assert "is not saved: cannot read" in give(session)
    assert [file.name for file in rig_file.parent.iterdir()] == ["amp.pt"]


def test_changes_that_were_made_by_hand_meanwhile_stay(rig_file: Path) -> None:
    session = make_session(rig_file)
    rig_file.write_text(edited := RIG.replace("bass = 2", "bass = 3 # more"))
    give(session, SetGain("input", 1.0))
    assert difference(edited, rig_file.read_text()) == ["+ input_gain_db = 1"]


def test_a_link_stays_a_link_and_permissions_stay(rig_file: Path, tmp_path: Path) -> None:
    target = tmp_path / "kept" / "real.toml"
    target.parent.mkdir()
    (target.parent / "amp.pt").write_bytes((tmp_path / "amp.pt").read_bytes())
    rig_file.rename(target)
    target.chmod(0o640)
    rig_file.symlink_to(target)
    give(make_session(rig_file), SetGain("input", 1.0))
    assert rig_file.is_symlink() and "input_gain_db = 1" in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in target.parent.iterdir()) == ["amp.pt", "real.toml", "real.toml~"]


def test_a_disk_that_is_full_leaves_the_file_as_it_was(rig_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_session(rig_file)

    def refuse(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    assert "is not saved: cannot write" in give(session, SetGain("input", 1.0))
    monkeypatch.undo()
    assert rig_file.read_text() == RIG
    assert sorted(file.name for file in rig_file.parent.iterdir()) == ["amp.pt", "rig.toml"]
    assert "saved scene 1 Rhythm of rig.toml: input +1.0 dB" in give(session), "it is still to be saved"


def test_a_run_saves_where_a_remote_asks_for_it_and_says_so(rig_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session, remotes = make_session(rig_file), Remotes(None, None)
    script = [[StepGain("input", 1)], [SaveScene()], [], [Quit()]]

    def on_poll() -> list[Command]:
        return [*remotes.poll(session, None), *script.pop(0)]

    session.play(on_poll)
    assert "fxhost: saved scene 1 Rhythm of rig.toml: input +1.0 dB; " in capsys.readouterr().err
    assert "input_gain_db = 1\n" in rig_file.read_text()


def test_without_a_rig_file_there_is_nothing_to_save_into(make_preset: Callable[..., Path], rig_file: Path) -> None:
    session = make_session(rig_file)
    session.playing.rig.path = None
    assert "no rig file plays" in give(session, StepGain("input", 1))
    assert rig_file.read_text() == RIG
