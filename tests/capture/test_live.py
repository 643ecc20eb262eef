"""Live, on a real JACK server: a small client of another library is the device that is captured."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from tests.cli.test_screen import read_until
from tests.conftest import RATE, ROOT, assert_one_line, jack_server, without_waits
from tests.measure.capture_device import compare, is_installed
from train.pairs.delay import find_delay

PERIOD = 1024  # the devices are Python: give them time
OWN_DELAY = 137  # frames, of a device
SECONDS = 5

pytestmark = pytest.mark.skipif(
    shutil.which("jackd") is None and not os.environ.get("CI"), reason="needs a JACK server: apt install jackd2"
)

Effect = Callable[[Float32Array, int], Float32Array]


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    with jack_server(PERIOD) as env:
        yield env


@contextmanager
def device(env: dict[str, str], name: str, effect: Effect) -> Iterator[None]:
    """A JACK client that plays what comes in through an effect, `OWN_DELAY` frames late; its name is the device's.

    The effect is told how many frames came before, from the first that was not silent.
    """
    import jack

    client = jack.Client(name, no_start_server=True, servername=env["JACK_DEFAULT_SERVER"])
    heard, sent = client.inports.register("in"), client.outports.register("out")
    past, begun = np.zeros(OWN_DELAY + PERIOD, np.float32), 0

    @client.set_process_callback
    def process(frames: int) -> None:
        nonlocal begun
        past[:-PERIOD] = past[PERIOD:].copy()
        past[-PERIOD:] = heard.get_array()
        sent.get_array()[:] = effect(past[:PERIOD], begun)
        begun += PERIOD if begun or past.any() else 0

    client.activate()
    try:
        yield
    finally:
        client.deactivate()
        client.close()


def start_capture(env: dict[str, str], folder: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fxhost.cli", "capture", "-o", folder, "--seconds", SECONDS, *arguments]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT
    )


def finish(run: subprocess.Popen[str], timeout: float = 90) -> subprocess.CompletedProcess[str]:
    out, err = run.communicate(timeout=timeout)
    return subprocess.CompletedProcess(run.args, run.returncode, out, err)


def fuzz(x: Float32Array, begun: int) -> Float32Array:
    return np.asarray(0.4 * np.tanh(6 * x), np.float32)


def test_a_device_is_captured_aligned_and_its_repetition_is_measured(server: dict[str, str], tmp_path: Path) -> None:
    """The round trip of JACK and the device's own delay are taken out; noise of a known level is the self-ESR."""
    rng, noise = np.random.default_rng(3), 1e-3

    def noisy(x: Float32Array, begun: int) -> Float32Array:
        return np.asarray(fuzz(x, begun) + noise * rng.standard_normal(len(x)), np.float32)

    with device(server, "pedal", fuzz), device(server, "noisy", noisy):
        for _ in range(3):  # a hiccup of this machine that JACK itself reports is not the host's: record again
            runs = [start_capture(server, tmp_path / name, "--device", name, "--force") for name in ("pedal", "noisy")]
            done = [finish(run) for run in runs]
            if not any("frames were lost" in run.stderr or "not measured" in run.stdout for run in done):
                break
    for name, run in zip(("pedal", "noisy"), done, strict=True):
        assert (run.returncode, without_waits(run.stderr)) == (0, ""), run.stdout
        folder = tmp_path / name
        told = json.loads((folder / "capture.json").read_text())
        dry, wet = (soundfile.read(folder / f"{side}.wav", dtype="float32")[0] for side in ("dry", "wet"))
        assert len(dry) == len(wet) == SECONDS * RATE
        # JACK hands what went out in one period to whoever comes later in a circle of clients in the next one
        assert (told["delay_frames"], told["dropouts_s"], told["attempt"]) == (PERIOD + OWN_DELAY, [], 1)
        found = find_delay(dry, wet, RATE)
        assert found.is_of_a_pair and abs(found.frames) <= 0.5
        assert f"go on: fxhost train {folder}/dry.wav {folder}/wet.wav -o {name}.pt" in run.stdout
        assert told["peak_db"] == pytest.approx(20 * np.log10(0.4), abs=0.2)
        if name == "pedal":
            assert np.abs(wet - fuzz(dry, 0)).max() < 1e-6
            assert told["self_esr"] == 0.0
            assert told["noise_db"] < -100
        else:
            power = np.mean(np.square(fuzz(dry, 0), dtype=np.float64))
            assert told["self_esr"] == pytest.approx(2 * noise**2 / power, rel=0.5)  # the stretch is about as loud
            assert told["noise_db"] == pytest.approx(-60, abs=0.5)
    assert "came back equal to the bit" in done[0].stdout and "no preset can get below" in done[1].stdout
    assert "the level is good" in done[0].stdout and "0:05 of 0:07" in done[0].stdout


def test_what_cannot_be_captured_is_said_at_once_and_leaves_nothing(server: dict[str, str], tmp_path: Path) -> None:
    def loud(x: Float32Array, begun: int) -> Float32Array:
        return np.clip(3 * x, -1, 1)

    with device(server, "loud", loud), device(server, "dead", lambda x, begun: 0 * x):
        runs = {name: start_capture(server, tmp_path / name, "--device", name) for name in ("loud", "dead")}
        done = {name: finish(run) for name, run in runs.items()}
    assert_one_line(silenced(done["loud"]), "the return is clipped (")
    assert_one_line(silenced(done["dead"]), "nothing comes back: the input stays at -200 dB")
    assert list(tmp_path.iterdir()) == []


