"""MIDI on the command line: the ports, the bindings of the rig that plays, and what is learned for it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fxhost.cli.console import print_error, print_json, say
from fxhost.control.commands import Command
from fxhost.errors import FxhostError, explain_unread

if TYPE_CHECKING:
    from fxhost.cli.screen import Screen
    from fxhost.control.midi import MidiPorts
    from fxhost.control.midi_map import Binding
    from fxhost.rig.rig import Rig
    from fxhost.session import Session


def list_midi_ports(*, as_json: bool) -> int:
    """`fxhost devices --midi`."""
    from fxhost.control.midi import MidiPorts

    ports = MidiPorts()
    ports.close()
    if as_json:
        print_json(ports.listed)
    elif not ports.listed:
        say("no MIDI port on this machine; `fxhost run --midi` finds one that appears while it plays")
    else:
        for name in ports.listed:
            say(name)
        say("`fxhost run --midi` listens to all of them but Midi Through; with part of a name, to those that have it")
    return 0


class MidiRemote:
    """MIDI control of a session: it takes the bindings of each rig that plays from its file.

    Parameters
    ----------
    ports : MidiPorts
    path : Path
        What plays: a rig file, a set list, or something without bindings.
    session : Session

    Raises
    ------
    FxhostError
        If a binding of the first rig or the set list has a mistake.
    """

    def __init__(self, ports: "MidiPorts", path: Path, session: "Session") -> None:
        from fxhost.control.midi import MidiControl
        from fxhost.control.midi_file import read_bindings

        self._session = session
        is_set_list = path.suffix == ".toml" and session.set_list is not None
        common = read_bindings(path, None) if is_set_list else []
        self._learned: dict[Path | None, tuple[Rig, list[Binding]]] = {}
        self.control = MidiControl(ports, common=common)
        self._rig: Rig | None = None
        self._follow(session.rig)

    def _follow(self, rig: "Rig") -> None:
        """Go on with the bindings of a rig that plays now."""
        from fxhost.control.midi_file import read_bindings
        from fxhost.control.midi_map import add_learned

        path = rig.path
        is_first, self._rig = self._rig is None, rig
        learned = self._learned.get(path, (rig, []))[1]
        self._learned[path] = rig, learned
        bindings: list[Binding] = []
        try:
            bindings = [] if path is None else read_bindings(path, rig)
        except FxhostError as err:
            if is_first:
                raise
            print_error(f"{err}. Its MIDI bindings are left out")
        except OSError as err:
            print_error(f"{explain_unread(Path(path or ''), err)}. Its MIDI bindings are left out")
        for each in learned:
            bindings = add_learned(bindings, each)
        self.control.follow(bindings, learned)

    def poll(self) -> list[Command]:
        """The commands since the last call."""
        session = self._session
        if session.rig is not self._rig:
            self._follow(session.rig)
        if session.set_list is None:
            return self.control.poll(session.playing)
        return self.control.poll(session.playing, session.set_list.index, len(session.set_list))

    def learn(self, screen: "Screen") -> None:
        """Where the key was pressed, let the next controller that moves turn the chosen knob; not if pressed again."""
        control, knobs = self.control, self._session.knobs
        if screen.wants_learn and control.learning is not None:
            control.learning = None
            screen.note("MIDI: nothing is learned")
        elif screen.wants_learn and knobs.places:
            slot, knob = knobs.places[knobs.chosen]
            control.learning = self._session.rig.ids[slot], self._session.slots[slot].parameters[knob].name
            screen.note(f"MIDI: move a controller for {knobs.names[knobs.chosen]}")
        elif screen.wants_learn:
            screen.note("MIDI: there is no knob to learn for")
        newest = control.learned[-1] if control.learned else None
        if newest is not None and newest.knob is not None and newest is not screen.learned:
            screen.note(f"MIDI: controller {newest.number} of channel {newest.channel} turns {'.'.join(newest.knob)}")
            screen.learned = newest

    def keep_learned(self) -> None:
        """Put what was learned into the rig files, in place of what it replaces."""
        from fxhost.control.midi_file import put_bindings
        from fxhost.io.files import write_text

        for path, (rig, learned) in self._learned.items():
            if path is None or not learned:
                continue
            try:
                write_text(path, put_bindings(path, rig, learned), overwrite=True)
                say(f"wrote {len(learned)} MIDI binding{'s' * (len(learned) > 1)} into {path}")
            except (FxhostError, OSError) as err:
                print_error(f"what was learned is not in {path}: {err}")


def open_midi(options: argparse.Namespace, session: "Session") -> MidiRemote:
    """Listen to MIDI ports, and say where there is none yet.

    Raises
    ------
    FxhostError
        If python-rtmidi is missing, or a rig file has a mistake in its bindings.
    """
    from fxhost.control.midi import MidiPorts

    ports = MidiPorts(options.midi)
    try:
        remote = MidiRemote(ports, Path(options.presets[0]), session)
    except BaseException:
        ports.close()
        raise
    if not ports.names:
        wanted = f" with {options.midi!r} in its name" if options.midi else ""
        there = f" (there is {', '.join(ports.listed)})" if ports.listed else ""
        print_error(f"no MIDI port{wanted} yet{there}; one that appears later is found")
    return remote
