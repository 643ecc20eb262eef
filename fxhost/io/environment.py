"""What the libraries that a command loads must find around them: room (`ulimit -v`), and a current folder.

They do not raise where memory is refused in the middle of their work: LLVM and torch abort, OpenBLAS waits for ever;
and MKL ends the process that stands in a folder that was removed. So both are checked before the libraries are loaded.
"""

import argparse
import mmap
import os
from contextlib import suppress
from pathlib import Path

from fxhost.errors import FxhostError

MB = 1_000_000
KERNELS, TORCH, TRAINING = 550, 1100, 1800  # MB of address space: the most that was seen of each, and a tenth more
NEEDS = {"run": KERNELS, "render": KERNELS, "bench": KERNELS, "doctor": KERNELS, "export": KERNELS, "import": KERNELS}
NEEDS |= {"train": TRAINING, "signal": TORCH}
GONE = "the current folder is gone; change to another"


def check_surroundings(options: argparse.Namespace) -> None:
    """Refuse a command whose libraries would not survive.

    Raises
    ------
    FxhostError
        If there is too little room, the current folder is gone, or numba may not compile.
    """
    needed = NEEDS.get(options.command, 0)
    if "torchscript" in getattr(options, "engine", ()) or getattr(options, "check", False):
        needed = max(needed, TORCH)
    if getattr(options, "rates", False):
        needed = max(needed, KERNELS)
    if needed and not has_current_folder():
        raise FxhostError(GONE)
    if needed and os.environ.get("NUMBA_DISABLE_JIT", "0").strip("0 "):
        raise FxhostError(
            "NUMBA_DISABLE_JIT is set, and fxhost cannot run so, because it plays with compiled code; unset it"
        )
    require_room(needed, f"`fxhost {options.command}`")


def require_room(needed: int, what: str) -> None:
    """Refuse what needs more MB of address space than a limit leaves.

    Raises
    ------
    FxhostError
        With what needs how much.
    """
    if needed and is_limited() and not is_free(needed * MB):
        raise FxhostError(f"not enough memory: {what} needs {needed} MB of address space; raise the limit (ulimit -v)")


def has_current_folder() -> bool:
    """Whether the folder that the process stands in is still there."""
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def is_limited() -> bool:
    """Whether this process may have only so much address space."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def is_free(size: int) -> bool:
    """Whether so many bytes of address space can be had; none of them is touched."""
    with suppress(OSError, ValueError, MemoryError):
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0).close()
        return True
    return False
