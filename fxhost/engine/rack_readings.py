"""What a rack tells: what it has counted, and what went in and came out last."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from fxhost.engine.histogram import BUCKETS
from fxhost.engine.rack_memory import RackMemory
from fxhost.engine.statistics import MeterReading, Statistics, read_meters, read_statistics
from fxhost.engine.tape import Tape
from fxhost.stages.limiter import Limiter


@dataclass(frozen=True)
class _Span:
    """Where the frames begin that have come at one rate and in blocks of one size; what was counted before them."""

    blocks: int = 0
    frames: int = 0
    seconds: float = 0.0
    intervals: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BUCKETS, np.int64))


class RackReadings:
    """What a rack tells. A rack inherits it."""

    sample_rate: float
    channels: int
    tape: Tape
    _control: NDArray[Any]
    _data: RackMemory
    _limiters: tuple[Limiter, Limiter]
    _limited: int  # samples, by limiters of other rates
    _published: int
    _span: _Span = _Span()

    @property
    def has_finished(self) -> bool:
        """Whether a source that does not loop has been played to its end."""
        return bool(self._control["source_done"])

    @property
    def thread(self) -> int:
        """The system's number of the thread that plays; 0 before the first block, and where the system has none."""
        return int(self._control["thread"])

    @property
    def blocks(self) -> int:
        """How many blocks have been played."""
        return int(self._control["blocks"])

    @property
    def frames(self) -> int:
        """How many frames have been played."""
        return int(self._control["frames"])

    @property
    def block_frames(self) -> int:
        """The frames of the last block."""
        return int(self._control["block_frames"])

    @property
    def audio_s(self) -> float:
        """How long all frames that have been played last, in seconds."""
        return self._span.seconds + (self.frames - self._span.frames) / self.sample_rate

    def begin_span(self) -> None:
        """Count the intervals between callbacks anew: from now on they come otherwise."""
        self._span = _Span(self.blocks, self.frames, self.audio_s, self._data.intervals.copy())

    def statistics(self) -> Statistics:
        """Everything that was counted so far."""
        span, audio_s = self._span, self.audio_s
        intervals = self._data.intervals - span.intervals
        block_us = 1e6 * (audio_s - span.seconds) / max(1, self.blocks - span.blocks)
        counted = read_statistics(self._control, self._data.load, intervals, audio_s, block_us)
        return replace(counted, limited_samples=self._limited + sum(limiter.limited for limiter in self._limiters))

    def read_meters(self) -> MeterReading | None:
        """The levels between the last two calls, or None where no block has been played since."""
        return read_meters(self._control)

    def take_recording(self) -> Float32Array:
        """The output frames recorded since the last call, float32 (frames,) or of two channels (frames, 2)."""
        frames = self.tape.take()[1]
        return frames[:, 0] if self.channels == 1 else frames

    def last_heard(self, frames: int) -> Float32Array:
        """What went into the chain last, at most so many frames and not more than 0.6 s at 48 kHz: (2, frames)."""
        return self.heard_between(*self._data.last_heard(frames))

    def last_heard_frames(self, frames: int) -> tuple[int, int]:
        """The first of the frames of `last_heard`, counted from the beginning of the rack, and the one after them."""
        return self._data.last_heard(frames)

    def heard_between(self, first: int, end: int) -> Float32Array:
        """What went into the chain from one frame to another, which are among the last: (2, frames)."""
        return self._data.heard_between(first, end)

    def last_sent(self, frames: int) -> Float32Array:
        """What left the rack last, the mean of both channels, at most as many frames as of `last_heard`: (frames,)."""
        return self._data.last_sent(frames)

    @property
    def crossfade_frames(self) -> int:
        """How many frames a crossfade takes."""
        return int(self._control["crossfade_frames"])

    @property
    def crossfade_frame(self) -> int | None:
        """The frame at which the last change of the chain began to be heard; None where it has not yet."""
        is_heard = self._control["coming"] or self._control["released"] == self._published
        return int(self._control["coming_since"]) if is_heard else None

    def wait_for_block(self, timeout_s: float) -> bool:
        """Wait until a block of the stream has been played; tell whether one was."""
        deadline = time.perf_counter() + timeout_s
        while self._control["starting"] and time.perf_counter() < deadline:
            time.sleep(0.002)
        return not self._control["starting"]
