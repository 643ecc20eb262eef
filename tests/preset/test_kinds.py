"""Whatever a file is that is no capture: one line says what it is and what to do."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import re
import resource
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fxhost.convert import find_captures
from fxhost.errors import PresetError
from fxhost.preset.archive import read_preset
from fxhost.preset.captures import MAX_FILE_SIZE, read_capture
from fxhost.preset.library import find_preset
from tests.foreign import make_nam, make_proteus, write

NAM = make_nam()
TEXT = json.dumps(NAM).encode()


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.nam"))
    return out.getvalue()


def recorded(kind: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(1000), 48_000, format=kind)
    return out.getvalue()


def saved_by_torch(**options: bool) -> bytes:
    out = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, out, **options)
    return out.getvalue()


def saved_by_numpy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


def without(*keys: str) -> bytes:
    return json.dumps({key: value for key, value in NAM.items() if key not in keys}).encode()


PROTEUS = make_proteus()
OTHERS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty; get the file again"),
    "zeros": (bytes(5000), "holds nothing but zeros"),
    "web page": (b"\n\n<!DOCTYPE html>\n<html><head></head></html>", "is a web page, not the file behind it; open"),
    "web page without a type": (b"<HTML lang='en'><BODY>", "is a web page"),
    "XML": (b'<?xml version="1.0"?><amp/>', "is XML that begins with"),
    "server's answer": (b"404: Not Found", "is the answer of a server, '404: Not Found', not the file"),
    "server's answer in JSON": (b'{"message": "Not Found", "status": "404"}', "it is the answer of a server, 'Not Found'"),
    "another server's answer": (b'{"error": {"code": 404, "message": "gone"}}', "it is the answer of a server, 'gone'"),
    "GitHub's answer": (b'{"name": "a.nam", "content": "ab", "encoding": "base64"}', "it is GitHub's description of the"),
    "settings of the data": (b'{"train": {"start": 0}, "common": {}}', "it holds the settings of a training"),
    "link": (b"[InternetShortcut]\r\nURL=https://example.org\r\n", "is a link to a web page"),
    "LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 291234\n",
        "is a Git LFS pointer to the file, which has 291234 bytes and is not here; run git lfs pull",
    ),
    "LFS pointer of Windows": (
        b"version https://git-lfs.github.com/spec/v1\r\noid sha256:ab\r\nsize 5",
        "is a Git LFS pointer to the file, which has 5 bytes",
    ),
    "annex pointer": (b"/annex/objects/SHA256E-s12--ab.nam\n", "is a git-annex pointer to the file"),
    "gzip": (gzip.compress(TEXT), "is packed with gzip and holds what may be a capture; unpack it, or name it file.nam.gz"),
    "gzip of a preset": (gzip.compress(zipped(a=b"")), "holds what may be a preset or a zip; unpack it"),
    "gzip of a folder": (gzip.compress(tarred()), "is packed with gzip and holds a packed folder (tar); unpack it"),
    "gzip cut off": (gzip.compress(TEXT)[:300], "is packed with gzip"),
    "bzip2": (bz2.compress(TEXT), "is packed with bzip2 and holds what may be a capture; unpack it"),
    "xz": (lzma.compress(TEXT), "is packed with xz and holds what may be a capture; unpack it"),
    "tar": (tarred(), "is an archive (tar); unpack it"),
    "7-Zip": (b"7z\xbc\xaf\x27\x1c\x00\x04", "is an archive (7-Zip); unpack it"),
    "zip of captures": (
        zipped(amps__a_nam=TEXT, b_json=b"", c_aidax=b"", d_nam=b"", readme_txt=b""),
        "is a zip of captures, not one: it holds a.nam, b.json, c.aidax and 1 more; unpack it and give one of them",
    ),
    "zip of others": (zipped(a_txt=b"", b_wav=b""), "is a zip without a preset or a capture (it holds a.txt, b.wav)"),
    "zip of nothing": (zipped(), "is a zip without a file in it"),
    "zip of arrays": (zipped(a_npy=b"", b_npy=b""), "is a zip of numpy arrays (a.npy, b.npy)"),
    "zip cut off": (zipped(a_nam=TEXT)[:-30], "is damaged or cut off (File is not a zip file); get the file again"),
    "torch": (saved_by_torch(), "is a file of torch, but not an fxhost preset"),
    "old torch": (saved_by_torch(_use_new_zipfile_serialization=False), "is a Python pickle"),
    "pickle": (pickle.dumps([1, 2]), "is a Python pickle, which old torch.save writes and which fxhost never opens"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "is HDF5, as Keras writes it (.h5); export the model as .nam"),
    "ONNX": (b"\x08\x07\x12\x07pytorch\x1a\x051.9", "is an ONNX model; export the model as"),
    "safetensors": (b"\x10" + bytes(7) + b'{"a":{}}        ' + bytes(50), "is a safetensors file"),
    "numpy": (saved_by_numpy(), "is a numpy array, as weights.npy of Neural Amp Modeler's old format of two files is"),
    "WAV": (recorded("WAV"), "is audio (WAV), a recording or an impulse response, not a capture; play it through one"),
    "FLAC": (recorded("FLAC"), "is audio (FLAC)"),
    "Ogg": (recorded("OGG"), "is audio (Ogg)"),
    "AIFF": (recorded("AIFF"), "is audio (AIFF)"),
    "MP3": (b"ID3\x04" + bytes(90), "is audio (MP3)"),
    "picture": (b"\x89PNG\r\n\x1a\n", "is a picture (PNG)"),
    "PDF": (b"%PDF-1.7\n", "is a PDF document"),
    "RTF": (b"{\\rtf1\\ansi", "is a text document (RTF)"),
    "plugin": (b"MZ\x90" + bytes(90), "is a program or a plugin (Windows)"),
    "note of a Mac": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "is the Mac's note beside a file"),
    "UTF-16": (TEXT.decode().encode("utf-16"), "is text in UTF-16 or UTF-32, which no player of captures reads; save it as UTF-8"),
    "UTF-16 without a mark": (TEXT.decode().encode("utf-16-le"), "is text in UTF-16"),
    "UTF-16 the other way": (TEXT.decode().encode("utf-16-be"), "is text in UTF-16"),
    "list": (b"[]", "is a JSON list, but a capture is an object"),
    "number": (b"3", "is text that begins with '3', not a capture"),
    "prose": ("Das ist kein Verstärker.".encode(), "is text that begins with 'Das ist kein Verstärker.', not a capture"),
    "log": (b"Epoch 1/100: loss 0.31, ESR 0.2\nEpoch 2/100: loss 0.28\n", "is the log of a training, not the network"),
    "log with levels": (b"[INFO] starting\n[INFO] epoch 3, loss 0.2\n", "is the log of a training"),
    "settings of a program": (b"[section]\nkey=1\n", "is text that begins with '[section] key=1'"),
    "spaces": (b"\xef\xbb\xbf\n  \r\n", "holds nothing but spaces and ends of lines"),
    "W64": (recorded("W64"), "is audio (W64)"),
    "AU": (recorded("AU"), "is audio (AU)"),
    "another MP3": (b"\xff\xf2\x90" + bytes(range(200)), "is audio (MP3)"),
    "noise": (bytes(range(128, 256)) * 4, "is not a file that fxhost knows (its first bytes are 80 81 82 83 84 85 86 87)"),
    "cut off in a number": (TEXT[: TEXT.index(b"0.") + 2], "is cut off: it ends after"),
    "cut off in a text": (TEXT[: TEXT.index(b"made up") + 3], "is cut off: it ends after"),
    "cut off in a word": (b'{"a": tru', "is cut off: it ends after 9 bytes; get the file again"),
    "cut off and filled up": (TEXT[:900] + bytes(5000), "is cut off: it ends after"),
    "broken in its middle": (TEXT.replace(b"[", b"[?"), "is damaged: Expecting"),
    "two objects": (TEXT + TEXT, "is damaged: it goes on after the end of its object"),
    "half of the old format": (without("weights"), "has no weights: they are missing, or lie in weights.npy beside it"),
    "no version": (without("version"), "it has no version, by which a .nam file is known"),
    "no sizes": (json.dumps({"state_dict": PROTEUS["state_dict"]}).encode(), "model_data is missing, expected model_data"),
    "no network": (json.dumps({"model_data": PROTEUS["model_data"]}).encode(), "state_dict is missing, expected"),
    "bare weights": (b'{"rec.weight_ih_l0": [], "lin.bias": [0]}', "it holds bare weights without the sizes"),
    "settings of a training": (b'{"net": {"name": "WaveNet"}, "optimizer": {"lr": 0.004}}', "it holds the settings of a"),
    "record of a training": (b'{"best_val_loss": 0.1, "total_epochs": 3}', "it holds the record of a training, not the"),
    "object of nothing": (b"{}", "it is empty; get the file again"),
    "another object": (b'{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}', "it holds 'a', 'b', 'c', 'd' and 1 more, and no weights; give"),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_a_file_that_is_no_capture_is_named_with_what_to_do(what: str, tmp_path: Path) -> None:
    content, message = OTHERS[what]
    path = tmp_path / "file.nam"
    path.write_bytes(content)
    with pytest.raises(PresetError, match=re.escape(message)) as caught:
        read_preset(path)
    assert str(caught.value).startswith(f"{path} ")
    assert len(str(caught.value)) < len(str(path)) + 250


def test_a_gzipped_capture_is_read_where_its_name_says_so(tmp_path: Path) -> None:
    path = tmp_path / "my amp.nam.GZ"
    path.write_bytes(gzip.compress(TEXT[:300]) + gzip.compress(TEXT[300:]))
    plain = read_capture(write(tmp_path / "b.nam", {**NAM, "metadata": {}}))
    preset = read_preset(path)
    assert np.array_equal(preset.weights["weight_ih_l0"], plain.weights["weight_ih_l0"])
    assert (preset.file_format, preset.name) == ("nam", "made up")
    path.write_bytes(gzip.compress(json.dumps({**NAM, "metadata": {}}).encode()))
    assert read_preset(path).name == "my amp"
    assert find_captures(tmp_path) == [tmp_path / "b.nam", path]
    for content, message in (
        (gzip.compress(TEXT)[:200], "is gzip, and is cut off"),
        (gzip.compress(TEXT)[:50] + b"????" + gzip.compress(TEXT)[54:], "is gzip, and "),
        (gzip.compress(b"<html>"), "is gzip, and what it holds is a web page"),
        (gzip.compress(b""), "is gzip, and what it holds is empty"),
        (gzip.compress(gzip.compress(TEXT)), "is gzip, and what it holds is an archive .gzip"),
    ):
        path.write_bytes(content)
        with pytest.raises(PresetError, match=message):
            read_preset(path)


@pytest.mark.parametrize("name", ["bomb.nam.gz", "bomb.nam"])
@pytest.mark.parametrize("packing", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_a_bomb_is_refused_in_bounded_memory(packing: Callable[[bytes], bytes], name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(packing(b" " * (1 << 26)) * 5)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PresetError, match=f"holds more than {MAX_FILE_SIZE} bytes|is packed with"):
        read_preset(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250_000  # KiB


def test_a_zip_with_a_list_of_a_million_names_is_not_listed(tmp_path: Path) -> None:
    content = bytearray(zipped(a_nam=TEXT))
    end = content.rindex(b"PK\x05\x06")
    content[end + 12 : end + 16] = (1 << 25).to_bytes(4, "little")
    path = tmp_path / "a.nam"
    path.write_bytes(bytes(1 << 25).join([b"PK\x03\x04", bytes(content[end:])]))
    with pytest.raises(PresetError, match=r"is damaged( or cut off)? "):
        read_preset(path)


def test_a_folder_is_told_with_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="is a folder, and there is no preset or capture in it; give a preset file"):
        find_preset(str(tmp_path))
    for name in ("a.nam", "b.pt", "c.txt", "d.json.gz", "e.aidax"):
        (tmp_path / name).touch()
    told = re.escape("is a folder that holds a.nam, b.pt, d.json.gz and 1 more; give a preset file, or import all")
    for look in (lambda: find_preset(str(tmp_path)), lambda: read_preset(tmp_path)):
        with pytest.raises(PresetError, match=told):
            look()
    for name in ("config.json", "weights.npy"):
        (tmp_path / name).touch()
    with pytest.raises(PresetError, match=r"is a folder with config\.json and weights\.npy, Neural Amp Modeler's old"):
        find_preset(str(tmp_path))


def test_a_byte_order_mark_and_empty_lines_before_a_capture_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.nam"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n" * 1000 + TEXT)
    assert read_preset(path).file_format == "nam"
