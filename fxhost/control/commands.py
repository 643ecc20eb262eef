"""What can be done to a rig while it plays. Every way to control it issues these commands and no others."""

from dataclasses import dataclass
from typing import Literal

from fxhost.arrays import from_db
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.stages.looper.stage import Looper
from fxhost.stages.play_along import PlayAlong

GAIN_STEP_DB, GAIN_LIMIT_DB = 1.0, 40.0  # the most of every gain, either way

Side = Literal["input", "output", "loop", "play_along"]
LoopAction = Literal["record", "play", "undo", "clear"]


@dataclass(frozen=True)
class Quit:
    """End the run."""


@dataclass(frozen=True)
class Reset:
    """Let every effect begin anew from its settled state."""


@dataclass(frozen=True)
class SaveScene:
    """Write how the scene stands into the rig file that it comes from."""


@dataclass(frozen=True)
class StepGain:
    """Turn the gain of a side, or the level of the loop or the song, by whole decibels, within ±40 dB."""

    side: Side
    steps: int


@dataclass(frozen=True)
class SetGain:
    """Set the gain of a side, or the level of the loop or the song, in dB, within ±40 dB."""

    side: Side
    gain_db: float


@dataclass(frozen=True)
class ResetGains:
    """Put both gains back to what the run began with."""


@dataclass(frozen=True)
class ToggleSlot:
    """Switch one effect off, or on again. Slots count from 0."""

    slot: int


@dataclass(frozen=True)
class SetSlot:
    """Switch one slot off or on. Slots count from 0."""

    slot: int
    is_on: bool


@dataclass(frozen=True)
class SetBypass:
    """Hear the dry signal, or the rig."""

    is_bypassed: bool


@dataclass(frozen=True)
class ToggleBypass:
    """Hear the dry signal, or the rig again."""


@dataclass(frozen=True)
class ToggleMute:
    """Hear nothing, or the rig again."""


@dataclass(frozen=True)
class ToggleTuner:
    """Mute and tune, or play again."""


@dataclass(frozen=True)
class ToggleTake:
    """Begin to record a take, or end it."""


@dataclass(frozen=True)
class Loop:
    """Use the looper.

    Attributes
    ----------
    action : str
        'record' in turn records, closes the loop, overdubs, ends the overdub. 'play' stops, or plays from the
        beginning. 'undo' takes the last overdub away or brings it back, and a loop that was cleared. 'clear'.
    """

    action: LoopAction


@dataclass(frozen=True)
class TogglePlayAlong:
    """Stop the song, or play it from its beginning."""


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


@dataclass(frozen=True)
class ChooseScene:
    """Change to a scene of the rig. Scenes count from 0; one that does not exist is left alone."""

    scene: int


@dataclass(frozen=True)
class StepScene:
    """Change to the next scene, or the one before (−1); after the last comes the first."""

    steps: int


@dataclass(frozen=True)
class StepRig:
    """Change to the next rig of the set list or folder, or the one before (−1); after the last comes the first."""

    steps: int


