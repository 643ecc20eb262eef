"""Rig files: a rig with its slots and scenes in TOML. Paths are relative to the file.

    name = "My rig"
    input_gain_db = 0.0

    [[slot]]                     # in the order of the signal
    id = "drive"
    preset = "ts-overdrive"      # a name or a file
    knobs = { drive = 0.7 }

    [[slot]]
    id = "cab"
    type = "cabinet"
    files = ["v30.wav"]

    [[slot]]
    id = "amps"
    type = "blend"               # chains in parallel; also as [[slot.branch]] tables with [[slot.branch.slot]] in them
    mix = 0.8                    # 0 is dry; of effects, blends and cabinets
    branches = [
      { id = "clean", preset = "deluxe.nam", level = -3, pan = -0.5 },
      { slots = [{ preset = "ts9.nam" }, { type = "tone", bass = 2 }], delay_ms = 0.5 },
    ]

    [[scene]]                    # what differs from the slots above
    name = "Clean"
    off = ["drive"]
    slots.cab = { files = ["open-back.wav"] }
    slots.amps = { clean.mute = true, level2 = 3, "2.bass" = 0 }

A file with `rigs = ["a.toml", "b.toml"]` is a set list.
"""

import tomllib
from pathlib import Path

from fxhost.errors import FileError, RigError, explain_unread
from fxhost.rig.checked_table import Problem, Problems, Table, refuse
from fxhost.rig.file_reading import Reader, RigFile
from fxhost.rig.rig import Rig
from fxhost.rig.toml_lines import find_lines

MOST_BYTES = 1 << 20


def check_rig_file(path: Path) -> tuple[RigFile | None, list[Problem]]:
    """What a rig file says, or every mistake in it, sorted by lines.

    Raises
    ------
    FileError
        If the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as err:
        hint = f"; write one with fxhost rig init {path}" if isinstance(err, FileNotFoundError) else ""
        raise FileError(explain_unread(path, err) + hint) from err
    if len(data) > MOST_BYTES:
        raise FileError(f"{path} has {len(data)} bytes, a rig file at most {MOST_BYTES}; give a rig file")
    try:
        text = data.decode("utf-8-sig")
        content = tomllib.loads(text)
        problems = Problems(find_lines(text))
        read = Reader(path, Table(content, (), problems)).read()
    except UnicodeDecodeError as err:
        return None, [Problem(1 + data[: err.start].count(b"\n"), "this is not text in UTF-8; save the file as UTF-8")]
    except tomllib.TOMLDecodeError as err:
        line = str(err).rpartition("line ")[2].partition(",")[0]
        return None, [
            Problem(
                int(line) if line.isdigit() else len(data.splitlines()),
                f"this cannot be read as TOML: {str(err).partition(' (at')[0]}; put texts in quotes",
            )
        ]
    except RecursionError:
        return None, [Problem(1, "its arrays and tables are nested too deeply")]
    return (None if problems.found else read), sorted(problems.found)


def read_rig_file(path: Path) -> RigFile:
    """A rig file.

    Raises
    ------
    FileError
        If it cannot be read.
    RigError
        If it has a mistake: the first one, with its line.
    """
    read, problems = check_rig_file(path)
    if read is None:
        raise refuse(path, problems)
    return read


def load_rig(path: str | Path) -> Rig:
    r"""The rig of a rig file.

    Parameters
    ----------
    path : str or Path
        A TOML file as `fxhost rig init` writes one.

    Raises
    ------
    FileError
        If it cannot be read.
    RigError
        If it has a mistake, or is a set list.

    Examples
    --------
    >>> import fxhost, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rig.toml"
    >>> _ = path.write_text('[[slot]]\npreset = "ts-overdrive"\n')
    >>> fxhost.load_rig(path)
    Rig(a diode overdrive pedal)
    """
    read = read_rig_file(Path(path))
    if read.rig is None:
        raise RigError(f"{path} is a set list; give one of its rigs: {', '.join(rig.name for rig in read.rigs)}")
    return read.rig
