"""Names what a file is that is neither a preset nor a capture, from its first bytes, and says what to do."""

import re
from itertools import islice
from pathlib import Path

from fxhost.errors import PresetError, explain_unread
from fxhost.preset.captures.packed import PACKED, describe_packed, describe_zip
from fxhost.preset.json_fields import show

HEAD = 4096  # bytes by which a file is known
MOST_ENTRIES = 1000  # of a folder that are looked at
MOST_NAMES = 3
ENDINGS = (".nam", ".json", ".aidax")
PACKED_ENDINGS = tuple(f"{ending}.gz" for ending in ENDINGS)

AUDIO = (
    "is audio ({}), a recording or an impulse response, not a capture; play it through one: fxhost render PRESET IN OUT"
)
PICTURE = "is a picture ({}), not a capture; give the file that the picture came with"
ARCHIVE = "is an archive ({}); unpack it and give what is in it"
MODEL = "is {}; export the model as .nam, .json or .aidax from the program that made it"
PICKLE = MODEL.format("a Python pickle, which old torch.save writes and which fxhost never opens, since it is code")
VIDEO = "is a video or a recording of a phone ({}), not a capture; give the capture itself"
ARRAY = (
    "is a numpy array, as weights.npy of Neural Amp Modeler's old format of two files is; "
    "give the .nam file that a newer trainer exports"
)
PROGRAM = "is a program or a plugin ({}), not a capture; give a .pt, .nam, .json or .aidax file"

