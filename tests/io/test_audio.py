"""Recordings whose headers lie or were never finished, and what decoders print."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.errors import AudioError
from fxhost.io.recordings import Recording

RATE = 8000
FRAMES = 40_009
SOUND = np.random.default_rng(7).uniform(-0.5, 0.5, FRAMES).astype(np.float32)

Change = Callable[[bytearray], bytes]


def write(path: Path, subtype: str = "PCM_16", kind: str | None = None) -> bytearray:
    soundfile.write(path, SOUND, RATE, subtype=subtype, format=kind)
    return bytearray(path.read_bytes())


def set_length(data: bytearray, name: bytes, skip: int, form: str, length: int) -> bytearray:
    """Another length in the header of a chunk."""
    struct.pack_into(form, data, data.index(name) + skip, length)
    return data


def wav_length(length: int) -> Change:
    return lambda data: bytes(set_length(data, b"data", 4, "<I", length))


HEADERS: dict[str, tuple[str, str, Change, str]] = {
    "finished": ("WAV", "PCM_16", bytes, ""),
    "never finished": ("WAV", "PCM_16", wav_length(0), "never finished: all 5.00 s"),
    "never finished, 24 bit": ("WAV", "PCM_24", wav_length(0), "never finished: all 5.00 s"),
    "never finished, float": ("WAV", "FLOAT", wav_length(0), "never finished: all 5.00 s"),
    "written to a pipe": ("WAV", "PCM_16", wav_length(0xFFFFFFFF), ""),
    "written to another pipe": ("WAV", "PCM_16", wav_length(0x7FFFFFFF), ""),
    "saved before the end": ("WAV", "PCM_16", wav_length(2 * FRAMES // 2), "a header that tells 2.50 s: all 5.00 s"),
    "says more": ("WAV", "PCM_16", wav_length(4 * FRAMES), "is cut off: its header tells 10.00 s, and the 5.00 s"),
    "a tag behind it": ("WAV", "PCM_16", lambda data: bytes(data + b"TAG" + bytes(125)), ""),
    "a chunk behind it": ("WAV", "PCM_16", lambda data: bytes(data + b"LIST" + struct.pack("<I", 9000) + bytes(9000)), ""),
    "a chunk behind a pipe": (
        "WAV", "PCM_16", lambda data: wav_length(0xFFFFFFFF)(data) + b"LIST" + struct.pack("<I", 400) + bytes(400), "",
    ),
    "RF64": ("RF64", "PCM_24", bytes, ""),
    "RF64 never finished": (
        "RF64", "PCM_24", lambda data: bytes(set_length(data, b"ds64", 16, "<Q", 0)), "never finished: all 5.00 s",
    ),
    "RF64 without a length": ("RF64", "PCM_24", lambda data: bytes(set_length(data, b"ds64", 16, "<Q", 2**64 - 1)), ""),
    "W64 never finished": (
        "W64", "FLOAT", lambda data: bytes(set_length(data, b"data", 16, "<Q", 0)), "never finished: all 5.00 s",
    ),
    "CAF without a length": ("CAF", "FLOAT", lambda data: bytes(set_length(data, b"data", 4, ">q", -1)), ""),
    "AIFF never finished": (
        "AIFF", "PCM_16", lambda data: bytes(set_length(data, b"SSND", 4, ">I", 0)), "never finished: all 5.00 s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HEADERS)
def test_all_that_is_there_is_read_whatever_the_header_tells(what: str, tmp_path: Path) -> None:
    kind, subtype, change, words = HEADERS[what]
    path = tmp_path / "take.wav"
    path.write_bytes(change(write(path, subtype, kind)))
    with Recording(path) as recording:
        audio = recording.read()
        assert recording.frames == FRAMES
        assert words in recording.note if words else recording.note == ""
    np.testing.assert_allclose(audio, SOUND, atol=2**-15)


def test_a_header_with_nothing_behind_it_is_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(write(path)[:44])
    with pytest.raises(AudioError, match="is empty"):
        Recording(path)


def test_of_a_recording_that_is_cut_off_what_is_there_is_read(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(write(path)[: 44 + 2 * 17_011])
    with Recording(path) as recording:
        np.testing.assert_allclose(recording.read(), SOUND[:17_011], atol=2**-15)
        assert recording.note == "take.wav is cut off: its header tells 5.00 s, and the 2.13 s that are there are used"


def forget_length(data: bytearray) -> bytearray:
    """FLAC as it is written into a pipe: the number of samples, 36 bits from the 22nd byte on, is 0."""
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return data


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_flac_without_a_length_is_read_whole(subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "take.flac"
    path.write_bytes(forget_length(write(path, subtype)))
    for frames in (509, 1 << 18):
        with Recording(path) as recording:
            assert recording.frames == FRAMES
            np.testing.assert_allclose(np.concatenate(list(recording.blocks(frames))), SOUND, atol=2**-15)


@pytest.mark.parametrize("change", [bytes, forget_length])
def test_flac_that_is_cut_off_is_refused(change: Change, tmp_path: Path) -> None:
    path = tmp_path / "take.flac"
    path.write_bytes(change(write(path))[:50_000])
    with pytest.raises(AudioError, match=r"take\.flac is damaged or cut off after \d\.\d\d s .*; get it again"):
        Recording(path).read()


@pytest.mark.parametrize("ending", ["mp3", "ogg"])
@pytest.mark.parametrize("harm", ["cut", "noise"])
def test_decoders_print_nothing(ending: str, harm: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"take.{ending}"
    tone = np.sin(np.arange(10 * 44_100) * 0.05).astype(np.float32) * 0.3
    soundfile.write(path, tone, 44_100)
    data, middle = bytearray(path.read_bytes()), path.stat().st_size // 2
    if harm == "cut":
        data = data[:middle]
    else:
        data[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(data)
    try:
        with Recording(path) as recording:
            recording.read()
            assert "is cut off: its end is missing" in recording.note
            assert harm == "cut"
    except AudioError as err:
        assert "is damaged or cut off after" in str(err)
    assert capfd.readouterr() == ("", "")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_a_link_that_leads_nowhere_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to("gone.wav")
    with pytest.raises(AudioError, match=r"a\.wav is a link to gone\.wav, which is not there"):
        Recording(tmp_path / "a.wav")
