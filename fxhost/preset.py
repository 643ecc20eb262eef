"""The preset: one `.pt` file that holds a learned effect. Reading it executes nothing of it.

A preset is a TorchScript archive (a zip). Everything that the compiled engine needs lies in three extra files under
`<archive>/extra/`: `fxhost.json` (what the effect is), `weights.npz` and `probe.npz` (float32 arrays). They are read
with `zipfile` and a strict `.npy` parser; sizes are checked before memory is taken, and torch is not imported.
`presets/README.md` specifies the format byte for byte; `fxhost.torchscript.save_preset` writes it.
"""

import ast
import io
import json
import math
import struct
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.errors import PresetError

FORMAT = "fxhost preset"
FORMAT_VERSION = 1

MAX_HIDDEN_SIZE = 128
MAX_LAYERS = 3
MAX_INPUTS = 4
MAX_PROBE_FRAMES = 65_536
SAMPLE_RATES = (8_000, 384_000)
WEIGHT_LIMIT = 1e6  # beyond this a float32 recurrence could overflow to infinity

# The largest that each extra file may claim to be, in bytes: five times what the largest legal preset needs.
MEMBER_LIMITS = {"fxhost.json": 1 << 18, "weights.npz": 1 << 23, "probe.npz": 1 << 23}

Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Architecture:
    """The sizes of the network. `inputs` counts the audio channel and, after it, the knobs."""

    layers: int
    hidden_size: int
    inputs: int = 1
    residual: bool = False

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every array in `weights.npz`, in torch's layout (gate order i, f, g, o)."""
        shapes: dict[str, tuple[int, ...]] = {}
        gates = 4 * self.hidden_size
        for layer in range(self.layers):
            columns = self.inputs if layer == 0 else self.hidden_size
            shapes[f"weight_ih_l{layer}"] = (gates, columns)
            shapes[f"weight_hh_l{layer}"] = (gates, self.hidden_size)
            shapes[f"bias_ih_l{layer}"] = (gates,)
            shapes[f"bias_hh_l{layer}"] = (gates,)
        shapes["head_weight"] = (1, self.hidden_size)
        shapes["head_bias"] = (1,)
        shapes["h0"] = (self.layers, self.hidden_size)
        shapes["c0"] = (self.layers, self.hidden_size)
        return shapes

    def probe_shapes(self, frames: int) -> dict[str, tuple[int, ...]]:
        """The name and shape of every array in `probe.npz`."""
        state = (self.layers, self.hidden_size)
        return {
            "input": (frames, self.inputs),
            "output_settled": (frames,),  # starts from h0, c0
            "h": state,
            "c": state,
            "output_state": (frames,),  # starts from h, c
        }


@dataclass(frozen=True)
class Knob:
    """One control input of the network. Values are 0 to 1."""

    name: str
    default: float


@dataclass(frozen=True)
class Preset:
    """A learned effect, as read from a `.pt` file.

    Attributes
    ----------
    path : Path
        Where it was read from.
    name : str
        What the maker calls it.
    sample_rate : int
        The rate it was trained at, in Hz.
    architecture : Architecture
        The sizes of the network.
    knobs : tuple of Knob
        One for each input after the first.
    weights, probe : mapping of str to float32 array
        As `Architecture.weight_shapes` and `Architecture.probe_shapes` list them.
    silent_output : float
        What the settled network puts out on silence.
    metadata : dict
        The whole of `fxhost.json`.
    """

    path: Path
    name: str
    sample_rate: int
    architecture: Architecture
    knobs: tuple[Knob, ...]
    weights: Mapping[str, Float32Array]
    probe: Mapping[str, Float32Array]
    silent_output: float
    metadata: dict[str, Any]


def shipped_presets_folder() -> Path:
    """The folder with the presets that come with fxhost."""
    installed = Path(__file__).parent / "presets"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "presets"


def find_preset(name: str) -> Path:
    """The file that a PRESET argument means: a path, or else the name of a shipped preset.

    Raises
    ------
    PresetError
        If there is neither.
    """
    try:
        path = Path(name).expanduser()
        if path.is_file():
            return path
    except (OSError, RuntimeError) as err:  # a name too long, a folder closed to us, no such user
        raise PresetError(f"cannot look for {name[:80]}: {err}") from err
    shipped = {found.stem: found for found in sorted(shipped_presets_folder().glob("*.pt"))}
    if name in shipped:
        return shipped[name]
    if path.is_dir():
        raise PresetError(f"{name} is a folder; give a preset file")
    raise PresetError(f"no such preset: {name}; give a .pt file or one of: {', '.join(shipped)}")


