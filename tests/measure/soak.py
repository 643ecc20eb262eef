"""A long run under stress: xruns, memory over time, and whether every sample is the one that `fxhost render` writes.

    python -m tests.measure.soak [--minutes 30] [--frames 64] [--stress 2] [--preset PRESET]

Starts a JACK server of its own on the dummy driver in real-time mode and plays the built-in riff at changing levels
through the preset (by default a network of 40 units), while Python threads in the host's own process never rest and
take and free memory. At the end it renders the same file and compares.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from fxhost.reference.preset_writer import save_preset
from fxhost.riff import synthesise_riff
from tests.conftest import RATE, ROOT, jack_server, make_module, run_fxhost

HOST = """
import sys
from fxhost.bench.blocks import stressing
from fxhost.cli import main
with stressing(int(sys.argv[1])):
    code = main(sys.argv[2:])
sys.exit(code)
"""

GAIN = ("--output-gain-db", 30)  # a network that learned nothing is soft; so the limiter has work too
SAMPLE_S = 0.25  # between two looks at the memory
COMPARED_FRAMES = 1 << 16


@dataclass(frozen=True)
class Soak:
    """What a run came to.

    Attributes
    ----------
    summary : dict
        The JSON of `fxhost run`.
    memory_mb : float64 (samples, 3)
        Seconds since the host was started, resident memory and its peak so far in MB.
    frames, different : int
        Frames compared with the rendered file, and those that are not the same to the bit.
    """

    summary: dict[str, Any]
    memory_mb: np.ndarray[Any, np.dtype[np.float64]]
    frames: int
    different: int

    @property
    def quarters_mb(self) -> list[float]:
        """The median of the resident memory in each quarter of the time that it played."""
        played = self.memory_mb[self.memory_mb[:, 0] > self.memory_mb[-1, 0] - self.summary["seconds"]]
        return [float(np.median(quarter[:, 1])) for quarter in np.array_split(played, 4)]


def write_dry(path: Path, seconds: float) -> None:
    """The riff again and again, at full scale and then each time at another level down to −40 dB."""
    rng, riff = np.random.default_rng(11), synthesise_riff(RATE)
    riff /= np.abs(riff).max()
    left, level = round(seconds * RATE), 1.0
    with soundfile.SoundFile(path, "w", RATE, 1, "FLOAT") as file:
        while left > 0:
            file.write((riff * level)[:left].astype(np.float32))
            left, level = left - len(riff), 10 ** rng.uniform(-2, 0)


def read_memory_mb(process: int) -> tuple[float, float]:
    """Resident memory, and its peak so far."""
    status = Path(f"/proc/{process}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(int(fields[name].split()[0]) * 1024e-6 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def play(preset: Path, dry: Path, out: Path, *, frames: int, stress: int) -> tuple[dict[str, Any], np.ndarray]:  # type: ignore[type-arg]
    """Run the host on a server of its own; its summary, and its memory over time."""
    command = [sys.executable, "-c", HOST, str(stress), "run", str(preset), "--json", *map(str, GAIN)]
    files = ["--input-file", str(dry), "--output-file", str(out)]
    samples: list[tuple[float, float, float]] = []
    with (
        jack_server(frames) as env,
        subprocess.Popen(
            [*command, *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT
        ) as host,
    ):
        ended = threading.Event()

        def watch() -> None:
            began = time.perf_counter()
            while not ended.wait(SAMPLE_S):
                try:
                    samples.append((time.perf_counter() - began, *read_memory_mb(host.pid)))
                except (OSError, KeyError):  # it has ended
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            stdout, stderr = host.communicate()
        finally:
            ended.set()
            watcher.join()
    if host.returncode:
        raise RuntimeError(stderr)
    return json.loads(stdout), np.array(samples)


def compare(one: Path, other: Path) -> tuple[int, int]:
    """How many frames two files have, and how many of them differ in any bit; a missing one differs."""
    frames = different = 0
    with soundfile.SoundFile(one) as first, soundfile.SoundFile(other) as second:
        while True:
            a, b = (file.read(COMPARED_FRAMES, dtype="float32") for file in (first, second))
            both = min(len(a), len(b))
            frames += max(len(a), len(b))
            different += int(np.sum(a[:both].view(np.int32) != b[:both].view(np.int32))) + abs(len(a) - len(b))
            if not len(a) and not len(b):
                return frames, different


def soak(preset: Path, folder: Path, *, seconds: float, frames: int, stress: int) -> Soak:
    """Play so long under stress, render the same, and compare."""
    dry, live, rendered = (folder / f"{name}.wav" for name in ("dry", "live", "rendered"))
    write_dry(dry, seconds)
    summary, memory_mb = play(preset, dry, live, frames=frames, stress=stress)
    done = run_fxhost("render", preset, dry, rendered, "--json", *GAIN, timeout=600 + seconds)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Soak(summary, memory_mb, *compare(live, rendered))


def print_figures(result: Soak) -> None:
    """The table."""
    s, scheduling = result.summary, result.summary["scheduling"] or {"policy": "unknown", "priority": 0}
    rows = {
        "played": f"{s['seconds']:.0f} s in blocks of {s['block_frames']} frames",
        "audio thread": f"{scheduling['policy']} {scheduling['priority']}",
        "locked": f"{s['locked_bytes'] / 1e6:.1f} of {s['wanted_bytes'] / 1e6:.1f} MB",
        "blocks": f"{s['blocks']} of {s['blocks_due']} due ({s['blocks'] / s['blocks_due']:.3%})",
        "xruns": f"{s['xruns']}",
        "load": "  ".join(f"{name} {value:.1%}" for name, value in s["load"].items()),
        "between blocks, p99": f"{s['interval_p99_us']:.0f} µs of {1e6 * s['block_frames'] / s['sample_rate']:.0f}",
        "lost, bad samples": f"{s['lost_frames']}, {s['bad_samples']}",
        "resident, by quarters": " → ".join(f"{value:.1f}" for value in result.quarters_mb) + " MB",
        "resident at most": f"{result.memory_mb[:, 2].max():.1f} MB",
        "differs from render": f"{result.different} of {result.frames} frames",
    }
    for name, value in rows.items():
        print(f"{name:22s} {value}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--stress", type=int, default=2)
    parser.add_argument("--preset", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        preset = options.preset
        if preset is None:
            preset = folder / "hidden-40.pt"
            save_preset(preset, make_module(1, 40), name="40 units", sample_rate=RATE)
        result = soak(preset, folder, seconds=60 * options.minutes, frames=options.frames, stress=options.stress)
        print(f"{preset.name}, {options.stress} busy threads")
        print_figures(result)


if __name__ == "__main__":
    main()
