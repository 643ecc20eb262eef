"""A set list: rigs to step through while playing, each of which is loaded when its turn comes."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fxhost.errors import FxhostError, PresetError
from fxhost.preset.library import PRESET_ENDINGS
from fxhost.rig.rig import Rig

MOST_FILES = 10_000  # of a folder


@dataclass(frozen=True)
class Entry:
    """A rig of a set list: its name, what loads it, and its rig file, where it has one."""

    name: str
    make: Callable[[], Rig]
    path: Path | None = None


class SetList:
    """Rigs in order, one of which is the current one.

    Parameters
    ----------
    entries : sequence of Entry
        At least one.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries, self.index = list(entries), 0

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def current(self) -> Entry:
        """The one that plays, or is being loaded."""
        return self.entries[self.index]

    def step(self, steps: int) -> Entry:
        """Go on by so many, after the last to the first, and return the entry there."""
        self.index = (self.index + steps) % len(self.entries)
        return self.current


@dataclass(frozen=True)
class Unreadable:
    """A file of a folder that cannot be opened, and why."""

    path: Path
    reason: str


def list_captures(folder: Path) -> list[Path]:
    """The presets and captures in a folder and below it, sorted by their paths.

    Raises
    ------
    PresetError
        If there is none.
    """
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        found += [Path(place) / file for file in sorted(files) if file.casefold().endswith(PRESET_ENDINGS)]
        if len(found) > MOST_FILES:
            break
    if not found:
        raise PresetError(
            f"there is no preset or capture in {folder}, by endings ({', '.join(PRESET_ENDINGS)}); give another folder"
        )
    return found[:MOST_FILES]


def read_folder(
    folder: Path, make: Callable[[Path], Rig], check: Callable[[Path], object]
) -> tuple[SetList, list[Unreadable]]:
    """The set list of a folder of captures, without those that cannot be opened.

    Parameters
    ----------
    folder : Path
    make : callable
        Makes a rig of a file.
    check : callable
        Opens a file, or raises an FxhostError.

    Raises
    ------
    PresetError
        If there is no capture that can be opened.
    """
    entries, unreadable = [], []
    for path in list_captures(folder):
        try:
            check(path)
        except FxhostError as err:
            unreadable.append(Unreadable(path, str(err)))
        else:
            name = str(path.relative_to(folder).with_suffix(""))
            entries.append(Entry(name, lambda path=path: make(path)))  # type: ignore[misc]
    if not entries:
        which = f"none of the {len(unreadable)} captures" if len(unreadable) > 1 else "no capture"
        raise PresetError(f"{which} in {folder} can be opened: {unreadable[0].reason}")
    return SetList(entries), unreadable