def read_preset(path: Path) -> Preset:
    """Read a preset, checking everything, executing nothing.

    Parameters
    ----------
    path : Path
        A `.pt` file written by fxhost.

    Returns
    -------
    Preset

    Raises
    ------
    PresetError
        If the file cannot be read, is no preset, is damaged, or comes from a newer format.
    """
    members = _read_members(path)
    metadata = _parse_json(path, members["fxhost.json"])
    fields = _Fields(path, metadata)
    _check_format(path, metadata)
    sizes = fields.child("architecture")
    if sizes.data.get("type") != "lstm":
        raise PresetError(f"{path}: unknown architecture {sizes.data.get('type')!r}; this version plays 'lstm'")
    architecture = Architecture(
        layers=sizes.integer("layers", 1, MAX_LAYERS),
        hidden_size=sizes.integer("hidden_size", 1, MAX_HIDDEN_SIZE),
        inputs=sizes.integer("inputs", 1, MAX_INPUTS),
        residual=sizes.boolean("residual"),
    )
    frames = fields.integer("probe_frames", 1, MAX_PROBE_FRAMES)
    return Preset(
        path=path,
        name=fields.text("name"),
        sample_rate=fields.integer("sample_rate", *SAMPLE_RATES),
        architecture=architecture,
        knobs=_parse_knobs(path, metadata, architecture.inputs - 1),
        weights=_read_npz(path, "weights.npz", members["weights.npz"], architecture.weight_shapes()),
        probe=_read_npz(path, "probe.npz", members["probe.npz"], architecture.probe_shapes(frames)),
        silent_output=fields.child("silence").number("output", -WEIGHT_LIMIT, WEIGHT_LIMIT),
        metadata=metadata,
    )


def read_metadata(path: Path) -> dict[str, Any]:
    """The content of `fxhost.json`, without the arrays: enough for a list of presets.

    Raises
    ------
    PresetError
        As `read_preset`.
    """
    metadata = _parse_json(path, _read_members(path, only=("fxhost.json",))["fxhost.json"])
    _check_format(path, metadata)
    return metadata


# --- the archive -----------------------------------------------------------------------------------------------------

_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
# zipfile bounds what it inflates of these two; of bzip2 and lzma it does not
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MAX_FILE_SIZE = 1 << 26
MAX_DEPTH = 32  # of nested objects in fxhost.json


def _read_members(path: Path, only: tuple[str, ...] = tuple(MEMBER_LIMITS)) -> dict[str, bytes]:
    try:
        with open(path, "rb") as file:
            if (size := file.seek(0, 2)) > MAX_FILE_SIZE:
                raise PresetError(f"{path} has {size} bytes, at most {MAX_FILE_SIZE} are allowed")
            file.seek(0)
            if file.read(4) != b"PK\x03\x04":
                raise PresetError(
                    f"{path} is not a preset: it is not a TorchScript archive (a zip); train or import one"
                )
            with zipfile.ZipFile(file) as archive:
                return {name: _read_member(path, archive, name) for name in only}
    except OSError as err:
        raise PresetError(f"cannot read {path}: {err.strerror or err}") from err
    except _ZIP_ERRORS as err:
        raise PresetError(f"{path} is damaged: {err or type(err).__name__}; get the file again") from err


def _read_member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    found = [info for info in archive.infolist() if info.filename.split("/", 1)[-1] == f"extra/{name}"]
    if len(found) != 1:
        raise PresetError(
            f"{path} is not an fxhost preset, or is cut off: got {len(found)} entries extra/{name}, expected 1"
        )
    limit = MEMBER_LIMITS[name]
    if found[0].file_size > limit:
        raise PresetError(f"{path}: extra/{name} claims {found[0].file_size} bytes, at most {limit} are allowed")
    return _read_bounded(archive, found[0], limit)


