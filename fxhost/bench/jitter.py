"""Jitter of a device while it plays: time between callbacks, compute time, and xruns."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fxhost.arrays import Float64Array
from fxhost.bench.blocks import FEWEST_BLOCKS, Stopped, Timing, join_names, stressing
from fxhost.bench.disturbance import Machine
from fxhost.bench.timed_rack import Spread, TimedRack, spread_of
from fxhost.control.commands import Quit
from fxhost.errors import DeviceError
from fxhost.io.stream_options import Options
from fxhost.rig.rig import Rig
from fxhost.rig.summary import Summary
from fxhost.session import Session


@dataclass(frozen=True)
class Jitter:
    """How the blocks of one run came.

    Attributes
    ----------
    timing : Timing
        Their compute time.
    intervals_us : float64 (blocks - 1,)
        From the beginning of each block to that of the next one; the nominal is `timing.budget_us`.
    summary : Summary
        What the run came to.
    stress : int
        How many busy threads were beside it.
    """

    timing: Timing
    intervals_us: Float64Array
    summary: Summary
    stress: int

    @property
    def spread(self) -> Spread:
        """The percentiles of the time between callbacks."""
        return spread_of(self.intervals_us)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the single times, for JSON."""
        stream, statistics = self.summary.stream, self.summary.statistics
        return {
            **self.timing.as_dict(),
            **self.spread.as_dict("interval_"),
            "device": stream.name,
            "host_api": stream.host_api,
            **self.summary.timing,
            "seconds": self.summary.seconds,
            "blocks": statistics.blocks,
            "blocks_due": self.summary.blocks_due,
            "xruns": statistics.xruns.total,
            "xruns_by_kind": asdict(statistics.xruns),
            "stress": self.stress,
            **self.summary.grants,
        }


def measure_jitter(
    rig: Rig,
    options: Options,
    *,
    stress: int,
    notice: Callable[[str], None],
    stopped: Stopped,
) -> Jitter:
    """Play a rig on a device, as a run does, and keep the time.

    Parameters
    ----------
    rig : Rig
    options : Options
        With a duration.
    stress : int
        How many Python threads to keep busy beside it.
    notice : callable
        As for `Session`.
    stopped : callable
        Whether to end now.

    Raises
    ------
    FxhostError
        If the device does not fit or does not start, or ends before there is anything to tell.
    KeyboardInterrupt
        If it was stopped before that.
    """
    session = Session(rig, options, notice, TimedRack)
    assert isinstance(session.rack, TimedRack)
    machine = Machine()
    with stressing(stress):
        summary = session.play(lambda: [Quit()] if stopped() else [])
    disturbance = machine.disturbance()
    times_ns = session.rack.times_ns()[: summary.statistics.blocks]  # without those that came while it ended
    if len(times_ns) < FEWEST_BLOCKS:
        if stopped():
            raise KeyboardInterrupt
        raise summary.error or DeviceError(
            f"'{session.stream.name}' called for {len(times_ns)} block in {summary.seconds:.2g} s, too few to measure: "
            f"{FEWEST_BLOCKS} are needed; give a longer --duration or smaller --block-frames"
        )
    took_us = np.diff(times_ns)[:, 0] * 1e-3
    timing = Timing(
        join_names(rig.presets),
        rig.engine,
        summary.statistics.block_frames,
        session.sample_rate,
        float(took_us[0]),
        took_us[1:],
        disturbance,
    )
    return Jitter(timing, np.diff(times_ns[:, 0]) * 1e-3, summary, stress)
