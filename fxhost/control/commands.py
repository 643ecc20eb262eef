"""What can be done to a rig while it plays. Every way to control it issues these commands and no others."""

from dataclasses import dataclass
from typing import Literal

from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack

GAIN_STEP_DB = 1.0
GAIN_LIMIT_DB = 40.0  # of the input and output gain, either way

Side = Literal["input", "output"]


@dataclass(frozen=True)
class Quit:
    """End the run."""


@dataclass(frozen=True)
class Reset:
    """Let every effect begin anew from its settled state."""


@dataclass(frozen=True)
class StepGain:
    """Turn the gain of a side by whole decibels, within ±40 dB."""

    side: Side
    steps: int


@dataclass(frozen=True)
class ResetGains:
    """Put both gains back to what the run began with."""


@dataclass(frozen=True)
class ToggleSlot:
    """Switch one effect off, or on again. Slots count from 0."""

    slot: int


@dataclass(frozen=True)
class ToggleBypass:
    """Hear the dry signal, or the rig again."""


@dataclass(frozen=True)
class ToggleMute:
    """Hear nothing, or the rig again."""


@dataclass(frozen=True)
class ChooseNextKnob:
    """Choose the next knob; after the last one the first."""


@dataclass(frozen=True)
class StepKnob:
    """Turn the chosen knob by twentieths of its way, from 0 to 1."""

    steps: int


@dataclass(frozen=True)
class SetKnob:
    """Turn a knob of a slot to a place on its way, 0 to 1. Slots and their knobs count from 0."""

    slot: int
    knob: int
    position: float


Command = (
    Quit | Reset | StepGain | ResetGains | ToggleSlot | ToggleBypass | ToggleMute | ChooseNextKnob | StepKnob | SetKnob
)


class Controls:
    """The state that commands change.

    Parameters
    ----------
    rack : Rack
    knobs : KnobBoard
    slots : int
        How many effects there are.

    Attributes
    ----------
    is_on : list of bool
        For each effect whether it shall be heard.
    wants_quit, wants_reset : bool
        What whoever plays the rig has still to do.
    """

    def __init__(self, rack: Rack, knobs: KnobBoard, slots: int) -> None:
        self._rack, self._knobs = rack, knobs
        self._gains_db = rack.input_gain_db, rack.output_gain_db
        self.is_on = [True] * slots
        self.wants_quit = self.wants_reset = False

    def apply(self, command: Command) -> None:
        """Do what a command says. A slot or knob that does not exist is left alone."""
        rack = self._rack
        match command:
            case Quit():
                self.wants_quit = True
            case Reset():
                self.wants_reset = True
            case StepGain("input", steps):
                rack.input_gain_db = _step(rack.input_gain_db, steps)
            case StepGain("output", steps):
                rack.output_gain_db = _step(rack.output_gain_db, steps)
            case ResetGains():
                rack.input_gain_db, rack.output_gain_db = self._gains_db
            case ToggleSlot(slot):
                if slot < len(self.is_on):
                    self.is_on[slot] = not self.is_on[slot]
            case ToggleBypass():
                rack.is_bypassed = not rack.is_bypassed
            case ToggleMute():
                rack.is_muted = not rack.is_muted
            case ChooseNextKnob():
                self._knobs.choose_next()
            case StepKnob(steps):
                self._knobs.turn(steps)
            case SetKnob(slot, knob, position):
                self._knobs.set_position(slot, knob, position)


def _step(gain_db: float, steps: int) -> float:
    stepped = round(gain_db) + GAIN_STEP_DB * steps
    return float(min(GAIN_LIMIT_DB, max(-GAIN_LIMIT_DB, stepped)))
