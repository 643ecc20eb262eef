"""What a rack counts while it plays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import to_db
from fxhost.engine.histogram import count_from, percentiles


@dataclass(frozen=True)
class Xruns:
    """How often PortAudio reported each kind of under- and overflow."""

    input_underflows: int
    input_overflows: int
    output_underflows: int
    output_overflows: int

    @property
    def total(self) -> int:
        """All four kinds together."""
        return self.input_underflows + self.input_overflows + self.output_underflows + self.output_overflows


@dataclass(frozen=True)
class Load:
    """Compute time ÷ block duration: below 1 keeps up."""

    p50: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True)
class MeterReading:
    """What the meters show, in dB relative to full scale: the raw input, and what leaves the rack."""

    input_peak_db: float
    output_peak_db: float
    input_rms_db: float
    output_rms_db: float


@dataclass(frozen=True)
class Statistics:
    """What the callback has counted since the start. Times are those of `time.perf_counter_ns`; 0 where none was.

    `overruns` is how many blocks took longer to compute than they last. `blocks_at_once` is how many blocks come one
    right after the other, 1 where they come evenly: a device with longer periods calls for several at the end of each.
    The intervals between callbacks are counted anew where the stream changes its block size or its sample rate.
    `audio_s` is how long all frames together last, in seconds.
    """

    blocks: int
    frames: int
    audio_s: float
    block_frames: int
    first_block_ns: int
    last_block_ns: int
    xruns: Xruns
    load: Load
    overruns: int
    interval_p50_us: float
    interval_p99_us: float
    blocks_at_once: float
    input_peak_db: float
    output_peak_db: float
    bad_samples: int
    limited_samples: int
    lost_frames: int


def read_statistics(
    control: NDArray[Any], loads: NDArray[np.int64], intervals_us: NDArray[np.int64], audio_s: float, block_us: float
) -> Statistics:
    """The counters of the callback, except the number of limited samples.

    Parameters
    ----------
    control : record
        Of `fxhost.engine.control_block.CONTROL`.
    loads, intervals_us : int64 (BUCKETS,)
        Histograms: of the load in millionths, and of the time between callbacks.
    audio_s : float
        How long the frames last, in seconds.
    block_us : float
        How long a block lasts in the mean where the intervals were counted, in µs.
    """
    c = control
    p50, p99, p999 = (value * 1e-6 for value in percentiles(loads, (0.5, 0.99, 0.999)))
    longest = float(c["max_load"])
    intervals = percentiles(intervals_us, (0.5, 0.99))
    counted = int(intervals_us.sum())
    return Statistics(
        blocks=int(c["blocks"]),
        frames=int(c["frames"]),
        audio_s=audio_s,
        block_frames=int(c["block_frames"]),
        first_block_ns=int(c["first_block_ns"]),
        last_block_ns=int(c["last_block_ns"]),
        xruns=Xruns(
            *(int(c[f"{side}_{kind}"]) for side in ("input", "output") for kind in ("underflows", "overflows"))
        ),
        load=Load(min(p50, longest), min(p99, longest), min(p999, longest), longest),
        overruns=count_from(loads, 1e6),
        interval_p50_us=intervals[0],
        interval_p99_us=intervals[1],
        blocks_at_once=counted / apart if (apart := count_from(intervals_us, 0.5 * block_us)) else 1.0,
        input_peak_db=to_db(float(c["input_peak"])),
        output_peak_db=to_db(float(c["output_peak"])),
        bad_samples=int(c["bad_samples"]),
        limited_samples=0,
        lost_frames=int(c["ring_lost"]),
    )


def read_meters(control: NDArray[Any]) -> MeterReading | None:
    """The levels between the last two calls, or None where no block has been played since; asks for the next ones."""
    c = control
    if c["meter_answered"] != c["meter_request"] or not c["metered_frames"]:
        if c["meter_answered"] == c["meter_request"]:
            c["meter_request"] += 1
        return None
    peaks_and_energies = c["metered"].astype(float)
    rms = np.sqrt(peaks_and_energies[2:] / float(c["metered_frames"]))
    c["meter_request"] += 1
    return MeterReading(*(to_db(float(level)) for level in (*peaks_and_energies[:2], *rms)))
