"""What a rack counts while it plays."""

from dataclasses import dataclass


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

    `blocks_at_once` is how many blocks come one right after the other, 1 where they come evenly: a device with longer
    periods calls for several at the end of each.
    """

    blocks: int
    frames: int
    block_frames: int
    first_block_ns: int
    last_block_ns: int
    xruns: Xruns
    load: Load
    interval_p50_us: float
    interval_p99_us: float
    blocks_at_once: float
    input_peak_db: float
    output_peak_db: float
    bad_samples: int
    limited_samples: int
    lost_frames: int
