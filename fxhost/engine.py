"""From presets to a chain of stages, for either engine."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fxhost.levels import Gains, choose_gains
from fxhost.offsets import carries_offset
from fxhost.plans import Plan
from fxhost.preset import Preset
from fxhost.stages.base import Stage
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.gain import Gain
from fxhost.stages.rate.interleaved import Interleaved
from fxhost.stages.rate.interpolated import Interpolated
from fxhost.stages.rate.resampler import Resampled
from fxhost.stages.recurrent.stage import Lstm
from fxhost.stages.wavenet.stage import WaveNet

PROBE_TOLERANCE = 1e-5  # of an output within ±1
BATCH_TOLERANCE = 1e-4  # the same of another program's answer, which was rounded on its way in float32
ROUNDING = 10.0  # how many times torch's own error an engine may have, which adds up in another order


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


def network_stage(preset: Preset) -> Stage:
    """The compiled network of a preset, whatever its kind, in its settled state."""
    return compiled_stage(preset) if preset.architecture.network is None else wavenet_stage(preset)


def settle_wavenet(preset: Preset) -> Preset:
    """A preset that tells what it puts out on silence, which of a WaveNet its stage finds out."""
    if preset.architecture.network is None or preset.file_format == "fxhost":
        return preset
    return replace(preset, silent_output=wavenet_stage(preset).silent_output)


def wavenet_stage(preset: Preset) -> WaveNet:
    """The compiled WaveNet of a preset, in its settled state."""
    assert preset.architecture.network is not None
    return WaveNet(preset.architecture.network, preset.weights["wavenet"])


def compiled_stage(preset: Preset, knobs: Sequence[float] | None = None, sample_rate: int | None = None) -> Lstm:
    """The compiled recurrent network of a preset, in its settled state.

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
        cell=a.cell,
        dense=a.dense.to_text(),
    )


def probe_error(preset: Preset) -> float:
    """Replay the preset's probe through the compiled engine.

    Returns
    -------
    float
        The largest absolute difference from the answers that the TorchScript module gave at export; of another
        program's file, from the answer that it carries.
    """
    probe = preset.probe
    if preset.architecture.network is not None:
        answer = probe["input"][:, 0].copy()
        wavenet_stage(preset).process(answer)
        return float(np.max(np.abs(answer - probe["output_settled"])))
    stage = compiled_stage(preset, knobs=[float(value) for value in probe["input"][0, 1:]])
    if "output_rest" in probe:
        stage.set_initial_state(*(np.zeros_like(preset.weights[name]) for name in ("h0", "c0")))
        stage.reset()
        answer = probe["input"][:, 0].copy()
        stage.process(answer)
        return float(np.max(np.abs(answer - probe["output_rest"])))
    settled = probe["input"][:, 0].copy()
    stage.process(settled)
    stage.set_initial_state(probe["h"], probe["c"])
    stage.reset()
    from_state = probe["input"][:, 0].copy()
    stage.process(from_state)
    errors = np.abs(settled - probe["output_settled"]), np.abs(from_state - probe["output_state"])
    return float(np.max(errors))


def probe_tolerance(preset: Preset) -> float:
    """How far an engine may be off on a preset's probe; more where float32 itself is far from float64 on it."""
    usual = BATCH_TOLERANCE if "output_rest" in preset.probe else PROBE_TOLERANCE
    answers = [answer for name, answer in preset.probe.items() if name.startswith("output")]
    loudest = max((float(np.abs(answer).max()) for answer in answers), default=1.0)
    return max(usual * max(1.0, loudest), ROUNDING * preset.probe_error)


def _torchscript_stage(preset: Preset) -> Stage:
    from fxhost.torchscript import TorchScriptStage

    return TorchScriptStage(preset)
