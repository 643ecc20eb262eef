"""The places of a rack in a stream: what each plays, what can be turned of it, and how it becomes stages."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fxhost.engine.calibration import Gains, choose_gains
from fxhost.engine.chain import own_plan, planned_stage
from fxhost.engine.dc_offset import carries_offset
from fxhost.engine.rate_choice import choose_plans
from fxhost.engine.rate_plan import Plan
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import network_stage, settle_wavenet
from fxhost.stages.base import Stage
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.gain import Gain
from fxhost.stages.parameter import Parameter


@dataclass(frozen=True)
class Built:
    """The fresh stages of one place.

    Attributes
    ----------
    stages : sequence of Stage
    turned : sequence of Stage
        Those whose parameters are the ones of the place.
    head : sequence of Stage
        What listens at the beginning of the chain.
    after_effects : bool
        Whether the stages play behind the last effect, where that comes later.
    """

    stages: Sequence[Stage]
    turned: Sequence[Stage] = ()
    head: Sequence[Stage] = ()
    after_effects: bool = False


class Slot(ABC):
    """One place in the rack of a stream.

    Attributes
    ----------
    name : str
        For people.
    kind : str
        'effect', 'gate', 'tone' or 'cabinet'.
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


@dataclass(frozen=True)
class EffectSlot(Slot):
    """The place of a learned effect: how it plays at the stream's rate, and the gains around it.

    Attributes
    ----------
    preset : Preset
        With its knobs where they are set, in its settled state.
    plan : Plan
    gains : Gains
    """

    preset: Preset
    plan: Plan
    gains: Gains
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
        """Its knobs."""
        return self.preset.parameters

    @property
    def latency_frames(self) -> float:
        """That of its resampler."""
        return self.plan.latency_frames

    @property
    def key(self) -> str:
        """Its file, its network, its rate plan and its gains."""
        return repr((self.preset.path, self.preset.name, self.preset.architecture, self.plan, self.gains))

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
        return Built(stages, networks if self.parameters else ())

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


def plan_slots(
    presets: Sequence[Preset],
    sample_rate: int,
    *,
    engine: str = "compiled",
    level: str = "raw",
    interface_dbu: float | None = None,
    oversample: int = 1,
) -> tuple[EffectSlot, ...]:
    """The places of presets in a stream. A rate plan that is not known yet is measured, which takes seconds.

    Parameters
    ----------
    presets : sequence of Preset
    sample_rate : int
        In Hz.
    engine, level, interface_dbu, oversample
        As for `fxhost.Rig`.

    Raises
    ------
    EngineError
        If the engine plays presets at their own rate only, and another was asked for; or if the rates have no simple
        ratio.
    """
    settled = [settle_wavenet(preset) for preset in presets]
    plans = choose_plans(settled, engine, sample_rate, oversample)
    gains = choose_gains(settled, level, interface_dbu)
    return tuple(EffectSlot(*place) for place in zip(settled, plans, gains, strict=True))
