"""Ctrl-C while something long runs: it is answered in words at once, and nothing that is being written is cut off.

The words are said by a thread of its own, which the system wakes: the main thread may be deep in a computation that
knows nothing of Python. What Ctrl-C then does depends on the phase: where nothing would be lost it raises
`KeyboardInterrupt`; elsewhere it is counted, and whoever works looks at the count.
"""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Phase:
    """What Ctrl-C does for a while.

    Attributes
    ----------
    words : tuple of str
        What is said to the first, to the second, and so on; the last one to all that follow.
    counted : int
        How many are only counted. What comes after them raises `KeyboardInterrupt`.
    """

    words: tuple[str, ...]
    counted: int = 0


AT_ONCE = Phase(("Ctrl-C: stopping", "Ctrl-C: stopping as soon as the computation in hand lets go"))
WORDS_S = 0.5
HURRIED = 2  # from so many on nothing is measured any more


@dataclass
class Interruption:
    """How often Ctrl-C was heard, and what the next one does.

    Parameters
    ----------
    say : callable
        Told in words, on another thread, what a Ctrl-C does.
    """

    say: Callable[[str], None] = lambda words: None
    count: int = 0
    phase: Phase = field(default=AT_ONCE)
    heard_in: list[Phase] = field(default_factory=list)  # the phase of each
    answered: int = 0

    @property
    def is_hurried(self) -> bool:
        """Whether nothing shall be measured any more."""
        return self.count >= HURRIED

    def check(self) -> None:
        """Raise `KeyboardInterrupt` where more were heard than are counted, if a library has swallowed it."""
        if self.count > self.phase.counted:
            raise KeyboardInterrupt

    def wait_for_words(self) -> None:
        """Wait a moment until what was heard is answered, so that what is said next comes after it."""
        deadline = time.monotonic() + WORDS_S
        while self.answered < self.count and time.monotonic() < deadline:
            time.sleep(0.005)

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Be in a phase until the block ends."""
        before, self.phase = self.phase, phase
        try:
            yield
        finally:
            self.phase = before

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take over Ctrl-C, and the signals that end a command as it does, until the block ends."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        ending = [number for number, handler in handlers.items() if handler is signal.default_int_handler]
        reader, writer = socket.socketpair()  # a pipe would do, but not on Windows
        writer.setblocking(False)
        voice = threading.Thread(target=self._speak, args=(reader, set(map(int, ending))), name="Ctrl-C", daemon=True)
        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in ending:
            signal.signal(number, self._hear)
        voice.start()
        try:
            yield
        finally:
            for number in ending:
                signal.signal(number, handlers[number])
            signal.set_wakeup_fd(wakeup)
            writer.close()
            voice.join()
            reader.close()

    def _hear(self, number: int, frame: object) -> None:
        self.count += 1
        self.heard_in.append(self.phase)
        self.check()

    def _speak(self, reader: socket.socket, ending: set[int]) -> None:
        while numbers := reader.recv(64):  # a byte for each signal, nothing once the writer is closed
            for _ in filter(ending.__contains__, numbers):
                heard_in = self.heard_in[self.answered :] or [self.phase]
                with suppress(OSError):  # a terminal that was closed
                    self.say(heard_in[0].words[min(self.answered, len(heard_in[0].words) - 1)])
                self.answered += 1
