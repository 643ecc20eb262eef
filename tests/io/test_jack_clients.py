"""What other clients of a JACK server see of the host, and what the host tells of the server."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fxhost.io.jack import _library
from tests.conftest import RATE, ROOT, jack_server, run_fxhost, without_waits

MakePreset = Callable[..., Path]
PERIOD = 256

pytestmark = pytest.mark.skipif(
    shutil.which("jackd") is None and not os.environ.get("CI"), reason="needs a JACK server: apt install jackd2"
)


def test_the_latency_that_is_told_is_that_of_the_ports_both_ways(make_preset: MakePreset) -> None:
    preset, silence = make_preset(1, 8), ["--duration", 0.3, "--json"]
    with jack_server(PERIOD) as env:
        listed = subprocess.run(["jack_lsp", "-l"], capture_output=True, text=True, env=env, check=True).stdout
        capture, playback = (
            max(int(frames) for frames in re.findall(rf"port {way} latency = \[ \d+ (\d+)", listed))
            for way in ("capture", "playback")
        )
        assert capture >= PERIOD and playback >= PERIOD
        for asked, added in ((PERIOD, 0), (64, 64)):  # PortAudio holds a block that is not the server's
            result = json.loads(run_fxhost("run", preset, "--block-frames", asked, *silence, env=env).stdout)
            told = result["stream_latency_s"], result["stream_latency_source"]
            assert told == (pytest.approx((capture + playback + added) / RATE), "server")
            assert (result["block_frames_asked"], result["block_frames"]) == (asked, asked)
        assert result["blocks_at_once"] == pytest.approx(PERIOD / 64, rel=0.2)
        left_open = json.loads(run_fxhost("run", preset, *silence, env=env).stdout)
        assert (left_open["block_frames_asked"], left_open["block_frames"]) == (PERIOD, PERIOD)


def test_a_host_that_is_stopped_leaves_the_graph_and_comes_back(make_preset: MakePreset) -> None:
    import jack

    command = [sys.executable, "-m", "fxhost.cli", "run", make_preset(1, 8), "--json"]
    with jack_server(PERIOD) as env:
        client = jack.Client("asks", no_start_server=True, servername=env["JACK_DEFAULT_SERVER"])
        try:
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT, process_group=0
            ) as run:
                wait_until(lambda: len(client.get_ports("fxhost:")) == 3)
                time.sleep(0.5)
                os.kill(run.pid, signal.SIGTSTP)
                wait_until(lambda: not client.get_ports("fxhost:"))
                wait_until(lambda: state_of(run.pid) == "T" or client.get_ports("fxhost:"))  # or nobody lets it stop
                os.kill(run.pid, signal.SIGCONT)
                wait_until(lambda: len(client.get_ports("fxhost:")) == 3)
                time.sleep(0.5)
                run.send_signal(signal.SIGINT)
                stdout, stderr = run.communicate(timeout=30)
        finally:
            client.close()
    assert (run.returncode, without_waits(stderr)) == (0, "")
    result: dict[str, Any] = json.loads(stdout)
    assert result["stream_restarts"] == 1
    assert result["blocks"] * PERIOD / RATE > 0.9


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((), {"fxhost:in_0": ["system:capture_1"], "fxhost:out_0": ["system:playback_1"]}),
        (("--client-name", "amp"), {"amp:in_0": ["system:capture_1"], "amp:out_1": ["system:playback_2"]}),
        (("--no-connect",), {"fxhost:in_0": [], "fxhost:out_0": [], "fxhost:out_1": []}),
        (("--connect-to", "system:playback_2"), {"fxhost:in_0": ["system:capture_1"], "fxhost:out_1": []}),
        (("--no-connect", "--connect-to", "asks"), {"fxhost:in_0": [], "fxhost:out_0": ["asks:ear"]}),
    ],
    ids=["usual", "name", "no-connect", "port", "client"],
)
def test_the_client_has_the_name_and_the_connections_that_were_asked_for(
    asked: tuple[str, ...], expected: dict[str, list[str]], make_preset: MakePreset
) -> None:
    import jack

    command = [sys.executable, "-m", "fxhost.cli", "run", make_preset(1, 8), "--device", "system", "--json", *asked]
    with jack_server(PERIOD) as env:
        client = jack.Client("asks", no_start_server=True, servername=env["JACK_DEFAULT_SERVER"])
        client.inports.register("ear")
        client.activate()

        def connections() -> dict[str, list[str]]:
            ports = [port for port in client.get_ports() if port.name in expected]
            return {port.name: [other.name for other in client.get_all_connections(port)] for port in ports}

        try:
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT
            ) as run:
                try:
                    wait_until(lambda: run.poll() is not None or connections() == expected)
                    time.sleep(1)  # PortAudio connects when it starts, after its ports have appeared
                    found = connections()
                finally:
                    run.send_signal(signal.SIGINT)
                    _, stderr = run.communicate(timeout=30)
        finally:
            client.deactivate()
            client.close()
    assert (run.returncode, without_waits(stderr)) == (0, "")
    assert found == expected


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            ("--connect-to", "systm"),
            "no JACK input port 'systm' (did you mean 'system'?); there are: system:playback_1",
        ),
        (("--client-name", "a:b"), "'a:b' cannot name a JACK client: give 1 to 32 characters without a colon"),
        (("--client-name", "x" * 33), "cannot name a JACK client"),
    ],
)
def test_a_port_or_name_that_cannot_be_is_one_line_before_anything_sounds(
    asked: tuple[str, ...], told: str, make_preset: MakePreset
) -> None:
    with jack_server(PERIOD) as env:
        done = run_fxhost("run", make_preset(1, 8), "--device", "system", *asked, "--duration", 1, env=env)
    assert done.returncode == 1 and done.stdout == ""
    assert told in without_waits(done.stderr) and without_waits(done.stderr).count("\n") == 1


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60  # a first start compiles
    while not is_so():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def state_of(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_without_a_server_nobody_answers_and_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    assert _library() is not None
    script = "from fxhost.io.jack import ask_server; from fxhost.io.portaudio import quiet_libraries\n"
    script += "with quiet_libraries():\n    print(ask_server())"
    env = {**os.environ, "JACK_DEFAULT_SERVER": "nobody", "JACK_NO_START_SERVER": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=ROOT, check=True)
    assert (done.stdout, done.stderr) == ("None\n", "")
