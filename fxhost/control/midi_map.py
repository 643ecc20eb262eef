"""What MIDI messages mean: each binding turns a controller, a note or program changes into a command.

In a rig file:

    [[midi]]
    controller = 20            # 0 to 127
    channel = 1                # 1 to 16; left out: any
    knob = "tone.bass"         # a slot's id and the name of its knob
    low = 0.0                  # where the knob stands at 0 and at 127: parts of its way, 0 to 1
    high = 1.0

    [[midi]]
    note = 60
    slot = "drive"             # a note switches it off or on; a controller of 64 or more on, of less off

    [[midi]]
    controller = 64
    action = "bypass"
"""

from dataclasses import dataclass
from typing import Protocol

from fxhost.control.commands import (
    ChooseScene,
    Command,
    Reset,
    SetBypass,
    SetGain,
    SetKnob,
    SetSlot,
    StepRig,
    StepScene,
    ToggleBypass,
    ToggleMute,
    ToggleSlot,
    ToggleTuner,
)
from fxhost.stages.parameter import Parameter

NOTE_ON, CONTROLLER, PROGRAM = 0x90, 0xB0, 0xC0
ON = 64  # a controller that switches is on from here
VOLUME_DB = (-40.0, 12.0)  # of the output, at 0 and at 127
PROGRAMS = "program"
ACTIONS: dict[str, Command] = {
    "bypass": ToggleBypass(),
    "mute": ToggleMute(),
    "tuner": ToggleTuner(),
    "reset": Reset(),
    "next_scene": StepScene(1),
    "previous_scene": StepScene(-1),
    "next_rig": StepRig(1),
    "previous_rig": StepRig(-1),
}


@dataclass(frozen=True)
class Binding:
    """One kind of message and what it does; one of the targets is set.

    Attributes
    ----------
    kind : {'controller', 'note'}
    number : int
        0 to 127.
    channel : int or None
        1 to 16; None is any.
    knob : (str, str) or None
        The id of a slot and the name of its knob.
    slot : str or None
        The id of a slot that is switched.
    action : str or None
        Of `ACTIONS`, or 'volume'.
    low, high : float
        Where the knob stands at 0 and at 127, parts of its way.
    """

    kind: str
    number: int
    channel: int | None = None
    knob: tuple[str, str] | None = None
    slot: str | None = None
    action: str | None = None
    low: float = 0.0
    high: float = 1.0

    def fits(self, status: int, number: int) -> bool:
        """Whether a message with this status byte and number is meant."""
        kind = {NOTE_ON: "note", CONTROLLER: "controller"}.get(status & 0xF0)
        return kind == self.kind and number == self.number and self.channel in (None, (status & 0x0F) + 1)


class Sounding(Protocol):
    """What of a rig MIDI has to know."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its slots."""

    @property
    def parameters(self) -> list[tuple[Parameter, ...]]:
        """What can be turned of each slot."""


def default_bindings(sounding: Sounding) -> list[Binding]:
    """What MIDI does without a map of the rig's own.

    Controller 7 is the volume of the output, 64 the bypass, 20 to 27 the first knobs in order, 102 to 110 switch slots.
    """
    knobs = [
        (name, parameter.name)
        for name, parameters in zip(sounding.ids, sounding.parameters, strict=True)
        for parameter in parameters
        if not parameter.is_fine
    ]
    return [
        Binding("controller", 7, action="volume"),
        Binding("controller", 64, action="bypass"),
        *(Binding("controller", 20 + n, knob=knob) for n, knob in enumerate(knobs[:8])),
        *(Binding("controller", 102 + n, slot=name) for n, name in enumerate(sounding.ids[:9])),
    ]


def translate(messages: list[list[int]], bindings: list[Binding], sounding: Sounding) -> list[Command]:
    """The commands that messages mean. Of a controller only its newest value counts, and of program changes the last.

    Parameters
    ----------
    messages : list of list of int
        Whole MIDI messages in the order in which they came; what is no note, controller or program change is left out.
    bindings : list of Binding
    sounding : Sounding
    """
    newest: dict[tuple[int, int], int] = {}
    commands: list[Command] = []
    program: int | None = None
    for message in messages:
        status = message[0] & 0xF0 if message else 0
        if status == CONTROLLER and len(message) == 3:
            newest.pop((message[0], message[1]), None)
            newest[message[0], message[1]] = message[2]
        elif status == NOTE_ON and len(message) == 3 and message[2] > 0:
            commands += _meant(message, bindings, sounding)
        elif status == PROGRAM and len(message) == 2:
            program = message[1]
    for (status, number), value in newest.items():
        commands += _meant([status, number, value], bindings, sounding)
    return commands if program is None else [*commands, ChooseScene(program)]


def _meant(message: list[int], bindings: list[Binding], sounding: Sounding) -> list[Command]:
    status, number, value = message
    found = [_command(each, value, sounding) for each in bindings if each.fits(status, number)]
    return [command for command in found if command is not None]


def _command(binding: Binding, value: int, sounding: Sounding) -> Command | None:
    """The command of a binding at a value, 0 to 127; None where the rig that plays has no such slot or knob."""
    is_note, ids = binding.kind == "note", sounding.ids
    if binding.knob is not None:
        slot, knob = binding.knob
        if slot not in ids:
            return None
        names = [parameter.name.casefold() for parameter in sounding.parameters[ids.index(slot)]]
        if knob.casefold() not in names:
            return None
        position = binding.low + (binding.high - binding.low) * value / 127.0
        return SetKnob(ids.index(slot), names.index(knob.casefold()), position)
    if binding.slot is not None:
        if binding.slot not in ids:
            return None
        place = ids.index(binding.slot)
        return ToggleSlot(place) if is_note else SetSlot(place, value >= ON)
    if binding.action == "volume":
        return SetGain("output", VOLUME_DB[0] + (VOLUME_DB[1] - VOLUME_DB[0]) * value / 127.0)
    if is_note:
        return ACTIONS[str(binding.action)]
    if binding.action == "bypass":
        return SetBypass(value >= ON)
    return ACTIONS[str(binding.action)] if value >= ON else None


def format_binding(binding: Binding) -> str:
    """A binding as it stands in a rig file."""
    lines = ["[[midi]]", f"{binding.kind} = {binding.number}"]
    if binding.channel is not None:
        lines.append(f"channel = {binding.channel}")
    if binding.knob is not None:
        lines.append(f'knob = "{binding.knob[0]}.{binding.knob[1]}"')
        if (binding.low, binding.high) != (0.0, 1.0):
            lines.append(f"low = {binding.low:.6g}\nhigh = {binding.high:.6g}")
    elif binding.slot is not None:
        lines.append(f'slot = "{binding.slot}"')
    else:
        lines.append(f'action = "{binding.action}"')
    return "\n".join(lines) + "\n"
