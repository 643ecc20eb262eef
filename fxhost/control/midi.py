"""MIDI ports: opened by part of their names, found again when they come back, and read 20 times a second.

python-rtmidi (the extra `midi`) talks to ALSA and JACK on Linux, to CoreMIDI and to Windows.
"""

import logging
import os
import time
from typing import Any

from fxhost.control.commands import Command
from fxhost.control.midi_map import CONTROLLER, Binding, Sounding, default_bindings, translate
from fxhost.errors import DeviceError

logger = logging.getLogger(__name__)

LOOK_S = 2.0  # how often ports are looked for
MOST_MESSAGES = 2048  # of a port between two looks; what is more is lost
OWN_NAME = "fxhost midi"


def import_rtmidi() -> Any:
    """The rtmidi module.

    Raises
    ------
    DeviceError
        If it is not installed, with the way to install it.
    """
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        import rtmidi
    except ImportError as err:
        raise DeviceError("MIDI needs python-rtmidi; pip install 'fxhost[midi]'") from err
    return rtmidi


class MidiPorts:
    """The input ports whose names have a text in them.

    Parameters
    ----------
    wanted : str
        Part of the name, in either case; an empty text means all.

    Attributes
    ----------
    seen : list of str
        The names of all ports that were there at any time.
    """

    def __init__(self, wanted: str = "") -> None:
        self._rtmidi = import_rtmidi()
        self._wanted = wanted.casefold()
        self._open: dict[tuple[int, str], Any] = {}
        self._finders: dict[int, Any] = {}
        self.seen: list[str] = []
        self._looked_s = -LOOK_S
        self.look()

    @property
    def names(self) -> list[str]:
        """The names of the ports that are open."""
        return [name for _, name in self._open]

    def look(self) -> None:
        """Open ports that have appeared, and let go of those that are gone."""
        present: dict[tuple[int, str], int] = {}
        for api in self._rtmidi.get_compiled_api():
            for index, name in enumerate(self._list(api)):
                self.seen = sorted({*self.seen, name} - {own for own in self.seen if OWN_NAME in own})
                if OWN_NAME not in name and self._wanted in name.casefold():
                    present[api, name] = index
        for key in [key for key in self._open if key not in present]:
            self._open.pop(key).close_port()
        for (api, name), index in present.items():
            if (api, name) not in self._open:
                try:
                    port = self._rtmidi.MidiIn(api, OWN_NAME, queue_size_limit=MOST_MESSAGES)
                    port.set_error_callback(lambda kind, text, data: logger.info("MIDI: %s", text))
                    port.ignore_types(sysex=True, timing=True, active_sense=True)
                    port.open_port(index)
                    self._open[api, name] = port
                except Exception as err:  # rtmidi has errors of several kinds
                    logger.info("the MIDI port %s cannot be opened: %s", name, err)

    def _list(self, api: int) -> list[str]:
        try:
            if api not in self._finders:
                self._finders[api] = self._rtmidi.MidiIn(api, OWN_NAME)
            return list(self._finders[api].get_ports())
        except Exception as err:  # no such sound system on this machine
            logger.info("no MIDI through %s: %s", self._rtmidi.get_api_name(api), err)
            self._finders.pop(api, None)
            return []

    def read(self, now_s: float) -> list[list[int]]:
        """The messages since the last call.

        Parameters
        ----------
        now_s : float
            The time in seconds, on any clock that does not go back.
        """
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self.look()
        messages: list[list[int]] = []
        for port in self._open.values():
            for _ in range(MOST_MESSAGES):
                event = port.get_message()
                if event is None:
                    break
                messages.append(event[0])
        return messages

    def close(self) -> None:
        """Let go of all ports."""
        for port in self._open.values():
            port.close_port()
        self._open.clear()


class MidiControl:
    """Turns what comes from MIDI ports into commands.

    Parameters
    ----------
    ports : MidiPorts
    bindings : list of Binding
        The rig's own; without any the default ones count.

    Attributes
    ----------
    learning : (str, str) or None
        The id of a slot and the knob that the next controller shall turn.
    learned : list of Binding
        What was learned so far.
    """

    def __init__(self, ports: MidiPorts, bindings: list[Binding]) -> None:
        self.ports, self.bindings = ports, bindings
        self.learning: tuple[str, str] | None = None
        self.learned: list[Binding] = []

    def poll(self, sounding: Sounding) -> list[Command]:
        """The commands since the last call, for what sounds now."""
        messages = self.ports.read(time.monotonic())
        if self.learning is not None:
            moved = [message for message in messages if len(message) == 3 and message[0] & 0xF0 == CONTROLLER]
            if moved:
                status, number, _ = moved[-1]
                binding = Binding("controller", number, channel=(status & 0x0F) + 1, knob=self.learning)
                own = self.bindings or default_bindings(sounding)
                self.bindings = [each for each in own if each.knob != self.learning and not each.fits(status, number)]
                self.bindings.append(binding)
                self.learned.append(binding)
                self.learning = None
        return translate(messages, self.bindings or default_bindings(sounding), sounding)
