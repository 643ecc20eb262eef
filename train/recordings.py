"""The recordings of a training: read, checked against each other, and split by purpose."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fxhost.errors import TrainingError
from train.pairs.pair import Pair
from train.pairs.read import read_pair
from train.pairs.source import release_pages
from train.pairs.splits import leave_gaps, split_pair
from train.pairs.stretch import Material, Stretch
from train.settings import Settings

OVER_DB = 0.5  # a wet peak from here on is not heard as it was recorded


@dataclass(frozen=True)
class Recordings:
    """What a training learns from and is measured on.

    Attributes
    ----------
    pairs : list of Pair
        Those to train on, of one sample rate.
    test : Pair or None
        The pair of the test, unless a tenth of each of the others is kept for it.
    taught, validated, tested : list of Material
        The stretches of each purpose.
    """

    pairs: list[Pair]
    test: Pair | None
    taught: list[Material]
    validated: list[Material]
    tested: list[Material]

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self.pairs[0].sample_rate

    @property
    def hashes(self) -> list[str]:
        """SHA-256 of all files."""
        texts = [text for pair in self.pairs for text in (pair.dry_sha256, pair.wet_sha256)]
        return texts + ([f"test {text}" for text in (self.test.dry_sha256, self.test.wet_sha256)] if self.test else [])

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about them but does not stop the training."""
        everything = (*self.pairs, *([self.test] if self.test else []))
        notes = tuple(note for pair in everything for note in pair.notes)
        peak_db = max(pair.findings["wet"]["peak_db"] or 0.0 for pair in self.pairs)
        if peak_db > OVER_DB:
            notes += (
                f"the wet side reaches {peak_db:+.1f} dB of full scale, at which the host limits what it plays; play "
                f"the preset with --output-gain-db {-math.ceil(peak_db)}",
            )
        return notes

    def release_pages(self) -> None:
        """Let the system take back the memory of what is mapped from the disk."""
        for pair in self.pairs:
            release_pages(pair.dry)
            release_pages(pair.wet)


def read_recordings(
    settings: Settings, pairs: Sequence[tuple[Path, Path]], test: tuple[Path, Path] | None, *, force: bool
) -> Recordings:
    """Read and split the recordings of a training.

    Parameters
    ----------
    settings : Settings
    pairs : sequence of pair of Path
        Dry and wet.
    test : pair of Path, optional
        Another recording to test on. Without it a tenth of each pair is kept for that.
    force : bool
        Whether recordings are taken that look swapped.

    Raises
    ------
    AudioError
        If a recording cannot be used.
    TrainingError
        If they do not belong together, or the test is what is trained on.
    """
    read = functools.partial(read_pair, channel=settings.channel, delay_frames=settings.delay, force=force)
    recordings = [read(dry, wet) for dry, wet in pairs]
    test_pair = read(*test) if test else None
    _check_rates(pairs, recordings, test, test_pair)
    splits = [split_pair(pair, with_test=test is None) for pair in recordings]
    taught, validated, tested = (
        [Material(pair.dry, pair.wet, getattr(split, name)) for pair, split in zip(recordings, splits, strict=True)]
        for name in ("train", "validation", "test")
    )
    if test_pair:
        whole = leave_gaps([Stretch(0, len(test_pair.dry))], test_pair.gaps, test_pair.sample_rate)
        tested = [Material(test_pair.dry, test_pair.wet, whole)]
    return Recordings(recordings, test_pair, taught, validated, tested)


def _check_rates(
    pairs: Sequence[tuple[Path, Path]],
    recordings: Sequence[Pair],
    test: tuple[Path, Path] | None,
    test_pair: Pair | None,
) -> None:
    """Refuse recordings of different rates, and a test on what is trained on."""
    first = recordings[0]
    others = [*zip(pairs, recordings, strict=True), *([(test, test_pair)] if test and test_pair else [])]
    for paths, pair in others:
        if pair.sample_rate != first.sample_rate:
            raise TrainingError(
                f"{paths[0]} has {pair.sample_rate} Hz, but {pairs[0][0]} has {first.sample_rate} Hz; "
                "export all at the same rate"
            )
    if test and test_pair:
        for pair in recordings:
            if pair.dry_sha256 in (test_pair.dry_sha256, test_pair.wet_sha256):
                raise TrainingError(f"{test[0]} is what is trained on; test on another recording or leave the test out")
