"""Whole files or none: a file is written beside its final place and renamed when complete."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fxhost.errors import DiskFullError, FileError

FULL = {errno.ENOSPC, errno.EDQUOT}
ROOM_BYTES, ROOM_TRIES = 1 << 16, 16  # a first write may be done in part
CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def refuse_inputs(output: Path, inputs: Iterable[Path | None], what: str = "inputs") -> None:
    """Refuse an output that is one of the inputs, under whatever name: it would replace what it is made from.

    Parameters
    ----------
    output : Path
    inputs : iterable of Path or None
        The files that are read.
    what : str
        What they are, for the message.

    Raises
    ------
    FileError
        If `output` is there and is one of them: the same path, or a link to the same file.
    """
    own = identify(output)
    if own is None:
        return
    for path in inputs:
        if path is not None and identify(path) == own:
            alias = "" if path == output else f", {path}"
            raise FileError(
                f"{output} is one of the {what}{alias}, which are never replaced, not even with --force; "
                "choose another name for the output"
            )


def identify(path: Path) -> tuple[int, int] | None:
    """What a file has in common under all its names, those of links too; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def check_output(path: Path, *, overwrite: bool, inputs: Iterable[Path | None] = ()) -> None:
    """Refuse a file that could not be written, before the work that would be lost with it.

    Parameters
    ----------
    path : Path
        The file that will be written.
    overwrite : bool
        Whether an existing file may be replaced.
    inputs : iterable of Path or None
        The files that are read, none of which may be replaced.

    Raises
    ------
    FileError
        If `path` exists and may not be replaced, is a folder, or its folder is missing or closed to writing.
    """
    refuse_inputs(path, inputs)
    if path.is_dir():
        raise FileError(f"{path} is a folder; give the name of a file to write")
    if path.exists() and not overwrite:
        raise FileError(f"{path} exists already; choose another name or add --force to replace it")
    folder = path.parent
    if not folder.is_dir():
        if folder.exists():
            raise FileError(f"cannot write {path}: {folder} is a file, not a folder; give the name of a folder")
        raise FileError(f"cannot write {path}: there is no folder {folder}; make it first")
    check_folder(folder, path)


def check_folder(folder: Path, wanted: Path) -> None:
    """Refuse a folder in which nothing can be written.

    Raises
    ------
    FileError
        With `wanted` as what cannot be written.
    """
    try:
        handle, probe = tempfile.mkstemp(dir=folder, prefix=".fxhost-")
    except OSError as err:
        raise explain_refusal(wanted, err) from err
    os.close(handle)
    os.unlink(probe)


def ask_for_room(path: Path) -> None:
    """Find out whether a file that is being written may grow; it is left as it was.

    Raises
    ------
    OSError
        What the system says where it may not.
    """
    with open(path, "r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            for _ in range(ROOM_TRIES):
                file.write(bytes(ROOM_BYTES))
            os.fsync(file.fileno())
        finally:
            with suppress(OSError):
                file.truncate(end)


def explain_refusal(path: Path, err: OSError) -> FileError:
    """The error to raise where the system refuses to write a file, with what it said."""
    told = f"cannot write {path}: {err.strerror or err}"
    if err.errno in FULL:
        return DiskFullError(f"{told}; make room on the disk")
    return FileError(f"{told}; choose {'a folder you may write to' if err.errno in CLOSED else 'another place'}")


def native_name(path: Path) -> bytes | str:
    """The name of a file for libraries that would encode it themselves: on Unix the very bytes, in any locale."""
    return str(path) if os.name == "nt" else os.fsencode(path)


@contextmanager
def replacing(path: Path, *, overwrite: bool, inputs: Iterable[Path | None] = ()) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block ends without an error.

    Parameters
    ----------
    path : Path
        The file that will be written. Its ending is kept, because audio libraries choose the format by it.
    overwrite : bool
        Whether an existing file may be replaced.
    inputs : iterable of Path or None
        The files that are read, none of which may be replaced.

    Raises
    ------
    FileError
        As `check_output`, and if the disk refuses the file (full, read-only).
    """
    check_output(path, overwrite=overwrite, inputs=inputs)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as err:
        raise explain_refusal(path, err) from err
    finally:
        with suppress(OSError):
            partial.unlink()


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with the ends of lines that it has, without the byte order mark of some editors.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        raise FileError(f"cannot read {path}: {err}") from err


def write_text(path: Path, text: str, *, overwrite: bool, inputs: Iterable[Path | None] = ()) -> None:
    """Write a text file in UTF-8, whole or not at all, with the ends of lines that it has.

    Raises
    ------
    FileError
        If it exists and may not be replaced, is one of the inputs, or cannot be written.
    """
    with replacing(path, overwrite=overwrite, inputs=inputs) as partial:
        partial.write_text(text, encoding="utf-8", newline="")
