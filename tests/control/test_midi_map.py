"""What MIDI messages mean, and the bindings in a rig file."""

from pathlib import Path

import pytest

from fxhost.control.commands import (
    ChooseScene,
    SetBypass,
    SetGain,
    SetKnob,
    SetSlot,
    StepRig,
    StepScene,
    ToggleSlot,
)
from fxhost.control.midi import MidiControl
from fxhost.control.midi_file import check_bindings, put_bindings, read_bindings
from fxhost.control.midi_listener import MOST_NOTES, Newest, choose_ports
from fxhost.control.midi_map import Binding, add_learned, learn, translate
from fxhost.errors import RigError
from fxhost.rig.file import load_rig, read_rig_file
from fxhost.rig.rig import Rig
from fxhost.stages.gate import PARAMETERS as GATE
from fxhost.stages.tone import PARAMETERS as TONE
from tests.conftest import call_fxhost


class Sounding:
    """A rig with a gate and tone controls."""

    def __init__(self) -> None:
        self.ids, self.parameters, self.scenes = ("gate", "tone"), [GATE, TONE], 3


RIG = Sounding()
CC, CC_2, NOTE, PROGRAM = 0xB0, 0xB1, 0x90, 0xC0
BASS = 0


def test_without_bindings_controllers_turn_the_first_knobs_and_volumes_switch_slots_and_programs_choose_scenes() -> (
    None
):
    assert translate([[CC, 20, 127], [CC, 21, 0]], [], RIG) == [SetKnob(0, 0, 1.0), SetKnob(1, BASS, 0.0)]
    assert translate([[CC_2, 103, 63], [CC, 102, 64]], [], RIG) == [SetSlot(1, False), SetSlot(0, True)]
    assert translate([[CC, 7, 127], [CC, 64, 127]], [], RIG) == [SetGain("output", 12.0), SetBypass(True)]
    assert translate([[CC, 11, 0], [CC, 11, 127]], [], RIG) == [SetGain("input", 0.0)]
    assert translate([[PROGRAM, 3]], [], RIG) == [ChooseScene(3)]


def test_programs_choose_rigs_where_there_are_several_without_scenes() -> None:
    alone = Sounding()
    alone.scenes = 1
    assert translate([[PROGRAM, 3]], [], alone, rig=5, rigs=9) == [StepRig(-2)]
    assert translate([[PROGRAM, 9]], [], alone, rig=5, rigs=9) == []  # there is none
    assert translate([[PROGRAM, 3]], [], RIG, rig=5, rigs=9) == [ChooseScene(3)]


def test_of_a_flood_the_newest_value_of_each_controller_counts_and_the_last_program() -> None:
    flood = [[CC, 20, n % 128] for n in range(10_000)] + [[PROGRAM, n % 128] for n in range(500)] + [[CC, 20, 64]]
    assert translate(flood, [], RIG) == [SetKnob(0, 0, 64 / 127), ChooseScene(499 % 128)]


def test_what_waits_never_grows_beyond_what_can_matter() -> None:
    newest = Newest()
    for _ in range(3):
        newest.add(
            [status | channel, number, 100] for status in (NOTE, CC) for channel in range(16) for number in range(128)
        )
        newest.add([PROGRAM | channel, number] for channel in range(16) for number in range(128))
    taken = newest.take()
    assert len(taken) == MOST_NOTES + 16 * 128 + 16
    assert newest.take() == []


@pytest.mark.parametrize("pieces", [1, 2, 3], ids=lambda pieces: f"read {pieces} at a time")
def test_a_foot_switch_that_lets_go_at_once_was_pressed(pieces: int) -> None:
    values, newest = [127, 0, 10], Newest()
    for first in range(0, len(values), pieces):
        newest.add([CC, 2, value] for value in values[first : first + pieces])
    assert newest.take() == [[CC, 2, 127], [CC, 2, 10]]
    pressed = [[CC, 2, 127], [CC, 2, 0]]
    assert translate(pressed, [[Binding("controller", 2, action="next_scene")]], RIG) == [StepScene(1)]
    assert translate(pressed, [[Binding("controller", 2, scene=1)]], RIG) == [ChooseScene(1)]


