"""`fxhost run`."""

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxhost.cli.console import (
    end_like_ctrl_c,
    keeping_errors,
    make_console,
    print_error,
    print_json,
    print_notes,
    print_plans,
    say,
)
from fxhost.control.commands import Command, Quit
from fxhost.errors import FxhostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from fxhost.cli.screen import Screen
    from fxhost.io.stream_options import Options
    from fxhost.rig.rig import Rig
    from fxhost.rig.set_list import SetList
    from fxhost.session import Session

# When the process began, as nearly as any platform tells: what it has computed so far was spent on coming here.
PROCESS_START_S = time.perf_counter() - time.process_time()

STATUS_EVERY_S = 5.0


def run_run(options: argparse.Namespace) -> int:
    """`fxhost run`."""
    set_list, rig = read_set_list(options)

    from fxhost.io.jack_client import Connections
    from fxhost.io.stream_options import Options
    from fxhost.io.suspension import listening_for_suspension
    from fxhost.session import Session

    chosen = Options(
        input_device=options.input_device or options.device,
        output_device=options.output_device or options.device,
        input_channel=options.input_channel,
        block_frames=options.block_frames,
        latency=options.latency,
        input_file=options.input_file,
        output_file=options.output_file,
        overwrite=options.force,
        duration_s=options.duration,
        sample_rate=options.sample_rate,
        client_name=options.client_name,
        patience_s=options.patience,
        connections=Connections(not options.no_connect, tuple(options.connect_to)),
    )
    if options.input_file is not None and options.input_device is not None:
        raise FxhostError("--input-file plays instead of an input; leave out --input-device")
    check_outputs(chosen, rig)
    if options.save is not None:
        from fxhost.io.files import check_output

        check_output(options.save, overwrite=options.force, inputs=rig.files)
    for note in rig.notes:
        print_error(note)
    with listening_for_suspension():  # from now on we may be a client of a sound server
        session = Session(rig, chosen, notice=print_error, set_list=set_list)
        end_like_ctrl_c()
        if options.json:
            summary = session.play(list)
            print_json(summary.as_dict(PROCESS_START_S))
        else:
            summary = play_with_screen(session, make_console())
    if options.save is not None:
        save_rig(session, options.save, overwrite=options.force)
    if summary.error is not None:
        print_error(str(summary.error))
        return 1
    return 0


def save_rig(session: "Session", path: Path, *, overwrite: bool) -> None:
    """Write the rig as it stands."""
    from fxhost.cli.rig import write_text
    from fxhost.rig.file_writing import format_rig

    gains_db = session.rack.input_gain_db, session.rack.output_gain_db
    is_on = session.playing.sound.is_on
    write_text(path, format_rig(session.rig, session.knobs.values, is_on, gains_db, path.parent), overwrite=overwrite)
    say(f"wrote {path}; play it: fxhost run {path}")


def read_set_list(options: argparse.Namespace) -> "tuple[SetList | None, Rig]":
    """What `fxhost run` plays: a rig, or the rigs of a folder of captures and the first of them."""
    names = options.presets
    if names[0].endswith(".toml") and len(names) == 1:
        return read_rigs(options, Path(names[0]))
    folders = [name for name in names if os.path.isdir(name)]  # noqa: PTH112 - it is quiet about a name too long
    if not folders:
        return None, read_rig(options, names)
    if len(names) > 1:
        raise FxhostError(f"{folders[0]} is a folder: give it alone to step through its captures, or a file of it")

    from fxhost.preset.archive import read_preset
    from fxhost.rig.set_list import read_folder

    folder = Path(folders[0])
    set_list, unreadable = read_folder(folder, lambda path: read_rig(options, [str(path)]), read_preset)
    if unreadable:
        say(f"{len(unreadable)} of {len(set_list) + len(unreadable)} captures cannot be opened:")
        for each in unreadable:
            say(f"  {each.reason}")
    return set_list, set_list.current.make()


def read_rigs(options: argparse.Namespace, path: Path) -> "tuple[SetList | None, Rig]":
    """What a rig file says: a rig, or a set list and the first of its rigs."""
    refuse_sound_options(options, path)

    from fxhost.rig.file import load_rig, read_rig_file
    from fxhost.rig.set_list import Entry, SetList

    read = read_rig_file(path)
    if read.rig is not None:
        return None, read.rig
    set_list = SetList([Entry(each.stem, lambda each=each: load_rig(each)) for each in read.rigs])  # type: ignore[misc]
    return set_list, set_list.current.make()


def refuse_sound_options(options: argparse.Namespace, path: Path) -> None:
    """Refuse options that a rig file has keys for.

    Raises
    ------
    FxhostError
    """
    defaults: dict[str, object] = {
        "input_gain_db": 0.0,
        "output_gain_db": 0.0,
        "level": "raw",
        "interface_dbu": None,
        "oversample": 1,
        "gate": None,
        "eq": None,
        "cab": [],
        "knob": [],
        "engine": "compiled",
    }
    for name, default in defaults.items():
        if getattr(options, name) != default:
            flag = "--" + name.replace("_", "-")
            raise FxhostError(f"{flag} goes with presets; what a rig file plays is written in {path}")


