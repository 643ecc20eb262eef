"""Files that only this user and root can change: compiled code is read from no others.

A path is followed part by part, because whoever may write in a folder can put another thing in the place of what lies
in it. Where the system has no owners (Windows), a user's folders are taken to be the user's.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

HAS_OWNERS = hasattr(os, "getuid")
MOST_LINKS = 40  # as Linux follows


class UntrustedError(OSError):
    """A file or folder that somebody else could have put there."""


def find_weakness(folder: Path, *, may_be_shared: bool = False) -> str:
    """Say who else could put files into a folder.

    Parameters
    ----------
    folder : Path
        Absolute. Links on the way are followed, and have to be trusted as well.
    may_be_shared : bool
        Whether only a folder within it is to be used: others may write in it then, as in `/tmp`.

    Returns
    -------
    str
        What is weak, as the end of a sentence; empty where nothing is.

    Raises
    ------
    OSError
        If there is no such folder.
    """
    if not HAS_OWNERS:
        return ""
    here, pending, links = Path(folder.anchor), list(reversed(folder.parts[1:])), 0
    while pending:
        part = pending.pop()
        here = here.parent if part == ".." else here / part
        status = here.lstat()
        if stat.S_ISLNK(status.st_mode):
            if not _is_ours(status):
                return f"the link {here} belongs to {_owner(status)}"
            if (links := links + 1) > MOST_LINKS:
                raise OSError(f"too many links in {folder}")
            target = here.readlink()
            here = Path(target.anchor) if target.is_absolute() else here.parent
            pending += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        elif weakness := describe_weakness(str(here), status, may_be_shared=may_be_shared or bool(pending)):
            return weakness
    return ""


def describe_weakness(name: str | int, status: os.stat_result, *, may_be_shared: bool = False) -> str:
    """Why a file or folder with this status is not trusted; empty if it is.

    Parameters
    ----------
    name : str or int
        Of a file or folder, or its open descriptor.
    status : os.stat_result
    may_be_shared : bool
        Whether others may write in it, if each may move only what is its own (the sticky bit).
    """
    if not _is_ours(status):
        return f"{name} belongs to {_owner(status)}"
    mode = stat.S_IMODE(status.st_mode)
    by_group = mode & stat.S_IWGRP and not _is_private_group(name, status)
    if (mode & stat.S_IWOTH or by_group) and not (may_be_shared and mode & stat.S_ISVTX):
        return f"{name} may be written by others (mode {mode:04o})"
    return ""


def read_trusted(path: Path, limit: int = -1) -> bytes:
    """The content of a regular file, at most `limit` bytes. Trust is checked on the opened file, not on its name.

    Raises
    ------
    UntrustedError
        If somebody else could have written the file.
    OSError
        If it cannot be read.
    """
    if not HAS_OWNERS:
        with open(path, "rb") as file:
            return file.read(limit)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        weakness = describe_weakness(folder, os.fstat(folder))
        number = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
    with open(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path.name} is not a regular file")
        if weakness := weakness or describe_weakness(number, status):
            raise UntrustedError(weakness.partition(" ")[2])
        return file.read(limit)


def write_new(path: Path, content: bytes) -> None:
    """Make a file that only this user can change, whatever the user's umask.

    Raises
    ------
    OSError
        If there is such a file, or it cannot be written.
    """
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644), "wb") as file:
        file.write(content)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone.

    Raises
    ------
    OSError
        If that cannot be done.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another process made it
            folder.mkdir(mode=0o700)


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.getuid())


def _owner(status: os.stat_result) -> str:
    try:
        import pwd

        return f"user {pwd.getpwuid(status.st_uid).pw_name}"
    except (ImportError, KeyError):
        return f"user {status.st_uid}"


def _is_private_group(name: str | int, status: os.stat_result) -> bool:
    """Whether a group is that of this user alone: many systems give each user one, and let it write."""
    try:
        import grp
        import pwd

        user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(status.st_gid)
    except (ImportError, KeyError):
        return False
    if user.pw_uid == 0 or (group.gr_gid, group.gr_name) != (user.pw_gid, user.pw_name):
        return False
    return set(group.gr_mem) <= {user.pw_name} and not _has_access_list(name)


def _has_access_list(name: str | int) -> bool:
    """Whether an access list names more users than the mode shows."""
    if not hasattr(os, "listxattr"):
        return False
    with suppress(OSError):
        return "system.posix_acl_access" in os.listxattr(name)
    return False
