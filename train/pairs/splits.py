"""Cut a pair into stretches for training, validation and test."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import TrainingError
from train.pairs.pair import Pair
from train.pairs.source import audio_blocks
from train.pairs.stretch import Stretch

PART_S = 25.0  # a recording is split part by part, so that every kind of playing is in every split
MAX_PARTS = 8
HELD_OUT = 0.1  # the share of every part that is kept for validation, and again for the test
SHORTEST_PIECE_S = 1.0  # beside a gap
SILENCE = 1e-4  # a peak below −80 dB is no playing


@dataclass(frozen=True)
class Split:
    """Stretches of one recording that do not overlap."""

    train: tuple[Stretch, ...]
    validation: tuple[Stretch, ...]
    test: tuple[Stretch, ...]


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
        every frame once, but for the gaps of the pair and what is too short between them.

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
    rate = pair.sample_rate
    split = Split(
        leave_gaps(train, pair.gaps, rate),
        leave_gaps(validation, pair.gaps, rate),
        leave_gaps(test, pair.gaps, rate) if with_test else (),
    )
    for purpose, stretches in (("training", split.train), ("validation", split.validation), ("test", split.test)):
        if not stretches and (purpose != "test" or with_test):
            raise TrainingError(f"nothing is left for {purpose} between the places that are left out; record again")
        if stretches and all(_is_silent(pair.wet[s.start : s.end]) for s in stretches):
            raise TrainingError(
                f"the wet recording is silent in its {purpose} stretches "
                f"({_list_seconds(stretches, pair.sample_rate)}); record playing throughout"
            )
    return split


def leave_gaps(stretches: Iterable[Stretch], gaps: Sequence[Stretch], sample_rate: int) -> tuple[Stretch, ...]:
    """Stretches without the gaps, none across one.

    What is left beside a gap and shorter than a second is left out too, unless nothing longer is there: the shortest
    stretch decides how long all segments of a training are.
    """
    whole: list[Stretch] = []
    pieces: list[Stretch] = []
    for stretch in stretches:
        rest = [stretch]
        for gap in gaps:
            cut = ((Stretch(s.start, min(s.end, gap.start)), Stretch(max(s.start, gap.end), s.end)) for s in rest)
            rest = [piece for both in cut for piece in both if piece.end > piece.start]
        (whole if rest == [stretch] else pieces).extend(rest)
    long = [piece for piece in pieces if len(piece) >= SHORTEST_PIECE_S * sample_rate]
    if not whole and not long:
        long = sorted(pieces, key=len)[-1:]
    return tuple(sorted([*whole, *long], key=lambda stretch: stretch.start))


def _is_silent(audio: Float32Array) -> bool:
    return all(np.abs(block).max() < SILENCE for _, block in audio_blocks(audio))


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
