"""The compiled stage of a preset's network, at the preset's own rate."""

from collections.abc import Sequence
from dataclasses import replace

from fxhost.networks.wavenet import WaveNet
from fxhost.preset.effect import Preset
from fxhost.stages.base import Stage
from fxhost.stages.recurrent.stage import RecurrentStage
from fxhost.stages.wavenet.stage import WaveNetStage


def network_stage(preset: Preset) -> Stage:
    """The compiled network of a preset, whatever its kind, in its settled state."""
    return wavenet_stage(preset) if isinstance(preset.architecture, WaveNet) else compiled_stage(preset)


def settle_wavenet(preset: Preset) -> Preset:
    """The preset with its output on silence, which for a WaveNet is measured from its stage."""
    if not isinstance(preset.architecture, WaveNet) or preset.file_format == "fxhost":
        return preset
    return replace(preset, silent_output=wavenet_stage(preset).silent_output)


def wavenet_stage(preset: Preset) -> WaveNetStage:
    """The compiled WaveNet of a preset, in its settled state."""
    assert isinstance(preset.architecture, WaveNet)
    return WaveNetStage(preset.architecture, preset.weights["wavenet"])


def compiled_stage(
    preset: Preset, knobs: Sequence[float] | None = None, sample_rate: int | None = None
) -> RecurrentStage:
    """The compiled recurrent network of a preset, in its settled state.

    Parameters
    ----------
    preset : Preset
    knobs : sequence of float, optional
        By default as the preset has them.
    sample_rate : int, optional
        What its knobs glide at, in Hz; by default the preset's.
    """
    a = preset.recurrent
    return RecurrentStage(
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
