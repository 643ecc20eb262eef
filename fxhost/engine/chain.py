"""From presets to a chain of stages, for either engine."""

from collections.abc import Sequence

from fxhost.engine.calibration import Gains, choose_gains
from fxhost.engine.dc_offset import carries_offset
from fxhost.engine.rate_plan import Plan
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import compiled_stage, network_stage, settle_wavenet
from fxhost.stages.base import Stage
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.gain import Gain
from fxhost.stages.rate.interleaved import Interleaved
from fxhost.stages.rate.interpolated import Interpolated
from fxhost.stages.rate.resampler import Resampled


def build_chain(
    presets: Sequence[Preset], engine: str, plans: Sequence[Plan] | None = None, gains: Sequence[Gains] | None = None
) -> list[Stage]:
    """The stages that play these presets in series.

    Parameters
    ----------
    presets : sequence of Preset
        At least one.
    engine : {'compiled', 'torchscript'}
        The compiled kernel, or the TorchScript module itself, which runs code from the file.
    plans : sequence of Plan, optional
        How each plays in the stream. By default each at its own rate.
    gains : sequence of Gains, optional
        What stands before and after each. By default what belongs to the preset.

    Returns
    -------
    list of Stage
        For each preset its network, a DC blocker where that puts out an offset, and where they do something the gains
        around them.
    """
    chain: list[Stage] = []
    if plans is None:
        plans = [own_plan(preset) for preset in presets]
    gains = choose_gains(presets) if gains is None else gains
    for preset, plan, gain in zip(map(settle_wavenet, presets), plans, gains, strict=True):
        network = _torchscript_stage(preset) if engine == "torchscript" else planned_stage(preset, plan)
        stages = [network]
        own = network if engine == "torchscript" else network_stage(preset)  # at the preset's own rate
        if preset.knobs or carries_offset(own, preset.sample_rate):  # what a knob does is not known before
            stages.append(DcBlocker(preset.silent_output, plan.sample_rate))
        before, after = ([Gain(db, plan.sample_rate)] if db else [] for db in (gain.input_db, gain.output_db))
        chain += [*before, *stages, *after]
    return chain


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
            network, inner_rate=plan.network_rate, outer_rate=plan.sample_rate, rest=preset.silent_output
        )
    return network


def _torchscript_stage(preset: Preset) -> Stage:
    from fxhost.reference.torchscript import TorchScriptStage

    return TorchScriptStage(preset)
