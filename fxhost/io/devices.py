"""The sound devices of this machine, by number or name. PortAudio (sounddevice) starts when a function needs it."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fxhost.errors import DeviceError
from fxhost.io.jack import HOST_API, ask_server, speaks_pipewire
from fxhost.io.jack_client import choose_client_name
from fxhost.io.latency import LONGEST_S
from fxhost.io.portaudio import import_sounddevice, quiet_libraries, stop_portaudio

logger = logging.getLogger(__name__)

Kind = Literal["input", "output"]

INVALID_SAMPLE_RATE = -9997  # paInvalidSampleRate
USUAL_RATES = (48_000, 44_100, 96_000, 88_200, 192_000, 32_000)  # Hz
PIPEWIRE_LATENCY = "PIPEWIRE_LATENCY"
_asked_pipewire = ""  # what we have put into PIPEWIRE_LATENCY


@dataclass(frozen=True)
class Device:
    """A sound device as PortAudio names it."""

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    sample_rate: int
    latency_s: tuple[float | None, float | None]  # of input and output, as claimed; None is unknown

    def channels(self, kind: Kind) -> int:
        """How many channels of a kind it has."""
        return self.input_channels if kind == "input" else self.output_channels

    def __str__(self) -> str:
        return f"{self.index} '{self.name}' ({self.host_api})"


def name_jack_client(name: str) -> None:
    """Appear in a JACK graph under this name; a PortAudio that runs under another one starts anew.

    Raises
    ------
    DeviceError
        If JACK would not take the name.
    """
    if choose_client_name(name):
        stop_portaudio()


def user_asks_pipewire() -> bool:
    """Whether the user has set PIPEWIRE_LATENCY."""
    return os.environ.get(PIPEWIRE_LATENCY, "") != _asked_pipewire


def ask_pipewire(block_frames: int) -> None:
    """Ask PipeWire for blocks of so many frames, where its libjack plays and the user has not asked himself.

    A client of PipeWire says what it wants when it is made, so PortAudio starts anew where it has asked for another.
    """
    global _asked_pipewire
    if user_asks_pipewire() or not speaks_pipewire():
        return
    with quiet_libraries():
        server = ask_server()
    wanted = f"{block_frames}/{server.sample_rate}" if server is not None and server.sample_rate > 0 else ""
    if wanted and wanted != _asked_pipewire:
        os.environ[PIPEWIRE_LATENCY] = _asked_pipewire = wanted
        stop_portaudio()


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
            latency_s=(_as_latency(info["default_low_input_latency"]), _as_latency(info["default_low_output_latency"])),
        )
        for info in sounddevice.query_devices()
    ]


def _as_latency(seconds: float) -> float | None:
    return seconds if 0 <= seconds < LONGEST_S else None


def ask_latencies(devices: Sequence[Device]) -> list[Device]:
    """The same devices; those of JACK with the latency that its server tells, which PortAudio does not pass on."""
    if not any(device.host_api == HOST_API for device in devices):
        return list(devices)
    with quiet_libraries():
        server = ask_server()

    def told(device: Device) -> Device:
        if device.host_api != HOST_API:
            return device
        ways = (None, None) if server is None else (server.capture_frames, server.playback_frames)
        frames = [None if way is None else way.get(device.name) or None for way in ways]  # 0: nothing is known
        rate = server.sample_rate if server is not None else device.sample_rate
        capture, playback = (None if count is None else count / rate for count in frames)
        return replace(device, latency_s=(capture, playback))

    return [told(device) for device in devices]


def devices() -> list[Device]:
    """The sound devices of this machine, with the latencies that are known of them.

    Raises
    ------
    DeviceError
        If there is no PortAudio library.
    """
    return ask_latencies(list_devices())


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
    if wanted.isdigit():
        found = [device for device in able if device.index == int(wanted)]
    else:
        lower = wanted.lower()
        found = [device for device in able if device.name.lower() == lower]
        found = found or [device for device in able if lower in f"{device.name} ({device.host_api})".lower()]
    if not found:
        there = f"there are: {'; '.join(map(str, able))}" if able else "this machine has none"
        raise DeviceError(f"no {kind} device {wanted!r}; {there}; or use --device virtual")
    if len(found) > 1:
        fitting = "; ".join(map(str, found))
        raise DeviceError(f"{wanted!r} fits several {kind} devices: {fitting}; give the number or more of the name")
    return found[0]


def find_again(device: Device, kind: Kind) -> Device:
    """The same device in PortAudio's present list.

    Raises
    ------
    DeviceError
        If it is not there any more.
    """
    same = [
        other
        for other in list_devices()
        if (other.name, other.host_api) == (device.name, device.host_api) and other.channels(kind)
    ]
    if not same:
        raise DeviceError(f"'{device.name}' is not there any more")
    return min(same, key=lambda other: abs(other.index - device.index))


def choose_device(wanted: str | None, kind: Kind) -> Device:
    """The device that a user names, or without a name the one that the system prefers.

    Raises
    ------
    DeviceError
        As for `find_device` and `default_device`.
    """
    return find_device(wanted, kind) if wanted else default_device(kind)


def explain_refusal(reasons: Sequence[object], name: str, device: Device, sample_rate: int) -> DeviceError:
    """What is wrong where PortAudio gives these reasons for not opening a stream, whose first device is that one."""
    if INVALID_SAMPLE_RATE in reasons:
        return DeviceError(
            f"'{name}' does not play at {sample_rate} Hz, it prefers {device.sample_rate} Hz; set the device or its "
            f"sound server to {sample_rate} Hz, or give --sample-rate {device.sample_rate}"
        )
    return DeviceError(f"'{name}' cannot be opened: {reasons[0]}; is another program using it?")


def takes_rate(input_device: Device | None, output_device: Device, sample_rate: int) -> bool:
    """Whether devices play at a rate in Hz, as far as they say; without an input device that is not asked."""
    sounddevice = import_sounddevice()
    try:
        with quiet_libraries():
            sounddevice.check_output_settings(
                output_device.index, min(2, output_device.output_channels), "float32", samplerate=sample_rate
            )
            if input_device is not None:
                sounddevice.check_input_settings(input_device.index, 1, "float32", samplerate=sample_rate)
    except sounddevice.PortAudioError as err:
        return INVALID_SAMPLE_RATE not in err.args  # what else is wrong is said when they are opened
    return True


def find_rate(input_device: Device | None, output_device: Device, wanted: int) -> int:
    """The wanted rate in Hz if the devices take it, or else their own, or another that is usual.

    PipeWire may tell a rate that its graph has left.
    """
    own = output_device.sample_rate
    rates = dict.fromkeys((wanted, own, *USUAL_RATES))
    return next((rate for rate in rates if takes_rate(input_device, output_device, rate)), own)
