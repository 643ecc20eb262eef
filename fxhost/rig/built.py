"""The fresh stages of one place of a rack, and what can be turned of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fxhost.engine.knobs import Settable
from fxhost.stages.base import Stage
from fxhost.stages.parallel.stages import MIX, Join, Recall, Split, Sum


@dataclass(frozen=True)
class Built:
    """The fresh stages of one place.

    Attributes
    ----------
    stages : sequence of Stage
    turned : sequence of Settable
        What has the parameters of the place, each under its number there.
    head : sequence of Stage
        What listens at the beginning of the chain.
    after_effects : bool
        Whether the stages play behind the last effect, where that comes later.
    """

    stages: Sequence[Stage]
    turned: Sequence[Settable] = ()
    head: Sequence[Stage] = ()
    after_effects: bool = False


@dataclass(frozen=True)
class Routed:
    """What is set under other numbers than its own; under those that it does not have nothing happens.

    Attributes
    ----------
    target : Settable
    numbers : mapping of int to int
        From the number of a parameter of the place to that of the target.
    """

    target: Settable
    numbers: Mapping[int, int]

    def set_parameter(self, index: int, value: float) -> None:
        """Set the parameter of that number, if it has one."""
        if index in self.numbers:
            self.target.set_parameter(self.numbers[index], value)

    def parameter_address(self, index: int) -> int | None:
        """Where its value stands; None where it has none."""
        return self.target.parameter_address(self.numbers[index]) if index in self.numbers else None


def count_channels(stages: Sequence[Stage], channels: int) -> int:
    """How many channels leave these stages where so many come in."""
    return 2 if any(stage.channel or stage.makes_stereo for stage in stages) else channels


def mixed(built: Built, number: int, mix: float, latency_frames: float, sample_rate: int, channels: int) -> Built:
    """The stages of a place with the dry signal beside them, as late as they are.

    Parameters
    ----------
    built : Built
    number : int
        That of the mix among the parameters of the place; the others come before it.
    mix : float
        Where it stands, 0 (dry) to 1.
    latency_frames : float
        Of the stages.
    sample_rate : int
        In Hz.
    channels : {1, 2}
        That come in.
    """
    sides = count_channels(built.stages, channels)
    split = Split([{MIX.name: mix}], channels=channels, is_mix=True)
    stages = [
        split,
        *built.stages,
        Join(split, 0, 0.0, sample_rate, channels=sides, sides=sides),
        Recall(split, channels),
        Join(split, 1, latency_frames, sample_rate, channels=channels, sides=sides),
        Sum(split, sides),
    ]
    others = [Routed(turned, {k: k for k in range(number)}) for turned in built.turned]
    return replace(built, stages=stages, turned=[*others, Routed(split, {number: 0})])
