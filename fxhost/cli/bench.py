"""`fxhost bench`: options in, measurements out."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TypeVar

from rich.live import Live
from rich.text import Text

from fxhost.bench.blocks import BLOCK_FRAMES, Stopped, Timing, join_names, time_blocks
from fxhost.bench.disturbance import measure_quietly
from fxhost.bench.jitter import Jitter, measure_jitter
from fxhost.bench.limits import find_largest_hidden, find_smallest_block, play_in_real_time
from fxhost.bench.machine import describe_machine
from fxhost.bench.round_trip import RoundTrip, measure_round_trip
from fxhost.cli.bench_tables import (
    format_jitter,
    format_largest_hidden,
    format_smallest_block,
    tabulate_jitters,
    tabulate_round_trips,
    tabulate_timings,
    tabulate_trials,
)
from fxhost.cli.console import listening_for_ctrl_c, make_console, print_error, print_json
from fxhost.cli.idle_options import tell_idle_on_device
from fxhost.io.stream_options import Options
from fxhost.io.streams import VIRTUAL_BLOCK_FRAMES
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.preset.library import find_preset
from fxhost.riff import synthesise_riff
from fxhost.rig.rig import Rig
from fxhost.rig.slot import EffectSlot

ROW_S, TRIAL_S, STREAM_S = 1.0, 3.0, 10.0

Show = Callable[[str], None]
Row = TypeVar("Row")


def run_bench(options: argparse.Namespace) -> int:
    """`fxhost bench`."""
    presets = [read_preset(find_preset(name)) for name in options.presets]
    with listening_for_ctrl_c() as stopped:
        if options.stream:
            return run_stream(options, presets, stopped)
        if options.loopback:
            return run_loopback(options, presets, stopped)
        if options.largest_hidden or options.smallest_block:
            return run_limits(options, presets, stopped)
        return run_blocks(options, presets, stopped)


def bench_rate(options: argparse.Namespace, presets: Sequence[Preset]) -> int:
    """What to measure at without a device, in Hz."""
    return int(options.sample_rate or presets[0].sample_rate)


def collect(measure: Callable[[Show], Iterable[Row]], options: argparse.Namespace, stopped: Stopped) -> list[Row]:
    """All that is measured, or what was measured until Ctrl-C: one row or more."""
    rows = []
    with showing_progress(quiet=options.json) as show:
        try:
            for row in measure(show):
                rows.append(row)
                if stopped():
                    break
        except KeyboardInterrupt:  # in a row that has nothing to tell yet
            if not rows:
                raise
    return rows


# --- blocks ----------------------------------------------------------------------------------------------------------


def run_blocks(options: argparse.Namespace, presets: Sequence[Preset], stopped: Stopped) -> int:
    """Compute time, without a device."""
    rate, seconds = bench_rate(options, presets), options.seconds or ROW_S
    riff = synthesise_riff(rate)
    slots = {engine: Rig(tuple(presets), engine).slots_at(rate) for engine in options.engine}

    def measure(show: Show) -> Iterator[Timing]:
        for engine, frames in product(options.engine, options.block_frames or BLOCK_FRAMES):
            show(f"{engine} engine, blocks of {frames} frames")
            timing, disturbance = measure_quietly(
                partial(time_blocks, slots[engine], engine, frames, riff, seconds=seconds, stopped=stopped),
                lambda _: stopped(),
            )
            yield replace(timing, disturbance=disturbance)

    timings = collect(measure, options, stopped)
    if options.json:
        print_json([timing.as_dict() for timing in timings])
        return 0
    console = make_console()
    console.print(describe_machine(options.engine), soft_wrap=True)
    console.print(f"{timings[0].preset} at {timings[0].sample_rate} Hz, no device", soft_wrap=True)
    for slot in slots[options.engine[0]]:
        if isinstance(slot, EffectSlot) and not slot.plan.is_own:
            console.print(slot.plan.describe(), soft_wrap=True)
    console.print("compute time of a block in µs; its load, and how its load is spread\n")
    console.print(tabulate_timings(timings))
    print_disturbances(timings)
    return 0


# --- the device ------------------------------------------------------------------------------------------------------


def device_options(options: argparse.Namespace, block_frames: int) -> Options:
    """The options of a session."""
    return Options(
        input_device=options.input_device or options.device,
        output_device=options.output_device or options.device,
        input_channel=options.input_channel or 0,
        block_frames=block_frames,
        latency=options.latency,
        duration_s=(options.duration or STREAM_S) if options.stream else None,
        sample_rate=options.sample_rate,
    )


def run_stream(options: argparse.Namespace, presets: Sequence[Preset], stopped: Stopped) -> int:
    """Jitter, compute time and xruns on a device, until it fails."""

    def measure(show: Show) -> Iterator[Jitter]:
        for engine, frames in product(options.engine, options.block_frames or [0]):
            chosen = device_options(options, frames)
            show(f"{engine} engine, {chosen.duration_s:g} s on the device")
            jitter = measure_jitter(
                Rig(tuple(presets), engine), chosen, stress=options.stress, notice=print_error, stopped=stopped
            )
            yield jitter
            if jitter.summary.error is not None:
                return

    jitters = collect(measure, options, stopped)
    tell_idle_on_device(options.given, jitters[0].summary.stream.host_api)
    if options.json:
        print_json([jitter.as_dict() for jitter in jitters])
    else:
        console = make_console()
        console.print(describe_machine(options.engine), soft_wrap=True)
        for jitter in jitters:
            console.print(format_jitter(jitter), soft_wrap=True)
        if (advice := jitters[0].summary.advice) is not None:
            console.print(advice, soft_wrap=True)
        console.print("times in µs; the bars are shares of the budget: how far off it is between two")
        console.print("blocks, and their compute time\n")
        console.print(tabulate_jitters(jitters))
        print_disturbances([jitter.timing for jitter in jitters])
    if (error := jitters[-1].summary.error) is not None:
        print_error(str(error))
        return 1
    return 0


def run_loopback(options: argparse.Namespace, presets: Sequence[Preset], stopped: Stopped) -> int:
    """The round trip through a cable."""

    def measure(show: Show) -> Iterator[RoundTrip]:
        for frames in options.block_frames or [0]:
            show("listening for bursts of noise")
            yield measure_round_trip(presets, device_options(options, frames), stopped=stopped)

    trips = collect(measure, options, stopped)
    tell_idle_on_device(options.given, trips[0].host_api)
    if options.json:
        print_json([trip.as_dict() for trip in trips])
        return 0
    console, first = make_console(), trips[0]
    console.print(f"{first.device} ({first.host_api}) at {first.sample_rate} Hz\n", soft_wrap=True)
    console.print(tabulate_round_trips(trips))
    if any(trip.is_kept for trip in trips):
        console.print("\nkept: `fxhost run` shows it on this device in place of what is claimed", soft_wrap=True)
    return 0


# --- what this machine can do ----------------------------------------------------------------------------------------


def run_limits(options: argparse.Namespace, presets: Sequence[Preset], stopped: Stopped) -> int:
    """The largest network for each block size, or the smallest block."""
    trials: list[Timing] = []
    rate, seconds = bench_rate(options, presets), options.seconds or TRIAL_S

    def look(show: Show) -> Iterator[str]:
        def measure(tried: Sequence[Preset], frames: int) -> Timing:
            show(f"trying {join_names(tried)} in blocks of {frames} frames")
            trials.append(play_in_real_time(tried, frames, sample_rate=rate, seconds=seconds, stopped=stopped))
            return trials[-1]

        try:
            if options.smallest_block:
                yield format_smallest_block(find_smallest_block(presets, measure), presets, rate)
            else:
                for frames in options.block_frames or [VIRTUAL_BLOCK_FRAMES]:
                    yield format_largest_hidden(find_largest_hidden(rate, frames, measure), frames, rate)
        except KeyboardInterrupt:
            if not trials:
                raise
            yield "interrupted: no answer yet"

    answers = collect(look, options, stopped)
    if options.json:
        print_json([{**timing.as_dict(), "fits": timing.fits} for timing in trials])
        return 0
    console = make_console()
    console.print(describe_machine(options.engine), soft_wrap=True)
    console.print("compute time of a block in µs; it fits where p99.9 is under half the budget\n")
    console.print(tabulate_trials(trials))
    console.print("", *answers, sep="\n", soft_wrap=True)
    print_disturbances([timing for timing in trials if not timing.fits])
    return 0


def print_disturbances(timings: Sequence[Timing]) -> None:
    """Say how much of the machine others used where that spoiled a measurement."""
    spoiled = [timing.disturbance for timing in timings if timing.disturbance and timing.is_spoiled]
    if spoiled:
        worst = max(spoiled, key=lambda disturbance: disturbance.total)
        print_error(
            f"{len(spoiled)} of {len(timings)} measurements were disturbed, at worst by {worst.describe()}; end what "
            "else runs on this machine and measure again"
        )


@contextmanager
def showing_progress(*, quiet: bool) -> Iterator[Show]:
    """Yield a function that shows in one line what is being measured; it does nothing without a terminal."""
    console = make_console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda text: None
        return
    # without a refreshing thread, which would be measured too
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda text: live.update(Text(f"{text} …"), refresh=True)
