"""Recordings that are written: whole or not at all, and with what the system says where it refuses.

libsndfile reports only "System error", without the cause. So after a failure fxhost asks the operating system itself
whether the file can grow; its answer is the cause. libsndfile does not report a disk that becomes full while the file
is being closed. So the file is checked after closing.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from fxhost.errors import AudioError, FileError
from fxhost.io.files import ask_for_room, explain_refusal, native_name, replacing

# What a file is written as, by its ending: float32 where the format has it.
SUBTYPES = {
    ".wav": "FLOAT",
    ".w64": "FLOAT",
    ".rf64": "FLOAT",
    ".aif": "FLOAT",
    ".aiff": "FLOAT",
    ".caf": "FLOAT",
    ".au": "FLOAT",
    ".flac": "PCM_24",
    ".ogg": "VORBIS",
    ".mp3": "MPEG_LAYER_III",
}


BITS = {"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"}  # what a user may ask for, and libsndfile's names
LOSSY = {".ogg", ".mp3"}
RF64_AUTO_DOWNGRADE = 0x1210  # a command of libsndfile


class Writer:
    """An audio file that is being written.

    Attributes
    ----------
    frames : int
        How many are written.
    failure : FileError or None
        Why no more can be.
    subtype : str
        libsndfile's name of the encoding.
    """

    def __init__(self, file: soundfile.SoundFile, path: Path, partial: Path) -> None:
        self._file, self._path, self._partial = file, path, partial
        self.frames = 0
        self.failure: FileError | None = None
        self.subtype: str = file.subtype

    def write(self, block: Float32Array | NDArray[np.int32]) -> None:
        """Append float32 (frames,) or (frames, channels), or int32, whose full scale is 2³¹.

        Raises
        ------
        FileError
            If the system refuses it.
        """
        try:
            self._file.write(block)
        except soundfile.LibsndfileError as err:
            self.failure = explain_failure(self._path, self._partial, err.error_string)
            raise self.failure from err
        self.frames += len(block)

    def close(self) -> None:
        """End the file, and see that it is whole. Raises as `write`."""
        if self._file.closed:
            return
        told = "it is cut off"
        try:
            self._file.close()
            is_whole = self.failure is not None or soundfile.info(native_name(self._partial)).frames == self.frames
        except soundfile.LibsndfileError as err:
            is_whole, told = self.failure is not None, err.error_string
        if not is_whole:
            self.failure = explain_failure(self._path, self._partial, told)
            raise self.failure


def as_24_bits(block: Float32Array) -> NDArray[np.int32]:
    """Samples for a file of 24 bits that are read back as they were, if they came from a converter of 24 bits or fewer.

    libsndfile itself scales floats by 2²³−1 where it writes and by 2²³ where it reads.

    Parameters
    ----------
    block : float32 (frames,) or (frames, channels)
        What is beyond full scale is clipped.

    Returns
    -------
    int32
        Of the same shape; full scale is 2³¹.
    """
    steps = np.rint(block.astype(np.float64) * 2**23).clip(-(2**23), 2**23 - 1)
    return (steps * 256).astype(np.int32)


def explain_failure(path: Path, partial: Path, told: str) -> FileError:
    """Why libsndfile could not write: what the system says of the unfinished file, else what the library said."""
    try:
        ask_for_room(partial)
    except OSError as refusal:
        return explain_refusal(path, refusal)
    return AudioError(f"cannot write {path}: {told.rstrip('.')}")


def check_format(path: Path) -> None:
    """Refuse an output file whose ending says no format that can be written.

    Raises
    ------
    AudioError
        Naming the endings that can.
    """
    if path.suffix.lower() not in SUBTYPES:
        raise AudioError(f"cannot tell the format of {path}; end its name in {', '.join(SUBTYPES)}")


def check_encoding(path: Path, bits: str | None, quality: float | None) -> None:
    """Refuse bits that the format of an output file does not have, or a quality where nothing is lost.

    Raises
    ------
    AudioError
        Saying what the format takes.
    """
    ending = path.suffix.lower()
    if bits is not None and ending in LOSSY:
        raise AudioError(f"{path}: {ending} has no bits to choose; leave out --bits, or end its name in .wav")
    if bits is not None and not soundfile.check_format(_kind_of(ending), BITS[bits]):
        taken = " or ".join(each for each, name in BITS.items() if soundfile.check_format(_kind_of(ending), name))
        raise AudioError(f"{path}: {ending} cannot hold {bits} bits; give --bits {taken}")
    if quality is not None and ending not in LOSSY:
        raise AudioError(
            f"{path}: {ending} loses nothing and has no quality to choose; leave out --quality, or end its "
            "name in .ogg or .mp3"
        )


def _kind_of(ending: str) -> str:
    return "AIFF" if ending == ".aif" else ending[1:].upper()


@contextmanager
def writing(
    path: Path,
    sample_rate: int,
    *,
    overwrite: bool,
    inputs: Iterable[Path | None] = (),
    channels: int = 1,
    subtype: str | None = None,
    quality: float | None = None,
    is_live: bool = False,
) -> Iterator[Writer]:
    """Write an audio file that appears whole when the block ends, or not at all if it raises.

    Parameters
    ----------
    path : Path
        Its ending chooses the format: 32-bit float where that has it.
    sample_rate : int
        In Hz.
    overwrite : bool
        Whether an existing file may be replaced.
    inputs : iterable of Path or None
        The files that are read, none of which may be replaced.
    channels : int
    subtype : str, optional
        libsndfile's name of another encoding.
    quality : float, optional
        Of a lossy format, 0 to 1 (the best and largest).
    is_live : bool
        Whether it is recorded while playing. Then a file appears that could not be written to its end, if anything of
        it was; its `failure` tells. And a .wav file may grow beyond 4 GB, as RF64.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    check_format(path)
    with replacing(path, overwrite=overwrite, inputs=inputs) as partial:
        try:
            ending = path.suffix.lower()
            kind = "AIFF" if ending == ".aif" else None  # the one that soundfile does not know by its ending
            if is_live and ending == ".wav":
                kind = "RF64"
            encoding = subtype or SUBTYPES[ending]
            level = None if quality is None else 1.0 - quality
            file = soundfile.SoundFile(
                native_name(partial), "w", sample_rate, channels, encoding, format=kind, compression_level=level
            )
        except soundfile.LibsndfileError as err:
            if partial.exists():
                ask_for_room(partial)
            raise AudioError(
                f"cannot write {path} at {sample_rate} Hz: {err.error_string.removeprefix('Error : ').rstrip('.')}"
            ) from err
        if kind == "RF64":  # ends as plain WAV unless it has grown beyond 4 GB; soundfile has no public name for this
            soundfile._snd.sf_command(file._file, RF64_AUTO_DOWNGRADE, soundfile._ffi.NULL, 1)
        writer = Writer(file, path, partial)
        try:
            yield writer
            writer.close()
        except FileError:
            if not (is_live and writer.failure is not None and writer.frames):
                raise
        finally:
            file.close()
        if not writer.frames:
            raise writer.failure or AudioError(f"nothing was recorded, so {path} was not written; play for longer")
