"""The preset: one `.pt` file that holds a learned effect. Reading it executes nothing of it.

A preset is a TorchScript archive (a zip). Everything that the compiled engine needs lies in three extra files under
`<archive>/extra/`: `fxhost.json` (what the effect is), `weights.npz` and `probe.npz` (float32 arrays). They are read
with `zipfile` and a strict `.npy` parser; sizes are checked before memory is taken, and torch is not imported.
`presets/README.md` specifies the format byte for byte; `fxhost.reference.preset_writer.save_preset` writes it.
"""

import ast
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import PresetError, explain_unread
from fxhost.networks.architecture import NETWORKS, Architecture
from fxhost.networks.dense import ACTIVATIONS, NONE, Dense, DenseLayers
from fxhost.networks.recurrent import GATES, MAX_DENSE, MAX_HIDDEN_SIZE, MAX_INPUTS, MAX_LAYERS, Recurrent
from fxhost.preset.captures import is_capture, read_capture, refuse_kind
from fxhost.preset.effect import GAINS_DB, LEVELS_DB, SAMPLE_RATES, Knob, Levels, Preset
from fxhost.preset.json_fields import WEIGHT_LIMIT, Fields, show
from fxhost.preset.json_parsing import parse_object
from fxhost.preset.settled_state import settle_on_silence
from fxhost.preset.wavenet_json import read_description

FORMAT = "fxhost preset"
FORMAT_VERSION = 3  # the newest that is read; a writer takes the oldest that can say what it has to

MAX_PROBE_FRAMES = 65_536
MOST_PROBE_ERROR = 1e-2

# The largest that each extra file may claim to be, in bytes.
MEMBER_LIMITS = {"fxhost.json": 1 << 18, "weights.npz": 1 << 24, "probe.npz": 1 << 23}


def read_preset(path: Path, quality: float = 1.0) -> Preset:
    """Read a preset, or another program's file, checking everything, executing nothing.

    Parameters
    ----------
    path : Path
        A `.pt` file written by fxhost, or what `fxhost.preset.captures` reads; the content tells which.
    quality : float
        Of a `.nam` container: from 0, its smallest model, to 1, its largest.

    Returns
    -------
    Preset
        At rest on silence.

    Raises
    ------
    PresetError
        If the file cannot be read, is none of them, is damaged, or comes from a newer format.
    """
    if is_capture(path):
        return settle_on_silence(read_capture(path, quality))
    members = _read_members(path)
    metadata = _parse_json(path, members["fxhost.json"])
    fields = Fields(str(path), metadata, exact=True)
    _check_format(path, metadata)
    architecture = _parse_architecture(path, fields.child("architecture"))
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
        is_settled=fields.child("silence").data.get("settled") is not False,
        metadata=metadata,
        levels=_parse_levels(fields),
        probe_error=fields.optional_number("probe_error", 0.0, MOST_PROBE_ERROR) or 0.0,
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


def _read_members(path: Path, only: tuple[str, ...] = tuple(MEMBER_LIMITS)) -> dict[str, bytes]:
    try:
        with open(path, "rb") as file:
            if (size := file.seek(0, 2)) > MAX_FILE_SIZE:
                raise PresetError(f"{path} has {size} bytes, at most {MAX_FILE_SIZE} are allowed")
            file.seek(0)
            if file.read(4) != b"PK\x03\x04":
                raise refuse_kind(path)
            with zipfile.ZipFile(file) as archive:
                return {name: _read_member(path, archive, name) for name in only}
    except OSError as err:
        raise PresetError(explain_unread(path, err)) from err
    except _ZIP_ERRORS as err:
        what = "damaged or cut off" if isinstance(err, zipfile.BadZipFile) else "damaged"
        raise PresetError(f"{path} is {what} ({err or type(err).__name__}); get the file again") from err


