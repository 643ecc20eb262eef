"""What is lost on the way through JACK: plug-ins of another program, captured live and computed from file to file.

    apt-get install guitarix-lv2 jalv lv2file
    python -m tests.measure.capture_device [SECONDS] [EPOCHS] [PERIOD]

Each plug-in runs in jalv, a JACK client of its own, on a server with the dummy driver. `fxhost capture` makes a pair of
it. `lv2file` then computes the same plug-in on the same dry side, and the plug-in's latency is taken out. Both pairs are
trained alike. Printed are the ESR of
the captured wet side to the computed one, and the test ESR of both presets.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.conftest import ROOT, jack_server

URI = "http://guitarix.sourceforge.net/plugins/"
PLUGINS = {  # with the settings that differ from their defaults
    "ts9": (f"{URI}gxts9#ts9sim", {}),
    "muff": (f"{URI}gx_muff_#_muff_", {}),
    "jcm800": (f"{URI}gx_jcm800pre_#_jcm800pre_", {"WET_DRY": 100.0, "GAIN": -20.0}),
}
TRIES = 3
PROGRAMS = ("jalv", "lv2file", "lv2ls", "jackd")


@dataclass(frozen=True)
class Comparison:
    """A plug-in that was captured live beside the same from file to file.

    Attributes
    ----------
    delay_frames : int
        What the capture took out.
    latency_frames : int
        Of the plug-in: how late the computed wet side was before that was taken out.
    self_esr : float
        As the capture measured it; NaN where dropouts spoiled that.
    esr_between : float
        Of the captured wet side to the computed one, after the first second.
    live, offline : float
        The test ESR of the presets.
    seconds : float
        How long the capture took.
    """

    delay_frames: int
    latency_frames: int
    self_esr: float
    esr_between: float
    live: float
    offline: float
    seconds: float


def is_installed() -> bool:
    """Whether there is everything that the comparison needs."""
    if not all(map(shutil.which, PROGRAMS)):
        return False
    listed = subprocess.run(["lv2ls"], capture_output=True, text=True, check=False).stdout
    return PLUGINS["ts9"][0] in listed.split()


@contextmanager
def plugin_running(env: dict[str, str], plugin: str) -> Iterator[None]:
    """A plug-in as a JACK client named `plugin`, which has one input and one output."""
    uri, settings = PLUGINS[plugin]
    turned = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(["jalv", "-x", "-n", plugin, *turned, uri], env=env, **pipes) as host:
        try:
            for _ in range(100):
                asked = subprocess.run(
                    ["jack_lsp", "-s", env["JACK_DEFAULT_SERVER"]], capture_output=True, text=True, env=env, check=False
                )
                if f"{plugin}:out" in asked.stdout:
                    break
                time.sleep(0.1)
            yield
        finally:
            host.terminate()


def run_fxhost(*words: object, env: dict[str, str] | None = None) -> dict[str, object]:
    """What a command tells as JSON."""
    command = [sys.executable, "-m", "fxhost", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def latency_of(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> int:
    """How many frames later the second of two recordings of one sound is than the first."""
    size = 2 * len(ours)
    products = np.fft.irfft(np.fft.rfft(theirs, size) * np.conj(np.fft.rfft(ours, size)), size)
    return int((np.argmax(products) + len(ours)) % size - len(ours))


def compare(plugin: str, folder: Path, seconds: float, epochs: int, period: int) -> Comparison:
    """Capture a plug-in, compute it, and train both."""
    live = folder / plugin
    with jack_server(period) as env, plugin_running(env, plugin):
        for _ in range(TRIES):  # a dropout of this machine is not the plug-in's
            began = time.perf_counter()
            told = run_fxhost("capture", "-o", live, "--device", plugin, "--seconds", seconds, "--force", env=env)
            took_s = time.perf_counter() - began
            if told["self_esr"] is not None and not told["dropouts_s"]:
                break
    dry, wet, computed = live / "dry.wav", live / "wet.wav", folder / f"{plugin}-offline.wav"
    uri, settings = PLUGINS[plugin]
    turned = [word for name, value in settings.items() for word in ("-p", f"{name}:{value}")]
    subprocess.run(["lv2file", "-i", dry, "-o", computed, *turned, uri], capture_output=True, check=True)
    second, (ours, theirs) = int(str(told["sample_rate"])), (soundfile.read(path)[0] for path in (wet, computed))
    late = latency_of(ours[second : 5 * second], theirs[second : 5 * second])
    theirs = np.append(theirs[late:], np.zeros(late))  # as a DAW does with what a plug-in is late
    soundfile.write(computed, theirs, second, subtype="FLOAT")
    ours, theirs = ours[second:-second], theirs[second:-second]
    esrs = [
        run_fxhost("train", dry, side, "-o", folder / f"{side.stem}.pt", "--epochs", epochs, "--seed", 0, "--force")
        for side in (wet, computed)
    ]
    return Comparison(
        delay_frames=int(str(told["delay_frames"])),
        latency_frames=late,
        self_esr=float(str(told["self_esr"])) if told["self_esr"] is not None else float("nan"),
        esr_between=float(np.sum((ours - theirs) ** 2) / np.sum(theirs**2)),
        live=float(str(esrs[0]["esr_test"])),
        offline=float(str(esrs[1]["esr_test"])),
        seconds=took_s,
    )


def main() -> None:
    """Print a row for each plug-in."""
    words = sys.argv[1:]
    seconds, epochs, period = (
        float(words[0]) if words else 60.0,
        int(words[1]) if len(words) > 1 else 30,
        int(words[2]) if len(words) > 2 else 1024,
    )
    if not is_installed():
        sys.exit(
            f"this needs {', '.join(PROGRAMS)} and the plug-ins of guitarix; how to get them is on top of {__file__}"
        )
    print(f"{seconds:g} s of test signal, {epochs} epochs, periods of {period} frames")
    with tempfile.TemporaryDirectory() as folder:
        for plugin in PLUGINS:
            found = compare(plugin, Path(folder), seconds, epochs, period)
            print(
                f"{plugin:8} delay {found.delay_frames} frames, of the plug-in {found.latency_frames}   "
                f"self-ESR {found.self_esr:.1e}   live to offline {found.esr_between:.1e}   test ESR live {found.live:.2e}, offline {found.offline:.2e}   capture "
                f"took {found.seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
