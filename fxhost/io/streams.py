"""What drives a rack: the stream of a device, or of a virtual one for machines without sound.

Both call the same compiled callback. The one of a real device is in `fxhost.io.device_stream`.
"""

import threading
import time
from typing import Protocol

import numpy as np

from fxhost.engine.callback import OUTPUT_UNDERFLOW
from fxhost.engine.rack import Rack
from fxhost.io.latency import Latency

VIRTUAL = "virtual"
VIRTUAL_BLOCK_FRAMES = 64
VIRTUAL_LATENCY_S = {"low": 0.02, "high": 0.1}
CLOSE_TIMEOUT_S = 2.0


class Stream(Protocol):
    """What drives a rack: opened and silent after construction, playing from `start` to `close`.

    Attributes
    ----------
    name, host_api : str
        Of the device.
    sample_rate : float
        In Hz.
    asked_frames : int
        The block that was asked for; 0 leaves it to the device.
    asked_latency : str, float or None
        What the driver was asked for: 'low', 'high' or seconds each way; None where nobody was, as a server decides.
    latency : Latency
        As it was measured, or else as it is claimed.
    claim : Latency
        What the server or the driver says.
    can_reopen : bool
        Whether `reopen` may be tried.
    """

    name: str
    host_api: str
    sample_rate: float
    asked_frames: int
    asked_latency: str | float | None
    latency: Latency
    claim: Latency
    can_reopen: bool

    def start(self) -> None:
        """Begin to play."""

    def has_stopped(self) -> bool:
        """Whether the stream has ended by itself."""

    def has_other_rate(self) -> bool:
        """Whether the server has changed the sample rate of the stream while it plays."""

    def read_latency(self, block_frames: int) -> None:
        """Ask for the latency anew, now that blocks of so many frames come."""

    def answers(self) -> bool:
        """Whether the sound server is known to be there; True where nobody can tell."""

    def ask_for_more(self, wake_s: float) -> bool:
        """Let the next `reopen` ask for a longer buffer; tell whether that makes sense.

        Parameters
        ----------
        wake_s : float
            How far apart the device calls, in seconds; 0 where it has not.
        """

    def leave(self) -> None:
        """Stop playing, and leave the sound server too: a process that rests may hold nobody up."""

    def reopen(self) -> None:
        """Leave, open the same device again, at its rate where that is another one now, and begin to play."""

    def close(self) -> None:
        """Stop playing and give the device back. May be called twice."""


class VirtualStream:
    """A rack at the pace of real time without any sound device.

    Its clock is a Python thread; the callback runs in it without the GIL. Where it falls behind by more than its
    latency, it does what a device would: it reports an underflow and skips what is lost.

    Parameters
    ----------
    rack : Rack
        With a source.
    sample_rate : int
        In Hz.
    block_frames : int
        0 means 64.
    latency : {'low', 'high'} or float
        How far it may fall behind before it counts an underflow, in seconds.
    """

    def __init__(self, rack: Rack, *, sample_rate: int, block_frames: int = 0, latency: str | float = "low") -> None:
        self.name = VIRTUAL
        self.host_api = "none"
        self.sample_rate = float(sample_rate)
        self.asked_frames = block_frames or VIRTUAL_BLOCK_FRAMES
        self.asked_latency: str | float | None = None
        self.latency = Latency(VIRTUAL_LATENCY_S[latency] if isinstance(latency, str) else latency, "virtual")
        self.claim = self.latency
        self.can_reopen = True
        self._rack = rack
        self._stop, self._over = threading.Event(), threading.Event()
        self._is_begun = False
        self._connect()

    def _connect(self) -> None:
        self._rack.connect(in_channels=0, in_channel=0, out_channels=1)

    def start(self) -> None:
        """Begin to play."""
        self._is_begun = True  # first, because Ctrl-C may come between
        threading.Thread(target=self._play, name="virtual device", daemon=True).start()

    def has_stopped(self) -> bool:
        """Never: it has nothing that could go away."""
        return False

    def has_other_rate(self) -> bool:
        """Never: it plays at any rate."""
        return False

    def read_latency(self, block_frames: int) -> None:
        """Nobody to ask."""

    def answers(self) -> bool:
        """True: there is no server that could go away."""
        return True

    def ask_for_more(self, wake_s: float) -> bool:
        """Never: its buffer is as long as it likes."""
        return False

    def leave(self) -> None:
        """Stop playing."""
        self.close()

    def reopen(self) -> None:
        """Begin to play again."""
        self.close()
        self._stop, self._over = threading.Event(), threading.Event()
        self._connect()
        self.start()

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()
        if self._is_begun:
            self._over.wait(CLOSE_TIMEOUT_S)

    def _play(self) -> None:
        stop, over = self._stop, self._over
        try:
            self._play_until(stop)
        finally:
            over.set()

    def _play_until(self, stop: threading.Event) -> None:
        block_s = self.asked_frames / self.sample_rate
        silence, out = np.zeros(self.asked_frames, np.float32), np.zeros(self.asked_frames, np.float32)
        allowed_s = self.latency.seconds or 0.0
        due = time.perf_counter()
        while not stop.is_set():
            late = time.perf_counter() - due
            flags = 0
            if late < 0:
                time.sleep(-late)
            elif late > allowed_s:
                flags = OUTPUT_UNDERFLOW
                due += late
            self._rack.process(silence, out, flags=flags)
            due += block_s
