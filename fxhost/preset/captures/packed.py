"""Captures inside gzip and zip files: unpacked in bounded memory, or listed by name.

A gzipped capture is read where its name says so (`amp.nam.gz`). Under another name it is refused with a word about it:
no other player opens such a file either.
"""

import bz2
import lzma
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from fxhost.errors import PresetError
from fxhost.preset.json_fields import show

PACKED = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\x00"}
PEEK = 1 << 20  # bytes of a packed file that are looked into
MOST_LIST = 1 << 20  # bytes of a zip's list of files, of which zipfile needs 20 times as much memory
MOST_NAMES = 3
ZIP_BEGINNING = struct.Struct("<4s5H3L2H")  # ends with the lengths of the first name and of what follows it
ZIP_END = struct.Struct("<4s4H2LH")
ZIP64_END = struct.Struct("<4sQ2H2L4Q")
LZMA_MEMORY = 1 << 27
CAPTURES = (".nam", ".aidax", ".json", ".pt")


def unpack_gzip(path: Path, content: bytes, limit: int) -> bytes:
    """What a gzipped file holds.

    Parameters
    ----------
    path : Path
        For messages.
    content : bytes
        All of the file.
    limit : int
        The most bytes that may come out.

    Raises
    ------
    PresetError
        If it is damaged, cut off, or holds more.
    """
    out, rest = bytearray(), content
    while rest.startswith(PACKED["gzip"]):
        unpacking = zlib.decompressobj(31)
        try:
            out += unpacking.decompress(rest, limit + 1 - len(out))
        except zlib.error as err:
            raise PresetError(f"{path} is gzip, and damaged: {err}; get the file again") from err
        if len(out) > limit:
            raise PresetError(f"{path} is gzip, and holds more than {limit} bytes, which are allowed")
        if not unpacking.eof:
            raise PresetError(f"{path} is gzip, and is cut off; get the file again")
        rest = unpacking.unused_data
    return bytes(out)


def describe_packed(path: Path, packing: str) -> str:
    """What a file is that is packed, and what to do: the end of a sentence."""
    with open(path, "rb") as file:
        inside = peek(file.read(PEEK), packing)
    known = {b"{": "what may be a capture", b"P": "what may be a preset or a zip"}.get(inside.lstrip()[:1], "")
    what = "a packed folder (tar)" if inside[257:262] == b"ustar" else known or "no capture"
    named = f", or name it {path.name}.gz, which fxhost reads" if packing == "gzip" and what == known else ""
    return f"is packed with {packing} and holds {what}; unpack it{named}"


def peek(content: bytes, packing: str) -> bytes:
    """The first bytes of what is packed, as far as they can be unpacked."""
    try:
        if packing == "gzip":
            return zlib.decompressobj(31).decompress(content, 1024)
        if packing == "bzip2":
            return bz2.BZ2Decompressor().decompress(content, 1024)
        return lzma.LZMADecompressor(memlimit=LZMA_MEMORY).decompress(content, 1024)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return b""


def describe_zip(path: Path) -> str:
    """What a zip is that is no preset, and what to do: the end of a sentence."""
    try:
        names = list_zip(path)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OverflowError):
        return "is damaged or cut off: a zip without a list of what it holds; get the file again"
    files = [name for name in names if not name.endswith("/") and "__MACOSX" not in name]
    if any(name.endswith("data.pkl") for name in files):
        return (
            "is a file of torch, but not an fxhost preset: it has no extra/fxhost.json, and the rest of it is code, "
            "which fxhost does not open; export the model as .nam, .json or .aidax from the program that made it"
        )
    captures = [name for name in files if name.lower().endswith(CAPTURES)]
    if "model.weights.h5" in files:
        return "is a Keras model; export it as .json or .aidax from the program that made it"
    if captures:
        return f"is a zip of captures, not one: it holds {list_names(captures)}; unpack it and give one of them"
    if not files:
        return "is a zip without a file in it; get the file again"
    if all(name.endswith(".npy") for name in files):
        return f"is a zip of numpy arrays ({list_names(files)}), weights without a network; give the capture itself"
    return (
        f"is a zip without a preset or a capture (it holds {list_names(files)}); give a .pt, .nam, .json or .aidax file"
    )


def list_zip(path: Path) -> list[str]:
    """The names in a zip whose list is of reasonable size.

    Raises
    ------
    zipfile.BadZipFile
        If the file is not a zip, its directory is too long, or the file is truncated so that the directory found
        belongs to a zip inside it.
    """
    with open(path, "rb") as file:
        head = file.read(ZIP_BEGINNING.size)
        first = file.read(ZIP_BEGINNING.unpack(head)[-2]) if head.startswith(b"PK\x03\x04") else None
        size = file.seek(0, 2)
        file.seek(max(0, size - ZIP_END.size - (1 << 16)))
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        if end < 0:
            raise zipfile.BadZipFile("no end")
        length = ZIP_END.unpack_from(tail, end)[5]
        if tail[max(0, end - 20) : end].startswith(b"PK\x06\x07"):  # as of huge files, which torch's always are
            length = ZIP64_END.unpack_from(tail, end - 20 - ZIP64_END.size)[8]
        if length > MOST_LIST:
            raise zipfile.BadZipFile("a long list")
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    if first is not None and first.decode("utf-8", errors="replace") not in names:
        raise zipfile.BadZipFile("the list of another zip")
    return names


def list_names(names: Sequence[str]) -> str:
    """A few of some names."""
    shown = ", ".join(show(name.rsplit("/", 1)[-1])[1:-1] for name in names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown
