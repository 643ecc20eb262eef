"""Read one side of a pair: one channel of a file, in memory, or on disk if it is long."""

import hashlib
import mmap
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxhost.audio import Recording
from fxhost.errors import AudioError, FileError
from fxhost.preset import SAMPLE_RATES, Float32Array

LONGEST_S = 7200.0  # 1.4 GB a file at 48 kHz, on disk
ON_DISK_S = 1200.0  # what lasts longer is kept in a temporary file
UNUSED_DB = 40.0  # a channel so far below the other carries its noise and its crosstalk
SAME_DB = 60.0  # channels whose difference is so far below them are the same
BLOCK_FRAMES = 1 << 18
RELEASE_BLOCKS = 64  # after so many blocks the memory of what is on disk is given back
SIDES = ("left", "right")


@dataclass(frozen=True)
class Source:
    """One channel of a file.

    Attributes
    ----------
    path : Path
    audio : float32 (frames,)
        A `numpy.memmap` if the file is long.
    sample_rate : int
        In Hz.
    sha256 : str
        Of the file.
    channels : int
        Of the file.
    channel : int
        The one that is used, from 0.
    note : str
        Why that channel, if there was a choice; else empty.
    """

    path: Path
    audio: Float32Array
    sample_rate: int
    sha256: str
    channels: int
    channel: int
    note: str


def read_source(path: Path) -> Source:
    """Read a mono file, or the channel of a stereo file that carries the signal.

    Parameters
    ----------
    path : Path
        wav, flac or aiff; 16, 24 or 32 bit, or float; up to two hours.

    Returns
    -------
    Source

    Raises
    ------
    AudioError
        If the file cannot be used: no audio, a sample that is no number, a sample rate that no preset may have, too
        long, or two channels that differ.
    """
    with Recording(path, max_channels=2) as recording:
        rate, frames, channels = recording.sample_rate, recording.frames, recording.channels
        if not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
            raise AudioError(
                f"{path} has {rate} Hz, expected {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz; export it at 48000 Hz"
            )
        if frames > LONGEST_S * rate:  # before room is taken for it
            raise AudioError(f"{path} lasts {frames / rate:.0f} s, expected at most {LONGEST_S:g} s; cut it")
    channel, note = _choose_channel(path) if channels == 2 else (0, "")
    audio = _make_room(frames, on_disk=frames > ON_DISK_S * rate)
    position = 0
    with Recording(path, max_channels=2) as recording:
        for block in recording.blocks(BLOCK_FRAMES):
            audio[position : position + len(block)] = block if channels == 1 else block[:, channel]
            position += len(block)
            if position // BLOCK_FRAMES % RELEASE_BLOCKS == 0:
                release_pages(audio)
    release_pages(audio)
    return Source(path, audio, rate, hash_file(path), channels, channel, note)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise FileError(f"cannot read {path}: {err.strerror or err}; give a file that exists") from err


def audio_blocks(audio: Float32Array, frames: int = BLOCK_FRAMES) -> Iterator[tuple[int, Float32Array]]:
    """The audio in pieces of at most `frames`, each with its first frame; what is on disk does not stay in memory."""
    for start in range(0, len(audio), frames):
        yield start, audio[start : start + frames]
        if start // frames % RELEASE_BLOCKS == 0:
            release_pages(audio)
    release_pages(audio)


def release_pages(audio: Float32Array) -> None:
    """Give the memory of a recording on disk back; its samples stay where they are. Nothing else is touched."""
    base = audio
    while isinstance(base, np.memmap) and isinstance(base.base, np.memmap):
        base = base.base
    mapped = getattr(base, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _make_room(frames: int, *, on_disk: bool) -> Float32Array:
    if not on_disk:
        return np.empty(frames, np.float32)
    try:
        with tempfile.TemporaryFile(prefix="fxhost-") as file:  # has no name: it goes when the last mapping goes
            return np.memmap(file, np.float32, "w+", shape=(frames,))
    except OSError as err:
        raise AudioError(
            f"no room for {frames * 4 / 1e9:.1f} GB in {tempfile.gettempdir()}: {err.strerror}; "
            "set TMPDIR to a folder with more"
        ) from err


def _choose_channel(path: Path) -> tuple[int, str]:
    """The channel of a stereo file that carries the signal, and why it is that one."""
    power, difference = np.zeros(2), 0.0
    with Recording(path, max_channels=2) as recording:
        for block in recording.blocks(BLOCK_FRAMES):
            both = block.astype(np.float64)
            power += np.sum(both**2, axis=0)
            difference += float(np.sum((both[:, 0] - both[:, 1]) ** 2))
    loud, quiet = int(power[1] > power[0]), int(power[1] <= power[0])
    if not power[loud]:
        return 0, ""  # what is silent is refused with the other reasons
    below_db = _ratio_db(power[loud], power[quiet])
    if below_db > UNUSED_DB:
        how = "silent" if np.isinf(below_db) else f"{below_db:.0f} dB quieter"
        return loud, f"{path.name} is stereo: its {SIDES[loud]} channel is used, the {SIDES[quiet]} one is {how}"
    alike_db = _ratio_db(power[loud], difference)
    if alike_db > SAME_DB:
        return 0, f"{path.name} is stereo with the same signal on both channels: the left one is used"
    raise AudioError(
        f"{path} is stereo and its channels differ: got a difference {alike_db:.0f} dB below the signal, expected "
        f"{SAME_DB:.0f} dB or one channel {UNUSED_DB:.0f} dB below the other; export one channel as a mono file"
    )


def _ratio_db(power: float, other: float) -> float:
    if other <= 0:
        return float("inf") if power > 0 else 0.0
    return float(10 * np.log10(power / other))
