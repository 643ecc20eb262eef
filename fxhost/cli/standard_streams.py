"""stdout and stderr of a process whose caller may have closed them, filled their disk, or stopped reading."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast


class SturdyStream:
    """A text stream that lets the work go on when it cannot be written to, and keeps why it could not.

    Parameters
    ----------
    stream : text stream or None
        None is what Python has for a descriptor that was closed when the process began.
    tells_readers_end : bool
        Whether a pipe whose reader is gone raises BrokenPipeError, because nobody wants the rest.

    Attributes
    ----------
    failure : OSError or None
        Of the first write that failed.
    """

    def __init__(self, stream: TextIO | None, *, tells_readers_end: bool) -> None:
        self._is_closed = stream is None
        self._stream = stream if stream is not None else io.StringIO()
        self._tells_readers_end = tells_readers_end
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or lose, a text."""
        if self._is_closed and self.failure is None:
            self.failure = OSError(errno.EBADF, "it is closed")
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        self._try(self._stream.flush)

    def _try(self, act: Any) -> None:
        if self.failure is not None:
            return
        try:
            act()
        except BrokenPipeError as err:
            self.failure = err
            self._let_go()
            if self._tells_readers_end:
                raise
        except OSError as err:
            self.failure = err
            self._let_go()

    def _let_go(self) -> None:
        """Let what the stream still holds go nowhere, so that the interpreter's end does not stumble over it."""
        if self._stream in (sys.__stdout__, sys.__stderr__):
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def sturdy_streams() -> Iterator[SturdyStream]:
    """Make stdout and stderr sturdy for a while, and see that descriptors 0 to 2 are no other file; yield stdout."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our characters shows others
    output = SturdyStream(sys.stdout, tells_readers_end=True)
    errors = SturdyStream(sys.stderr, tells_readers_end=False)
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
    try:
        yield output
    finally:
        sys.stdout, sys.stderr = before
