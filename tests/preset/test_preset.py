"""The preset format: written and read back whole, and anything wrong in a file is one clear line."""

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fxhost.errors import FileError, PresetError
from fxhost.networks.recurrent import Recurrent
from fxhost.preset import probe
from fxhost.preset.archive import read_metadata, read_preset
from fxhost.preset.library import find_preset
from fxhost.reference import torchscript
from fxhost.reference.preset_writer import save_preset
from fxhost.reference.torchscript import named_weights, play_module
from tests.conftest import ROOT, make_module

MakePreset = Callable[..., Path]
Change = Callable[[dict[str, bytes]], None]


def rewrite(source: Path, target: Path, change: Change, *, compression: int = zipfile.ZIP_STORED) -> Path:
    """Copy an archive with its entries changed; keys are names below the archive's folder."""
    with zipfile.ZipFile(source) as archive:
        entries = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(f"archive/{name}", content)
    return target


def edit_json(**fields: Any) -> Change:
    def change(entries: dict[str, bytes]) -> None:
        data = json.loads(entries["extra/fxhost.json"])
        data.update(fields)
        entries["extra/fxhost.json"] = json.dumps(data).encode()

    return change


def edit_json_text(old: str, new: str) -> Change:
    def change(entries: dict[str, bytes]) -> None:
        assert old.encode() in entries["extra/fxhost.json"]
        entries["extra/fxhost.json"] = entries["extra/fxhost.json"].replace(old.encode(), new.encode())

    return change


def odd_header(entries: dict[str, bytes]) -> None:
    """An npz one of whose headers is a literal that Python cannot hash."""
    entries["extra/weights.npz"] = entries["extra/weights.npz"].replace(b"{'descr': '<f4',", b"{[]: 1, 'a': '<f4'", 1)


def edit_npz(file: str, **arrays: Any) -> Change:
    """Replace (or, with None, remove) arrays of an npz."""

    def change(entries: dict[str, bytes]) -> None:
        with np.load(io.BytesIO(entries[f"extra/{file}.npz"])) as npz:
            content = {name: npz[name] for name in npz.files} | arrays
        out = io.BytesIO()
        np.savez(out, **{name: array for name, array in content.items() if array is not None})
        entries[f"extra/{file}.npz"] = out.getvalue()

    return change


def set_entry(name: str, content: bytes | None) -> Change:
    def change(entries: dict[str, bytes]) -> None:
        if content is None:
            del entries[name]
        else:
            entries[name] = content

    return change


def lying_npy(entries: dict[str, bytes]) -> None:
    """An npz whose one array claims a terabyte in its header."""
    out = io.BytesIO()
    with (
        np.load(io.BytesIO(entries["extra/weights.npz"])) as npz,
        zipfile.ZipFile(out, "w") as archive,
    ):
        for name in npz.files:
            array = io.BytesIO()
            np.save(array, npz[name])
            content = array.getvalue()
            if name == "head_bias":
                content = content.replace(b"(1,), }      ", b"(1<<38,), }  ").replace(b"(1,)", b"(9999999999999,)")
            archive.writestr(f"{name}.npy", content)
    entries["extra/weights.npz"] = out.getvalue()