@pytest.mark.parametrize(
    "rubbish",
    [
        *([], [0xF0, 1, 2, 0xF7], [0xF0, *[1] * 10_000], [0xF8], [0x00], [0xE0, 0, 64], [0xF2, 20, 5]),
        *([CC], [CC, 20], [CC, 20, 200], [CC, 200, 5], [CC, 20, 5, 5], [PROGRAM], [PROGRAM, 200], [PROGRAM, 5, 5]),
        *([NOTE, 60, 0], [0x80, 60, 64]),
    ],
    ids=lambda message: bytes(message[:5]).hex(" ") or "nothing",
)
def test_what_is_no_whole_note_controller_or_program_does_nothing(rubbish: list[int]) -> None:
    assert translate([rubbish], [[Binding("note", 60, slot="tone")]], RIG) == []


def test_channels_ranges_notes_and_actions_are_kept_to() -> None:
    bindings = [
        Binding("controller", 1, channel=2, knob=("tone", "high_cut"), low=1.0, high=0.5),
        Binding("note", 60, slot="tone"),
        Binding("controller", 2, action="next_scene"),
        Binding("controller", 3, knob=("amp", "gain")),  # of a rig that does not play
        Binding("controller", 4, action="volume", low=1.0, high=0.0),
        Binding("program", 5, channel=2, scene=1),
        Binding("program", 6, rig=1),
        Binding("program", 7, slot="tone"),
    ]
    high_cut = [parameter.name for parameter in TONE].index("high_cut")
    assert translate([[CC, 1, 127]], [bindings], RIG) == []
    assert translate([[CC_2, 1, 127]], [bindings], RIG) == [SetKnob(1, high_cut, 0.5)]
    assert translate([[NOTE, 60, 100]], [bindings], RIG) == [ToggleSlot(1)]
    assert translate([[CC, 2, 127]], [bindings], RIG) == [StepScene(1)]
    assert translate([[CC, 2, 0], [CC, 3, 5]], [bindings], RIG) == []
    assert translate([[CC, 4, 127]], [bindings], RIG) == [SetGain("output", -40.0)]
    assert translate([[0xC1, 5]], [bindings], RIG) == [ChooseScene(1)]
    assert translate([[PROGRAM, 5]], [bindings], RIG) == [ChooseScene(5)]  # of another channel: as without bindings
    assert translate([[PROGRAM, 6]], [bindings], RIG, rig=0, rigs=2) == [StepRig(1)]
    assert translate([[PROGRAM, 7]], [bindings], RIG) == [ToggleSlot(1)]


def test_a_rig_goes_before_its_set_list_and_that_before_the_defaults() -> None:
    own = [Binding("controller", 64, action="none"), Binding("controller", 1, action="next_scene")]
    common = [Binding("controller", 1, action="next_rig"), Binding("controller", 2, action="next_rig")]
    pressed = [[CC, number, 127] for number in (64, 1, 2, 103)]
    assert translate(pressed, [own, common], RIG) == [StepScene(1), StepRig(1), SetSlot(1, True)]


RIG_TEXT = """\
# mine
[[slot]]
id = "tone"
type = "tone"

[[scene]]
name = "Clean"

[[scene]]
name = "Lead"

"""


def write_rig(folder: Path, tables: str = "", *, text: str = RIG_TEXT) -> tuple[Path, Rig | None]:
    """A rig file with these tables of MIDI, and its rig."""
    path = folder / "rig.toml"
    path.write_text(text + tables)
    return path, read_rig_file(path).rig


def test_bindings_come_back_as_they_were_written_and_comments_stay(tmp_path: Path) -> None:
    path, rig = write_rig(tmp_path)
    bindings = [
        Binding("controller", 20, channel=3, knob=("tone", "bass"), low=0.25, high=0.75),
        Binding("controller", 4, action="volume", low=1.0, high=0.5),
        Binding("note", 60, slot="tone"),
        Binding("controller", 64, action="bypass"),
        Binding("program", 5, scene=1),
        Binding("program", 6, rig=3),
    ]
    path.write_text(put_bindings(path, rig, bindings))
    assert path.read_text().startswith(RIG_TEXT.rstrip("\n"))
    assert read_bindings(path, rig) == bindings
    assert "without a mistake" in call_fxhost("rig", "check", path).stdout


