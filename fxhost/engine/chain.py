"""The compiled network of a preset at the rate of a stream."""

from fxhost.engine.rate_plan import Plan
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import compiled_stage, network_stage
from fxhost.stages.base import Stage
from fxhost.stages.rate.interleaved import Interleaved
from fxhost.stages.rate.interpolated import Interpolated
from fxhost.stages.rate.resampler import Resampled


def own_plan(preset: Preset) -> Plan:
    """A preset in a stream of its own rate."""
    return Plan(preset.name, preset.sample_rate, preset.sample_rate, preset.sample_rate)


def planned_stage(preset: Preset, plan: Plan) -> Stage:
    """The compiled network of a preset, made for a stream's rate, in its settled state.

    Raises
    ------
    EngineError
        If the rates have no simple ratio.
    """
    network: Stage
    if plan.order:
        network = Interpolated(
            compiled_stage(preset, sample_rate=plan.network_rate), plan.network_rate / plan.preset_rate, plan.order
        )
    elif plan.copies > 1:
        network = Interleaved(network_stage(preset), plan.copies)
    else:
        network = network_stage(preset)
    if plan.is_resampled:
        network = Resampled(
            network, inner_rate=plan.network_rate, outer_rate=plan.sample_rate, silent_output=preset.silent_output
        )
    return network
