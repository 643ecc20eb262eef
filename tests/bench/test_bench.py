"""The benchmark measures what it says it does. How fast anything is, is not asserted."""

import itertools
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from fxhost.arrays import Float32Array
from fxhost.bench.blocks import Timing, stressing
from fxhost.bench.jitter import measure_jitter
from fxhost.bench.limits import bisect_largest, find_largest_hidden, find_smallest_block, make_random_preset
from fxhost.bench.round_trip import LEAST_CONFIDENCE, PERIOD_S, find_burst, make_burst
from fxhost.bench.timed_rack import TimedRack, spread_of
from fxhost.cli import bench, main
from fxhost.cli.bench_tables import draw_histogram, format_largest_hidden, format_smallest_block, format_us
from fxhost.engine.rack import Rack
from fxhost.io.stream_options import Options
from fxhost.networks.recurrent import MAX_HIDDEN_SIZE
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import compiled_stage
from fxhost.riff import synthesise_riff
from fxhost.rig import rig
from fxhost.rig.build import Chain, build_chain
from fxhost.rig.rig import Rig
from fxhost.rig.slot import slots_at_own_rate
from fxhost.stages.base import Stage
from fxhost.stages.loopback import Loopback
from tests.conftest import RATE, ROOT, assert_one_line, assert_torch_stays_out, jack_server, run_fxhost, without_waits

