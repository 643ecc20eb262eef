"""Take a delay out of a pair, to a fraction of a frame, without a copy of the recordings."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.delay import Delay
from train.pairs.drift import Step
from train.pairs.source import audio_blocks, make_room

LEAST_DELAY = 0.5  # frames: what is less may be the effect's own, and the network learns it
# How far below and above a delay a whole number may lie that is taken for it. Smooth effects are found up to 0.25
# frames early and bent ones up to 0.4 late.
WHOLE_BELOW, WHOLE_ABOVE = 0.4, 0.25
DOUBTFUL = 2.0  # frames of uncertainty, above which the least delay is taken out that may be the true one
EARLY_SURE = 2.0  # uncertainties: few recordings are early, and what answers at once must not be moved
UNSURE = 0.75  # frames of uncertainty, above which a fraction means nothing
HALF_TAPS = 32  # of the interpolation: flat to 0.01 dB up to 0.92 of half the sample rate
KAISER_BETA = 8.0  # of its window: 80 dB


def choose_correction(delay: Delay) -> float:
    """How many frames to take out of the wet side: `delay.frames`, a whole number, or 0 if it should stay as it is.

    Parameters
    ----------
    delay : Delay

    Returns
    -------
    float
        0 below half a frame, within the uncertainty, or early by less than twice that: a pair that is aligned comes
        through bit by bit. A whole number
        where the evidence does not tell the delay from one.

    Notes
    -----
    Too little is better than too much. A wet side that stays late is a delay that the network learns; one that
    comes early would need the dry side's future.
    """
    frames = delay.frames
    sure = delay.uncertainty_frames * (EARLY_SURE if frames < 0 else 1.0)
    if abs(frames) < max(LEAST_DELAY, sure):
        return 0.0
    if delay.uncertainty_frames > DOUBTFUL:
        return float(math.floor(frames - delay.uncertainty_frames)) if math.isfinite(delay.uncertainty_frames) else 0.0
    if delay.uncertainty_frames > UNSURE:
        return float(math.floor(frames + WHOLE_ABOVE))
    whole = math.floor(frames + 0.5)
    return float(whole) if -WHOLE_ABOVE <= frames - whole <= WHOLE_BELOW else frames


def take_out(dry: Float32Array, wet: Float32Array, frames: float) -> tuple[Float32Array, Float32Array]:
    """Both sides without the delay, cut to the same length.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        May differ in length. If `frames` is not whole, `wet` is changed in place.
    frames : float
        The delay of the wet side; negative if it is early.

    Returns
    -------
    dry, wet : float32 (frames,)
        Views of what was given.
    """
    whole = math.floor(frames)
    fraction = frames - whole
    if fraction:
        advance(wet, fraction)
    dry, wet = dry[max(0, -whole) :], wet[max(0, whole) :]
    length = min(len(dry), len(wet))
    return dry[:length], wet[:length]


def close_steps(dry: Float32Array, wet: Float32Array, steps: Sequence[Step]) -> tuple[Float32Array, Float32Array]:
    """Both sides with the wet one moved behind each step, so that it lies everywhere as before the first one.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        Of the same length, aligned before the first step.
    steps : sequence of Step
        In frames of `dry`, one after the other.

    Returns
    -------
    dry, wet : float32 (frames,)
        A view and a copy; silence where wet frames are missing.
    """
    if not steps:
        return dry, wet
    moves = [0]
    for step in steps:
        moves.append(moves[-1] + round(step.frames))
    frames = min(len(dry), len(wet) - moves[-1])
    closed = make_room(frames, on_disk=isinstance(wet, np.memmap))
    edges = [0, *(min(frames, max(0, round(step.at))) for step in steps), frames]
    for n, move in enumerate(moves):
        lost = max(0, moves[n - 1] - move) if n else 0
        start, end = min(edges[n] + lost, edges[n + 1]), edges[n + 1]
        closed[edges[n] : start] = 0
        inside = wet[max(0, start + move) : max(0, end + move)]
        before = max(0, -(start + move))
        closed[start : start + before] = 0
        closed[start + before : end] = inside[: end - start - before]
    return dry[:frames], closed


def advance(audio: Float32Array, fraction: float) -> None:
    """Move the audio forward by a fraction of a frame, in place.

    Parameters
    ----------
    audio : float32 (frames,)
        Silence is taken to lie on both sides of it. Summed in float64.
    fraction : float
        0 to 1 frame.

    Notes
    -----
    Interpolation with a Kaiser-windowed sinc of 64 taps; J. O. Smith, "Digital Audio Resampling Home Page", 2002.
    """
    taps = _design_taps(fraction)
    before = np.zeros(HALF_TAPS - 1)  # what was there before it was written over
    for start, block in audio_blocks(audio):
        after = audio[start + len(block) : start + len(block) + HALF_TAPS].astype(np.float64)
        after = np.pad(after, (0, HALF_TAPS - len(after)))
        around = np.concatenate([before, block.astype(np.float64), after])
        before = around[len(block) : len(block) + HALF_TAPS - 1].copy()
        block[:] = np.correlate(around, taps, "valid")


def _design_taps(fraction: float) -> NDArray[np.float64]:
    """The weights of the frames from 31 before to 32 after."""
    distance = np.arange(-HALF_TAPS + 1, HALF_TAPS + 1) - fraction
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (distance / HALF_TAPS) ** 2))) / np.i0(KAISER_BETA)
    taps = np.sinc(distance) * window
    normalised: NDArray[np.float64] = taps / taps.sum()
    return normalised
