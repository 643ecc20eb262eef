"""`fxhost run`."""

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxhost.cli.console import (
    end_like_ctrl_c,
    keeping_errors,
    make_console,
    print_error,
    print_json,
    print_plans,
    say,
)
from fxhost.cli.idle_options import tell_idle_on_device
from fxhost.cli.reading_rigs import read_set_list, save_rig
from fxhost.cli.remotes import open_remotes
from fxhost.cli.run_log import RunLog
from fxhost.control.commands import Command
from fxhost.errors import FxhostError

if TYPE_CHECKING:
    from rich.console import Console

    from fxhost.cli.remotes import Remotes
    from fxhost.cli.screen import Screen
    from fxhost.io.hangup import Hangup
    from fxhost.io.stream_options import Options
    from fxhost.rig.rig import Rig
    from fxhost.session import Session

# When the process began, as nearly as any platform tells: what it has computed so far was spent on coming here.
PROCESS_START_S = time.perf_counter() - time.process_time()


def run_run(options: argparse.Namespace) -> int:
    """`fxhost run`. A rig file is read again on SIGHUP, from the first moment on."""
    from fxhost.io.hangup import listening_for_hangup

    if not options.presets[0].endswith(".toml"):
        return run_until_hangup(options, None)
    with listening_for_hangup() as hangup:
        return run_until_hangup(options, hangup)


def run_until_hangup(options: argparse.Namespace, hangup: "Hangup | None") -> int:
    """`fxhost run`, which ends where a terminal hangs up, or does what a hangup asks for."""
    set_list, rig = read_set_list(options)

    from fxhost.io.jack_client import Connections
    from fxhost.io.stream_options import Options
    from fxhost.io.suspension import listening_for_suspension
    from fxhost.session import Session

    left, right = options.input_channel or (None, None)
    chosen = Options(
        input_device=options.input_device or options.device,
        output_device=options.output_device or options.device,
        input_channel=left,
        right_input_channel=right,
        block_frames=options.block_frames,
        latency=options.latency,
        input_file=options.input_file,
        output_file=options.output_file,
        record_file=options.record,
        bits=options.bits,
        overwrite=options.force,
        duration_s=options.duration,
        looper=options.looper,
        play_along=options.play_along,
        play_along_level_db=options.play_along_level,
        sample_rate=options.sample_rate,
        client_name=options.client_name,
        patience_s=options.patience,
        guards_overruns=not options.no_overrun_guard,
        guards_howl=options.howl_guard,
        connections=Connections(not options.no_connect, tuple(options.connect_to)),
    )
    check_outputs(chosen, rig, options.save, [Path(name) for name in options.presets if name.endswith(".toml")])
    for note in rig.notes:
        print_error(note)
    with listening_for_suspension():  # from now on we may be a client of a sound server
        session = Session(rig, chosen, notice=print_error, set_list=set_list)
        tell_idle_on_device(options.given, session.stream.host_api, is_live=options.input_file is None)
        with closing(open_remotes(options, session, hangup)) as remotes:
            end_like_ctrl_c()
            if options.json:
                summary = session.play(
                    lambda: remotes.poll(session, session.rack.read_meters()), on_look=remotes.take_commands
                )
                print_json(summary.as_dict(PROCESS_START_S))
            else:
                summary = play_with_screen(session, make_console(), remotes)
    if remotes.midi is not None:
        remotes.midi.keep_learned()
    if options.save is not None:
        save_rig(session, options.save, overwrite=options.force, midi=remotes.midi)
    if summary.error is not None:
        print_error(str(summary.error))
        return 1
    return 0


def check_outputs(options: "Options", rig: "Rig", save: Path | None, rig_files: list[Path]) -> None:
    """Refuse an output file that could not be written, or that another replaces, before anything is opened."""
    if options.output_file is None and options.record_file is None and save is None:
        return
    from fxhost.io.files import check_output
    from fxhost.rig.take import check_take, files_of_take

    inputs = [options.input_file, options.play_along, *rig.files, *rig_files]
    if options.output_file is not None:
        from fxhost.io.sound_writing import check_encoding, check_format

        check_format(options.output_file)
        check_encoding(options.output_file, options.bits, None)
        check_output(options.output_file, overwrite=options.overwrite, inputs=inputs)
    if options.record_file is not None:
        check_take(options.record_file, bits=options.bits, overwrite=options.overwrite, inputs=inputs)
    if save is not None:
        from fxhost.cli.rig import check_ending

        check_ending(save)
        check_output(save, overwrite=options.overwrite, inputs=rig.files)
    written: dict[Path, str] = {}
    for option, files in (
        ("--output-file", [options.output_file] if options.output_file else []),
        ("--record", files_of_take(options.record_file) if options.record_file else []),
        ("--save", [save] if save else []),
    ):
        for file in files:
            other = written.setdefault(file.resolve(), option)
            if other != option:
                raise FxhostError(f"{file} would be written by {other} and {option}; give them different names")


