"""What may not happen on the audio thread: shown from the code that LLVM generated, and by a million blocks."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Compiles everything that the audio thread runs, and a stage with a fault, into an empty cache, and prints the IR.
COMPILE = """
import json, numpy as np
from dataclasses import replace
from numba import carray
from fxhost.engine.callback import callback
from fxhost.stages.base import stage_function
from fxhost.stages import dc_blocker, gain, limiter, loopback, play_along
from fxhost.stages.looper import kernel as looper
from fxhost.stages.rate import interleaved, interpolated, resampler
from fxhost.stages.recurrent import stage as lstm
from fxhost.stages.wavenet import stage as wavenet
from fxhost.networks.wavenet_layers import Activation, Head, Layer, LayerArray
from fxhost.networks.wavenet import WaveNet
from fxhost.stages.recurrent.variants import list_variants
from fxhost.bench.timed_rack import timed_callback

@stage_function(np.float32)
def allocating(state, block, frames):
    x = carray(block, (frames,))
    x[:] = np.sort(x)

@stage_function(np.float32)
def raising(state, block, frames):
    x = carray(block, (frames,))
    if x[0] > 0:
        raise ValueError("too loud")

plain = LayerArray((Layer(3, 1), Layer(3, 512)), input_size=1, condition_size=1, channels=16, head_size=1)
names = ("Hardtanh", "ReLU", "Sigmoid", "SiLU", "Hardswish", "Softsign")
gated = LayerArray(
    tuple(Layer(6, 7, Activation(name), "gated") for name in names),
    input_size=1, condition_size=16, channels=5, head_size=1, head_kernel_size=16,
)

