"""What controls a run from outside: MIDI ports and the web page, opened by options and asked at each poll."""

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxhost.cli.console import print_error, say
from fxhost.cli.midi import MidiRemote, open_midi
from fxhost.control.commands import Command
from fxhost.engine.statistics import MeterReading
from fxhost.errors import FxhostError

if TYPE_CHECKING:
    from fxhost.cli.reloading import Reloader
    from fxhost.control.web.server import WebRemote
    from fxhost.io.hangup import Hangup
    from fxhost.session import Session
    from fxhost.stages.looper.stage import Looper
    from fxhost.stages.play_along import PlayAlong

SILENCE_DB = -200.0
TOLD_S = 10.0


class Remotes:
    """The remotes of a run.

    Parameters
    ----------
    midi : MidiRemote or None
    web : WebRemote or None
    reloader : Reloader or None
        Where a rig file plays.
    """

    def __init__(self, midi: MidiRemote | None, web: "WebRemote | None", reloader: "Reloader | None" = None) -> None:
        self.midi, self.web, self.reloader = midi, web, reloader
        self._began = time.monotonic()
        self._told, self._told_s = "", 0.0  # what came of the last save

    def poll(self, session: "Session", levels: MeterReading | None) -> list[Command]:
        """The commands since the last call; the web page is told how things stand.

        Parameters
        ----------
        session : Session
        levels : MeterReading or None
            Of the meters since the last call; None where no block has come.
        """
        if session.controls.wants_save:
            from fxhost.cli.saving import save_playing

            session.controls.wants_save = False
            self._told, self._told_s = save_playing(session), time.monotonic()
            print_error(self._told)
        commands = [] if self.reloader is None else self.reloader.poll()
        if self.web is not None:
            now = time.monotonic()
            told = self._told if now - self._told_s < TOLD_S else ""
            self.web.publish(describe_state(session, levels, now - self._began) | {"told": told})
        return [*commands, *self.take_commands()]

    def take_commands(self) -> list[Command]:
        """The commands since the last call."""
        commands = [] if self.midi is None else self.midi.poll()
        return commands if self.web is None else [*commands, *self.web.take_commands()]

    def close(self) -> None:
        """Listen no longer."""
        if self.midi is not None:
            self.midi.control.ports.close()


def open_remotes(options: argparse.Namespace, session: "Session", hangup: "Hangup | None" = None) -> Remotes:
    """Listen to what the options name, and where a rig file plays to SIGHUP.

    Raises
    ------
    FxhostError
        If a library is missing, an address cannot be used, or the rig file has a mistake in its bindings.
    """
    web = None if options.web is None else open_web(options.web)
    midi = None if options.midi is None else open_midi(options, session)
    if hangup is None:
        return Remotes(midi, web)
    from fxhost.cli.reloading import Reloader

    return Remotes(midi, web, Reloader(hangup, Path(options.presets[0]), session, midi))


def open_web(text: str) -> "WebRemote":
    """Serve the web remote at HOST:PORT, HOST or PORT, and print its address, as a QR code too if segno is there."""
    from fxhost.control.web.server import HOST, PORT, WebRemote

    host, separator, port = text.rpartition(":")
    if not separator:
        host, port = ("", text) if text.isdigit() else (text, "")
    if port and not (port.isdigit() and int(port) < 1 << 16):
        raise FxhostError(f"--web {text}: {port!r} is not a port from 0 to 65535; give HOST:PORT, such as 0.0.0.0:8765")
    remote = WebRemote(host or HOST, int(port) if port else PORT)
    say(f"web remote: {remote.address}", at_once=True)
    if not sys.stdout.isatty():  # a log is no place to point a phone at
        return remote
    try:
        import segno
    except ImportError:
        return remote
    for row in segno.make(remote.address).matrix:
        say("".join("██" if dark else "  " for dark in row))
    return remote


def describe_state(session: "Session", levels: MeterReading | None, seconds: float) -> dict[str, Any]:
    """How a session stands, for JSON; fxhost/control/web/PROTOCOL.md tells the keys."""
    playing, rack, statistics = session.playing, session.rack, session.rack.statistics()
    is_tuning = session.controls.is_tuning
    note = session.tuner.read(time.monotonic()) if is_tuning else None
    slots = [
        {
            "name": slot.name,
            "kind": slot.kind,
            "is_on": is_on,
            "knobs": [
                {
                    "name": parameter.name,
                    "text": parameter.format(value),
                    "position": round(parameter.position_of(value), 4),
                    "is_fine": parameter.is_fine,
                    "is_switch": parameter.taper == "switch",
                }
                for parameter, value in zip(slot.parameters, values, strict=True)
            ],
        }
        for slot, is_on, values in zip(session.slots, playing.sound.is_on, session.knobs.values, strict=True)
    ]
    return {
        "name": "" if session.set_list is None else session.set_list.current.name,
        "scenes": [sound.scene.name for sound in playing.sounds],
        "scene": playing.scene_index,
        "slots": slots,
        "input_gain_db": rack.input_gain_db,
        "output_gain_db": rack.output_gain_db,
        "is_bypassed": rack.is_bypassed,
        "is_muted": rack.is_muted,
        "is_tuning": is_tuning,
        "recording": session.recordings.names,
        "loop": None if rack.looper is None else describe_loop(rack.looper),
        "play_along": None if rack.play_along is None else describe_song(rack.play_along),
        "input_peak_db": SILENCE_DB if levels is None else round(levels.input_peak_db, 1),
        "output_peak_db": SILENCE_DB if levels is None else round(levels.output_peak_db, 1),
        "load": round(statistics.load.p99, 3),
        "dropouts": statistics.xruns.total,
        "seconds": int(seconds),
        "device": session.stream.name,
        "note": None if note is None else note.name,
        "cents": None if note is None else round(note.cents, 1),
    }


def describe_loop(looper: "Looper") -> dict[str, Any]:
    """How a looper stands, for JSON."""
    status = asdict(looper.status())
    times = {key: round(status[key], 2) for key in ("position_s", "length_s")}
    return {**status, **times, "level_db": looper.level_db}


def describe_song(song: "PlayAlong") -> dict[str, Any]:
    """How a song stands, for JSON."""
    times = {"position_s": round(song.position_s, 1), "length_s": round(song.length_s, 1)}
    return {"name": song.name, "is_on": song.is_on, **times, "level_db": song.level_db}
