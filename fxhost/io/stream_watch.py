"""Starting a stream, and what becomes of one that ends, stalls, or was stopped together with its process.

A stream that is no more is opened again, several times before it is given up. The reason for the end is not reported: a
busy server ends a stream just after its start, and a server that waited too long for a client disconnects it. Both
accept a new connection.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from fxhost.engine.rack import Rack
from fxhost.errors import DeviceError
from fxhost.io.jack import HOST_API
from fxhost.io.realtime import ask_for_priority
from fxhost.io.stream_pace import Pace
from fxhost.io.streams import Stream, VirtualStream
from fxhost.io.suspension import Suspension

logger = logging.getLogger(__name__)

FIRST_BLOCK_S = (2.0, 3.0, 5.0)  # how long to wait for it, the first times and from then on
TRIES = 5  # to open a stream again, one after the other
PAUSE_S = 0.1  # before the first of them; each time twice as long
PROVEN_S = 3.0  # a stream that has played so long has started well
STALL_S = 2.0  # a device that calls for no block in this time is gone
QUIET_S = 0.3  # after which a server is asked whether it is still there
PATIENCE_S = 60.0  # how long to wait for a device that has played and went away
LOOK_S = 0.3  # how often it is looked for
HELD_UP_S = 0.2  # between two looks: more tells of us, and not of the stream
RESUMED_S = 0.5  # whoever was stopped for so long is opened again
SETTLING_S = 10.0  # how long a server may take to notice that we are back
FLOWING, POLL_S = 5, 0.05  # looks, one after the other, at which there were new blocks
CHANGE_S = 1.0  # how often to ask for the latency, where the blocks change


class Watch:
    """What keeps a stream playing.

    Parameters
    ----------
    stream : Stream
    rack : Rack
        That it drives.
    suspension : Suspension
        What is heard of signals to stop.
    notice : callable
        Told in one line where something was mended.
    leaving : callable
        Returns a context manager that is entered while the process is stopped: it restores the terminal on entry and
        takes it over again on exit.

    patience_s : float
        How long to wait for a device that has played and went away.

    Attributes
    ----------
    restarts : int
        How often the stream was opened again.
    away_s : float
        How long the process was stopped or the device was away, in seconds, as far as that is known.
    """

    def __init__(
        self,
        stream: Stream,
        rack: Rack,
        suspension: Suspension,
        notice: Callable[[str], None],
        leaving: Callable[[], AbstractContextManager[object]] = nullcontext,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.restarts = 0
        self.away_s = 0.0
        self._stream, self._rack = stream, rack
        self._suspension, self._notice, self._leaving = suspension, notice, leaving
        self._patience_s = patience_s
        self._gone_since: float | None = None  # since when the device is away
        self._tries = 0
        self._looked = self._started = self._asked = time.perf_counter()
        self._blocks = self._block_frames = 0
        self._idle_s = 0.0
        self._pace = Pace(stream, rack)

    @property
    def is_away(self) -> bool:
        """Whether the device is waited for."""
        return self._gone_since is not None

    def start(self) -> None:
        """Begin to play, and wait for the first block.

        Raises
        ------
        DeviceError
            If none comes, or the device does not start, however often it is tried.
        """
        try:
            self._stream.start()
            if self._has_begun():
                self._pace.read_change()
                return
            failure = DeviceError(f"'{self._stream.name}' was opened but calls for no audio; restart the sound server")
        except DeviceError as err:
            failure = err
        self._open_again(failure)

    def look(self) -> None:
        """See after the stream; to be called several times a second.

        Raises
        ------
        DeviceError
            If it went away and does not come back.
        """
        now = time.perf_counter()
        gap_s, self._looked = now - self._looked, now
        self._suspension.take_key()
        if self._gone_since is not None:
            self._wait_for_return(now)
            return
        if self._suspension.is_wanted:
            self._rest()
            return
        if self._suspension.has_resumed:
            self._suspension.has_resumed = False
            self._resume(gap_s)
            return
        if self._rack.blocks != self._blocks:
            self._blocks, self._idle_s = self._rack.blocks, 0.0
            if now - self._started > PROVEN_S:
                self._tries = 0
        else:
            self._idle_s += min(gap_s, HELD_UP_S)
        if self._is_gone():
            if now - self._started > PROVEN_S and self._stream.can_reopen:
                self._gone_since = self._asked = now
                self._notice(f"'{self._stream.name}' went away; waiting for it to come back")
                self._wait_for_return(now)
            else:
                self._open_again(self._failure())
        elif gap_s > HELD_UP_S:
            self._pace.take_anew()
        elif self._stream.has_other_rate():
            self._tries = 0
            self._open_again(self._failure())
        elif self._pace.starves(now):
            self._feed()
        self._tell(self._pace.look(now))
        self._follow_changes(now - self._asked)

    def _is_gone(self) -> bool:
        if self._stream.has_stopped() or self._idle_s > self._stall_s():
            return True
        return self._idle_s > max(QUIET_S, 3 * self._rack.block_frames / self._stream.sample_rate) and not (
            self._stream.answers()
        )

    def _failure(self) -> DeviceError:
        name = self._stream.name
        return DeviceError(f"'{name}' went away while playing; start the sound server or device again")

    def _wait_for_return(self, now: float) -> None:
        """Look for a device that went away, and play on when it is there again."""
        gone_since = self._gone_since
        assert gone_since is not None
        if now - self._asked >= LOOK_S or self._asked == gone_since:
            self._tries = self._block_frames = 0
            try:
                self._stream.reopen()
                if self._has_begun():
                    self.restarts += 1
                    self.away_s += time.perf_counter() - gone_since
                    self._gone_since = None
                    change = self._pace.read_change()
                    self._notice(f"'{self._stream.name}' is back{change and ', '}{change}")
                    return
            except DeviceError as err:
                logger.info("%s; waiting", err)
            self._asked = time.perf_counter()
        if self._asked - gone_since > self._patience_s or not self._stream.can_reopen:
            raise self._failure()

    def _feed(self) -> None:
        """Open the stream again with a longer buffer."""
        name = self._stream.name
        if not self._stream.ask_for_more(1e-6 * self._rack.statistics().interval_p99_us):
            return
        self._tries = 0
        self._open_again(self._failure())
        self._notice(f"'{name}' calls more rarely than its buffer lasts; opened it again with a longer one")

    def _rest(self) -> None:
        """Leave the sound server, stop, and come back."""
        self._stream.leave()
        stopped = time.perf_counter()
        with self._leaving():
            self._suspension.stop()
        self.away_s += time.perf_counter() - stopped
        self._come_back()

    def _resume(self, gap_s: float) -> None:
        """Come back after a stop that nobody asked us about; `gap_s` is how long ago we last looked."""
        if gap_s < RESUMED_S:
            return
        self.away_s += gap_s
        self._idle_s = 0.0
        with self._leaving():
            pass  # the shell has had the terminal meanwhile
        if isinstance(self._stream, VirtualStream):
            return  # it has nobody who would have given it up
        if not (self._flows_again() and self._stream.host_api == HOST_API):  # others may have kept old sound for us
            self._come_back()

    def _flows_again(self) -> bool:
        """Whether blocks come one after the other again, soon enough.

        A JACK server that has waited for us goes on in its own time. Until then it does not hear that we want to leave.
        """
        deadline = time.perf_counter() + SETTLING_S
        flowing, seen = 0, self._rack.blocks
        while flowing < FLOWING and not self._stream.has_stopped() and time.perf_counter() < deadline:
            time.sleep(max(POLL_S, 2 * self._rack.block_frames / self._stream.sample_rate))
            blocks = self._rack.blocks
            flowing, seen = (flowing + 1 if blocks > seen else 0), blocks
        return flowing == FLOWING

    def _come_back(self) -> None:
        name = self._stream.name
        self._tries = 0
        self._open_again(DeviceError(f"'{name}' cannot be opened again after the stop; start its sound server again"))

    def _has_begun(self) -> bool:
        """Whether the first block comes in time; then the stream counts as started."""
        wait_s = FIRST_BLOCK_S[min(self._tries, len(FIRST_BLOCK_S) - 1)]
        deadline = time.perf_counter() + wait_s
        while not self._rack.wait_for_block(0.02):
            if self._stream.has_stopped() or time.perf_counter() > deadline:
                return False
        if not isinstance(self._stream, VirtualStream):
            ask_for_priority(self._rack.thread)
        self._blocks, self._idle_s = self._rack.blocks, 0.0
        self._looked = self._started = time.perf_counter()
        self._pace.begin()
        self._follow_changes(CHANGE_S)
        return True

    def _open_again(self, failure: DeviceError) -> None:
        """Open the stream anew until it plays; raise what went wrong at first if it never does."""
        self._block_frames = 0  # the latency may be another one
        while self._tries < TRIES and self._stream.can_reopen:
            time.sleep(PAUSE_S * 2**self._tries)
            if self._tries:
                self._stream.ask_for_more(0.0)
            self._tries += 1
            try:
                self._stream.reopen()
                if self._has_begun():
                    self.restarts += 1
                    self._tell(self._pace.read_change())
                    return
            except DeviceError as err:
                logger.info("%s; trying again", err)
        raise failure

    def _tell(self, change: str) -> None:
        if change:
            self._notice(f"'{self._stream.name}' plays on, {change}")

    def _stall_s(self) -> float:
        return max(STALL_S, 3 * self._rack.block_frames / self._stream.sample_rate)

    def finish(self) -> None:
        """Ask for the latency of the blocks as they came last."""
        self._follow_changes(CHANGE_S)

    def _follow_changes(self, waited_s: float) -> None:
        """Ask for the latency where the blocks have another size than when it was asked for."""
        frames = self._rack.block_frames
        if frames != self._block_frames and waited_s >= CHANGE_S:
            self._block_frames, self._asked = frames, time.perf_counter()
            self._stream.read_latency(frames)