LevelCommand = StepGain | SetGain | ResetGains | SetBypass | ToggleBypass | ToggleMute | ToggleTuner
KnobCommand = ChooseNextKnob | StepKnob | SetKnob
SceneCommand = ToggleSlot | SetSlot | ChooseScene | StepScene | StepRig
PlayingCommand = Loop | TogglePlayAlong
Command = Quit | Reset | SaveScene | ToggleTake | LevelCommand | KnobCommand | SceneCommand | PlayingCommand


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
    wants_quit, wants_reset, wants_save, wants_take : bool
        What whoever plays the rig has still to do.
    is_tuning : bool
        Whether the tuner is open; nothing is heard meanwhile.
    scene, scenes : int
        The number of the scene that shall play, and how many there are.
    chosen_scene : int or None
        The scene that was asked for and has still to be changed to.
    rig_steps : int
        How far to go in the set list, which whoever plays the rig has still to do.
    """

    def __init__(self, rack: Rack, knobs: KnobBoard, slots: int) -> None:
        self._rack, self._knobs = rack, knobs
        self._gains_db = rack.input_gain_db, rack.output_gain_db
        self.is_on = [True] * slots
        self.scene, self.scenes, self.rig_steps = 0, 1, 0
        self.chosen_scene: int | None = None
        self.wants_quit = self.wants_reset = self.wants_save = self.wants_take = self.is_tuning = False
        self._is_muted = rack.is_muted

    def apply(self, command: Command) -> None:
        """Do what a command says. A slot, knob, scene, looper or song that does not exist is left alone."""
        match command:
            case Quit():
                self.wants_quit = True
            case Reset():
                self.wants_reset = True
            case ToggleTake():
                self.wants_take = not self.wants_take
            case SaveScene():
                self.wants_save = True
            case ChooseNextKnob():
                self._knobs.choose_next()
            case StepKnob(steps):
                self._knobs.turn(steps)
            case SetKnob(slot, knob, position):
                self._knobs.set_position(slot, knob, position)
            case ToggleSlot(slot) if slot < len(self.is_on):
                self.is_on[slot] = not self.is_on[slot]
            case SetSlot(slot, is_on) if slot < len(self.is_on):
                self.is_on[slot] = is_on
            case ToggleSlot() | SetSlot():
                pass
            case ChooseScene(scene):
                self._choose(scene)
            case StepScene(steps):
                self._choose((self.scene + steps) % self.scenes)
            case StepRig(steps):
                self.rig_steps += steps
            case Loop() | TogglePlayAlong():
                self._apply_beside(command)
            case _:
                self._apply_level(command)

    def _apply_level(self, command: LevelCommand) -> None:
        rack = self._rack
        match command:
            case StepGain("input", steps):
                rack.input_gain_db = _step(rack.input_gain_db, steps)
            case StepGain("output", steps):
                rack.output_gain_db = _step(rack.output_gain_db, steps)
            case SetGain("input", gain_db):
                rack.input_gain_db = _limit(gain_db)
            case SetGain("output", gain_db):
                rack.output_gain_db = _limit(gain_db)
            case StepGain(side, steps) if (stage := self._beside(side)) is not None:
                self._set_level(stage, _step(stage.level_db, steps))
            case SetGain(side, gain_db) if (stage := self._beside(side)) is not None:
                self._set_level(stage, _limit(gain_db))
            case SetBypass(is_bypassed):
                rack.is_bypassed = is_bypassed
            case ResetGains():
                rack.input_gain_db, rack.output_gain_db = self._gains_db
            case ToggleBypass():
                rack.is_bypassed = not rack.is_bypassed
            case ToggleMute():
                self._is_muted = not self._is_muted
            case ToggleTuner():
                self.is_tuning = not self.is_tuning
        rack.is_muted = self._is_muted or self.is_tuning

    def _beside(self, side: Side) -> Looper | PlayAlong | None:
        return self._rack.looper if side == "loop" else self._rack.play_along

    def _set_level(self, stage: Looper | PlayAlong, level_db: float) -> None:
        stage.level_db = level_db
        self._rack.set_parameter(stage.level_address, from_db(level_db))

    def _apply_beside(self, command: PlayingCommand) -> None:
        looper, song = self._rack.looper, self._rack.play_along
        match command:
            case Loop(action) if looper is not None:
                looper.give(action)
            case TogglePlayAlong() if song is not None:
                song.is_on = not song.is_on
                self._rack.set_parameter(song.address("is_on"), float(song.is_on))

    def _choose(self, scene: int) -> None:
        if 0 <= scene < self.scenes:
            self.scene = self.chosen_scene = scene

    def follow(self, knobs: KnobBoard, is_on: list[bool], scene: int, scenes: int) -> None:
        """Control another scene from now on.

        Parameters
        ----------
        knobs : KnobBoard
        is_on : list of bool
            For each of its slots whether it shall be heard; changed in place.
        scene, scenes : int
            Its number, from 0, and how many there are.
        """
        self._knobs, self.is_on, self.scene, self.scenes = knobs, is_on, scene, scenes
        self._gains_db = self._rack.input_gain_db, self._rack.output_gain_db


def _step(gain_db: float, steps: int) -> float:
    return _limit(round(gain_db) + GAIN_STEP_DB * steps)


def _limit(gain_db: float) -> float:
    return float(min(GAIN_LIMIT_DB, max(-GAIN_LIMIT_DB, gain_db)))
