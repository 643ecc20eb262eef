"""Presets that are written without torch are what torch would have written: it loads them and plays them alike."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from fxhost import convert
from fxhost.arrays import Float32Array
from fxhost.errors import PresetError
from fxhost.networks.architecture import Architecture
from fxhost.networks.recurrent import Recurrent, play_recurrence
from fxhost.preset.archive import read_preset
from fxhost.preset.probe import probe_error
from fxhost.preset.torchscript_text import write_archive
from fxhost.reference import torchscript
from fxhost.reference.modules import build_module
from fxhost.reference.torchscript import play_module
from tests.conftest import assert_torch_stays_out
from tests.foreign import make_aidax, make_nam, make_proteus, write

NETWORKS = [(1, 8, 1, False, "lstm"), (3, 5, 4, True, "lstm"), (1, 7, 2, True, "gru"), (2, 9, 1, False, "gru")]


def draw(architecture: Architecture, seed: int = 3) -> dict[str, Float32Array]:
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-0.8, 0.8, shape).astype("f4") for name, shape in architecture.weight_shapes().items()}


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_torch_loads_the_archive_and_plays_it_as_its_own_module(network: tuple[int, int, int, bool, str]) -> None:
    architecture = Recurrent(*network)
    weights = draw(architecture)
    content = write_archive(architecture, weights, {"fxhost.json": b"{}"})
    extra = {"fxhost.json": ""}
    with torchscript.accepting_deprecation():
        loaded = torch.jit.load(io.BytesIO(content), _extra_files=extra)  # type: ignore[no-untyped-call]
    own = build_module(architecture, weights)
    assert extra == {"fxhost.json": b"{}"}
    assert sorted(loaded.state_dict()) == sorted(own.state_dict())
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (509, architecture.inputs)).astype("f4")
    h, c = (rng.uniform(-0.9, 0.9, shape).astype("f4") for shape in architecture.state_shapes)
    for got, expected in zip(play_module(loaded, x, h, c), play_module(own, x, h, c), strict=True):
        assert np.array_equal(got, expected)
    exact = play_module(own.double(), *(value.astype("f8") for value in (x, h, c)))[0]  # type: ignore[arg-type]
    assert np.abs(play_recurrence(architecture, weights, x, h, c, np.float64) - exact).max() < 1e-12
    assert np.abs(play_recurrence(architecture, weights, x, h, c, np.float32) - exact).max() < 1e-5


def test_the_same_preset_is_the_same_archive_and_holds_no_more() -> None:
    architecture = Recurrent(1, 4, 1, False, "lstm")
    weights = draw(architecture)
    first, second = (write_archive(architecture, weights, {"a": b"b"}) for _ in range(2))
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        names = {info.filename for info in archive.infolist()}
        assert archive.testzip() is None
    kept = {"data.pkl", "constants.pkl", "version", "byteorder", ".data/serialization_id", "extra/a"}
    kept |= {"code/__torch__/fxhost/modules.py", *(f"data/{n}" for n in range(6))}
    assert names == {f"archive/{name}" for name in kept}


@pytest.mark.parametrize("ending", [".nam", ".json", ".aidax"])
def test_a_recurrent_capture_is_imported_without_torch_and_its_module_passes(ending: str, tmp_path: Path) -> None:
    data = {".nam": make_nam(2, 5), ".json": make_proteus("GRU", 6, 2), ".aidax": make_aidax("lstm", 7, in_skip=1)}
    capture = write(tmp_path / f"a{ending}", data[ending])
    assert_torch_stays_out("import", capture, "-o", tmp_path / "a.pt")
    preset = read_preset(tmp_path / "a.pt")
    assert probe_error(preset) < 1e-5
    assert torchscript.probe_error(preset) < 1e-5


def test_an_import_that_fails_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture, output = write(tmp_path / "a.nam", make_nam(1, 3)), tmp_path / "a.pt"
    monkeypatch.setattr(convert, "probe_error", lambda preset: 1.0)
    for before in (None, b"a preset"):
        if before is not None:
            output.write_bytes(before)
        with pytest.raises(PresetError, match="off the network"):
            convert.import_capture(capture, output, overwrite=True)
        assert (output.read_bytes() if output.exists() else None) == before
        assert sorted(path.name for path in tmp_path.iterdir()) == (["a.nam"] if before is None else ["a.nam", "a.pt"])
