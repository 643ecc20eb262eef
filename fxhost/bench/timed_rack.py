"""A rack whose callback is timed, block by block: what `fxhost bench` measures with.

Around the rack's own callback, unchanged, lies another one, compiled too: it reads the clock, calls the one inside,
reads the clock again, and keeps both times in an array that Python made. Percentiles of those times are exact.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numba import carray
from numpy.typing import NDArray

from fxhost.arrays import Float64Array, aligned_zeros
from fxhost.engine.control_block import callback_signature
from fxhost.engine.rack import Rack
from fxhost.native.code_cache import cached_cfunc
from fxhost.native.intrinsics import address_of, call_callback, now_ns, words_at

CAPACITY = 1 << 20  # blocks whose times are kept, the first ones: 23 minutes of 64 frames at 48 kHz

TIMER = np.dtype(
    [
        ("clock", "i8", 2),  # scratch of the clock; must be first
        ("function", "i8"),  # address of the callback inside
        ("control", "i8"),  # address of its user data
        ("times", "i8"),  # address of int64 (CAPACITY, 2): when each block began and ended, in ns
        ("blocks", "i8"),
    ],
    align=True,
)

Int64Array = NDArray[np.int64]


@cached_cfunc(callback_signature(TIMER), error_model="numpy", forceinline=True)
def timed_callback(interleaved: Any, output: Any, frames: Any, time_info: Any, flags: Any, timer: Any) -> Any:
    """Play one block through the callback inside, and keep when it began and ended."""
    s = carray(timer, (1,))[0]
    clock = words_at(address_of(timer))
    times = carray(words_at(s.times), (CAPACITY, 2))
    begun = now_ns(clock)
    answer = call_callback(s.function, interleaved, output, frames, time_info, flags, s.control)
    ended = now_ns(clock)
    if s.blocks < CAPACITY:
        times[s.blocks, 0] = begun
        times[s.blocks, 1] = ended
        s.blocks += 1
    return answer


class TimedRack(Rack):
    """A rack that keeps the times of its first `CAPACITY` blocks. It is made and played like any other."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._timer = aligned_zeros(1, TIMER)
        self._times = aligned_zeros(2 * CAPACITY, np.int64)
        self._times.fill(0)  # touches every page, so that none is fetched while it plays
        super().__init__(*arguments, **options)
        timer = self._timer[0]
        timer["function"], timer["control"] = super().callback_address, super().control_address
        timer["times"] = self._times.ctypes.data

    @property
    def callback_address(self) -> int:
        """The address of the `PaStreamCallback` that keeps the time."""
        return int(timed_callback.address)

    @property
    def control_address(self) -> int:
        """The address of its user data."""
        return int(self._timer.ctypes.data)

    def leave_callback(self) -> None:
        """Play on with another address, as of any rack."""
        super().leave_callback()
        self._timer["control"] = super().control_address

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """What the audio thread touches."""
        return [*super().arrays, self._timer, self._times]

    def times_ns(self) -> Int64Array:
        """When each block began and ended, on the clock of `time.perf_counter_ns`; int64 (blocks, 2)."""
        return self._times.reshape(CAPACITY, 2)[: self._timer["blocks"][0]].copy()


@dataclass(frozen=True)
class Spread:
    """How times are spread, in µs: exact percentiles, each of them a time that was measured."""

    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float

    def as_dict(self, prefix: str = "") -> dict[str, float]:
        """All of them, for JSON."""
        return {prefix + key: value for key, value in asdict(self).items()}


def spread_of(times_us: Float64Array) -> Spread:
    """The percentiles of at least one time, float64 (blocks,)."""
    return Spread(*np.quantile(times_us, (0.5, 0.99, 0.999, 1.0), method="inverted_cdf").tolist())