# where, what stands there, what the file is
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (8, b"WAVE", AUDIO.format("WAV")),
    (0, b"riff\x2e\x91", AUDIO.format("W64")),
    (0, b".snd", AUDIO.format("AU")),
    (0, b"fLaC", AUDIO.format("FLAC")),
    (0, b"OggS", AUDIO.format("Ogg")),
    (0, b"ID3", AUDIO.format("MP3")),
    *((0, sync, AUDIO.format("MP3")) for sync in (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2")),
    *((0, sync, AUDIO.format("AAC")) for sync in (b"\xff\xf1", b"\xff\xf9")),
    (8, b"AIFF", AUDIO.format("AIFF")),
    (8, b"AIFC", AUDIO.format("AIFF")),
    (0, b"caff", AUDIO.format("CAF")),
    (0, b"wvpk", AUDIO.format("WavPack")),
    (4, b"ftypM4A", AUDIO.format("M4A")),
    (0, b"MThd", "is a MIDI file, which holds notes and no sound; give a capture"),
    (0, b"\x89PNG", PICTURE.format("PNG")),
    (0, b"\xff\xd8\xff", PICTURE.format("JPEG")),
    (0, b"GIF8", PICTURE.format("GIF")),
    (8, b"WEBP", PICTURE.format("WebP")),
    (0, b"BM", PICTURE.format("BMP")),
    (4, b"ftyphei", PICTURE.format("HEIC")),
    (0, b"<svg", PICTURE.format("SVG")),
    (0, b"%PDF", "is a PDF document, not a capture; give the file that it tells of"),
    (0, b"{\\rtf", "is a text document (RTF), not a capture; save what it holds as plain text, or get the file again"),
    (4, b"ftyp", VIDEO.format("MP4")),
    (0, b"\x1a\x45\xdf\xa3", VIDEO.format("Matroska")),
    (0, b"7z\xbc\xaf\x27\x1c", ARCHIVE.format("7-Zip")),
    (0, b"Rar!", ARCHIVE.format("RAR")),
    (0, b"\x28\xb5\x2f\xfd", ARCHIVE.format("Zstandard")),
    (257, b"ustar", ARCHIVE.format("tar")),
    (0, b"PK\x03\x04", ARCHIVE.format("zip")),
    *((0, magic, ARCHIVE.format(packing)) for packing, magic in PACKED.items()),
    (0, b"\x89HDF\r\n", MODEL.format("HDF5, as Keras writes it (.h5)")),
    (0, b"\x93NUMPY", ARRAY),
    (4, b"TFL3", MODEL.format("a TensorFlow Lite model")),
    (0, b"GGUF", MODEL.format("a GGUF model")),
    (0, b"SQLite format 3", "is a database (SQLite), not a capture; give a .pt, .nam, .json or .aidax file"),
    (0, b"MZ", PROGRAM.format("Windows")),
    (0, b"\x7fELF", PROGRAM.format("Linux")),
    (0, b"\xcf\xfa\xed\xfe", PROGRAM.format("macOS")),
    (0, b"\xca\xfe\xba\xbe", PROGRAM.format("macOS")),
    (0, b"\x00\x05\x16\x07", "is the Mac's note beside a file (its name begins with ._); give the file without it"),
    (0, b"L\x00\x00\x00\x01\x14\x02", "is a shortcut of Windows; give the file that it leads to"),
)  # fmt: skip
LFS = re.compile(rb"version https://git-lfs\S*\r?\n(?:.*\n)*?size (\d{1,18})\s*(\n|\Z)", re.ASCII)
ANNEX = re.compile(rb"(/annex/objects/|(\.\./)*\.git/annex/objects/)\S+\s*")
LIST = re.compile(r"\[\s*([]\[{\"\d-]|true\b|false\b|null\b|NaN\b|\Z)")
PAGE = re.compile(r"<(!doctype\s+html|html|head|body|script|meta|title)\b", re.IGNORECASE)
LOG = re.compile(r"\b(epochs?|val_loss|training loss|validation loss|loss|ESR)\b\W{0,3}\d", re.IGNORECASE)
REFUSAL = re.compile(r"(404|403|401|429|5\d\d|not found|access denied|forbidden|unauthorized|error\b)", re.IGNORECASE)


def is_object(head: bytes) -> bool:
    """Whether a file that begins so can be a JSON object."""
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return begins.startswith(b"{") and not begins.startswith((b"{\\rtf", b"{\x00"))


def refuse_kind(path: Path) -> PresetError:
    """The error that a file is something else than a preset or a capture: what it is, and what to do.

    Parameters
    ----------
    path : Path
        The file. Only its first 4 KiB are read, at most 1 MiB of compressed content, and the directory of a zip.
    """
    if path.suffix.lower() == ".toml" and path.is_file():
        return PresetError(
            f"{path} is a rig file, not a preset; play it with fxhost run, look at it with fxhost rig show"
        )
    try:
        if path.is_dir():
            return PresetError(f"{path} {describe_folder(path)}")
        with open(path, "rb") as file:
            head = file.read(HEAD)
            size = file.seek(0, 2)
    except OSError as err:
        return PresetError(explain_unread(path, err))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return PresetError(f"{path} {describe_zip(path)}")
    for packing, magic in PACKED.items():
        if head.startswith(magic):
            return PresetError(f"{path} {describe_packed(path, packing)}")
    return PresetError(f"{path} {describe_kind(head, size)}")


def describe_kind(head: bytes, size: int) -> str:
    """What a file is, from its first bytes and its size, and what to do: the end of a sentence."""
    if size == 0:
        return "is empty; get the file again"
    if not head.strip(b"\x00"):
        return "holds nothing but zeros: a disk or a download has failed; get the file again"
    for place, signature, kind in SIGNATURES:
        if head.startswith(signature, place):
            return kind
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return PICKLE
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size:
        return MODEL.format("a safetensors file of weights without a network")
    if head[:1] == b"\x08" and any(maker in head[:200] for maker in (b"onnx", b"pytorch", b"ONNX", b"keras")):
        return MODEL.format("an ONNX model")
    if match := LFS.match(head):
        return (
            f"is a Git LFS pointer to the file, which has {int(match[1])} bytes and is not here; "
            "run git lfs pull in its repository, or download the file itself"
        )
    if ANNEX.fullmatch(head):
        return "is a git-annex pointer to the file, which is not here; run git annex get in its repository"
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")) or head.count(b"\x00") * 3 > len(head):
        for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
            text = head[: len(head) // 4 * 4].decode(encoding, errors="replace").lstrip("\ufeff \r\n\t\x00")
            if text.startswith(("{", "[")) or (head[:2] in (b"\xff\xfe", b"\xfe\xff") and text.isprintable()):
                return "is text in UTF-16 or UTF-32, which no player of captures reads; save it as UTF-8"
    return describe_text(head)


def describe_text(head: bytes) -> str:
    """The same for a text file, or one of an unknown kind."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace").lstrip()
    begins = show(" ".join(text[:40].split()))
    if not text:
        return "holds nothing but spaces and ends of lines; get the file again"
    if PAGE.search(text[:1000]):
        return "is a web page, not the file behind it; open the link and use its download button, or its raw file"
    if text.lower().startswith("[internetshortcut]"):
        return "is a link to a web page; open it, and download the file behind it"
    if text.startswith("<"):
        return f"is XML that begins with {begins}, not a capture; give a .pt, .nam, .json or .aidax file"
    if LOG.search(text):
        return "is the log of a training, not the network; give the file that the training exported"
    if LIST.match(text):
        return "is a JSON list, but a capture is an object with its network and its weights; give the whole file"
    odd = sum(not (letter.isprintable() or letter.isspace()) or letter == "\ufffd" for letter in text)
    if odd * 20 > len(text):
        first = head[:8].hex(" ")
        return f"is not a file that fxhost knows (its first bytes are {first}); give a .pt, .nam, .json or .aidax file"
    if len(head) < 300 and REFUSAL.match(text):
        return f"is the answer of a server, {begins}, not the file; get the file again"
    return f"is text that begins with {begins}, not a capture; give a .pt, .nam, .json or .aidax file"


def describe_folder(path: Path) -> str:
    """What a folder holds of use, and what to do."""
    names = sorted(entry.name for entry in islice(path.iterdir(), MOST_ENTRIES))
    if {"config.json", "weights.npy"} <= set(names):
        return (
            "is a folder with config.json and weights.npy, Neural Amp Modeler's old format of two files; "
            "give the .nam file that a newer trainer exports"
        )
    captures = [name for name in names if name.lower().endswith((".pt", *ENDINGS, *PACKED_ENDINGS))]
    if not captures:
        return "is a folder, and there is no preset or capture in it; give a preset file"
    shown = ", ".join(show(name)[1:-1] for name in captures[:MOST_NAMES])
    more = f" and {len(captures) - MOST_NAMES} more" if len(captures) > MOST_NAMES else ""
    return f"is a folder that holds {shown}{more}; give a preset file, or import all with fxhost import --all"
