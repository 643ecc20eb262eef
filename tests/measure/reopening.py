"""How long it is silent after a JACK server that was killed is there again, and whether scene and loop are as they were.

    python -m tests.measure.reopening [--kills 20] [--frames 64] [--rates 44100 48000]

A rig with two scenes and a loop plays on a server on the dummy driver. The server is ended (SIGTERM and SIGKILL in
turn), and started again after half a second to four. The silence is counted from the start of
the server's process, which itself takes a part of it, until the first block. With --rates it comes back at these
sample rates in turn.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fxhost.bench.machine import read_cpu_model
from tests.conftest import RATE, ROOT, jack_server

RIG = """
[[slot]]
preset = "ts-overdrive"
[[slot]]
id = "tone"
type = "tone"
[[scene]]
name = "plain"
[[scene]]
name = "bright"
slots.tone.treble = 6
"""
HOST = """
import json, sys, threading, time, fxhost
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
with fxhost.play(fxhost.load_rig(sys.argv[1]), looper=True, patience=60.0) as live:
    live.choose_scene("bright")
    for wanted in ("recording", "playing"):
        live.loop("record")
        while live.loop_status.state != wanted or live.loop_status.length_s < 0.2: time.sleep(0.01)
    length = live.loop_status.length_s
    print("ready", flush=True)
    last, seen = live.statistics.blocks, time.monotonic()
    while not ended.is_set():
        blocks, now = live.statistics.blocks, time.monotonic()
        if blocks != last:
            if now - seen > 0.3:
                print(now, flush=True)
            last, seen = blocks, now
        time.sleep(0.002)
    loop = live.loop_status
    print(json.dumps({"scene": live.scene, "loop": loop.state, "loop as long": abs(loop.length_s - length) < 1e-4}))
"""


def main() -> None:
    """Print a line for each kill, and the silences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--rates", type=int, nargs="+", default=[RATE])
    options = parser.parse_args()
    print(f"{read_cpu_model()}, {RATE} Hz, back at {options.rates} Hz, {options.frames} frames, JACK's dummy driver")
    rng, silences = np.random.default_rng(1), []
    name = f"fxhost-reopening-{os.getpid()}"
    server = jack_server(options.frames, name=name)
    env = server.__enter__()
    folder = tempfile.TemporaryDirectory()
    rig = Path(folder.name) / "rig.toml"
    rig.write_text(RIG)
    command = [sys.executable, "-c", HOST, str(rig)]
    with subprocess.Popen(command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdin is not None and host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        for kill in range(options.kills):
            time.sleep(4.0)  # a stream that ends sooner counts as one that failed at its start
            how = (signal.SIGTERM, signal.SIGKILL)[kill % 2]
            os.kill(int(env["TEST_JACK_PID"]), how)
            server.__exit__(None, None, None)
            down = float(rng.uniform(0.5, 4.0))
            time.sleep(down)
            rate = options.rates[kill % len(options.rates)]
            server = jack_server(options.frames, name=name, rate=rate)
            started = time.monotonic()
            env = server.__enter__()
            silences.append(float(host.stdout.readline()) - started)
            print(
                f"{kill + 1:2d} {how.name} away for {down:.1f} s, first block {silences[-1]:.2f} s after its start",
                flush=True,
            )
        state = host.communicate("\n", timeout=30)[0]
    server.__exit__(None, None, None)
    folder.cleanup()
    print(
        f"silence from the start of the server: median {np.median(silences):.2f} s, longest {max(silences):.2f} s; {json.loads(state)}"
    )


if __name__ == "__main__":
    main()
