"""Live, against a real JACK server on its dummy driver, with an independent client at the other end of the ports."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.engine.rack import Rack
from fxhost.preset.archive import read_preset
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from tests.conftest import RATE, ROOT, assert_one_line, jack_server, run_fxhost, without_waits

MakePreset = Callable[..., Path]
PERIOD = 1024  # the client at the other end is Python: give it time

# Continuous integration must run these tests; elsewhere they need jackd2 and its library.
pytestmark = pytest.mark.skipif(
    shutil.which("jackd") is None and not os.environ.get("CI"), reason="needs a JACK server: apt install jackd2"
)


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    with jack_server(PERIOD) as env:
        yield env


def start_run(env: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fxhost.cli", "run", *map(str, arguments), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT)


class Player:
    """A JACK client that plays `audio` into the host's input and records the host's output, whole periods at a time."""

    def __init__(self, server: str, audio: Float32Array) -> None:
        import jack

        os.environ["JACK_NO_START_SERVER"] = "1"
        self.client = jack.Client("player", no_start_server=True, servername=server)
        self.to_host = self.client.outports.register("out")
        self.from_host = self.client.inports.register("in")
        padded = np.zeros(-(-len(audio) // PERIOD) * PERIOD, np.float32)
        padded[: len(audio)] = audio
        self.periods = padded.reshape(-1, PERIOD)
        self.recorded = np.zeros_like(self.periods)
        self.position = -1  # -1 waits, len(periods) is done
        self.xruns = 0

        @self.client.set_process_callback
        def process(frames: int) -> None:
            n = self.position
            if 0 <= n < len(self.periods):
                self.to_host.get_array()[:] = self.periods[n]
                self.recorded[n] = self.from_host.get_array()
                self.position = n + 1
            else:
                self.to_host.get_array()[:] = 0.0

        @self.client.set_xrun_callback
        def xrun(delay: float) -> None:
            self.xruns += 1

    def connect(self, timeout_s: float = 20.0) -> None:
        """Wait for the host's ports and put this client where the sound card was."""
        self.client.activate()
        deadline = time.monotonic() + timeout_s
        while not (ports := self.client.get_ports("fxhost:", is_audio=True)) or len(ports) < 3:
            assert time.monotonic() < deadline, "the host's ports did not appear"
            time.sleep(0.02)
        host_in = next(port for port in ports if port.is_input)
        host_out = next(port for port in ports if port.is_output)
        for port in self.client.get_all_connections(host_in):
            self.client.disconnect(port, host_in)
        self.client.connect(self.to_host, host_in)
        self.client.connect(host_out, self.from_host)
        time.sleep(0.2)
        self.xruns = 0

    def play(self) -> None:
        self.position = 0
        deadline = time.monotonic() + 4 * self.periods.size / RATE
        while self.position < len(self.periods) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.position == len(self.periods), "the server stopped calling"

    def close(self) -> None:
        self.client.deactivate()
        self.client.close()


def find(needle: Float32Array, haystack: Float32Array) -> int:
    """Where `needle` fits best in `haystack`."""
    size = 1 << int(np.ceil(np.log2(len(haystack) + len(needle))))
    spectrum = np.fft.rfft(haystack, size) * np.conj(np.fft.rfft(needle, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(haystack) - len(needle) + 1]))


def play_live(env: dict[str, str], preset: Path, out: Path, audio: Float32Array) -> tuple[dict[str, Any], Player]:
    """Run the host on the server, play through it from another client, and end it with a signal."""
    with start_run(env, preset, "--output-file", out, "--force") as run:
        player = Player(env["JACK_DEFAULT_SERVER"], audio)
        try:
            player.connect()
            player.play()
        finally:
            player.close()
            run.send_signal(signal.SIGINT)
            stdout, stderr = run.communicate(timeout=30)
    assert (run.returncode, without_waits(stderr)) == (0, "")
    return json.loads(stdout), player


