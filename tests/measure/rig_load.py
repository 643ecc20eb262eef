"""The load of whole rigs: gate, networks, tone controls, cabinets, and many WaveNets side by side.

python -m tests.measure.rig_load
"""

import tempfile
from pathlib import Path

import numpy as np
import soundfile

from fxhost.bench.blocks import time_blocks
from fxhost.bench.limits import make_random_preset
from fxhost.bench.machine import read_cpu_model
from fxhost.riff import synthesise_riff
from fxhost.rig.blend import Blend, Branch
from fxhost.rig.parts import Cabinet, Gate, Tone
from fxhost.rig.rig import Rig
from tests.foreign import write
from tests.wavenet_reference import array, random_model

RATE, FRAMES, SECONDS = 48_000, 64, 3.0


def write_response(folder: Path, taps: int, channels: int) -> Path:
    """A decaying noise as an impulse response."""
    rng = np.random.default_rng(taps)
    response = 0.2 * rng.standard_normal((taps, channels)) * np.exp(-5.0 * np.arange(taps) / taps)[:, None]
    path = folder / f"{taps}-{channels}.wav"
    soundfile.write(path, response.astype(np.float32), RATE, subtype="FLOAT")
    return path


def write_wavenets(folder: Path, count: int) -> list[Path]:
    """Captures of the standard size of Neural Amp Modeler (A1), each with weights of its own."""
    dilations = [2**n for n in range(10)]
    layers = [
        array(16, dilations, 8, head_bias=False, gated=False),
        array(8, dilations, input_size=16, gated=False),
    ]
    return [
        write(
            folder / f"wavenet {seed}.nam",
            {
                "version": "0.5.4",
                "architecture": "WaveNet",
                "sample_rate": RATE,
                **random_model(layers, seed=seed, size=0.2),
            },
        )
        for seed in range(count)
    ]


def main() -> None:
    """Print a row for each rig."""
    riff = synthesise_riff(RATE)
    tone = {"bass": 2.0, "mid": -1.0, "treble": 3.0, "low_cut": 80.0, "high_cut": 8000.0, "band1_gain": 2.0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        second, stereo = write_response(folder, RATE, 1), write_response(folder, 4096, 2)
        wavenets = write_wavenets(folder, 10)
        forty = [make_random_preset(40, RATE), make_random_preset(40, RATE)]
        rigs = {
            "cabinet of 1 s": [Cabinet(second)],
            "tone, seven filters": [Tone(**tone, band2_gain=-2.0)],
            "gate": [Gate()],
            "stereo cabinet of 4096 taps": [Cabinet(stereo)],
            "gate, two LSTMs of 40, tone, stereo cabinet of 4096": [Gate(), *forty, Tone(**tone), Cabinet(stereo)],
            "one standard WaveNet of NAM (A1)": wavenets[:1],
            "a blend of ten of them": [Blend(wavenets)],
            "a blend of ten of them, the dry signal beside it": [Blend(wavenets, mix=0.5)],
            "a blend of ten dry branches, each delayed by a fraction of a frame": [
                Blend([Branch(delay_ms=(8 + n + 0.5) / RATE * 1e3) for n in range(10)])
            ],
        }
        budget_us = 1e6 * FRAMES / RATE
        print(f"{read_cpu_model()}, {RATE} Hz, {FRAMES} frames, budget {budget_us:.0f} µs")
        print("| rig | p50 µs | p99 µs | p99.9 µs | share of a core |\n| --- | --- | --- | --- | --- |")
        for label, parts in rigs.items():
            timing = time_blocks(Rig(parts).slots_at(RATE), "compiled", FRAMES, riff, seconds=SECONDS)
            took = np.asarray(timing.times_us)
            p50, p99, p999 = np.quantile(took, (0.5, 0.99, 0.999))
            print(f"| {label} | {p50:.1f} | {p99:.1f} | {p999:.1f} | {took.mean() / budget_us:.1%} |")


if __name__ == "__main__":
    main()
