"""`fxhost capture`: a device between the output and the input of the interface becomes a pair of recordings."""

import argparse
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxhost.arrays import Float32Array, from_db, to_db
from fxhost.capture.pair import DRY, WET, CapturedPair, Lag, check_pair_folder, make_pair, write_pair
from fxhost.capture.session import CaptureSession, Take
from fxhost.cli.capture_screen import CaptureLines, CaptureScreen
from fxhost.cli.console import end_like_ctrl_c, keeping_errors, make_console, print_error, print_json, say
from fxhost.cli.idle_options import tell_idle_on_device
from fxhost.cli.keys import has_terminal
from fxhost.cli.window import Window
from fxhost.errors import AudioError, DeviceError, FxhostError
from fxhost.io.devices import choose_device, name_jack_client, takes_rate
from fxhost.io.jack import HOST_API, speaks_pipewire
from fxhost.io.jack_client import Connections
from fxhost.io.sound_writing import SUBTYPES
from fxhost.io.sources import convert_source, read_source
from fxhost.io.stream_options import Options
from fxhost.io.streams import VIRTUAL
from fxhost.io.suspension import listening_for_suspension
from train.pairs.align import choose_correction
from train.pairs.delay import find_delay
from train.signal import SECONDS, make_signal

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130
USUAL_RATE = 48_000
BLOCK_FRAMES = 1024  # nobody waits for the sound: long blocks drop out less
NO_FOLDERS = {*SUBTYPES, ".pt", ".json"}  # what someone means to be a file
SHORTEST_S, LONGEST_S = 2.0, 1200.0  # of a signal


def run_capture(options: argparse.Namespace) -> int:
    """`fxhost capture`."""
    if options.output.suffix.lower() in NO_FOLDERS:
        raise FxhostError(f"{options.output} is named as a file; give a folder for {DRY}, {WET} and what was measured")
    check_pair_folder(options.output, overwrite=options.force, inputs=[options.signal])
    end_like_ctrl_c()
    try:
        with listening_for_suspension():
            return _capture(options)
    except KeyboardInterrupt:
        print_error("interrupted; nothing was written")
        return INTERRUPTED


def _capture(options: argparse.Namespace) -> int:
    file = None if options.signal is None else read_source(options.signal, [options.signal_channel], print_error)
    chosen = _choose_stream(options, None if file is None else file[1])
    rate = chosen.sample_rate
    assert rate is not None
    if file is None:
        signal = make_signal(rate, options.seconds or SECONDS)
    else:
        assert file[0] is not None
        signal = convert_source(file[0], file[1], rate)
        signal = signal[: round((options.seconds or LONGEST_S) * rate)]
    signal = _set_level(signal, rate, options)
    console = make_console()
    has_screen = console.is_terminal and not console.is_dumb_terminal and not options.json
    session = CaptureSession(
        signal, chosen, print_error, checks=not options.no_check, asks=has_screen and has_terminal()
    )
    tell_idle_on_device(options.given, session.stream.host_api)
    take = _play(session, console, has_screen=has_screen, quiet=options.json)
    pair = make_pair(take, session, _find_lag)
    about = {
        "signal": "fxhost signal" if options.signal is None else options.signal.name,
        "input_channel": (options.input_channel or 0) + 1,
    }
    write_pair(pair, options.output, overwrite=options.force, about=about)
    if options.json:
        print_json({"folder": str(options.output), **about, **pair.as_dict()})
    else:
        _print_result(pair, options.output)
    return 0


def _choose_stream(options: argparse.Namespace, file_rate: int | None) -> Options:
    """Where and how to play."""
    named_input, named_output = options.input_device or options.device, options.output_device or options.device
    if VIRTUAL in (named_input, named_output):
        raise DeviceError(
            "the virtual device has no return; connect the amp or pedal between an output and an input of an "
            "interface, and name that with --device"
        )
    name_jack_client(options.client_name)
    output, source = choose_device(named_output, "output"), choose_device(named_input, "input")
    rate = options.sample_rate
    if rate is None:
        wanted = file_rate or USUAL_RATE
        rate = wanted if takes_rate(source, output, wanted) else output.sample_rate
    server_decides = output.host_api == HOST_API and not speaks_pipewire()
    return Options(
        input_device=named_input,
        output_device=named_output,
        input_channel=options.input_channel or 0,
        block_frames=options.block_frames or (0 if server_decides else BLOCK_FRAMES),
        latency=options.latency,
        sample_rate=rate,
        client_name=options.client_name,
        connections=Connections(not options.no_connect, tuple(options.connect_to)),
        patience_s=0.0,
    )


