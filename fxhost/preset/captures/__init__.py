"""Other programs' model files, read with care: nothing in them is executed, sizes are checked first.

`nam` is Neural Amp Modeler's, `coreaudioml` that of Proteus and NeuralPi, `aidax` AIDA-X's; all three are JSON, and the
content tells which.
"""

import json
from dataclasses import replace
from pathlib import Path

from fxhost.errors import PresetError, explain_unread
from fxhost.preset.captures import aidax, coreaudioml, nam
from fxhost.preset.captures.kinds import ENDINGS, HEAD, PACKED_ENDINGS, describe_kind, is_object, refuse_kind
from fxhost.preset.captures.packed import PACKED, unpack_gzip
from fxhost.preset.captures.strangers import describe_object
from fxhost.preset.effect import Preset
from fxhost.preset.json_parsing import parse_object

__all__ = [
    "ENDINGS",
    "PACKED_ENDINGS",
    "aidax",
    "coreaudioml",
    "is_capture",
    "nam",
    "read_capture",
    "recognise_capture",
    "refuse_kind",
]

PROGRAMS = {nam: "Neural Amp Modeler", coreaudioml: "Proteus or NeuralPi", aidax: "AIDA-X"}
FORMATS = tuple(PROGRAMS)
MAX_FILE_SIZE = 64 << 20  # bytes: an LSTM of five layers of 256 units, with numbers of 17 digits
MAX_ANY_SIZE = 12 << 20  # of what is no long list of numbers; parsed JSON may take 24 times as many
MAX_NUMBERS, MAX_PIECES = 3 << 20, 1 << 18  # in a larger one: commas, and brackets and texts
PACKED_ENDING = ".gz"


def is_capture(path: Path) -> bool:
    """Whether a file can only be another program's: JSON, by its first characters, or gzipped, by its name as well.

    Raises
    ------
    PresetError
        If it cannot be read, or is a folder.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except IsADirectoryError as err:
        raise refuse_kind(path) from err
    except OSError as err:
        raise PresetError(explain_unread(path, err)) from err
    is_packed = head.startswith(PACKED["gzip"]) and path.suffix.lower() == PACKED_ENDING
    return is_packed or is_object(head)


def read_capture(path: Path, quality: float = 1.0) -> Preset:
    """Read another program's file, checking everything, executing nothing.

    Parameters
    ----------
    path : Path
        A `.nam`, `.json` or `.aidax` file, gzipped or not; the content tells which.
    quality : float
        Of a `.nam` container: from 0, its smallest model, to 1, its largest.

    Returns
    -------
    Preset
        In the state that the file stores, or else of zeros.

    Raises
    ------
    PresetError
        If the file cannot be read, is damaged, or is nothing that fxhost plays.
    """
    content = read_content(path)
    data = parse_object(str(path), content)
    claiming = [module for module in FORMATS if module.claims(data)]
    if len(claiming) != 1:
        raise PresetError(
            f"{path} is JSON, but not a Neural Amp Modeler, Proteus, NeuralPi or AIDA-X model: {describe_object(data)}"
        )
    [module] = claiming
    preset: Preset = nam.read(path, data, quality) if module is nam else module.read(path, data)
    notes = ["zeros after its end"] if content.endswith(b"\x00") else []
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        notes.append("letters that are not UTF-8")
    return replace(preset, notes=(*preset.notes, *notes))


def recognise_capture(path: Path) -> str | None:
    """The program whose model a JSON file is, such as 'Neural Amp Modeler'; None of other JSON. No weight is checked.

    Raises
    ------
    PresetError
        If the file cannot be read, is no JSON, or is damaged.
    """
    content = read_content(path)
    if not is_object(content[:HEAD]):
        raise refuse_kind(path)
    try:
        data = json.loads(content.decode("utf-8-sig", errors="replace").rstrip("\x00"))
    except (ValueError, RecursionError):
        data = parse_object(str(path), content)
    return next((name for module, name in PROGRAMS.items() if module.claims(data)), None)


def read_content(path: Path) -> bytes:
    """The JSON of a file, unpacked; of no more than is allowed.

    Raises
    ------
    PresetError
        If the file cannot be read, is too large, or is damaged.
    """
    try:
        with open(path, "rb") as file:
            if (size := file.seek(0, 2)) > MAX_FILE_SIZE:
                raise PresetError(f"{path} has {size} bytes, at most {MAX_FILE_SIZE} are allowed")
            file.seek(0)
            content = file.read(MAX_FILE_SIZE)
    except OSError as err:
        raise PresetError(explain_unread(path, err)) from err
    if content.startswith(PACKED["gzip"]):
        content = unpack_gzip(path, content, MAX_FILE_SIZE)
        if not is_object(content[:HEAD]):
            raise PresetError(f"{path} is gzip, and what it holds {describe_kind(content[:HEAD], len(content))}")
    if len(content) > MAX_ANY_SIZE:
        check_pieces(path, content)
    return content


def check_pieces(path: Path, content: bytes) -> None:
    """Make sure that a large file is a long list of numbers, which takes little more memory parsed than as text.

    Raises
    ------
    PresetError
        If it is anything else.
    """
    pieces = sum(content.count(sign) for sign in (b"[", b"{", b'"'))
    if pieces > MAX_PIECES or content.count(b",") > MAX_NUMBERS or not content.isascii():
        raise PresetError(
            f"{path} has {len(content)} bytes and is not the weights of a network; give a smaller file, "
            f"of up to {MAX_ANY_SIZE} bytes"
        )
