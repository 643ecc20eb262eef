"""A rack on a real device, driven by PortAudio's audio thread."""

import logging
from typing import Any

import numpy as np

from fxhost.engine.rack import Rack
from fxhost.errors import DeviceError
from fxhost.io import jack
from fxhost.io.block_size import choose_block_frames, choose_latency
from fxhost.io.devices import INVALID_SAMPLE_RATE, Device, find_again, user_asks_pipewire
from fxhost.io.jack_client import USUAL, Connections, apply_connections, check_connections
from fxhost.io.latency import UNKNOWN, Latency, add_ways
from fxhost.io.portaudio import forget_portaudio, import_sounddevice, quiet_libraries, renew_portaudio, stop_portaudio
from fxhost.io.round_trips import Setup, recall_trip
from fxhost.io.time_limit import finishes

logger = logging.getLogger(__name__)

MOST_LATENCY_S = 0.2  # that is asked for unasked
LONGEST_PERIOD_S = 0.022  # of a sound server, as a rule: 1024 frames at 48 kHz
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
    ) -> None:
        self._rack = rack
        self._connections = connections
        if not connections.is_usual and output_device.host_api != jack.HOST_API:
            raise DeviceError(
                f"{output_device} is no JACK device, so that there are no ports to connect; choose one of JACK with "
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
            rate = round(self.sample_rate)
            if INVALID_SAMPLE_RATE in err.args:
                device = output_device if input_device is None else input_device
                raise DeviceError(
                    f"'{self.name}' does not play at {rate} Hz, it prefers {device.sample_rate} Hz; set the "
                    f"device or its sound server to {rate} Hz, or give --sample-rate {device.sample_rate}"
                ) from err
            raise DeviceError(f"'{self.name}' cannot be opened: {err.args[0]}; is another program using it?") from err
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
        least_s = block_frames / self.sample_rate
        if self.host_api != jack.HOST_API:
            told = self._stream.latency
            self.claim = add_ways(told if isinstance(told, tuple) else [told], least_s, "driver")
        elif self._server is None:
            self.claim = add_ways([None], least_s, "server")
        else:
            input_device, output_device = self._devices
            frames = [self._server.playback_frames.get(output_device.name)]
            if input_device is not None:
                frames.append(self._server.capture_frames.get(input_device.name))
            ways = [None if count is None else count / self.sample_rate for count in frames]
            held_s = self._told_frames / self.sample_rate  # PortAudio holds one of its blocks to cut or join them
            if held_s:
                least_s = held_s + self._server.period_frames / self.sample_rate
            self.claim = add_ways(ways, least_s, "server", held_s)
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
        last_s = self._latency
        if isinstance(last_s, str):
            told = [0.0] if self._stream is None else np.atleast_1d(self._stream.latency).tolist()
            last_s = max((way_s for way_s in told if 0 <= way_s < MOST_LATENCY_S), default=0.0)
        wanted = max(2 * last_s, 1.5 * min(wake_s, LONGEST_PERIOD_S))
        if not 0 < wanted <= MOST_LATENCY_S:
            return False
        even_s = choose_latency([wanted], self._told_frames, self.host_api, self.sample_rate)
        self._latency = wanted if even_s is None else even_s
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
        """Leave, open the same device again, and begin to play.

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
        self._open()
        self.start()

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
