"""What keeps a user waiting: whoever begins something that takes seconds says so here, and who shows it listens.

Nobody listens unless a command asks for it, so that a program that uses this package stays silent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, str], None]

_listeners: list[Listener] = []


def tell_wait(doing: str, what: str) -> None:
    """Say what is being done from now on.

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
def hearing_waits(listener: Listener) -> Iterator[None]:
    """Hand what is said to `listener` for a while, instead of to whom it was handed before."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.pop()
