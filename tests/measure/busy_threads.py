"""How many of the blocks due each kind of callback makes while two Python threads are busy in the same process.

    python -m tests.measure.busy_threads [--seconds 20] [--frames 64] [--preset PRESET]

Starts a JACK server of its own on the dummy driver in real-time mode, plays the preset (by default a network of 40
units) through fxhost's compiled engine, through its TorchScript engine, and through an ordinary Python callback that
calls the same compiled rack, and prints a table.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from fxhost.reference.preset_writer import save_preset
from tests.conftest import RATE, ROOT, jack_server, make_module

HOST = """
import contextlib, io, sys, threading
from fxhost.cli import main

with contextlib.redirect_stdout(io.StringIO()):  # imports and compiles before anything is busy
    main([*sys.argv[2:], "--device", "virtual", "--duration", "0.1"])

def work():
    n = 0
    while True:
        n = (n * 31 + 7) % 1000003

for _ in range(int(sys.argv[1])):
    threading.Thread(target=work, daemon=True).start()
sys.exit(main(sys.argv[2:]))
"""

PYTHON_CALLBACK = """
import json, sys, threading, time
from pathlib import Path
import numpy as np, sounddevice
from fxhost.engine.rack import Rack
from fxhost.preset.archive import read_preset
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate

def work():
    n = 0
    while True:
        n = (n * 31 + 7) % 1000003

threads, path, seconds, rate = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
rack = Rack(build_chain(slots_at_own_rate([read_preset(path)])), rate)
xruns = 0

def callback(data, out, frames, time_info, status):
    global xruns
    xruns += bool(status)
    rack.process(np.ascontiguousarray(data), out)

for _ in range(threads):
    threading.Thread(target=work, daemon=True).start()
with sounddevice.Stream(samplerate=rate, channels=1, dtype="float32", callback=callback, latency="low"):
    rack.wait_for_block(10)
    first = rack.blocks
    begin = time.perf_counter()
    time.sleep(seconds)
    blocks, elapsed = rack.blocks - first, time.perf_counter() - begin
    frames = rack.statistics().block_frames
print(json.dumps({"blocks": blocks, "blocks_due": int(elapsed * rate / frames), "xruns": xruns}), flush=True)
import os; os._exit(0)  # the busy threads would hold up a tidy end
"""


def measure(kind: str, preset: Path, *, seconds: float, frames: int, threads: int) -> dict[str, int]:
    """Play a preset on a fresh server; return blocks, blocks_due and xruns."""
    if kind == "python callback":
        command = [PYTHON_CALLBACK, str(threads), str(preset), str(seconds), str(RATE)]
    else:
        command = [HOST, str(threads), "run", str(preset), "--engine", kind, "--duration", str(seconds), "--json"]
    with jack_server(frames) as env:
        done = subprocess.run(
            [sys.executable, "-c", *command],
            capture_output=True,
            text=True,
            env=env,
            cwd=ROOT,
            check=False,
            timeout=300,
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, int] = json.loads(done.stdout)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--preset", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        preset = options.preset
        if preset is None:
            preset = Path(folder) / "hidden-40.pt"
            save_preset(preset, make_module(1, 40), name="40 units", sample_rate=RATE)
        print(
            f"{options.frames} frames at {RATE} Hz, {options.seconds:g} s, {options.threads} busy threads, {preset.name}"
        )
        print(f"{'callback':16s} {'blocks':>8s} {'due':>8s} {'made':>8s} {'xruns':>6s}")
        for kind in ("compiled", "torchscript", "python callback"):
            result = measure(kind, preset, seconds=options.seconds, frames=options.frames, threads=options.threads)
            made = result["blocks"] / result["blocks_due"]
            print(
                f"{kind:16s} {result['blocks']:8d} {result['blocks_due']:8d} {made:8.2%} {result['xruns']:6d}",
                flush=True,
            )


if __name__ == "__main__":
    main()
