"""The process that listens to MIDI ports, and what it passes on.

python-rtmidi is kept out of the process that plays: a JACK server that dies takes its clients with it or holds them for
ever, libraries print where they like, and a stopped client holds up the whole graph. The host starts this file by its
path, without the package around it, which would take seconds to import. It ends when its standard input does.

Lines of JSON go to standard output: `{"open": [NAME], "listed": [NAME]}` every two seconds, which also tells that the
listener lives, and `{"messages": [[176, 20, 64]]}`, of which only so many are kept as can matter.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

NOTE_ON, CONTROLLER, PROGRAM = 0x90, 0xB0, 0xC0
PRESSED = 64  # a controller that switches is on from here
MOST_NOTES = 64  # that count between two looks; no hand plays more
LOOK_S = 2.0  # how often ports are looked for
TICK_S = 0.01  # how often they are read
MOST_WAITING = 4096  # messages of a port between two readings
OWN_NAME = "fxhost midi"
THROUGH = "midi through"  # what ALSA connects programs with: no device, so it is opened only by its name
BRIDGES = ("a2j:", "a2j_bridge:", "midi-bridge:")  # clients of JACK that repeat the ports of ALSA


class Newest:
    """Messages that wait: of a controller and of program changes the newest, and a few notes. So it never grows.

    A foot switch may send 127 and 0 at once: where a controller was pressed and let go, both values are kept.
    """

    def __init__(self) -> None:
        self._notes: list[list[int]] = []
        self._controllers: dict[tuple[int, int], list[int]] = {}  # its newest values: one, or 64 and more and then less
        self._programs: dict[int, int] = {}

    def add(self, messages: Iterable[Sequence[int]]) -> None:
        """Keep what can matter; what is no note, controller or program change, or is damaged, does not."""
        for message in messages:
            if len(message) not in (2, 3) or any(not 0 <= byte < 128 for byte in message[1:]):
                continue
            status = message[0]
            kind = status & 0xF0
            if kind == CONTROLLER and len(message) == 3:
                before = self._controllers.pop((status, message[1]), [0])
                was_pressed = before[0] >= PRESSED > message[2]
                self._controllers[status, message[1]] = [*before[:was_pressed], message[2]]
            elif kind == PROGRAM and len(message) == 2:
                self._programs.pop(status, None)
                self._programs[status] = message[1]
            elif kind == NOTE_ON and len(message) == 3 and message[2] > 0 and len(self._notes) < MOST_NOTES:
                self._notes.append(list(message))

    def take(self) -> list[list[int]]:
        """All that waits, each kind in the order in which it came: notes, controllers, program changes."""
        controllers = [[*which, value] for which, values in self._controllers.items() for value in values]
        programs = [[status, number] for status, number in self._programs.items()]
        taken = [*self._notes, *controllers, *programs]
        self._notes, self._controllers, self._programs = [], {}, {}
        return taken


def choose_ports(listed: Sequence[tuple[str, str]], wanted: str) -> list[tuple[str, str, int]]:
    """The ports to open: their sound system, name, and place among those of the same name.

    Parameters
    ----------
    listed : sequence of (str, str)
        Of every port its sound system and name.
    wanted : str
        Part of the name, in either case; an empty text means every device.
    """
    has_alsa = any(system == "alsa" for system, _ in listed)
    chosen: list[tuple[str, str, int]] = []
    counts: dict[tuple[str, str], int] = {}
    for system, name in listed:
        folded = name.casefold()
        place = counts.get((system, name), 0)
        counts[system, name] = place + 1
        repeats = has_alsa and system == "jack" and folded.startswith(BRIDGES)
        is_meant = wanted.casefold() in folded if wanted else THROUGH not in folded
        if is_meant and not repeats and OWN_NAME not in folded:
            chosen.append((system, name, place))
    return chosen


class Listener:
    """The open ports.

    Parameters
    ----------
    rtmidi : module
    wanted : str
        As for `choose_ports`.
    """

    def __init__(self, rtmidi: Any, wanted: str) -> None:
        self._rtmidi, self._wanted = rtmidi, wanted
        self._finders: dict[str, Any] = {}
        self._open: dict[tuple[str, str, int], Any] = {}
        self._server = _server_mark()

    def look(self) -> dict[str, list[str]]:
        """Open ports that have appeared, let go of those that are gone, and tell the names.

        Raises
        ------
        SystemExit
            If the JACK server is another one than before: its library has to be loaded anew.
        """
        if "jack" in self._finders and _server_mark() != self._server:
            os._exit(0)
        self._server = _server_mark()
        listed = [(system, name) for system in self._systems() for name in self._list(system)]
        chosen = choose_ports(listed, self._wanted)
        for key in [key for key in self._open if key not in chosen]:
            self._open.pop(key).delete()
        for key in chosen:
            if key not in self._open:
                self._try_to_open(key)
        return {"open": [key[1] for key in self._open], "listed": [name for _, name in listed if OWN_NAME not in name]}

    def _systems(self) -> dict[str, int]:
        numbers = [number for number in self._rtmidi.get_compiled_api() if number != self._rtmidi.API_RTMIDI_DUMMY]
        return {self._rtmidi.get_api_name(number): number for number in numbers}

    def _make(self, system: str) -> Any:
        port = self._rtmidi.MidiIn(self._systems()[system], OWN_NAME, queue_size_limit=MOST_WAITING)
        port.set_error_callback(lambda kind, text, data: None)
        port.ignore_types(sysex=True, timing=True, active_sense=True)
        return port

    def _list(self, system: str) -> list[str]:
        try:
            if system not in self._finders:
                self._finders[system] = self._make(system)
            return list(self._finders[system].get_ports())
        except Exception:  # rtmidi has errors of several kinds; this sound system is not there
            self._finders.pop(system, None)
            return []

    def _try_to_open(self, key: tuple[str, str, int]) -> None:
        system, name, place = key
        try:
            names = self._finders[system].get_ports()
            port = self._make(system)
            port.open_port([n for n, each in enumerate(names) if each == name][place])
            self._open[key] = port
        except Exception:  # it is taken or gone; the next look tries again
            return

    def read(self) -> list[list[int]]:
        """The messages since the last call, at most 4096 of a port."""
        messages = []
        for port in self._open.values():
            for _ in range(MOST_WAITING):
                event = port.get_message()
                if event is None:
                    break
                messages.append(event[0])
        return messages

    def close(self) -> None:
        """Leave the sound systems."""
        for port in [*self._open.values(), *self._finders.values()]:
            port.delete()


def _server_mark() -> tuple[int, int] | None:
    """What changes when a JACK server is started anew on Linux: its socket; None where there is none."""
    if not hasattr(os, "getuid"):
        return None
    try:
        found = Path(f"/dev/shm/jack_{os.environ.get('JACK_DEFAULT_SERVER', 'default')}_{os.getuid()}_0").stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


def main(wanted: str) -> None:
    """Listen until standard input ends."""
    import rtmidi

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    shall_end = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.buffer.read()
        shall_end.set()
        time.sleep(1.0)
        os._exit(0)  # a dead server does not let go

    def tell(report: object) -> None:
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()

    threading.Thread(target=wait_for_end, daemon=True).start()
    listener, newest = Listener(rtmidi, wanted), Newest()
    looked_s = -LOOK_S
    try:
        while not shall_end.wait(TICK_S):
            if time.monotonic() - looked_s >= LOOK_S:
                tell(listener.look())
                looked_s = time.monotonic()
            newest.add(listener.read())
            if messages := newest.take():
                tell({"messages": messages})
        listener.close()
    finally:
        os._exit(0)  # without the libraries' own way out, on which they crash after the death of a server


if __name__ == "__main__":
    main(sys.argv[1])
