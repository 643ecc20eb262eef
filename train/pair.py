"""Read a dry and a wet recording of the same performance, check them, and split them into stretches.

Audio is float32 `(frames,)`, mono. Both sides of a pair have the same length and rate, and frame n of the wet side is
what the effect made of the dry side up to frame n.
"""

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxhost.audio import Recording
from fxhost.errors import AudioError, TrainingError
from fxhost.preset import SAMPLE_RATES, Float32Array

SHORTEST_S = 3.0  # less holds too few notes to learn from and to measure on
LONGEST_S = 7200.0  # of memory: 1.4 GB a file at 48 kHz
SHORT_S = 30.0  # less is accepted with a note
LENGTH_SLACK_S = 1.0  # by how much the two files may differ
SILENCE = 1e-4  # a peak below −80 dB is no recording
PART_S = 25.0  # a recording is split part by part, so that every kind of playing is in every split
MAX_PARTS = 8
HELD_OUT = 0.1  # the share of every part that is kept for validation, and again for the test


@dataclass(frozen=True)
class Stretch:
    """Frames `start` to `end` (not included) of a recording."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Split:
    """Stretches of one recording that do not overlap."""

    train: tuple[Stretch, ...]
    validation: tuple[Stretch, ...]
    test: tuple[Stretch, ...]


@dataclass(frozen=True)
class Pair:
    """A dry recording and what an effect made of it.

    Attributes
    ----------
    dry, wet : float32 (frames,)
    sample_rate : int
        In Hz.
    dry_sha256, wet_sha256 : str
        Of the files.
    notes : tuple of str
        What is odd about the recordings but does not stop the training.
    """

    dry: Float32Array
    wet: Float32Array
    sample_rate: int
    dry_sha256: str
    wet_sha256: str
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return len(self.dry) / self.sample_rate


def read_pair(dry: Path, wet: Path) -> Pair:
    """Read and check two recordings.

    Parameters
    ----------
    dry, wet : Path
        wav, flac or aiff; mono; 16, 24 or 32 bit, or float.

    Returns
    -------
    Pair

    Raises
    ------
    AudioError
        If one of the files cannot be used.
    TrainingError
        If the two do not belong together.
    """
    (x, rate, x_hash), (y, wet_rate, y_hash) = _read_recording(dry), _read_recording(wet)
    if rate != wet_rate:
        raise TrainingError(
            f"the sample rates differ: {dry} has {rate} Hz, {wet} has {wet_rate} Hz; export both at the same rate"
        )
    notes = [note for path, audio in ((dry, x), (wet, y)) for note in _find_clipping(path, audio)]
    frames = min(len(x), len(y))
    if difference := abs(len(x) - len(y)):
        if difference > LENGTH_SLACK_S * rate:
            raise TrainingError(
                f"the lengths differ: {dry} has {len(x)} frames, {wet} has {len(y)}, expected at most "
                f"{LENGTH_SLACK_S:g} s between them; cut both to the same performance"
            )
        notes.append(
            f"{(dry if len(x) > frames else wet).name} is {difference} frames longer than the other; its end was cut"
        )
    seconds = frames / rate
    if seconds < SHORTEST_S:
        raise TrainingError(
            f"{dry} and {wet} are too short: got {seconds:.2f} s, expected at least {SHORTEST_S:g} s; record more"
        )
    if seconds < SHORT_S:
        notes.append(f"only {seconds:.1f} s of audio: two or three minutes of varied playing make a better preset")
    return Pair(x[:frames], y[:frames], rate, x_hash, y_hash, tuple(notes))


def _read_recording(path: Path) -> tuple[Float32Array, int, str]:
    """The samples, the rate in Hz and the SHA-256 of a file."""
    with Recording(path) as recording:
        rate = recording.sample_rate
        if not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
            raise AudioError(
                f"{path} has {rate} Hz, expected {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz; export it at 48000 Hz"
            )
        if recording.frames > LONGEST_S * rate:  # before memory is taken for it
            raise AudioError(f"{path} lasts {recording.frames / rate:.0f} s, expected at most {LONGEST_S:g} s; cut it")
        audio = recording.read()
    peak = float(np.abs(audio).max())
    if peak < SILENCE:
        raise AudioError(f"{path} is silent: got a peak of {peak:.1e}, expected at least {SILENCE:g}; record again")
    with open(path, "rb") as file:
        return audio, rate, hashlib.file_digest(file, "sha256").hexdigest()


def _find_clipping(path: Path, audio: Float32Array) -> list[str]:
    """A note if three samples in a row stand at the peak and the peak is at full scale, else nothing."""
    peak = np.abs(audio).max()
    at_peak = np.abs(audio) > peak - 1e-4
    count = int(np.count_nonzero(at_peak[:-2] & at_peak[1:-1] & at_peak[2:]))
    if peak < 0.99 or not count:
        return []
    return [f"{path.name} is clipped at full scale in at least {count} places; record it at a lower level"]


def split_pair(pair: Pair, *, with_test: bool) -> Split:
    """Cut a recording into stretches for training, validation and test.

    Parameters
    ----------
    pair : Pair
    with_test : bool
        False if the test is another recording: training then gets that share.

    Returns
    -------
    Split
        Parts of about 25 s, in each of which training comes first, then validation, then test. Together they cover
        every frame once.

    Raises
    ------
    TrainingError
        If the wet side is silent throughout one of the three.
    """
    frames = len(pair.dry)
    parts = min(max(1, round(pair.seconds / PART_S)), MAX_PARTS)
    bounds = [frames * part // parts for part in range(parts + 1)]
    train, validation, test = [], [], []
    for start, end in itertools.pairwise(bounds):
        held_out = int((end - start) * HELD_OUT)
        test_start = end - held_out if with_test else end
        validation_start = test_start - held_out
        train.append(Stretch(start, validation_start))
        validation.append(Stretch(validation_start, test_start))
        test.append(Stretch(test_start, end))
    split = Split(tuple(train), tuple(validation), tuple(test) if with_test else ())
    for purpose, stretches in (("training", split.train), ("validation", split.validation), ("test", split.test)):
        if stretches and max(np.abs(pair.wet[s.start : s.end]).max() for s in stretches) < SILENCE:
            raise TrainingError(
                f"the wet recording is silent in its {purpose} stretches "
                f"({_list_seconds(stretches, pair.sample_rate)}); record playing throughout"
            )
    return split


def _list_seconds(stretches: Iterable[Stretch], sample_rate: int) -> str:
    return ", ".join(f"{s.start / sample_rate:.1f}–{s.end / sample_rate:.1f} s" for s in stretches)


def cut_warmed(audio: Float32Array, stretch: Stretch, warm_up_frames: int) -> Float32Array:
    """A stretch and the audio just before it; silence where the recording has not begun.

    Parameters
    ----------
    audio : float32 (frames,)
    stretch : Stretch
    warm_up_frames : int
        How much to put before it.

    Returns
    -------
    float32 (warm_up_frames + len(stretch),)
    """
    begin = stretch.start - warm_up_frames
    silence = np.zeros(max(0, -begin), np.float32)
    return np.concatenate([silence, audio[max(0, begin) : stretch.end]])
