"""What every part of a rig has that is no learned effect: settings, and a place in a stream."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fxhost.errors import RigError
from fxhost.nearest import find_nearest
from fxhost.rig.built import Built, mixed
from fxhost.rig.slot import PLAIN, Planning, Slot
from fxhost.stages.parallel.stages import MIX
from fxhost.stages.parameter import Parameter

if TYPE_CHECKING:
    from fxhost.rig.effect import Effect


def check_setting(part: str, parameters: Sequence[Parameter], name: str, value: Any) -> float:
    """A value that a parameter takes.

    Raises
    ------
    RigError
        If there is no such parameter, or the value is no number or out of its range.
    """
    for parameter in parameters:
        if parameter.name == name:
            if parameter.taper == "switch":
                if value not in (0, 1):
                    raise RigError(f"{part}: {name} = {value!r}; give true or false")
                return float(value)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise RigError(f"{part}: {name} = {value!r} is not a number; give {parameter.describe_range()}")
            if not parameter.lowest <= value <= parameter.highest:
                raise RigError(f"{part}: {name} = {value:g} is out of range; give {parameter.describe_range()}")
            return float(value)
    names = [parameter.name for parameter in parameters]
    near = find_nearest(name, names)
    guess = f"; did you mean {near}?" if near else f"; there is {', '.join(names)}"
    raise RigError(f"{part} has no {name!r}{guess}")


def check_mix(part: str, mix: float | None) -> float | None:
    """A mix from 0 to 1, or None.

    Raises
    ------
    RigError
        If it is something else.
    """
    return None if mix is None else check_setting(part, [MIX], MIX.name, mix)


@dataclass(frozen=True)
class PartSlot(Slot):
    """The place of a part in a stream."""

    name: str
    kind: str
    sample_rate: int
    parameters: tuple[Parameter, ...]
    _build: Callable[[int, int], Built]
    key: str = ""
    digest: str = ""
    mix: float | None = None

    def build(self, engine: str = "compiled", channels: int = 1) -> Built:
        """Fresh stages; the engine makes no difference."""
        built = self._build(self.sample_rate, channels)
        if self.mix is None:
            return built
        number = len(self.parameters) - 1
        return mixed(built, number, self.mix, self.latency_frames, self.sample_rate, channels)


class Part:
    """A part of a rig that is no learned effect.

    Attributes
    ----------
    settings : dict of str to float
        What it is set to, by the names of its parameters; others are at their defaults.
    mix : float or None
        How much of what is heard went through it, 0 to 1; None where that cannot be turned and is all.
    """

    KIND: ClassVar[str]
    PARAMETERS: ClassVar[tuple[Parameter, ...]] = ()
    mix: float | None = None

    def __init__(self, **settings: float) -> None:
        self.settings = {
            name: check_setting(self.KIND, self.PARAMETERS, name, value) for name, value in settings.items()
        }

    @property
    def name(self) -> str:
        """For people."""
        return self.KIND

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What can be turned; the defaults are what it is set to."""
        own = tuple(
            replace(parameter, default=self.settings.get(parameter.name, parameter.default))
            for parameter in self.PARAMETERS
        )
        return own if self.mix is None else (*own, replace(MIX, default=self.mix))

    @property
    def chains(self) -> "tuple[Sequence[Effect | Part], ...]":
        """The parallel chains of parts in it."""
        return ()

    @property
    def effects(self) -> "tuple[Effect, ...]":
        """The learned effects in it."""
        return tuple(effect for chain in self.chains for part in chain for effect in part.effects)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it was read from: of presets and of impulse responses."""
        return tuple(file for chain in self.chains for part in chain for file in part.files)

    @property
    def key(self) -> str:
        """What its stages depend on, but for the values of their parameters."""
        return self.KIND if self.mix is None else f"{self.KIND} mix"

    def digest_at(self, sample_rate: int) -> str:
        """What its sound depends on at a rate in Hz, whatever the names of files."""
        return repr((self.KIND, [parameter.default for parameter in self.parameters]))

    def set_to(self, values: Mapping[str, float]) -> Self:
        """The same part with some of its parameters set, by their names.

        Raises
        ------
        RigError
            If there is no such parameter, or a value is out of its range.
        """
        made = copy(self)
        checked = {name: check_setting(self.KIND, self.parameters, name, value) for name, value in values.items()}
        if self.mix is not None:
            made.mix = checked.pop(MIX.name, self.mix)
        made.settings = {**self.settings, **checked}
        return made

    def slot_at(self, sample_rate: int, planning: Planning = PLAIN) -> Slot:
        """Its place in a stream of this rate, in Hz, among effects that play as planned."""
        what = self.name, self.KIND, sample_rate, self.parameters
        return PartSlot(*what, self.build, self.key, self.digest_at(sample_rate), self.mix)

    @abstractmethod
    def build(self, sample_rate: int, channels: int) -> Built:
        """Fresh stages for so many channels that come in."""

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value:g}" for name, value in self.settings.items())
        return f"{type(self).__name__}({settings})"
