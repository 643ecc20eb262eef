"""Read the two sides of a pair, each from the channel that is meant: of two files, or of one that holds both."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import AudioError
from fxhost.io.channels import Choice, choose_sides, parse_channels
from fxhost.io.recordings import Recording
from train.pairs.hum import find_hum
from train.pairs.levels import AT_FULL_SCALE, FULL_SCALE, TENTH_S, SideLevels, measure_levels, to_db
from train.pairs.source import Source, read_source
from train.pairs.wild import describe_wild_samples, mend_wild_samples

SILENCE = 1e-4  # a peak below −80 dB is no recording
LEAST_RMS, LEAST_SOUND_S = 1e-6, 0.5  # what sounds in so little of the time is a click


def read_sides(dry: Path, wet: Path, channel: str = "auto") -> tuple[Source, Source]:
    """Both sides of a pair, as they are in their files but for single wild samples; see `train.pairs.wild`.

    Parameters
    ----------
    dry, wet : Path
        The same file twice if it holds dry on one channel and wet on another.
    channel : str
        See `fxhost.io.channels.parse_channels`. One word alone speaks of the files that have several channels.

    Returns
    -------
    dry, wet : Source

    Raises
    ------
    AudioError
        If a file cannot be used, or has no such channel.
    """
    wanted: tuple[int | Choice | None, int | Choice | None] = parse_channels(channel)
    if wanted == (None, None) and dry.exists() and wet.exists() and dry.samefile(wet):
        wanted = choose_sides(dry) or wanted
    elif "," not in channel and wanted[0] is not None:
        counts = [_count_channels(path) for path in (dry, wet)]
        if max(counts) > 1:
            wanted = wanted[0] if counts[0] > 1 else None, wanted[1] if counts[1] > 1 else None
    return _read_mended(dry, wanted[0]), _read_mended(wet, wanted[1])


def measure_source(source: Source, *, any_flat_top: bool) -> SideLevels:
    """The levels of one side; see `train.pairs.levels.measure_levels`.

    Raises
    ------
    AudioError
        If it is silent, or holds nothing but a click or hum.
    """
    levels = measure_levels(source.audio, source.sample_rate, any_flat_top=any_flat_top)
    if levels.peak < SILENCE:
        raise AudioError(
            f"{source.path} is silent: its peak is {levels.peak:.1e} of full scale, below {SILENCE:g}; record again"
        )
    sounding = TENTH_S * int(np.count_nonzero(levels.tenths > LEAST_RMS**2))
    if sounding < LEAST_SOUND_S:
        raise AudioError(f"{source.path} is silent but for {sounding:.1f} s, as long as a click; record playing")
    if hum := find_hum(source.audio, source.sample_rate):
        raise AudioError(
            f"{source.path} holds nothing but hum, {hum:g} Hz of the mains from beginning to end; "
            "plug the cable in, turn the volume up, and record again"
        )
    return levels


def measure_again(audio: Float32Array, before: SideLevels, sample_rate: int) -> SideLevels:
    """The levels of what was moved; where it was clipped is seen before that."""
    return replace(measure_levels(audio, sample_rate), clipped_places=before.clipped_places)


def note_flat_tops(dry: Source, levels: SideLevels) -> str:
    """What the flat tops of the dry side mean: no guitar has them."""
    if not levels.clipped_places:
        return ""
    if levels.peak >= FULL_SCALE - AT_FULL_SCALE:
        return (
            f"{dry.path.name} is clipped at full scale in at least {levels.clipped_places} places; "
            "record it at a lower level"
        )
    return (
        f"{dry.path.name} has flat tops at {to_db(levels.peak):.1f} dB in at least {levels.clipped_places} places, as "
        "if it had been clipped and then turned down; record it at a lower level"
    )


def note_clipping(wet: Source, levels: SideLevels) -> str:
    """What the flat tops of the wet side may mean: at full scale a converter's, unless the effect made them."""
    if not levels.clipped_places:
        return ""
    return (
        f"{wet.path.name} is clipped at full scale in at least {levels.clipped_places} places; if the effect does not "
        "do that itself, record it at a lower level"
    )


def _read_mended(path: Path, channel: int | Choice | None) -> Source:
    """One side, without samples that no sound made."""
    source = read_source(path, channel)
    found = mend_wild_samples(source.audio, source.sample_rate)
    if not found:
        return source
    return replace(source, notes=(*source.notes, describe_wild_samples(path.name, found, source.sample_rate)))


def _count_channels(path: Path) -> int:
    with Recording(path) as recording:
        return recording.channels
