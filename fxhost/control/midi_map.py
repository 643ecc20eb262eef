"""What MIDI messages mean: each binding turns a controller, a note or a program change into a command.

In a rig file:

    [[midi]]
    controller = 20            # 0 to 127
    channel = 1                # 1 to 16; left out: any
    knob = "tone.bass"         # a slot's id and the name of its knob
    low = 0.0                  # where the knob stands at 0 and at 127: parts of its way, 0 to 1; low > high inverts it
    high = 1.0

    [[midi]]
    note = 60
    slot = "drive"             # a note switches it off or on; a controller of 64 or more on, of less off

    [[midi]]
    program = 5
    scene = "Lead"             # its name or number; rig = 2 is the second of a set list or folder

    [[midi]]
    controller = 64
    action = "none"            # takes its default away; also bypass, mute, tuner, save, volume, loop_record, …

What the bindings of a rig leave free means what those of its set list say, and else what `default_bindings` says.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, get_args

from fxhost.control.commands import (
    ChooseScene,
    Command,
    Loop,
    LoopAction,
    Reset,
    SaveScene,
    SetBypass,
    SetGain,
    SetKnob,
    SetSlot,
    Side,
    StepRig,
    StepScene,
    ToggleBypass,
    ToggleMute,
    TogglePlayAlong,
    ToggleSlot,
    ToggleTake,
    ToggleTuner,
)
from fxhost.control.midi_listener import CONTROLLER, NOTE_ON, PRESSED, PROGRAM, Newest
from fxhost.rig.toml_editing import format_value
from fxhost.stages.parameter import Parameter

KINDS = {CONTROLLER: "controller", NOTE_ON: "note", PROGRAM: "program"}
FULL = 127.0
NEVER_LEARNED = {0, 32, 6, 38, *range(96, 102), *range(120, 128)}  # banks, data entry, modes: no knobs of a pedalboard
# action → side, and its gain in dB at 0 and at 127
VOLUMES: dict[str, tuple[Side, float, float]] = {
    "volume": ("output", -40.0, 12.0),
    "input_volume": ("input", -40.0, 0.0),
    "loop_volume": ("loop", -40.0, 12.0),
    "play_along_volume": ("play_along", -40.0, 12.0),
}
ACTIONS: dict[str, Command | None] = {
    "none": None,
    "bypass": ToggleBypass(),
    "mute": ToggleMute(),
    "tuner": ToggleTuner(),
    "reset": Reset(),
    "record": ToggleTake(),
    "save": SaveScene(),
    "next_scene": StepScene(1),
    "previous_scene": StepScene(-1),
    "next_rig": StepRig(1),
    "previous_rig": StepRig(-1),
    **{f"loop_{action}": Loop(action) for action in get_args(LoopAction)},
    "play_along": TogglePlayAlong(),
}


@dataclass(frozen=True)
class Binding:
    """One kind of message and what it does; one of the targets is set.

    Attributes
    ----------
    kind : {'controller', 'note', 'program'}
    number : int
        0 to 127.
    channel : int or None
        1 to 16; None is any.
    knob : (str, str) or None
        The id of a slot and the name of its knob.
    slot : str or None
        The id of a slot that is switched.
    scene, rig : int or None
        Counted from 0.
    action : str or None
        Of `ACTIONS` or `VOLUMES`.
    low, high : float
        Where a knob or volume stands at 0 and at 127, parts of its way.
    """

    kind: str
    number: int
    channel: int | None = None
    knob: tuple[str, str] | None = None
    slot: str | None = None
    scene: int | None = None
    rig: int | None = None
    action: str | None = None
    low: float = 0.0
    high: float = 1.0

    def meets(self, other: "Binding") -> bool:
        """Whether some message means both."""
        channels = {self.channel, other.channel}
        return (self.kind, self.number) == (other.kind, other.number) and (None in channels or len(channels) == 1)


class Sounding(Protocol):
    """What of a rig MIDI has to know."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its slots."""

    @property
    def parameters(self) -> list[tuple[Parameter, ...]]:
        """What can be turned of each slot."""

    @property
    def scenes(self) -> int:
        """How many scenes it has."""


def default_bindings(sounding: Sounding) -> list[Binding]:
    """What MIDI does without a map of the rig's own, beside program changes, which choose scenes or else rigs.

    Controller 7 is the volume of the output and 11 that of the input, 64 the bypass, 20 to 27 the first knobs in order,
    80 to 83 record, play, undo and clear the loop, 85 starts and stops the song, 102 to 110 switch slots.
    """
    knobs = [
        (name, parameter.name)
        for name, parameters in zip(sounding.ids, sounding.parameters, strict=True)
        for parameter in parameters
        if not parameter.is_fine
    ]
    return [
        Binding("controller", 7, action="volume"),
        Binding("controller", 11, action="input_volume"),
        Binding("controller", 64, action="bypass"),
        *(Binding("controller", 20 + n, knob=knob) for n, knob in enumerate(knobs[:8])),
        *(Binding("controller", 80 + n, action=f"loop_{action}") for n, action in enumerate(get_args(LoopAction))),
        Binding("controller", 85, action="play_along"),
        *(Binding("controller", 102 + n, slot=name) for n, name in enumerate(sounding.ids[:9])),
    ]