def _read_member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    found = [info for info in archive.infolist() if info.filename.split("/", 1)[-1] == f"extra/{name}"]
    if not found:
        raise refuse_kind(path)
    if len(found) != 1:
        raise PresetError(
            f"{path} is not an fxhost preset, or is cut off: got {len(found)} entries extra/{name}, expected 1"
        )
    limit = MEMBER_LIMITS[name]
    if found[0].file_size > limit:
        raise PresetError(f"{path}: extra/{name} claims {found[0].file_size} bytes, at most {limit} are allowed")
    return _read_bounded(archive, found[0], limit)


def _read_bounded(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The content of an entry, at most `limit` bytes, whatever size it claims."""
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
    return parse_object(f"{path}: extra/fxhost.json", content, exact=True)


def _check_format(path: Path, metadata: dict[str, Any]) -> None:
    if metadata.get("format") != FORMAT:
        raise PresetError(f"{path}: format is {show(metadata.get('format'))}, expected {FORMAT!r}")
    version = Fields(str(path), metadata, exact=True).integer("format_version", 1, sys.maxsize)
    if version > FORMAT_VERSION:
        raise PresetError(
            f"{path} has format version {version}, this fxhost reads up to {FORMAT_VERSION}; upgrade fxhost to play it"
        )


def _parse_architecture(path: Path, sizes: Fields) -> Architecture:
    cell = sizes.data.get("type")
    if isinstance(cell, str) and cell in NETWORKS:
        architecture = read_description(sizes.child("network"))
        if architecture.cell != cell:
            raise PresetError(f"{path}: architecture.type is {show(cell)}, but the network is {architecture.label}")
        return architecture
    if not isinstance(cell, str) or cell not in GATES:
        known = ", ".join((*GATES, *NETWORKS))
        raise PresetError(f"{path}: unknown architecture {show(cell)}; this version plays {known}")
    return Recurrent(
        layers=sizes.integer("layers", 1, MAX_LAYERS),
        hidden_size=sizes.integer("hidden_size", 1, MAX_HIDDEN_SIZE),
        inputs=sizes.integer("inputs", 1, MAX_INPUTS),
        residual=sizes.boolean("residual"),
        cell=cell,
        dense=_parse_dense(sizes.child("dense")) if sizes.has("dense") else NONE,
    )


def _parse_dense(fields: Fields) -> DenseLayers:
    def parse_activation(layer: Fields, key: str) -> str:
        if (name := layer.text(key)) not in ACTIVATIONS:
            raise layer.refuse(key, f"one of {', '.join(ACTIVATIONS)}")
        return name

    before, after = (
        tuple(
            Dense(layer.integer("size", 1, MAX_HIDDEN_SIZE), parse_activation(layer, "activation"))
            for layer in fields.children(place, 0, MAX_DENSE)
        )
        for place in ("before", "after")
    )
    return DenseLayers(before, after, parse_activation(fields, "output"))


def _parse_levels(fields: Fields) -> Levels:
    levels = fields.child("levels") if fields.has("levels") else fields.within({})
    return Levels(
        input_gain_db=levels.optional_number("input_gain_db", *GAINS_DB) or 0.0,
        output_gain_db=levels.optional_number("output_gain_db", *GAINS_DB) or 0.0,
        loudness_db=(levels if levels.has("loudness_db") else fields).optional_number("loudness_db", *LEVELS_DB),
        input_dbu=levels.optional_number("input_dbu", *LEVELS_DB),
        output_dbu=levels.optional_number("output_dbu", *LEVELS_DB),
    )


def _parse_knobs(path: Path, metadata: dict[str, Any], count: int) -> tuple[Knob, ...]:
    listed = metadata.get("knobs")
    if not isinstance(listed, list) or len(listed) != count or not all(isinstance(knob, dict) for knob in listed):
        raise PresetError(
            f"{path}: expected {count} knobs (one for each input after the first), got {str(listed)[:80]}"
        )
    fields = [Fields(str(path), knob, exact=True) for knob in listed]
    return tuple(Knob(knob.text("name"), knob.number("default", 0.0, 1.0)) for knob in fields)