MakePreset = Callable[..., Path]
PERIOD = 1024
SIZES = [16, 32, 64, 128, 256, 512, 1024]
ROW = {
    "engine", "block_frames", "sample_rate", "blocks", "p50_us", "p99_us", "p999_us", "max_us", "load_p99",
    "us_per_frame", "first_block_us", "budget_us", "preset", "cpu", "disturbance",
}  # fmt: skip
GRANTS = {"scheduling", "scheduling_advice", "locked_bytes", "wanted_bytes"}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_here(capsys: pytest.CaptureFixture[str]) -> Run:
    """A runner of `fxhost bench` in this process, which has everything loaded; the answer is that of `run_fxhost`."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = ["bench", *map(str, arguments)]
        try:
            code = main(words)
        except SystemExit as err:
            code = int(err.code or 0)
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    return run


# Continuous integration must run these tests; elsewhere they need jackd2 and its library.
needs_jack = pytest.mark.skipif(
    shutil.which("jackd") is None and not os.environ.get("CI"), reason="needs a JACK server: apt install jackd2"
)


def make_sleeper(block_number: int, seconds: float) -> Stage:
    """A stage that sleeps in one of its blocks, counted from 0."""
    import ctypes

    blocks = iter(range(1_000_000))

    def play(state: int, block: int, frames: int) -> None:
        if next(blocks) == block_number:
            time.sleep(seconds)

    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(play)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return Stage(address, np.zeros(1), np.zeros(0, np.int64), function)


# --- the clock around the callback -----------------------------------------------------------------------------------


def test_a_timed_rack_plays_what_a_rack_plays_to_the_bit(make_preset: MakePreset, guitar: Float32Array) -> None:
    chains = [build_chain(slots_at_own_rate([read_preset(make_preset(1, 20))])) for _ in range(2)]
    plain, timed = Rack(chains[0], RATE), TimedRack(chains[1], RATE)
    expected, got = np.zeros(RATE, np.float32), np.zeros(RATE, np.float32)
    for start in range(0, RATE, 509):
        block = slice(start, min(start + 509, RATE))
        for rack, out in ((plain, expected), (timed, got)):
            rack.process(guitar[block], out[block])
    assert np.abs(expected).max() > 0.01
    assert np.array_equal(got, expected)
    assert timed.blocks == len(timed.times_ns()) == -(-RATE // 509)


def test_a_timed_rack_changes_its_chain_like_any_other() -> None:
    rack, block, out = TimedRack([], RATE, records=True), np.full(4800, 0.5, np.float32), np.zeros(4800, np.float32)
    rack.process(block, out)
    rack.replace_chain([make_sleeper(-1, 0)])
    assert rack.is_crossfading
    rack.process(block, out)
    assert not rack.is_crossfading
    assert len(rack.take_recording()) == 9600


def test_each_block_has_its_own_time_around_the_whole_callback() -> None:
    rack = TimedRack([make_sleeper(3, 0.05)], RATE)
    block, out = np.zeros(17, np.float32), np.zeros(17, np.float32)
    before = time.perf_counter_ns()
    for _ in range(6):
        rack.process(block, out)
    after = time.perf_counter_ns()
    times = rack.times_ns()
    took = times[:, 1] - times[:, 0]
    assert np.argmax(took) == 3
    assert took[3] >= 50_000_000
    assert np.all(np.diff([before, *times.ravel(), after]) >= 0)
    # the callback's own clock, inside ours, cannot have seen more
    assert rack.statistics().load.max * 17e9 / RATE <= took[3]


def test_percentiles_are_times_that_were_measured() -> None:
    times = np.random.default_rng(5).permutation(np.arange(1, 2001)).astype(np.float64)
    spread = spread_of(times)
    assert (spread.p50_us, spread.p99_us, spread.p999_us, spread.max_us) == (1000, 1980, 1998, 2000)
    assert set(spread_of(times[:1]).as_dict().values()) == {times[0]}


# --- the device ------------------------------------------------------------------------------------------------------


def test_a_late_block_is_seen_in_the_intervals_and_in_the_compute_time(make_preset: MakePreset) -> None:
    options = Options(input_device="virtual", output_device="virtual", block_frames=64, duration_s=0.6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig, "build_chain", lambda *arguments: Chain([make_sleeper(5, 0.2)], [()]))
        jitter = measure_jitter(
            Rig((read_preset(make_preset()),)), options, stress=0, notice=print, stopped=lambda: False
        )
    assert np.argmax(jitter.intervals_us) == 5
    assert np.argmax(jitter.timing.times_us) == 4  # the first block is apart
    assert jitter.spread.max_us >= jitter.timing.spread.max_us >= 200_000
    assert len(jitter.intervals_us) == len(jitter.timing.times_us) == jitter.summary.statistics.blocks - 1
    assert jitter.summary.statistics.xruns.output_underflows >= 1


def test_busy_threads_take_memory_and_are_gone_in_the_end() -> None:
    before = threading.active_count()
    tracemalloc.start()
    try:
        with stressing(3):
            time.sleep(0.5)
            assert threading.active_count() == before + 3
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak > 1 << 20
    assert threading.active_count() == before


def test_a_stream_is_a_row_for_each_block_size(make_preset: MakePreset, run_here: Run) -> None:
    arguments = make_preset(), "--stream", "--device", "virtual", "--duration", 0.3, "--block-frames", 17, 509
    done = run_here(*arguments, "--json")
    assert (done.returncode, without_waits(done.stderr)) == (0, "")
    rows = json.loads(done.stdout)
    assert [row["block_frames"] for row in rows] == [17, 509]
    for row in rows:
        assert (
            set(row)
            >= ROW | {"stream_latency_s", "xruns", "xruns_by_kind", "blocks_due", "seconds", "host_api"} | GRANTS
        )
        assert (row["device"], row["stress"]) == ("virtual", 0)
        assert 0 < row["interval_p50_us"] <= row["interval_p99_us"] <= row["interval_p999_us"] <= row["interval_max_us"]
    shown = run_here(*arguments).stdout
    assert "on virtual (none) at 48000 Hz, stream latency 20.0 ms" in shown
    assert re.search(r"; audio thread: .* of \d+\.\d MB locked in memory", shown)
    assert [line.split()[1:3] for line in shown.splitlines() if line.startswith("compiled ")] == [
        ["17", "between"], ["17", "compute"], ["509", "between"], ["509", "compute"],
    ]  # fmt: skip


def test_a_stream_that_is_interrupted_tells_what_it_has(make_preset: MakePreset) -> None:
    command = [sys.executable, "-m", "fxhost.cli", "bench", make_preset(), "--stream", "--device", "virtual"]
    command += ["--duration", "60", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as run:
        wait_until_it_hears(run.pid)
        time.sleep(2)
        run.send_signal(signal.SIGINT)
        stdout, stderr = run.communicate(timeout=30)
    assert (run.returncode, without_waits(stderr)) == (0, "")
    (row,) = json.loads(stdout)
    assert row["blocks"] > 1
    assert row["seconds"] < 40


def wait_for_ports(server: str) -> None:
    """Wait until a host has its ports on a JACK server."""
    import jack

    client = jack.Client("watcher", no_start_server=True, servername=server)
    try:
        deadline = time.monotonic() + 30
        while len(client.get_ports("fxhost:", is_audio=True)) < 3:
            assert time.monotonic() < deadline, "the host's ports did not appear"
            time.sleep(0.02)
    finally:
        client.close()


@needs_jack
def test_a_server_that_goes_away_is_said_after_what_was_measured(make_preset: MakePreset) -> None:
    command = [sys.executable, "-m", "fxhost.cli", "bench", make_preset(), "--stream", "--stress", "1", "--json"]
    with (
        jack_server(PERIOD) as env,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT) as run,
    ):
        wait_for_ports(env["JACK_DEFAULT_SERVER"])
        time.sleep(1)
        os.kill(int(env["TEST_JACK_PID"]), signal.SIGTERM)
        stdout, stderr = run.communicate(timeout=30)
    assert run.returncode == 1
    assert "'system' went away while playing" in stderr
    assert stderr.count("\n") == 1
    (row,) = json.loads(stdout)
    assert (row["device"], row["block_frames"], row["stress"]) == ("system", PERIOD, 1)
    assert row["blocks"] > 10


def test_a_duration_of_one_block_is_one_clear_line(make_preset: MakePreset, run_here: Run) -> None:
    done = run_here(make_preset(), "--stream", "--device", "virtual", "--duration", 0.01, "--block-frames", 65536)
    assert_one_line(done, "'virtual' called for 1 block in")


# --- the loop --------------------------------------------------------------------------------------------------------

HUM = 0.3 * np.sin(2 * np.pi * 50 * np.arange(RATE) / RATE)
HISS = 0.05 * np.random.default_rng(11).standard_normal(RATE)


@pytest.mark.parametrize(
    ("gain", "beside"), [(1.0, 0.0), (-0.5, 0.0), (0.01, 0.2), (1.0, HUM), (0.2, HISS)],
    ids=["clean", "inverted", "soft with an offset", "hum", "hiss"],
)  # fmt: skip
@pytest.mark.parametrize("delay", [0, 1, 509, 20_011])
def test_a_burst_is_found_to_the_frame(delay: int, gain: float, beside: float | np.ndarray) -> None:  # type: ignore[type-arg]
    burst = make_burst(RATE)
    heard = np.zeros(RATE)
    heard[delay : delay + len(burst)] = gain * burst
    found, confidence = find_burst(burst, (heard + beside).astype(np.float32))
    assert found == delay
    assert LEAST_CONFIDENCE < confidence <= 1.0
    if isinstance(beside, float) and not beside:
        assert confidence > 0.999999


@pytest.mark.parametrize("what", [np.zeros(RATE), np.full(RATE, 0.1), HUM, HISS, HISS * 1e-9, synthesise_riff(RATE)])
def test_what_is_no_burst_is_not_taken_for_one(what: np.ndarray) -> None:  # type: ignore[type-arg]
    assert find_burst(make_burst(RATE), what.astype(np.float32)[:RATE])[1] < LEAST_CONFIDENCE / 2


def test_the_ends_of_the_loop_keep_step_in_blocks_of_any_size(guitar: Float32Array) -> None:
    signal = np.random.default_rng(2).uniform(-1, 1, 5003).astype(np.float32)
    loop = Loopback(signal)
    out, start = guitar[:6000].copy(), 0
    for frames in (1, 3, 17, 64, 509, 2048, 3358):
        loop.process(out[start : start + frames])
        start += frames
        assert np.array_equal(loop.recorded, guitar[: min(start, 5003)])
        assert loop.has_finished == (start >= 5003)
    assert np.array_equal(out, np.concatenate([signal, np.zeros(997, np.float32)]))


class Delay:
    """A JACK client that sends what comes in out again, so many frames later; its name is the device's.

    A list of several delays is gone through, one each `PERIOD_S`, which makes a loop without a steady length.
    """

    def __init__(self, server: str, name: str, *delays: int) -> None:
        import jack

        self.client = jack.Client(name, no_start_server=True, servername=server)
        heard, sent = self.client.inports.register("in"), self.client.outports.register("out")
        past = np.zeros(max(delays) + PERIOD, np.float32)
        periods = itertools.count()

        @self.client.set_process_callback
        def process(frames: int) -> None:
            past[:-PERIOD] = past[PERIOD:].copy()
            past[-PERIOD:] = heard.get_array()
            turn = int(next(periods) * PERIOD / RATE / PERIOD_S) % len(delays)
            end = len(past) - delays[turn]
            sent.get_array()[:] = past[end - PERIOD : end]

        self.client.activate()

    def close(self) -> None:
        self.client.deactivate()
        self.client.close()


@needs_jack
def test_the_round_trip_is_exact_to_the_frame_and_no_loop_is_refused() -> None:
    with jack_server(PERIOD) as env:
        known = {"none": [0], "prime": [509], "wandering": [5, 77, 1001]}
        delays = [Delay(env["JACK_DEFAULT_SERVER"], name, *frames) for name, frames in known.items()]
        try:
            for _ in range(3):  # a hiccup of this machine that JACK itself reports is not the host's: measure again
                done = {name: measure_loop(env, name) for name in (*known, "system")}
                results = {name: run.communicate(timeout=60) for name, run in done.items()}
                trips = {name: json.loads(out)[0] for name, (out, _) in results.items() if out}
                if all(trip["xruns"] == 0 for trip in trips.values()):
                    break
            plays = [
                json.loads(run_fxhost("run", "identity", "--device", name, "--duration", 0.3, "--json", env=env).stdout)
                for name in ("prime", "system")
            ]
        finally:
            for delay in delays:
                delay.close()
    assert {name: run.returncode for name, run in done.items()} == {name: int(name not in trips) for name in results}
    # JACK hands what went out in one period to whoever comes later in a circle of clients in the next one
    assert {name: trip["round_trip_frames"] for name, trip in trips.items()} == {
        "none": PERIOD, "prime": PERIOD + 509,
    }  # fmt: skip
    for trip in trips.values():
        assert trip["confidence"] > 0.999999
        assert (trip["bursts"], trip["bursts_agreeing"], trip["block_frames"]) == (3, 3, PERIOD)
        assert trip["round_trip_ms"] == pytest.approx(1000 * trip["round_trip_frames"] / RATE)
        assert trip["claimed_frames"] is None  # the loop has no hardware in it, whose latency JACK could know
        assert trip["is_kept"]
    # from now on runs show what was measured there, and nowhere else
    assert [(play["stream_latency_source"], play["claimed_latency_source"]) for play in plays] == [
        ("measured", "block"), ("server", "server"),
    ]  # fmt: skip
    assert plays[0]["stream_latency_s"] == pytest.approx((PERIOD + 509) / RATE)
    assert "'wandering' has no steady length" in results["wandering"][1]
    assert "no loop on 'system': what came in correlates 0.000" in results["system"][1]
    assert all(err.count("\n") == (name not in trips) for name, (_, err) in results.items())


def measure_loop(env: dict[str, str], device: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fxhost.cli", "bench", "identity", "--loopback", "--device", device, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT)


def test_a_loop_needs_a_real_device(run_here: Run, tmp_path: Path) -> None:
    assert_one_line(run_here("--loopback", "--device", "virtual"), "the virtual device has no loop")
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    assert_one_line(run_fxhost("bench", "--loopback", env=env), "no PortAudio library on this machine")


# --- what the machine can do -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 128), (-7, 9)])
def test_a_bisection_finds_what_counting_finds(low: int, high: int) -> None:
    for largest in range(low - 1, high + 1):
        asked = []

        def fits(number: int, largest: int = largest, asked: list[int] = asked) -> bool:
            asked.append(number)
            return number <= largest

        assert bisect_largest(fits, low, high) == largest
        assert len(asked) <= math.ceil(math.log2(high - low + 2))
        assert all(low <= number <= high for number in asked)


def pretend(fitting: Callable[[int, int], bool], late: int) -> Callable[[Sequence[Preset], int], Timing]:
    """A measurement that knows which hidden sizes and blocks fit, and whose first `late` turns are spoilt."""
    turns = itertools.count()

    def measure(presets: Sequence[Preset], frames: int) -> Timing:
        fits = fitting(presets[0].architecture.hidden_size, frames) and next(turns) >= late
        share = 0.49 if fits else 0.51
        times = np.full(1001, share * 1e6 * frames / RATE)
        times[-1] *= 100  # one block of a thousand may be late
        return Timing(presets[0].name, "compiled", frames, RATE, 1e9, times)

    return measure


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("limit", [0, 1, 77, 128, MAX_HIDDEN_SIZE])
def test_the_largest_network_and_the_smallest_block_are_found(limit: int, late: int) -> None:
    largest = find_largest_hidden(RATE, 64, pretend(lambda hidden, frames: hidden <= limit and frames == 64, late))
    assert largest == limit
    preset = make_random_preset(8, RATE)
    smallest = find_smallest_block([preset], pretend(lambda hidden, frames: frames > 8 * limit, late))
    assert smallest == min(8 * limit + 1, 1025)
    told = format_largest_hidden(largest, 64, RATE) + format_smallest_block(smallest, [preset], RATE)
    assert ("no network fits" in told) == (limit == 0)
    assert ("the largest that a preset may have" in told) == (limit == MAX_HIDDEN_SIZE)
    assert ("does not fit in any block" in told) == (limit >= 128)


@pytest.mark.parametrize("hidden_size", [1, 17, 128])
def test_a_random_network_comes_to_rest_and_is_no_silence(hidden_size: int) -> None:
    preset = make_random_preset(hidden_size, RATE)
    stage = compiled_stage(preset)
    sound = synthesise_riff(RATE)[:RATE].copy()
    stage.process(sound)
    silence = np.zeros(2 * RATE, np.float32)
    stage.process(silence)
    assert np.isfinite(sound).all()
    assert np.ptp(sound) > 1e-3
    assert np.ptp(silence[RATE:]) < 1e-6
    assert all(
        np.array_equal(preset.weights[name], array)
        for name, array in make_random_preset(hidden_size, RATE).weights.items()
    )


@pytest.mark.parametrize(
    ("what", "answer"), [(["--largest-hidden", "--block-frames", "509"], "network"), (["--smallest-block"], "block")]
)  # fmt: skip
def test_the_limits_are_looked_for_and_every_trial_is_told(
    what: list[str], answer: str, make_preset: MakePreset, run_here: Run
) -> None:
    arguments = *([make_preset()] if answer == "block" else []), *what, "--seconds", 0.05
    shown = run_here(*arguments)
    assert (shown.returncode, without_waits(shown.stderr)) == (0, "")
    assert re.search(rf"(the (largest|smallest) {answer}|no network fits|does not fit)", shown.stdout.splitlines()[-1])
    rows = json.loads(run_here(*arguments, "--json").stdout)
    assert len(rows) >= 7
    for row in rows:
        assert set(row) == ROW | {"fits"}
        assert row["fits"] == (row["p999_us"] < 0.5 * row["budget_us"])
    if answer == "network":
        assert {row["block_frames"] for row in rows} == {509}
        assert rows[0]["preset"] == "LSTM 1×129"
    else:
        assert rows[0]["block_frames"] == 512
        assert {row["preset"] for row in rows} == {"1x8-1-False-48000"}


@pytest.mark.parametrize("done", [0, 2])
def test_a_search_that_is_interrupted_tells_its_trials(
    done: int, run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = itertools.count()
    measure = pretend(lambda hidden, frames: True, 0)

    def play(presets: Sequence[Preset], frames: int, **_: object) -> Timing:
        if next(turns) == done:
            raise KeyboardInterrupt
        return measure(presets, frames)

    monkeypatch.setattr(bench, "play_in_real_time", play)
    shown = run_here("--largest-hidden")
    assert (shown.returncode, without_waits(shown.stderr)) == ((0, "") if done else (130, "fxhost: interrupted\n"))
    assert shown.stdout.count("LSTM 1×") == done
    assert shown.stdout.endswith("interrupted: no answer yet\n" if done else "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--smallest-block --block-frames 64 128", "--block-frames 64 128 does nothing with --smallest-block"),
        ("--largest-hidden --engine torchscript", "--engine torchscript does nothing with --largest-hidden"),
        ("--stream --seconds 3", "--seconds 3 does nothing with --stream"),
        ("--loopback --duration 3", "--duration 3 does nothing with --loopback"),
        ("--stress 2", "--stress 2 does nothing without --stream; leave it out"),
        ("--device virtual", "--device virtual does nothing without --loopback or --stream; leave it out"),
        ("--input-channel 2", "--input-channel 2 does nothing without"),
        ("--latency high", "--latency high does nothing without"),
    ],
)
def test_an_option_that_would_be_ignored_is_one_clear_line(arguments: str, message: str, run_here: Run) -> None:
    assert_one_line(run_here(*arguments.split()), message)


# --- blocks ----------------------------------------------------------------------------------------------------------


def test_without_options_all_sizes_are_measured_on_a_shipped_preset() -> None:
    done = run_fxhost("bench", "--seconds", 0.05, "--json")
    assert (done.returncode, without_waits(done.stderr)) == (0, "")
    rows = json.loads(done.stdout)
    assert [row["block_frames"] for row in rows] == SIZES
    for row in rows:
        assert set(row) == ROW
        assert (row["engine"], row["sample_rate"]) == ("compiled", RATE)
        assert row["budget_us"] == pytest.approx(1e6 * row["block_frames"] / RATE)
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["p999_us"] <= row["max_us"]
        assert row["load_p99"] == pytest.approx(row["p99_us"] / row["budget_us"])
        assert row["us_per_frame"] == pytest.approx(row["p50_us"] / row["block_frames"])
        assert row["blocks"] >= 2
        assert row["first_block_us"] > 0


def test_blocks_are_measured_at_another_rate(make_preset: MakePreset, run_here: Run) -> None:
    arguments = make_preset(), "--sample-rate", 44_100, "--block-frames", 64, "--seconds", 0.05
    [row] = json.loads(run_here(*arguments, "--json").stdout)
    assert row["sample_rate"] == 44_100
    assert row["budget_us"] == pytest.approx(64e6 / 44_100)
    assert "trained at 48000 Hz, at 44100 Hz: " in run_here(*arguments).stdout


def test_the_first_block_is_not_among_the_later_ones(make_preset: MakePreset) -> None:
    from fxhost.bench import blocks

    chains = iter([[make_sleeper(0, 0.05)], [make_sleeper(1, 0.05)]])
    preset = read_preset(make_preset())
    riff = np.zeros(100, np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "build_chain", lambda *_: next(chains))
        first, later = (
            blocks.time_blocks(slots_at_own_rate([preset]), "compiled", 3, riff, seconds=0.01) for _ in range(2)
        )
    assert first.first_block_us >= 50_000
    assert later.spread.max_us >= 50_000
    assert later.first_block_us < later.spread.max_us
    assert len(later.times_us) == 1  # two blocks are played, however little time there is


def test_the_table_tells_the_machine_and_a_row_for_each_engine_and_size(make_preset: MakePreset, run_here: Run) -> None:
    done = run_here(
        make_preset(), make_preset(1, 20), "--block-frames", 17, 64, "--engine", "compiled", "torchscript",
        "--seconds", 0.05,
    )  # fmt: skip
    assert (done.returncode, without_waits(done.stderr)) == (0, "")
    lines = done.stdout.splitlines()
    for word in ("cores", "governor", "fxhost", "Python", "numba", "llvmlite", "numpy", "torch"):
        assert word in "".join(lines[:3])
    assert "1x8-1-False-48000 → 1x20-1-False-48000" in done.stdout
    rows = [line for line in lines if line.startswith(("compiled ", "torchscript "))]
    assert [row.split()[:3] for row in rows] == [
        [engine, frames, budget]
        for engine in ("compiled", "torchscript")
        for frames, budget in (("17", "354"), ("64", "1333"))
    ]
    assert max(map(len, rows)) <= 80


def test_a_measurement_of_the_compiled_engine_does_not_load_torch(make_preset: MakePreset) -> None:
    assert_torch_stays_out("bench", make_preset(), "--block-frames", 64, "--seconds", 0.01)


@pytest.mark.parametrize(
    ("loads", "bars"),
    [
        ([0.00101] * 7, "█" + " " * 14),
        ([0.0105] * 7, "     █         "),
        ([0.0105] * 1000 + [0.99], "     █        ▁"),  # one late block among a thousand shows
        ([1e-9, 50.0], "█             █"),  # what is outside is at the ends
    ],
)
def test_the_histogram_is_one_of_log_time(loads: list[float], bars: str) -> None:
    assert draw_histogram(np.array(loads)) == bars


@pytest.mark.parametrize(("value", "text"), [(0.123, "0.12"), (9.999, "10.0"), (99.96, "100"), (4112.6, "4113")])
def test_a_time_has_at_most_four_digits(value: float, text: str) -> None:
    assert format_us(value) == text


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_prints_what_was_measured_so_far(stop: signal.Signals, make_preset: MakePreset) -> None:
    command = [sys.executable, "-m", "fxhost.cli", "bench", make_preset(), "--seconds", "3000", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as run:
        wait_until_it_hears(run.pid)
        run.send_signal(stop)
        stdout, stderr = run.communicate(timeout=20)
    assert (run.returncode, without_waits(stderr)) == (0, "")
    assert [row["block_frames"] for row in json.loads(stdout)] == [16]


def wait_until_it_hears(pid: int) -> None:
    """Wait until a process ends in its own way on SIGTERM."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status").read_text()
        caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.01)
    raise AssertionError("it does not measure")


@pytest.mark.parametrize(
    "arguments", [["--seconds", "0"], ["--block-frames", "0"], ["--engine", "torch"], ["--stream", "--loopback"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str], run_here: Run) -> None:
    assert run_here(*arguments).returncode == 2


def test_bad_input_is_one_clear_line(make_preset: MakePreset, run_here: Run) -> None:
    assert_one_line(run_here("no-such-preset"), "no such preset: no-such-preset")
    both = run_here(make_preset(), make_preset(1, 8, rate=44_100), "--engine", "torchscript")
    assert_one_line(both, "plays a preset at its own rate only: 1x8-1-False-44100 has 44100 Hz, the stream 48000 Hz")
