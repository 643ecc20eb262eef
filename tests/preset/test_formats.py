"""Other programs' files: played as their formats say, and anything wrong in one is one clear line."""

import copy
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxhost.convert import export_preset, import_capture
from fxhost.engine.knobs import set_knobs
from fxhost.engine.rate_choice import choose_plan
from fxhost.errors import PresetError
from fxhost.networks.recurrent import Recurrent
from fxhost.preset import network_stage, probe
from fxhost.preset.archive import read_preset
from fxhost.preset.captures import MAX_FILE_SIZE, read_capture
from fxhost.preset.effect import Levels, Preset
from fxhost.preset.settled_state import WARM_UP_S
from fxhost.reference import torchscript
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from fxhost.stages.dc_blocker import DcBlocker
from tests.conftest import SHARED
from tests.foreign import (
    make_aidax,
    make_convnet,
    make_keras,
    make_linear,
    make_nam,
    make_proteus,
    play_aidax,
    play_nam,
    play_proteus,
    write,
)
from tests.measure.mutations import make_wavenets
from tests.wavenet_reference import array, random_model
from tests.wavenet_reference import play as play_wavenet

CAPTURES = SHARED / "captures"
TOLERANCE = 1e-6
needs_captures = pytest.mark.skipif(not CAPTURES.is_dir(), reason="there are no captures beside the project")


def play(preset: Preset, audio: np.ndarray, block: int = 17) -> np.ndarray:
    """What the compiled engine makes of audio, in odd blocks, without the DC blocker."""
    stages = [stage for stage in build_chain(slots_at_own_rate([preset])) if not isinstance(stage, DcBlocker)]
    out = audio.astype(np.float32)
    for start in range(0, len(out), block):
        for stage in stages:
            stage.process(out[start : start + block])
    return out


def excite(seed: int, frames: int = 509) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, frames).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize(("layers", "hidden"), [(1, 3), (2, 8), (3, 17), (5, 6)])
def test_a_nam_lstm_plays_from_its_stored_state_after_its_warm_up(layers: int, hidden: int, tmp_path: Path) -> None:
    data = make_nam(layers, hidden)
    preset = read_preset(write(tmp_path / "a.nam", data))
    x = excite(5)
    assert np.abs(play(preset, x) - play_nam(data, x, silence=round(WARM_UP_S * 48_000))).max() < TOLERANCE
    assert preset.levels == Levels(loudness_db=-20.5, input_dbu=18.0, output_dbu=12.0)
    assert (preset.name, preset.sample_rate) == ("made up", 48_000)


def test_a_nam_lstm_keeps_the_state_that_it_stores(tmp_path: Path) -> None:
    data = make_nam(1, 3)
    stored = read_capture(write(tmp_path / "a.nam", data))
    flat = np.float32(data["weights"])
    assert np.array_equal(stored.weights["h0"][0], flat[60:63])
    assert np.array_equal(stored.weights["c0"][0], flat[63:66])


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
@pytest.mark.parametrize(("inputs", "skip", "layers"), [(1, 1, 1), (1, 0, 2), (2, 1, 1), (3, 1, 1)])
def test_a_proteus_model_plays_as_torch_would(cell: str, inputs: int, skip: int, layers: int, tmp_path: Path) -> None:
    data = make_proteus(cell, 5, inputs, skip, layers)
    preset = read_capture(write(tmp_path / "a.json", data))
    x = excite(6)
    values = np.linspace(0.1, 0.9, inputs - 1)
    names = [knob.name for knob in preset.knobs]
    assert names == {1: [], 2: ["knob"], 3: ["knob1", "knob2"]}[inputs]
    state = {name: preset.weights[name] for name in ("h0", "c0")}
    turned = set_knobs([preset], dict(zip(names, values, strict=True)))[0]
    turned = replace(turned, weights={**turned.weights, **state})  # from zeros, as the format has it
    expected = play_proteus(data, np.column_stack([x, *(np.full(len(x), value) for value in values)]))
    assert np.abs(play(turned, x) - expected).max() < TOLERANCE
    assert preset.sample_rate == 44_100
    assert preset.metadata["sample_rate_known"] is False


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("skip", [None, 1])
def test_an_aidax_model_plays_with_its_gains_and_adds_the_gained_input(
    cell: str, skip: int | None, tmp_path: Path
) -> None:
    fields = {"in_gain": 6.0, "out_gain": -4.5} | ({} if skip is None else {"in_skip": skip})
    data = make_aidax(cell, 6, **fields)
    preset = read_capture(write(tmp_path / "a.aidax", data))
    x = excite(7)
    gains = 10 ** (6.0 / 20), 10 ** (-4.5 / 20)
    assert np.abs(play(preset, x) - play_aidax(data, x[:, None], gains)).max() < TOLERANCE
    assert preset.architecture == Recurrent(1, 6, 1, bool(skip), cell)


