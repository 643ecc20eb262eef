"""A process that is stopped and goes on: Ctrl-Z, the signals behind it, and what a terminal does with them.

A client of a sound server that is stopped holds up the whole graph. So while it plays the suspend key does nothing, and
a wish from outside (SIGTSTP) is heard and granted by `Suspension.stop`, once the client has left. A process cannot
catch SIGSTOP; it notices afterwards that it was stopped. Reading or setting the terminal from the background would stop
the process too, and is let be.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

HAS_SUSPENSION = hasattr(signal, "SIGTSTP")  # not on Windows
_hearing: list["Suspension"] = []
STAYING = ("SIGTTIN", "SIGTTOU")  # sent to a process in the background that uses the terminal


class Suspension:
    """What was heard of the signals.

    Attributes
    ----------
    is_wanted : bool
        Whether somebody asked to stop.
    hears : bool
        Whether it can hear anything.
    has_resumed : bool
        Whether the process was told to go on since this was last set to False.
    """

    def __init__(self, *, hears: bool) -> None:
        self.is_wanted = False
        self.has_resumed = False
        self.hears = hears
        self._key: bytes | None = None

    def stop(self) -> None:
        """Stop as the system would have; come back when told to go on."""
        self.is_wanted = False
        self.give_key()
        heard = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # nothing happens where no shell could let it go on
        signal.signal(signal.SIGTSTP, heard)
        self.has_resumed = False

    def take_key(self) -> None:
        """Let the terminal's suspend key do nothing. Called again and again: shells set the modes anew as they like."""
        if not self.hears:
            return
        with suppress(OSError, ValueError, AttributeError):
            disabled = bytes([os.fpathconf(sys.stdin.fileno(), "PC_VDISABLE")])
            key = _set_key(disabled)
            if key is not None and key != disabled:
                self._key = key

    def give_key(self) -> None:
        """Let it do what it did before."""
        if self._key is not None:
            _set_key(self._key)


@contextmanager
def listening_for_suspension() -> Iterator[Suspension]:
    """Yield what hears the signals until the end; outside of the main thread, and on Windows, nothing is heard.

    A nested call yields the same object, with the requests that it has received so far.
    """
    if _hearing:
        yield _hearing[-1]
        return
    suspension = Suspension(hears=HAS_SUSPENSION and threading.current_thread() is threading.main_thread())
    if not suspension.hears:
        yield suspension
        return

    def hear_stop(number: int, frame: object) -> None:
        suspension.is_wanted = True

    def hear_go_on(number: int, frame: object) -> None:
        suspension.has_resumed = True

    handlers: dict[str, Any] = {"SIGTSTP": hear_stop, "SIGCONT": hear_go_on, **dict.fromkeys(STAYING, signal.SIG_IGN)}
    before = {}
    for name, handler in handlers.items():
        number = getattr(signal, name)
        if name != "SIGTSTP" or signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        _hearing.append(suspension)
        suspension.take_key()
        yield suspension
    finally:
        _hearing.pop()
        suspension.give_key()
        for number, handler in before.items():
            signal.signal(number, handler)


def is_in_background() -> bool:
    """Whether the terminal that we were started from, if any, belongs to somebody else now."""
    for stream in (sys.stdin, sys.stdout):
        with suppress(OSError, ValueError, AttributeError):
            return os.tcgetpgrp(stream.fileno()) != os.getpgrp()
    return False


def is_in_foreground() -> bool:
    """Whether the terminal is ours: in the background it belongs to the shell."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # no terminal, not our own, closed, or another system
        return False


def _set_key(key: bytes) -> bytes | None:
    """Set the suspend key of the terminal; what it was, or None where there is no terminal, or it is not ours now."""
    if not is_in_foreground():
        return None
    import termios

    with suppress(termios.error, ValueError):
        modes = termios.tcgetattr(sys.stdin.fileno())
        before: bytes = modes[6][termios.VSUSP]
        if before != key:
            modes[6][termios.VSUSP] = key
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, modes)
        return before
    return None
