"""Announcements of slow steps: code that begins something slow calls `announce`; a listener shows it to the user.

Nobody listens unless a command asks for it, so that a program that uses this package stays silent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, str], None]

_listeners: list[Listener] = []


def announce(doing: str, what: str) -> None:
    """Announce a slow step that begins now.

    Parameters
    ----------
    doing : str
        The verb, such as 'compiling'.
    what : str
        Its object.
    """
    if _listeners:
        _listeners[-1](doing, what)


@contextmanager
def listening_to_slow_steps(listener: Listener) -> Iterator[None]:
    """Send announcements to `listener` inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.pop()
