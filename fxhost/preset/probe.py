"""The probe of a preset: a short signal and the answer of the network that was trained, replayed by the engine."""

import numpy as np

from fxhost.networks.wavenet import WaveNet
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import compiled_stage, wavenet_stage

PROBE_TOLERANCE = 1e-5  # of an output within ±1
BATCH_TOLERANCE = 1e-4  # the same of another program's answer, which was rounded on its way in float32
ROUNDING = 10.0  # how many times torch's own error an engine may have, which adds up in another order


def probe_error(preset: Preset) -> float:
    """Replay the preset's probe through the compiled engine.

    Returns
    -------
    float
        The largest absolute difference from the answers that the TorchScript module gave at export; of another
        program's file, from the answer that it carries.
    """
    probe = preset.probe
    if isinstance(preset.architecture, WaveNet):
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
