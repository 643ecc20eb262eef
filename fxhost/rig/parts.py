"""What a rig has beside learned effects: a gate, tone controls, a cabinet.

A part is a setting, without a rate; in a stream it becomes a slot.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from fxhost.errors import RigError
from fxhost.nearest import find_nearest
from fxhost.rig.impulse_response import Blend, Response, blend_responses
from fxhost.rig.slot import Built, Slot
from fxhost.stages.base import Stage
from fxhost.stages.cabinet.stage import Cabinet as CabinetStage
from fxhost.stages.gate import PARAMETERS as GATE_PARAMETERS
from fxhost.stages.gate import Gate as GateStage
from fxhost.stages.gate import GateListener
from fxhost.stages.parameter import Parameter
from fxhost.stages.tone import PARAMETERS as TONE_PARAMETERS
from fxhost.stages.tone import Tone as ToneStage
from fxhost.stages.widen import Widen


def check_setting(part: str, parameters: Sequence[Parameter], name: str, value: Any) -> float:
    """A value that a parameter takes.

    Raises
    ------
    RigError
        If there is no such parameter, or the value is no number or out of its range.
    """
    for parameter in parameters:
        if parameter.name == name:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise RigError(f"{part}: {name} = {value!r} is no number; expected {parameter.describe_range()}")
            if not parameter.lowest <= value <= parameter.highest:
                raise RigError(f"{part}: {name} = {value:g} is out of range; expected {parameter.describe_range()}")
            return float(value)
    names = [parameter.name for parameter in parameters]
    near = find_nearest(name, names)
    guess = f"; did you mean {near}?" if near else ""
    raise RigError(f"{part} has no {name!r}: there is {', '.join(names)}{guess}")


@dataclass(frozen=True)
class PartSlot(Slot):
    """The place of a part in a stream."""

    name: str
    kind: str
    sample_rate: int
    parameters: tuple[Parameter, ...]
    _build: Callable[[int, int], Built]
    key: str = ""

    def build(self, engine: str = "compiled", channels: int = 1) -> Built:
        """Fresh stages; the engine makes no difference."""
        return self._build(self.sample_rate, channels)


class Part:
    """A part of a rig that is no learned effect.

    Attributes
    ----------
    settings : dict of str to float
        What it is set to, by the names of its parameters; others are at their defaults.
    """

    KIND: ClassVar[str]
    PARAMETERS: ClassVar[tuple[Parameter, ...]] = ()

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
        return tuple(
            replace(parameter, default=self.settings.get(parameter.name, parameter.default))
            for parameter in self.PARAMETERS
        )

    @property
    def key(self) -> str:
        """What its stages depend on, but for the values of their parameters."""
        return self.KIND

    def slot_at(self, sample_rate: int) -> Slot:
        """Its place in a stream of this rate, in Hz."""
        return PartSlot(self.name, self.KIND, sample_rate, self.parameters, self.build, self.key)

    @abstractmethod
    def build(self, sample_rate: int, channels: int) -> Built:
        """Fresh stages for so many channels that come in."""

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value:g}" for name, value in self.settings.items())
        return f"{type(self).__name__}({settings})"


class Gate(Part):
    """A noise gate. It listens to the dry signal and acts after the last effect.

    Parameters
    ----------
    **settings : float
        threshold (−90 to 0 dB, −60), hysteresis (0 to 20 dB, 6), hold (1 to 1000 ms, 40), attack (0.1 to 50 ms, 1),
        release (5 to 2000 ms, 60).

    Raises
    ------
    RigError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> import fxhost
    >>> fxhost.Gate(threshold=-52.0, hold=20.0)
    Gate(threshold=-52, hold=20)
    """

    KIND = "gate"
    PARAMETERS = GATE_PARAMETERS

    def build(self, sample_rate: int, channels: int) -> Built:
        """One listener, and a gate for each channel."""
        listener = GateListener(sample_rate, self.settings)
        return Built(_on_channels(lambda: GateStage(listener), channels), [listener], [listener], after_effects=True)


class Tone(Part):
    """Tone controls: bass, mid, treble, a low cut and a high cut, and two parametric bands.

    Parameters
    ----------
    **settings : float
        bass, mid, treble (±15 dB), low_cut (20 to 500 Hz), high_cut (1000 to 20000 Hz), and of the bands
        band1_freq (30 to 16000 Hz), band1_gain (±18 dB), band1_q (0.2 to 12), and so on.

    Raises
    ------
    RigError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> import numpy as np, fxhost
    >>> rig = fxhost.Rig(["ts-overdrive", fxhost.Tone(bass=2.0, high_cut=8000.0)])
    >>> rig(np.zeros(480, np.float32), 48000).shape
    (480,)
    """

    KIND = "tone"
    PARAMETERS = TONE_PARAMETERS

    def build(self, sample_rate: int, channels: int) -> Built:
        """The same for each channel."""
        stages = _on_channels(lambda: ToneStage(sample_rate, self.settings), channels)
        return Built(stages, stages)


class Cabinet(Part):
    """A cabinet: convolution with impulse responses, without latency.

    Parameters
    ----------
    *responses : str, Path or Response
        Sound files of any rate, mono or stereo; several are blended.
    levels : bool
        Whether each is brought to a gain of 0 dB over music.
    trims : bool
        Whether leading silence is cut off.
    aligns : bool
        Whether each is delayed and turned over so that it adds up with the first.

    Raises
    ------
    RigError
        If no file is given.

    Examples
    --------
    >>> import fxhost
    >>> fxhost.Cabinet("v30.wav", fxhost.Response("room.wav", level_db=-6.0), aligns=True).name
    'v30 + room'
    """

    KIND = "cabinet"

    def __init__(
        self, *responses: str | Path | Response, levels: bool = True, trims: bool = False, aligns: bool = False
    ) -> None:
        super().__init__()
        if not responses:
            raise RigError("a cabinet needs the file of an impulse response")
        self.responses = [each if isinstance(each, Response) else Response(Path(each)) for each in responses]
        self.levels, self.trims, self.aligns = levels, trims, aligns
        self._blends: dict[int, Blend] = {}

    @property
    def name(self) -> str:
        """The names of its files."""
        return " + ".join(Path(response.file).stem for response in self.responses)

    @property
    def key(self) -> str:
        """Its responses and how they are blended."""
        return repr((self.KIND, self.responses, self.levels, self.trims, self.aligns))

    def blend_at(self, sample_rate: int) -> Blend:
        """Its responses as one, at a rate in Hz."""
        if sample_rate not in self._blends:
            self._blends[sample_rate] = blend_responses(
                self.responses, sample_rate, levels=self.levels, trims=self.trims, aligns=self.aligns
            )
        return self._blends[sample_rate]

    def slot_at(self, sample_rate: int) -> Slot:
        """Its place in a stream; its files are read."""
        self.blend_at(sample_rate)
        return super().slot_at(sample_rate)

    def build(self, sample_rate: int, channels: int) -> Built:
        """A convolution for each channel that comes in or goes out."""
        sides = self.blend_at(sample_rate).sides
        stages: list[Stage] = [Widen()] if channels < len(sides) else []
        for channel in range(max(channels, len(sides))):
            stage = CabinetStage(sides[channel % len(sides)])
            stage.channel = channel
            stages.append(stage)
        return Built(stages)

    def __repr__(self) -> str:
        return f"Cabinet({self.name})"


def _on_channels(make: Callable[[], Stage], channels: int) -> list[Stage]:
    stages = [make() for _ in range(channels)]
    for channel, stage in enumerate(stages):
        stage.channel = channel
    return stages
