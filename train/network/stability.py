"""Whether a trained network is calm where the recording did not reach.

A recurrent network that plays its training audio well may still oscillate by itself at, say, a loud 20 Hz that no
guitar ever gave. Such a network amplifies rounding errors, so that two correct engines play it differently: that is
how it is found.
"""

import copy

import numpy as np
import torch

from fxhost.reference.torchscript import EffectLSTM
from train.network.model import zero_state

PROBE_S = 0.5
LEVELS = (-0.9, -0.5, -0.2, 0.2, 0.5, 0.9)  # of steady inputs, full scale being 1
FREQUENCIES = (20.0, 40.0, 82.0, 200.0)  # of loud sines, Hz
LOUD = 0.9
TINY = 1e-30
CALM = 1e-4  # two engines differ by less on a network that does not oscillate


def measure_divergence(model: EffectLSTM, sample_rate: int) -> float:
    """The largest difference between float32 and float64 on steady inputs and loud low sines, over the output's peak.

    Parameters
    ----------
    model : EffectLSTM
        With one input.
    sample_rate : int
        In Hz.

    Returns
    -------
    float
        About 1e-6 for a calm network; above `CALM` it oscillates by itself or is chaotic.
    """
    frames = int(PROBE_S * sample_rate)
    n = np.arange(frames)
    steady = [np.full(frames, level) for level in LEVELS]
    sines = [LOUD * np.sin(2 * np.pi * frequency * n / sample_rate) for frequency in FREQUENCIES]
    x = torch.from_numpy(np.stack(steady + sines).astype(np.float32))[..., None]
    single = copy.deepcopy(model).cpu().float()
    double = copy.deepcopy(single).double()
    with torch.inference_mode():
        h, c = zero_state(single, len(x))
        y, _, _ = single(x, h, c)
        exact, _, _ = double(x.double(), h.double(), c.double())
    return float((y.double() - exact).abs().max() / exact.abs().max().clamp(min=TINY))
