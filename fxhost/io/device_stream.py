"""A rack on a real device, driven by PortAudio's audio thread."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from fxhost.engine.rack import Rack
from fxhost.errors import DeviceError
from fxhost.io import jack
from fxhost.io.block_size import choose_block_frames, choose_latency, choose_longer_latency
from fxhost.io.devices import Device, explain_refusal, find_again, find_rate, user_asks_pipewire
from fxhost.io.jack_client import USUAL, Connections, apply_connections, check_connections
from fxhost.io.latency import UNKNOWN, Latency, add_ways, claim_of_server
from fxhost.io.portaudio import forget_portaudio, import_sounddevice, quiet_libraries, renew_portaudio, stop_portaudio
from fxhost.io.round_trips import Setup, recall_trip
from fxhost.io.time_limit import finishes

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0
LEAVE_TIMEOUT_S = 5.0  # where we want to come back
DEAD_TIMEOUT_S = 0.3  # of a JACK server that answers no more
_ABANDONED: list[Rack] = []  # racks of devices that did not let go of them


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
        0 leaves it open: 64 where the device takes it, or what its server runs at.
    latency : {'low', 'high'} or float
        What to ask PortAudio for; a number is in seconds. Of 'low' ALSA makes a buffer of a power of two.
    input_channel, right_input_channel : int
        From 0; the second where the rack has two inputs.
    connections : Connections
        What the ports are connected to, where JACK plays.
    on_rate : callable, optional
        Lets the rack play at a rate in Hz, where the device is opened again and no longer takes the one before. Without
        it such a device is refused.

    Raises
    ------
    DeviceError
        If the device refuses, or connections are asked for and it is none of JACK.
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
        right_input_channel: int | None = None,
        connections: Connections = USUAL,
        on_rate: Callable[[int], None] | None = None,
    ) -> None:
        self._rack, self._on_rate, self._first_rate = rack, on_rate, sample_rate
        self._connections = connections
        if not connections.is_usual and output_device.host_api != jack.HOST_API:
            raise DeviceError(
                f"{output_device} is not a JACK device and has no ports to connect; choose one of JACK with "
                "--device, or leave out --no-connect and --connect-to"
            )
        with quiet_libraries():
            check_connections(connections)
        self._right_channel = input_channel if right_input_channel is None else right_input_channel
        self._devices = input_device, output_device
        self._block_frames, self._input_channel, self._latency = block_frames, input_channel, latency
        self._may_ask_for_more = isinstance(latency, str) and output_device.host_api != jack.HOST_API
        self.sample_rate = float(sample_rate)
        self.host_api = output_device.host_api
        self.latency = self.claim = UNKNOWN
        self.can_reopen = True
        self._stream: Any = None
        self._server: jack.Server | None = None
        self.name = output_device.name
        if input_device is not None and input_device != output_device:
            self.name = f"{input_device.name} → {output_device.name}"
        self._open()

    def _open(self) -> None:
        sounddevice = import_sounddevice()
        input_device, output_device = self._devices
        self._ask_server()
        self.asked_frames, self._told_frames = choose_block_frames(self._block_frames, self.host_api, self._server)
        if not self._block_frames and self._server is not None and self._server.is_pipewire and user_asks_pipewire():
            self.asked_frames = 0
        self.asked_latency: str | float | None = None if self.host_api == jack.HOST_API else self._choose_latency()
        out_channels = min(2, output_device.output_channels)
        in_channels = 0
        if input_device is not None:
            in_channels = max(self._input_channel, self._right_channel) + 1
            if in_channels > input_device.input_channels:
                raise DeviceError(
                    f"{input_device} has {input_device.input_channels} input channels; no channel {in_channels}"
                )
        self._rack.connect(
            in_channels=in_channels,
            in_channel=self._input_channel,
            right_in_channel=self._right_channel,
            out_channels=out_channels,
        )
        foreign = sounddevice._ffi
        arguments: dict[str, Any] = {
            "kind": "output",
            "device": output_device.index,
            "channels": out_channels,
            "latency": self._latency if self.asked_latency is None else self.asked_latency,
        }
        if input_device is not None:
            arguments["kind"] = "duplex"
            arguments["device"] = input_device.index, output_device.index
            arguments["channels"] = in_channels, out_channels
        try:
            with quiet_libraries():
                self._stream = sounddevice._StreamBase(
                    samplerate=self.sample_rate,
                    blocksize=self._told_frames,
                    dtype="float32",
                    clip_off=True,  # the limiter has seen to it
                    dither_off=True,
                    callback=foreign.cast("PaStreamCallback *", self._rack.callback_address),
                    userdata=foreign.cast("void *", self._rack.control_address),
                    wrap_callback=None,
                    **arguments,
                )
        except sounddevice.PortAudioError as err:
            device = output_device if input_device is None else input_device
            raise explain_refusal(err.args, self.name, device, round(self.sample_rate)) from err
        self.sample_rate = float(self._stream.samplerate)
        self._add_latency(self._told_frames or self.asked_frames)

    def _choose_latency(self) -> str | float:
        """What PortAudio is told of it."""
        if self._latency != "low":
            return self._latency
        source, target = self._devices
        claims = [target.latency_s[1], *([] if source is None else [source.latency_s[0]])]
        return choose_latency(claims, self._told_frames, self.host_api, self.sample_rate) or self._latency

    def start(self) -> None:
        """Begin to play."""
        sounddevice = import_sounddevice()
        try:
            with quiet_libraries():
                self._stream.start()
        except sounddevice.PortAudioError as err:
            raise DeviceError(f"'{self.name}' cannot be started: {err.args[0]}") from err
        with quiet_libraries():
            apply_connections(self._connections)

    def has_stopped(self) -> bool:
        """Whether the stream has ended by itself: the server went away, or the device was unplugged."""
        if self._stream is None:
            return True
        try:
            return not self._stream.active
        except import_sounddevice().PortAudioError:
            return True

    def has_other_rate(self) -> bool:
        """Whether the server has changed the sample rate of the stream while it plays."""
        if self._stream is None or self._on_rate is None:
            return False
        told = import_sounddevice()._lib.Pa_GetStreamInfo(self._stream._ptr)
        return bool(told) and round(told.sampleRate) != round(self.sample_rate)

    def read_latency(self, block_frames: int) -> None:
        """Ask for the latency anew, now that blocks of so many frames come.

        A graph of PipeWire takes up its clients' wishes only when they play, and its devices answer for the blocks
        that they have.
        """
        if self._server is not None and (self._server.is_pipewire or self._server.period_frames != block_frames):
            self._ask_server()
        self._add_latency(block_frames)

    def _ask_server(self) -> None:
        if self.host_api == jack.HOST_API:
            with quiet_libraries():
                self._server = jack.ask_server()

    def _add_latency(self, block_frames: int) -> None:
        if self.host_api != jack.HOST_API:
            told, least_s = self._stream.latency, block_frames / self.sample_rate
            self.claim = add_ways(told if isinstance(told, tuple) else [told], least_s, "driver")
        else:
            source, target = self._devices
            names = None if source is None else source.name, target.name
            self.claim = claim_of_server(self._server, *names, block_frames, self._told_frames, self.sample_rate)
        trip = recall_trip(self.setup(block_frames), self.claim.claimed_frames(self.sample_rate))
        self.latency = self.claim if trip is None else Latency(trip.seconds, "measured")

    def setup(self, block_frames: int) -> Setup:
        """What a round trip in blocks of so many frames depends on."""
        return Setup(self.name, self.host_api, round(self.sample_rate), block_frames, str(self._latency))

    def ask_for_more(self, wake_s: float) -> bool:
        """Let the next `reopen` ask for a longer buffer, unless the user has said how long, or the server does.

        A sound server behind the driver may call more rarely than its buffer lasts: PipeWire does behind ALSA, where
        another program wants long blocks. PortAudio does not see that.
        """
        if not self._may_ask_for_more:
            return False
        told: float | list[float] = [0.0]
        if not isinstance(self._latency, str):
            told = self._latency
        elif self._stream is not None:
            told = np.atleast_1d(self._stream.latency).tolist()
        wanted = choose_longer_latency(told, wake_s)
        if wanted is None:
            return False
        self._latency = choose_latency([wanted], self._told_frames, self.host_api, self.sample_rate) or wanted
        return True

    def leave(self) -> None:
        """Stop playing, and leave the sound server too."""
        self._close_stream(LEAVE_TIMEOUT_S if self.answers() else DEAD_TIMEOUT_S)
        if self.can_reopen and not stop_portaudio():
            self.can_reopen = renew_portaudio()

    def answers(self) -> bool:
        """Whether a JACK server still takes clients; of other host APIs nobody can tell."""
        if self.host_api != jack.HOST_API:
            return True
        with quiet_libraries():
            return jack.ask_server() is not None

    def reopen(self) -> None:
        """Leave, open the same device again, at its own rate if it no longer takes ours, and begin to play.

        Raises
        ------
        DeviceError
            If that cannot be done, or not yet.
        """
        self.leave()
        if not self.can_reopen:
            raise DeviceError(f"'{self.name}' does not answer; restart the sound server")
        input_device, output_device = self._devices
        self._devices = input_device and find_again(input_device, "input"), find_again(output_device, "output")
        self._follow_rate()
        self._open()
        self.start()

    def _follow_rate(self) -> None:
        """Play at the rate that was asked for at first, or else at one that the device takes."""
        if self._on_rate is None:
            return
        rate = find_rate(*self._devices, self._first_rate)
        if rate != round(self.sample_rate):
            self._on_rate(rate)
            self.sample_rate = float(rate)

    def close(self) -> None:
        """Stop playing and give the device back.

        A sound server that has died can hold its client for ever, so that closing is given two seconds.
        """
        self._close_stream(CLOSE_TIMEOUT_S)

    def _close_stream(self, timeout_s: float) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return

        def stop_and_close() -> None:
            stream.stop(ignore_errors=True)  # plays what it was given to the end
            stream.close(ignore_errors=True)

        is_closed = False
        try:
            with quiet_libraries():
                is_closed = finishes(stop_and_close, timeout_s)
        finally:  # also after Ctrl-C
            if not is_closed:
                _ABANDONED.append(self._rack)
                self._rack.leave_callback()  # PortAudio may still call it
                logger.info("'%s' does not answer; leaving it", self.name)
                self.can_reopen = renew_portaudio()
                if not self.can_reopen:
                    forget_portaudio()
