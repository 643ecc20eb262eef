"""Calls into libraries that may never come back, given a time."""

import threading
from collections.abc import Callable


def finishes(call: Callable[[], object], seconds: float) -> bool:
    """Make a call in a thread of its own; tell whether it came back in time. If not, it goes on, and nobody waits.

    Parameters
    ----------
    call : callable
        Its result is lost; what it raises is raised here if it comes in time.
    seconds : float
        How long to wait.
    """
    failures: list[BaseException] = []

    def make() -> None:
        try:
            call()
        except BaseException as err:
            failures.append(err)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    return not thread.is_alive()
