"""Single keys from the terminal, without waiting for them and without Enter."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def reading_keys() -> Iterator[Callable[[], str]]:
    """Yield a function that returns the key pressed since its last call, or ''. Without a terminal, always ''."""
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
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)  # Ctrl-C stays a signal
        try:
            # not through sys.stdin, whose buffer would keep the second of two quick keys back
            yield (
                lambda: os.read(terminal, 1).decode(errors="replace") if select.select([terminal], [], [], 0)[0] else ""
            )
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
