"""Reads the rig file that plays again on SIGHUP, its MIDI bindings included; one with a mistake changes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

from fxhost.cli.console import print_error
from fxhost.control.commands import Command, Quit
from fxhost.control.midi_file import read_bindings
from fxhost.errors import FxhostError, RigError
from fxhost.io.hangup import Hangup
from fxhost.rig.file import load_rig, read_rig_file
from fxhost.rig.set_list import Entry

if TYPE_CHECKING:
    from fxhost.cli.midi import MidiRemote
    from fxhost.rig.rig import Rig
    from fxhost.session import Session


class Reloader:
    """What SIGHUP does to a session that plays a rig file.

    Parameters
    ----------
    hangup : Hangup
    path : Path
        Of the rig or set list.
    session : Session
    midi : MidiRemote or None
    """

    def __init__(self, hangup: Hangup, path: Path, session: "Session", midi: "MidiRemote | None") -> None:
        self._hangup, self._path, self._session, self._midi = hangup, path, session, midi
        self._read: Rig | None = None  # from the file, when it was read again, and not yet played

    def poll(self) -> list[Command]:
        """Do what was asked for; the command to quit where the terminal is gone."""
        asked = self._hangup.take()
        if asked == "end":
            return [Quit()]
        if asked == "reload":
            try:
                self._reload()
            except FxhostError as err:
                print_error(f"{err}. The sound stays as it is")
        if self._read is not None and self._session.rig is self._read:
            print_error(f"the rig was read again{'' if self._midi is None else ', and its MIDI bindings'}")
            self._read = None
        return []

    def _reload(self) -> None:
        """Load the rig that plays anew.

        Raises
        ------
        FxhostError
            If a set list has a mistake, or the file is of the other kind now.
        """
        set_list, path = self._session.set_list, self._path
        if set_list is not None:
            read = read_rig_file(path)
            if read.rig is not None:
                raise RigError(f"{path} was a set list and is a rig now; start fxhost again to play it")
            bindings = read_bindings(path, None)
            playing = set_list.current.path
            set_list.entries = [Entry(each.stem, lambda each=each: load_rig(each), each) for each in read.rigs]  # type: ignore[misc]
            set_list.index = read.rigs.index(playing) if playing in read.rigs else 0
            if self._midi is not None:
                self._midi.control.share(bindings)
            path = read.rigs[set_list.index]

        def read_again() -> "Rig":
            self._read = read_whole(path)
            return self._read

        self._session.playing.load(read_again, path.name, keeps_scene=True)


def read_whole(path: Path) -> "Rig":
    """The rig of a file whose MIDI bindings have no mistake either.

    Raises
    ------
    FxhostError
        If there is one: the first, with its line.
    """
    rig = load_rig(path)
    read_bindings(path, rig)
    return rig
