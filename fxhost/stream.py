"""The streams that drive a rack: PortAudio's, and a virtual device for machines without sound.

Both call the same compiled callback.
"""

import atexit
import logging
import threading
import time
from typing import Any, Protocol

import numpy as np

from fxhost.callback import OUTPUT_UNDERFLOW
from fxhost.devices import INVALID_SAMPLE_RATE, Device, import_sounddevice, quiet_libraries
from fxhost.errors import DeviceError
from fxhost.rack import Rack

logger = logging.getLogger(__name__)

VIRTUAL = "virtual"
VIRTUAL_BLOCK_FRAMES = 64
VIRTUAL_LATENCY_S = {"low": 0.02, "high": 0.1}
CLOSE_TIMEOUT_S = 2.0
_ABANDONED: list[Rack] = []  # racks of devices that did not let go of them


class Stream(Protocol):
    """What drives a rack: opened and silent after construction, playing from `start` to `close`."""

    name: str
    host_api: str
    sample_rate: float
    latency_s: float

    def start(self) -> None:
        """Begin to play."""

    def has_stopped(self) -> bool:
        """Whether the stream has ended by itself."""

    def close(self) -> None:
        """Stop playing and give the device back. May be called twice."""


class DeviceStream:
    """A rack on a real device, driven by PortAudio's audio thread.

    Parameters
    ----------
    rack : Rack
        Kept alive until `close`.
    input_device : Device or None
        None plays without an input (a rack with a source).
    output_device : Device
    sample_rate : int
        In Hz.
    block_frames : int
        0 leaves it to the device.
    latency : {'low', 'high'} or float
        What to ask PortAudio for; a number is in seconds.
    input_channel : int
        From 0.

    Raises
    ------
    DeviceError
        If the device refuses.
    """

    def __init__(
        self,
        rack: Rack,
        input_device: Device | None,
        output_device: Device,
        *,
        sample_rate: int,
        block_frames: int = 0,
        latency: str | float = "low",
        input_channel: int = 0,
    ) -> None:
        sounddevice = import_sounddevice()
        self._rack = rack
        self._closing: threading.Thread | None = None
        out_channels = min(2, output_device.output_channels)
        in_channels = 0
        if input_device is not None:
            in_channels = input_channel + 1
            if in_channels > input_device.input_channels:
                raise DeviceError(
                    f"{input_device} has {input_device.input_channels} input channels; no channel {in_channels}"
                )
        rack.connect(in_channels=in_channels, in_channel=input_channel, out_channels=out_channels)
        self.name = output_device.name
        if input_device is not None and input_device != output_device:
            self.name = f"{input_device.name} → {output_device.name}"
        self.host_api = output_device.host_api
        foreign = sounddevice._ffi
        arguments: dict[str, Any] = {
            "kind": "output",
            "device": output_device.index,
            "channels": out_channels,
            "latency": latency,
        }
        if input_device is not None:
            arguments["kind"] = "duplex"
            arguments["device"] = input_device.index, output_device.index
            arguments["channels"] = in_channels, out_channels
        try:
            with quiet_libraries():
                self._stream = sounddevice._StreamBase(
                    samplerate=sample_rate,
                    blocksize=block_frames,
                    dtype="float32",
                    clip_off=True,  # the limiter has seen to it
                    dither_off=True,
                    callback=foreign.cast("PaStreamCallback *", rack.callback_address),
                    userdata=foreign.cast("void *", rack.control_address),
                    wrap_callback=None,
                    **arguments,
                )
        except sounddevice.PortAudioError as err:
            if INVALID_SAMPLE_RATE in err.args:
                device = output_device if input_device is None else input_device
                raise DeviceError(
                    f"'{self.name}' does not play at {sample_rate} Hz, it prefers {device.sample_rate} Hz; set the "
                    f"device or its sound server to {sample_rate} Hz, or give --sample-rate {device.sample_rate}"
                ) from err
            raise DeviceError(f"'{self.name}' cannot be opened: {err.args[0]}; is another program using it?") from err
        self.sample_rate = float(self._stream.samplerate)
        latencies = self._stream.latency
        self.latency_s = float(np.sum(latencies))

    def start(self) -> None:
        """Begin to play."""
        sounddevice = import_sounddevice()
        try:
            with quiet_libraries():
                self._stream.start()
        except sounddevice.PortAudioError as err:
            raise DeviceError(f"'{self.name}' cannot be started: {err.args[0]}") from err

    def has_stopped(self) -> bool:
        """Whether the stream has ended by itself: the server went away, or the device was unplugged."""
        try:
            return not self._stream.active
        except import_sounddevice().PortAudioError:
            return True

    def close(self) -> None:
        """Stop playing and give the device back.

        A sound server that has died can hold its client for ever, so that closing is given two seconds.
        """
        if self._closing is not None:
            return
        self._closing = threading.Thread(target=self._stop_and_close, daemon=True)
        with quiet_libraries():
            self._closing.start()
            self._closing.join(CLOSE_TIMEOUT_S)
        if self._closing.is_alive():
            _ABANDONED.append(self._rack)  # PortAudio may still call it
            logger.info("'%s' does not answer; leaving it", self.name)
            atexit.unregister(import_sounddevice()._exit_handler)  # it would hang, or abort, on the dead server

    def _stop_and_close(self) -> None:
        self._stream.stop(ignore_errors=True)  # plays what it was given to the end
        self._stream.close(ignore_errors=True)


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
        self.latency_s = VIRTUAL_LATENCY_S[latency] if isinstance(latency, str) else latency
        self._rack = rack
        self._block_frames = block_frames or VIRTUAL_BLOCK_FRAMES
        self._stop = threading.Event()
        self._over = threading.Event()
        self._is_begun = False
        self._thread = threading.Thread(target=self._play, name="virtual device", daemon=True)
        rack.connect(in_channels=0, in_channel=0, out_channels=1)

    def start(self) -> None:
        """Begin to play."""
        self._is_begun = True  # first, because Ctrl-C may come between
        self._thread.start()

    def has_stopped(self) -> bool:
        """Never: it has nothing that could go away."""
        return False

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()
        if self._is_begun:
            self._over.wait(CLOSE_TIMEOUT_S)

    def _play(self) -> None:
        try:
            self._play_until_stopped()
        finally:
            self._over.set()

    def _play_until_stopped(self) -> None:
        block_s = self._block_frames / self.sample_rate
        silence, out = np.zeros(self._block_frames, np.float32), np.zeros(self._block_frames, np.float32)
        due = time.perf_counter()
        while not self._stop.is_set():
            late = time.perf_counter() - due
            flags = 0
            if late < 0:
                time.sleep(-late)
            elif late > self.latency_s:
                flags = OUTPUT_UNDERFLOW
                due += late
            self._rack.process(silence, out, flags=flags)
            due += block_s
