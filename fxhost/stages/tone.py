"""Tone controls: a low cut and a high cut, bass, middle and treble, and two parametric bands, in double precision.

Each is a biquad, played in direct form I, whose memories mean the same under any coefficients; one that does nothing is
left out. A turned control glides: the coefficients are made anew every 16 frames on the way.

References
----------
R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C note, 2021.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import carray

from fxhost.arrays import Float64Array, aligned_zeros
from fxhost.native.inlining import inlined
from fxhost.stages.base import Stage, first_words, offset_of, smoothing, stage_function
from fxhost.stages.parameter import Parameter

BASS_HZ, MIDDLE_HZ, TREBLE_HZ = 120.0, 650.0, 3000.0
SLOPE = 0.7071  # the Q of shelves and cuts: Butterworth
MIDDLE_Q = 0.7
NO_LOW_CUT_HZ, NO_HIGH_CUT_HZ = 20.0, 20_000.0
HIGHEST_SHARE = 0.49  # of the sample rate
GLIDE_MS = 15.0
STEP = 16  # frames for which the coefficients stay
ARRIVED = 1e-4  # closer than that in dB, or in the logarithm: take the goal itself

PARAMETERS = (
    Parameter("bass", "dB", -15.0, 15.0, 0.0),
    Parameter("mid", "dB", -15.0, 15.0, 0.0),
    Parameter("treble", "dB", -15.0, 15.0, 0.0),
    Parameter("low_cut", "Hz", NO_LOW_CUT_HZ, 500.0, NO_LOW_CUT_HZ, "log", is_fine=True),
    Parameter("high_cut", "Hz", 1000.0, NO_HIGH_CUT_HZ, NO_HIGH_CUT_HZ, "log", is_fine=True),
    *(
        Parameter(f"band{number}_{name}", unit, lowest, highest, default, taper, is_fine=True)  # type: ignore[arg-type]
        for number, frequency in ((1, 400.0), (2, 2000.0))
        for name, unit, lowest, highest, default, taper in (
            ("freq", "Hz", 30.0, 16_000.0, frequency, "log"),
            ("gain", "dB", -18.0, 18.0, 0.0, "linear"),
            ("q", "", 0.2, 12.0, 1.0, "log"),
        )
    ),
)
BASS, MIDDLE, TREBLE, LOW_CUT, HIGH_CUT, BAND = range(6)  # places among the parameters; of a band: its first
COUNT, FILTERS = len(PARAMETERS), 7

STATE = np.dtype(
    [
        ("frames", "i8"),  # since the start, in a step
        ("is_made", "i8"),  # whether the coefficients have been
        ("memories", "f8", (FILTERS, 4)),  # the last two inputs and outputs
        ("now", "f8", COUNT),  # gliding values; of frequencies and Q their logarithms
        ("seen", "f4", COUNT),  # the targets that the goals come from
        ("goals", "f8", COUNT),  # what the values glide to
        ("is_on", "i8", FILTERS),
        ("was_on", "i8", FILTERS),
        ("begins", "i8", FILTERS),  # whether it begins amid the sound
        ("coefficients", "f8", (FILTERS, 5)),  # b0, b1, b2, a1, a2, over a0
        ("targets", "f4", COUNT),
        ("is_log", "i8", COUNT),
        ("between", "f8", STEP),  # samples between two filters
        ("has_begun", "i8"),  # whether they hold anything
        ("sample_rate", "f8"),
        ("glide", "f8"),  # in a step
    ],
    align=True,
)

PEAK, LOW_SHELF, HIGH_SHELF, HIGH_PASS, LOW_PASS = range(5)


@inlined
def set_biquad(c: Float64Array, kind: int, frequency_hz: float, gain_db: float, q: float, sample_rate: float) -> None:
    """Fill c, float64 (5,), with b0, b1, b2, a1, a2 over a0, by the cookbook."""
    omega = 2.0 * np.pi * min(frequency_hz, HIGHEST_SHARE * sample_rate) / sample_rate
    cosine, alpha, a = np.cos(omega), np.sin(omega) / (2.0 * q), 10.0 ** (gain_db / 40.0)
    if kind == PEAK:
        b0, b1, b2 = 1.0 + alpha * a, -2.0 * cosine, 1.0 - alpha * a
        a0, a1, a2 = 1.0 + alpha / a, -2.0 * cosine, 1.0 - alpha / a
    elif kind in (LOW_SHELF, HIGH_SHELF):
        turn = cosine if kind == LOW_SHELF else -cosine  # one is the mirror image of the other
        root = 2.0 * np.sqrt(a) * alpha
        b0, b2 = a * (a + 1.0 - (a - 1.0) * turn + root), a * (a + 1.0 - (a - 1.0) * turn - root)
        a0, a2 = a + 1.0 + (a - 1.0) * turn + root, a + 1.0 + (a - 1.0) * turn - root
        b1, a1 = 2.0 * a * (a - 1.0 - (a + 1.0) * turn), -2.0 * (a - 1.0 + (a + 1.0) * turn)
        if kind == HIGH_SHELF:
            b1, a1 = -b1, -a1
    else:
        side = 1.0 + cosine if kind == HIGH_PASS else 1.0 - cosine
        b0, b1, b2 = 0.5 * side, -side if kind == HIGH_PASS else side, 0.5 * side
        a0, a1, a2 = 1.0 + alpha, -2.0 * cosine, 1.0 - alpha
    c[0], c[1], c[2], c[3], c[4] = b0 / a0, b1 / a0, b2 / a0, a1 / a0, a2 / a0


@inlined
def set_filters(s: Any) -> None:
    """Make all coefficients from the gliding values."""
    now, c, rate = s.now, s.coefficients, s.sample_rate
    for band in range(2):
        first = BAND + 3 * band
        s.is_on[5 + band] = now[first + 1] != 0.0
        set_biquad(c[5 + band], PEAK, np.exp(now[first]), now[first + 1], np.exp(now[first + 2]), rate)
    # a cut that was turned on stays on at the end of its range: leaving it out again would be heard as a step
    s.is_on[0] |= now[LOW_CUT] > np.log(NO_LOW_CUT_HZ)
    s.is_on[1] |= now[HIGH_CUT] < np.log(NO_HIGH_CUT_HZ)
    set_biquad(c[0], HIGH_PASS, np.exp(now[LOW_CUT]), 0.0, SLOPE, rate)
    set_biquad(c[1], LOW_PASS, np.exp(now[HIGH_CUT]), 0.0, SLOPE, rate)
    s.is_on[2], s.is_on[3], s.is_on[4] = now[BASS] != 0.0, now[MIDDLE] != 0.0, now[TREBLE] != 0.0
    set_biquad(c[2], LOW_SHELF, BASS_HZ, now[BASS], SLOPE, rate)
    set_biquad(c[3], PEAK, MIDDLE_HZ, now[MIDDLE], MIDDLE_Q, rate)
    set_biquad(c[4], HIGH_SHELF, TREBLE_HZ, now[TREBLE], SLOPE, rate)


@inlined
def glide(s: Any) -> None:
    """Go a step towards the targets, and make the coefficients anew if that moved anything."""
    moved = s.is_made == 0
    for k in range(COUNT):
        if s.targets[k] != s.seen[k]:
            s.seen[k] = s.targets[k]
            target = np.float64(s.targets[k])
            s.goals[k] = np.log(target) if s.is_log[k] != 0 else target
        away = s.goals[k] - s.now[k]
        if away != 0.0:
            s.now[k] = s.goals[k] if abs(away) < ARRIVED else s.now[k] + s.glide * away
            moved = True
    if moved:
        set_filters(s)
        for number in range(FILTERS):
            if s.is_on[number] != s.was_on[number]:
                s.begins[number] = s.is_made  # at the start of all they begin from silence
                s.was_on[number] = s.is_on[number]
        s.is_made = 1


@stage_function(STATE, "tone")
def tone_block(state: Any, block: Any, frames: int) -> None:
    """Send a block through every filter that does something."""
    s = carray(state, (1,))[0]
    x = carray(block, (frames,))
    done = 0
    while done < frames:
        if s.frames == 0:
            glide(s)
        count = min(STEP - s.frames, frames - done)
        for number in range(FILTERS):
            if s.is_on[number] != 0:
                c = s.coefficients[number]
                x1, x2, y1, y2 = s.memories[number]
                if s.begins[number] != 0:  # as if it had let pass what was there
                    x1 = x2 = y1 = y2 = s.between[0] if s.has_begun != 0 else np.float64(x[done])
                    s.begins[number] = 0
                for n in range(count):
                    value = s.between[n] if s.has_begun != 0 else np.float64(x[done + n])
                    out = c[0] * value + c[1] * x1 + c[2] * x2 - c[3] * y1 - c[4] * y2
                    x1, x2, y1, y2 = value, x1, out, y1
                    s.between[n] = out
                s.memories[number, 0], s.memories[number, 1] = x1, x2
                s.memories[number, 2], s.memories[number, 3] = y1, y2
                s.has_begun = 1
        if s.has_begun != 0:
            for n in range(count):
                x[done + n] = np.float32(s.between[n])
            s.has_begun = 0
        s.frames = (s.frames + count) & (STEP - 1)
        done += count


class Tone(Stage):
    """Tone controls.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    settings : mapping of str to float
        Parameters that differ from their defaults; it starts there at once.
    """

    parameters = PARAMETERS

    def __init__(self, sample_rate: int, settings: Mapping[str, float]) -> None:
        memory = aligned_zeros(1, STATE)
        s = memory[0]
        values = [settings.get(parameter.name, parameter.default) for parameter in PARAMETERS]
        s["targets"] = s["seen"] = values
        is_log = np.array([parameter.taper == "log" for parameter in PARAMETERS])
        at = s["targets"].astype(np.float64)
        s["goals"] = s["now"] = np.where(is_log, np.log(np.where(is_log, at, 1.0)), at)
        s["is_log"], s["sample_rate"] = is_log, sample_rate
        s["glide"] = 1.0 - (1.0 - smoothing(GLIDE_MS, sample_rate)) ** STEP
        super().__init__(tone_block.address, memory, first_words(memory, offset_of(STATE, "targets")), tone_block)
