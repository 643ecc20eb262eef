"""Compute time of blocks: the whole compiled callback plays the built-in riff without a device.

Conventions: times are in µs; the budget of a block is its duration, frames ÷ sample rate; load is time ÷ budget. The
first block after a start is told apart from the later ones, which alone are in the percentiles.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array, Float64Array
from fxhost.bench.disturbance import Disturbance
from fxhost.bench.machine import read_cpu_model
from fxhost.bench.timed_rack import CAPACITY, Spread, TimedRack, spread_of
from fxhost.preset.effect import Preset
from fxhost.rig.build import build_chain
from fxhost.rig.slot import Slot

BLOCK_FRAMES = (16, 32, 64, 128, 256, 512, 1024)
LARGEST_LOAD = 0.5  # of p99.9, for what counts as played
FEWEST_BLOCKS = 2  # the first one and a later one

Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Timing:
    """How long the blocks of one engine and size took.

    Attributes
    ----------
    preset : str
        The names of the presets in the chain.
    engine : str
    block_frames : int
    sample_rate : int
        In Hz.
    first_block_us : float
    times_us : float64 (blocks,)
        All later blocks.
    disturbance : Disturbance or None
        What else the machine did; None where it is not known.
    """

    preset: str
    engine: str
    block_frames: int
    sample_rate: int
    first_block_us: float
    times_us: Float64Array
    disturbance: Disturbance | None = None

    @property
    def is_spoiled(self) -> bool:
        """Whether other programs or the machine's host had a part in it."""
        return self.disturbance is not None and self.disturbance.is_spoiled

    @property
    def budget_us(self) -> float:
        """The duration of a block, in µs."""
        return 1e6 * self.block_frames / self.sample_rate

    @property
    def spread(self) -> Spread:
        """The percentiles."""
        return spread_of(self.times_us)

    @property
    def fits(self) -> bool:
        """Whether p99.9 stays under half the budget."""
        return self.spread.p999_us < LARGEST_LOAD * self.budget_us

    def as_dict(self) -> dict[str, Any]:
        """Everything but the single times, for JSON."""
        spread = self.spread
        return {
            "preset": self.preset,
            "engine": self.engine,
            "block_frames": self.block_frames,
            "sample_rate": self.sample_rate,
            "blocks": 1 + len(self.times_us),
            "budget_us": self.budget_us,
            "first_block_us": self.first_block_us,
            **spread.as_dict(),
            "load_p99": spread.p99_us / self.budget_us,
            "us_per_frame": spread.p50_us / self.block_frames,
            "cpu": read_cpu_model(),
            "disturbance": self.disturbance and self.disturbance.as_dict(),
        }


def join_names(links: Sequence[Preset | Slot]) -> str:
    """The names of the links of a chain in one string."""
    return " → ".join(link.name for link in links)


def time_blocks(
    slots: Sequence[Slot],
    engine: str,
    block_frames: int,
    riff: Float32Array,
    *,
    seconds: float,
    stopped: Stopped = lambda: False,
) -> Timing:
    """Play slots as `--device virtual` does, but without waiting for the next block to be due.

    Parameters
    ----------
    slots : sequence of Slot
        At one rate.
    engine : {'compiled', 'torchscript'}
    block_frames : int
    riff : float32 (frames,)
        What to play, again and again.
    seconds : float
        How long to go on; at most `CAPACITY` blocks.
    stopped : callable
        Whether to end now. Two blocks are always played.

    Raises
    ------
    EngineError
        If the effect fails.
    """
    sample_rate = slots[0].sample_rate
    rack = TimedRack(build_chain(slots, engine), sample_rate, source=riff, source_loops=True)
    rack.connect(in_channels=0, in_channel=0, out_channels=1)
    silence, out = np.zeros(block_frames, np.float32), np.zeros(block_frames, np.float32)
    end = time.perf_counter() + seconds
    for block in range(CAPACITY):
        if block >= FEWEST_BLOCKS and (stopped() or time.perf_counter() >= end):
            break
        rack.process(silence, out)
    rack.check()
    took_us = np.diff(rack.times_ns())[:, 0] * 1e-3
    return Timing(join_names(slots), engine, block_frames, sample_rate, float(took_us[0]), took_us[1:])


# --- the machine -----------------------------------------------------------------------------------------------------


@contextmanager
def stressing(threads: int) -> Iterator[None]:
    """Keep Python threads busy with arithmetic and with allocating memory inside the block."""
    stop = threading.Event()
    workers = [
        threading.Thread(target=_work, args=(stop, seed), name=f"stress {seed}", daemon=True) for seed in range(threads)
    ]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def _work(stop: threading.Event, seed: int) -> None:
    number, kept = seed, [bytearray()] * 64
    while not stop.is_set():
        for _ in range(1000):
            number = (number * 31 + 7) % 1_000_003
        kept[number % len(kept)] = bytearray(1 << (6 + number % 15))  # 64 bytes to 1 MiB, old ones freed
