"""Recordings in and out. Audio is mono float32 `(frames,)`, full scale ±1."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from fxhost.errors import AudioError
from fxhost.files import replacing
from fxhost.preset import Float32Array

READ_FRAMES = 1 << 14
LOW_RESOLUTION = {"PCM_S8", "PCM_U8", "ULAW", "ALAW", "DPCM_8", "VOX_ADPCM"}

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


class Recording:
    """A mono audio file, read in pieces.

    Parameters
    ----------
    path : Path
        Any format that libsndfile reads.
    max_channels : int
        How many channels it may have. The blocks of a file with several are `(frames, channels)`.

    Raises
    ------
    AudioError
        If it cannot be opened, is empty, has too many channels or only 8 bits.
    """

    def __init__(self, path: Path, *, max_channels: int = 1) -> None:
        self.path = path
        if not path.is_file():
            raise AudioError(f"no such audio file: {path}")
        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.LibsndfileError, TypeError) as err:
            reason = getattr(err, "error_string", str(err)).rstrip(".")
            raise AudioError(
                f"{path} is not audio that can be read: {reason}; give a wav, flac, aiff or ogg file"
            ) from err
        try:
            self._check(max_channels)
        except AudioError:
            self._file.close()
            raise

    def _check(self, max_channels: int) -> None:
        file = self._file
        if file.frames == 0:
            raise AudioError(f"{self.path} is empty: it holds no audio")
        if file.channels > max_channels:
            expected = "1" if max_channels == 1 else f"1 to {max_channels}"
            raise AudioError(
                f"{self.path} has {file.channels} channels, expected {expected}; export one channel as a mono file"
            )
        if file.subtype in LOW_RESOLUTION:
            raise AudioError(
                f"{self.path} has 8 bits a sample, too noisy for an effect; export it with 16 bits or more"
            )

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return int(self._file.samplerate)

    @property
    def frames(self) -> int:
        """The length of the file."""
        return int(self._file.frames)

    @property
    def channels(self) -> int:
        """How many there are."""
        return int(self._file.channels)

    def blocks(self, frames: int = READ_FRAMES) -> Iterator[Float32Array]:
        """The audio in pieces of at most `frames`, float32 (frames,), or (frames, channels) if there are several.

        Raises
        ------
        AudioError
            If the file ends early or holds a sample that is no number.
        """
        position = 0
        while position < self.frames:
            try:
                block = self._file.read(min(frames, self.frames - position), dtype="float32")
            except soundfile.LibsndfileError as err:
                raise AudioError(f"{self.path} is damaged after frame {position}: {err.error_string}") from err
            if not len(block):
                raise AudioError(f"{self.path} is cut off: {position} of {self.frames} frames are there; get it again")
            bad = ~np.isfinite(block)
            if bad.any():
                where = position + int(np.argmax(bad)) // self.channels
                raise AudioError(f"{self.path} holds a sample that is no number (NaN or infinity) at frame {where}")
            yield block
            position += len(block)

    def read(self) -> Float32Array:
        """The whole file, float32 (frames,). Raises as `blocks`."""
        return np.concatenate(list(self.blocks()))

    def __enter__(self) -> "Recording":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class Writer:
    """A mono audio file that is being written."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.frames = 0

    def write(self, block: Float32Array) -> None:
        """Append float32 (frames,)."""
        try:
            self._file.write(block)
        except soundfile.LibsndfileError as err:
            raise AudioError(
                f"the output cannot be written: {err.error_string.rstrip('.')}; is the disk full?"
            ) from err
        self.frames += len(block)


def check_format(path: Path) -> None:
    """Refuse an output file whose ending says no format that can be written.

    Raises
    ------
    AudioError
        Naming the endings that can.
    """
    if path.suffix.lower() not in SUBTYPES:
        raise AudioError(f"cannot tell the format of {path}; end its name in {', '.join(SUBTYPES)}")


@contextmanager
def writing(path: Path, sample_rate: int, *, overwrite: bool) -> Iterator[Writer]:
    """Write a mono audio file that appears whole when the block ends, or not at all if it raises.

    Parameters
    ----------
    path : Path
        Its ending chooses the format: 32-bit float where that has it.
    sample_rate : int
        In Hz.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    check_format(path)
    with replacing(path, overwrite=overwrite) as partial:
        try:
            ending = path.suffix.lower()
            kind = "AIFF" if ending == ".aif" else None  # the one that soundfile does not know by its ending
            file = soundfile.SoundFile(partial, "w", sample_rate, 1, SUBTYPES[ending], format=kind)
        except soundfile.LibsndfileError as err:
            raise AudioError(f"cannot write {path} at {sample_rate} Hz: {err.error_string.rstrip('.')}") from err
        with file:
            yield (writer := Writer(file))
        if not writer.frames:
            raise AudioError(f"nothing was recorded, so {path} was not written")
