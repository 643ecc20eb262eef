"""Captures become presets and presets become captures: to the bit, or refused, or said."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxhost.convert import Imported, export_preset, import_capture, import_folder
from fxhost.engine.knobs import set_knobs
from fxhost.errors import FileError, PresetError, TrainingError
from fxhost.preset import probe
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Knob, Levels
from fxhost.reference import torchscript
from fxhost.reference.modules import EffectGRU
from fxhost.reference.preset_writer import save_preset
from tests.conftest import ROOT, assert_one_line, make_module, run_fxhost
from tests.foreign import make_aidax, make_nam, make_proteus, write
from tests.measure.mutations import make_wavenets
from tests.preset.test_formats import TOLERANCE, excite, play
from tests.preset.test_preset import rewrite
from train.network.start import load_start

FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "nam": (".nam", make_nam(2, 8)),
    "proteus lstm": (".json", make_proteus("LSTM", 5)),
    "proteus gru with knobs": (".json", make_proteus("GRU", 5, inputs=3)),
    "wavenet gated": (".nam", make_wavenets()[0]),
    "wavenet of 0.7": (".nam", make_wavenets()[1]),
    "aidax lstm": (".aidax", make_aidax("lstm", 6, in_skip=1)),
    "aidax gru with gains": (".aidax", make_aidax("gru", 6, in_gain=3.0, out_gain=-90)),
}


def numbers_of(data: Any) -> list[np.float32]:
    """All weights of a file, in order."""
    if isinstance(data, list):
        return [number for child in data for number in numbers_of(child)]
    if isinstance(data, dict):
        kept = ("weights", "state_dict", "layers")
        inner = [child for key, child in data.items() if key in kept or key.startswith(("rec.", "lin."))]
        return [number for child in inner for number in numbers_of(child)]
    return [np.float32(data)]


@pytest.mark.parametrize("what", FILES)
def test_a_capture_goes_to_a_preset_and_back_to_the_bit(what: str, tmp_path: Path) -> None:
    ending, data = FILES[what]
    source, back = write(tmp_path / f"a{ending}", data), tmp_path / f"b{ending}"
    made = import_capture(source, tmp_path / "a.pt")
    capture = read_preset(source)
    for name, array in capture.weights.items():
        assert np.array_equal(made.weights[name], array), name
    assert (made.architecture, made.knobs) == (capture.architecture, capture.knobs)
    known = capture.levels.loudness_db is not None  # else it is measured now
    assert replace(made.levels, loudness_db=capture.levels.loudness_db) == capture.levels
    assert (made.levels.loudness_db == capture.levels.loudness_db) == known
    assert (made.name, made.sample_rate) == (capture.name, capture.sample_rate)
    assert made.metadata["format_version"] == (1 if made.architecture.cell == "lstm" and "gains" not in what else 2)
    assert torchscript.probe_error(made) <= 2e-6  # the answers are those of numpy
    assert probe.probe_error(made) <= 2e-6
    x = excite(3)
    assert np.abs(play(made, x) - play(capture, x)).max() < TOLERANCE
    export_preset(made, back)
    assert numbers_of(json.loads(back.read_text())) == numbers_of(data)
    assert np.abs(play(read_preset(back), x) - play(capture, x)).max() < TOLERANCE


def test_a_preset_of_a_capture_tells_what_the_file_told(tmp_path: Path) -> None:
    made = import_capture(write(tmp_path / "a.nam", make_nam()), tmp_path / "a.pt")
    assert made.metadata["capture"]["about"]["name"] == "made up"
    assert made.metadata["capture"]["file"] == "a.nam"
    export_preset(made, tmp_path / "b.nam")
    written = json.loads((tmp_path / "b.nam").read_text())
    assert written["metadata"] == make_nam()["metadata"]
    assert (written["version"], written["sample_rate"]) == ("0.5.4", 48_000)


@pytest.mark.parametrize("ending", [".nam", ".json", ".aidax"])
@pytest.mark.parametrize(("layers", "residual"), [(1, False), (1, True), (2, True)])
def test_a_trained_preset_plays_the_same_from_other_programs_files(
    ending: str, layers: int, residual: bool, make_preset: Callable[..., Path], tmp_path: Path
) -> None:
    preset = read_preset(make_preset(layers, 8, 1, residual))
    output = tmp_path / f"a{ending}"
    notes = export_preset(preset, output)
    again = read_preset(output)
    x = excite(4)
    wired = ending == ".nam" and residual
    assert again.architecture.hidden_size == 8 + wired
    assert any("residual" in note for note in notes) == wired
    assert any("one recurrent and one linear layer only" in note for note in notes) == (
        ending == ".aidax" and layers > 1
    )
    assert any("add the dry signal" in note for note in notes) == (ending == ".json" and not residual)
    assert np.abs(play(again, x) - play(preset, x)).max() < (2e-6 if wired else TOLERANCE)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("ending", [".json", ".aidax"])
def test_a_residual_path_comes_back_from_a_nam_file(ending: str, layers: int, tmp_path: Path) -> None:
    source = write(tmp_path / "a.json", make_proteus("LSTM", 5, layers=layers))
    export_preset(read_preset(source), tmp_path / "a.nam")
    import_capture(tmp_path / "a.nam", tmp_path / "a.pt")
    for name in ("a.nam", "a.pt"):
        notes = export_preset(read_preset(tmp_path / name), tmp_path / f"b{ending}", overwrite=True)
        again = read_preset(tmp_path / f"b{ending}")
        assert (again.architecture.residual, again.architecture.hidden_size) == (True, 5)
        assert not any("add the dry signal" in note for note in notes)
        assert any("ignore in_skip" in note for note in notes) == (ending == ".aidax")
        assert not again.levels.has_gains
        for key, array in read_preset(source).weights.items():
            if not key.startswith("bias"):  # which are one sum in a .nam file
                assert np.abs(again.weights[key] - array).max() < TOLERANCE
        x = excite(4)
        assert np.abs(play(again, x) - play(read_preset(source), x)).max() < 2e-6


def test_gains_and_a_residual_path_come_back_from_a_nam_file(tmp_path: Path) -> None:
    source = write(tmp_path / "a.aidax", make_aidax("lstm", 6, in_skip=1, in_gain=5.0, out_gain=-3.0))
    export_preset(read_preset(source), tmp_path / "a.nam")
    wired = read_preset(tmp_path / "a.nam")
    assert wired.architecture.hidden_size == 7
    with pytest.raises(PresetError, match="residual path, for which this format has no place"):
        export_preset(wired, tmp_path / "b.json")
    notes = export_preset(wired, tmp_path / "b.aidax")
    assert "some players of this format ignore in_skip, in_gain and out_gain, and will sound wrong" in notes
    again = read_preset(tmp_path / "b.aidax")
    assert again.levels.input_gain_db == pytest.approx(5.0, abs=1e-5)
    assert again.levels.output_gain_db == pytest.approx(-3.0, abs=1e-5)
    x = excite(4)
    assert np.abs(play(again, x) - play(read_preset(source), x)).max() < 5e-6


def test_a_unit_that_is_no_wire_of_ours_stays(tmp_path: Path) -> None:
    export_preset(read_preset(write(tmp_path / "a.json", make_proteus("LSTM", 5))), tmp_path / "a.nam")
    data = json.loads((tmp_path / "a.nam").read_text())
    data["weights"][-2] *= -1.0  # the head takes the dry signal away
    export_preset(read_preset(write(tmp_path / "b.nam", data)), tmp_path / "b.json")
    assert read_preset(tmp_path / "b.json").architecture.hidden_size == 6


def test_knobs_stand_still_in_a_nam_file(make_preset: Callable[..., Path], tmp_path: Path) -> None:
    [preset] = set_knobs([read_preset(make_preset(1, 8, 2))], {"Knob 1": 0.8})
    notes = export_preset(preset, tmp_path / "a.nam")
    assert notes == ["a .nam LSTM has no knobs: they stand still at knob 1=0.8; --knob chooses where"]
    x = excite(4)
    assert np.abs(play(read_preset(tmp_path / "a.nam"), x) - play(preset, x)).max() < TOLERANCE


def test_gains_are_folded_where_a_format_has_none(tmp_path: Path) -> None:
    data = make_aidax("lstm", 6, in_gain=5.0, out_gain=-3.0)
    preset = read_preset(write(tmp_path / "a.aidax", data))
    x = excite(4)
    for name in ("a.nam", "a.json"):
        export_preset(preset, tmp_path / name)
        assert np.abs(play(read_preset(tmp_path / name), x) - play(preset, x)).max() < TOLERANCE
    residual = read_preset(write(tmp_path / "r.aidax", {**data, "in_skip": 1}))
    with pytest.raises(PresetError, match="residual path, for which this format has no place"):
        export_preset(residual, tmp_path / "r.json")


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    gru = read_preset(write(tmp_path / "a.json", make_proteus("GRU")))
    with pytest.raises(PresetError, match=re.escape("is a GRU 1×4; a .nam file holds no such network")):
        export_preset(gru, tmp_path / "a.nam")
    with pytest.raises(FileError, match=r"ends in none of \.nam, \.json, \.aidax"):
        export_preset(gru, tmp_path / "a.wav")
    write(tmp_path / "there.json", make_proteus("GRU"))
    with pytest.raises(FileError, match="exists already"):
        export_preset(gru, tmp_path / "there.json")
    export_preset(gru, tmp_path / "b.json", file_format="aidax")
    assert read_preset(tmp_path / "b.json").file_format == "aidax"


def test_a_gru_is_saved_as_a_preset_of_version_two(tmp_path: Path) -> None:
    module = EffectGRU(2, 5, 2, True)
    levels = Levels(input_gain_db=3.0, loudness_db=-12.0)
    save_preset(tmp_path / "a.pt", module, name="g", sample_rate=8_000, knobs=[Knob("tone", 0.3)], levels=levels)
    preset = read_preset(tmp_path / "a.pt")
    assert (preset.metadata["format_version"], preset.architecture.cell, preset.levels) == (2, "gru", levels)
    assert torchscript.probe_error(preset) == 0.0
    assert probe.probe_error(preset) <= 2e-6


def test_an_lstm_without_gains_is_still_written_as_version_one(tmp_path: Path) -> None:
    save_preset(tmp_path / "a.pt", make_module(1, 3), name="l", sample_rate=48_000)
    assert read_preset(tmp_path / "a.pt").metadata["format_version"] == 1


def test_a_training_starts_from_no_other_network(tmp_path: Path) -> None:
    source = write(tmp_path / "a.json", make_proteus("GRU", 4, skip=0))
    with pytest.raises(TrainingError, match="its network is gru, not lstm"):
        load_start(make_module(1, 4), source, 44_100)
    load_start(make_module(1, 4), write(tmp_path / "b.json", make_proteus("LSTM", 4, skip=0)), 44_100)


def test_the_sample_rate_can_be_told_where_the_file_does_not(tmp_path: Path) -> None:
    source = write(tmp_path / "a.json", make_proteus())
    assert import_capture(source, tmp_path / "a.pt", sample_rate=48_000).sample_rate == 48_000
    with pytest.raises(PresetError, match="says itself that it is for 48000 Hz; leave out --sample-rate"):
        import_capture(write(tmp_path / "b.nam", make_nam()), tmp_path / "b.pt", sample_rate=44_100)


BAD_DESCRIPTIONS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no network": (lambda a: a.pop("network"), "network is missing, expected an object"),
    "no arrays": (lambda a: a["network"].update(arrays=[]), "arrays is a list of 0, expected a list of 1 to 16"),
    "an array of nothing": (lambda a: a["network"].update(arrays=[{}]), "layers is missing"),
    "a text for a size": (lambda a: a["network"]["arrays"][0].update(channels="2"), "channels is '2'"),
    "another size": (
        lambda a: a["network"]["arrays"][0].update(head_size=3),
        "the array before it gives other than that",
    ),
    "a strange gate": (lambda a: a["network"]["arrays"][0]["layers"][0].update(gating="half"), "gating 'half'"),
    "a strange function": (
        lambda a: a["network"]["arrays"][0]["layers"][0]["activation"].update(name="Sine"),
        "activation 'Sine' is not supported",
    ),
    "numbers in words": (
        lambda a: a["network"]["arrays"][0]["layers"][0]["activation"].update(numbers=["0.1"]),
        "numbers is '0.1', expected a number",
    ),
    "a loop of conditions": (
        lambda a: a["network"].update(
            condition=json.loads(json.dumps({**a["network"], "condition": {**a["network"], "condition": a["network"]}}))
        ),
        "expected at most 3 networks in each other",
    ),
    "other weights": (lambda a: a["network"]["arrays"][0]["layers"].pop(), "wavenet in weights.npz"),
}


@pytest.fixture(scope="module")
def wavenet_preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wavenet")
    import_capture(write(folder / "a.nam", make_wavenets()[0]), folder / "a.pt")
    return folder / "a.pt"


@pytest.mark.parametrize("what", BAD_DESCRIPTIONS)
def test_a_preset_with_a_bad_description_is_one_clear_line(what: str, wavenet_preset: Path, tmp_path: Path) -> None:
    change, message = BAD_DESCRIPTIONS[what]

    def edit(entries: dict[str, bytes]) -> None:
        data = json.loads(entries["extra/fxhost.json"])
        change(data["architecture"])
        entries["extra/fxhost.json"] = json.dumps(data).encode()

    with pytest.raises(PresetError, match=re.escape(message)) as caught:
        read_preset(rewrite(wavenet_preset, tmp_path / "bad.pt", edit))
    assert "bad.pt" in str(caught.value)
    assert "\n" not in str(caught.value)
    read_preset(wavenet_preset)


def make_collection(folder: Path) -> None:
    (folder / "amps").mkdir(parents=True)
    write(folder / "one.nam", make_nam())
    write(folder / "one.json", make_proteus())
    write(folder / "amps" / "two.aidax", make_aidax())
    (folder / "amps" / "broken.nam").write_text('{"version": "0.5')
    (folder / "readme.txt").write_text("no capture")


def test_a_collection_goes_on_after_failures_and_keeps_what_is_there(tmp_path: Path) -> None:
    make_collection(tmp_path / "in")
    counts: list[tuple[int, int]] = []
    results = list(import_folder(tmp_path / "in", tmp_path / "out", report=lambda *count: counts.append(count)))
    assert counts == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert {str(r.output.relative_to(tmp_path / "out")): r.preset is not None for r in results} == {
        "amps/broken.pt": False,
        "amps/two.pt": True,
        "one.pt": True,
        "one.nam.pt": True,
    }
    assert next(r.reason for r in results if r.preset is None).endswith(
        "is cut off: it ends after 16 bytes; get the file again"
    )
    before = (tmp_path / "out" / "one.pt").read_bytes()
    again = list(import_folder(tmp_path / "in", tmp_path / "out"))
    assert [r.is_kept for r in again] == [False, True, True, True]
    assert (tmp_path / "out" / "one.pt").read_bytes() == before
    forced = list(import_folder(tmp_path / "in", tmp_path / "out", overwrite=True))
    assert [isinstance(r, Imported) and r.preset is not None for r in forced] == [False, True, True, True]
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == {"two.pt", "one.pt", "one.nam.pt"}


def test_an_empty_collection_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="holds no file that ends in"):
        list(import_folder(tmp_path, tmp_path / "out"))
    with pytest.raises(FileError, match="is not a folder; give the folder of a collection"):
        list(import_folder(tmp_path / "nothing", tmp_path / "out"))


# --- the commands ----------------------------------------------------------------------------------------------------


def test_the_commands_import_export_and_tell(tmp_path: Path) -> None:
    source = write(tmp_path / "a.json", make_proteus("LSTM", 5, 2))
    done = run_fxhost("import", source, "-o", tmp_path / "a.pt")
    assert done.stdout.splitlines() == [
        f"{tmp_path / 'a.pt'}: a, LSTM 1×5 at 44100 Hz, knobs knob",
        "the file tells no sample rate: 44100 Hz is assumed; --sample-rate sets another",
    ]
    done = run_fxhost("export", tmp_path / "a.pt", "-o", tmp_path / "a.nam", "--knob", "knob=0.25", "--json")
    assert json.loads(done.stdout)["notes"][0].startswith("a .nam LSTM has no knobs: they stand still at knob=0.25")
    done = run_fxhost("info", tmp_path / "a.nam", "--json")
    assert json.loads(done.stdout)["architecture"]["hidden_size"] == 6
    assert_one_line(run_fxhost("import", source, "-o", tmp_path / "a.pt"), "exists already")
    assert_one_line(run_fxhost("import", tmp_path / "a.pt", "-o", tmp_path / "b.pt"), "is a preset already")
    assert_one_line(run_fxhost("import", "-o", tmp_path / "b.pt"), "give either one FILE or --all FOLDER")


def test_a_collection_is_imported_with_a_table_of_failures(tmp_path: Path) -> None:
    make_collection(tmp_path / "in")
    done = run_fxhost("import", "--all", tmp_path / "in", "-o", tmp_path / "out", env=None)
    assert done.returncode == 1
    assert "amps/broken.nam" in done.stdout
    assert "is cut off" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{tmp_path / 'out'}: 3 presets made, 1 files failed"


def test_ctrl_c_keeps_what_was_imported(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for n in range(200):
        write(tmp_path / "in" / f"{n:03d}.nam", make_nam(seed=n))
    command = [sys.executable, "-m", "fxhost.cli", "import", "--all", tmp_path / "in", "-o", tmp_path / "out"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while not (tmp_path / "out" / "001.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was made is kept" in err
    made = sorted((tmp_path / "out").iterdir())
    assert 2 <= len(made) < 200
    told = re.search(r"(\d+) presets made", out)
    assert told and len(made) - 1 <= int(told[1]) <= len(made)  # one may be written and not read back yet
    for path in made:
        read_preset(path)


@pytest.mark.parametrize("what", ["nam", "proteus gru with knobs", "aidax lstm"])
def test_a_capture_is_rendered_without_a_conversion(what: str, tmp_path: Path) -> None:
    import soundfile

    ending, data = FILES[what]
    source = write(tmp_path / f"a{ending}", data)
    preset = read_preset(source)
    audio = 0.5 * excite(12, 4410).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", audio, preset.sample_rate, subtype="FLOAT")
    outputs = []
    for turned in ([], ["--knob", "knob1=1.0"] if preset.knobs else []):
        done = run_fxhost("render", source, tmp_path / "in.wav", tmp_path / "out.wav", "--force", *turned)
        assert done.returncode == 0, done.stderr
        outputs.append(soundfile.read(tmp_path / "out.wav", dtype="float32")[0])
    assert np.abs(outputs[0]).max() > 1e-3
    assert (np.abs(outputs[0] - outputs[1]).max() > 1e-3) == bool(preset.knobs)