every = [(6, name) for name in ("tanh", "relu", "sigmoid", "elu", "linear")]
dense = json.dumps([every, every, "sigmoid"])
functions = {
    "callback": callback,
    "timed callback": timed_callback,
    "gain": gain.gain_block,
    "dc_blocker": dc_blocker.dc_block,
    "limiter": limiter.limit_block,
    "loopback": loopback.loop_block,
    "looper": looper.loop_block,
    "play-along": play_along.play_song,
    "resampler": resampler.resample_block,
    "interleaved": interleaved.interleave_block,
    "interpolated": interpolated.interpolate_block,
    "lstm 1x40": lstm.compile_network("lstm", 1, 40, 1, False, list_variants(1, 40)[0]),
    "lstm 3x20, 4 inputs, residual": lstm.compile_network("lstm", 3, 20, 4, True, list_variants(3, 20)[0]),
    "gru 2x72": lstm.compile_network("gru", 2, 72, 1, False, list_variants(2, 72)[0]),
    "lstm 5x72": lstm.compile_network("lstm", 5, 72, 1, False, list_variants(5, 72)[0]),
    "lstm 2x208": lstm.compile_network("lstm", 2, 208, 2, True, list_variants(2, 208)[0]),
    "gru 1x9, dense": lstm.compile_network("gru", 1, 9, 2, True, list_variants(1, 9)[0], dense),
    "convnet": wavenet.compile_network(WaveNet((), head=Head((2, 2, 2, 1), 5, 1, Activation("ELU"), (1, 9, 300, 1)))),
    "impulse response": wavenet.compile_network(WaveNet((), head=Head((5000,), 1, 1, Activation("Tanh")))),
    "wavenet": wavenet.compile_network(WaveNet((plain,))),
    "wavenet, gated, with a condition": wavenet.compile_network(WaveNet((gated,), WaveNet((replace(plain, head_size=16),)))),
    "allocating": allocating,
    "raising": raising,
}
print(json.dumps({name: function.inspect_llvm() for name, function in functions.items()}))
"""

ALLOWED = re.compile(r"llvm\.|clock_gettime$|memcpy$|memset$|sinf?$|cosf?$")
ALLOWED_GROWTH = 1 << 19  # bytes; a leak of 97 bytes in each of 20,000 blocks is four times that
CLEAN = [
    "callback",
    "timed callback",
    "gain",
    "dc_blocker",
    "limiter",
    "loopback",
    "looper",
    "play-along",
    "resampler",
    "interleaved",
    "interpolated",
    "lstm 1x40",
    "lstm 3x20, 4 inputs, residual",
    "gru 2x72",
    "lstm 5x72",
    "lstm 2x208",
    "gru 1x9, dense",
    "convnet",
    "impulse response",
    "wavenet",
    "wavenet, gated, with a condition",
]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    script = tmp_path_factory.mktemp("generated") / "compile_all.py"
    script.write_text(COMPILE)
    env = {**os.environ, "NUMBA_CACHE_DIR": str(script.parent / "cache"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    functions: dict[str, str] = json.loads(done.stdout)
    return functions


def outside_calls(ir: str) -> set[str]:
    """The functions that code calls by name and that it does not define itself."""
    defined = set(re.findall(r'^define [^\n]*?@"?([^"(\s]+)"?\(', ir, re.M))
    return {name for name in re.findall(r'\bcall\b[^\n]*?@"?([^"(\s]+)"?\(', ir) if name not in defined}


def forbidden_calls(ir: str) -> set[str]:
    # numba adds definitions of its reference counting to every module; they are called by nobody, or they are a fault
    without_unused = re.sub(r"^define [^\n]*@NRT_(?:inc|dec)ref\(.*?^}", "", ir, flags=re.M | re.S)
    return {name for name in outside_calls(without_unused) if not ALLOWED.match(name)}


@pytest.mark.parametrize("name", CLEAN)
def test_the_generated_code_calls_neither_an_allocator_nor_python(name: str, generated: dict[str, str]) -> None:
    assert re.search(r"^define ", generated[name], re.M)
    assert forbidden_calls(generated[name]) == set()


@pytest.mark.parametrize(("name", "culprit"), [("allocating", "NRT_"), ("raising", "gil_ensure")])
def test_a_planted_fault_is_found_in_the_generated_code(name: str, culprit: str, generated: dict[str, str]) -> None:
    assert any(culprit in call for call in forbidden_calls(generated[name]))


# Prints how much the resident memory of a fresh process grows while it plays blocks.
GROWTH = """
import gc, os, sys
from pathlib import Path
import numpy as np
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from fxhost.preset.archive import read_preset
from fxhost.engine.rack import Rack
from fxhost.stages.looper.stage import Looper

def resident_bytes():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

path, engine, blocks, leaks = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "leaking"
slots = slots_at_own_rate([read_preset(Path(path))])
looper = Looper(48_000, 1, 5.0) if engine == "looper" else None
rack = Rack(build_chain(slots, engine), 48_000, looper=looper)
block = np.random.default_rng(1).uniform(-1, 1, 16).astype(np.float32)
out, kept = np.zeros(16, np.float32), []
for n in range(-1000, blocks):
    if n == 0:
        before = resident_bytes()
    if looper and n in (0, 20_000, 40_000, 60_000):  # fills the memory, and lays over all of it twice
        looper.give("undo" if n == 40_000 else "record")
    rack.process(block, out)
    if leaks:
        kept.append(bytes(64))
rack.check()
print(resident_bytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory from Linux's /proc")
@pytest.mark.parametrize(
    ("engine", "blocks", "leaks", "grows"),
    [
        ("compiled", 1_000_000, "tight", False),
        ("torchscript", 20_000, "tight", False),
        ("looper", 80_000, "tight", False),
        ("compiled", 20_000, "leaking", True),
    ],
)
def test_the_memory_does_not_grow_and_a_leak_would_be_seen(
    engine: str, blocks: int, leaks: str, grows: bool, make_preset: Callable[..., Path]
) -> None:
    command = [sys.executable, "-c", GROWTH, make_preset(1, 8), engine, str(blocks), leaks]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    print(f"{engine}, {blocks} blocks, {leaks}: {int(done.stdout)} bytes")
    assert (int(done.stdout) > ALLOWED_GROWTH) == grows
