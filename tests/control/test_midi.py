"""MIDI through a real JACK server: a client with a MIDI port of its own plays into a session."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fxhost.control import midi
from tests.conftest import ROOT, jack_server, without_waits

pytest.importorskip("rtmidi", reason="needs the extra `midi`")
pytestmark = pytest.mark.skipif(
    shutil.which("jackd") is None and not os.environ.get("CI"), reason="needs a JACK server: apt install jackd2"
)

SCRIPT = """
import sys, time, jack, fxhost
from fxhost.control.commands import Quit
from fxhost.control.midi import MidiControl, MidiPorts
from fxhost.io.stream_options import Options
from fxhost.session import Session

def make_sender(name):
    client = jack.Client(name, no_start_server=True)
    port, waiting = client.midi_outports.register("out"), []
    @client.set_process_callback
    def process(frames):
        port.clear_buffer()
        for message in waiting[:64]:
            port.write_midi_event(0, message)
        del waiting[:64]
    client.activate()
    return client, waiting

client, waiting = make_sender("pedalboard")
session = Session(fxhost.Rig([sys.argv[1], fxhost.Tone()]), Options(block_frames=256), notice=print)
midi = MidiControl(MidiPorts("pedalboard"))
assert midi.ports.names, "the port was not found"
started, step = time.monotonic(), 0

def poll():
    global step, client, waiting
    at = time.monotonic() - started
    if step == 0 and at > 1.0:
        waiting.append((0xB0, 20, 127)); step = 1
    if step == 1 and session.knobs.values[1][0] == 15.0:
        print("turned", flush=True); step = 2; waiting.extend([(0xB0, 20, n % 128) for n in range(20_000)] + [(0xB0, 20, 0)])
        waiting.extend([(0xF0, *[5] * 1000, 0xF7), (0xF8,), (0xFE,), (0xC0, 9), (0xB0, 123, 0), (0xE0, 1, 1)])
    if step == 2 and not waiting and session.knobs.values[1][0] == -15.0:
        print("flooded", session.rack.statistics().bad_samples, flush=True); step = 3
        client.deactivate(); client.close()
    if step == 3 and not midi.ports.names:
        print("gone", flush=True); step = 4; client, waiting = make_sender("pedalboard")
    if step == 4 and midi.ports.names:
        waiting.append((0xB0, 20, 127)); step = 5
    if step == 5 and session.knobs.values[1][0] == 15.0:
        print("found again", flush=True); step = 6
    commands = midi.poll(session.playing)
    assert len(commands) < 10
    return [*commands, Quit()] if step == 6 or at > 40 else commands

summary = session.play(poll)
midi.ports.close()
print("end", summary.error, summary.statistics.blocks > 100)
"""

SENDER = """
import sys, time, jack
client = jack.Client("pedalboard", no_start_server=True)
port = client.midi_outports.register("out")
@client.set_process_callback
def process(frames):
    port.clear_buffer()
    port.write_midi_event(0, (0xB0, 20, int(sys.argv[1])))
