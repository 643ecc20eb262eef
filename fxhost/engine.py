"""From presets to a chain of stages, for either engine."""

from collections.abc import Sequence

import numpy as np

from fxhost.plans import Plan
from fxhost.preset import Preset
from fxhost.stages import Stage
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.interleaved import Interleaved
from fxhost.stages.interpolated import Interpolated
from fxhost.stages.lstm import Lstm
from fxhost.stages.resampler import Resampled


def build_chain(presets: Sequence[Preset], engine: str, plans: Sequence[Plan] | None = None) -> list[Stage]:
    """The stages that play these presets in series.

    Parameters
    ----------
    presets : sequence of Preset
        At least one.
    engine : {'compiled', 'torchscript'}
        The compiled kernel, or the TorchScript module itself, which runs code from the file.
    plans : sequence of Plan, optional
        How each plays in the stream. By default each at its own rate.

    Returns
    -------
    list of Stage
        For each preset its network and a DC blocker.
    """
    chain: list[Stage] = []
    if plans is None:
        plans = [own_plan(preset) for preset in presets]
    for preset, plan in zip(presets, plans, strict=True):
        network = _torchscript_stage(preset) if engine == "torchscript" else planned_stage(preset, plan)
        chain += [network, DcBlocker(preset.silent_output, plan.sample_rate)]
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
        network = Interleaved(compiled_stage(preset), plan.copies)
    else:
        network = compiled_stage(preset)
    if plan.is_resampled:
        network = Resampled(
            network, inner_rate=plan.network_rate, outer_rate=plan.sample_rate, rest=preset.silent_output
        )
    return network


def compiled_stage(preset: Preset, knobs: Sequence[float] | None = None, sample_rate: int | None = None) -> Lstm:
    """The compiled network of a preset, in its settled state.

    Parameters
    ----------
    preset : Preset
    knobs : sequence of float, optional
        By default as the preset has them.
    sample_rate : int, optional
        What its knobs glide at, in Hz; by default the preset's.
    """
    a = preset.architecture
    return Lstm(
        preset.weights,
        layers=a.layers,
        hidden_size=a.hidden_size,
        inputs=a.inputs,
        residual=a.residual,
        sample_rate=sample_rate or preset.sample_rate,
        knobs=[knob.default for knob in preset.knobs] if knobs is None else knobs,
    )


def probe_error(preset: Preset) -> float:
    """Replay the preset's probe through the compiled engine.

    Returns
    -------
    float
        The largest absolute difference from the answers that the TorchScript module gave at export.
    """
    probe = preset.probe
    stage = compiled_stage(preset, knobs=[float(value) for value in probe["input"][0, 1:]])
    settled = probe["input"][:, 0].copy()
    stage.process(settled)
    stage.set_initial_state(probe["h"], probe["c"])
    stage.reset()
    from_state = probe["input"][:, 0].copy()
    stage.process(from_state)
    errors = np.abs(settled - probe["output_settled"]), np.abs(from_state - probe["output_state"])
    return float(np.max(errors))


def _torchscript_stage(preset: Preset) -> Stage:
    from fxhost.torchscript import TorchScriptStage

    return TorchScriptStage(preset)
