"""What `fxhost run` says where there is no terminal: a line for each change, for a log."""

import select
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from fxhost.cli.console import say
from fxhost.control.commands import Command, Quit

if TYPE_CHECKING:
    from fxhost.session import Session

DROPOUTS_EVERY_S = 60.0


class RunLog:
    """Prints what has changed since the last look: rig, scene, slots, bypass, mute, tuner, and dropouts once a minute.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: "Session") -> None:
        self._session, self._began = session, time.monotonic()
        self._rig, self._scene = session.rig, session.playing.sound
        self._switches = self._read_switches()
        self._dropouts, self._told = 0, -DROPOUTS_EVERY_S

    def poll(self) -> list[Command]:
        """Print what has changed; the command to quit where nobody reads it any longer."""
        try:
            self._look()
        except BrokenPipeError:
            return [Quit()]
        return [Quit()] if _reader_is_gone() else []

    def _look(self) -> None:
        session, playing = self._session, self._session.playing
        switches = self._read_switches()
        if playing.sound is not self._scene:
            set_list = session.set_list
            if playing.rig is not self._rig and set_list is not None:
                self._say(f"rig {set_list.index + 1}/{len(set_list)} {set_list.current.name}")
            if len(playing.sounds) > 1:
                self._say(f"scene {playing.scene_index + 1} {playing.sound.scene.name}".rstrip())
        else:
            for name, state in switches.items():
                if state != self._switches.get(name):
                    self._say(f"{name} {state}")
        self._rig, self._scene, self._switches = playing.rig, playing.sound, switches
        dropouts, now = session.rack.statistics().xruns.total, time.monotonic() - self._began
        if dropouts > self._dropouts and now - self._told >= DROPOUTS_EVERY_S:
            more = dropouts - self._dropouts
            self._say(f"{more} dropout{'s' if more > 1 else ''}, {dropouts} since the start")
            self._dropouts, self._told = dropouts, now

    def _read_switches(self) -> dict[str, str]:
        """What can be switched, and how it stands."""
        session = self._session
        states = dict(zip(session.playing.ids, session.playing.sound.is_on, strict=True))
        rack, controls = session.rack, session.controls
        states |= {"bypass": rack.is_bypassed, "mute": rack.is_muted and not controls.is_tuning}
        return {name: "on" if state else "off" for name, state in (states | {"tuner": controls.is_tuning}).items()}

    def _say(self, text: str) -> None:
        say(f"{time.monotonic() - self._began:7.1f} s  {text}", at_once=True)


def _reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads. A write would tell as well, but may be long in coming."""
    if not hasattr(select, "poll"):  # on Windows
        return False
    with suppress(OSError, ValueError):  # closed, or no file
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False
