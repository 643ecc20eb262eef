"""A noise gate in two stages: one listens to the dry signal, the other closes after the amplifier.

An amplifier brings hum up to the level of quiet notes; before it they lie far apart. So the listener stands at the
beginning of the chain and leaves a gain for each frame of the block, and the gate multiplies by it further on. Each of
two inputs has a pair of its own.

The gate opens at the threshold. It closes when the level has stayed below the threshold, less the hysteresis, for the
time of the hold, so a decaying chord does not make it chatter.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import carray

from fxhost.arrays import aligned_zeros
from fxhost.native.intrinsics import floats_at
from fxhost.stages.base import PLANE, Stage, first_words, offset_of, stage_function
from fxhost.stages.parameter import Parameter

PARAMETERS = (
    Parameter("threshold", "dB", -90.0, 0.0, -60.0),
    Parameter("hysteresis", "dB", 0.0, 20.0, 6.0, is_fine=True),
    Parameter("hold", "ms", 1.0, 1000.0, 40.0, "log", is_fine=True),
    Parameter("attack", "ms", 0.1, 50.0, 1.0, "log", is_fine=True),
    Parameter("release", "ms", 5.0, 2000.0, 60.0, "log", is_fine=True),
)
DECAY_MS = 12.0  # of the level between two peaks: the lowest note of a bass has one every 16 ms
CLOSED = np.float64(1e-5)  # −100 dB: from there on it is shut

STATE = np.dtype(
    [
        ("level", "f8"),
        ("gain", "f8"),
        ("held", "f8"),  # frames for which it has been below
        ("is_open", "i8"),
        ("targets", "f4", len(PARAMETERS)),
        ("decay", "f8"),  # of the level, in a frame
        ("frames_per_ms", "f8"),
        ("gains", "f4", PLANE),
    ],
    align=True,
)
GATE = np.dtype([("gains", "i8")], align=True)


@stage_function(STATE, "gate")
def listen_block(state: Any, block: Any, frames: int) -> None:
    """Find the gain of each frame; the block stays as it is."""
    s = carray(state, (1,))[0]
    x = carray(block, (frames,))
    threshold_db, hysteresis_db, hold_ms, attack_ms, release_ms = s.targets
    opens = 10.0 ** (np.float64(threshold_db) / 20.0)
    closes = opens * 10.0 ** (-np.float64(hysteresis_db) / 20.0)
    hold = hold_ms * s.frames_per_ms
    rise = 1.0 / max(1.0, attack_ms * s.frames_per_ms)
    fall = 10.0 ** (-3.0 / max(1.0, release_ms * s.frames_per_ms))  # 60 dB in that time
    gains = s.gains
    level, gain, held, is_open = s.level, s.gain, s.held, s.is_open
    for n in range(frames):
        level = max(np.float64(abs(x[n])), level * s.decay)
        if level >= opens:
            is_open = 1
        held = held + 1.0 if level < closes else 0.0
        if held > hold:
            is_open = 0
        closing = gain * fall if gain > CLOSED else 0.0
        gain = min(1.0, gain + rise) if is_open != 0 else closing
        gains[n] = np.float32(gain)
    s.level, s.gain, s.held, s.is_open = level, gain, held, is_open


@stage_function(GATE, "gate")
def gate_block(state: Any, block: Any, frames: int) -> None:
    """Multiply a block by the gains that the listener has left."""
    gains = carray(floats_at(carray(state, (1,))[0].gains), (PLANE,))
    x = carray(block, (frames,))
    for n in range(frames):
        x[n] *= gains[n]


class GateListener(Stage):
    """The ear of a gate.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    settings : mapping of str to float
        Parameters that differ from their defaults.
    """

    parameters = PARAMETERS

    def __init__(self, sample_rate: int, settings: Mapping[str, float]) -> None:
        memory = aligned_zeros(1, STATE)
        memory["targets"] = [settings.get(parameter.name, parameter.default) for parameter in PARAMETERS]
        memory["decay"] = np.exp(-1000.0 / (DECAY_MS * sample_rate))
        memory["frames_per_ms"] = sample_rate / 1000.0
        super().__init__(listen_block.address, memory, first_words(memory, offset_of(STATE, "targets")), listen_block)


class Gate(Stage):
    """The door of a gate, which plays after its listener, in blocks of at most `PLANE` frames."""

    def __init__(self, listener: GateListener) -> None:
        memory = aligned_zeros(1, GATE)
        memory["gains"] = listener.memory.ctypes.data + offset_of(STATE, "gains")
        super().__init__(gate_block.address, memory, first_words(memory, 0), (gate_block, listener))
