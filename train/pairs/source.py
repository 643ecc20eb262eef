"""Read one side of a pair: one channel of a file, in memory, or on disk if it is long."""

import hashlib
import mmap
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import AudioError, FileError
from fxhost.io.channels import Choice, choose_channel
from fxhost.io.recordings import Recording
from fxhost.preset.effect import SAMPLE_RATES

LONGEST_S = 7200.0  # 1.4 GB a file at 48 kHz, on disk
ON_DISK_S = 1200.0  # what lasts longer is kept in a temporary file
BLOCK_FRAMES = 1 << 18
RELEASE_BLOCKS = 64  # after so many blocks the memory of what is on disk is given back


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
    notes : tuple of str
        What is odd about the file, and why that channel, if there was a choice.
    """

    path: Path
    audio: Float32Array
    sample_rate: int
    sha256: str
    channels: int
    channel: int
    notes: tuple[str, ...]


def read_source(path: Path, channel: int | Choice | None = None) -> Source:
    """Read a mono file, or one channel of a file with several.

    Parameters
    ----------
    path : Path
        wav, flac, aiff or what else libsndfile reads; 16, 24 or 32 bit, or float; up to two hours.
    channel : int or Choice, optional
        From 0. Without it the one that carries the signal; see `fxhost.io.channels`.

    Returns
    -------
    Source

    Raises
    ------
    AudioError
        If the file cannot be used: no audio, a sample that is no number, a sample rate that no preset may have, too
        long, or no such channel.
    """
    with Recording(path) as recording:
        rate, frames, channels = recording.sample_rate, recording.frames, recording.channels
        if not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
            raise AudioError(
                f"{path} has {rate} Hz, not {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz; export it at 48000 Hz"
            )
        if frames > LONGEST_S * rate:  # before room is taken for it
            raise AudioError(f"{path} lasts {frames / rate:.0f} s, and at most {LONGEST_S:g} s can be used; cut it")
    choice = channel if isinstance(channel, Choice) else choose_channel(path, channel)
    audio = make_room(frames, on_disk=frames > ON_DISK_S * rate)
    position = 0
    with Recording(path, channel=choice.channel) as recording:
        for block in recording.blocks(BLOCK_FRAMES):
            audio[position : position + len(block)] = block
            position += len(block)
            if position // BLOCK_FRAMES % RELEASE_BLOCKS == 0:
                release_pages(audio)
        notes = tuple(note for note in (recording.note, choice.note) if note)
    release_pages(audio)
    return Source(path, audio, rate, hash_file(path), channels, choice.channel, notes)


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


def make_room(frames: int, *, on_disk: bool) -> Float32Array:
    """Room for a recording, not yet filled, in memory or in a file without a name.

    Raises
    ------
    AudioError
        If the disk has not so much.
    """
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
