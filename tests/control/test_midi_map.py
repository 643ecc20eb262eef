"""What MIDI messages mean, and the bindings in a rig file."""

from pathlib import Path

import pytest

from fxhost.control.commands import (
    ChooseScene,
    SetBypass,
    SetGain,
    SetKnob,
    SetSlot,
    StepScene,
    ToggleSlot,
)
from fxhost.control.midi import MidiControl
from fxhost.control.midi_file import add_bindings, check_bindings, read_bindings
from fxhost.control.midi_map import Binding, default_bindings, translate
from fxhost.errors import RigError
from fxhost.stages.gate import PARAMETERS as GATE
from fxhost.stages.tone import PARAMETERS as TONE
from tests.conftest import call_fxhost


class Sounding:
    """A rig with a gate and tone controls."""

    def __init__(self) -> None:
        self.ids, self.parameters = ("gate", "tone"), [GATE, TONE]


RIG = Sounding()
CC, CC_2, NOTE, PROGRAM = 0xB0, 0xB1, 0x90, 0xC0
BASS = 0


def test_the_default_bindings_turn_the_first_knobs_switch_slots_and_choose_scenes() -> None:
    own = default_bindings(RIG)
    assert translate([[CC, 20, 127], [CC, 21, 0]], own, RIG) == [SetKnob(0, 0, 1.0), SetKnob(1, BASS, 0.0)]
    assert translate([[CC_2, 103, 63], [CC, 102, 64]], own, RIG) == [SetSlot(1, False), SetSlot(0, True)]
    assert translate([[PROGRAM, 3]], own, RIG) == [ChooseScene(3)]
    assert translate([[CC, 7, 127], [CC, 64, 127]], own, RIG) == [SetGain("output", 12.0), SetBypass(True)]


def test_of_a_flood_the_newest_value_of_each_controller_counts_and_the_last_program() -> None:
    flood = [[CC, 20, n % 128] for n in range(10_000)] + [[PROGRAM, n % 128] for n in range(500)] + [[CC, 20, 64]]
    assert translate(flood, default_bindings(RIG), RIG) == [SetKnob(0, 0, 64 / 127), ChooseScene(499 % 128)]


@pytest.mark.parametrize(
    "rubbish", [[], [0xF0, 1, 2, 0xF7], [0xF8], [CC], [CC, 20], [NOTE, 60, 0], [0x80, 60, 64], [0xE0, 0, 64], [0x00]]
)
def test_what_is_no_note_controller_or_program_does_nothing(rubbish: list[int]) -> None:
    bindings = [*default_bindings(RIG), Binding("note", 60, slot="tone")]
    assert translate([rubbish], bindings, RIG) == []


def test_channels_ranges_notes_and_actions_are_kept_to() -> None:
    bindings = [
        Binding("controller", 1, channel=2, knob=("tone", "high_cut"), low=1.0, high=0.5),
        Binding("note", 60, slot="tone"),
        Binding("controller", 2, action="next_scene"),
        Binding("controller", 3, knob=("amp", "gain")),  # of a rig that does not play
    ]
    high_cut = [parameter.name for parameter in TONE].index("high_cut")
    assert translate([[CC, 1, 127]], bindings, RIG) == []
    assert translate([[CC_2, 1, 127]], bindings, RIG) == [SetKnob(1, high_cut, 0.5)]
    assert translate([[NOTE, 60, 100]], bindings, RIG) == [ToggleSlot(1)]
    assert translate([[CC, 2, 127]], bindings, RIG) == [StepScene(1)]
    assert translate([[CC, 2, 0], [CC, 3, 5]], bindings, RIG) == []


SLOT = '[[slot]]\nid = "tone"\ntype = "tone"\n\n'


def test_bindings_come_back_as_they_were_written_and_comments_stay(tmp_path: Path) -> None:
    path, bindings = (
        tmp_path / "rig.toml",
        [
            Binding("controller", 20, channel=3, knob=("tone", "bass"), low=0.25, high=0.75),
            Binding("note", 60, slot="tone"),
            Binding("controller", 64, action="bypass"),
        ],
    )
    before = "# mine\n" + SLOT
    path.write_text(add_bindings(before, bindings))
    assert path.read_text().startswith(before.rstrip("\n"))
    assert read_bindings(path, ("tone",)) == bindings
    assert "without a mistake" in call_fxhost("rig", "check", path).stdout


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("controller = 200\nslot = 'tone'\n", 6, "controller is 200; expected a number from 0 to 127"),
        ("controller = 1\nslot = 'ton'\n", 7, "there is no slot 'ton': there is tone"),
        ("controler = 1\nslot = 'tone'\n", 6, "unknown key 'controler': did you mean controller?"),
        ("note = 1\nknob = 'tone.bass'\n", 7, "a knob is turned by a controller"),
        ("note = 1\naction = 'fly'\n", 7, "action is 'fly'; expected one of bypass, mute"),
        ("note = 1\n", 5, "needs one of controller, note, and one of knob, slot, action"),
        ("note = 1.5\nslot = 'tone'\n", 6, "note is 1.5; expected a whole number"),
    ],
)
def test_a_mistake_in_a_binding_is_told_with_its_line(table: str, line: int, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(f"{SLOT}[[midi]]\n{table}")
    bindings, problems = check_bindings(path, ("tone",))
    assert bindings == []
    assert any(problem.line == line and message in problem.text for problem in problems), problems
    with pytest.raises(RigError, match=f"line {problems[0].line}: "):
        read_bindings(path, ("tone",))
    done = call_fxhost("rig", "check", path)
    assert done.returncode == 1
    assert message in done.stderr


class Ports:
    """Ports that say what a test puts in."""

    def __init__(self, *messages: list[list[int]]) -> None:
        self.names = ["scripted"]
        self._messages = list(messages)

    def read(self, now_s: float) -> list[list[int]]:
        return self._messages.pop(0) if self._messages else []


def test_a_controller_that_moves_is_learned_for_the_chosen_knob() -> None:
    control = MidiControl(Ports([], [[NOTE, 5, 5], [CC_2, 33, 10]], [[CC_2, 33, 127]], [[CC, 33, 0]]), [])  # type: ignore[arg-type]
    control.learning = ("tone", "bass")
    assert control.poll(RIG) == []
    assert control.poll(RIG) == [SetKnob(1, BASS, 10 / 127)]
    assert control.learned == [Binding("controller", 33, channel=2, knob=("tone", "bass"))]
    assert control.poll(RIG) == [SetKnob(1, BASS, 1.0)]
    assert control.poll(RIG) == []  # of another channel
    assert all(each.knob != ("tone", "bass") for each in control.bindings[:-1])
