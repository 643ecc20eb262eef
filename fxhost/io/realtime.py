"""What the system grants the audio thread: a real-time priority, and memory that is never paged out.

Both are asked for and told, and neither is needed to play. Only Linux tells how a thread is scheduled; elsewhere that
is unknown. JACK gives its clients a priority; where an audio library leaves an ordinary thread, we ask for one.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from numpy.typing import NDArray

PRIORITY = 60  # above what is not audio, below JACK's own 70
WAY_TO_ALLOW = (
    "sudo usermod -aG audio $USER, the line '@audio - rtprio 95' in /etc/security/limits.d/audio.conf, and a new login"
)
HOW_TO_ALLOW = f"the audio thread has no real-time priority; to allow it: {WAY_TO_ALLOW}"
POLICIES = ("SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_IDLE")


@dataclass(frozen=True)
class Scheduling:
    """How the system schedules a thread: 'SCHED_FIFO', 'SCHED_RR' or 'SCHED_OTHER' and the like; priority 0 to 99."""

    policy: str
    priority: int

    @property
    def is_realtime(self) -> bool:
        """Whether the thread goes before all ordinary ones."""
        return self.policy in ("SCHED_FIFO", "SCHED_RR")


@dataclass(frozen=True)
class LockedMemory:
    """How many bytes of what the audio thread touches cannot be paged out."""

    locked_bytes: int
    wanted_bytes: int


def read_scheduling(thread: int) -> Scheduling | None:
    """How a thread is scheduled, or None where that is unknown or the thread is gone.

    Parameters
    ----------
    thread : int
        Its number in the system, as `Rack.thread` tells it; 0 is unknown.
    """
    if sys.platform != "linux" or not thread:
        return None
    try:
        policy = os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK
        priority = os.sched_getparam(thread).sched_priority
    except OSError:
        return None
    names = {getattr(os, name): name for name in POLICIES}
    return Scheduling(names.get(policy, f"policy {policy}"), priority)


def ask_for_priority(thread: int) -> None:
    """Give an ordinary thread a real-time priority, if the system lets this user do that."""
    scheduling = read_scheduling(thread)
    if sys.platform != "linux" or scheduling is None or scheduling.is_realtime:
        return
    import resource  # not on every system

    allowed = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    priority = min(PRIORITY, allowed) if allowed > 0 else PRIORITY  # −1 is without limit; at 0, only root may
    with suppress(OSError):
        os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))


def try_priority() -> bool | None:
    """Whether this user gets a real-time priority: a thread of its own asks for one and ends. None is unknown."""
    granted: list[Scheduling | None] = []

    def ask() -> None:
        ask_for_priority(threading.get_native_id())
        granted.append(read_scheduling(threading.get_native_id()))

    thread = threading.Thread(target=ask, name="asks for priority")
    thread.start()
    thread.join()
    return granted[0].is_realtime if granted and granted[0] is not None else None


def lock_memory(arrays: Iterable[NDArray[Any]]) -> LockedMemory:
    """Keep arrays in memory, the smallest first, as far as the system lets this user do that.

    Returns
    -------
    LockedMemory
        Until `unlock_memory`, or until the arrays are freed.
    """
    locked = wanted = 0
    for array in sorted(arrays, key=lambda array: array.nbytes):
        wanted += array.nbytes
        if array.nbytes and _call("mlock", array):
            locked += array.nbytes
    return LockedMemory(locked, wanted)


def unlock_memory(arrays: Iterable[NDArray[Any]]) -> None:
    """Let arrays be paged out again."""
    for array in arrays:
        _call("munlock", array)


def _call(name: str, array: NDArray[Any]) -> bool:
    library = _c_library()
    function = getattr(library, name, None)
    return function is not None and function(ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)) == 0


@cache
def _c_library() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None) if os.name == "posix" else None
    except OSError:
        return None
