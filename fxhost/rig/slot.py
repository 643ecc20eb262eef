"""The places of a rack in a stream: what each plays, what can be turned of it, and how it becomes stages."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from fxhost.engine.calibration import Gains, choose_gains
from fxhost.engine.chain import own_plan, planned_stage
from fxhost.engine.dc_offset import carries_offset
from fxhost.engine.rate_choice import choose_plans, digest_of
from fxhost.engine.rate_plan import Plan
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import network_stage, settle_wavenet
from fxhost.rig.built import Built, mixed
from fxhost.stages.base import Stage
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.gain import Gain
from fxhost.stages.parallel.stages import MIX
from fxhost.stages.parameter import Parameter


@dataclass(frozen=True)
class Planning:
    """How effects are to play: see `fxhost.Rig`."""

    engine: str = "compiled"
    level: str = "raw"
    interface_dbu: float | None = None
    oversample: int = 1


PLAIN = Planning()


class Slot(ABC):
    """One place in the rack of a stream.

    Attributes
    ----------
    name : str
        For people.
    kind : str
        'effect', 'blend', 'gate', 'tone', 'volume' or 'cabinet'.
    sample_rate : int
        Of the stream, in Hz.
    parameters : tuple of Parameter
        What can be turned; the defaults are what it is set to.
    """

    name: str
    kind: str
    sample_rate: int
    parameters: tuple[Parameter, ...]

    @abstractmethod
    def build(self, engine: str, channels: int) -> Built:
        """Fresh stages for so many channels that come in.

        Parameters
        ----------
        engine : {'compiled', 'torchscript'}
            Of networks.
        channels : {1, 2}
        """

    @property
    def latency_frames(self) -> float:
        """What it adds in latency, in frames of the stream."""
        return 0.0

    @property
    def key(self) -> str:
        """What its stages depend on, but for the values of their parameters."""
        return self.kind

    @property
    def digest(self) -> str:
        """What its sound depends on, whatever the names of files."""
        return repr((self.kind, [parameter.default for parameter in self.parameters]))

    @property
    def effects(self) -> "tuple[EffectSlot, ...]":
        """The learned effects in it."""
        return ()

    @property
    def notes(self) -> list[str]:
        """What was measured of it, a line each."""
        return []


def list_effects(slots: Sequence[Slot]) -> "list[EffectSlot]":
    """The learned effects in some places, those in branches too."""
    return [effect for slot in slots for effect in slot.effects]


@dataclass(frozen=True)
class EffectSlot(Slot):
    """The place of a learned effect: how it plays at the stream's rate, and the gains around it.

    Attributes
    ----------
    preset : Preset
        With its knobs where they are set, in its settled state.
    plan : Plan
    gains : Gains
    mix : float or None
        How much of what is heard went through it, 0 to 1; None where that cannot be turned and is all.
    """

    preset: Preset
    plan: Plan
    gains: Gains
    mix: float | None = None
    kind: str = field(default="effect", init=False)

    @property
    def name(self) -> str:  # type: ignore[override]
        """What its maker calls it."""
        return self.preset.name

    @property
    def sample_rate(self) -> int:  # type: ignore[override]
        """The rate of the stream, in Hz."""
        return self.plan.sample_rate

    @property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Its knobs, and the mix where it has one."""
        return self.preset.parameters + (() if self.mix is None else (replace(MIX, default=self.mix),))

    @property
    def latency_frames(self) -> float:
        """That of its resampler."""
        return self.plan.latency_frames

    @property
    def key(self) -> str:
        """Its file and the quality in it, its network, its rate plan and its gains."""
        file = self.preset.path, self.preset.quality, self.preset.name, self.preset.architecture
        return repr((*file, self.plan, self.gains, *(["mix"] if self.mix is not None else [])))

    @property
    def digest(self) -> str:
        """Its network with its knobs, its rate plan and its gains."""
        return repr((digest_of(self.preset), replace(self.plan, preset=""), self.gains, self.mix))

    @property
    def effects(self) -> "tuple[EffectSlot, ...]":
        """Itself."""
        return (self,)

    @cached_property
    def needs_dc_blocker(self) -> bool:
        """Whether its network puts out a DC offset, or has knobs that may bring one about."""
        return bool(self.preset.knobs) or carries_offset(network_stage(self.preset), self.preset.sample_rate)

    def build(self, engine: str = "compiled", channels: int = 1) -> Built:
        """For each channel its network, a DC blocker if that puts out an offset, and its gains that are not 0 dB."""
        stages: list[Stage] = []
        networks: list[Stage] = []
        for channel in range(channels):
            network = self._build_network(engine)
            before, after = (
                [Gain(level_db, self.sample_rate)] if level_db else []
                for level_db in (self.gains.input_db, self.gains.output_db)
            )
            blockers = [DcBlocker(self.preset.silent_output, self.sample_rate)] if self.needs_dc_blocker else []
            own = [*before, network, *blockers, *after]
            for stage in own:
                stage.channel = channel
            stages += own
            networks.append(network)
        built = Built(stages, networks if self.preset.knobs else ())
        if self.mix is None:
            return built
        number = len(self.preset.knobs)
        return mixed(built, number, self.mix, self.latency_frames, self.sample_rate, channels)

    def _build_network(self, engine: str) -> Stage:
        if engine != "torchscript":
            return planned_stage(self.preset, self.plan)
        from fxhost.reference.torchscript import TorchScriptStage  # only now, since it needs torch

        return TorchScriptStage(self.preset)


def slots_at_own_rate(presets: Sequence[Preset]) -> tuple[EffectSlot, ...]:
    """Presets in a stream that has the rate of each, with the gains that belong to them."""
    settled = [settle_wavenet(preset) for preset in presets]
    return tuple(
        EffectSlot(preset, own_plan(preset), gains)
        for preset, gains in zip(settled, choose_gains(settled), strict=True)
    )


def plan_effect(preset: Preset, sample_rate: int, planning: Planning, mix: float | None = None) -> EffectSlot:
    """The place of a preset in a stream. A rate plan that is not known yet is measured, which takes seconds.

    Parameters
    ----------
    preset : Preset
    sample_rate : int
        In Hz.
    planning : Planning
        With the level that comes in, and as if it were the last effect.
    mix : float, optional
        See `EffectSlot`.

    Raises
    ------
    EngineError
        If the engine plays presets at their own rate only, and another was asked for; or if the rates have no simple
        ratio.
    """
    settled = settle_wavenet(preset)
    [plan] = choose_plans([settled], planning.engine, sample_rate, planning.oversample)
    [gains] = choose_gains([settled], planning.level, planning.interface_dbu)
    return EffectSlot(settled, plan, gains, mix)
