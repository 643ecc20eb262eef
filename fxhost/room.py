"""Whether a limit of address space (`ulimit -v`) leaves room for the libraries that a command loads.

They do not raise where memory is refused in the middle of their work: LLVM and torch abort, OpenBLAS waits for ever.
So it is asked before.
"""

import argparse
import mmap
from contextlib import suppress

from fxhost.errors import FxhostError

MB = 1_000_000
KERNELS, TORCH, TRAINING = 550, 1100, 1800  # MB of address space: the most that was seen of each, and a tenth more
NEEDS = {"run": KERNELS, "render": KERNELS, "bench": KERNELS, "export": KERNELS, "import": TORCH, "train": TRAINING}


def check_room(options: argparse.Namespace) -> None:
    """Refuse a command for whose libraries there is no room.

    Raises
    ------
    FxhostError
        With the room that it needs.
    """
    needed = NEEDS.get(options.command, 0)
    if "torchscript" in getattr(options, "engine", ()) or getattr(options, "check", False):
        needed = max(needed, TORCH)
    if needed and is_limited() and not is_free(needed * MB):
        raise FxhostError(
            f"not enough memory: `fxhost {options.command}` needs {needed} MB of address space; "
            "raise the limit (ulimit -v)"
        )


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
