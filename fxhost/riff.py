"""The built-in dry riff: plucked strings by Karplus-Strong synthesis, so that a preset can be heard without a guitar.

References
----------
K. Karplus and A. Strong, "Digital Synthesis of Plucked-String and Drum Timbres", Computer Music Journal 7(2), 1983.
D. Jaffe and J. Smith, "Extensions of the Karplus-Strong Plucked-String Algorithm", Computer Music Journal 7(2), 1983
(the pick-position comb and the tuning of the loop).
"""

import numpy as np

from fxhost.arrays import Float32Array

# (start in eighth notes, MIDI notes plucked together, length in eighth notes)
RIFF = (
    (0, (40,), 1),
    (1, (40,), 1),
    (2, (43,), 1),
    (3, (45,), 2),
    (5, (40,), 1),
    (6, (46,), 1),
    (7, (45,), 1),
    (8, (40, 47, 52), 4),
    (12, (55,), 1),
    (13, (57,), 1),
    (14, (59,), 1),
    (15, (62,), 1),
    (16, (64,), 3),
    (19, (62,), 1),
    (20, (45, 52, 57), 4),
    (24, (43, 50, 55), 4),
    (28, (40, 47, 52, 56, 59, 64), 4),
)
RIFF_EIGHTHS = 32
EIGHTH_S = 0.25
PEAK = 0.5  # about what a guitar gives at an interface with some headroom left


def pluck(frequency: float, seconds: float, sample_rate: int, rng: np.random.Generator) -> Float32Array:
    """One plucked string, peak about 1.

    Parameters
    ----------
    frequency : float
        The fundamental, in Hz.
    seconds : float
        How long to let it ring.
    sample_rate : int
        In Hz.
    rng : numpy.random.Generator
        Source of the noise burst that is the pluck.

    Returns
    -------
    float32 (frames,)
    """
    frames = round(seconds * sample_rate)
    loop = sample_rate / frequency - 0.5  # the two-point average delays by half a sample
    period = int(loop)
    late = loop - period  # the rest of the delay is shared between the two taps around it
    burst = rng.uniform(-1.0, 1.0, period)
    for _ in range(3):
        burst = 0.5 * (burst + np.roll(burst, 1))  # a soft pick
    burst -= np.roll(burst, max(1, period // 7))  # picked at a seventh of the string: those harmonics are missing
    out = np.zeros(frames + 2 * period + 2)
    head = period + 2  # so that n - period - 2 is always there
    out[head : head + period] = burst
    damping = 0.5 ** (1.0 / (frequency * 0.35))  # half the level after 0.35 s at the fundamental
    taps = damping * np.array([0.5 * (1 - late), 0.5, 0.5 * late])
    for start in range(head + period, len(out), period):
        n = np.arange(start, min(start + period, len(out)))
        out[n] = taps[0] * out[n - period] + taps[1] * out[n - period - 1] + taps[2] * out[n - period - 2]
    note = out[head : head + frames]
    note[-period:] *= np.linspace(1.0, 0.0, len(note[-period:]))
    peak = float(np.abs(note).max())
    return (note / peak).astype(np.float32)


def synthesise_riff(sample_rate: int) -> Float32Array:
    """The riff: 8 s of dry guitar, peak 0.5, the same at every call.

    Parameters
    ----------
    sample_rate : int
        In Hz.

    Returns
    -------
    float32 (frames,)
    """
    rng = np.random.default_rng(1983)
    out: Float32Array = np.zeros(round(RIFF_EIGHTHS * EIGHTH_S * sample_rate), np.float32)
    for start, notes, length in RIFF:
        for strum, midi in enumerate(notes):
            at = round((start * EIGHTH_S + 0.012 * strum) * sample_rate)
            note = pluck(440.0 * 2 ** ((midi - 69) / 12), length * EIGHTH_S - 0.02, sample_rate, rng)
            stretch = out[at : at + len(note)]
            stretch += note[: len(stretch)] * rng.uniform(0.7, 1.0)
    loudest = float(np.abs(out).max())
    out *= PEAK / loudest
    return out
