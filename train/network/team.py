"""Threads that begin a job together within microseconds.

A thread pool wakes its threads through the operating system, which takes as long as a short window of training. The
threads of a team look for their next job for a while, without the GIL, before they go to sleep.
"""

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types

from fxhost.arrays import aligned_zeros
from fxhost.native.code_cache import cached_njit
from fxhost.native.intrinsics import load_acquire, now_ns, publish, words_at, yield_core

PATIENCE_NS = 2_000_000  # how long a thread looks for its next job before it sleeps: longer than between two windows
LOOKS = 10_000  # before another thread may have the core: some microseconds
LINE = 8  # words in a cache line: what different threads write lies apart


def _wait_for(address: int, value: int, patience_ns: int) -> bool:
    """Look at a word until it has a value, at most so long; whether it has."""
    scratch = np.zeros(2, np.int64)
    began = now_ns(words_at(scratch.ctypes.data))
    while True:
        for _ in range(LOOKS):
            if load_acquire(address) == value:
                return True
        if now_ns(words_at(scratch.ctypes.data)) - began > patience_ns:
            return False
        yield_core()


@cache
def _compile() -> Any:
    signature = types.boolean(types.int64, types.int64, types.int64)
    return cached_njit(signature, nogil=True)(_wait_for)


@cache
def team_of(threads: int) -> "Team":
    """The team of so many threads, which this process keeps."""
    return Team(threads)


class Team:
    """A number of threads, one of them the caller.

    Parameters
    ----------
    threads : int
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._words = aligned_zeros(LINE * threads, np.int64)  # the job's number; then, of each helper, its last
        self._wait = _compile()
        self._work: Callable[[int], None] | None = None
        self._errors: list[BaseException] = []
        self._sleepers = 0
        self._wake = threading.Condition()
        self._busy = threading.Lock()  # one caller after the other
        for member in range(1, threads):
            threading.Thread(target=self._help, args=(member,), name=f"team {member}", daemon=True).start()

    def _address(self, member: int) -> int:
        return int(self._words.ctypes.data) + 8 * LINE * member

    def run(self, work: Callable[[int], None]) -> None:
        """Have every member call `work` with its number, 0 for the caller; return when all have.

        Raises
        ------
        BaseException
            The first that a member met.
        """
        with self._busy:
            job = int(self._words[0]) + 1
            self._work = work
            publish(self._address(0), job)
            if self._sleepers:
                with self._wake:
                    self._wake.notify_all()
            try:
                work(0)
            finally:
                for member in range(1, self.threads):
                    while not self._wait(self._address(member), job, PATIENCE_NS):
                        pass
                self._work = None
            if self._errors:
                error, self._errors = self._errors[0], []
                raise error

    def _help(self, member: int) -> None:
        job = 0
        while True:
            job += 1
            if not self._wait(self._address(0), job, PATIENCE_NS):
                with self._wake:
                    self._sleepers += 1  # before the look at the job: whoever publishes one sees it
                    while self._words[0] < job:
                        self._wake.wait()
                    self._sleepers -= 1
            try:
                assert self._work is not None
                self._work(member)
            except BaseException as err:  # handed to the caller
                self._errors.append(err)
            publish(self._address(member), job)
