"""The compiled network against float64: against torch's, or over long stretches against one that is held to torch's."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numba import njit

from fxhost.arrays import Float32Array, aligned_zeros
from fxhost.native.vectors import Vectors, register_lanes
from fxhost.networks.architecture import Architecture
from fxhost.networks.recurrent import Recurrent
from fxhost.preset.archive import read_preset
from fxhost.preset.library import shipped_presets_folder
from fxhost.preset.network_stage import compiled_stage
from fxhost.reference.torchscript import EffectLSTM, build_module, named_weights, play_module, script_module
from fxhost.stages.recurrent.stage import RecurrentStage
from tests.conftest import RATE, make_module
from tests.emitting import kernel
from tests.float64 import play_float64
from train.network.fused import FusedLSTM

TOLERANCE_COMPILED = 5e-7
TOLERANCE_TORCHSCRIPT = 1e-5


def weights_of(module: EffectLSTM, h: Float32Array, c: Float32Array) -> dict[str, Float32Array]:
    return named_weights(module) | {"h0": h, "c0": c}


def compile_stage(architecture: Architecture, weights: dict[str, Float32Array], knobs: list[float]) -> RecurrentStage:
    a = architecture
    return RecurrentStage(
        weights,
        layers=a.layers,
        hidden_size=a.hidden_size,
        inputs=a.inputs,
        residual=a.residual,
        sample_rate=RATE,
        knobs=knobs,
    )


def state(architecture: Architecture, seed: int) -> tuple[Float32Array, Float32Array]:
    rng = np.random.default_rng(seed)
    shape = (architecture.layers, architecture.hidden_size)
    return rng.uniform(-0.9, 0.9, shape).astype(np.float32), rng.uniform(-1.5, 1.5, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("layers", "hidden_size"),
    [(1, size) for size in (1, 8, 16, 20, 24, 32, 40, 64, 96, 128)] + [(2, size) for size in (8, 16, 24, 40)],
)
def test_both_engines_agree_with_float64_over_seconds_of_guitar(
    layers: int, hidden_size: int, guitar: Float32Array
) -> None:
    seconds = next(s for s, most in ((10, 8), (2, 16), (1, 48), (0.5, 256)) if layers * hidden_size <= most)
    guitar = guitar[: int(seconds * RATE)]  # the larger ones take as long for less
    architecture = Recurrent(layers, hidden_size)
    module = make_module(layers, hidden_size)
    h, c = state(architecture, seed=2)
    stage = compile_stage(architecture, weights_of(module, h, c), [])
    compiled = guitar.copy()
    stage.process(compiled)
    scripted, _, _ = play_module(script_module(module), guitar[:, None], h, c)
    truth = play_float64(architecture, named_weights(module), guitar[:, None], h, c)
    error, scripted_error = np.abs(compiled - truth).max(), np.abs(scripted - truth).max()
    print(f"{layers} × {hidden_size}: compiled {error:.1e}, TorchScript {scripted_error:.1e}")
    assert np.ptp(truth) > 0.005
    assert error <= TOLERANCE_COMPILED
    assert scripted_error <= TOLERANCE_TORCHSCRIPT


@pytest.mark.parametrize(("layers", "hidden_size", "inputs", "residual"), [(1, 8, 1, False), (3, 21, 4, True)])
def test_the_reference_is_torch_in_float64(
    layers: int, hidden_size: int, inputs: int, residual: bool, guitar: Float32Array
) -> None:
    architecture = Recurrent(layers, hidden_size, inputs, residual)
    module = make_module(layers, hidden_size, inputs, residual)
    h, c = state(architecture, seed=2)
    audio = guitar[: RATE // 4]
    x = np.column_stack([audio] + [np.full_like(audio, np.float32(0.3))] * (inputs - 1))
    played = play_float64(architecture, named_weights(module), x, h, c)
    truth, _, _ = play_module(module.double(), x.astype(float), h.astype(float), c.astype(float))
    assert np.abs(played - truth).max() < 1e-12


@pytest.mark.parametrize("path", sorted(shipped_presets_folder().glob("*.pt")), ids=lambda path: path.stem)
def test_trained_networks_with_long_memories_are_played_as_in_float64(path: Path, guitar: Float32Array) -> None:
    """An error of a millionth in a forget gate near 1 makes a memory of seconds shorter or longer by a part in ten."""
    preset = read_preset(path)
    module = build_module(preset.architecture, preset.weights)
    h, c = preset.weights["h0"], preset.weights["c0"]
    audio = 0.5 * guitar[: 5 * RATE]
    outputs = {"compiled": audio.copy()}
    compiled_stage(preset).process(outputs["compiled"])
    outputs["TorchScript"], _, _ = play_module(script_module(module), audio[:, None], h, c)
    trainer, state_now, played = FusedLSTM(copy.deepcopy(module), 1), [torch.tensor(x)[:, None] for x in (h, c)], []
    for window in torch.split(torch.from_numpy(audio)[None, :, None], 4096, dim=1):
        y, *state_now = trainer.play(window, *state_now)
        played.append(y[0, :, 0].numpy())
    outputs["trainer"] = np.concatenate(played)
    truth = play_float64(preset.architecture, dict(preset.weights), audio[:, None], h, c)
    errors = {name: np.sum((y - truth) ** 2) / np.sum(truth**2) for name, y in outputs.items()}
    print(f"{path.stem}: " + ", ".join(f"{name} {error:.1e}" for name, error in errors.items()))
    assert max(errors.values()) < 1e-9


@pytest.mark.parametrize(
    ("layers", "hidden_size", "inputs", "residual"),
    [
        (3, 5, 4, True),
        (1, 128, 2, False),
        (3, 128, 1, True),
        (2, 33, 3, False),
        (5, 70, 2, True),
        (1, 256, 1, False),
        (2, 201, 3, True),
    ],
)
def test_every_kind_of_architecture_agrees_with_float64(
    layers: int, hidden_size: int, inputs: int, residual: bool, guitar: Float32Array
) -> None:
    architecture = Recurrent(layers, hidden_size, inputs, residual)
    module = make_module(layers, hidden_size, inputs, residual, seed=3)
    h, c = state(architecture, seed=4)
    knobs = [0.1, 0.7, 1.0][: inputs - 1]
    stage = compile_stage(architecture, weights_of(module, h, c), knobs)
    audio = guitar[: RATE // 8]
    x = np.column_stack([audio, *(np.full_like(audio, np.float32(knob)) for knob in knobs)]).astype(float)
    compiled = audio.copy()
    stage.process(compiled)
    truth, _, _ = play_module(module.double(), x, h.astype(float), c.astype(float))
    assert np.abs(compiled - truth).max() <= TOLERANCE_COMPILED
    stage.reset()
    pieces = audio[:2000].copy()
    for start in range(0, len(pieces), 17):  # to the bit
        stage.process(pieces[start : start + 17])
    assert np.array_equal(pieces, compiled[:2000])


@pytest.mark.parametrize(
    ("layers", "hidden_size", "inputs", "residual"),
    [(1, 8, 1, False), (2, 20, 1, True), (1, 43, 2, False), (3, 33, 4, True), (1, 128, 1, False)],
)
def test_a_gru_agrees_with_float64(
    layers: int, hidden_size: int, inputs: int, residual: bool, guitar: Float32Array
) -> None:
    torch.manual_seed(7)
    gru, head = torch.nn.GRU(inputs, hidden_size, layers, batch_first=True), torch.nn.Linear(hidden_size, 1)
    with torch.no_grad():
        for parameter in gru.parameters():
            parameter *= 1.5
    h, c = state(Recurrent(layers, hidden_size), seed=4)
    named = dict(gru.named_parameters()) | {"head_weight": head.weight, "head_bias": head.bias}
    weights = {name: value.detach().numpy() for name, value in named.items()} | {"h0": h, "c0": c}
    knobs = [0.1, 0.7, 1.0][: inputs - 1]
    sizes = {"layers": layers, "hidden_size": hidden_size, "inputs": inputs, "residual": residual}
    stage = RecurrentStage(weights, **sizes, sample_rate=RATE, knobs=knobs, cell="gru")
    audio = guitar[: RATE // 4]
    compiled = audio.copy()
    stage.process(compiled)
    x = np.column_stack([audio, *(np.full_like(audio, np.float32(knob)) for knob in knobs)]).astype(float)
    with torch.no_grad():
        hidden, _ = gru.double()(torch.from_numpy(x)[None], torch.from_numpy(h[:, None].astype(float)))
        truth = head.double()(hidden)[0, :, 0].numpy() + residual * x[:, 0]
    assert np.ptp(truth) > 0.005
    assert np.abs(compiled - truth).max() <= TOLERANCE_COMPILED


def test_a_reset_stage_plays_the_same_again(guitar: Float32Array) -> None:
    architecture = Recurrent(2, 12)
    stage = compile_stage(architecture, weights_of(make_module(2, 12), *state(architecture, seed=5)), [])
    first, second, third = (guitar[:4801].copy() for _ in range(3))
    stage.process(first)
    stage.process(second)
    stage.reset()
    stage.process(third)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, third)


def test_a_knob_glides_to_its_target() -> None:
    architecture = Recurrent(1, 4, 2)
    stage = compile_stage(architecture, weights_of(make_module(1, 4, 2), *state(architecture, seed=6)), [0.0])
    at = stage.layout.offsets()
    stage.memory[at["knob_targets"] + 1] = 1.0
    block = np.zeros(RATE // 50, np.float32)  # 20 ms, the time constant
    stage.process(block)
    assert stage.memory[at["x"] + 1] == pytest.approx(1 - np.exp(-1), abs=0.01)


WIDTH = register_lanes()[0]


@kernel(WIDTH, 2)
def tanh_of_one_vector(v: Vectors, source: Any, target: Any) -> None:
    v.store(v.divide(*v.tanh_ratio(v.load(v.pointer(source)))), v.pointer(target))


@njit
def tanh_of_vectors(source, target, count):  # type: ignore[no-untyped-def]
    for n in range(count):
        tanh_of_one_vector(source + 4 * WIDTH * n, target + 4 * WIDTH * n)


def test_the_tanh_of_the_kernels_is_exact_to_a_few_units_in_the_last_place_and_keeps_nan() -> None:
    x = aligned_zeros(32_768 * WIDTH, np.float32)
    x[:] = np.linspace(-12, 12, len(x))
    x[:6] = 0.0, 1e-30, -1e-30, 3e38, -np.inf, np.nan
    y = aligned_zeros(len(x), np.float32)
    tanh_of_vectors(x.ctypes.data, y.ctypes.data, len(x) // WIDTH)
    assert np.isnan(y[5])
    finite = np.delete(np.arange(len(x)), 5)
    assert np.abs(y[finite] - np.tanh(x[finite].astype(float))).max() < 5e-7


def test_a_module_rebuilt_from_the_weights_plays_the_same(guitar: Float32Array) -> None:
    architecture = Recurrent(2, 7, residual=True)
    module = make_module(2, 7, residual=True)
    h, c = state(architecture, seed=8)
    rebuilt = build_module(architecture, weights_of(module, h, c))
    first, _, _ = play_module(module, guitar[:5000, None], h, c)
    second, _, _ = play_module(rebuilt, guitar[:5000, None], h, c)
    assert np.array_equal(first, second)
