"""MIDI ports: opened by part of their names, found again when they come back, and read 20 times a second.

A process of its own listens (`midi_listener.py`), with python-rtmidi (the extra `midi`), which talks to ALSA and JACK
on Linux, to CoreMIDI and to Windows. It is started again where it ends.
"""

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

from fxhost.control import midi_listener
from fxhost.control.commands import Command
from fxhost.control.midi_listener import LOOK_S, Newest
from fxhost.control.midi_map import Binding, Sounding, add_learned, learn, translate
from fxhost.errors import DeviceError

START_S = 5.0  # how long to wait for the names of the ports
SILENT_S = 10.0  # a listener that tells nothing for so long hangs on a dead server
END_S = 2.0  # how long the listener may take to leave


class MidiPorts:
    """The input ports whose names have a text in them.

    Parameters
    ----------
    wanted : str
        Part of the name, in either case; an empty text means all but ALSA's "Midi Through", which is no device.

    Attributes
    ----------
    names : list of str
        Of the ports that are open.
    listed : list of str
        Of all ports that are there.

    Raises
    ------
    DeviceError
        If python-rtmidi is not installed, with the way to install it.
    """

    def __init__(self, wanted: str = "") -> None:
        if importlib.util.find_spec("rtmidi") is None:
            raise DeviceError("MIDI needs python-rtmidi; run pip install 'fxhost[midi]'")
        self._wanted = wanted
        self.names: list[str] = []
        self.listed: list[str] = []
        self._newest, self._lock = Newest(), threading.Lock()
        self._has_looked = threading.Event()
        self._start()
        self._has_looked.wait(START_S)

    def _start(self) -> None:
        self._started_s = self._heard_s = time.monotonic()
        self._listener = subprocess.Popen(
            [sys.executable, "-P", midi_listener.__file__, self._wanted],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries of sound systems print there
            env={**os.environ, "JACK_NO_START_SERVER": "1"},
            start_new_session=True,  # Ctrl-C and Ctrl-Z are meant for us
        )
        assert self._listener.stdout is not None
        self._ear = threading.Thread(
            target=self._hear, args=(self._listener.stdout,), name="fxhost hears MIDI", daemon=True
        )
        self._ear.start()

    def _hear(self, lines: IO[bytes]) -> None:
        for line in lines:
            report = json.loads(line)
            self._heard_s = time.monotonic()
            with self._lock:
                self._newest.add(report.get("messages", ()))
            if "open" in report:
                self.names, self.listed = report["open"], report["listed"]
                self._has_looked.set()
        self.names = []
        self._has_looked.set()

    def read(self) -> list[list[int]]:
        """The messages since the last call, of which only the newest of each controller counts; at most some 2000."""
        now = time.monotonic()
        if now - self._heard_s > SILENT_S:
            self._listener.kill()
        if self._listener.poll() is not None and now - self._started_s >= LOOK_S:
            self.close()
            self._start()
        with self._lock:
            return self._newest.take()

    def close(self) -> None:
        """Let go of all ports."""
        assert self._listener.stdin is not None and self._listener.stdout is not None
        self._listener.stdin.close()
        try:
            self._listener.wait(END_S)
        except subprocess.TimeoutExpired:  # a dead server holds it
            self._listener.kill()
            self._listener.wait()
        self._ear.join()
        self._listener.stdout.close()


class MidiControl:
    """Turns what comes from MIDI ports into commands.

    Parameters
    ----------
    ports : MidiPorts
    bindings : sequence of Binding
        The rig's own. What they leave free does what it does without them.
    common : sequence of Binding
        Those of the set list.

    Attributes
    ----------
    bindings : list of Binding
        The rig's own, and what was learned.
    learning : (str, str) or None
        The id of a slot and the knob that the next controller shall turn.
    learned : list of Binding
        What was learned so far for this rig.
    """

    def __init__(self, ports: MidiPorts, bindings: Sequence[Binding] = (), common: Sequence[Binding] = ()) -> None:
        self.ports, self.bindings, self._common = ports, list(bindings), common
        self.learning: tuple[str, str] | None = None
        self.learned: list[Binding] = []

    def follow(self, bindings: Sequence[Binding], learned: list[Binding]) -> None:
        """Go on with the bindings of another rig, and with what was learned for that one before."""
        self.bindings, self.learned, self.learning = list(bindings), learned, None

    def share(self, common: Sequence[Binding]) -> None:
        """Go on with other bindings of the set list."""
        self._common = common

    def poll(self, sounding: Sounding, rig: int = 0, rigs: int = 1) -> list[Command]:
        """The commands since the last call, for what sounds now; `rig` of `rigs` is the current one of the set list."""
        messages = self.ports.read()
        if self.learning is not None:
            found = [binding for message in messages if (binding := learn(message, self.learning)) is not None]
            if found:
                self.bindings = add_learned(self.bindings, found[-1])
                self.learned[:] = add_learned(self.learned, found[-1])
                self.learning = None
        return translate(messages, [self.bindings, self._common], sounding, rig, rigs) if messages else []
