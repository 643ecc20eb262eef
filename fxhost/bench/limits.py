"""The largest network, and the smallest block, that this machine plays: p99.9 under half the block's budget.

What is tried plays on the virtual device, at the pace of real time, because a thread that never rests is held up by
whatever else the machine does, and an audio thread is not.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fxhost.bench.blocks import Stopped, Timing
from fxhost.bench.jitter import measure_jitter
from fxhost.io.stream_options import Options
from fxhost.io.streams import VIRTUAL
from fxhost.networks.recurrent import MAX_HIDDEN_SIZE, Recurrent
from fxhost.preset.effect import Preset
from fxhost.rig.rig import Rig

LARGEST_BLOCK = 1024
TURNS = 2  # before something is taken not to fit: the machine may be busy with something else now and then

SPOILED_TURNS = 4

Measure = Callable[[Sequence[Preset], int], Timing]  # of presets, in blocks of so many frames


def bisect_largest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The largest whole number from `low` to `high` that fits, or `low − 1` where none does.

    Parameters
    ----------
    fits : callable
        Where it is true of a number, it is taken to be true of all smaller ones.
    low, high : int
    """
    largest = low - 1
    while low <= high:
        middle = (low + high + 1) // 2
        if fits(middle):
            largest, low = middle, middle + 1
        else:
            high = middle - 1
    return largest


def fits_in_a_turn(measure: Callable[[], Timing]) -> bool:
    """Whether something fits in one of two turns; a turn that was spoiled does not count, up to four more times."""
    refusals = 0
    for _ in range(TURNS + SPOILED_TURNS):
        timing = measure()
        if timing.fits:
            return True
        refusals += not timing.is_spoiled
        if refusals == TURNS:
            break
    return False


def find_largest_hidden(sample_rate: int, block_frames: int, measure: Measure) -> int:
    """The hidden size, 1 to 256, of the largest network of one layer that fits; 0 where none does."""

    def fits(hidden_size: int) -> bool:
        preset = make_random_preset(hidden_size, sample_rate)
        return fits_in_a_turn(lambda: measure([preset], block_frames))

    return bisect_largest(fits, 1, MAX_HIDDEN_SIZE)


def find_smallest_block(presets: Sequence[Preset], measure: Measure) -> int:
    """The frames, 1 to 1024, of the smallest block in which presets fit; 1025 where they do in none."""

    def fits(negative_frames: int) -> bool:
        return fits_in_a_turn(lambda: measure(presets, -negative_frames))

    return -bisect_largest(fits, -LARGEST_BLOCK, -1)


def play_in_real_time(
    presets: Sequence[Preset], block_frames: int, *, sample_rate: int, seconds: float, stopped: Stopped
) -> Timing:
    """Play presets on the virtual device with the compiled engine.

    Parameters
    ----------
    presets : sequence of Preset
    block_frames : int
    sample_rate : int
        In Hz.
    seconds : float
    stopped : callable
        Whether to end now.

    Raises
    ------
    KeyboardInterrupt
        If it was stopped.
    """
    options = Options(
        input_device=VIRTUAL,
        output_device=VIRTUAL,
        block_frames=block_frames,
        duration_s=seconds,
        sample_rate=sample_rate,
    )
    timing = measure_jitter(Rig(tuple(presets)), options, stress=0, notice=lambda text: None, stopped=stopped).timing
    if stopped():
        raise KeyboardInterrupt
    return timing


def make_random_preset(hidden_size: int, sample_rate: int) -> Preset:
    """A network of one layer with random weights, seeded by its size.

    They are as small as those that a training starts from, with which an LSTM is stable.

    Parameters
    ----------
    hidden_size : int
        1 to 256.
    sample_rate : int
        In Hz.
    """
    rng = np.random.default_rng(hidden_size)
    architecture = Recurrent(layers=1, hidden_size=hidden_size)
    largest = 1.0 / math.sqrt(hidden_size)
    weights = {
        name: rng.uniform(-largest, largest, shape).astype(np.float32)
        for name, shape in architecture.weight_shapes().items()
    }
    return Preset(Path(), f"LSTM 1×{hidden_size}", sample_rate, architecture, (), weights, {}, 0.0, {})
