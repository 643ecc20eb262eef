"""Where presets are found by name."""

from pathlib import Path

from fxhost.errors import PresetError
from fxhost.preset.captures import refuse_kind


def shipped_presets_folder() -> Path:
    """The folder with the presets that come with fxhost."""
    installed = Path(__file__).parents[1] / "presets"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "presets"


def find_preset(name: str) -> Path:
    """The file that a PRESET argument means: a path, or else the name of a shipped preset.

    Raises
    ------
    PresetError
        If there is neither.
    """
    try:
        path = Path(name).expanduser()
        if path.is_file():
            return path
    except (OSError, RuntimeError) as err:  # a name too long, a folder closed to us, no such user
        raise PresetError(f"cannot look for {name[:80]}: {err}") from err
    shipped = {found.stem: found for found in sorted(shipped_presets_folder().glob("*.pt"))}
    if name in shipped:
        return shipped[name]
    if path.is_dir():
        raise refuse_kind(path)
    raise PresetError(f"no such preset: {name}; give a .pt file or one of: {', '.join(shipped)}")