RUN_DEPENDENT = ("fxhost.json", "serialization_id")  # the first holds the time
NAN = np.full((1, 8), np.nan, np.float32)
BAD_FILES: dict[str, tuple[Change, str]] = {
    "no fxhost.json": (set_entry("extra/fxhost.json", None), "not an fxhost preset"),
    "no weights": (set_entry("extra/weights.npz", None), "not an fxhost preset"),
    "json cut off": (set_entry("extra/fxhost.json", b'{"format": "fxhost'), "fxhost.json is cut off"),
    "json is a list": (set_entry("extra/fxhost.json", b"[]"), "must hold an object"),
    "json with NaN": (set_entry("extra/fxhost.json", b'{"sample_rate": NaN}'), "fxhost.json is damaged"),
    "json nested too deep": (set_entry("extra/fxhost.json", b'{"a": ' + b"[" * 99 + b"]" * 99 + b"}"), "nested more"),
    "json with infinity": (edit_json_text('"sample_rate": 48000', '"sample_rate": 1e999'), "is not a finite number"),
    "json nested deeply": (set_entry("extra/fxhost.json", b"[" * 100_000), "fxhost.json is damaged"),
    "other format": (edit_json(format="something else"), "format is 'something else'"),
    "newer version": (edit_json(format_version=4), "has format version 4, this fxhost reads up to 3; upgrade"),
    "version is no number": (edit_json(format_version="1"), "format_version is '1'"),
    "rate 0": (edit_json(sample_rate=0), "sample_rate is '0'"),
    "rate as text": (edit_json(sample_rate="48000"), "sample_rate is '48000'"),
    "name with newline": (edit_json(name="a\nb"), "name is"),
    "architecture of a list": (edit_json(architecture={"type": []}), "unknown architecture a list of 0"),
    "architecture without type": (edit_json(architecture={}), "unknown architecture 'None'"),
    "unknown architecture": (edit_json(architecture={"type": "transformer"}), "unknown architecture 'transformer'"),
    "hidden size 0": (
        edit_json(architecture={"type": "lstm", "layers": 1, "hidden_size": 0, "inputs": 1, "residual": False}),
        "hidden_size is '0'",
    ),
    "hidden size huge": (
        edit_json(architecture={"type": "lstm", "layers": 1, "hidden_size": 10**9, "inputs": 1, "residual": False}),
        "hidden_size is '1000000000'",
    ),
    "knobs missing": (edit_json(knobs=None), "expected 0 knobs"),
    "knobs too many": (edit_json(knobs=[{"name": "a", "default": 0.5}]), "expected 0 knobs"),
    "silence is no number": (edit_json(silence={"output": "x"}), "output is 'x'"),
    "weights of the wrong shape": (edit_npz("weights", head_weight=np.zeros((1, 9), np.float32)), "expected float32"),
    "weights of the wrong dtype": (edit_npz("weights", head_weight=np.zeros((1, 8))), "expected float32"),
    "weights in Fortran order": (
        edit_npz("weights", weight_hh_l0=np.zeros((32, 8), np.float32, order="F")),
        "expected float32",
    ),
    "weights with NaN": (edit_npz("weights", head_weight=NAN), "NaN or beyond"),
    "weights with infinity": (edit_npz("weights", head_weight=NAN * 0 + np.float32(3e38)), "NaN or beyond"),
    "an array missing": (edit_npz("weights", head_bias=None), "head_bias"),
    "an array too many": (edit_npz("weights", more=np.zeros(3, np.float32)), "more"),
    "a pickle in the npz": (edit_npz("weights", head_bias=np.array([{"run": "me"}], object)), "expected float32"),
    "a pickle in the probe": (edit_npz("probe", h=np.array([[print]], object)), "expected float32"),
    "an array that claims a terabyte": (lying_npy, "head_bias"),
    "a header that cannot be hashed": (odd_header, "weights.npz"),
    "weights are no zip": (set_entry("extra/weights.npz", b"PK\x03\x04" + bytes(100)), "weights.npz is damaged"),
    "probe with NaN": (edit_npz("probe", h=NAN), "NaN or beyond"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_preset_is_one_clear_line(what: str, make_preset: MakePreset, tmp_path: Path) -> None:
    change, message = BAD_FILES[what]
    path = rewrite(make_preset(), tmp_path / "bad.pt", change)
    with pytest.raises(PresetError, match=re.escape(message)) as caught:
        read_preset(path)
    assert "bad.pt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_zip_bomb_is_refused_before_it_takes_memory(make_preset: MakePreset, tmp_path: Path) -> None:
    names = ("fxhost.json", "weights.npz", "probe.npz")
    paths = [
        rewrite(
            make_preset(),
            tmp_path / f"{name}.pt",
            set_entry(f"extra/{name}", bytes(1 << 28)),
            compression=zipfile.ZIP_DEFLATED,
        )
        for name in names
    ]
    command = [sys.executable, "-c", MODEST, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        assert f"extra/{name} claims 268435456 bytes" in line


def test_a_bomb_inside_the_npz_is_refused(make_preset: MakePreset, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in Recurrent(1, 8).weight_shapes():
            archive.writestr(f"{name}.npy", bytes(1 << 26 if name == "h0" else 10))
    path = rewrite(make_preset(), tmp_path / "bomb.pt", set_entry("extra/weights.npz", inner.getvalue()))
    with pytest.raises(
        PresetError, match=r"weight_ih_l0 in weights.npz is not|h0 in weights.npz claims 67108864 bytes"
    ):
        read_preset(path)


MODEST = (
    "import resource, sys, pathlib; from fxhost.preset.archive import read_preset\n"
    "limit = 160 << 20; resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))\n"
    "for path in sys.argv[1:]:\n"
    "    try: read_preset(pathlib.Path(path))\n"
    "    except Exception as err: print(type(err).__name__, err)\n"
)


def claim(path: Path, name: bytes, size: int) -> Path:
    """Make every header of an archive's entry claim another uncompressed size."""
    content = bytearray(path.read_bytes())
    for signature, name_at, size_at in ((b"PK\x03\x04", 30, 22), (b"PK\x01\x02", 46, 24)):
        start = content.find(signature)
        while start >= 0:
            if content[start + name_at :].startswith(name):
                content[start + size_at : start + size_at + 4] = size.to_bytes(4, "little")
            start = content.find(signature, start + 4)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("inner", [False, True])
def test_a_bomb_that_claims_to_be_small_takes_no_memory(inner: bool, make_preset: MakePreset, tmp_path: Path) -> None:
    paths = []
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = tmp_path / f"bomb-{compression}.pt"
        paths.append(path)
        if inner:
            packed = tmp_path / "inner.npz"
            with zipfile.ZipFile(packed, "w", compression) as archive:
                for name in Recurrent(1, 8).weight_shapes():
                    archive.writestr(f"{name}.npy", bytes(1 << 28 if name == "weight_ih_l0" else 10))
            content = claim(packed, b"weight_ih_l0.npy", 200).read_bytes()
            rewrite(make_preset(), path, set_entry("extra/weights.npz", content))
        else:
            bomb = set_entry("extra/fxhost.json", bytes(1 << 28))
            rewrite(make_preset(), path, bomb, compression=compression)
            claim(path, b"archive/extra/fxhost.json", 200)
    command = [sys.executable, "-c", MODEST, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["PresetError"] * 3, done.stderr


@pytest.mark.parametrize("content", [b"", b"PK", b"hello world" * 100, b"PK\x03\x04" + bytes(1000)])
def test_what_is_no_zip_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "none.pt"
    path.write_bytes(content)
    with pytest.raises(PresetError, match=r"none\.pt is (empty|text that begins|damaged)"):
        read_preset(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_preset_is_refused(part: float, make_preset: MakePreset, tmp_path: Path) -> None:
    content = make_preset().read_bytes()
    path = tmp_path / "cut.pt"
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(PresetError, match=r"cut\.pt is damaged( or cut off)? "):
        read_preset(path)


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_mutated_preset_is_read_or_refused_but_never_crashes(
    edits: list[tuple[float, int]], make_preset: MakePreset, tmp_path: Path
) -> None:
    content = bytearray(make_preset().read_bytes())
    for place, value in edits:
        content[int(place * len(content))] = value
    path = tmp_path / "mutated.pt"
    path.write_bytes(content)
    try:
        preset = read_preset(path)
    except PresetError as err:
        assert "mutated.pt" in str(err)
    else:
        assert all(np.isfinite(array).all() for array in preset.weights.values())


@pytest.mark.parametrize(
    ("layers", "hidden_size", "inputs", "residual"), [(1, 1, 1, False), (2, 20, 3, True), (3, 128, 4, False)]
)
def test_a_preset_comes_back_as_it_was_saved(
    layers: int, hidden_size: int, inputs: int, residual: bool, make_preset: MakePreset
) -> None:
    path = make_preset(layers, hidden_size, inputs, residual, rate=8_000)  # at which less silence and riff is played
    preset = read_preset(path)
    assert preset.architecture == Recurrent(layers, hidden_size, inputs, residual)
    assert (preset.name, preset.sample_rate) == (path.stem, 8_000)
    assert [knob.default for knob in preset.knobs] == [0.25 * n for n in range(1, inputs)]
    module = make_module(layers, hidden_size, inputs, residual)
    for name, value in named_weights(module).items():
        assert np.array_equal(preset.weights[name], value)
    assert read_metadata(path) == preset.metadata
    assert torchscript.probe_error(preset) == 0.0
    assert probe.probe_error(preset) <= 2e-6


def test_the_probe_is_loud_and_tells_a_damaged_network(make_preset: MakePreset, tmp_path: Path) -> None:
    preset = read_preset(make_preset(1, 8))
    assert np.abs(preset.probe["input"]).max() >= 0.89
    head = preset.weights["head_weight"].copy()
    head[0, 3] += 0.01
    path = rewrite(preset.path, tmp_path / "bent.pt", edit_npz("weights", head_weight=head))
    assert probe.probe_error(read_preset(path)) > 1e-4


def test_the_stored_state_is_the_one_that_silence_leads_to(make_preset: MakePreset) -> None:
    preset = read_preset(make_preset(2, 20))
    assert preset.metadata["silence"]["settled"] is True
    module = make_module(2, 20)
    silence = np.zeros((5 * 48_000, 1), np.float32)
    zeros = np.zeros((2, 20), np.float32)
    out, h, c = play_module(module, silence, zeros, zeros)
    assert np.abs(preset.weights["h0"] - h).max() < 1e-6
    assert np.abs(preset.weights["c0"] - c).max() < 1e-6
    assert preset.silent_output == pytest.approx(float(out[-1]), abs=1e-6)


def test_the_same_module_gives_the_same_archive(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_preset(tmp_path / f"{name}.pt", make_module(1, 8), name="same", sample_rate=44_100)
    contents = []
    for name in ("a", "b"):
        with zipfile.ZipFile(tmp_path / f"{name}.pt") as archive:
            contents.append(
                {entry: archive.read(entry) for entry in archive.namelist() if not entry.endswith(RUN_DEPENDENT)}
            )
    assert contents[0] == contents[1]


def test_saving_does_not_replace_a_file_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "kept.pt"
    path.write_bytes(b"mine")
    with pytest.raises(FileError, match=r"exists already.*--force"):
        save_preset(path, make_module(1, 2), name="x", sample_rate=48_000)
    assert path.read_bytes() == b"mine"
    save_preset(path, make_module(1, 2), name="x", sample_rate=48_000, overwrite=True)
    assert read_preset(path).name == "x"
    assert [file.name for file in tmp_path.iterdir()] == ["kept.pt"]


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    module = make_module(1, 2)
    module.head.bias.data[0] = float("nan")
    with pytest.raises(PresetError, match="NaN"):
        save_preset(tmp_path / "x.pt", module, name="x", sample_rate=48_000)
    assert not list(tmp_path.iterdir())


def test_reading_runs_nothing_of_the_file_and_does_not_import_torch(make_preset: MakePreset) -> None:
    script = (
        "import sys, pathlib, pickle; from fxhost.preset.archive import read_preset; from fxhost.preset.network_stage import compiled_stage\n"
        "kept = pickle.load, pickle.loads, pickle.Unpickler\n"
        "pickle.load = pickle.loads = pickle.Unpickler = eval = exec = None\n"
        "preset = read_preset(pathlib.Path(sys.argv[1]))\n"
        "pickle.load, pickle.loads, pickle.Unpickler = kept\n"  # numba's cache is pickled
        "compiled_stage(preset); assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", script, str(make_preset())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_a_preset_is_found_by_path_or_by_shipped_name(make_preset: MakePreset) -> None:
    path = make_preset()
    assert find_preset(str(path)) == path
    with pytest.raises(PresetError, match="no such preset: nothing-like-it"):
        find_preset("nothing-like-it")
    with pytest.raises(PresetError, match="is a folder"):
        find_preset(str(path.parent))