client.activate()
time.sleep(60)
"""


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    with jack_server(256) as env:
        yield env


def test_a_controller_turns_a_knob_a_flood_does_no_harm_and_a_port_that_comes_back_is_found(
    server: dict[str, str], make_preset: Callable[..., Path]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(make_preset(1, 8))],
        capture_output=True, text=True, env=server, cwd=ROOT, timeout=90, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["turned", "flooded 0", "gone", "found again", "end None True"], done.stderr


@contextmanager
def sending(env: dict[str, str], value: int) -> Iterator[None]:
    """A pedalboard that keeps the first knob at a value; only while fxhost listens to it."""
    import jack

    with subprocess.Popen([sys.executable, "-c", SENDER, str(value)], env=env) as sender:
        client = jack.Client("asks", no_start_server=True, servername=env["JACK_DEFAULT_SERVER"])
        try:
            deadline = time.monotonic() + 30
            while not any("fxhost midi" in port.name for port in connections_of(client)):
                assert time.monotonic() < deadline, "nobody listens to the pedalboard"
                time.sleep(0.05)
            time.sleep(0.5)
            yield
        finally:
            client.close()
            sender.kill()


def connections_of(client: object) -> list[object]:
    found = client.get_ports("pedalboard:")  # type: ignore[attr-defined]
    return client.get_all_connections(found[0]) if found else []  # type: ignore[attr-defined]


def write_rig(folder: Path, preset: Path) -> Path:
    path = folder / "rig.toml"
    path.write_text(f'[[slot]]\npreset = "{preset}"\n\n[[slot]]\nid = "tone"\ntype = "tone"\n')
    return path


def test_a_run_hears_midi_again_after_its_server_was_killed_and_prints_nothing_of_libraries(
    make_preset: Callable[..., Path], tmp_path: Path
) -> None:
    rig, saved, name = write_rig(tmp_path, make_preset(1, 8)), tmp_path / "saved.toml", f"fxhost-midi-{os.getpid()}"
    command = [sys.executable, "-m", "fxhost.cli", "run", rig, "--midi", "--json", "--save", saved]
    with jack_server(256, name=name) as env:
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT)
        with sending(env, 127):
            time.sleep(3.5)  # who has played so long waits for a server that goes away
        os.kill(int(env["TEST_JACK_PID"]), signal.SIGKILL)
    with jack_server(256, name=name) as env, sending(env, 0):
        run.send_signal(signal.SIGINT)
        stdout, stderr = run.communicate(timeout=30)
    assert run.returncode == 0, stderr
    told = [line for line in without_waits(stderr).splitlines() if "went away" not in line and "is back" not in line]
    assert [line for line in told if "no MIDI port yet" not in line and not line.startswith("wrote ")] == []
    assert json.JSONDecoder().raw_decode(stdout)[0]["stream_restarts"] >= 1
    assert tomllib.loads(saved.read_text())["slot"][1]["bass"] == -15.0


def test_a_run_listens_and_says_where_there_is_no_port(make_preset: Callable[..., Path]) -> None:
    env = {**os.environ, "JACK_DEFAULT_SERVER": "none-of-that-name"}
    command = [sys.executable, "-m", "fxhost.cli", "run", make_preset(1, 8), "--device", "virtual", "--duration", "0.3"]
    done = subprocess.run(
        [*command, "--midi", "pedalboard"], capture_output=True, text=True, env=env, cwd=ROOT, check=False
    )
    assert done.returncode == 0
    assert (
        without_waits(done.stderr)
        == "fxhost: no MIDI port with 'pedalboard' in its name yet; one that appears later is found\n"
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
def test_a_listener_that_dies_or_hangs_is_replaced(
    number: signal.Signals, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(midi, "SILENT_S", 3.0)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server["JACK_DEFAULT_SERVER"])
    with subprocess.Popen([sys.executable, "-c", SENDER, "5"], env=server) as sender:
        ports = midi.MidiPorts("pedalboard")
        try:
            wait_for_message(ports)
            first = ports._listener.pid
            os.kill(first, number)
            deadline = time.monotonic() + 30
            while ports._listener.pid == first and time.monotonic() < deadline:
                ports.read()
                time.sleep(0.05)
            wait_for_message(ports)
        finally:
            ports.close()
            sender.kill()
    assert ports._listener.pid != first


def wait_for_message(ports: midi.MidiPorts) -> None:
    deadline = time.monotonic() + 30
    while not (messages := ports.read()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert messages == [[0xB0, 20, 5]]


def test_the_ports_are_listed(server: dict[str, str]) -> None:
    command = [sys.executable, "-m", "fxhost.cli", "devices", "--midi", "--json"]
    with subprocess.Popen([sys.executable, "-c", SENDER, "0"], env=server) as sender:
        try:
            deadline, listed = time.monotonic() + 30, []
            while not listed and time.monotonic() < deadline:
                done = subprocess.run(command, capture_output=True, text=True, env=server, cwd=ROOT, check=True)
                listed = json.loads(done.stdout)
        finally:
            sender.kill()
    assert listed == ["pedalboard:out"]