def learn(message: Sequence[int], knob: tuple[str, str]) -> Binding | None:
    """The binding of a knob to the controller that a message has moved.

    Parameters
    ----------
    message : sequence of int
    knob : (str, str)
        The id of a slot and the name of its knob.

    Returns
    -------
    Binding or None
        None for what is no controller, or one that chooses banks or modes.
    """
    if len(message) != 3 or message[0] & 0xF0 != CONTROLLER or message[1] in NEVER_LEARNED:
        return None
    return Binding("controller", message[1], channel=(message[0] & 0x0F) + 1, knob=knob)


def add_learned(bindings: Sequence[Binding], learned: Binding) -> list[Binding]:
    """The bindings with one more, without those that turn the same knob or meet the same messages."""
    kept = [each for each in bindings if (each.knob is None or each.knob != learned.knob) and not each.meets(learned)]
    return [*kept, learned]


def translate(
    messages: Sequence[Sequence[int]],
    layers: Sequence[Sequence[Binding]],
    sounding: Sounding,
    rig: int = 0,
    rigs: int = 1,
) -> list[Command]:
    """The commands that messages mean.

    Parameters
    ----------
    messages : sequence of sequence of int
        Whole MIDI messages in the order in which they came; only those count that `Newest` keeps.
    layers : sequence of sequence of Binding
        For each message the first layer counts that has it; after the last one the default bindings do.
    sounding : Sounding
    rig, rigs : int
        The current one of the set list or folder, from 0, and how many there are.
    """
    newest, commands = Newest(), list[Command]()
    newest.add(messages)
    indexes = [_by_message(layer) for layer in (*layers, default_bindings(sounding))]
    for status, number, *values in newest.take():
        kind, channel = KINDS[status & 0xF0], (status & 0x0F) + 1
        fitting = (
            [each for each in index.get((kind, number), ()) if each.channel in (None, channel)] for index in indexes
        )
        bindings = next(filter(None, fitting), [])
        if kind == "program" and not bindings:
            chooses_rig = rigs > 1 and sounding.scenes == 1
            bindings = [Binding(kind, number, rig=number) if chooses_rig else Binding(kind, number, scene=number)]
        for binding in bindings:
            value = values[0] if kind == "controller" else PRESSED  # a note that is played softly is played
            if binding.rig is None:
                commands += filter(None, [_command(binding, value, sounding)])
            elif binding.rig < rigs and value >= PRESSED:
                commands.append(StepRig(binding.rig - rig))
    return commands


def _by_message(bindings: Sequence[Binding]) -> Mapping[tuple[str, int], list[Binding]]:
    index = defaultdict[tuple[str, int], list[Binding]](list)
    for binding in bindings:
        index[binding.kind, binding.number].append(binding)
    return index


def _command(binding: Binding, value: int, sounding: Sounding) -> Command | None:
    """The command of a binding at a value, 0 to 127; None where it has none, or the rig has no such slot or knob."""
    ids, is_pressed = sounding.ids, value >= PRESSED
    position = binding.low + (binding.high - binding.low) * value / FULL
    if binding.knob is not None:
        slot, knob = binding.knob
        if slot not in ids:
            return None
        names = [parameter.name.casefold() for parameter in sounding.parameters[ids.index(slot)]]
        if knob.casefold() not in names:
            return None
        return SetKnob(ids.index(slot), names.index(knob.casefold()), position)
    if binding.slot is not None:
        if binding.slot not in ids:
            return None
        place = ids.index(binding.slot)
        return SetSlot(place, is_pressed) if binding.kind == "controller" else ToggleSlot(place)
    if binding.action in VOLUMES:
        side, lowest_db, highest_db = VOLUMES[binding.action]
        return SetGain(side, lowest_db + (highest_db - lowest_db) * position)
    if binding.action == "bypass" and binding.kind == "controller":
        return SetBypass(is_pressed)
    if not is_pressed:
        return None
    if binding.scene is not None:
        return ChooseScene(binding.scene)
    return ACTIONS[str(binding.action)]


def format_binding(binding: Binding) -> str:
    """A binding as it stands in a rig file."""
    lines = ["[[midi]]", f"{binding.kind} = {binding.number}"]
    if binding.channel is not None:
        lines.append(f"channel = {binding.channel}")
    if binding.knob is not None:
        lines.append(f"knob = {format_value('.'.join(binding.knob))}")
    elif binding.slot is not None:
        lines.append(f"slot = {format_value(binding.slot)}")
    elif binding.scene is not None:
        lines.append(f"scene = {binding.scene + 1}")
    elif binding.rig is not None:
        lines.append(f"rig = {binding.rig + 1}")
    else:
        lines.append(f'action = "{binding.action}"')
    if (binding.low, binding.high) != (0.0, 1.0):
        lines.append(f"low = {binding.low:.6g}\nhigh = {binding.high:.6g}")
    return "\n".join(lines) + "\n"
