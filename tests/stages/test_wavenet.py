"""Compiled WaveNets against the same networks in float64, which are taken as the truth."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fxhost.arrays import Float32Array
from fxhost.networks.wavenet import WaveNet
from fxhost.networks.wavenet_checks import check_network
from fxhost.networks.wavenet_layers import Activation, Film, Head, Layer, LayerArray
from fxhost.stages.wavenet.stage import WaveNetStage
from tests.conftest import RATE, SHARED
from tests.wavenet_reference import FILMS, Model, array, describe, play, random_model

TOLERANCE = 1e-5
CAPTURES = SHARED / "captures" / "nam"


@pytest.fixture
def loud(guitar: Float32Array) -> Float32Array:
    """Guitar from the loudest quarter of a second of its first five on."""
    frames = RATE // 4
    powers = [float(np.mean(np.square(guitar[start : start + frames]))) for start in range(0, 5 * RATE, frames)]
    return guitar[int(np.argmax(powers)) * frames :]


def models_in(model: Model) -> Iterator[Model]:
    """The WaveNets of a file, which may hold several networks."""
    for part in model["config"].get("submodels", []):
        yield from models_in(part["model"])
    if model["architecture"] == "WaveNet":
        yield model


def stage_of(model: Model) -> WaveNetStage:
    return WaveNetStage(*describe(model))


def played(stage: WaveNetStage, audio: Float32Array) -> Float32Array:
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
EVERY_FILM = {name: {"active": True, "shift": n % 3 != 1, "groups": 1} for n, name in enumerate(FILMS)}
ONE_AND_EXTRA = {
    "layer1x1": {"active": True, "groups": 2},
    "head1x1": {"active": True, "out_channels": 3, "groups": 1},
}

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
    "activations of the trainer alone": random_model(
        [array(5, [1, 2], activation=["Softsigmoid", "Fasttanh"], gating_mode="none")], seed=60, size=0.9
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
    "films everywhere": random_model(
        [
            array(
                4,
                [1, 30, 5],
                3,
                gating_mode=["none", "gated", "blended"],
                secondary_activation="Sigmoid",
                **EVERY_FILM,
                **ONE_AND_EXTRA,
            ),
            array(2, [7], input_size=4, bottleneck=3, conv_pre_film={}, conv_post_film={"shift": False}),
        ],
        seed=10,
        size=0.9,
    ),
    "films of groups, 18 channels": random_model(
        [
            array(
                18,
                [2, 11],
                condition_size=3,
                activation="Softsign",
                **{name: {"active": True, "groups": 3} for name in FILMS[:6]},
            )
        ],
        seed=50,
        condition=CONDITION,
        size=0.7,
    ),
    "a head behind the arrays": random_model(
        [array(3, [1, 5], 5, head_bias=False)],
        seed=12,
        head={"channels": 5, "out_channels": 1, "kernel_sizes": [3, 1, 8], "activation": SLOPES},
        size=0.8,
    ),
    "a wide head with taps apart": random_model(
        [array(4, [9], head={"out_channels": 2, "kernel_size": 5, "bias": True, "head_dilation": 37})],
        seed=47,
        head={"channels": 19, "out_channels": 1, "kernel_sizes": [2, 2], "activation": LEAKY},
        size=0.7,
    ),
    "a condition with a head": random_model(
        [array(4, [1, 8], condition_size=2)],
        seed=14,
        condition=random_model(
            [array(2, [3])],
            seed=15,
            head={"channels": 1, "out_channels": 2, "kernel_sizes": [4], "activation": "Hardtanh"},
        ),
        size=0.7,
    ),
}
for number, name in enumerate(FILMS):
    for shift in (True, False):
        RANDOM[f"{name}, {'with' if shift else 'without'} a shift"] = random_model(
            [array(4, [3, 20], gating_mode="gated", **{name: {"active": True, "shift": shift}}, **ONE_AND_EXTRA)],
            seed=30 + number,
            size=0.7,
        )
STEPS = ["feather", "gated", "a long head", "a condition", "films everywhere", "a wide head with taps apart"]


@pytest.mark.skipif(not CAPTURES.exists(), reason="there are no captures beside the project")
@pytest.mark.parametrize("name", [path.name for path in sorted(CAPTURES.glob("*.nam"))])
def test_a_capture_is_played_as_in_float64(name: str, loud: Float32Array) -> None:
    models = list(models_in(json.loads((CAPTURES / name).read_text())))
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


@pytest.mark.parametrize("name", ["gated", "films everywhere", "a head behind the arrays"])
def test_a_weight_that_is_a_little_wrong_is_noticed(name: str) -> None:
    """All but those that do not reach the output, such as of the channels that the last layer passes on."""
    model, audio = RANDOM[name], np.random.default_rng(18).uniform(-0.3, 0.3, 2003).astype(np.float32)
    network, weights = describe(model)
    truth = play(model, audio)
    tolerance = TOLERANCE * min(1.0, np.ptp(truth))
    assert np.abs(played(WaveNetStage(network, weights), audio) - truth).max() <= tolerance
    missed, matters = [], []
    for n in range(0, len(weights), 13):
        changed = weights.copy()
        changed[n] += 0.01
        other = play(model | {"weights": changed.tolist()}, audio)
        if np.abs(other - truth).max() <= 2 * tolerance:
            continue
        matters.append(n)
        if np.abs(played(WaveNetStage(network, changed), audio) - truth).max() <= tolerance:
            missed.append(n)
    assert missed == []
    assert 13 * len(matters) > 0.7 * len(weights)


@pytest.mark.parametrize("sizes", [(1,), (3,), (17,), (64,), (509,), (16, 1, 0, 47, 65, 128, 15), (1024,)])
@pytest.mark.parametrize("name", STEPS)
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


@pytest.mark.parametrize("name", STEPS)
def test_silence_is_played_as_what_it_settles_to_from_the_first_frame(name: str) -> None:
    stage = stage_of(RANDOM[name])
    assert stage.silent_output == pytest.approx(play(RANDOM[name], np.zeros(1))[0], abs=TOLERANCE)
    assert np.all(played(stage, np.zeros(3001, np.float32)) == np.float32(stage.silent_output))


@pytest.mark.parametrize("name", RANDOM)
def test_a_network_is_read_back_from_its_text(name: str) -> None:
    network, _ = describe(RANDOM[name])
    assert WaveNet.from_text(network.to_text()) == network


def test_a_text_from_before_there_were_films_and_heads_is_read() -> None:
    network, _ = describe(RANDOM["a condition"])
    fields = json.loads(network.to_text())
    for part in (fields, fields["condition"]):
        del part["head"]
        for layers in part["arrays"]:
            del layers["films"], layers["head_dilation"]
    assert WaveNet.from_text(json.dumps(fields)) == network


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
        ({"layers": (Layer(3, 1000),) * 100, "channels": 128}, "remember 26839040 numbers"),
        ({"layers": (Layer(3, 1, gating="mixed"),)}, "gating 'mixed'"),
        ({"layers": (Layer(3, 1, Activation("Mish")),)}, "activation 'Mish' is not supported"),
        ({"layers": (Layer(3, 1, Activation("PReLU", (0.1,))),)}, "PReLU with 1 numbers, expected 2"),
        ({"layers": (Layer(3, 1, Activation("LeakyReLU", (np.nan,))),)}, "LeakyReLU with"),
        ({"layers": tuple(Layer(n, 1) for n in range(1, 26))}, "of 25 kinds, at most 24"),
        ({"groups_input": 3}, "3 groups do not divide 2 rows"),
        ({"head_dilation": 0}, "a dilation of 0 in the head"),
        ({"head_kernel_size": 3, "head_dilation": 200_000}, "it hears 400003 frames back"),
        ({"films": (Film("conv_pre", groups=2),)}, "2 groups do not divide 4 rows and 1 columns"),
        ({"films": (Film("between"),)}, "films at between"),
        ({"films": (Film("conv_post"), Film("conv_pre"))}, "films at conv_post, conv_pre"),
        ({"films": (Film("conv_pre"), Film("conv_pre"))}, "films at conv_pre, conv_pre"),
        ({"films": (Film("head1x1_post"),)}, "head1x1_post has a film, but there is no head1x1"),
        ({"films": (Film("layer1x1_post"),), "layer1x1": False}, "layer1x1_post has a film, but there is no layer1x1"),
    ],
)
def test_a_network_that_cannot_be_played_is_refused_in_words(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_network(WaveNet((replace(PLAIN, **changed),)))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (Head((), 2, 1, Activation("Tanh")), "its head: 0 convolutions"),
        (Head((65,), 2, 1, Activation("Tanh")), "its head: 65 taps"),
        (Head((1, 1), 129, 1, Activation("Tanh")), "its head: a size of 129"),
        (Head((1,), 2, 3, Activation("Tanh")), "it has 3 outputs, expected 1"),
        (Head((1, 1), 2, 1, Activation("PReLU", (0.1, 0.2))), "its head: PReLU with 2 numbers, expected 1"),
    ],
)
def test_a_head_that_cannot_be_played_is_refused_in_words(head: Head, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_network(WaveNet((PLAIN,), head=head))


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    second = replace(PLAIN, input_size=2)
    with pytest.raises(ValueError, match=r"array 2: its layers sum 2 channels"):
        check_network(WaveNet((PLAIN, second)))
    with pytest.raises(ValueError, match=r"array 2: input size 1, but 2 channels enter"):
        check_network(WaveNet((replace(PLAIN, head_size=2), PLAIN)))


def test_a_wrong_number_of_weights_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(3,\), expected \(\d+,\)"):
        WaveNetStage(WaveNet((PLAIN,)), np.zeros(3, np.float32))