def test_an_aidax_gain_of_minus_ninety_is_silence(tmp_path: Path) -> None:
    preset = read_capture(write(tmp_path / "a.aidax", make_aidax(out_gain=-90)))
    assert np.array_equal(play(preset, excite(8)), np.zeros(509, np.float32))


def test_both_engines_play_a_capture_alike(tmp_path: Path) -> None:
    for data in (make_nam(2, 8), make_proteus("GRU", 7), make_aidax("gru", 6), make_aidax("lstm", 5, in_skip=1)):
        preset = read_preset(write(tmp_path / "a.json", data))
        x = excite(9).astype(np.float32)
        compiled, scripted = x.copy(), x.copy()
        network_stage.compiled_stage(preset).process(compiled)
        torchscript.TorchScriptStage(preset).process(scripted)
        assert np.abs(compiled - scripted).max() < TOLERANCE


def test_the_state_of_a_capture_is_at_rest(tmp_path: Path) -> None:
    for data in (make_nam(2, 8), make_proteus("GRU", 7), make_aidax("lstm", 5)):
        preset = read_preset(write(tmp_path / "a.json", data))
        out = play(preset, np.zeros(4800))
        assert np.abs(out - preset.silent_output).max() < TOLERANCE


@pytest.mark.parametrize("which", range(4))
def test_a_wavenet_is_read_as_the_format_has_it(which: int, tmp_path: Path) -> None:
    data = make_wavenets()[which]
    preset = read_preset(write(tmp_path / "a.nam", data))
    x = excite(10)
    inner = data["config"]["submodels"][-1]["model"] if "submodels" in data["config"] else data
    assert np.ptp(play_wavenet(inner, x)) > 1000 * TOLERANCE
    assert np.abs(play(preset, x) - play_wavenet(inner, x)).max() < TOLERANCE
    scripted = x.astype(np.float32)
    stage = torchscript.TorchScriptStage(preset)
    for start in range(0, len(x), 17):
        stage.process(scripted[start : start + 17])
    assert np.abs(scripted - play_wavenet(inner, x)).max() < TOLERANCE


@needs_captures
@pytest.mark.parametrize(
    "name",
    [
        "BossWN-standard",
        "BossWN-feather",
        "BossWN-nano",
        "BossWN-a2",
        "deluxe",
        "wavenet_condition_dsp",
        "wavenet_a2_max",
    ],
)
def test_a_wavenet_capture_plays_as_the_format_has_it(name: str, guitar: np.ndarray) -> None:
    path = CAPTURES / "nam" / f"{name}.nam"
    data = json.loads(path.read_text())
    model = data["config"]["submodels"][-1]["model"] if "submodels" in data["config"] else data
    x = guitar[48_000:56_000]
    assert np.abs(play(read_preset(path), x) - play_wavenet(model, x)).max() < 1e-5


ACTIVATIONS: dict[str, Any] = {
    "PReLU of one slope": {"type": "PReLU", "negative_slope": 0.3},
    "PReLU of a list of one": {"type": "PReLU", "negative_slopes": [-0.4]},
    "PReLU of no slope": "PReLU",
    "LeakyReLU": {"type": "LeakyReLU", "negative_slope": 0.25},
    "LeakyReLU by its name": "LeakyReLU",
    "ReLU6 as the trainer writes it": {"type": "Hardtanh", "min_val": 0.0, "max_val": 0.6},
    "Hardtanh of one limit": {"type": "Hardtanh", "max_val": 0.2},
    "Hardtanh of the usual limits": {"type": "Hardtanh", "min_val": -1.0, "max_val": 1.0},
    "LeakyHardtanh": {"type": "LeakyHardTanh", "min_val": -0.1, "max_val": 0.3, "min_slope": 0.2, "max_slope": 0.4},
    "LeakyHardtanh of one slope": {"type": "LeakyHardtanh", "max_val": 0.1, "max_slope": 0.7},
    "null for the usual": {"type": "Hardtanh", "min_val": None, "max_val": 0.3},
    "Hardswish": {"type": "Hardswish"},
    "Softsigmoid": {"type": "Softsigmoid"},
    "Fasttanh": "Fasttanh",
}


