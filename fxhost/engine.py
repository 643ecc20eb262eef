"""From presets to a chain of stages, for either engine."""

from collections.abc import Sequence

import numpy as np

from fxhost.errors import PresetError
from fxhost.preset import Preset
from fxhost.stages import Stage
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.lstm import Lstm


def common_sample_rate(presets: Sequence[Preset]) -> int:
    """The rate that all presets of a chain were trained at, in Hz.

    Raises
    ------
    PresetError
        If they differ.
    """
    rates = {preset.sample_rate: preset.name for preset in presets}
    if len(rates) > 1:
        listed = ", ".join(f"{name} at {rate} Hz" for rate, name in rates.items())
        raise PresetError(f"these presets cannot play in one chain, their sample rates differ: {listed}; choose others")
    return presets[0].sample_rate


def build_chain(presets: Sequence[Preset], engine: str) -> list[Stage]:
    """The stages that play these presets in series.

    Parameters
    ----------
    presets : sequence of Preset
        At least one.
    engine : {'compiled', 'torchscript'}
        The compiled kernel, or the TorchScript module itself, which runs code from the file.

    Returns
    -------
    list of Stage
        For each preset its network and a DC blocker.
    """
    chain: list[Stage] = []
    for preset in presets:
        network = _torchscript_stage(preset) if engine == "torchscript" else compiled_stage(preset)
        chain += [network, DcBlocker(preset.silent_output, preset.sample_rate)]
    return chain


def compiled_stage(preset: Preset, knobs: Sequence[float] | None = None) -> Lstm:
    """The compiled network of a preset, in its settled state, with its knobs where they are or at their defaults."""
    a = preset.architecture
    return Lstm(
        preset.weights,
        layers=a.layers,
        hidden_size=a.hidden_size,
        inputs=a.inputs,
        residual=a.residual,
        sample_rate=preset.sample_rate,
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
