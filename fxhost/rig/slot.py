"""One place in the rack."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fxhost.engine.calibration import Gains, choose_gains
from fxhost.engine.chain import own_plan
from fxhost.engine.dc_offset import carries_offset
from fxhost.engine.rate_choice import choose_plans
from fxhost.engine.rate_plan import Plan
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import network_stage, settle_wavenet


@dataclass(frozen=True)
class Slot:
    """One place in the rack: an effect, how it plays at the stream's rate, and the gains around it.

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

    @cached_property
    def needs_dc_blocker(self) -> bool:
        """Whether its network puts out a DC offset, or has knobs that may bring one about."""
        return bool(self.preset.knobs) or carries_offset(network_stage(self.preset), self.preset.sample_rate)


def slots_at_own_rate(presets: Sequence[Preset]) -> tuple[Slot, ...]:
    """Presets in a stream that has the rate of each, with the gains that belong to them."""
    settled = [settle_wavenet(preset) for preset in presets]
    return tuple(
        Slot(preset, own_plan(preset), gains) for preset, gains in zip(settled, choose_gains(settled), strict=True)
    )


def plan_slots(
    presets: Sequence[Preset],
    sample_rate: int,
    *,
    engine: str = "compiled",
    level: str = "raw",
    interface_dbu: float | None = None,
    oversample: int = 1,
) -> tuple[Slot, ...]:
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
    return tuple(Slot(*place) for place in zip(settled, plans, gains, strict=True))