def read_rig(options: argparse.Namespace, names: "Sequence[str]") -> "Rig":
    """The rig of presets and of the options on the command line, or of a rig file."""
    if any(name.endswith(".toml") for name in names):
        if len(names) > 1:
            raise FxhostError("a rig file plays alone: give it without other presets")
        from fxhost.rig.file import load_rig

        refuse_sound_options(options, Path(names[0]))
        return load_rig(names[0])

    from fxhost.preset.archive import read_preset
    from fxhost.preset.library import find_preset

    presets = [read_preset(find_preset(name)) for name in names]
    for preset in presets:
        print_notes(preset)
    if options.knob:
        from fxhost.engine.knobs import set_knobs

        presets = set_knobs(presets, dict(options.knob), first=1 if options.gate is None else 2)

    from fxhost.rig.parts import Cabinet, Gate, Part, Tone
    from fxhost.rig.rig import Rig

    gates: list[Part] = [] if options.gate is None else [Gate(threshold=options.gate)]
    after: list[Part] = [Cabinet(*options.cab, aligns=True)] if options.cab else []
    after += [Tone(**options.eq)] if options.eq else []
    return Rig(
        [*gates, *presets, *after],
        engine=options.engine,
        input_gain_db=options.input_gain_db,
        output_gain_db=options.output_gain_db,
        level=options.level,
        interface_dbu=options.interface_dbu,
        oversample=options.oversample,
    )


def check_outputs(options: "Options", rig: "Rig") -> None:
    """Refuse an output file that could not be written before anything is opened."""
    if options.output_file is not None:
        from fxhost.io.files import check_output
        from fxhost.io.sound_writing import check_format

        check_format(options.output_file)
        inputs = [options.input_file, *rig.files]
        check_output(options.output_file, overwrite=options.overwrite, inputs=inputs)


def play_with_screen(session: "Session", console: "Console") -> Any:
    """Play a session with the live screen, or with a status line now and then where there is no terminal."""
    from fxhost.cli.screen_words import describe_blocks, format_grants, format_status
    from fxhost.rig.slot import EffectSlot

    names = [slot.name for slot in session.slots]
    if console.is_terminal and not console.is_dumb_terminal:
        summary = play_in_window(session, console)
    else:
        started = next_line = time.perf_counter()

        def on_poll() -> list[Command]:
            nonlocal next_line
            now = time.perf_counter()
            if now >= next_line:
                try:
                    say(format_status(session.rack.statistics(), now - started), at_once=True)
                except BrokenPipeError:  # whoever read our output has seen enough; the recording is kept
                    return [Quit()]
                next_line += STATUS_EVERY_S
            return []

        where = f"on {session.stream.name} at {session.sample_rate} Hz"
        say(f"playing {' → '.join(names)} {where}, {session.rig.engine} engine")
        print_plans([slot.plan for slot in session.slots if isinstance(slot, EffectSlot)])
        summary = session.play(on_poll)
    say(format_status(summary.statistics, summary.seconds))
    result = summary.as_dict(PROCESS_START_S)
    stream = session.stream
    pieces = [*describe_blocks(summary.statistics, stream.asked_frames, stream.sample_rate), stream.latency.describe()]
    say(f"stream: {'   '.join(pieces)}")
    if summary.restarts:
        say(f"the stream was opened again: {summary.restarts}×")
    say(f"audio thread: {format_grants(summary.scheduling, session.locked_memory)}")
    say(f"{result['blocks']} of {result['blocks_due']} blocks of {result['block_frames']} frames")
    if summary.advice is not None:
        say(summary.advice)
    if summary.statistics.limited_samples:
        say(f"{summary.statistics.limited_samples} samples were limited to full scale; lower the output gain")
    if summary.statistics.lost_frames:
        print_error(f"{summary.statistics.lost_frames} frames are missing in the recording: the disk was too slow")
    return summary


def make_screen(session: "Session") -> "Screen":
    """The live screen of a session."""
    from fxhost.cli.screen import Screen

    recording = "" if session.options.output_file is None else session.options.output_file.name
    screen = Screen(
        session.slots, session.rig.engine, session.rack, session.stream, session.locked_memory, recording=recording
    )
    follow_session(screen, session)
    return screen


def follow_session(screen: "Screen", session: "Session") -> None:
    """Show the scene and the rig that play now."""
    playing, set_list = session.playing, session.set_list
    screen.slots, screen.knobs, screen.is_on = session.slots, session.knobs, playing.sound.is_on
    screen.locked_memory = session.locked_memory
    screen.scenes, number = len(playing.sounds), playing.scene_index + 1
    screen.scene = f"{number} {playing.sound.scene.name}".rstrip()
    screen.is_tuning = session.controls.is_tuning
    screen.pitch = session.tuner.read(time.monotonic()) if screen.is_tuning else None
    if set_list is not None:
        screen.rigs = len(set_list)
        screen.rig_name = f"{set_list.index + 1}/{len(set_list)} {set_list.current.name}"


def play_in_window(session: "Session", console: "Console") -> Any:
    """Play a session with a screen of its own. What goes to stderr meanwhile is shown there, and written afterwards."""
    from fxhost.cli.window import Window

    screen = make_screen(session)
    with keeping_errors(screen.note), Window(console, screen) as window:

        def on_poll() -> list[Command]:
            follow_session(screen, session)
            screen.update(session.rack.read_meters())
            return window.poll()

        return session.play(on_poll, window.leaving)
