"""Five hundred random changes of sound while it plays: the steps between samples, the time that a change takes, memory.

python -m tests.measure.switching [CAPTURE…]

Ten sounds (the shipped presets, random networks, the captures that are named, scenes that differ in knobs) play a 110 Hz
sine and then a guitar-like riff; between two changes lie 10 to 100 ms.
"""

import gc
import resource
import sys
import time

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.bench.limits import make_random_preset
from fxhost.engine.rack import Rack
from fxhost.preset.archive import read_preset
from fxhost.preset.library import find_preset
from fxhost.riff import synthesise_riff
from fxhost.rig.effect import Effect, load
from fxhost.rig.part import Part
from fxhost.rig.parts import Tone
from fxhost.rig.playing import Playing
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene

RATE, BLOCK, CHANGES = 48_000, 64, 500


def make_rig(captures: list[str]) -> Rig:
    """A rig of ten scenes."""
    effects = [Effect(read_preset(find_preset(name))) for name in ("ts-overdrive", "rc-lowpass", "identity")]
    effects += [load(name) for name in captures[:4]]
    effects += [Effect(make_random_preset(size, RATE)) for size in (8, 16, 24, 32, 40)]
    parts: list[list[Effect | Part]] = [[effect, Tone()] for effect in effects[:8]]
    parts += [[effects[0], Tone(bass=6.0)], [effects[0], Tone(treble=-6.0)]]
    return Rig(parts[0], scenes=[Scene(str(n), each, (True, True)) for n, each in enumerate(parts)])


def play(rig: Rig, audio: Float32Array, changes: int, only: int | None = None) -> tuple[Float32Array, list[float]]:
    """What comes out (frames,), and the time of each change in ms."""
    playing = Playing(rig, RATE, print)
    rack = Rack(playing.sound.chain(), RATE)
    playing.start(rack)
    rng, out, took, at = np.random.default_rng(1), [], [], 0

    def play_blocks(count: int) -> None:
        nonlocal at
        for _ in range(count):
            block = np.ascontiguousarray(audio[np.arange(at, at + BLOCK) % len(audio)])
            rack.process(block, wet := np.zeros(BLOCK, np.float32))
            out.append(wet)
            at += BLOCK

    play_blocks(200)
    for number in range(changes):
        playing.choose_scene(int(rng.integers(len(rig.scenes))) if only is None else only)
        while rack.is_crossfading:
            play_blocks(1)
        began = time.perf_counter()
        playing.follow(False)
        took.append(1e3 * (time.perf_counter() - began))
        play_blocks(int(rng.integers(8, 75)))
        if number % 100 == 99:
            gc.collect()
            print(f"  {number + 1} changes, peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")
    play_blocks(len(audio) // BLOCK + 1)  # the whole of it
    return np.concatenate(out)[100 * BLOCK :], took


def main() -> None:
    """Print what was measured."""
    rig = make_rig(sys.argv[1:])
    sine = (0.3 * np.sin(2 * np.pi * 110 * np.arange(RATE) / RATE)).astype(np.float32)
    for name, audio in (("a sine of 110 Hz", sine), ("the riff", synthesise_riff(RATE))):
        print(name)
        own = [float(np.abs(np.diff(play(rig, audio, 1, only)[0])).max()) for only in range(len(rig.scenes))]
        wet, took = play(rig, audio, CHANGES)
        step = float(np.abs(np.diff(wet)).max())
        print(f"  largest step between samples {step:.4f}, of the sounds alone at most {max(own):.4f}")
        print(f"  no number: {np.sum(~np.isfinite(wet))} of {len(wet)} samples")
        p50, p99 = np.quantile(took, (0.5, 0.99))
        print(f"  from a change to its fade: p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {max(took):.1f} ms")


if __name__ == "__main__":
    main()
