"""Ctrl-C while a training runs: it is answered in words at once, and nothing that is being written is cut off.

The words are said by a thread of its own, which the system wakes: the main thread may be deep in a computation that
knows nothing of Python. What Ctrl-C then does depends on the phase: where nothing would be lost it raises
`KeyboardInterrupt`; while the network learns it is counted, and the training ends between two updates.
"""

import signal
import socket
import threading
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
LEARNING = Phase(
    (
        "Ctrl-C: after the update in hand the best preset is written, then measured; a second Ctrl-C leaves the "
        "measurement out",
        "Ctrl-C again: the preset is written but not measured; a third Ctrl-C leaves at once and loses what was "
        "learned since the last save",
        "Ctrl-C: leaving at once",
    ),
    counted=2,
)
WRITING = Phase(("Ctrl-C: as soon as the preset is written",), counted=2)
MEASURING = Phase(("Ctrl-C: the rest of the measurement is left out",))
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

    @property
    def is_hurried(self) -> bool:
        """Whether nothing shall be measured any more."""
        return self.count >= HURRIED

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
        if self.count > self.phase.counted:
            raise KeyboardInterrupt

    def _speak(self, reader: socket.socket, ending: set[int]) -> None:
        spoken = 0
        while numbers := reader.recv(64):  # a byte for each signal, nothing once the writer is closed
            for _ in filter(ending.__contains__, numbers):
                words = (self.heard_in[spoken] if spoken < len(self.heard_in) else self.phase).words
                with suppress(OSError):  # a terminal that was closed
                    self.say(words[min(spoken, len(words) - 1)])
                spoken += 1