def wavenet_of(activation: Any) -> dict[str, Any]:
    """A small WaveNet with one activation, as a file."""
    model = random_model([array(3, [1, 4], activation=activation)], seed=70, size=0.9)
    return {"version": "0.7.0", "architecture": "WaveNet", "sample_rate": 48000, **model}


@pytest.mark.parametrize("what", ACTIVATIONS)
def test_every_number_of_an_activation_counts(what: str, tmp_path: Path) -> None:
    data = wavenet_of(ACTIVATIONS[what])
    preset = read_preset(write(tmp_path / "a.nam", data))
    x, named = excite(11), copy.deepcopy(data)
    if isinstance(ACTIVATIONS[what], dict):
        given = {key: value for key, value in ACTIVATIONS[what].items() if value is not None}
        named["config"]["layers"][0]["activation"] = given
    elif what == "PReLU of no slope":
        named["config"]["layers"][0]["activation"] = {"type": "PReLU", "negative_slope": 0.01}
    expected = play_wavenet(named, x)
    assert np.abs(play(preset, x) - expected).max() < TOLERANCE
    export_preset(preset, tmp_path / "b.nam")
    assert np.array_equal(play(read_preset(tmp_path / "b.nam"), x), play(preset, x))


def test_a_wavenet_plays_at_other_rates_without_interpolating_its_past(tmp_path: Path) -> None:
    preset = read_preset(write(tmp_path / "a.nam", make_wavenets()[0]))
    assert choose_plan(preset, 96_000).way == "2 interleaved states"
    assert choose_plan(preset, 44_100).way == "resampled to 48000 Hz"


@needs_captures
def test_every_capture_is_read_or_refused_by_name() -> None:
    refused = {}
    for path in sorted([*CAPTURES.rglob("*.nam"), *CAPTURES.rglob("*.json")]):
        try:
            read_capture(path)
        except PresetError as err:
            refused[path.name] = str(err)
    told = {
        "gru_torch.json": "is JSON, but not",
        "lstm_torch.json": "is JSON, but not",
    }
    assert refused.keys() == told.keys()
    assert all(told[name] in refused[name] for name in told)


@needs_captures
@pytest.mark.parametrize("name", ["blues_deluxe", "california_clean"])
def test_the_answer_that_an_aidax_file_carries_is_reproduced(name: str) -> None:
    preset = read_preset(CAPTURES / "aidax" / f"tw40_{name}_deerinkstudios.json")
    assert np.abs(preset.probe["output_rest"]).max() > 1e-4
    assert probe.probe_error(preset) < TOLERANCE
    assert torchscript.probe_error(preset) < TOLERANCE


@needs_captures
@pytest.mark.parametrize("name", ["lstm_1d", "gru_1d", "lstm", "gru"])
def test_rtneural_files_are_read_as_keras_plays_them(name: str) -> None:
    """RTNeural's own test vectors: what Keras made of each."""
    folder = CAPTURES / "rtneural"
    x, expected = (np.loadtxt(folder / f"{name}_{side}_python.csv") for side in ("x", "y"))
    out = x.astype(np.float32)
    network_stage.compiled_stage(read_capture(folder / f"{name}.json")).process(out)
    assert np.abs(out - expected).max() < 2e-6


KERAS = {
    "two layers": [("lstm", 8, ""), ("lstm", 8, ""), ("dense", 1, "")],
    "the second smaller": [("lstm", 17, "tanh"), ("lstm", 5, ""), ("dense", 1, "tanh")],
    "the second larger": [("gru", 3, ""), ("gru", 20, ""), ("dense", 1, "")],
    "five layers": [*[("gru", 4, "")] * 5, ("dense", 1, "relu")],
    "tanh": [("lstm", 40, ""), ("dense", 1, "tanh")],
    "sigmoid after GRU": [("gru", 9, ""), ("dense", 1, "sigmoid")],
    "elu, relu, tanh": [("gru", 7, ""), ("dense", 19, "elu"), ("dense", 33, "relu"), ("dense", 1, "tanh")],
    "an activation alone": [("lstm", 6, ""), ("activation", 6, "relu"), ("dense", 3, ""), ("activation", 3, "elu"),
                            ("activation", 3, "tanh"), ("dense", 1, "linear")],
    "dense before": [("dense", 5, "relu"), ("time-distributed-dense", 70, "tanh"), ("lstm", 4, ""), ("dense", 1, "")],
    "before and after": [("dense", 5, "relu"), ("gru", 9, ""), ("gru", 4, ""), ("dense", 6, "elu"), ("dense", 1, "tanh")],
    "large": [("dense", 4, "tanh"), ("gru", 170, ""), ("gru", 150, ""), ("dense", 3, "elu"), ("dense", 1, "tanh")],
    "everything": [("dense", 12, "elu"), ("gru", 72, ""), ("gru", 33, ""), ("dense", 150, "sigmoid"), ("dense", 1, "elu")],
}  # fmt: skip


