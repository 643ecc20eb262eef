"""Where a recurrent network begins: at rest, however slow it is, found once; and said where it never rests."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fxhost.cli import main
from fxhost.convert import import_capture
from fxhost.native import tuning_cache
from fxhost.networks.recurrent import Recurrent
from fxhost.preset import slow_settling
from fxhost.preset.archive import read_preset
from fxhost.preset.captures import read_capture
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import compiled_stage
from fxhost.preset.settled_state import settle_on_silence
from tests.foreign import make_aidax, write

RATE = 48_000


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of our own."""
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setattr(tuning_cache, "store_folder", lambda: folder)
    return folder


def make_leaky(seconds: float, hidden: int = 4) -> Preset:
    """An LSTM whose cells fall towards their rest with this time constant."""
    a = Recurrent(1, hidden)
    weights = {name: np.zeros(shape, np.float32) for name, shape in a.weight_shapes().items()}
    weights["weight_ih_l0"][:] = 0.1
    keep = np.exp(-1.0 / (seconds * RATE))
    gates = weights["bias_ih_l0"].reshape(4, hidden)
    gates[0] = np.log((1 - keep) / keep)  # what comes in is as small as what goes
    gates[1], gates[2], gates[3] = np.log(keep / (1 - keep)), 0.5, 2.0
    weights["head_weight"][:] = 0.5
    return Preset(Path("leaky.nam"), "leaky", RATE, a, (), weights, {}, 0.0, {}, file_format="nam")


def drift(preset: Preset, seconds: int) -> float:
    """How far the output moves from where it begins, while silence is played."""
    audio = np.zeros(seconds * RATE, np.float32)
    compiled_stage(preset).process(audio)
    return float(np.abs(audio - preset.silent_output).max())


@pytest.mark.parametrize(("seconds", "most"), [(0.001, 1e-6), (0.05, 2e-6), (1.0, 1e-4), (2.5, 1e-4)])
def test_a_slow_network_begins_at_rest(seconds: float, most: float) -> None:
    preset = settle_on_silence(make_leaky(seconds))
    assert preset.is_settled
    assert abs(preset.silent_output) > 0.1
    assert drift(preset, 4) < most


def test_the_rest_of_a_slow_network_is_found_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = make_leaky(1.0)
    preset = settle_on_silence(slow)
    [path] = store.iterdir()
    monkeypatch.setattr(slow_settling, "_play_silence", lambda preset: pytest.fail("it plays again"))
    again = settle_on_silence(slow)
    assert (again.silent_output, again.is_settled) == (preset.silent_output, True)
    for name in ("h0", "c0"):
        assert np.array_equal(again.weights[name], preset.weights[name])
    monkeypatch.undo()
    monkeypatch.setattr(tuning_cache, "store_folder", lambda: store)
    entry = json.loads(path.read_text())
    for change in ({"h": "????"}, {"c": entry["c"][:8]}, {"output": "x"}, {"output": None}, {"h": 3}):
        path.write_text(json.dumps(entry | change))
        assert settle_on_silence(slow).silent_output == preset.silent_output
        assert json.loads(path.read_text()) == entry


def test_a_quick_network_costs_no_compilation(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_settling, "find_settled_state", lambda preset: pytest.fail("it compiles"))
    assert settle_on_silence(make_leaky(0.001)).is_settled


def test_what_never_comes_to_rest_is_said_and_kept_in_the_preset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_aidax("lstm", 2)
    recurrent = np.zeros((2, 8))
    recurrent[:, 4:6] = -9.0 * np.eye(2)  # h changes its sign at each step
    bias = np.repeat([5.0, -5.0, 0.1, 5.0], 2)
    data["layers"][0]["weights"] = [np.zeros((1, 8)).tolist(), recurrent.tolist(), bias.tolist()]
    source = write(tmp_path / "a.aidax", data)
    preset = read_preset(source)
    assert not preset.is_settled
    made = import_capture(source, tmp_path / "a.pt")
    assert not made.is_settled
    assert made.metadata["silence"]["settled"] is False
    for path in (source, tmp_path / "a.pt"):
        assert main(["info", str(path)]) == 0
        err = capsys.readouterr().err
        assert err.startswith(f"fxhost: {path} never comes to rest on silence, not in 30 s: it may hum")
        assert err.count("\n") == 1


def test_a_turned_knob_finds_its_own_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.aidax", make_aidax("gru", 6, 2))
    preset = read_capture(path)
    states = [
        settle_on_silence(replace(preset, knobs=(replace(preset.knobs[0], default=value),))) for value in (0.0, 1.0)
    ]
    assert np.abs(states[0].weights["h0"] - states[1].weights["h0"]).max() > 1e-3
    assert all(drift(state, 1) < 2e-6 for state in states)