def _set_level(signal: Float32Array, rate: int, options: argparse.Namespace) -> Float32Array:
    """The signal with the peak that is asked for."""
    what = options.signal or "the test signal"
    seconds, peak = len(signal) / rate, float(np.abs(signal).max(initial=0.0))
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise AudioError(
            f"{what} lasts {seconds:.1f} s, not {SHORTEST_S:g} to {LONGEST_S:g} s; give another one, or --seconds"
        )
    if not peak:
        raise AudioError(f"{what} is silent; give one with sound")
    if options.peak is not None:
        return (signal * np.float32(from_db(options.peak) / peak)).astype(np.float32)
    if peak > 1.0:
        raise AudioError(f"{what} reaches {to_db(peak):+.1f} dB of full scale, which no output plays; give --peak -1")
    return np.ascontiguousarray(signal, np.float32)


def _find_lag(dry: Float32Array, wet: Float32Array, sample_rate: int) -> Lag:
    """What the trainer would take out of a pair."""
    delay = find_delay(dry, wet, sample_rate)
    losses_s = tuple(step.at / sample_rate for step in delay.steps)
    return Lag(choose_correction(delay), delay.is_of_a_pair, losses_s)


def _play(session: CaptureSession, console: "Console", *, has_screen: bool, quiet: bool) -> Take:
    """Play with the screen, with lines, or with nothing to be seen."""
    stream = session.stream
    where = f"{stream.name} ({stream.host_api}) at {session.sample_rate} Hz"
    if not has_screen:
        if not quiet:
            say(f"playing on {where}; the return is input {(session.options.input_channel or 0) + 1}", at_once=True)
        lines = CaptureLines((lambda text: None) if quiet else (lambda text: say(text, at_once=True)))
        return session.capture(lines.update, nullcontext)
    screen = CaptureScreen(where)
    with keeping_errors(screen.note), Window(console, screen) as window:

        def show(progress: Any) -> Any:
            answer = screen.update(progress)
            window.poll()
            return answer

        return session.capture(show, window.leaving)


def _print_result(pair: CapturedPair, folder: Path) -> None:
    """Tell what was captured, what is odd about it, and how to go on."""
    seconds, rate = len(pair.dry) / pair.sample_rate, pair.sample_rate
    say(f"{folder / DRY}, {folder / WET}: {seconds:.1f} s at {rate} Hz")
    own = ""
    if pair.interface_frames is not None and pair.delay_frames >= pair.interface_frames:
        own = f"; {pair.interface_frames} of them are the interface's, as measured by `fxhost bench --loopback`"
    say(f"delay: {pair.delay_frames} frames ({1000 * pair.delay_frames / rate:.2f} ms) taken out{own}")
    say(pair.levels.describe())
    say(pair.describe_repetition())
    if not pair.levels.is_good:
        print_error(f"note: {pair.levels.advise()}, and capture again with --force")
    if pair.slipped_frames and not pair.has_one_clock:
        print_error(
            f"note: the end came back {pair.slipped_frames:+d} frames later than the beginning: two devices have two "
            "clocks; use one device for both ends"
        )
    if pair.dropouts_s or (pair.slipped_frames and pair.has_one_clock):
        places = ", ".join(f"{at_s:.1f} s" for at_s in pair.dropouts_s) or "a place that is not known"
        print_error(
            f"note: frames were lost at {places}, after {pair.attempt} attempts; the trainer leaves out those that "
            "it finds; larger --block-frames and `fxhost doctor` help"
        )
    preset = shlex.quote(f"{folder.name or 'mine'}.pt")
    dry, wet = (shlex.quote(str(folder / name)) for name in (DRY, WET))
    say(f"go on: fxhost train {dry} {wet} -o {preset}")
