"""The error tree. Every message says what is wrong, what was expected, and what to do.

FxhostError
├── FileError       a file that cannot be read, or must not be written
│   ├── DiskFullError   a disk that has no room for it
│   ├── PresetError     a preset that is damaged, foreign, or newer than this program
│   └── AudioError      a recording that cannot be used
├── DeviceError     no device, no such device, or one that refuses what was asked
├── EngineError     the effect failed while it was playing
├── RigError        a rig file, or a setting of a stage, that makes no sense
└── TrainingError   a dry/wet pair, or settings, that nothing can be learned from
"""

from pathlib import Path

from fxhost.plain_text import plain_line


class FxhostError(Exception):
    """Something the user can mend; the command line prints it as one line and exits with 1.

    Parameters
    ----------
    message : str
        May hold what a stranger's file says: it is kept as one line of printable characters, shortened in the middle.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(plain_line(message))


class FileError(FxhostError):
    """A file that cannot be read, or must not be written."""


class DiskFullError(FileError):
    """A disk that has no room for a file, or a user who may have no more of it."""


class PresetError(FileError):
    """A preset that is damaged, foreign, or newer than this program."""


class AudioError(FileError):
    """A recording that cannot be used."""


class DeviceError(FxhostError):
    """No device, no such device, or one that refuses what was asked."""


class EngineError(FxhostError):
    """The effect failed while it was playing."""


class RigError(FxhostError):
    """A rig file, or a setting of a stage, that makes no sense."""


class TrainingError(FxhostError):
    """A dry/wet pair, or settings, that nothing can be learned from."""


def explain_unread(path: Path, err: OSError) -> str:
    """The message for a file that the system does not let one read."""
    if isinstance(err, FileNotFoundError):
        return f"no such file: {path}"
    if isinstance(err, IsADirectoryError):
        return f"{path} is a folder; give a file"
    return f"cannot read {path}: {err.strerror or err}; give a file that you may read"
