"""What a sine of 4.2 kHz at full level aliases in each shipped preset, without and with oversampling, and what it costs.

python -m tests.measure.aliasing [PRESET…]

The aliasing is all that is neither the tone nor a harmonic of it, up to 20 kHz, in dB below the tone; the load is the
median compute time of a block of 64 frames over its duration.
"""

import sys

import numpy as np

from fxhost.arrays import to_db
from fxhost.bench.blocks import time_blocks
from fxhost.engine.calibration import UNITY
from fxhost.engine.chain import planned_stage
from fxhost.engine.rate_choice import choose_plan
from fxhost.preset.archive import read_preset
from fxhost.preset.library import find_preset, shipped_presets_folder
from fxhost.riff import synthesise_riff
from fxhost.rig.slot import EffectSlot

TONE_HZ = 4200
TOP_HZ = 20_000
BLOCK_FRAMES = 64


def measure_aliasing(wet: np.ndarray) -> float:  # type: ignore[type-arg]
    """What is off the harmonics in one second of a preset's answer, float (sample_rate,), in dB relative to the tone."""
    energy = np.abs(np.fft.rfft(wet.astype(np.float64)))[: TOP_HZ + 1] ** 2  # a bin for each Hz
    tone = energy[TONE_HZ]
    energy[::TONE_HZ] = 0.0
    return to_db(float(np.sqrt(energy[20:].sum() / tone)))


def main() -> None:
    names = sys.argv[1:] or sorted(path.stem for path in shipped_presets_folder().glob("*.pt"))
    print("preset         oversampling   aliasing   latency    load")
    for name in names:
        preset = read_preset(find_preset(name))
        rate = preset.sample_rate
        riff = synthesise_riff(rate)
        sine = np.sin(2 * np.pi * TONE_HZ * np.arange(2 * rate) / rate).astype(np.float32)
        for oversample in (1, 2, 4):
            plan = choose_plan(preset, rate, oversample)
            wet = sine.copy()
            planned_stage(preset, plan).process(wet)
            timing = time_blocks([EffectSlot(preset, plan, UNITY)], "compiled", BLOCK_FRAMES, riff, seconds=1.0)
            print(
                f"{name:14} {oversample}×             {measure_aliasing(wet[rate:]):6.1f} dB  {plan.latency_ms:.2f} ms  "
                f"{timing.spread.p50_us / timing.budget_us:6.2%}"
            )


if __name__ == "__main__":
    main()
