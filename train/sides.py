"""Read the two sides of a pair, each from the channel that is meant: of two files, or of one that holds both."""

from dataclasses import replace
from pathlib import Path

from fxhost.audio import Recording
from fxhost.channels import Choice, choose_sides, parse_channels
from train.source import Source, read_source
from train.wild import describe_wild_samples, mend_wild_samples


def read_sides(dry: Path, wet: Path, channel: str = "auto") -> tuple[Source, Source]:
    """Both sides of a pair, as they are in their files but for single wild samples; see `train.wild`.

    Parameters
    ----------
    dry, wet : Path
        The same file twice if it holds dry on one channel and wet on another.
    channel : str
        See `fxhost.channels.parse_channels`. One word alone speaks of the files that have several channels.

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