@pytest.mark.parametrize("what", KERAS)
def test_recurrent_and_dense_layers_play_as_their_file_has_them(what: str, tmp_path: Path) -> None:
    inputs = 1 + len(KERAS[what]) % 3
    data = make_keras(*KERAS[what], inputs=inputs, in_skip=len(what) % 2, in_gain=2.0, seed=len(what))
    x = excite(12, 331)
    values = np.linspace(0.2, 0.8, inputs - 1)
    expected = play_aidax(data, np.column_stack([x, *(np.full(len(x), value) for value in values)]), (10**0.1, 1.0))
    read = read_capture(write(tmp_path / "a.json", data))
    knobs = tuple(replace(knob, default=value) for knob, value in zip(read.knobs, values, strict=True))
    preset = replace(read, knobs=knobs)
    out = play(preset, x)
    assert np.ptp(expected) > 1000 * TOLERANCE
    assert np.abs(out - expected).max() < 2 * TOLERANCE
    for block in (1, 64, 331):
        assert np.array_equal(play(preset, x, block), out)
    export_preset(preset, tmp_path / "b.aidax")
    again = read_capture(tmp_path / "b.aidax")
    assert np.array_equal(play(replace(again, knobs=knobs), x), out)
    if len(KERAS[what]) < 4:  # to script one takes seconds
        return
    scripted = torchscript.module_of(preset)
    columns = np.column_stack([x * 10**0.1, *(np.full(len(x), value) for value in values)]).astype(np.float32)
    state = (preset.weights["h0"], preset.weights["c0"])
    assert np.abs(torchscript.play_module(scripted, columns, *state)[0] - expected).max() < 2 * TOLERANCE


@pytest.mark.parametrize("what", ["two layers", "five layers", "before and after"])
def test_recurrent_and_dense_layers_become_a_preset(what: str, tmp_path: Path) -> None:
    data = make_keras(*KERAS[what], inputs=2, in_gain=2.0) | {
        "metadata": {"samplerate": "8000"}
    }  # a short riff: torch is slow
    preset = read_preset(write(tmp_path / "a.json", data))
    x = excite(13, 331)
    made = import_capture(tmp_path / "a.json", tmp_path / "a.pt")
    assert made.architecture == preset.architecture
    is_new = not preset.architecture.is_plain or preset.architecture.layers > 3
    assert made.metadata["format_version"] == (3 if is_new else 2)
    assert np.abs(play(made, x) - play(preset, x)).max() < TOLERANCE
    assert abs(made.silent_output - preset.silent_output) < TOLERANCE


@pytest.mark.parametrize("what", ["a.nam", "a.json"])
def test_a_format_without_dense_layers_refuses_them(what: str, tmp_path: Path) -> None:
    preset = read_preset(write(tmp_path / "a.aidax", make_keras(("lstm", 3, ""), ("dense", 1, "tanh"))))
    with pytest.raises(PresetError, match="LSTM 1×3, dense …, 1 tanh, for which this format has no place"):
        export_preset(preset, tmp_path / what)


# --- what is wrong in a file -----------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], None]


