"""Denormal numbers never reach a stage: the audio thread counts them as zero, and leaves others' threads as they were."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import carray, njit

from fxhost.arrays import Float32Array, aligned_zeros
from fxhost.engine.rack import Rack
from fxhost.native.intrinsics import FLUSH_DENORMALS, float_mode, set_float_mode
from fxhost.preset.archive import read_preset
from fxhost.reference.torchscript import named_weights
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from fxhost.stages.base import Stage, first_words, stage_function
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.gain import Gain
from fxhost.stages.limiter import Limiter
from fxhost.stages.recurrent.stage import RecurrentStage
from tests.conftest import RATE, make_module

read_mode = njit(lambda: float_mode())
write_mode = njit(lambda mode: set_float_mode(mode))

MODE = np.dtype([("mode", "i8")], align=True)
LEAK = np.dtype([("level", "f4"), ("unused", "f4")], align=True)


@stage_function(MODE)
def tell_mode(state, block, frames):  # type: ignore[no-untyped-def]
    """Keep the floating-point modes of the thread that plays."""
    carray(state, (1,))[0].mode = float_mode()


@stage_function(LEAK)
def leak_block(state, block, frames):  # type: ignore[no-untyped-def]
    """A smoother in float32, as another effect may have one."""
    s = carray(state, (1,))[0]
    x = carray(block, (frames,))
    for n in range(frames):
        s.level = np.float32(0.99) * s.level + np.float32(0.01) * x[n]
        x[n] = s.level


def make_stage(function: Any, dtype: np.dtype[Any]) -> Stage:
    memory = aligned_zeros(1, dtype)
    return Stage(function.address, memory, first_words(memory, memory.nbytes), function)


def make_network() -> RecurrentStage:
    """A network that rests at zero, as one without biases does: its state fades away with the sound."""
    module = make_module(1, 20)
    weights = named_weights(module)
    for name, values in weights.items():
        if "bias" in name:
            values[:] = 0.0
    nothing = np.zeros((1, 20), np.float32)
    sizes = {"layers": 1, "hidden_size": 20, "inputs": 1, "residual": False, "sample_rate": RATE}
    return RecurrentStage({**weights, "h0": nothing, "c0": nothing}, **sizes)


STAGES: dict[str, Callable[[], Stage]] = {
    "gain": lambda: Gain(-3.0, RATE),
    "DC blocker": lambda: DcBlocker(0.0, RATE),
    "limiter": lambda: Limiter(RATE),
    "LSTM": make_network,
    "a smoother in float32": lambda: make_stage(leak_block, LEAK),
}


def fade(seconds: float, depth: float = 1e-45) -> Float32Array:
    """Noise that fades through all that float32 can hold, then silence of a second."""
    noise = np.random.default_rng(5).uniform(-1, 1, round(seconds * RATE))
    faded = noise * np.geomspace(1.0, depth, len(noise))
    return np.concatenate([faded, np.zeros(RATE)]).astype(np.float32)


def denormals(values: Any) -> int:
    """How many of the numbers, or of those in the fields of a record, are denormal."""
    if values.dtype.names:
        return sum(denormals(values[name]) for name in values.dtype.names)
    if values.dtype.kind != "f":
        return 0
    return int(np.sum((values != 0) & (np.abs(values) < np.finfo(values.dtype).smallest_normal)))


@pytest.mark.skipif(not FLUSH_DENORMALS, reason="this CPU has no such mode that we know")
def test_the_mode_is_set_while_the_callback_runs_and_restored_after_it() -> None:
    stage = make_stage(tell_mode, MODE)
    block = np.zeros(64, np.float32)
    before = read_mode()
    for mode in (before & ~FLUSH_DENORMALS, before | FLUSH_DENORMALS):
        write_mode(mode)
        stage.process(block)
        assert stage.memory["mode"][0] == mode
        Rack([stage], RATE).process(block, block)
        inside, after = int(stage.memory["mode"][0]), read_mode()
        write_mode(before)
        assert (inside, after) == (mode | FLUSH_DENORMALS, mode)


@pytest.mark.skipif(not FLUSH_DENORMALS, reason="this CPU has no such mode that we know")
@pytest.mark.parametrize("name", STAGES)
def test_no_denormal_is_left_in_a_stage_or_in_its_output_while_sound_fades(name: str) -> None:
    stage, audio = STAGES[name](), fade(4.0)
    assert denormals(audio) > 1000
    rack, out = Rack([stage], RATE), np.zeros_like(audio)
    left = 0
    for start in range(0, len(audio), 509):
        rack.process(audio[start : start + 509], out[start : start + 509])
        left += denormals(stage.memory) + denormals(rack._data.scratch) + denormals(rack._data.memory)
    assert left == 0
    assert denormals(out) == 0
    assert np.abs(out[: RATE // 2]).max() > 1e-3


@pytest.mark.parametrize("name", ["gain", "LSTM", "a smoother in float32"])
def test_without_the_mode_a_fade_leaves_denormals(name: str) -> None:
    stage, audio = STAGES[name](), fade(4.0)
    left = 0
    for start in range(0, len(audio), 509):
        block = audio[start : start + 509].copy()
        stage.process(block)
        left += denormals(stage.memory) + denormals(block)
    assert left > 0


def test_the_mode_changes_nothing_that_can_be_heard(make_preset: Callable[..., Path], guitar: Float32Array) -> None:
    preset = read_preset(make_preset(1, 20))
    audio = guitar[:RATE]
    out = np.zeros_like(audio)
    Rack(build_chain(slots_at_own_rate([preset])), RATE).process(audio, out)
    plain = audio.copy()
    for stage in build_chain(slots_at_own_rate([preset])):
        stage.process(plain)
    assert np.array_equal(out[RATE // 10 :], np.clip(plain, -1, 1)[RATE // 10 :])
