"""What a full rig misses on JACK's dummy driver beside a minimal client in C, in alternating runs on the same server.

    python -m tests.measure.beside_c [--seconds 20] [--runs 5] [--frames 64]

The rig is a gate, two LSTMs of 40 units, tone controls and a stereo cabinet of 4096 taps. It plays in a process with two
busy Python threads, while two phones use its web page and a MIDI client sends 10,000 messages a second. The client in C
copies its input to its output and runs alone. Needs gcc, libjack, and the extras `midi` and `web`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fxhost.bench.machine import read_cpu_model
from fxhost.reference.preset_writer import save_preset
from tests.conftest import ROOT, jack_server, make_module
from tests.measure.midi_flood import RATE, SENDER
from tests.measure.rig_load import write_response

CLIENT = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
typedef struct client client; typedef struct port port;
client *jack_client_open(const char *, int, int *, ...);
port *jack_port_register(client *, const char *, const char *, unsigned long, unsigned long);
void *jack_port_get_buffer(port *, uint32_t);
int jack_set_process_callback(client *, int (*)(uint32_t, void *), void *);
int jack_set_xrun_callback(client *, int (*)(void *), void *);
int jack_activate(client *); int jack_client_close(client *);
static port *in, *out; static volatile long blocks, xruns;
static int process(uint32_t frames, void *none) {
    memcpy(jack_port_get_buffer(out, frames), jack_port_get_buffer(in, frames), 4 * frames);
    blocks++;
    return 0;
}
static int xrun(void *none) { xruns++; return 0; }
int main(int count, char **words) {
    client *own = jack_client_open("minimal", 1, NULL);
    if (!own) return 1;
    in = jack_port_register(own, "in", "32 bit float mono audio", 1, 0);
    out = jack_port_register(own, "out", "32 bit float mono audio", 2, 0);
    jack_set_process_callback(own, process, NULL);
    jack_set_xrun_callback(own, xrun, NULL);
    jack_activate(own);
    usleep((useconds_t)(1e6 * atof(words[1])));
    printf("%ld %ld\n", blocks, xruns);
    return jack_client_close(own);
}
"""
HOST = """
import contextlib, io, sys, threading
from fxhost.cli import main

with contextlib.redirect_stdout(io.StringIO()):  # imports and compiles before anything is busy
    main(["run", sys.argv[2], "--device", "virtual", "--duration", "0.1"])

def work():
    n = 0
    while True:
        n = (n * 31 + 7) % 1000003

for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
sys.exit(main(sys.argv[1:]))
"""
PHONE = """
import json, sys, time
from urllib.parse import urlsplit
from websockets.sync.client import connect
address, seconds = urlsplit(sys.argv[1]), float(sys.argv[2])
seen, deadline = 0, time.monotonic() + seconds
with connect(f"ws://{address.netloc}/socket?{address.query}", origin=f"http://{address.netloc}") as page:
    while time.monotonic() < deadline:
        page.recv(timeout=5)
        seen += 1
        page.send(json.dumps({"command": "set_knob", "slot": 3, "knob": 0, "position": seen % 20 / 20}))
print(seen)
"""
RIG = """
[[slot]]
type = "gate"
[[slot]]
preset = "40-1.pt"
[[slot]]
preset = "40-2.pt"
[[slot]]
type = "tone"
bass = 2
treble = 3
[[slot]]
type = "cabinet"
files = ["4096-2.wav"]
"""


def make_rig(folder: Path) -> Path:
    """A rig file with its presets and its impulse response."""
    for seed in (1, 2):
        save_preset(folder / f"40-{seed}.pt", make_module(1, 40, seed=seed), name=f"forty {seed}", sample_rate=RATE)
    write_response(folder, 4096, 2)
    path = folder / "rig.toml"
    path.write_text(RIG)
    return path


def run_client(binary: Path, seconds: float, frames: int, env: dict[str, str]) -> tuple[float, int]:
    """The share of the blocks due that the client in C missed, and the xruns it was told of."""
    done = subprocess.run([binary, str(seconds)], env=env, capture_output=True, text=True, check=True)
    blocks, xruns = map(int, done.stdout.split())
    return 1.0 - blocks / (seconds * RATE / frames), xruns


def run_rig(rig: Path, seconds: float, frames: int, env: dict[str, str]) -> tuple[float, int, dict[str, object]]:
    """The same of the rig, and what its phones saw."""
    words = ["run", str(rig), "--web", "127.0.0.1:8799", "--midi", "flood", "--json"]
    words += ["--duration", str(seconds), "--block-frames", str(frames)]
    sender = subprocess.Popen([sys.executable, "-c", SENDER, "10000"], env=env, stdin=subprocess.PIPE)
    host = subprocess.Popen([sys.executable, "-c", HOST, *words], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    address = host.stdout.readline().split()[-1]
    time.sleep(2.0)
    phones = [
        subprocess.Popen([sys.executable, "-c", PHONE, address, str(seconds - 5)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    text = host.communicate()[0]
    sender.kill()
    result = json.loads(text[text.index("{") :])
    seen = [int(phone.communicate()[0] or 0) for phone in phones]
    told = {"load p50": result["load"]["p50"], "messages to each phone": seen}
    return 1.0 - result["blocks"] / max(1, result["blocks_due"]), int(result["xruns"]), told


def main() -> None:
    """Print a row for each pair of runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--frames", type=int, default=64)
    options = parser.parse_args()
    print(f"{read_cpu_model()}, {RATE} Hz, {options.frames} frames, {options.seconds:g} s a run, JACK's dummy driver")
    with tempfile.TemporaryDirectory() as name, jack_server(options.frames) as env:
        folder = Path(name)
        (folder / "client.c").write_text(CLIENT)
        binary = folder / "client"
        subprocess.run(["gcc", "-O2", "-o", binary, folder / "client.c", "-l:libjack.so.0"], check=True)
        rig = make_rig(folder)
        print("| client in C: missed, xruns | full rig: missed, xruns | |\n| --- | --- | --- |")
        missed = []
        for _ in range(options.runs):
            c_share, c_xruns = run_client(binary, options.seconds, options.frames, env)
            share, xruns, told = run_rig(rig, options.seconds, options.frames, env)
            missed.append((c_share, share))
            print(f"| {c_share:.3%}, {c_xruns} | {share:.3%}, {xruns} | {json.dumps(told)} |", flush=True)
        c_all, all_ = np.array(missed).T
        print(
            f"| {c_all.mean():.3%} ({c_all.min():.3%} to {c_all.max():.3%}) | {all_.mean():.3%} ({all_.min():.3%} to {all_.max():.3%}) | mean |"
        )


if __name__ == "__main__":
    main()
