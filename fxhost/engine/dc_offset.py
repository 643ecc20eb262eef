"""Whether a learned effect puts out an offset, which a loudspeaker should not see.

An effect without an offset is played without a DC blocker, because the blocker would shift the phase of the lowest
notes and be the larger error. The offset is measured on silence, under a riff at two levels, and under a steady input.
Under the riff it is what the effect adds alike to a signal and to its inverse, so that the slow content of the riff
itself does not count.
"""

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.riff import synthesise_riff
from fxhost.stages.base import Stage

AT_REST = 1e-4  # linear, of full scale: the largest offset that is let through on silence
UNDER_SIGNAL = 1e-3  # and while something plays: −60 dB
STEADY_GAIN = 4.0  # the same of an offset that comes in, as interfaces have it
STEADY_INPUT = 0.01
RIFF_LEVELS = (0.9, 0.09)
RIFF_S, WINDOW_S, STEADY_S, REST_S = 1.0, 0.5, 0.25, 0.02


def carries_offset(stage: Stage, sample_rate: int) -> bool:
    """Whether a network needs a DC blocker behind it.

    Parameters
    ----------
    stage : Stage
        Only the network, while nothing else plays it; it is in its settled state afterwards.
    sample_rate : int
        That of the network, in Hz.

    Returns
    -------
    bool
        Also True where the network puts out no numbers.
    """

    def play(audio: Float32Array) -> Float32Array:
        played = audio.astype(np.float32)
        stage.reset()
        stage.process(played)
        return played

    def measure_steady(level: float) -> float:
        return float(play(np.full(int(STEADY_S * sample_rate), level, np.float32))[-1])

    try:
        if not np.abs(play(np.zeros(int(REST_S * sample_rate), np.float32))).max() <= AT_REST:  # also true for NaN
            return True
        moved = abs(measure_steady(STEADY_INPUT) - measure_steady(-STEADY_INPUT)) / (2 * STEADY_INPUT)
        if not moved <= STEADY_GAIN:
            return True
        riff = synthesise_riff(sample_rate)[: int(RIFF_S * sample_rate)]
        riff = riff / np.abs(riff).max()
        window = int(WINDOW_S * sample_rate)
        for level in RIFF_LEVELS:
            offset = (play(level * riff).astype(np.float64) + play(-level * riff)) / 2
            total = np.append(0.0, np.cumsum(offset))
            means = (total[window:] - total[:-window]) / window
            if not np.abs(means).max() <= UNDER_SIGNAL:
                return True
        return stage.error is not None
    finally:
        stage.reset()