def _read_bounded(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """What an entry holds, at most `limit` bytes of it, whatever it claims."""
    if info.compress_type not in _COMPRESSIONS:
        raise zipfile.BadZipFile(f"{info.filename[:80]!r} is compressed in another way than deflate")
    with archive.open(info) as member:
        return member.read(limit)


def _read_npz(path: Path, name: str, content: bytes, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Float32Array]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {info.filename: info for info in archive.infolist()}
            expected = {f"{key}.npy" for key in shapes}
            if set(entries) != expected:
                odd = ", ".join(repr(name)[:80] for name in sorted(set(entries) ^ expected)[:4])
                raise PresetError(f"{path}: {name} does not hold the arrays that the architecture needs: {odd}")
            arrays = {}
            for key, shape in shapes.items():
                # 4 bytes a number, and no .npy header of version 1 is longer than 65,546 bytes
                info, limit = entries[f"{key}.npy"], 4 * int(np.prod(shape)) + 65_546
                if info.file_size > limit:
                    raise PresetError(f"{path}: {key} in {name} claims {info.file_size} bytes for shape {shape}")
                arrays[key] = _parse_npy(f"{path}: {key} in {name}", _read_bounded(archive, info, limit), shape)
            return arrays
    except _ZIP_ERRORS as err:
        raise PresetError(f"{path}: {name} is damaged: {err or type(err).__name__}; get the file again") from err


def _parse_npy(what: str, content: bytes, shape: tuple[int, ...]) -> Float32Array:
    """One `.npy` array of exactly this shape, little-endian float32 in C order; anything else is refused."""
    if content[:8] != b"\x93NUMPY\x01\x00" or len(content) < 10:
        raise PresetError(f"{what} is not a version 1.0 .npy array")
    end = 10 + int.from_bytes(content[8:10], "little")
    try:
        header = ast.literal_eval(content[10:end].decode("latin1"))
    except (TypeError, ValueError, SyntaxError, RecursionError, MemoryError) as err:
        raise PresetError(f"{what} has a damaged header") from err
    if header != {"descr": "<f4", "fortran_order": False, "shape": shape}:
        raise PresetError(f"{what} is {str(header)[:120]}, expected float32 ('<f4') of shape {shape} in C order")
    if len(content) - end != 4 * int(np.prod(shape)):
        raise PresetError(f"{what} holds {len(content) - end} bytes, expected {4 * int(np.prod(shape))}")
    array = np.frombuffer(content, dtype="<f4", offset=end).reshape(shape).astype(np.float32)
    if not np.all(np.abs(array) <= WEIGHT_LIMIT):  # also false for NaN
        raise PresetError(f"{what} holds a number that is NaN or beyond ±{WEIGHT_LIMIT:g}")
    array.setflags(write=False)
    return array


# --- fxhost.json -----------------------------------------------------------------------------------------------------


def _parse_json(path: Path, content: bytes) -> dict[str, Any]:
    def parse_finite(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text[:40]} is not a finite number")
        return value

    try:
        data = json.loads(content.decode("utf-8"), parse_constant=parse_finite, parse_float=parse_finite)
        _check_depth(data, MAX_DEPTH)
    except (ValueError, RecursionError) as err:
        raise PresetError(f"{path}: extra/fxhost.json is damaged: {err}") from err
    if not isinstance(data, dict):
        raise PresetError(f"{path}: extra/fxhost.json must hold an object, got {type(data).__name__}")
    return data


def _check_depth(value: Any, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"objects are nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            _check_depth(child, depth - 1)


def _check_format(path: Path, metadata: dict[str, Any]) -> None:
    if metadata.get("format") != FORMAT:
        raise PresetError(f"{path}: format is {str(metadata.get('format'))[:40]!r}, expected {FORMAT!r}")
    version = _Fields(path, metadata).integer("format_version", 1, sys.maxsize)
    if version > FORMAT_VERSION:
        raise PresetError(
            f"{path} has format version {version}, this fxhost reads up to {FORMAT_VERSION}; upgrade fxhost to play it"
        )


def _parse_knobs(path: Path, metadata: dict[str, Any], count: int) -> tuple[Knob, ...]:
    listed = metadata.get("knobs")
    if not isinstance(listed, list) or len(listed) != count or not all(isinstance(knob, dict) for knob in listed):
        raise PresetError(
            f"{path}: expected {count} knobs (one for each input after the first), got {str(listed)[:80]}"
        )
    fields = [_Fields(path, knob) for knob in listed]
    return tuple(Knob(knob.text("name"), knob.number("default", 0.0, 1.0)) for knob in fields)


@dataclass(frozen=True)
class _Fields:
    """Typed look-ups in a JSON object, each of which names the file, the key and the value when it refuses."""

    path: Path
    data: dict[str, Any]

    def _refuse(self, key: str, expected: str) -> PresetError:
        return PresetError(f"{self.path}: {key} is {str(self.data.get(key))[:40]!r}, expected {expected}")

    def child(self, key: str) -> "_Fields":
        value = self.data.get(key)
        if not isinstance(value, dict):
            raise self._refuse(key, "an object")
        return _Fields(self.path, value)

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if not isinstance(value, str) or not value.isprintable() or not 1 <= len(value) <= 200:
            raise self._refuse(key, "a line of 1 to 200 characters")
        return value

    def boolean(self, key: str) -> bool:
        value = self.data.get(key)
        if not isinstance(value, bool):
            raise self._refuse(key, "true or false")
        return value

    def integer(self, key: str, lowest: int, highest: int) -> int:
        value = self.data.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self._refuse(key, f"a whole number from {lowest} to {highest}")
        return value

    def number(self, key: str, lowest: float, highest: float) -> float:
        value = self.data.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self._refuse(key, f"a number from {lowest} to {highest}")
        return float(value)
