"""MIDI through a real JACK server: a client with a MIDI port of its own plays into a session."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, jack_server

pytestmark = pytest.mark.skipif(
    shutil.which("jackd") is None and not os.environ.get("CI"), reason="needs a JACK server: apt install jackd2"
)

SCRIPT = """
import sys, time, jack, fxhost
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
midi = MidiControl(MidiPorts("pedalboard"), [])
assert midi.ports.names, "the port was not found"
started, step = time.monotonic(), 0

def poll():
    global step, client, waiting
    at = time.monotonic() - started
    if step == 0 and at > 1.0:
        waiting.append((0xB0, 20, 127)); step = 1
    if step == 1 and session.knobs.values[1][0] == 15.0:
        print("turned", flush=True); step = 2; waiting.extend([(0xB0, 20, n % 128) for n in range(20_000)] + [(0xB0, 20, 0)])
        waiting.extend([(0xF0, 1, 2, 3, 0xF7), (0xF8,), (0xC0, 9)])
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
    return [*commands, fxhost.control.commands.Quit()] if step == 6 or at > 40 else commands

import fxhost.control.commands
summary = session.play(poll)
print("end", summary.error, summary.statistics.blocks > 100)
"""


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    with jack_server(256) as env:
        yield env


def test_a_controller_turns_a_knob_a_flood_does_no_harm_and_a_port_that_comes_back_is_found(
    server: dict[str, str], make_preset: Callable[..., Path]
) -> None:
    pytest.importorskip("rtmidi", reason="needs the extra `midi`")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(make_preset(1, 8))],
        capture_output=True, text=True, env=server, cwd=ROOT, timeout=90, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["turned", "flooded 0", "gone", "found again", "end None True"], done.stderr


def test_a_run_listens_and_says_where_there_is_no_port(make_preset: Callable[..., Path]) -> None:
    pytest.importorskip("rtmidi", reason="needs the extra `midi`")
    env = {**os.environ, "JACK_DEFAULT_SERVER": "none-of-that-name"}
    command = [sys.executable, "-m", "fxhost.cli", "run", make_preset(1, 8), "--device", "virtual", "--duration", "0.3"]
    done = subprocess.run(
        [*command, "--midi", "pedalboard"], capture_output=True, text=True, env=env, cwd=ROOT, check=False
    )
    assert done.returncode == 0
    assert "no MIDI port with 'pedalboard' in its name yet" in done.stderr
