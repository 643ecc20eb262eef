"""The tables of `fxhost bench`: pure functions from what was measured to text and rich tables of 80 characters."""

import math
from collections.abc import Sequence

import numpy as np
from rich.table import Table

from fxhost.arrays import Float64Array
from fxhost.bench.blocks import Timing, join_names
from fxhost.bench.jitter import Jitter
from fxhost.bench.limits import LARGEST_BLOCK
from fxhost.bench.round_trip import RoundTrip
from fxhost.bench.timed_rack import Spread
from fxhost.cli.console import make_table
from fxhost.cli.screen_words import format_grants
from fxhost.networks.recurrent import MAX_HIDDEN_SIZE
from fxhost.preset.effect import Preset

HISTOGRAM_DECADES = (-3, 0)  # of the load: from a thousandth of the budget to all of it
BINS_PER_DECADE = 5
BARS = " ▁▂▃▄▅▆▇█"
AXIS = " … ".join(f"{100.0 * 10.0**decade:g} %" for decade in HISTOGRAM_DECADES)


def tabulate_timings(timings: Sequence[Timing]) -> Table:
    """A row for each engine and block size."""
    table = make_table("engine", "frames", "budget", "first", "p50", "p99", "p99.9", "max", "load\np99", AXIS)
    for timing in timings:
        table.add_row(
            timing.engine,
            str(timing.block_frames),
            format_us(timing.budget_us),
            format_us(timing.first_block_us),
            *format_spread(timing.spread),
            f"{timing.spread.p99_us / timing.budget_us:.1%}",
            draw_histogram(timing.times_us / timing.budget_us),
        )
    return align_numbers(table)


def tabulate_jitters(jitters: Sequence[Jitter]) -> Table:
    """Two rows for each engine and block size: the time between blocks, and their own."""
    table = make_table("engine", "frames", "time", "budget", "p50", "p99", "p99.9", "max", AXIS)
    for jitter in jitters:
        timing, budget_us = jitter.timing, jitter.timing.budget_us
        late_us = np.abs(jitter.intervals_us - budget_us)
        for what, spread, shares in (
            ("between", jitter.spread, late_us / budget_us),
            ("compute", timing.spread, timing.times_us / budget_us),
        ):
            table.add_row(
                timing.engine,
                str(timing.block_frames),
                what,
                format_us(budget_us),
                *format_spread(spread),
                draw_histogram(shares),
            )
    return align_numbers(table)


def tabulate_trials(trials: Sequence[Timing]) -> Table:
    """A row for each network and block size that was tried."""
    table = make_table("preset", "frames", "budget", "p50", "p99", "p99.9", "max", "fits", AXIS)
    for timing in trials:
        table.add_row(
            timing.preset,
            str(timing.block_frames),
            format_us(timing.budget_us),
            *format_spread(timing.spread),
            "yes" if timing.fits else "no",
            draw_histogram(timing.times_us / timing.budget_us),
        )
    return align_numbers(table)


def tabulate_round_trips(trips: Sequence[RoundTrip]) -> Table:
    """A row for each block size: what was measured beside what is claimed."""
    table: Table = make_table("frames", "round trip", "", "confidence", "bursts", "claimed", "", "xruns")
    for trip in trips:
        measured, claimed = (
            ("unknown", "") if frames is None else (f"{frames:.0f} frames", f"{trip.in_ms(frames):.2f} ms")
            for frames in (trip.round_trip_frames, trip.claimed_frames)
        )
        agreeing = f"{trip.bursts_agreeing} of {trip.bursts}"
        table.add_row(str(trip.block_frames), *measured, f"{trip.confidence:.3f}", agreeing, *claimed, str(trip.xruns))
    return table


def align_numbers(table: Table) -> Table:
    """All columns but the first and the last are numbers; a gap of one makes the whole fit 80 characters."""
    for column in table.columns[1:-1]:
        column.justify = "right"
    for column in table.columns:
        column.no_wrap = True
    table.padding = (0, 1, 0, 0)
    return table


def format_jitter(jitter: Jitter) -> str:
    """What was played, where, and how much of it."""
    timing, summary = jitter.timing, jitter.summary
    stream = summary.stream
    return (
        f"{timing.preset} on {stream.name} ({stream.host_api}) at {timing.sample_rate} Hz, "
        f"{stream.latency.describe()}: {summary.statistics.blocks} of {summary.blocks_due} blocks of "
        f"{timing.block_frames} frames, xruns {summary.statistics.xruns.total}, busy threads {jitter.stress}; audio "
        f"thread: {format_grants(summary.scheduling, summary.locked_memory)}"
    )


def format_largest_hidden(hidden_size: int, block_frames: int, sample_rate: int) -> str:
    """The answer to how large a network may be."""
    where = f"in blocks of {block_frames} frames at {sample_rate} Hz"
    if hidden_size == 0:
        return f"no network fits {where}; end what else runs on this machine, or try larger --block-frames"
    most = ", the largest that a preset may have" if hidden_size == MAX_HIDDEN_SIZE else ""
    return f"the largest network {where}: LSTM 1×{hidden_size}{most}"


def format_smallest_block(block_frames: int, presets: Sequence[Preset], sample_rate: int) -> str:
    """The answer to how small a block may be."""
    if block_frames > LARGEST_BLOCK:
        return (
            f"{join_names(presets)} does not fit in any block of up to {LARGEST_BLOCK} frames; end what else runs on "
            "this machine, or try a smaller preset"
        )
    duration_ms = 1e3 * block_frames / sample_rate
    return (
        f"the smallest block of {join_names(presets)} in frames: {block_frames} ({duration_ms:.2f} ms); whether a "
        "device keeps up with it, --stream tells"
    )


def format_us(microseconds: float) -> str:
    """A time in µs with as many digits as tell something."""
    digits = 2 if microseconds < 9.995 else 1 if microseconds < 99.95 else 0
    return f"{microseconds:.{digits}f}"


def format_spread(spread: Spread) -> list[str]:
    """The four percentiles."""
    return [format_us(value) for value in (spread.p50_us, spread.p99_us, spread.p999_us, spread.max_us)]


def draw_histogram(shares: Float64Array) -> str:
    """A bar for each bin of a share of the budget, in equal steps of its logarithm.

    Parameters
    ----------
    shares : float64 (blocks,)
        0 and above; what is outside of the axis is counted at its ends.

    Returns
    -------
    str
        A bar's height grows with the logarithm of the count, so that a single late block shows.
    """
    low, high = HISTOGRAM_DECADES
    bins = (high - low) * BINS_PER_DECADE
    places = np.floor((np.log10(np.maximum(shares, 1e-9)) - low) * BINS_PER_DECADE).astype(int)
    counts = np.bincount(np.clip(places, 0, bins - 1), minlength=bins)
    heights = np.log1p(counts) * (len(BARS) - 1) / math.log1p(counts.max())
    return "".join(BARS[math.ceil(height - 1e-9)] for height in heights)
