"""What a flood of MIDI does to the sound of a rig on JACK's dummy driver: nothing listened to, silence, and the flood.

python -m tests.measure.midi_flood [SECONDS]
"""

import json
import subprocess
import sys

from tests.conftest import ROOT, jack_server

PERIOD, RATE = 64, 48_000
SENDER = """
import sys, jack
per_second = int(sys.argv[1])
client = jack.Client("flood", no_start_server=True)
port, state = client.midi_outports.register("out"), [0.0, 0]
@client.set_process_callback
def process(frames):
    port.clear_buffer()
    state[0] += per_second * frames / client.samplerate
    while state[0] >= 1.0:
        state[0] -= 1.0
        state[1] += 1
        port.write_midi_event(0, (0xB0, 20 + state[1] % 4, state[1] % 128))
client.activate()
sys.stdin.read()
"""
PLAYER = """
import json, os, sys, time, fxhost
from fxhost.control.midi import MidiControl, MidiPorts
from fxhost.io.stream_options import Options
from fxhost.session import Session
listens, seconds = sys.argv[1] == "1", float(sys.argv[2])
session = Session(fxhost.Rig(["ts-overdrive", fxhost.Tone()]), Options(block_frames=64, duration_s=seconds), notice=print)
midi = MidiControl(MidiPorts("flood")) if listens else None
took, counts, most = [], [], 0
def poll():
    if midi is None:
        return []
    began = time.perf_counter()
    commands = midi.poll(session.playing)
    took.append(time.perf_counter() - began)
    counts.append(len(commands))
    return commands
before = os.times()
summary = session.play(poll)
after = os.times()
if midi is not None:
    midi.ports.close()
children = os.times()
s = summary.statistics
print(json.dumps({
    "blocks": s.blocks, "missed": s.xruns.total, "load p50": s.load.p50, "load p99": s.load.p99,
    "commands a poll, most": max(counts, default=0), "polls that had some": sum(map(bool, counts)),
    "poll p50 us": sorted(took)[len(took) // 2] * 1e6 if took else 0, "poll max us": max(took, default=0) * 1e6,
    "own CPU": (after.user + after.system - before.user - before.system) / seconds,
    "listener's CPU": (children.children_user + children.children_system) / seconds,
}))
"""


def measure(env: dict[str, str], listens: bool, per_second: int, seconds: float) -> dict[str, float]:
    """One run."""
    with subprocess.Popen([sys.executable, "-c", SENDER, str(per_second)], stdin=subprocess.PIPE, env=env) as sender:
        command = [sys.executable, "-c", PLAYER, str(int(listens)), str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, check=False)
        assert sender.stdin is not None
        sender.stdin.close()
    assert done.returncode == 0, done.stderr
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print what was measured, in turns, since other programs disturb it too."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    cases = (("a flood unheard", False, 10_000), ("silence heard", True, 0), ("a flood heard", True, 10_000))
    with jack_server(PERIOD) as env:
        for _ in range(3):
            for name, listens, per_second in cases:
                found = measure(env, listens, per_second, seconds)
                print(f"{name}: " + "   ".join(f"{key} {value:.4g}" for key, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
