"""SIGHUP: to a service it means to read its files again, and from a terminal that was closed that it shall end.

Both are the same signal. What tells them apart is whether the terminal that the process belonged to at its start is
still there half a second later: a shell that is about to end sends it shortly before the terminal goes.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

GRACE_S = 0.5  # from the signal until the terminal is looked for


class Hangup:
    """What was heard of the signal.

    Attributes
    ----------
    had_terminal : bool
        Whether the process belonged to a terminal when it began to listen.
    """

    def __init__(self) -> None:
        self.had_terminal = has_terminal()
        self._heard_s: float | None = None

    def hear(self) -> None:
        """Take note of the signal."""
        if self._heard_s is None:
            self._heard_s = time.monotonic()

    def take(self) -> Literal["reload", "end"] | None:
        """What the signal asks for, once half a second after it; several in that time are one."""
        if self._heard_s is None or (self.had_terminal and time.monotonic() - self._heard_s < GRACE_S):
            return None
        self._heard_s = None
        return "end" if self.had_terminal and not has_terminal() else "reload"


@contextmanager
def listening_for_hangup() -> Iterator[Hangup]:
    """Yield what hears the signal until the end.

    Nothing is heard outside of the main thread, on Windows, and where the signal is ignored, as under nohup.
    """
    hangup = Hangup()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        yield hangup
        return
    before = signal.signal(signal.SIGHUP, lambda number, frame: hangup.hear())
    try:
        yield hangup
    finally:
        signal.signal(signal.SIGHUP, before)


def has_terminal() -> bool:
    """Whether the process belongs to a terminal that is still there, wherever its standard streams lead."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True
