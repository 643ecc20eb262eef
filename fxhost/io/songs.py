"""The song that plays along."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import AudioError
from fxhost.io.recordings import Recording
from fxhost.io.sources import convert_source
from fxhost.stages.play_along import PlayAlong

LONGEST_S = 1200.0  # 460 MB at 48 kHz
TOLD_S = 60.0  # a song of this length takes a moment to be resampled


def read_song(path: Path | None, sample_rate: int, level_db: float, notice: Callable[[str], None]) -> PlayAlong | None:
    """The stage that plays a song, which is read as a whole; of more than two channels the first two.

    Parameters
    ----------
    path : Path or None
        Any format that libsndfile reads, at any rate, of at most 20 minutes. None is no song.
    sample_rate : int
        Of the stream, in Hz.
    level_db : float
    notice : callable
        Told in one line what is odd about the file, and what takes a while.

    Raises
    ------
    AudioError
        If the file cannot be read or is too long.
    EngineError
        If the rates have no simple ratio.
    """
    if path is None:
        return None
    return PlayAlong(read_song_frames(path, sample_rate, notice), sample_rate, level_db, path.name)


def read_song_frames(path: Path, sample_rate: int, notice: Callable[[str], None]) -> Float32Array:
    """A song at a rate in Hz, float32 (frames,) or (frames, 2). Notices and errors are those of `read_song`."""
    with Recording(path) as recording:
        rate, length_s = recording.sample_rate, recording.frames / recording.sample_rate
        if length_s > LONGEST_S:
            raise AudioError(
                f"{path} lasts {length_s / 60:.1f} minutes; a song to play along with is read into memory and may last "
                f"{LONGEST_S / 60:.0f}: cut it"
            )
        if recording.note:
            notice(f"note: {recording.note}")
        if rate != sample_rate and length_s >= TOLD_S:
            notice(f"resampling {path.name} from {rate} to {sample_rate} Hz …")
        blocks = [block.reshape(len(block), -1)[:, :2] for block in recording.blocks()]
    song: Float32Array = np.concatenate(blocks)
    return convert_source(list(song.T), rate, sample_rate)
