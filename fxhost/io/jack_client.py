"""How the program appears in a JACK graph: the name of its client, and the ports that it is connected to.

PortAudio opens the JACK client when it starts and connects its ports to those of the device. It takes a name, but no
wish for other connections: those are changed from outside, through a second client, right after the stream has started.
"""

import contextlib
import ctypes
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from fxhost.errors import DeviceError
from fxhost.io import jack
from fxhost.io.time_limit import finishes
from fxhost.nearest import find_nearest

logger = logging.getLogger(__name__)

CLIENT_NAME = "fxhost"
LONGEST_NAME = 32  # bytes; JACK allows a few more, and adds a number to a name that is taken
ANSWER_S = 2.0
_chosen = ctypes.create_string_buffer(CLIENT_NAME.encode(), 64)  # PortAudio keeps the pointer
_used: ctypes.CDLL | None = None  # another copy of PortAudio than the first


@dataclass(frozen=True)
class Connections:
    """What the client's ports are connected to.

    Attributes
    ----------
    automatic : bool
        Whether PortAudio connects them to the ports of the device.
    outputs_to : tuple of str
        The ports that the outputs are connected to instead. The name of a client stands for all its input ports, in
        order.
    """

    automatic: bool = True
    outputs_to: tuple[str, ...] = ()

    @property
    def is_usual(self) -> bool:
        """Whether PortAudio's own connections stay."""
        return self.automatic and not self.outputs_to


USUAL = Connections()


def choose_client_name(name: str) -> bool:
    """Set the name of the JACK client that PortAudio opens when it starts next.

    Returns
    -------
    bool
        Whether it differs from the last one, so that a PortAudio that runs already has to start anew.

    Raises
    ------
    DeviceError
        If JACK would not take the name.
    """
    encoded = name.encode()
    if not 0 < len(encoded) <= LONGEST_NAME or ":" in name or not name.isprintable():
        raise DeviceError(
            f"{name[:80]!r} cannot name a JACK client: give 1 to {LONGEST_NAME} characters without a colon"
        )
    changed = _chosen.value != encoded
    _chosen.value = encoded
    return changed


def tell_portaudio_the_name() -> None:
    """Hand the chosen name to PortAudio. It counts if PortAudio has not started yet."""
    library = _portaudio()
    if library is not None and library.PaJack_SetClientName(_chosen):
        logger.info("PortAudio does not take %r as the name of the JACK client", _chosen.value)


def read_client_name() -> str:
    """The name that the JACK server gave to PortAudio's client; a number is added where the name was taken."""
    library, name = _portaudio(), ctypes.c_char_p()
    if library is None or library.PaJack_GetClientName(ctypes.byref(name)) or not name.value:
        return _chosen.value.decode()
    return name.value.decode(errors="replace")


def check_connections(connections: Connections) -> None:
    """Make sure that every port to connect to exists.

    Raises
    ------
    DeviceError
        If one does not, with the ports that there are, or the server does not answer.
    """
    if connections.outputs_to:
        _within_time(lambda: _find_targets(connections))


def apply_connections(connections: Connections) -> None:
    """Change what the ports of PortAudio's client are connected to.

    Raises
    ------
    DeviceError
        If a port does not exist any more, or the server refuses or does not answer.
    """
    if not connections.is_usual:
        _within_time(lambda: _change(connections, read_client_name()))


def _within_time(work: Callable[[], object]) -> None:
    failures: list[DeviceError] = []

    def keep_failure() -> None:
        try:
            work()
        except DeviceError as err:
            failures.append(err)

    if not finishes(keep_failure, ANSWER_S):
        raise DeviceError("the JACK server does not answer; restart it")
    if failures:
        raise failures[0]


def _find_targets(connections: Connections) -> None:
    with jack.asking_client() as (library, client):
        inputs = jack.list_ports(library, client, jack.IS_INPUT)
    for wanted in connections.outputs_to:
        _find_ports(wanted, inputs, read_client_name())


def _change(connections: Connections, client_name: str) -> None:
    with jack.asking_client() as (library, client):
        outputs = jack.list_ports(library, client, jack.IS_OUTPUT)
        inputs = jack.list_ports(library, client, jack.IS_INPUT)
        own_outputs = [port for port in outputs if port.startswith(f"{client_name}:")]
        own_inputs = [port for port in inputs if port.startswith(f"{client_name}:")]
        targets = [port for wanted in connections.outputs_to for port in _find_ports(wanted, inputs, client_name)]
        for port in own_outputs:
            jack.disconnect_all(library, client, port)
        if not connections.automatic:
            for port in own_inputs:
                jack.disconnect_all(library, client, port)
        for own, target in zip(own_outputs, targets, strict=False):
            if not jack.connect(library, client, own, target):
                raise DeviceError(f"the JACK server does not connect {own} to {target}")


def _find_ports(wanted: str, inputs: list[str], client_name: str) -> list[str]:
    """The port that is wanted, or all input ports of the client that is wanted."""
    if wanted in inputs:
        return [wanted]
    foreign = [port for port in inputs if not port.startswith(f"{client_name}:")]
    found = [port for port in foreign if port.startswith(f"{wanted}:")]
    if not found:
        near = find_nearest(wanted, [*foreign, *(port.partition(":")[0] for port in foreign)])
        guess = f" (did you mean {near!r}?)" if near else ""
        raise DeviceError(f"no JACK input port {wanted!r}{guess}; there are: {', '.join(foreign) or 'none'}")
    return found


@cache
def use_portaudio(library: ctypes.CDLL) -> None:
    """Talk to this PortAudio library from now on."""
    global _used
    _used = library


def _portaudio() -> ctypes.CDLL | None:
    """The library that sounddevice uses too, if it is the system's and speaks JACK."""
    with contextlib.suppress(OSError, AttributeError):
        library = _used or ctypes.CDLL("libportaudio.so.2")
        library.PaJack_SetClientName.argtypes = (ctypes.c_char_p,)
        library.PaJack_GetClientName.argtypes = (ctypes.POINTER(ctypes.c_char_p),)
        return library
    return None
