"""What a capture tells about itself besides its network: read where no doubt is left, else left out with a note."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxhost.cli import main
from fxhost.convert import import_capture
from fxhost.preset.archive import read_preset
from fxhost.preset.captures import read_capture
from fxhost.preset.effect import Levels, Preset
from fxhost.preset.json_fields import DECIBELS, HERTZ, read_number
from tests.foreign import make_aidax, make_nam, make_proteus, play_aidax, write

NAM, PROTEUS, AIDAX = make_nam(), make_proteus(), make_aidax()


def put_in(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy in which the values under dotted keys are others."""
    data = copy.deepcopy(data)
    for dotted, value in changes.items():
        *outer, key = dotted.split(".")
        inner = data
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[key] = value
    return data


def assert_same_network(got: Preset, expected: Preset) -> None:
    assert got.architecture == expected.architecture
    for name, array in expected.weights.items():
        assert np.array_equal(got.weights[name], array), name


LEVELS = Levels(loudness_db=-20.5, input_dbu=18.0, output_dbu=12.0)
TOLD: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "nam rate as text": (NAM, {"sample_rate": "44100"}, {"sample_rate": 44_100}),
    "nam rate with its unit": (NAM, {"sample_rate": "96 kHz"}, {"sample_rate": 96_000}),
    "nam rate with a fraction of nothing": (NAM, {"sample_rate": "44100.0"}, {"sample_rate": 44_100}),
    "nam levels as text": (
        NAM,
        {"metadata.loudness": "-18.5 dB", "metadata.input_level_dbu": " 12.2", "metadata.output_level_dbu": "\N{MINUS SIGN}3dBu"},
        {"levels": Levels(loudness_db=-18.5, input_dbu=12.2, output_dbu=-3.0)},
    ),
    "nam sizes as text": (NAM, {"config.hidden_size": "3", "config.num_layers": 1.0}, {}),
    "nam version with more parts": (NAM, {"version": "0.5.4.1"}, {}),
    "nam version with fewer parts": (NAM, {"version": "0.5"}, {}),
    "nam version as a number": (NAM, {"version": 0.5}, {}),
    "nam version of a candidate": (NAM, {"version": "0.7.0rc1"}, {}),
    "nam key of another program": (NAM, {"player.x": math.nan, "plan": [math.inf], "count": 10**500}, {}),
    "nam without metadata": (NAM, {"metadata": None}, {"levels": Levels(), "name": "file"}),
    "nam weight as text": (NAM, {"weights": [str(weight) for weight in NAM["weights"]]}, {}),
    "proteus rate as text": (PROTEUS, {"sample_rate": "48000"}, {"sample_rate": 48_000}),
    "proteus sizes as text": (PROTEUS, {"model_data.hidden_size": "4", "model_data.skip": "1"}, {}),
    "proteus skip as a truth": (PROTEUS, {"model_data.skip": True}, {}),
    "aidax rate as text at the top": (AIDAX, {"samplerate": "44100"}, {"sample_rate": 44_100}),
    "aidax gains as text": (
        AIDAX,
        {"in_gain": "6", "out_gain": "-4.5"},
        {"levels": Levels(input_gain_db=6.0, output_gain_db=-4.5)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TOLD)
def test_what_leaves_no_doubt_is_read_without_a_word(what: str, tmp_path: Path) -> None:
    data, changes, expected = TOLD[what]
    preset = read_capture(write(tmp_path / "file.json", put_in(data, changes)))
    assert_same_network(preset, read_capture(write(tmp_path / "good.json", data)))
    assert preset.notes == ()
    for name, value in expected.items():
        assert getattr(preset, name) == value


@pytest.mark.parametrize(
    ("value", "number"),
    [("48000", 48_000), ("48 kHz", 48_000), ("44.1KHZ", 44_100), ("1e3", 1000), (".5", 0.5), ("+7 Hz", 7), (3, 3)]
    + [(text, None) for text in ("", "48,000", "48000 4", "4 dB", "0x10", "1_000", "NaN", "inf", "٣", "1" * 50)]
    + [(value, None) for value in (True, None, [1], {})],
    ids=repr,
)
def test_a_number_is_read_from_text_only_without_doubt(value: object, number: float | None) -> None:
    assert read_number(value, HERTZ) == (None if number is None else pytest.approx(number))
    assert read_number("-3 dBu", DECIBELS) == -3


ODD: dict[str, tuple[dict[str, Any], dict[str, Any], str, dict[str, Any]]] = {
    "nam loudness NaN": (NAM, {"metadata.loudness": math.nan}, "loudness is 'nan', expected a number", {"levels": Levels(input_dbu=18.0, output_dbu=12.0)}),
    "nam loudness infinite": (NAM, {"metadata.loudness": -math.inf}, "loudness is '-inf'", {}),
    "nam loudness in words": (NAM, {"metadata.loudness": "loud"}, "loudness is 'loud'", {}),
    "nam loudness out of range": (NAM, {"metadata.loudness": 1e300}, "loudness is '1e+300'", {}),
    "nam level a truth": (NAM, {"metadata.input_level_dbu": True}, "input_level_dbu is 'True'", {}),
    "nam level a list": (NAM, {"metadata.output_level_dbu": [1]}, "output_level_dbu is a list of 1", {}),
    "nam level with a comma": (NAM, {"metadata.input_level_dbu": "12,2"}, "input_level_dbu is '12,2'", {}),
    "nam gain NaN": (NAM, {"metadata.gain": math.nan}, "gain is 'nan', expected a number", {"levels": LEVELS}),
    "nam ESR NaN": (NAM, {"metadata.training": {"validation_esr": math.nan}}, "training.validation_esr is 'nan'", {}),
    "nam name a number": (NAM, {"metadata.name": 7}, "name is '7', expected text", {"name": "file", "levels": LEVELS}),
    "nam metadata a list": (NAM, {"metadata": []}, "metadata is a list of 0, expected an object", {"levels": Levels()}),
    "nam metadata a text": (NAM, {"metadata": "x"}, "metadata is 'x', expected an object", {}),
    "nam rate 0": (NAM, {"sample_rate": 0}, "sample_rate is '0', expected a sample rate from 8000 to 384000 Hz; 48000 Hz is assumed", {"sample_rate": 48_000}),
    "nam rate NaN": (NAM, {"sample_rate": math.nan}, "sample_rate is 'nan'", {"sample_rate": 48_000}),
    "nam rate a fraction": (NAM, {"sample_rate": 44_100.5}, "sample_rate is '44100.5'", {"sample_rate": 48_000}),
    "nam rate that may be in kHz": (NAM, {"sample_rate": 44.1}, "sample_rate is '44.1'", {"sample_rate": 48_000}),
    "nam rate a list": (NAM, {"sample_rate": [48_000]}, "sample_rate is a list of 1", {}),
    "nam version in words": (NAM, {"version": "latest"}, "version is 'latest', expected three numbers", {}),
    "nam version null": (NAM, {"version": None}, "version is 'None', expected three numbers", {}),
    "proteus rate in words": (PROTEUS, {"sample_rate": "x"}, "sample_rate is 'x', expected a sample rate from 8000 to 384000 Hz; 44100 Hz is assumed", {"sample_rate": 44_100}),
    "proteus rate huge": (PROTEUS, {"sample_rate": 1e300}, "sample_rate is '1e+300'", {}),
    "proteus bias in words": (PROTEUS, {"model_data.bias_fl": "perhaps"}, "bias_fl is 'perhaps', expected true or false", {}),
    "proteus loss NaN": (PROTEUS, {"loss": math.nan}, "loss is 'nan'", {}),
    "aidax rate 0": (AIDAX, {"metadata.samplerate": "0"}, "samplerate is '0', expected a sample rate", {"sample_rate": 48_000}),
    "aidax rate in words beside one that is right": (AIDAX, {"samplerate": "fast", "metadata.samplerate": "44100"}, "samplerate is 'fast'", {"sample_rate": 44_100}),
    "aidax gain NaN": (AIDAX, {"in_gain": math.nan}, "in_gain is 'nan', expected a number", {"levels": Levels()}),
    "aidax batch cut short": (AIDAX, {"input_batch": [0.0], "output_batch": []}, "output_batch is a list of 0", {"probe": {}}),
    "aidax batch of two lengths": (AIDAX, {"input_batch": [0.0], "output_batch": [0.0, 1.0]}, "output_batch has 2 entries where 1 belong", {"probe": {}}),
    "aidax batch NaN": (AIDAX, {"input_batch": [0.0], "output_batch": [math.nan]}, "output_batch holds NaN", {"probe": {}}),
    "aidax metadata a text": (AIDAX, {"metadata": "clean"}, "metadata is 'clean', expected an object", {}),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_in_a_description_is_left_out_and_noted(what: str, tmp_path: Path) -> None:
    data, changes, note, expected = ODD[what]
    preset = read_capture(write(tmp_path / "file.json", put_in(data, changes)))
    assert_same_network(preset, read_capture(write(tmp_path / "good.json", data)))
    assert "; ".join(preset.notes).startswith(note)
    for name, value in expected.items():
        assert getattr(preset, name) == value
    json.dumps(preset.metadata, allow_nan=False)


def test_letters_of_another_encoding_are_replaced_and_noted(tmp_path: Path) -> None:
    data = json.dumps(put_in(NAM, {"metadata.name": "Café"}), ensure_ascii=False)
    (tmp_path / "file.nam").write_bytes(data.encode("cp1252"))
    preset = read_capture(tmp_path / "file.nam")
    assert_same_network(preset, read_capture(write(tmp_path / "good.nam", NAM)))
    assert preset.name == "Caf\N{REPLACEMENT CHARACTER}"
    assert preset.notes == ("letters that are not UTF-8",)


def test_an_odd_file_is_imported_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.nam", put_in(NAM, {"metadata.loudness": math.nan, "metadata.gain": -math.inf}))
    made = import_capture(path, tmp_path / "a.pt")
    assert made.levels.loudness_db == read_preset(tmp_path / "a.pt").levels.loudness_db != LEVELS.loudness_db
    assert len(made.notes) == 2
    assert main(["info", str(path), "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["capture"]["about"]["gain"] is None
    assert told.err.count("\n") == 1
    assert told.err.startswith(
        f"fxhost: {path}: left out: loudness is 'nan', expected a number from -300 to 100; gain is"
    )


@pytest.mark.parametrize(("off", "loud", "code"), [(1.8e-5, 1.0, 0), (6e-5, 1.0, 0), (3e-4, 1.0, 1), (3e-4, 200.0, 0)])
def test_a_batch_of_another_program_is_judged_by_what_its_float32_can_do(
    off: float, loud: float, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_aidax("lstm", 6)
    data["layers"][1]["weights"][0] = (loud * np.array(data["layers"][1]["weights"][0]) / 0.6).tolist()
    rng = np.random.default_rng(9)
    x = 0.3 * rng.standard_normal(512)
    y = play_aidax(data, x[:, None]) + off * rng.choice([-1.0, 1.0], len(x))
    path = write(tmp_path / "a.aidax", {**data, "input_batch": x.tolist(), "output_batch": y.tolist()})
    assert main(["info", "--check", str(path)]) == code
    err = capsys.readouterr().err
    assert ("the output that it carries is off by" in err) == bool(code)