def test_what_is_learned_takes_the_place_of_what_it_replaces(tmp_path: Path) -> None:
    tables = ["controller = 20\nknob = 'tone.bass'  # old\n", "# of mine\n", "controller = 30\nknob = 'tone.mid'\n"]
    path, rig = write_rig(
        tmp_path, f"[[midi]]\n{tables[0]}\n{tables[1]}[[midi]]\n{tables[2]}\n[[midi]]\nnote = 1\nscene = 'Lead'\n"
    )
    learned = Binding("controller", 30, channel=1, knob=("tone", "bass"))
    path.write_text(put_bindings(path, rig, [learned]))
    assert read_bindings(path, rig) == [Binding("note", 1, scene=1), learned]
    assert "# of mine" in path.read_text() and "# old" not in path.read_text()
    assert put_bindings(path, rig, [learned]) == path.read_text()


def test_a_file_whose_tables_are_written_otherwise_is_let_be_and_what_to_add_is_told(tmp_path: Path) -> None:
    path, rig = write_rig(tmp_path, text="midi = [{ controller = 1, knob = 'tone.mid' }]\n" + RIG_TEXT)
    assert read_bindings(path, rig) == [Binding("controller", 1, knob=("tone", "mid"))]
    with pytest.raises(RigError, match=r'add yourself: \[\[midi\]\] controller = 2 channel = 1 knob = "tone.bass"'):
        put_bindings(path, rig, [Binding("controller", 2, channel=1, knob=("tone", "bass"))])


FIRST = RIG_TEXT.count("\n") + 1  # the line of [[midi]]


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("controller = 200\nslot = 'tone'\n", 1, "controller is 200; expected a number from 0 to 127"),
        ("controller = 1\nslot = 'ton'\n", 2, "there is no slot 'ton': did you mean tone?"),
        ("controller = 1\nslot = 'x'\n", 2, "there is no slot 'x': there is tone"),
        ("controller = 1\nknob = 'tone.bas'\n", 2, "slot 'tone' has no knob 'bas': did you mean tone.bass?"),
        ("controller = 1\nknob = 'tone'\n", 2, "slot 'tone' has no knob '': there is tone.bass, tone.mid"),
        ("controller = 1\nknob = 5\n", 2, "knob is 5; expected a text in quotes"),
        ("controler = 1\nslot = 'tone'\n", 1, "unknown key 'controler': did you mean controller?"),
        ("note = 1\nknob = 'tone.bass'\n", 2, "knob 'tone.bass' is turned by a controller, not by a note"),
        ("program = 1\naction = 'volume'\n", 2, "action 'volume' is turned by a controller, not by a program"),
        ("note = 1\naction = 'next_scen'\n", 2, "there is no action 'next_scen': did you mean next_scene?"),
        ("note = 1\naction = 'fly'\n", 2, "there is no action 'fly': there is none, bypass, mute"),
        (
            "note = 1\n",
            0,
            "needs one of controller, note, program, and one of knob, slot, scene, rig, action; it has note",
        ),
        ("note = 1.5\nslot = 'tone'\n", 1, "note is 1.5; expected a whole number"),
        ("note = 1\nslot = 'tone'\nchannel = 17\n", 3, "channel is 17; expected a number from 1 to 16"),
        ("note = 1\nslot = 'tone'\nlow = 0.5\n", 0, "low and high are where a knob or a volume stands"),
        ("program = 1\nscene = 3\n", 2, "scene is 3; expected a number from 1 to 2"),
        ("program = 1\nscene = 'Lea'\n", 2, "there is no scene 'Lea': did you mean Lead?"),
        ("program = 1\nrig = 0\n", 2, "rig is 0; expected a number from 1 to 128"),
    ],
)
def test_a_mistake_in_a_binding_is_told_with_its_line(table: str, line: int, message: str, tmp_path: Path) -> None:
    path, rig = write_rig(tmp_path, f"[[midi]]\n{table}")
    bindings, problems = check_bindings(path, rig)
    assert bindings == []
    assert any(problem.line == FIRST + line and message in problem.text for problem in problems), problems
    with pytest.raises(RigError, match=f"line {problems[0].line}: "):
        read_bindings(path, rig)
    done = call_fxhost("rig", "check", path)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_set_list_binds_actions_for_all_its_rigs_but_no_knobs(tmp_path: Path) -> None:
    write_rig(tmp_path)
    path = tmp_path / "set.toml"
    path.write_text("rigs = ['rig.toml']\n[[midi]]\nnote = 1\naction = 'next_rig'\n[[midi]]\nprogram = 3\nrig = 2\n")
    assert read_bindings(path, None) == [Binding("note", 1, action="next_rig"), Binding("program", 3, rig=1)]
    assert "without a mistake" in call_fxhost("rig", "check", path).stdout
    path.write_text("rigs = ['rig.toml']\n[[midi]]\nnote = 1\nslot = 'tone'\n")
    assert "line 4: a set list has no slots" in call_fxhost("rig", "check", path).stderr


