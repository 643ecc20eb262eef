"""Whether a fade costs more than music: the time of each stage on noise, on a fade to nothing, and on denormal numbers.

    python -m tests.measure.denormals [--seconds 60] [--frames 64]

Plays each stage inside the callback, which counts denormal numbers as zero, and by itself, where the CPU counts them
as they are, and prints the seconds that it took and the ratios to noise at full scale.
"""

import argparse
import time

import numpy as np

from fxhost.engine.rack import Rack
from tests.conftest import RATE
from tests.stages.test_denormals import STAGES, Float32Array, Stage


def measure(stage: Stage, audio: Float32Array, frames: int, *, in_callback: bool) -> float:
    """The seconds that a stage computes on audio, in blocks; the quickest of each ten blocks counts for all ten."""
    rack = Rack([stage], RATE)
    took_ns = []
    out = np.zeros(frames, np.float32)
    for block in audio[: len(audio) // frames * frames].reshape(-1, frames).copy():
        begun = time.perf_counter_ns()
        if in_callback:
            rack.process(block, out)
        else:
            stage.process(block)
        took_ns.append(time.perf_counter_ns() - begun)
    tens = np.array(took_ns[: len(took_ns) // 10 * 10]).reshape(-1, 10)
    return float(tens.min(axis=1).sum() * 10e-9)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--frames", type=int, default=64)
    options = parser.parse_args()
    noise = np.random.default_rng(7).uniform(-1, 1, round(options.seconds * RATE)).astype(np.float32)
    signals = {
        "noise": noise,
        "fade": (noise * np.geomspace(1, 1e-45, len(noise))).astype(np.float32),
        "1e-21": noise * np.float32(1e-21),  # its square is denormal
        "1e-40": (noise * 1e-40).astype(np.float32),
    }
    print(f"{options.seconds:g} s at {RATE} Hz in blocks of {options.frames}; seconds on noise, then ratios to them")
    print(f"{'stage':24s} {'played':10s}" + "".join(f"{name:>9s}" for name in signals))
    for name, make in STAGES.items():
        for in_callback in (True, False):
            took = [measure(make(), audio, options.frames, in_callback=in_callback) for audio in signals.values()]
            ratios = "".join(f"{seconds / took[0]:9.2f}" for seconds in took[1:])
            print(f"{name:24s} {'callback' if in_callback else 'alone':10s}{took[0]:9.3f}{ratios}", flush=True)


if __name__ == "__main__":
    main()
