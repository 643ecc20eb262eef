"""A table of all captures of a folder, with what they are and the time they take: `python -m tests.measure.captures FOLDER`.

Each plays 3 s of the built-in riff in blocks of 64 frames at its own rate; the time is the median over all blocks, for a sample, and its share
of the block's duration. Times of a busy machine are too long.
"""

import sys
import time
from pathlib import Path

import numpy as np

from fxhost.convert import find_captures
from fxhost.errors import FxhostError
from fxhost.preset.archive import read_preset
from fxhost.riff import synthesise_riff
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from tests.conftest import SHARED

BLOCK = 64
SECONDS = 3


def measure(path: Path) -> str:
    preset = read_preset(path)
    started = time.perf_counter()
    chain = build_chain(slots_at_own_rate([preset]))
    built_s = time.perf_counter() - started
    audio = np.resize(synthesise_riff(preset.sample_rate), SECONDS * preset.sample_rate // BLOCK * BLOCK)
    times = []
    for block in audio.reshape(-1, BLOCK):
        started = time.perf_counter()
        for stage in chain:
            stage.process(block)
        times.append(time.perf_counter() - started)
    assert np.isfinite(audio).all()
    median = float(np.median(times)) / BLOCK
    loudness = "–" if preset.levels.loudness_db is None else f"{preset.levels.loudness_db:.1f}"
    return (
        f"{preset.file_format:12} {preset.architecture.label:32} {preset.sample_rate:6} {loudness:>6} "
        f"{1e6 * median:7.3f} {100 * median * preset.sample_rate:6.2f} % {built_s:6.2f}"
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "captures"
    print(f"{'file':44} {'format':12} {'network':32} {'rate':>6} {'dB':>6} {'µs':>7} {'load':>8} {'built s':>6}")
    for path in find_captures(folder):
        try:
            row = measure(path)
        except FxhostError as err:
            row = str(err).removeprefix(str(path)).lstrip(": ")[:100]
        print(f"{path.stem[:44]:44} {row}", flush=True)
