"""Knobs and parameters of a chain: the knobs of presets are set by name before playing, every parameter can be changed
while playing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from fxhost.errors import PresetError
from fxhost.nearest import find_nearest
from fxhost.preset.effect import Knob, Preset
from fxhost.preset.settled_state import settle_on_silence
from fxhost.stages.parameter import Parameter

STEP = 0.05  # of a knob, at a key


def set_knobs(presets: Sequence[Preset], settings: Mapping[str, float], first: int = 1) -> list[Preset]:
    """The presets with their knobs set, at rest.

    Parameters
    ----------
    presets : sequence of Preset
    settings : mapping of str to float
        Values from 0 to 1 by the name of the knob, in either case. A plain name means that knob of every preset that
        has one, "2.drive" the knob of the slot with that number alone.
    first : int
        The number of the first preset's slot.

    Raises
    ------
    PresetError
        If no preset has such a knob.
    """
    names = KnobBoard(presets, first=first).names
    known = {knob.name.casefold() for preset in presets for knob in preset.knobs}
    numbered = {f"{n}.{knob.name}".casefold() for n, preset in enumerate(presets, first) for knob in preset.knobs}
    for name in settings:
        if name.casefold() not in known | numbered:
            near = find_nearest(name, names)
            guess = f"; did you mean {near!r}?" if near else ""
            there = f"there is {', '.join(names)}" if names else "what plays has no knobs; leave it out"
            raise PresetError(f"no knob {name!r}: {there}{guess}")
    values = {name.casefold(): value for name, value in settings.items()}
    return [_turned(n, preset, values) for n, preset in enumerate(presets, first)]


def _turned(n: int, preset: Preset, values: Mapping[str, float]) -> Preset:
    def value_of(knob: Knob) -> float:
        name = knob.name.casefold()
        return values.get(f"{n}.{name}", values.get(name, knob.default))

    knobs = tuple(Knob(knob.name, value_of(knob)) for knob in preset.knobs)
    return preset if knobs == preset.knobs else settle_on_silence(replace(preset, knobs=knobs))


class Turnable(Protocol):
    """What has parameters: a preset, or a slot of a rack."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """In order; the defaults are where they stand at first."""


class Settable(Protocol):
    """What a parameter is set in: a stage, or a part of one."""

    def set_parameter(self, index: int, value: float) -> None:
        """Set a parameter; one that it does not have is left alone."""

    def parameter_address(self, index: int) -> int | None:
        """Where the value of a parameter stands, a float32; None where only `set_parameter` can set it."""


@dataclass
class KnobBoard:
    """The parameters of a chain that can be changed while it plays. One of them is selected.

    Parameters
    ----------
    slots : sequence of Turnable
    write : callable, optional
        Writes a float32 to an address: that of a rack, between two blocks. By default it is written at once.
    first : int
        The number of the first slot.

    Attributes
    ----------
    values : list of list of float
        For each slot where its parameters stand, in their units.
    """

    slots: Sequence[Turnable]
    write: Callable[[int, float], None] | None = None
    first: int = 1
    chosen: int = 0
    values: list[list[float]] = field(init=False)
    _stages: dict[int, Sequence[Settable]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.values = [[parameter.default for parameter in slot.parameters] for slot in self.slots]

    @property
    def places(self) -> list[tuple[int, int]]:
        """The slot and the parameter of each, in order."""
        return [(n, k) for n, slot in enumerate(self.slots) for k in range(len(slot.parameters))]

    @property
    def parameters(self) -> list[Parameter]:
        """The parameter of each, in order."""
        return [self.slots[n].parameters[k] for n, k in self.places]

    @property
    def names(self) -> list[str]:
        """The name of each, in order; where two slots have one of the same name, with the number of the slot."""
        plain = [parameter.name for parameter in self.parameters]
        folded = [name.casefold() for name in plain]
        return [
            name if folded.count(name.casefold()) == 1 else f"{n + self.first}.{name}"
            for name, (n, _) in zip(plain, self.places, strict=True)
        ]

    def set(self, index: int, value: float) -> None:
        """Set one of them, counted through all slots, to a value in its unit."""
        n, k = self.places[index]
        self.values[n][k] = value
        self._set(n, k)

    def set_position(self, slot: int, knob: int, position: float) -> None:
        """Turn a knob of a slot to a place on its way, 0 to 1; one that does not exist is left alone."""
        if (slot, knob) in self.places:
            self.values[slot][knob] = self.slots[slot].parameters[knob].value_at(position)
            self._set(slot, knob)

    def attach(self, turned: Sequence[Sequence[Settable]], is_on: Sequence[bool] | None = None) -> None:
        """Turn these stages from now on, and set them to where the knobs are.

        Parameters
        ----------
        turned : sequence of sequence of Settable
            For each slot of the chain the stages with its parameters, as `fxhost.rig.build.Chain` has them.
        is_on : sequence of bool, optional
            For each slot whether it is in the chain. By default all are.
        """
        playing = [n for n in range(len(self.slots)) if is_on is None or is_on[n]]
        self._stages = dict(zip(playing, turned, strict=True))
        for n, k in self.places:
            for stage in self._stages.get(n, ()):
                stage.set_parameter(k, self.values[n][k])

    def take_over(self, other: "KnobBoard") -> None:
        """Turn the stages that another board of the same slots has turned, which glide to where these knobs stand."""
        self._stages = other._stages
        for n, k in self.places:
            self._set(n, k)

    def choose_next(self) -> None:
        """Choose the next knob, after the last one the first; those that are seldom turned are passed over."""
        main = [index for index, parameter in enumerate(self.parameters) if not parameter.is_fine]
        self.chosen = next((index for index in main if index > self.chosen), main[0] if main else 0)

    def turn(self, steps: int) -> None:
        """Turn the chosen knob by twentieths of its way."""
        if self.places:
            n, k = self.places[self.chosen]
            parameter = self.slots[n].parameters[k]
            position = round(parameter.position_of(self.values[n][k]) / STEP + steps) * STEP
            if parameter.taper == "switch":
                position = float(steps > 0)
            self.values[n][k] = parameter.value_at(position)
            self._set(n, k)

    def _set(self, n: int, k: int) -> None:
        for stage in self._stages.get(n, ()):
            address = stage.parameter_address(k)
            if self.write is None or address is None:
                stage.set_parameter(k, self.values[n][k])
            else:
                self.write(address, self.values[n][k])