def play_with_screen(session: "Session", console: "Console", remotes: "Remotes") -> Any:
    """Play a session with the live screen, or with a line for each change where there is no terminal."""
    from fxhost.cli.screen_words import describe_blocks, format_grants, format_status
    from fxhost.rig.slot import list_effects

    names = [slot.name for slot in session.slots]
    if console.is_terminal and not console.is_dumb_terminal:
        summary = play_in_window(session, console, remotes)
    else:
        log = RunLog(session)

        def on_poll() -> list[Command]:
            return [*remotes.poll(session, session.rack.read_meters()), *log.poll()]

        where = f"on {session.stream.name} at {session.sample_rate} Hz"
        say(f"playing {' → '.join(names)} {where}, {session.rig.engine} engine", at_once=True)
        print_plans([effect.plan for effect in list_effects(session.slots)])
        for slot in session.slots:
            for note in slot.notes:
                say(note)
        summary = session.play(on_poll, on_look=remotes.take_commands)
    say(format_status(summary.statistics, summary.seconds))
    result = summary.as_dict(PROCESS_START_S)
    stream = session.stream
    asked = stream.asked_frames, stream.sample_rate, stream.asked_latency
    pieces = [*describe_blocks(summary.statistics, *asked), stream.latency.describe()]
    say(f"stream: {'   '.join(pieces)}")
    if summary.restarts:
        say(f"the stream was opened again: {summary.restarts}×")
    say(f"audio thread: {format_grants(summary.scheduling, session.locked_memory)}")
    say(f"{result['blocks']} of {result['blocks_due']} blocks of {result['block_frames']} frames")
    if summary.advice is not None:
        say(summary.advice)
    if summary.statistics.xruns.total:
        say("`fxhost doctor` looks for what makes sound drop out on this machine")
    if summary.statistics.limited_samples:
        say(f"{summary.statistics.limited_samples} samples were limited to full scale; lower the output gain")
    if summary.statistics.lost_frames:
        print_error(f"{summary.statistics.lost_frames} frames are missing in the recording: the disk was too slow")
    return summary


def make_screen(session: "Session") -> "Screen":
    """The live screen of a session."""
    from fxhost.cli.screen import Screen

    screen = Screen(session.slots, session.rig.engine, session.rack, session.stream, session.locked_memory)
    follow_session(screen, session)
    return screen


def follow_session(screen: "Screen", session: "Session") -> None:
    """Show the scene and the rig that play now."""
    playing, set_list = session.playing, session.set_list
    screen.slots, screen.knobs, screen.is_on = session.slots, session.knobs, playing.sound.is_on
    screen.locked_memory = session.locked_memory
    screen.scenes, number = len(playing.sounds), playing.scene_index + 1
    screen.scene = f"{number} {playing.sound.scene.name}".rstrip()
    screen.is_tuning, screen.recording = session.controls.is_tuning, ", ".join(session.recordings.names)
    screen.pitch = session.tuner.read(time.monotonic()) if screen.is_tuning else None
    if set_list is not None:
        screen.rigs = len(set_list)
        screen.rig_name = f"{set_list.index + 1}/{len(set_list)} {set_list.current.name}"


def play_in_window(session: "Session", console: "Console", remotes: "Remotes") -> Any:
    """Play a session with a screen of its own. What goes to stderr meanwhile is shown there, and written afterwards."""
    from fxhost.cli.window import Window

    screen = make_screen(session)
    if remotes.web is not None:
        screen.note(f"web remote: {remotes.web.address}")
    with keeping_errors(screen.note), Window(console, screen) as window:

        def on_poll() -> list[Command]:
            follow_session(screen, session)
            levels = session.rack.read_meters()
            screen.update(levels)
            typed = window.poll()
            if remotes.midi is not None:
                remotes.midi.learn(screen)
            elif screen.wants_learn:
                screen.note("MIDI: start with --midi to learn")
            screen.wants_learn = False
            return [*typed, *remotes.poll(session, levels)]

        return session.play(on_poll, window.leaving, lambda: [*window.read(), *remotes.take_commands()])
