"""Find the pairs of recordings in a folder by the names that people give them.

A recording is the dry or the wet side of a take if its name ends so: `X-dry.wav` and `X-wet.wav`, also with an
underscore, a blank or a dot before the word, in any case, or just `dry.wav` and `wet.wav`. Names are compared in their
composed Unicode form, because a Mac writes an ö in two characters.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from fxhost.errors import AudioError

ENDINGS = (
    *(".wav", ".wave", ".bwf", ".w64", ".rf64", ".aiff", ".aif", ".aifc", ".caf", ".au", ".flac", ".ogg", ".opus"),
    ".mp3",
)
SIDE = re.compile(r"(?:(?P<take>.*)[-_ .])?(?P<side>dry|wet)", re.IGNORECASE | re.DOTALL)
SIDES = ("dry", "wet")

Sides = dict[str, list[Path]]  # the files of a take: "dry" and "wet"


def find_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """The recordings `X-dry.wav` and `X-wet.wav` in a folder, in the order of their names.

    Parameters
    ----------
    folder : Path
        What it holds below itself is left alone, and so are names that begin with a dot: those of a Mac's AppleDouble
        files are no recordings.

    Returns
    -------
    list of (Path, Path)
        Dry and wet.

    Raises
    ------
    AudioError
        If there are none, one of them is alone, there are two for one side, or a link leads nowhere.
    """
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as err:
        raise AudioError(f"cannot read the folder {folder}: {err.strerror}; give one that you may read") from err
    files = [path for path in found if path.suffix.lower() in ENDINGS and not path.is_dir()]
    sides = [(path, match) for path in files if (match := SIDE.fullmatch(_compose(path.stem)))]
    if not sides:
        such = f"it holds {len(files)} recordings, such as {files[0].name}, but none" if files else "it holds no files"
        raise AudioError(f"{folder} has no pairs: {such} named X-dry.wav and X-wet.wav; name your recordings so")
    for path, _ in sides:
        if path.is_symlink() and not path.exists():
            raise AudioError(f"{path} is a link to {path.readlink()}, which is not there; mend it or move it away")
    # names that differ in their case alone may be those of two takes
    exact = _group(sides, lambda take: take)
    whole = [group for group in exact.values() if all(len(group[side]) == 1 for side in SIDES)]
    paired = {path for group in whole for side in SIDES for path in group[side]}
    rest = _group([(path, match) for path, match in sides if path not in paired], str.casefold)
    for group in rest.values():
        _check_take(group)
    pairs = [(group["dry"][0], group["wet"][0]) for group in (*whole, *rest.values())]
    return sorted(pairs, key=lambda pair: _compose(pair[0].stem).casefold())


def _compose(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _group(sides: Iterable[tuple[Path, re.Match[str]]], key: Callable[[str], str]) -> dict[str, Sides]:
    """The files of each take."""
    takes: dict[str, Sides] = defaultdict(lambda: {side: [] for side in SIDES})
    for path, match in sides:
        takes[key(match["take"] or "")][match["side"].lower()].append(path)
    return takes


def _check_take(files: Sides) -> None:
    """Refuse a take that has not one file for each side."""
    for side, other in (SIDES, SIDES[::-1]):
        if len(files[side]) > 1:
            both = " and ".join(path.name for path in files[side])
            raise AudioError(
                f"{files[side][0].parent} has {len(files[side])} recordings of one {side} side: {both}; move all but "
                "one away"
            )
        if not files[side]:
            alone = files[other][0]
            wanted = alone.stem[: -len(other)] + side
            raise AudioError(f"{alone} is alone: there is no {wanted} beside it; add it or move {alone.name} away")
