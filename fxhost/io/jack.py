"""What a JACK server tells of itself through libjack: its rate, its period, and the latency of its devices.

PortAudio passes on neither the period nor the whole latency: it takes one period off each way, in whole numbers without
a sign, so that a device without a latency comes to 2³² frames less a period. The libjack that is loaded here is the
one that PortAudio uses; it may be PipeWire's, which speaks for a graph whose period changes while it plays.
"""

import ctypes
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from fxhost.errors import DeviceError
from fxhost.io.time_limit import finishes

logger = logging.getLogger(__name__)

HOST_API = "JACK Audio Connection Kit"  # as PortAudio names it
ANSWER_S = 2.0  # a server that takes longer hangs
NO_START_SERVER = 1
IS_INPUT, IS_OUTPUT = 1, 2
CAPTURE, PLAYBACK = 0, 1
AUDIO = b"32 bit float mono audio"
ALREADY = 17  # EEXIST: the two ports were connected before
MOST_FRAMES = 1 << 24  # more than any device holds: a count that wrapped around


class _LatencyRange(ctypes.Structure):
    _fields_ = (("min", ctypes.c_uint32), ("max", ctypes.c_uint32))


@dataclass(frozen=True)
class Server:
    """A JACK server.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    period_frames : int
        The frames of a block as it stands now.
    is_pipewire : bool
        Whether it is a PipeWire graph; its period follows what its clients ask for.
    capture_frames, playback_frames : dict of str to int
        The latency of each device in frames, from its plug to a client and from a client to its plug; the longest of
        its ports.
    """

    sample_rate: int
    period_frames: int
    is_pipewire: bool
    capture_frames: dict[str, int] = field(default_factory=dict)
    playback_frames: dict[str, int] = field(default_factory=dict)


def speaks_pipewire() -> bool:
    """Whether the libjack of this process is PipeWire's. It is loaded for that, but no server is asked."""
    library = _library()
    return library is not None and b"PipeWire" in (library.jack_get_version_string() or b"")


def ask_server() -> Server | None:
    """What the server says, or None where there is none, or none that answers within two seconds."""
    if _library() is None:
        return None
    answers: list[Server | None] = []
    if not finishes(lambda: answers.append(_ask()), ANSWER_S):
        logger.info("the JACK server does not answer")
    return answers[0] if answers else None


@contextmanager
def asking_client() -> Iterator[tuple[ctypes.CDLL, int]]:
    """Libjack and a client of the server that only asks and connects.

    Raises
    ------
    DeviceError
        If there is no server.
    """
    library = _library()
    client = library and library.jack_client_open(b"fxhost-asks", NO_START_SERVER, ctypes.byref(ctypes.c_int()))
    if not library or not client:
        raise DeviceError("no JACK server answers; start it")
    try:
        yield library, client
    finally:
        library.jack_client_close(client)


def list_ports(library: ctypes.CDLL, client: int, flags: int = 0) -> list[str]:
    """The names of all audio ports that have these flags, in the server's order."""
    names = library.jack_get_ports(client, None, AUDIO, flags)
    found: list[str] = []
    while names and names[len(found)]:
        found.append(names[len(found)].decode(errors="replace"))
    if names:
        library.jack_free(names)
    return found


def connect(library: ctypes.CDLL, client: int, source: str, target: str) -> bool:
    """Connect two ports; tell whether they are connected now."""
    return library.jack_connect(client, source.encode(), target.encode()) in (0, ALREADY)


def disconnect_all(library: ctypes.CDLL, client: int, port: str) -> None:
    """Cut every connection of a port."""
    handle = library.jack_port_by_name(client, port.encode())
    if handle:
        library.jack_port_disconnect(client, handle)


def _ask() -> Server | None:
    try:
        with asking_client() as (library, client):
            ways: tuple[dict[str, int], dict[str, int]] = {}, {}
            for name in list_ports(library, client):
                port = library.jack_port_by_name(client, name.encode())
                if not port:
                    continue  # it has gone in between
                device = name.partition(":")[0]
                way = CAPTURE if library.jack_port_flags(port) & IS_OUTPUT else PLAYBACK
                latency = _LatencyRange()
                library.jack_port_get_latency_range(port, way, ctypes.byref(latency))
                if latency.max < MOST_FRAMES:
                    ways[way][device] = max(latency.max, ways[way].get(device, 0))
            rate, period = library.jack_get_sample_rate(client), library.jack_get_buffer_size(client)
            return Server(rate, period, speaks_pipewire(), *ways)
    except DeviceError:
        return None


@cache
def _library() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None  # PortAudio speaks JACK nowhere else, as it is usually built
    try:
        library = ctypes.CDLL("libjack.so.0")
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        signatures = {
            "jack_get_version_string": (text,),
            "jack_client_open": (pointer, text, ctypes.c_int, pointer),
            "jack_client_close": (ctypes.c_int, pointer),
            "jack_get_sample_rate": (ctypes.c_uint32, pointer),
            "jack_get_buffer_size": (ctypes.c_uint32, pointer),
            "jack_get_ports": (ctypes.POINTER(text), pointer, text, text, ctypes.c_ulong),
            "jack_port_by_name": (pointer, pointer, text),
            "jack_port_flags": (ctypes.c_int, pointer),
            "jack_connect": (ctypes.c_int, pointer, text, text),
            "jack_port_disconnect": (ctypes.c_int, pointer, pointer),
            "jack_port_get_latency_range": (None, pointer, ctypes.c_int, pointer),
            "jack_free": (None, pointer),
        }
        for name, (result, *arguments) in signatures.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as err:
        logger.info("no libjack: %s", err)
        return None
    return library