def put(value: Any, *keys: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return change


def drop(*keys: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        for key in keys[:-1]:
            data = data[key]
        del data[keys[-1]]

    return change


def put_inside(data: dict[str, Any]) -> None:
    for _ in range(5):
        data["config"]["submodels"] = [{"max_value": 1.0, "model": copy.deepcopy(data)}]


STACK, LINEAR = make_convnet(3, [1, 2], norm=True), make_linear(8)
NAM, PROTEUS, AIDAX = make_nam(), make_proteus(), make_aidax()
OLD, NEW, BOX, FULL = make_wavenets()
BAD_FILES: dict[str, tuple[dict[str, Any], Change, str]] = {
    "nam of the future": (NAM, put("0.8.0", "version"), "has version 0.8.0 of the format, this fxhost reads 0.5 to 0.7; upgrade"),
    "nam of the past": (NAM, put("0.4.0", "version"), "has version 0.4.0"),
    "nam CatLSTM": (NAM, put("CatLSTM", "architecture"), "architecture is 'CatLSTM'; of .nam files fxhost plays LSTM, WaveNet"),
    "convnet groups": (STACK, put(2, "config", "groups"), "groups is '2', expected a whole number from 1 to 1"),
    "convnet channels": (STACK, put(129, "config", "channels"), "its convolutions: a size of 129, expected 1 to 128"),
    "convnet activation": (STACK, put("GELU", "config", "activation"), "activation 'GELU' is not supported"),
    "convnet dilations": (STACK, put([], "config", "dilations"), "dilations is a list of 0, expected a list of 1 to 127"),
    "convnet dilation huge": (STACK, put([1, 262_144], "config", "dilations"), "a network that cannot be played: it hears"),
    "convnet norm missing": (STACK, drop("config", "batchnorm"), "batchnorm is missing"),
    "convnet weights": (STACK, lambda data: data["weights"].pop(), "weights of a ConvNet has 53 entries where 54 belong"),
    "convnet variance": (STACK, put(-2.0, "weights", 9), "a batch normalisation has a variance of -1.999, expected one above 0"),
    "convnet inputs": (STACK, put(2, "config", "in_channels"), "in_channels is '2', expected a whole number from 1 to 1"),
    "linear of no taps": (LINEAR, put(0, "config", "receptive_field"), "receptive_field is '0'"),
    "linear too long": (LINEAR, put(65_537, "config", "receptive_field"), "65537 taps, expected 1 to 65536"),
    "linear bias": (LINEAR, put(2, "config", "bias"), "bias is '2', expected true or false"),
    "linear weights": (LINEAR, put(False, "config", "bias"), "weights of a Linear has 9 entries where 8 belong"),
    "linear way": (LINEAR, put("gpu", "config", "implementation"), "implementation is 'gpu', expected 'auto'"),
    "nam of a number": (NAM, put(3, "architecture"), "architecture is '3'"),
    "nam config missing": (NAM, put(None, "config"), "config is 'None', expected an object"),
    "nam hidden size 0": (NAM, put(0, "config", "hidden_size"), "hidden_size is '0', expected a whole number from 1 to"),
    "nam hidden size huge": (NAM, put(10**9, "config", "hidden_size"), "hidden_size is '1000000000'"),
    "nam hidden size missing": (NAM, drop("config", "hidden_size"), "hidden_size is missing"),
    "nam two inputs": (NAM, put(2, "config", "input_size"), "input_size is '2'"),
    "nam weights too few": (NAM, lambda data: data["weights"].pop(), "weights of LSTM 1×3 has 69 entries where 70 belong"),
    "nam weights too many": (NAM, lambda data: data["weights"].append(0.0), "has 71 entries where 70 belong"),
    "nam weights no list": (NAM, put("all", "weights"), "weights of LSTM 1×3 has 'all' where 70 belong"),
    "nam weights missing": (NAM, drop("weights"), "has no weights: they are missing"),
    "nam weight a word": (NAM, put("0.5 dB", "weights", 7), "holds '0.5 dB', expected a number"),
    "nam weight NaN": (NAM, put(float("nan"), "weights", 7), "holds NaN, expected a number; its training has failed"),
    "nam weight infinite": (NAM, put(float("inf"), "weights", 7), "holds a number beyond ±1e+06"),
    "nam weight NaN as text": (NAM, put("NaN", "weights", 7), "holds 'NaN', expected a number"),
    "nam hidden size NaN": (NAM, put(float("nan"), "config", "hidden_size"), "hidden_size is 'nan', expected a whole number"),
    "nam hidden size a fraction": (NAM, put("3.5", "config", "hidden_size"), "hidden_size is '3.5', expected a whole number"),
    "nam weight null": (NAM, put(None, "weights", 7), "holds 'None', expected a number"),
    "nam weight true": (NAM, put(True, "weights", 7), "holds 'True', expected a number"),
    "nam weight a list": (NAM, put([1.0], "weights", 7), "holds a list of 1, expected a number"),
    "nam weight huge": (NAM, put(1e9, "weights", 7), "holds a number beyond ±1e+06"),
    "nam weight a huge integer": (NAM, put(10**400, "weights", 7), "holds a number beyond ±1e+06"),
    "wavenet without layers": (OLD, put([], "config", "layers"), "layers is a list of 0, expected a list of 1 to 16 objects"),
    "wavenet of 17 arrays": (OLD, put([OLD["config"]["layers"][0]] * 17, "config", "layers"), "layers is a list of 17"),
    "wavenet head without sizes": (OLD, put({"channels": 2}, "config", "head"), "kernel_sizes is missing, expected a list of 1 to 128"),
    "wavenet head of no taps": (FULL, put(0, "config", "head", "kernel_sizes", 1), "kernel_sizes is '0', expected a whole number"),
    "wavenet head for others": (FULL, put(2, "config", "head", "in_channels"), "in_channels is '2', expected a whole number from 3 to 3"),
    "wavenet head with two outputs": (FULL, put(2, "config", "head", "out_channels"), "it has 2 outputs, expected 1"),
    "wavenet head of many channels": (FULL, put(129, "config", "head", "channels"), "its head: a size of 129, expected 1 to 128"),
    "wavenet head activation": (FULL, put("Mish", "config", "head", "activation"), "its head: activation 'Mish' is not supported"),
    "wavenet head dilation": (FULL, put(0, "config", "layers", 0, "head", "head_dilation"), "head_dilation is '0'"),
    "wavenet head far apart": (FULL, put(262_144, "config", "layers", 0, "head", "head_dilation"), "it hears 2621"),
    "wavenet dilation 0": (OLD, put(0, "config", "layers", 0, "dilations", 1), "layers[0]: dilations is '0'"),
    "wavenet dilation huge": (OLD, put(10**9, "config", "layers", 0, "dilations", 1), "dilations is '1000000000'"),
    "wavenet too long": (OLD, put([200_000] * 2, "config", "layers", 0, "dilations"), "a network that cannot be played: it hears"),
    "wavenet of 1000 layers": (OLD, put([1] * 1000, "config", "layers", 0, "dilations"), "dilations is a list of 1000"),
    "wavenet channels huge": (OLD, put(4096, "config", "layers", 0, "channels"), "a size of 4096, expected 1 to 128"),
    "wavenet sizes do not fit": (OLD, put(3, "config", "layers", 1, "input_size"), "input size 3, but 2 channels enter"),
    "wavenet activation": (OLD, put("Softmax", "config", "layers", 0, "activation"), "activation 'Softmax' is not supported"),
    "wavenet gating": (NEW, put("half", "config", "layers", 0, "gating_mode", 0), "gating_mode is 'half'"),
    "wavenet FiLM of what": (NEW, put("yes", "config", "layers", 0, "conv_pre_film"), "conv_pre_film is 'yes', expected an object"),
    "wavenet FiLM active how": (NEW, put({"active": "on"}, "config", "layers", 0, "conv_pre_film"), "active is 'on', expected true or false"),
    "wavenet FiLM groups": (FULL, put(3, "config", "layers", 0, "conv_pre_film", "groups"), "3 groups do not divide 4 rows and 2 columns"),
    "wavenet FiLM of nothing": (FULL, put(False, "config", "layers", 0, "layer1x1", "active"), "layer1x1_post has a film, but there is no layer1x1"),
    "wavenet FiLM weights": (NEW, put({"active": True}, "config", "layers", 0, "conv_pre_film"), "weights of a WaveNet has"),
    "wavenet kernel sizes": (NEW, put([2], "config", "layers", 0, "kernel_sizes"), "expected one value or a list of 2, as many as"),
    "wavenet number of another": (OLD, put({"type": "ReLU", "negative_slope": 0.1}, "config", "layers", 0, "activation"), "the activation 'ReLU' has 'negative_slope'"),
    "wavenet hardtanh of others": (OLD, put({"type": "Hardtanh", "min_slope": 0.1}, "config", "layers", 0, "activation"), "the activation 'Hardtanh' has 'min_slope'"),
    "wavenet hardtanh upside down": (OLD, put({"type": "Hardtanh", "min_val": 2}, "config", "layers", 0, "activation"), "min_val is '2', expected at most max_val, which is 1"),
    "wavenet slope and slopes": (OLD, put({"type": "PReLU", "negative_slope": 0.1, "negative_slopes": [0.1, 0.2]}, "config", "layers", 0, "activation"), "a PReLU has negative_slope and negative_slopes"),
    "wavenet slope a text": (OLD, put({"type": "PReLU", "negative_slope": "x"}, "config", "layers", 0, "activation"), "negative_slope is 'x', expected a number"),
    "wavenet slopes": (NEW, put([0.1] * 3, "config", "layers", 0, "activation", 1, "negative_slopes"), "PReLU with 3 numbers, expected 2"),
    "wavenet weights too few": (OLD, lambda data: data["weights"].pop(), "weights of a WaveNet has 111 entries where 112 belong"),
    "wavenet condition": (OLD, put(make_nam(), "config", "condition_dsp"), "the condition is made by 'LSTM'; fxhost plays WaveNet, ConvNet and"),
    "container of nothing": (BOX, put([], "config", "submodels"), "submodels is a list of 0"),
    "container of the future": (BOX, put("1.0.0", "version"), "has version 1.0.0"),
    "container in itself": (BOX, put_inside, "containers are in each other, at most 4 deep"),
    "proteus of convolutions": (PROTEUS, put("WaveNet", "model_data", "model"), "model is 'WaveNet'"),
    "proteus RNN": (PROTEUS, put("RNN", "model_data", "unit_type"), "unit_type is 'RNN'; fxhost plays 'LSTM' and 'GRU'"),
    "proteus unit a number": (PROTEUS, put(4, "model_data", "unit_type"), "unit_type is '4'"),
    "proteus two outputs": (PROTEUS, put(2, "model_data", "output_size"), "output_size is '2'"),
    "proteus five inputs": (PROTEUS, put(5, "model_data", "input_size"), "input_size is '5'"),
    "proteus skip 2": (PROTEUS, put(2, "model_data", "skip"), "skip is '2'"),
    "proteus array missing": (PROTEUS, drop("state_dict", "rec.bias_hh_l0"), "rec.bias_hh_l0 has 'None' where 16 belong"),
    "proteus array too many": (PROTEUS, put([1.0], "state_dict", "rec.more"), "state_dict holds 'rec.more'"),
    "proteus of another size": (PROTEUS, put(5, "model_data", "hidden_size"), "has 16 entries where 20 belong"),
    "proteus a row cut off": (PROTEUS, lambda data: data["state_dict"]["rec.weight_hh_l0"][9].pop(), "has 3 entries where 4 belong"),
    "aidax conv1d": (AIDAX, put("conv1d", "layers", 0, "type"), "has the layers 'conv1d', 'dense'; fxhost plays 'lstm' or 'gru'"),
    "aidax layer of an object": (AIDAX, put({}, "layers", 0, "type"), "has the layers an object of 0, 'dense'; fxhost plays"),
    "aidax one layer": (AIDAX, lambda data: data["layers"].pop(), "has the layers 'lstm'; fxhost plays"),
    "aidax layers no list": (AIDAX, put("none", "layers"), "layers is 'none'"),
    "aidax softmax": (AIDAX, put("softmax", "layers", 1, "activation"), "activation is 'softmax', expected '' or one of"),
    "aidax relu inside": (AIDAX, put("relu", "layers", 0, "activation"), "activation is 'relu', expected one of '', 'tanh'"),
    "aidax mixed": (AIDAX, lambda data: data["layers"].insert(1, make_aidax("gru", 4, 4)["layers"][0]), "has the layers 'lstm', 'gru', 'dense'; fxhost plays"),
    "aidax six layers": (make_keras(*[("lstm", 2, "")] * 5, ("dense", 1, "")), lambda data: data["layers"].insert(1, copy.deepcopy(data["layers"][1])), "has 6 recurrent layers, fxhost plays up to 5"),
    "aidax dense between": (AIDAX, lambda data: data["layers"].insert(1, copy.deepcopy(make_keras(("dense", 4, ""), inputs=4)["layers"][0])) or data["layers"].insert(2, make_aidax("lstm", 4, 4)["layers"][0]), "has the layers 'lstm', 'dense', 'lstm', 'dense'; fxhost plays"),
    "aidax shape": (AIDAX, put(7, "in_shape"), "in_shape is '7'"),
    "aidax shape of nothing": (AIDAX, put([], "layers", 0, "shape"), "shape is a list of 0"),
    "aidax two outputs": (AIDAX, put([None, None, 2], "layers", 1, "shape"), "kernel has 1 entries where 2 belong"),
    "aidax weights": (AIDAX, lambda data: data["layers"][0]["weights"].pop(), "weights is a list of 2, expected a list of 3"),
    "aidax kernel": (AIDAX, lambda data: data["layers"][0]["weights"][0].append([]), "kernel has 2 entries where 1 belong"),
    "aidax skip": (AIDAX, put("yes", "in_skip"), "in_skip is 'yes', expected a whole number from 0 to 1"),
    "another program's": (AIDAX, drop("in_shape"), "is JSON, but not a Neural Amp Modeler, Proteus, NeuralPi or AIDA-X"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_capture_is_one_clear_line(what: str, tmp_path: Path) -> None:
    good, change, message = BAD_FILES[what]
    data = copy.deepcopy(good)
    change(data)
    path = write(tmp_path / "bad.json", data)
    with pytest.raises(PresetError, match=re.escape(message)) as caught:
        read_preset(path)
    assert "bad.json" in str(caught.value)
    assert "\n" not in str(caught.value)
    read_preset(write(tmp_path / "good.json", good))


BAD_TEXTS = {
    "cut off": (json.dumps(NAM)[:-200], "is cut off"),
    "nothing": ("{", "is cut off"),
    "nested": ('{"a": ' * 5000, "is damaged: it is nested too deep"),
    "two in one": (json.dumps(NAM) + "\n" + json.dumps(NAM), "is damaged: it goes on after the end of its object"),
    "a brace more": (json.dumps(NAM) + "}", "is damaged: it goes on after the end of its object"),
    "no text": (b'{"a": "\xff\xfe"}', "is JSON, but not"),
    "a number of 10000 digits": ('{"a": ' + "1" * 10_000 + "}", "is JSON, but not"),
    "another text": ("hello", "is text that begins with"),
    "a list": ("[1, 2]", "is a JSON list"),
    "empty": ("", "is empty"),
}


@pytest.mark.parametrize("what", BAD_TEXTS)
def test_a_file_that_is_no_model_is_one_clear_line(what: str, tmp_path: Path) -> None:
    content, message = BAD_TEXTS[what]
    path = tmp_path / "bad.nam"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PresetError, match=re.escape(message)) as caught:
        read_preset(path)
    assert "\n" not in str(caught.value)


def test_what_is_odd_around_the_numbers_refuses_no_file(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"a": [deep]}
    good = read_preset(write(tmp_path / "good.nam", NAM))
    for text in (json.dumps(NAM | {"metadata": {"tree": deep}}), json.dumps(NAM) + "\0" * 700):
        path = tmp_path / "odd.nam"
        path.write_text(text)
        preset = read_preset(path)
        assert all(np.array_equal(preset.weights[name], array) for name, array in good.weights.items())
        assert (preset.notes == ("zeros after its end",)) == text.endswith("\0")


def test_truths_may_be_told_as_numbers_and_as_text(tmp_path: Path) -> None:
    for told in (True, 1, 1.0, "true", "1", "True "):
        assert read_preset(write(tmp_path / "a.json", AIDAX | {"in_skip": told})).architecture.residual
        proteus = copy.deepcopy(PROTEUS)
        proteus["model_data"]["bias_fl"] = told
        assert read_preset(write(tmp_path / "a.json", proteus)).notes == ()
        linear = copy.deepcopy(LINEAR)
        linear["config"]["bias"] = told
        assert read_preset(write(tmp_path / "a.nam", linear)).architecture.label == "impulse response of 8 taps"


def test_a_gain_of_minus_infinity_is_silence(tmp_path: Path) -> None:
    for gain in (-90, -5000.0, -math.inf):
        preset = read_preset(write(tmp_path / "a.json", AIDAX | {"out_gain": gain}))
        assert (preset.levels.output_gain_db, preset.notes) == (-90.0, ())


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.nam"
    with open(path, "wb") as file:
        file.write(b"{")
        file.truncate(1 << 32)
    with pytest.raises(PresetError, match=f"has 4294967296 bytes, at most {MAX_FILE_SIZE} are allowed"):
        read_preset(path)


def test_a_byte_order_mark_and_a_wrong_ending_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"\xef\xbb\xbf\n" + json.dumps(NAM).encode())
    assert read_preset(path).file_format == "nam"


def test_the_aidax_rate_is_text_or_number(tmp_path: Path) -> None:
    for fields, rate in (
        ({"metadata": {"samplerate": "44100"}}, 44_100),
        ({"metadata": {"samplerate": 96000}}, 96_000),
        ({"sample_rate": "88.2k"}, 88_200),
        ({"samplerate": 44100.0}, 44_100),
        ({"metadata": {}}, 48_000),
    ):
        assert read_capture(write(tmp_path / "a.json", make_aidax(**fields))).sample_rate == rate


def test_a_strangers_words_are_made_printable(tmp_path: Path) -> None:
    for name, shown in (("a\nb\x1b[31m", "a b [31m"), ("x" * 500, "x" * 200), ("", "file"), (7, "file")):
        data = make_nam(metadata={"name": name})
        assert read_capture(write(tmp_path / "file.nam", data)).name == shown