def test_the_next_controller_is_learned_but_none_that_chooses_banks_or_modes() -> None:
    assert learn([CC_2, 33, 10], ("tone", "bass")) == Binding("controller", 33, channel=2, knob=("tone", "bass"))
    for message in ([CC, 0, 1], [CC, 32, 1], [CC, 123, 0], [NOTE, 33, 10], [PROGRAM, 33], [0xF8], []):
        assert learn(message, ("tone", "bass")) is None
    old = [
        Binding("controller", 1, knob=("tone", "bass")),
        Binding("controller", 33, slot="tone"),
        Binding("controller", 33, channel=1, slot="gate"),
    ]
    learned = Binding("controller", 33, channel=2, knob=("tone", "bass"))
    assert add_learned(old, learned) == [old[2], learned]


class Ports:
    """Ports that say what a test puts in."""

    def __init__(self, *messages: list[list[int]]) -> None:
        self.names = ["scripted"]
        self._messages = list(messages)

    def read(self) -> list[list[int]]:
        return self._messages.pop(0) if self._messages else []


def test_a_controller_that_moves_is_learned_for_the_chosen_knob_and_the_defaults_stay() -> None:
    control = MidiControl(Ports([], [[NOTE, 5, 5], [CC_2, 33, 10]], [[CC_2, 33, 127]], [[CC, 33, 0]], [[CC, 103, 127]]))  # type: ignore[arg-type]
    control.learning = ("tone", "bass")
    assert control.poll(RIG) == []
    assert control.poll(RIG) == [SetKnob(1, BASS, 10 / 127)]
    assert control.learned == [Binding("controller", 33, channel=2, knob=("tone", "bass"))]
    assert control.poll(RIG) == [SetKnob(1, BASS, 1.0)]
    assert control.poll(RIG) == []  # of another channel
    assert control.poll(RIG) == [SetSlot(1, True)]


def test_all_devices_are_opened_but_once_and_two_of_the_same_name_both() -> None:
    listed = [
        ("alsa", "Midi Through:Midi Through Port-0 14:0"),
        ("alsa", "FCB1010:FCB1010 MIDI 1 20:0"),
        ("jack", "a2j:FCB1010 [20] (capture): MIDI 1"),
        ("jack", "Midi-Bridge:FCB1010:(capture_0) MIDI 1"),
        ("jack", "pedalboard:out"),
        ("jack", "fxhost midi-01:out"),
        ("winmm", "nano"),
        ("winmm", "nano"),
    ]
    chosen = choose_ports(listed, "")
    assert chosen == [(*listed[1], 0), (*listed[4], 0), (*listed[6], 0), (*listed[7], 1)]
    assert choose_ports(listed, "THROUGH") == [(*listed[0], 0)]
    assert choose_ports(listed[2:], "fcb") == [(*listed[2], 0), (*listed[3], 0)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_learned_binding_goes_into_a_file_of_any_editor(end: str, tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    rows = ["# mine", "[[slot]]", 'type = "tone"  # warm\u2028', "[[midi]]", "note = 60", 'slot = "tone1"', ""]
    path.write_bytes(b"\xef\xbb\xbf" + end.join(rows).encode())
    rig = load_rig(path)
    text = put_bindings(path, rig, [Binding("controller", 7, channel=1, knob=("tone1", "bass"))])
    assert text.startswith(end.join(rows[:6]) + end)
    assert text.count("\n") == text.count(end)
    path.write_bytes(text.encode())
    assert [each.number for each in read_bindings(path, rig)] == [60, 7]
