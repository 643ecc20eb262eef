"""Compiled WaveNets against the same networks in float64, which are taken as the truth."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RATE, SHARED
from wavenet_reference import Model, array, describe, play, random_model

from fxhost.preset import Float32Array
from fxhost.stages.network_checks import check_network
from fxhost.stages.networks import Activation, Layer, LayerArray, Network
from fxhost.stages.wavenet import WaveNet

TOLERANCE = 1e-5
CAPTURES = SHARED / "captures" / "nam"
FILMS = "of the networks in it one has FiLM, which is not played"


@pytest.fixture
def loud(guitar: Float32Array) -> Float32Array:
    """Guitar from its first notes on."""
    return guitar[RATE:]


def models_in(model: Model) -> Iterator[Model]:
    """The WaveNets of a file, which may hold several networks."""
    for part in model["config"].get("submodels", []):
        yield from models_in(part["model"])
    if model["architecture"] == "WaveNet":
        yield model


def stage_of(model: Model) -> WaveNet:
    return WaveNet(*describe(model))


def played(stage: WaveNet, audio: Float32Array) -> Float32Array:
    block = audio.copy()
    stage.process(block)
    return block


FEATHER = [
    array(8, [1, 2, 4, 8, 16, 32, 64], 4, head_bias=False),
    array(4, [128, 256, 512, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512], input_size=8),
]
GATED = [
    array(3, [1, 2], 5, gated=True, head_bias=False),
    array(5, [8, 3, 700], input_size=3, gated=True),
]
CONDITION = random_model([array(2, [1, 5], 3, activation="ReLU")], seed=21)
SLOPES = {"type": "PReLU", "negative_slopes": [0.04, 0.3, -0.2, 0.1, 0.0]}
HARD = {"type": "LeakyHardtanh", "min_val": -0.2, "max_val": 0.4, "min_slope": 0.05, "max_slope": 0.3}
LEAKY = {"type": "LeakyReLU", "negative_slope": 0.2}
HEAD = {"out_channels": 1, "kernel_size": 16, "bias": True}

RANDOM = {
    "feather": random_model(FEATHER, seed=1),
    "gated": random_model(GATED, seed=2, size=0.8),
    "one channel": random_model([array(1, [7])], seed=3, size=0.9),
    "17 and 33 channels": random_model(
        [array(17, [1, 40], 33, kernel_size=2), array(33, [3, 1], input_size=17)], seed=4, size=0.2
    ),
    "blended, 40 channels": random_model(
        [array(40, [2, 9], gating_mode="blended", secondary_activation="Sigmoid")], seed=5, size=0.15
    ),
    "every layer another": random_model(
        [
            array(
                5,
                [1, 2, 3, 4, 5, 6],
                kernel_sizes=[3, 1, 4, 2, 6, 15],
                activation=[SLOPES, HARD, "Softsign", "SiLU", "Hardswish", "Hardtanh"],
                gating_mode=["gated", "none", "blended", "none", "gated", "blended"],
                secondary_activation=["Sigmoid", "", HARD, "", "Tanh", SLOPES],
            )
        ],
        seed=6,
        size=0.5,
    ),
    "a long head": random_model(
        [array(6, [1, 10], kernel_sizes=[6, 15], activation=LEAKY, head=HEAD, gating_mode="none")], seed=7, size=0.5
    ),
    "bottleneck, groups": random_model(
        [
            array(
                6,
                [1, 30],
                3,
                bottleneck=4,
                groups_input=2,
                layer1x1={"active": True, "groups": 2},
                head1x1={"active": True, "out_channels": 9, "groups": 1},
                gating_mode="gated",
                secondary_activation="Sigmoid",
            ),
            array(6, [2, 1], input_size=6, bottleneck=3, groups_input=3, layer1x1={"active": False}),
        ],
        seed=8,
        size=0.6,
    ),
    "a condition": random_model([array(4, [1, 8], condition_size=3)], seed=9, condition=CONDITION, size=0.7),
}


@pytest.mark.skipif(not CAPTURES.exists(), reason=f"there are no captures in {CAPTURES}")
@pytest.mark.parametrize("name", [path.name for path in sorted(CAPTURES.glob("*.nam"))])
def test_a_capture_is_played_as_in_float64(name: str, loud: Float32Array) -> None:
    models = list(models_in(json.loads((CAPTURES / name).read_text())))
    if "a2_max" in name:
        pytest.skip(FILMS)
    for model in models:
        audio = loud[: RATE // 4]
        truth = play(model, audio)
        error = np.abs(played(stage_of(model), audio) - truth).max()
        single = np.abs(play(model, audio, np.float32) - truth).max()
        print(f"{name}: {error:.1e}, numpy in float32 {single:.1e}, of {np.abs(truth).max():.2f}")
        assert np.ptp(truth) > 0.01
        # a few captures of high gain amplify the rounding of float32 itself beyond the tolerance
        assert error <= max(TOLERANCE, 2 * single)


@pytest.mark.parametrize("name", RANDOM)
def test_networks_of_many_shapes_are_played_as_in_float64(name: str, loud: Float32Array) -> None:
    audio = loud[:10_007]
    truth = play(RANDOM[name], audio)
    error = np.abs(played(stage_of(RANDOM[name]), audio) - truth).max()
    print(f"{name}: {error:.1e} of {np.ptp(truth):.3f}")
    assert np.ptp(truth) > 0.005
    assert error <= TOLERANCE * min(1.0, np.ptp(truth))


def test_a_weight_that_is_a_little_wrong_is_noticed(loud: Float32Array) -> None:
    network, weights = describe(RANDOM["gated"])
    audio = loud[:5003]
    truth = play(RANDOM["gated"], audio)
    unheard = range(len(weights) - 37, len(weights) - 7)  # what the last layer passes on
    unnoticed = []
    for n in sorted({*range(0, len(weights), 13)} - {*unheard}):
        changed = weights.copy()
        changed[n] += 0.02
        if np.abs(played(WaveNet(network, changed), audio) - truth).max() <= TOLERANCE * np.ptp(truth):
            unnoticed.append(n)
    assert unnoticed == []


@pytest.mark.parametrize("sizes", [(1,), (3,), (17,), (64,), (509,), (16, 1, 0, 47, 65, 128, 15), (1024,)])
@pytest.mark.parametrize("name", ["feather", "gated", "a long head", "a condition"])
def test_the_output_does_not_depend_on_the_blocks(name: str, sizes: tuple[int, ...], loud: Float32Array) -> None:
    audio = loud[:5_003]
    stage = stage_of(RANDOM[name])
    whole = played(stage, audio)
    stage.reset()
    pieces, at, turn = audio.copy(), 0, 0
    while at < len(audio):
        size = sizes[turn % len(sizes)]
        stage.process(pieces[at : at + size])
        at, turn = at + size, turn + 1
    assert np.array_equal(pieces, whole)


def test_a_reset_clears_what_is_remembered(loud: Float32Array) -> None:
    stage = stage_of(RANDOM["feather"])
    first = played(stage, loud[:4801])
    second = played(stage, loud[:4801])
    broken = played(stage, np.full(5000, np.nan, np.float32))
    stage.reset()
    assert not np.array_equal(first, second)
    assert np.isnan(broken).all()
    assert np.array_equal(played(stage, loud[:4801]), first)


@pytest.mark.parametrize("name", ["feather", "gated", "a long head", "a condition"])
def test_silence_is_played_as_what_it_settles_to_from_the_first_frame(name: str) -> None:
    stage = stage_of(RANDOM[name])
    assert stage.silent_output == pytest.approx(play(RANDOM[name], np.zeros(1))[0], abs=TOLERANCE)
    assert np.all(played(stage, np.zeros(3001, np.float32)) == np.float32(stage.silent_output))


@pytest.mark.parametrize("name", RANDOM)
def test_a_network_is_read_back_from_its_text(name: str) -> None:
    network, _ = describe(RANDOM[name])
    assert Network.from_text(network.to_text()) == network


PLAIN = LayerArray((Layer(3, 1),), input_size=1, condition_size=1, channels=2, head_size=1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input_size": 2}, "input size 2, but 1 channels enter"),
        ({"condition_size": 3}, "condition size 3"),
        ({"head_size": 2}, "2 outputs, expected 1"),
        ({"channels": 0}, "a size of 0, expected 1 to 128"),
        ({"channels": 129}, "a size of 129, expected 1 to 128"),
        ({"head_kernel_size": 65}, "65 taps in the head"),
        ({"layers": ()}, "0 layers"),
        ({"layers": (Layer(0, 1),)}, "0 taps, expected 1 to 64"),
        ({"layers": (Layer(3, 0),)}, "a dilation of 0"),
        ({"layers": (Layer(3, 200_000),)}, "it hears 400001 frames back"),
        ({"layers": (Layer(3, 1000),) * 100, "channels": 128}, "remember 26828800 numbers"),
        ({"layers": (Layer(3, 1, gating="mixed"),)}, "gating 'mixed'"),
        ({"layers": (Layer(3, 1, Activation("Mish")),)}, "activation 'Mish' is not supported"),
        ({"layers": (Layer(3, 1, Activation("PReLU", (0.1,))),)}, "PReLU with 1 numbers, expected 2"),
        ({"layers": (Layer(3, 1, Activation("LeakyReLU", (np.nan,))),)}, "LeakyReLU with"),
        ({"layers": tuple(Layer(n, 1) for n in range(1, 26))}, "of 25 kinds, at most 24"),
        ({"groups_input": 3}, "3 groups do not divide 2 rows"),
    ],
)
def test_a_network_that_cannot_be_played_is_refused_in_words(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_network(Network((replace(PLAIN, **changed),)))


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    second = replace(PLAIN, input_size=2)
    with pytest.raises(ValueError, match=r"array 2: its layers sum 2 channels"):
        check_network(Network((PLAIN, second)))
    with pytest.raises(ValueError, match=r"array 2: input size 1, but 2 channels enter"):
        check_network(Network((replace(PLAIN, head_size=2), PLAIN)))


def test_a_wrong_number_of_weights_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(3,\), expected \(\d+,\)"):
        WaveNet(Network((PLAIN,)), np.zeros(3, np.float32))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the names of other CPUs than those of x86")
@pytest.mark.parametrize("cpu", ["haswell", "nehalem", "generic"])
def test_code_for_other_cpus_agrees_with_float64(cpu: str, tmp_path: Path) -> None:
    """Their vectors are narrower, and they have fewer registers."""
    chosen = "many_shapes and (gated or 17) or blocks and gated and sizes5"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", chosen],
        env={**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