def test_what_another_client_hears_is_the_rendered_file_to_the_bit(
    server: dict[str, str], make_preset: MakePreset, guitar: Float32Array, tmp_path: Path
) -> None:
    preset, out = make_preset(1, 40), tmp_path / "out.wav"
    audio = np.concatenate([np.zeros(RATE), guitar[: 5 * RATE], np.zeros(RATE // 2)]).astype(np.float32)
    for _ in range(3):  # a hiccup of this machine that JACK itself reports is not the host's: play it again
        result, player = play_live(server, preset, out, audio)
        if player.xruns == result["xruns"] == 0:
            break
    assert (player.xruns, result["xruns"], result["bad_samples"]) == (0, 0, 0)
    assert (result["host_api"], result["sample_rate"]) == ("JACK Audio Connection Kit", RATE)

    # the host's own recording tells how many frames of silence came before the client's first
    own = soundfile.read(out, dtype="float32")[0]
    heard = player.recorded.ravel()
    draft = render(preset, audio)
    guitar_part = slice(RATE, 6 * RATE)
    silence = find(draft[guitar_part], own) - RATE
    assert silence > RATE // 10
    expected = render(preset, np.concatenate([np.zeros(silence, np.float32), audio]))
    assert np.array_equal(own[: len(expected)], expected[: len(own)])

    delay = find(expected[silence:][guitar_part], heard) - RATE
    assert 0 <= delay <= 2 * PERIOD
    assert np.abs(heard).max() > 0.01
    end = 6 * RATE
    assert np.array_equal(heard[delay : delay + end], expected[silence : silence + end])


def render(preset: Path, audio: Float32Array) -> Float32Array:
    """What `fxhost render` computes (test_cli.py holds it against the file)."""
    rack = Rack(build_chain(slots_at_own_rate([read_preset(preset)])), RATE)
    out = np.zeros_like(audio)
    rack.process(audio, out)
    return out


def test_the_torchscript_engine_plays_the_same_live_within_rounding(
    server: dict[str, str], make_preset: MakePreset, tmp_path: Path
) -> None:
    outs = []
    for engine in ("compiled", "torchscript"):
        out = tmp_path / f"{engine}.wav"
        source = tmp_path / "source.wav"
        soundfile.write(source, np.sin(np.arange(RATE) * 0.05).astype(np.float32), RATE, subtype="FLOAT")
        with start_run(
            server, make_preset(1, 8), "--engine", engine, "--input-file", source, "--output-file", out
        ) as run:
            stdout, stderr = run.communicate(timeout=60)
        assert run.returncode == 0, stderr
        result = json.loads(stdout)
        assert (result["engine"], result["device"]) == (engine, "system")
        outs.append(soundfile.read(out, dtype="float32")[0])
    assert len(outs[0]) == len(outs[1]) == RATE
    assert np.abs(outs[0] - outs[1]).max() <= 1e-5


def test_a_server_that_ends_is_said_and_the_recording_is_kept(make_preset: MakePreset, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    with jack_server(PERIOD) as env, start_run(env, make_preset(1, 8), "--output-file", out, "--patience", 1) as run:
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob(".out.*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        os.kill(int(env["TEST_JACK_PID"]), signal.SIGTERM)
        stdout, stderr = run.communicate(timeout=30)
    assert run.returncode == 1
    lines = without_waits(stderr).splitlines()
    assert lines[-1].endswith("'system' went away while playing; start the sound server or device again")
    assert len(lines) <= 2  # before it: that it is waited for
    result = json.loads(stdout)
    assert result["blocks"] > 20
    assert soundfile.info(out).frames == result["blocks"] * result["block_frames"]
    assert [file.name for file in tmp_path.iterdir()] == ["out.wav"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_comes_back_is_played_on(how: signal.Signals, make_preset: MakePreset) -> None:
    """Killed, and started again a second later: the run goes on under its own name, connected as before."""
    script = (
        "import sys, time, fxhost\n"
        "with fxhost.play(sys.argv[1], looper=True) as live:\n"
        "    for wanted in ('recording', 'playing'):\n"
        "        live.loop('record')\n"
        "        while live.loop_status.state != wanted or live.loop_status.length_s < 0.2: time.sleep(0.01)\n"
        "    looped = live.loop_status\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    before, deadline = live.statistics.blocks, time.monotonic() + 20\n"
        "    while live.statistics.blocks < before + 20 and time.monotonic() < deadline:\n"
        "        time.sleep(0.05)\n"
        "    print(live.statistics.blocks - before, flush=True)\n"
        "    sys.stdin.readline()\n"
        "    now = live.loop_status\n"
        "print((now.state, now.length_s == looped.length_s), live.notices, live.summary.restarts)\n"
    )
    with jack_server(256) as env:
        command = [sys.executable, "-c", script, str(make_preset(1, 8))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, text=True, env=env, cwd=ROOT, **pipes) as run:
            assert run.stdin is not None and run.stdout is not None
            assert run.stdout.readline() == "ready\n"
            time.sleep(3.5)  # a stream that ends sooner counts as one that failed at its start
            server = int(env["TEST_JACK_PID"])
            os.kill(server, how)
            os.waitpid(server, 0)  # the next server of that name looks whether it is still there
            time.sleep(1.0)
            with jack_server(256, name=env["JACK_DEFAULT_SERVER"]):
                run.stdin.write("\n")
                run.stdin.flush()
                assert int(run.stdout.readline()) >= 20
                listed = subprocess.run(
                    ["jack_lsp", "-s", env["JACK_DEFAULT_SERVER"], "-c"],
                    capture_output=True, text=True, env=env, check=False,
                )  # fmt: skip
                stdout, stderr = run.communicate("\n", timeout=30)
    assert "fxhost:out_0" in listed.stdout and "fxhost:in_0" in listed.stdout
    assert "is back" in stdout, stderr
    assert stdout.startswith("('playing', True)"), stdout
    assert stdout.endswith(" 1\n")


def test_a_rate_that_the_server_does_not_have_is_refused_only_if_it_was_asked_for(
    server: dict[str, str], make_preset: MakePreset
) -> None:
    preset = make_preset(1, 8, rate=44_100)
    done = run_fxhost("run", preset, "--sample-rate", 44_100, env=server)
    assert_one_line(done, "does not play at 44100 Hz, it prefers 48000 Hz")
    played = run_fxhost("run", preset, "--duration", 0.5, "--json", env=server)
    assert played.returncode == 0
    assert "does not play at 44100 Hz. Playing at its own 48000 Hz" in played.stderr
    told = [line for line in played.stderr.splitlines() if not line.endswith("(once) …")]  # what the first start does
    assert len(told) == 1
    assert json.loads(played.stdout)["sample_rate"] == 48_000


def test_devices_are_listed_and_chosen_by_number_or_part_of_the_name(
    server: dict[str, str], make_preset: MakePreset
) -> None:
    import jack

    other = jack.Client("system-two", no_start_server=True, servername=server["JACK_DEFAULT_SERVER"])
    other.inports.register("in")
    other.outports.register("out")
    other.activate()
    try:
        listed = json.loads(run_fxhost("devices", "--json", env=server).stdout)
        assert {"system", "system-two"} <= {device["name"] for device in listed}
        assert "system-two" in run_fxhost("devices", env=server).stdout
        several = run_fxhost("run", make_preset(), "--device", "yste", env=server)
        assert several.returncode == 1
        assert "'yste' fits several" in several.stderr
        assert several.stderr.count("\n") == 1
        missing = run_fxhost("run", make_preset(), "--device", "Scarlett", env=server)
        assert "no output device 'Scarlett'; there are: " in missing.stderr
        assert "'system' (JACK Audio Connection Kit)" in missing.stderr
        index = next(device["index"] for device in listed if device["name"] == "system")
        for name in (str(index), "SYSTEM"):
            done = run_fxhost("run", make_preset(), "--device", name, "--duration", 0.5, "--json", env=server)
            assert json.loads(done.stdout)["device"] == "system", done.stderr
        wrong = run_fxhost("run", make_preset(), "--input-channel", 9, env=server)
        assert "no channel 9" in wrong.stderr
    finally:
        other.deactivate()
        other.close()


HOLDING_THE_GIL = """
import ctypes, sys, fxhost

hold = ctypes.PyDLL(None).usleep  # a PyDLL keeps the GIL during a call
rig = fxhost.Rig([sys.argv[1]], engine=sys.argv[2])
with fxhost.play(rig, block_frames=64) as live:
    before = live.statistics.blocks
    hold(500_000)
    print(live.statistics.blocks - before)
"""


@pytest.mark.parametrize(("engine", "plays"), [("compiled", True), ("torchscript", False)])
def test_the_compiled_engine_alone_plays_on_while_python_is_held(
    engine: str, plays: bool, make_preset: MakePreset
) -> None:
    """No Python thread can do worse to the audio thread than to keep the GIL for half a second."""
    due = 0.5 * RATE / 64
    with jack_server(64) as env:
        for _ in range(3):  # this machine may be held up as a whole
            command = [sys.executable, "-c", HOLDING_THE_GIL, make_preset(1, 40), engine]
            done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, check=False)
            assert done.returncode == 0, done.stderr
            blocks = int(done.stdout)
            if (blocks > 0.5 * due) == plays:
                break
    assert (blocks > 0.5 * due) == plays, f"{blocks} of {due:.0f} blocks"


@pytest.mark.parametrize(("realtime", "status"), [(True, "warning"), (False, "bad")], ids=["realtime", "without"])
def test_the_doctor_tells_how_the_server_plays(realtime: bool, status: str) -> None:
    with jack_server(PERIOD, realtime=realtime) as env:
        done = run_fxhost("doctor", "--json", env=env)
    found = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert found["JACK"]["status"] == status
    assert f"plays blocks of {PERIOD} frames" in found["JACK"]["text"]
    assert found["sound device"] == {
        "name": "sound device", "status": "good", "text": "0 'system' (JACK Audio Connection Kit)", "advice": "",
    }  # fmt: skip
    assert done.returncode == (0 if realtime else 1)
