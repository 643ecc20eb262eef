"""Single keys from the terminal, without waiting for them and without Enter."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|O.|.)?")  # what arrows, Home, and Alt with a key send


@contextmanager
def reading_keys() -> Iterator[Callable[[], str]]:
    """Yield a function that returns the next key pressed, or '' if there is none. Without a terminal, always ''."""
    if not sys.stdin or not sys.stdin.isatty():
        yield lambda: ""
    elif sys.platform == "win32":
        import msvcrt

        yield lambda: msvcrt.getwch() if msvcrt.kbhit() else ""
    else:
        import select
        import termios
        import tty

        terminal = sys.stdin.fileno()
        waiting: list[str] = []

        def read_key() -> str:
            # not through sys.stdin, whose buffer would keep the second of two quick keys back
            if not waiting and select.select([terminal], [], [], 0)[0]:
                waiting.extend(ESCAPE_SEQUENCE.sub("", os.read(terminal, 64).decode(errors="replace")))
            return waiting.pop(0) if waiting else ""

        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)  # Ctrl-C stays a signal
        try:
            yield read_key
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
