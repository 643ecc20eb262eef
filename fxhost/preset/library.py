"""Where presets are found by name: those that come with fxhost, the user's library, and folders that were added.

The library is the folder `presets` among the user's data. The folders that were added are kept beside it, as a list in
`folders.json`. An own preset goes before a shipped one of the same name.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from fxhost.errors import FileError, PresetError
from fxhost.nearest import find_nearest
from fxhost.preset.captures import ENDINGS, PACKED_ENDINGS, refuse_kind

PRESET_ENDINGS = (".pt", *ENDINGS, *PACKED_ENDINGS)
SHIPPED, LIBRARY = "shipped", "library"
MOST_FILES = 20_000  # of a folder and those below it
LARGEST_LIST = 1 << 20  # bytes


@dataclass(frozen=True)
class Entry:
    """A preset that can be named.

    Attributes
    ----------
    name : str
        The file's name without its ending.
    path : Path
    origin : str
        'shipped', 'library', or the folder that was added.
    """

    name: str
    path: Path
    origin: str


def shipped_presets_folder() -> Path:
    """The folder with the presets that come with fxhost."""
    installed = Path(__file__).parents[1] / "presets"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "presets"


def library_folder() -> Path:
    """The folder of the user's own presets; it need not exist."""
    return Path(platformdirs.user_data_path("fxhost", appauthor=False)) / "presets"


def added_folders() -> list[Path]:
    """The folders that `fxhost presets add` was told of; a list that cannot be read is empty."""
    try:
        with open(_list_of_folders(), "rb") as file:
            folders = json.loads(file.read(LARGEST_LIST))
    except (OSError, ValueError, RecursionError):
        return []
    return [Path(folder) for folder in folders if isinstance(folder, str)] if isinstance(folders, list) else []


def keep_folders(folders: list[Path]) -> None:
    """Keep the list of added folders.

    Raises
    ------
    FileError
        If the list cannot be written.
    """
    path = _list_of_folders()
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps([str(folder) for folder in folders], indent=1))
        partial.replace(path)
    except OSError as err:
        raise FileError(f"cannot write {path}: {err.strerror or err}") from err


def list_presets() -> list[Entry]:
    """Everything that can be named: own presets first, then those of added folders, then shipped ones."""
    entries = list(_files_in(library_folder(), LIBRARY))
    for folder in added_folders():
        entries += _files_in(folder, str(folder))
    return [*entries, *_files_in(shipped_presets_folder(), SHIPPED)]


def find_preset(name: str) -> Path:
    """The file that a PRESET argument means: a path, or else the name of a preset, in either case.

    Raises
    ------
    PresetError
        If there is neither, or several presets of the user have that name.
    """
    try:
        path = Path(name).expanduser()
        if path.is_file():
            return path
    except (OSError, RuntimeError) as err:  # a name too long, a folder closed to us, no such user
        raise PresetError(
            f"cannot look for {name[:80]}: {getattr(err, 'strerror', None) or err}; give a shorter name or a path"
        ) from err
    entries = list_presets()
    for is_shipped in (False, True):
        found = [entry for entry in entries if (entry.origin == SHIPPED) == is_shipped]
        found = [entry for entry in found if entry.name.casefold() == name.casefold()]
        if len(found) > 1:
            paths = ", ".join(str(entry.path) for entry in found)
            raise PresetError(f"several presets are called {name}; give the path of one: {paths}")
        if found:
            return found[0].path
    if path.is_dir():
        raise refuse_kind(path)
    if path.exists():
        raise PresetError(f"{name} is not a file; give a .pt, .nam, .json or .aidax file")
    raise PresetError(_describe_missing(name, path, [entry.name for entry in entries]))


def resolve_output(path: Path) -> Path:
    """Where a preset is written: a bare name without an ending means the library, a path without one gets .pt.

    Raises
    ------
    FileError
        If the ending is another than .pt, or the library cannot be made.
    """
    if path.suffix.lower() == ".pt" or path.is_dir() or not path.name:
        return path
    if path.suffix:
        named = path.with_suffix(".pt")
        raise FileError(f"{path} does not end in .pt, as presets do; give {named}, or {path.stem} for your library")
    if len(path.parts) != 1:
        return path.with_suffix(".pt")
    folder = library_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise FileError(f"cannot make {folder}: {err.strerror or err}") from err
    return folder / f"{path.name}.pt"


def _describe_missing(name: str, path: Path, names: list[str]) -> str:
    if path.suffix or len(path.parts) > 1:
        return f"no such file: {name}"
    near = find_nearest(name, names)
    guess = f"; did you mean {near}?" if near else f"; there are: {', '.join(dict.fromkeys(names))}"
    return f"no such preset: {name}{guess}"


def _list_of_folders() -> Path:
    return library_folder().parent / "folders.json"


def _files_in(folder: Path, origin: str) -> Iterator[Entry]:
    """The presets and captures in a folder and below it; what cannot be read is left out."""
    seen = 0
    for place, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            seen += 1
            if seen > MOST_FILES:
                return
            ending = next((ending for ending in PRESET_ENDINGS if file.casefold().endswith(ending)), None)
            if ending is not None:
                yield Entry(file[: -len(ending)], Path(place) / file, origin)
