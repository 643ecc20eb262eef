"""Recordings that are read. Audio is float32, mono `(frames,)` or `(frames, channels)`, full scale ±1."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from fxhost.arrays import Float32Array
from fxhost.errors import AudioError, explain_unread
from fxhost.io.decoders import quiet_decoders
from fxhost.io.files import native_name
from fxhost.io.sound_headers import Patch, Patched, read_header

READ_FRAMES = 1 << 14
MAX_CHANNELS = 64
MOST_FRAMES = 1 << 40  # what is more is libsndfile's word for "not told"
LOW_RESOLUTION = {"PCM_S8", "PCM_U8", "ULAW", "ALAW", "DPCM_8", "VOX_ADPCM"}


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file that is read from its beginning to its end: soundfile seeks after every read where it may."""

    def __init__(self, path: Path, patches: tuple[Patch, ...]) -> None:
        self._patched = Patched(path, patches) if patches else None
        try:
            super().__init__(self._patched or native_name(path))
        except BaseException:
            self._close_patched()
            raise

    def close(self) -> None:
        """Let the file go."""
        super().close()
        self._close_patched()

    def _close_patched(self) -> None:
        if self._patched is not None:
            self._patched.close()

    def seekable(self) -> bool:
        """False: FLAC without a length in its header can be read to its end, but not told to go there."""
        return False


class Recording:
    """An audio file, or one channel of it, read in pieces.

    Parameters
    ----------
    path : Path
        Any format that libsndfile reads, also with a header that was never finished or tells another length than the
        file has; see `fxhost.io.sound_headers`.
    channel : int, optional
        The one to read, from 0; without it all of them.

    Attributes
    ----------
    frames : int
        The length of the file.
    note : str
        What is odd about its length, to be told where it is used; else empty.

    Raises
    ------
    AudioError
        If it cannot be opened, is empty, has too many channels, not that one, or only 8 bits.
    """

    def __init__(self, path: Path, *, channel: int | None = None) -> None:
        self.path = path
        if not path.is_file():
            if path.is_symlink() and not path.exists():
                raise AudioError(f"{path} is a link to {path.readlink()}, which is not there; mend it or give the file")
            raise AudioError(
                f"{path} is a folder; give a sound file" if path.is_dir() else f"no such audio file: {path}"
            )
        self._channel = channel
        try:
            self._header = read_header(path)
        except OSError as err:
            raise AudioError(explain_unread(path, err)) from err
        self._file = self._open()
        self.frames = int(self._file.frames)
        try:
            if self.frames > MOST_FRAMES:  # the header tells none
                self.frames = self._count_frames()
            self._check()
        except BaseException:
            self._file.close()
            raise
        self.note = self._header.describe(self.frames / self.sample_rate) if self._header else ""
        if self.note:
            self.note = f"{path.name} {self.note}"

    def _open(self) -> _Forward:
        patches = self._header.patches if self._header else ()
        try:
            with quiet_decoders():
                return _Forward(self.path, patches)
        except (soundfile.LibsndfileError, TypeError) as err:
            reason = getattr(err, "error_string", str(err)).rstrip(".")
            if not self.path.stat().st_size:
                reason = "the file is empty"
            elif "regular file" in reason:  # what libsndfile says of what mpg123 does not take
                reason = "nothing in it can be decoded"
            raise AudioError(
                f"{self.path} is not audio that can be read ({reason}); give a .wav, .flac, .aiff or .ogg file"
            ) from err

    def _count_frames(self) -> int:
        """The number of frames, by decoding them all."""
        with self._open() as file:
            self.frames, position = MOST_FRAMES, 0
            while count := len(self._decode(file, READ_FRAMES, position)):
                position += count
        return position

    def _decode(self, file: _Forward, frames: int, position: int) -> Float32Array:
        """The next frames, none at the end of the file."""
        try:
            with quiet_decoders():
                block: Float32Array = file.read(frames, dtype="float32")
        except soundfile.LibsndfileError as err:
            raise self._explain_end(position, err.error_string.removeprefix("Error : ").rstrip(".")) from err
        return block

    def _explain_end(self, position: int, reason: str) -> AudioError:
        total = f" of {self.frames / self.sample_rate:.2f} s" if self.frames < MOST_FRAMES else ""
        return AudioError(
            f"{self.path} is damaged or cut off after {position / self.sample_rate:.2f} s{total} "
            f"(frame {position}): {reason}; get it again"
        )

    def _check(self) -> None:
        file = self._file
        if self.frames == 0:
            raise AudioError(f"{self.path} is empty: it holds no audio; record or export it again")
        if file.channels > MAX_CHANNELS:
            raise AudioError(
                f"{self.path} has {file.channels} channels, of which at most {MAX_CHANNELS} are read; "
                "export one as a mono file"
            )
        if self._channel is not None and self._channel >= file.channels:
            raise AudioError(
                f"{self.path} has no channel {self._channel + 1}, but {file.channels} channel"
                f"{'s; choose one of them' if file.channels > 1 else ' only; leave out the choice'}"
            )
        if file.subtype in LOW_RESOLUTION:
            raise AudioError(
                f"{self.path} has only 8 bits a sample, which are too noisy; export it with 16 bits or more"
            )

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return int(self._file.samplerate)

    @property
    def channels(self) -> int:
        """How many the file has."""
        return int(self._file.channels)

    def blocks(self, frames: int = READ_FRAMES) -> Iterator[Float32Array]:
        """The audio in pieces of at most `frames`, float32 (frames,), or (frames, channels) if there are several.

        Raises
        ------
        AudioError
            If the file ends early or holds a sample that is no number, in whichever channel.
        """
        position = 0
        while position < self.frames:
            block = self._decode(self._file, min(frames, self.frames - position), position)
            if not len(block):
                raise self._explain_end(position, "nothing more can be decoded")
            bad = ~np.isfinite(block)
            if bad.any():
                where = position + int(np.argmax(bad)) // self.channels
                raise AudioError(
                    f"{self.path} holds a sample that is not a number (NaN or infinity) at frame {where} "
                    f"({where / self.sample_rate:.3f} s); export it again, or cut that place out"
                )
            yield block if self._channel is None or self.channels == 1 else block[:, self._channel].copy()
            position += len(block)

    def read(self) -> Float32Array:
        """The whole file, float32 (frames,), or (frames, channels) if there are several. Raises as `blocks`."""
        return np.concatenate(list(self.blocks()))

    def __enter__(self) -> "Recording":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
