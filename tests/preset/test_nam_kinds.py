"""ConvNets, impulse responses and containers in `.nam` files, against what the format's own player makes of them."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import fxhost
from fxhost.convert import export_preset, import_capture
from fxhost.engine import rate_choice
from fxhost.engine.rate_choice import choose_plan
from fxhost.errors import PresetError
from fxhost.preset import network_stage
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.preset.quality import read_quality
from fxhost.reference import torchscript
from tests.conftest import assert_one_line, call_fxhost
from tests.foreign import make_convnet, make_linear, make_nam, play_convnet, play_linear, write
from tests.wavenet_reference import array, random_model
from tests.wavenet_reference import play as play_wavenet

TOLERANCE = 2e-6
SLOPES = {"type": "PReLU", "negative_slopes": [0.3, -0.2, 0.1, 0.0, 0.7]}
KINDS: dict[str, tuple[dict[str, Any], Callable[..., Any]]] = {
    "convnet": (make_convnet(3, [1, 2, 4, 8]), play_convnet),
    "convnet, one block": (make_convnet(5, [7], SLOPES), play_convnet),
    "convnet, one channel": (make_convnet(1, [3, 70], "Hardswish"), play_convnet),
    "convnet, batch norm": (make_convnet(17, [1, 5, 300, 2], {"type": "PReLU", "negative_slope": 0.2}, norm=True), play_convnet),
    "convnet, 40 channels": (make_convnet(40, [2, 1], "Softsign", norm=True), play_convnet),
    "one tap": (make_linear(1, bias=False), play_linear),
    "64 taps": (make_linear(64), play_linear),
    "257 taps": (make_linear(257, bias=False), play_linear),
    "2051 taps": (make_linear(2051), play_linear),
    "12001 taps": (make_linear(12_001), play_linear),
}  # fmt: skip


def play(preset: Preset, audio: np.ndarray, block: int = 17) -> np.ndarray:
    stage, out = network_stage.wavenet_stage(preset), audio.astype(np.float32)
    for start in range(0, len(out), block):
        stage.process(out[start : start + block])
    return out


def excite(seed: int, frames: int = 1511) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, frames).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("what", KINDS)
def test_a_stack_of_convolutions_plays_as_its_file_has_it(what: str, tmp_path: Path) -> None:
    data, reference = KINDS[what]
    preset, x = read_preset(write(tmp_path / "a.nam", data)), excite(1)
    expected = reference(data, x)
    out = play(preset, x)
    assert np.ptp(expected) > 0.01
    assert np.abs(out - expected).max() < TOLERANCE * max(1.0, np.abs(expected).max())
    for block in (1, 64, 509, len(x)):
        assert np.array_equal(play(preset, x, block), out)


@pytest.mark.parametrize("what", ["convnet, batch norm", "64 taps", "2051 taps"])
def test_a_stack_of_convolutions_becomes_a_preset_and_a_file_again(what: str, tmp_path: Path) -> None:
    data, reference = KINDS[what]
    preset, x = read_preset(write(tmp_path / "a.nam", data)), excite(2)
    expected = reference(data, x)
    export_preset(preset, tmp_path / "b.nam")
    written = json.loads((tmp_path / "b.nam").read_text())
    assert written["architecture"] == data["architecture"]
    assert np.abs(reference(written, x) - expected).max() < TOLERANCE
    made = import_capture(tmp_path / "a.nam", tmp_path / "a.pt")
    assert (made.architecture, made.metadata["format_version"]) == (preset.architecture, 3)
    assert np.array_equal(play(made, x), play(preset, x))
    stage, scripted = torchscript.TorchScriptStage(made), x.astype(np.float32)
    for start in range(0, len(x), 500):
        stage.process(scripted[start : start + 500])
    assert np.abs(scripted - expected).max() < 5e-6


def test_a_stack_of_convolutions_begins_at_rest_and_plays_at_other_rates(tmp_path: Path) -> None:
    for data in (make_convnet(3, [1, 2]), make_linear(300)):
        preset = read_preset(write(tmp_path / "a.nam", data))
        stage = network_stage.wavenet_stage(preset)
        assert np.abs(play(preset, np.zeros(400)) - stage.silent_output).max() < 1e-6
        assert choose_plan(preset, 96_000).way == "2 interleaved states"


@pytest.mark.parametrize("what", ["convnet", "64 taps"])
def test_a_stack_of_convolutions_makes_the_condition_of_a_wavenet(what: str, tmp_path: Path) -> None:
    inner, reference = KINDS[what]
    layers = [array(4, [1, 8], condition_size=1)]
    model = random_model(layers, seed=9, condition={**random_model([array(1, [1])], seed=1)}, size=0.7)
    model["config"]["condition_dsp"] = inner
    data = {"version": "0.7.0", "architecture": "WaveNet", "sample_rate": 48000, **model}
    preset, x = read_preset(write(tmp_path / "a.nam", data)), excite(3, 700)
    expected = play_wavenet(data, x, condition=lambda audio: reference(inner, audio))
    assert np.abs(play(preset, x) - expected).max() < TOLERANCE
    export_preset(preset, tmp_path / "b.nam")
    assert np.array_equal(play(read_preset(tmp_path / "b.nam"), x), play(preset, x))


# --- containers ------------------------------------------------------------------------------------------------------


def box(*models: tuple[float, Any], **fields: Any) -> dict[str, Any]:
    submodels = [{"max_value": size, "model": model} for size, model in models]
    return make_nam(architecture="SlimmableContainer", config={"submodels": submodels}, weights=[]) | fields


SMALL, LARGE, STACK = make_nam(hidden=2), make_nam(hidden=4), make_convnet(3, [1, 2])
BOXES: dict[str, tuple[dict[str, Any], str, str]] = {
    "as usual": (box((0.5, SMALL), (1.0, LARGE)), "LSTM 1×4", ""),
    "in another order": (box((1.0, LARGE), (0.5, SMALL)), "LSTM 1×4", ""),
    "equal sizes": (box((1.0, SMALL), (1.0, LARGE)), "LSTM 1×4", ""),
    "in each other": (box((0.5, SMALL), (1.0, box((0.5, SMALL), (1.0, box((1.0, LARGE)))))), "LSTM 1×4", ""),
    "a ConvNet": (box((0.5, SMALL), (1.0, STACK)), "ConvNet of 3 layers, 3 channels", ""),
    "an impulse response": (box((0.5, SMALL), (1.0, make_linear(9))), "LSTM 1×2", "is 'Linear', 'LSTM' plays instead"),
    "unknown": (box((0.5, LARGE), (1.0, SMALL | {"architecture": "Mamba"})), "LSTM 1×4", "is 'Mamba', 'LSTM' plays"),
    "of the future": (
        box((0.5, SMALL), (1.0, LARGE | {"version": "1.0.0"})),
        "LSTM 1×2",
        "plays instead: submodels[1] has version",
    ),
    "too large": (
        box((0.5, SMALL), (1.0, make_nam() | {"config": {"input_size": 1, "hidden_size": 999, "num_layers": 1}})),
        "LSTM 1×2",
        "hidden_size is '999'",
    ),
    "nothing in a smaller one": (box((0.5, None), (0.7, {}), (1.0, LARGE)), "LSTM 1×4", ""),
    "nothing in the largest": (box((0.5, SMALL), (1.0, box())), "LSTM 1×2", "submodels is a list of 0"),
    "only a response": (box((1.0, make_linear(9))), "impulse response of 9 taps", ""),
}


@pytest.mark.parametrize("what", BOXES)
def test_the_largest_network_of_a_container_plays(what: str, tmp_path: Path) -> None:
    data, label, note = BOXES[what]
    preset = read_preset(write(tmp_path / "a.nam", data))
    assert preset.architecture.label == label
    assert bool(note) == bool(preset.notes)
    assert not note or note in preset.notes[0]


THREE = box((1.0, LARGE), (0.33, SMALL), (0.66, STACK))
NESTED = box((0.5, box((0.2, SMALL), (0.9, STACK))), (1.0, box((0.5, make_nam(hidden=3)), (0.75, LARGE))))
SMALLEST, MIDDLE, LARGEST = "LSTM 1×2", "ConvNet of 3 layers, 3 channels", "LSTM 1×4"


@pytest.mark.parametrize(
    ("quality", "label"),
    [(0.0, SMALLEST), (0.32, SMALLEST), (0.33, MIDDLE), (0.65, MIDDLE), (0.66, LARGEST), (1.0, LARGEST)],
)
def test_a_quality_chooses_the_smallest_model_above_it(quality: float, label: str, tmp_path: Path) -> None:
    preset = read_preset(write(tmp_path / "a.nam", THREE), quality)
    assert (preset.architecture.label, preset.quality, preset.notes) == (label, quality, ())
    alone = {SMALLEST: SMALL, MIDDLE: STACK, LARGEST: LARGE}[label]
    expected = read_preset(write(tmp_path / "b.nam", alone))
    assert all(np.array_equal(preset.weights[name], expected.weights[name]) for name in expected.weights)
    assert [row["quality"] for row in preset.metadata["submodels"]] == [0.0, 0.33, 0.66]
    assert [row["architecture"] for row in preset.metadata["submodels"]] == ["LSTM", "ConvNet", "LSTM"]


def test_a_quality_goes_through_containers_in_each_other_and_each_choice_is_listed_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nam", NESTED)
    listed = [row["quality"] for row in read_preset(path).metadata["submodels"]]
    assert listed == [
        0.0,
        0.2,
        0.5,
    ]  # from 0.5 on the outer one chooses the larger container, whose smaller one ends there
    labels = [read_preset(path, quality).architecture.label for quality in (0.0, 0.19, 0.2, 0.49, 0.5, 0.74, 1.0)]
    assert labels == [SMALLEST, SMALLEST, MIDDLE, MIDDLE, LARGEST, LARGEST, LARGEST]


def test_a_model_of_a_quality_that_cannot_be_played_gives_way_to_the_next_smaller_and_then_to_a_larger(
    tmp_path: Path,
) -> None:
    unknown = SMALL | {"architecture": "Mamba"}
    middle = read_preset(write(tmp_path / "a.nam", box((0.3, SMALL), (0.6, unknown), (1.0, LARGE))), 0.4)
    assert middle.architecture.label == SMALLEST
    assert middle.notes[0].startswith("the model of quality 0.4 is 'Mamba', 'LSTM' plays instead: submodels[1]")
    smallest = read_preset(write(tmp_path / "b.nam", box((0.3, unknown), (0.6, STACK), (1.0, LARGE))), 0.0)
    assert smallest.architecture.label == MIDDLE
    assert len(smallest.notes) == 1
    response = read_preset(write(tmp_path / "c.nam", box((0.5, make_linear(9)), (1.0, LARGE))), 0.0)
    assert (response.architecture.label, len(response.notes)) == (LARGEST, 1)


def test_a_single_model_has_no_quality(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nam", SMALL)
    assert (read_preset(path, 0.0).quality, "submodels" in read_preset(path).metadata) == (None, False)
    with pytest.raises(PresetError, match="holds a single model"):
        fxhost.load(path, quality=0.5)
    with pytest.raises(PresetError, match="a number from 0 to 1, low or high"):
        fxhost.load(path, quality="middle")
    for wrong in (-0.1, 1.5, float("nan"), True, None):
        with pytest.raises(PresetError, match="expected a number from 0 to 1"):
            read_quality(wrong)


def test_every_way_to_play_takes_a_quality(tmp_path: Path) -> None:
    path, dry = write(tmp_path / "a.nam", THREE), tmp_path / "dry.wav"
    audio = excite(5, 4800).astype(np.float32)
    soundfile.write(dry, audio, 48_000, subtype="FLOAT")
    low, high = fxhost.load(path, quality="low"), fxhost.load(path)
    assert (low.architecture, high.architecture) == (SMALLEST, LARGEST)
    assert not np.array_equal(low(audio, 48_000), high(audio, 48_000))
    done = call_fxhost("render", path, dry, tmp_path / "wet.wav", "--nam-quality", "low")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(soundfile.read(tmp_path / "wet.wav", dtype="float32")[0], low(audio, 48_000))
    live = ("--device", "virtual", "--input-file", dry, "--output-file", tmp_path / "live.wav")
    assert call_fxhost("run", path, *live, "--nam-quality", 0.2, "--save", tmp_path / "rig.toml").returncode == 0
    assert np.array_equal(soundfile.read(tmp_path / "live.wav", dtype="float32")[0], low(audio, 48_000))
    assert tomllib.loads((tmp_path / "rig.toml").read_text())["slot"][0]["quality"] == 0.2
    assert np.array_equal(fxhost.load_rig(tmp_path / "rig.toml")(audio, 48_000), low(audio, 48_000))
    refused = call_fxhost("run", tmp_path / "rig.toml", "--device", "virtual", "--nam-quality", "low")
    assert_one_line(refused, "--nam-quality low does nothing with a rig file")


def test_import_takes_a_quality_of_one_file_and_of_a_folder_with_single_models_too(tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    write(folder / "a.nam", THREE)
    write(folder / "b.nam", SMALL)
    assert call_fxhost("import", folder / "a.nam", "-o", tmp_path / "a.pt", "--nam-quality", 0.4).returncode == 0
    made = read_preset(tmp_path / "a.pt")
    assert (made.architecture.label, made.metadata["capture"]["quality"], made.quality) == (MIDDLE, 0.4, None)
    single = call_fxhost("import", folder / "b.nam", "-o", tmp_path / "b.pt", "--nam-quality", "low")
    assert_one_line(single, "holds a single model")
    assert not (tmp_path / "b.pt").exists()
    assert call_fxhost("import", "--all", folder, "-o", tmp_path / "all", "--nam-quality", "low").returncode == 0
    labels = [read_preset(tmp_path / "all" / name).architecture.label for name in ("a.pt", "b.pt")]
    assert labels == [SMALLEST, SMALLEST]


def test_info_lists_the_models_with_their_sizes_and_the_time_of_a_block(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nam", box((0.33, SMALL), (0.66, SMALL | {"version": "9.0.0"}), (1.0, LARGE)))
    models = json.loads(call_fxhost("info", path, "--json").stdout)["submodels"]
    assert [model["quality"] for model in models] == [0.0, 0.33, 0.66]
    assert [model["network"] for model in models] == [SMALLEST, SMALLEST, LARGEST]  # the middle one gives way
    assert [model["weights"] for model in models] == [4 * 2 * (1 + 2 + 1) + 2 + 1] * 2 + [4 * 4 * (1 + 4 + 1) + 4 + 1]
    assert all(0 < model["block_us"] < 1333 for model in models)
    lines = call_fxhost("info", path, "--nam-quality", 0.2).stdout.splitlines()
    rows = [line for line in lines if "µs" in line]
    assert len(rows) == 3 and rows[0].startswith("→") and "0 to below 0.33" in rows[0] and SMALLEST in rows[0]


@pytest.mark.parametrize(
    ("outer", "inner", "rate"),
    [(None, 44_100, 44_100), (48_000, 96_000, 96_000), (44_100, None, 44_100), (None, None, 8_000)],
)
def test_the_rate_of_the_model_that_plays_counts(outer: Any, inner: Any, rate: int, tmp_path: Path) -> None:
    data = box((0.5, SMALL | {"sample_rate": 8000}), (1.0, LARGE | {"sample_rate": inner}), sample_rate=outer)
    preset = read_preset(write(tmp_path / "a.nam", data))
    assert (preset.sample_rate, preset.metadata["sample_rate_known"]) == (rate, True)
    assert any("which counts" in note for note in preset.notes) == (outer == 48_000)


def test_what_the_container_does_not_tell_the_model_inside_does(tmp_path: Path) -> None:
    inside = {key: LARGE[key] for key in LARGE if key != "metadata"}
    told = {"metadata": {"name": "within", "loudness": -20.0}}
    for outer, name, loudness in (({}, "within", -20.0), ({"name": "around", "loudness": None}, "around", -20.0)):
        preset = read_preset(write(tmp_path / "a.nam", box((1.0, inside | told), metadata=outer)))
        assert (preset.name, preset.levels.loudness_db) == (name, loudness)


def test_a_network_too_large_to_tell_its_stability_is_resampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = read_preset(write(tmp_path / "a.nam", make_nam(2, 3)))
    assert rate_choice.measure_ways(preset, 44_100, 1).order > 0
    monkeypatch.setattr(rate_choice, "MOST_MODES", 11)
    assert rate_choice.measure_ways(preset, 44_100, 1).way == "resampled to 48000 Hz"
