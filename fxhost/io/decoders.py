"""Keeps the messages of decoder libraries off the terminal; fxhost reports decoder errors in one line of its own.

libmpg123 tells the C library's `stderr` of every odd frame. That is a variable: while a decoder works it points at a
stream that goes nowhere. File descriptor 2 stays as it is, so that what Python or another thread writes there is
not lost. Where the variable cannot be written (musl, Windows) decoders go on talking.
"""

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class _Stderr:
    """The C library's `stderr`, and how many are keeping it quiet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet = 0
        self._variable: ctypes.c_void_p | None = None
        self._own: int | None = None
        self._nowhere: int | None = None
        name = {"linux": "stderr", "darwin": "__stderrp"}.get(sys.platform)
        if name is None or (sys.platform == "linux" and platform.libc_ver()[0] != "glibc"):
            return
        with suppress(AttributeError, OSError, ValueError):
            library = ctypes.CDLL(None)
            library.fopen.restype = ctypes.c_void_p
            library.fopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
            self._nowhere = library.fopen(os.devnull.encode(), b"w")  # for as long as the process lives
            if self._nowhere:
                self._variable = ctypes.c_void_p.in_dll(library, name)

    def hush(self, change: int) -> None:
        """Count one more, or one less, who wants quiet."""
        if self._variable is None:
            return
        with self._lock:
            if not self._quiet:
                self._own = self._variable.value
            self._quiet += change
            self._variable.value = self._nowhere if self._quiet else self._own


_stderr = _Stderr()


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Let nothing that C code prints on `stderr` through while this lasts."""
    _stderr.hush(1)
    try:
        yield
    finally:
        _stderr.hush(-1)
