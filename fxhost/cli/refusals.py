"""What the system refuses, in words: memory, files, an encoding, a library that cannot be loaded."""

import errno
import os
import sys
from collections.abc import Sequence
from types import TracebackType

from fxhost.io.environment import GONE, has_current_folder

# How the libraries below Python say that there is no memory, in any error of theirs; threads need some too.
MEMORY_WORDS = (
    "allocate memory",
    "out of memory",
    "not enough memory",
    "failed to map segment",
    "bad_alloc",
    "start new thread",
    "resource temporarily unavailable",
    "without exception set",  # of a C function; seen where memory ran out
)
HINTS = {
    errno.EMFILE: "this process may open no more; raise the limit (ulimit -n)",
    errno.ENFILE: "the system can open no more; close other programs",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room on the disk",
    errno.EROFS: "choose another folder",
    errno.EACCES: "choose another, or change whom it lets",
}
OURS = ("fxhost", "train")


def describe_refusal(chain: Sequence[BaseException]) -> str | None:
    """Say what was refused, and what to do.

    Parameters
    ----------
    chain : sequence of exceptions
        The error that ended the command, then those that it came from.

    Returns
    -------
    str or None
        None where the error is none of the system's.
    """
    err = chain[0]
    if not isinstance(err, Exception):
        return None
    if any(map(is_lack_of_memory, chain)):
        return "not enough memory; close other programs, raise the limit (ulimit -v), or ask for something smaller"
    if (library := find_broken_library(chain)) is not None:
        return (
            f"cannot load {library}, which fxhost needs: {type(err).__name__}: {err}; install it again "
            f"(python -m pip install --force-reinstall {library})"
        )
    if isinstance(err, UnicodeEncodeError):
        return (
            f"{err.object!r} cannot be said in this system's encoding, which is {err.encoding}; "
            "set a UTF-8 locale (LC_ALL=C.UTF-8), or rename the file"
        )
    if isinstance(err, OSError):
        return describe_os_error(err)
    return None


def is_lack_of_memory(err: BaseException) -> bool:
    """Whether an error says that memory was refused."""
    if isinstance(err, MemoryError) or (isinstance(err, OSError) and err.errno == errno.ENOMEM):
        return True
    is_native = isinstance(err, RuntimeError | ImportError | OSError | SystemError) and getattr(err, "errno", None) in (
        None,
        errno.EAGAIN,
    )
    return is_native and any(words in str(err).lower() for words in MEMORY_WORDS)


def describe_os_error(err: OSError) -> str:
    """An operating system's error with its file."""
    where = "the system" if err.filename is None else str(os.fsdecode(err.filename))
    if isinstance(err, FileNotFoundError) and not has_current_folder():
        return GONE
    hint = HINTS.get(err.errno or 0)
    return f"{where}: {err.strerror or err}" + (f"; {hint}" if hint else "")


def find_broken_library(chain: Sequence[BaseException]) -> str | None:
    """The library of others that was being imported when an error was raised, if one was.

    Parameters
    ----------
    chain : sequence of exceptions
        An error, then those that it came from.
    """
    for err in chain:
        found = [name for name in importing_modules(err.__traceback__) if name not in OURS]
        if isinstance(err, ImportError) and err.name:
            found.append(err.name.partition(".")[0])
        library = next((name for name in found if name not in sys.stdlib_module_names), None)
        if library is not None:
            return library
    return None


def importing_modules(trace: TracebackType | None) -> list[str]:
    """The packages of the modules that were being imported where an error was raised, outermost first."""
    found = []
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "<module>" and (name := frame.f_globals.get("__name__")) != "__main__":
            found.append(str(name).partition(".")[0])
        trace = trace.tb_next
    return found
