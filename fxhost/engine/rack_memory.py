"""The memory of a rack that Python and the audio thread share."""

import ctypes
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array, aligned_zeros
from fxhost.engine.control_block import (
    AT_CHANGES_WRITTEN,
    AT_RING,
    AT_RING_READ,
    AT_STATE_REQUEST,
    CHANGE_WORDS,
    CHANGES,
    CONTROL,
    MAX_BLOCK,
)
from fxhost.engine.histogram import BUCKETS
from fxhost.native.intrinsics import publish
from fxhost.stages.base import smoothing

FADE_IN_MS = 20.0
CROSSFADE_MS = 30.0
BYPASS_SMOOTHING_MS = 5.0
RING_FRAMES = 1 << 20  # 22 s at 48 kHz: how long the writer of the recording may be held up
HEARD_FRAMES = 1 << 16  # of what went into the chain last, and of what left the rack
STATE_WORDS = 64  # of the stages around the chain


class Setting(NamedTuple):
    """A parameter that was set: at which frame, the address of its float32, and its value."""

    frame: int
    address: int
    value: float


class RackMemory:
    """The control block of a rack and everything that it points to, but for the stages.

    Parameters
    ----------
    sample_rate : float
        In Hz.
    inputs : {1, 2}
        Channels that go into the chain.
    source : float32 (frames,) or (frames, 2), optional
        What plays instead of the input.
    source_loops : bool
        Whether the source begins again at its end.
    channels : {1, 2}
        Of the output.

    Attributes
    ----------
    control : record
        Of `CONTROL`.
    load, intervals : int64 (BUCKETS,)
        Histograms: of the load in millionths, and of the time between callbacks in µs.
    """

    def __init__(
        self,
        sample_rate: float,
        inputs: int,
        source: Float32Array | None,
        source_loops: bool,
        channels: int,
    ) -> None:
        self.scratch = aligned_zeros(3 * 2 * MAX_BLOCK, np.float32)
        self.load = np.zeros(BUCKETS, np.int64)
        self.intervals = np.zeros(BUCKETS, np.int64)
        self._ring = np.zeros((0, channels + inputs), np.float32)
        self._kept = np.zeros(STATE_WORDS, np.int64)
        self._heard = np.zeros((2, HEARD_FRAMES), np.float32)
        self._sent = np.zeros(HEARD_FRAMES, np.float32)
        self._changes = np.zeros((CHANGES, CHANGE_WORDS), np.int64)
        self._left: list[NDArray[Any]] = []  # control blocks that a dead server may still hold
        self._late: dict[int, float] = {}  # what has to wait until the audio thread has read more
        self._settings: list[Setting] | None = None  # that the audio thread has made, where somebody wants to know
        self._noted = 0  # of them
        self._lock = threading.RLock()  # of the threads that set parameters and take what was recorded
        for array in (self.load, self.intervals, self._heard, self._sent, self._changes):
            array.fill(0)  # touches every page, so that none is fetched on the audio thread
        self.memory = aligned_zeros(1, CONTROL)
        c = self.control = self.memory[0]
        c["inputs"] = inputs
        c["scratch"] = self.scratch.ctypes.data
        c["heard"], c["heard_size"], c["changes"] = self._heard.ctypes.data, HEARD_FRAMES, self._changes.ctypes.data
        c["sent"] = self._sent.ctypes.data
        c["load_histogram"], c["interval_histogram"] = self.load.ctypes.data, self.intervals.ctypes.data
        c["source_loops"] = source_loops
        self._set_rate(sample_rate)
        self._set_source(source)
        c["ring_channels"], c["kept"] = channels, self._kept.ctypes.data

    @property
    def address(self) -> int:
        """The address of the control block."""
        return int(self.memory.ctypes.data)

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """All of it."""
        rings: list[NDArray[Any]] = [self._ring, self._heard, self._sent, self._changes]
        own = [self.memory, self.scratch, self.load, self.intervals, *rings, self._kept]
        return own if self._source is None else [*own, self._source]

    def _set_rate(self, sample_rate: float) -> None:
        c = self.control
        c["sample_rate"] = sample_rate
        c["fade_in_frames"] = round(FADE_IN_MS * 1e-3 * sample_rate)
        c["crossfade_frames"] = round(CROSSFADE_MS * 1e-3 * sample_rate)
        c["bypass_smoothing"] = smoothing(BYPASS_SMOOTHING_MS, round(sample_rate))

    def _set_source(self, source: Float32Array | None) -> None:
        self._source = None if source is None else np.ascontiguousarray(source, np.float32)
        if self._source is not None:
            c = self.control
            c["source"], c["source_frames"] = self._source.ctypes.data, len(self._source)
            c["source_channels"] = 1 if self._source.ndim == 1 else self._source.shape[1]

    def change_rate(self, sample_rate: float, source: Float32Array | None) -> None:
        """Go on at another rate, with the source at that rate. Only while nobody plays the rack.

        What was heard at the old rate counts as silence from now on. Parameters that wait to be set are dropped.
        """
        with self._lock:
            c, ratio = self.control, sample_rate / float(self.control["sample_rate"])
            self._note_settings()
            self._late.clear()
            c["changes_read"] = self._noted = int(c["changes_written"])
            self._set_rate(sample_rate)
            self._heard.fill(0)
            self._sent.fill(0)
            if source is not None:
                self._set_source(source)
                c["source_position"] = min(round(int(c["source_position"]) * ratio), int(c["source_frames"]))

    def leave_control(self, empty: int) -> None:
        """Go on with a copy of the control block; whoever still calls with the old one plays silence.

        Parameters
        ----------
        empty : int
            The address of the table of an empty chain.
        """
        with self._lock:
            old, copy = self.memory, aligned_zeros(1, CONTROL)
            copy[:] = old
            idle = aligned_zeros(3 * 2 * MAX_BLOCK + 2, np.float32)
            left = old[0]
            for field in ("head", "tail", "monitor", "table", "playing", "state_table"):
                left[field] = empty
            for field in ("coming", "ring", "source", "in_channels", "changes_written", "changes_read"):
                left[field] = 0
            left["scratch"], left["heard"], left["heard_size"] = idle.ctypes.data, idle.ctypes.data, 1
            left["sent"] = idle.ctypes.data
            self._left += [old, idle]
            self.memory = copy
            self.control = copy[0]

    def set_parameter(self, address: int, value: float) -> None:
        """Set a float32 at an address at the beginning of the next block; before the first one, at once."""
        with self._lock:
            if not self.control["blocks"]:
                ctypes.c_float.from_address(address).value = value
                return
            self._late.pop(address, None)  # the newest value counts, and comes last
            self._late[address] = value
            self.send_changes()

    def send_changes(self) -> None:
        """Hand the audio thread what did not fit before."""
        with self._lock:
            self._note_settings()
            written, read = int(self.control["changes_written"]), int(self.control["changes_read"])
            for address in list(self._late)[: CHANGES - (written - read)]:
                change = self._changes[written & (CHANGES - 1)]
                change[0] = address
                change[1:2].view(np.float32)[0] = self._late.pop(address)
                written += 1
            publish(self.address + AT_CHANGES_WRITTEN, written)

    def take_settings(self) -> list[Setting]:
        """The parameters that were set at the beginning of blocks since the last call; the first one begins to note."""
        with self._lock:
            if self._settings is None:
                self._settings, self._noted = [], int(self.control["changes_read"])
            self._note_settings()
            taken, self._settings = self._settings, []
            return taken

    def _note_settings(self) -> None:
        if self._settings is not None:
            read = int(self.control["changes_read"])
            rows = self._changes[np.arange(self._noted, read) & (CHANGES - 1)]
            values = rows.view(np.float32)[:, 2]
            self._settings += [Setting(int(row[2]), int(row[0]), float(v)) for row, v in zip(rows, values, strict=True)]
            self._noted = read

    # --- recording ---------------------------------------------------------------------------------------------------

    def record(self) -> None:
        """Record from the next block on; the memory for that is taken now."""
        if not len(self._ring):
            self._ring = np.empty((RING_FRAMES, self._ring.shape[1]), np.float32)
            self._ring.fill(0)  # touches every page
            self.control["ring_size"] = RING_FRAMES
            publish(self.address + AT_RING, self._ring.ctypes.data)

    def take_recording(self) -> tuple[int, Float32Array]:
        """What was recorded since the last call: its position in the recording, and float32 (frames, channels of the
        output and of the dry input).
        """
        with self._lock:
            start, end = int(self.control["ring_read"]), int(self.control["ring_written"])
            frames: Float32Array = self._ring[np.arange(start, end) & (RING_FRAMES - 1)]
            publish(self.address + AT_RING_READ, end)
            return start, frames

    def ask_for_state(self) -> None:
        """Let the audio thread keep the state of the stages around the chain."""
        publish(self.address + AT_STATE_REQUEST, int(self.control["state_request"]) + 1)

    @property
    def kept_state(self) -> list[int] | None:
        """The words that were kept; None until the audio thread has answered."""
        is_answered = self.control["state_answered"] == self.control["state_request"]
        return [int(word) for word in self._kept] if is_answered else None

    def heard_between(self, first: int, end: int) -> Float32Array:
        """What went into the chain from one frame to another, which are among the last: float32 (2, frames)."""
        return self._heard[:, np.arange(first, end) & (HEARD_FRAMES - 1)]

    def last_heard(self, frames: int) -> tuple[int, int]:
        """Which frames went into the chain last, at most so many: the first, and the one after them."""
        end = int(self.control["heard_frames"])
        return max(0, end - min(frames, HEARD_FRAMES // 2)), end

    def last_sent(self, frames: int) -> Float32Array:
        """What left the rack last, at most so many frames: float32 (frames,)."""
        end = int(self.control["sent_frames"])
        start = max(0, end - min(frames, HEARD_FRAMES // 2))
        sent: Float32Array = self._sent[np.arange(start, end) & (HEARD_FRAMES - 1)]
        return sent