def silenced(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """The same without what was said on stdout while it played."""
    return subprocess.CompletedProcess(done.args, done.returncode, "", done.stderr)


def test_a_cable_that_comes_loose_is_said_before_the_end(server: dict[str, str], tmp_path: Path) -> None:
    def pulled(x: Float32Array, begun: int) -> Float32Array:
        return x if begun < 3.5 * RATE else np.zeros_like(x)

    for _ in range(3):  # a hiccup of this machine that JACK itself reports is not the host's: record again
        with device(server, "pulled", pulled):
            began = time.monotonic()
            run = start_capture(
                server, tmp_path / "pair", "--device", "pulled", "--no-check", "--seconds", 100, "--peak", -12
            )
            done = finish(run)
        if "frames were lost" not in done.stderr:
            break
    assert_one_line(silenced(done), "nothing comes back any more, ")
    assert time.monotonic() - began < 60
    assert list(tmp_path.iterdir()) == []


def test_a_dropout_is_recorded_again_and_ctrl_c_leaves_nothing(server: dict[str, str], tmp_path: Path) -> None:
    slept = []

    def sleepy(x: Float32Array, begun: int) -> Float32Array:
        if begun > 4 * RATE and not slept:
            slept.append(begun)
            time.sleep(0.3)
        return fuzz(x, begun)

    with device(server, "sleepy", sleepy):
        run = finish(start_capture(server, tmp_path / "pair", "--device", "sleepy", "--no-check", "--json"))
        assert run.returncode == 0, run.stderr
        told = json.loads(run.stdout)
        assert (told["attempt"], told["dropouts_s"], told["delay_frames"]) == (2, [], PERIOD + OWN_DELAY)
        assert " s: once more from the beginning (2 of 3)" in run.stderr
        stopped = start_capture(server, tmp_path / "other", "--device", "sleepy", "--no-check")
        assert stopped.stdout is not None
        while "0:05 of" not in stopped.stdout.readline():
            assert stopped.poll() is None
        stopped.send_signal(signal.SIGINT)
        done = finish(stopped)
    assert (done.returncode, without_waits(done.stderr)) == (130, "fxhost: interrupted; nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["pair"]


def test_the_ports_may_be_connected_by_hand(server: dict[str, str], tmp_path: Path) -> None:
    import jack

    dry = tmp_path / "own.wav"
    audio = np.random.default_rng(5).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    soundfile.write(dry, audio, RATE, subtype="FLOAT")
    with device(server, "pedal", fuzz):
        run = start_capture(
            server, tmp_path / "pair", "--signal", dry, "--no-connect", "--connect-to", "pedal", "--client-name", "box"
        )
        client = jack.Client("hand", no_start_server=True, servername=server["JACK_DEFAULT_SERVER"])
        deadline = time.monotonic() + 60
        while not (ports := client.get_ports("box:in", is_audio=True)):
            assert time.monotonic() < deadline and run.poll() is None
            time.sleep(0.05)
        time.sleep(2.0)  # by now it has found that nothing comes back, and waits
        client.connect("pedal:out", ports[0])
        done = finish(run)
        client.close()
    assert (done.returncode, without_waits(done.stderr)) == (0, ""), done.stdout
    assert "nothing comes back" in done.stdout and "the level is good" in done.stdout
    told = json.loads((tmp_path / "pair" / "capture.json").read_text())
    assert (told["signal"], told["delay_frames"]) == ("own.wav", PERIOD + OWN_DELAY)
    assert np.array_equal(soundfile.read(tmp_path / "pair" / "dry.wav", dtype="float32")[0], audio)


def test_in_a_terminal_the_user_checks_again_and_then_records(server: dict[str, str], tmp_path: Path) -> None:
    master, slave = pty.openpty()
    env = {**server, "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"}
    command = [sys.executable, "-m", "fxhost.cli", "capture", "-o", tmp_path / "pair", "--seconds", "5"]
    with (
        device(server, "pedal", fuzz),
        subprocess.Popen(
            [*command, "--device", "pedal"], stdin=slave, stdout=slave, stderr=slave, env=env, cwd=ROOT
        ) as run,
    ):
        os.close(slave)
        try:
            read_until(master, "level check", 60.0)
            read_until(master, "Enter record", 20.0)
            os.write(master, b"c")
            read_until(master, "of 0:05", 5.0)  # it plays again
            read_until(master, "Enter record", 20.0)
            os.write(master, b"\r")
            read_until(master, "recording", 5.0)
            read_until(master, "go on: fxhost train", 40.0)
            assert run.wait(10) == 0
        finally:
            run.kill()
    os.close(master)
    assert (tmp_path / "pair" / "wet.wav").exists()


def test_without_a_server_there_is_one_line(tmp_path: Path) -> None:
    env = {**os.environ, "JACK_DEFAULT_SERVER": "none-of-this-name", "JACK_NO_START_SERVER": "1"}
    assert_one_line(finish(start_capture(env, tmp_path / "pair", "--device", "pedal")), "no output device")


@pytest.mark.skipif(
    not is_installed(), reason="needs an effect of another program: apt install guitarix-lv2 jalv lv2file"
)
def test_a_plugin_of_another_program_is_learned_live_as_from_file_to_file(tmp_path: Path) -> None:
    found = compare("ts9", tmp_path, seconds=10, epochs=8, period=PERIOD)
    assert (found.delay_frames, found.latency_frames) == (PERIOD, 0)
    assert max(found.self_esr, found.esr_between) < 1e-9
    assert 1 / 1.5 < found.live / found.offline < 1.5
    assert found.live < 1.0
