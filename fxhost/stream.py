"""Devices, and the streams that drive a rack: PortAudio, and a virtual device for machines without sound.

Both call the same compiled callback. sounddevice (PortAudio) is imported only when a function here needs it.
"""

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from fxhost.callback import OUTPUT_UNDERFLOW
from fxhost.errors import DeviceError
from fxhost.rack import Rack

logger = logging.getLogger(__name__)

VIRTUAL = "virtual"
VIRTUAL_BLOCK_FRAMES = 64
VIRTUAL_LATENCY_S = 0.02  # how far the virtual device may fall behind before it counts an underflow
CLOSE_TIMEOUT_S = 2.0
INVALID_SAMPLE_RATE = -9997  # paInvalidSampleRate

Kind = Literal["input", "output"]


@dataclass(frozen=True)
class Device:
    """A sound device as PortAudio names it."""

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    sample_rate: int
    latency_s: tuple[float, float]

    def channels(self, kind: Kind) -> int:
        """How many channels of a kind it has."""
        return self.input_channels if kind == "input" else self.output_channels

    def __str__(self) -> str:
        return f"{self.index} '{self.name}' ({self.host_api})"


def import_sounddevice() -> Any:
    """The sounddevice module, which starts PortAudio.

    Raises
    ------
    DeviceError
        If there is no PortAudio library, with the way to install it.
    """
    try:
        with _quiet_libraries():
            import sounddevice
    except OSError as err:
        mends = {"linux": "apt install libportaudio2", "darwin": "brew install portaudio"}
        mend = next((text for system, text in mends.items() if sys.platform.startswith(system)), "install PortAudio")
        raise DeviceError(f"no PortAudio library on this machine; {mend}") from err
    return sounddevice


def list_devices() -> list[Device]:
    """All sound devices.

    Raises
    ------
    DeviceError
        If there is no PortAudio library.
    """
    sounddevice = import_sounddevice()
    apis = sounddevice.query_hostapis()
    return [
        Device(
            index=info["index"],
            name=info["name"],
            host_api=apis[info["hostapi"]]["name"],
            input_channels=info["max_input_channels"],
            output_channels=info["max_output_channels"],
            sample_rate=round(info["default_samplerate"]),
            latency_s=(info["default_low_input_latency"], info["default_low_output_latency"]),
        )
        for info in sounddevice.query_devices()
    ]


def default_device(kind: Kind) -> Device:
    """The device that the system prefers.

    Raises
    ------
    DeviceError
        If there is none.
    """
    devices = list_devices()
    index = import_sounddevice().default.device[0 if kind == "input" else 1]
    for device in devices:
        if device.index == index and device.channels(kind):
            return device
    raise DeviceError(f"no sound device for {kind} on this machine; plug one in or start the sound server")


def find_device(wanted: str, kind: Kind) -> Device:
    """The device that a number, a name or a part of one means.

    Parameters
    ----------
    wanted : str
        An index, or any part of "name (host API)" in either case; the whole name goes before a part.
    kind : {'input', 'output'}
        What it must be able to do.

    Raises
    ------
    DeviceError
        If none or several fit; the message lists them.
    """
    able = [device for device in list_devices() if device.channels(kind)]
    listed = "; ".join(map(str, able)) or "none"
    if wanted.isdigit():
        found = [device for device in able if device.index == int(wanted)]
    else:
        lower = wanted.lower()
        found = [device for device in able if device.name.lower() == lower]
        found = found or [device for device in able if lower in f"{device.name} ({device.host_api})".lower()]
    if not found:
        raise DeviceError(f"no {kind} device {wanted!r}; there are: {listed}; or use --device virtual")
    if len(found) > 1:
        fitting = "; ".join(map(str, found))
        raise DeviceError(f"{wanted!r} fits several {kind} devices: {fitting}; give the number or more of the name")
    return found[0]


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
            with _quiet_libraries():
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
                    f"the preset plays at {sample_rate} Hz, which '{self.name}' refuses (it prefers "
                    f"{device.sample_rate} Hz); set the device or its sound server to {sample_rate} Hz, or choose a "
                    f"preset made at {device.sample_rate} Hz"
                ) from err
            raise DeviceError(f"'{self.name}' cannot be opened: {err.args[0]}; is another program using it?") from err
        self.sample_rate = float(self._stream.samplerate)
        latencies = self._stream.latency
        self.latency_s = float(np.sum(latencies))

    def start(self) -> None:
        """Begin to play."""
        sounddevice = import_sounddevice()
        try:
            with _quiet_libraries():
                self._stream.start()
        except sounddevice.PortAudioError as err:
            raise DeviceError(f"'{self.name}' cannot be started: {err.args[0]}") from err

    def has_stopped(self) -> bool:
        """Whether the stream has ended by itself: the server went away, or the device was unplugged."""
        return not self._stream.active

    def close(self) -> None:
        """Stop playing and give the device back.

        A sound server that has died can hold its client for ever, so that closing is given two seconds.
        """
        closing = threading.Thread(target=self._close, daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT_S)
        if closing.is_alive():
            logger.info("'%s' does not answer; leaving it", self.name)
            atexit.unregister(import_sounddevice()._exit_handler)  # it would hang, or abort, on the dead server

    def _close(self) -> None:
        with _quiet_libraries():
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
    """

    def __init__(self, rack: Rack, *, sample_rate: int, block_frames: int = 0) -> None:
        self.name = VIRTUAL
        self.host_api = "none"
        self.sample_rate = float(sample_rate)
        self.latency_s = VIRTUAL_LATENCY_S
        self._rack = rack
        self._block_frames = block_frames or VIRTUAL_BLOCK_FRAMES
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, name="virtual device", daemon=True)
        rack.connect(in_channels=0, in_channel=0, out_channels=1)

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def has_stopped(self) -> bool:
        """Never: it has nothing that could go away."""
        return False

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _play(self) -> None:
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


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep what ALSA and JACK print to stderr, whether asked or not, off the user's screen."""
    try:
        saved = os.dup(2)
    except OSError:  # stderr is closed: nothing to keep off
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        sys.stderr.flush()
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
