"""What a run came to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fxhost.engine.statistics import Statistics
from fxhost.errors import FxhostError
from fxhost.io.realtime import HOW_TO_ALLOW, LockedMemory, Scheduling
from fxhost.io.streams import Stream, VirtualStream
from fxhost.rig.rig import Rig
from fxhost.rig.slot import Slot, list_effects


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Parameters
    ----------
    rig : Rig
    slots : sequence of Slot
        The places of the rack at the stream's rate.
    stream : Stream
        As it stands after the run.
    sample_rate : int
        In Hz.
    locked_memory : LockedMemory
    statistics : Statistics
        As they stood when the run ended.
    stopped_ns : int
        That moment, on the clock of `time.perf_counter_ns`.
    error : FxhostError or None
        What ended it, if something did.
    scheduling : Scheduling or None
        How the system scheduled the audio thread, where that is known.
    restarts : int
        How often the stream was opened again.
    away_s : float
        How long the process was stopped in between, in seconds.
    """

    rig: Rig
    slots: Sequence[Slot]
    stream: Stream
    sample_rate: int
    locked_memory: LockedMemory
    statistics: Statistics
    stopped_ns: int
    error: FxhostError | None
    scheduling: Scheduling | None
    restarts: int = 0
    away_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Without stops of the process: from the first block to the end, or to the last block where the device went."""
        end = self.stopped_ns if self.error is None else self.statistics.last_block_ns
        whole_s = (end - self.statistics.first_block_ns) * 1e-9 - self.away_s
        return max(0.0, whole_s) if self.statistics.blocks else 0.0

    @property
    def blocks_due(self) -> int:
        """How many blocks the time was worth, the first one included."""
        s = self.statistics
        # a tenth of a block for the jitter of the first and the last
        return int(self.seconds * s.blocks / s.audio_s + 0.1) + 1 if s.frames else 0

    @property
    def advice(self) -> str | None:
        """How to allow a real-time priority, where the thread of a device has none."""
        has_none = self.scheduling is not None and not self.scheduling.is_realtime
        return HOW_TO_ALLOW if has_none and not isinstance(self.stream, VirtualStream) else None

    @property
    def timing(self) -> dict[str, Any]:
        """How the stream kept time and what its latency is, for JSON; None is unknown."""
        s, stream = self.statistics, self.stream
        return {
            "stream_latency_s": stream.latency.seconds,
            "stream_latency_source": stream.latency.source,
            "claimed_latency_s": stream.claim.seconds,
            "claimed_latency_source": stream.claim.source,
            "block_frames_asked": stream.asked_frames or None,
            "latency_asked": stream.asked_latency,
            "blocks_at_once": s.blocks_at_once,
            "stream_restarts": self.restarts,
            "stopped_s": self.away_s,
        }

    @property
    def grants(self) -> dict[str, Any]:
        """What the system granted the audio thread, for JSON."""
        return {
            "scheduling": None if self.scheduling is None else asdict(self.scheduling),
            "scheduling_advice": self.advice,
            **asdict(self.locked_memory),
        }

    def as_dict(self, process_start_s: float) -> dict[str, Any]:
        """Everything, for JSON. `process_start_s` is on the clock of `time.perf_counter`."""
        s, stream = self.statistics, self.stream
        return {
            "presets": [effect.name for effect in list_effects(self.slots)],
            "slots": [{"kind": slot.kind, "name": slot.name} for slot in self.slots],
            "engine": self.rig.engine,
            "device": stream.name,
            "host_api": stream.host_api,
            "sample_rate": self.sample_rate,
            "rates": [effect.plan.as_dict() for effect in list_effects(self.slots)],
            "block_frames": s.block_frames,
            **self.timing,
            "seconds": self.seconds,
            "blocks": s.blocks,
            "blocks_due": self.blocks_due,
            "xruns": s.xruns.total,
            "xruns_by_kind": asdict(s.xruns),
            "load": asdict(s.load),
            "overruns": s.overruns,
            "input_peak_db": s.input_peak_db,
            "output_peak_db": s.output_peak_db,
            "interval_p50_us": s.interval_p50_us,
            "interval_p99_us": s.interval_p99_us,
            "bad_samples": s.bad_samples,
            "limited_samples": s.limited_samples,
            "lost_frames": s.lost_frames,
            **self.grants,
            "first_block_s": s.first_block_ns * 1e-9 - process_start_s if s.blocks else None,
        }
