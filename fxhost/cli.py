"""The command line: arguments in, words out, exit codes. Printing happens only here.

0 done, 1 an error that one line on stderr tells, 2 wrong usage. Nothing heavy is imported before a command needs it.
"""

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxhost import __version__
from fxhost.errors import FxhostError

if TYPE_CHECKING:
    from rich.console import Console

    from fxhost.session import Options, Session

# When the process began, as nearly as any platform tells: what it has computed so far was spent on coming here.
PROCESS_START_S = time.perf_counter() - time.process_time()

STATUS_EVERY_S = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after `fxhost`; those of the process by default.

    Returns
    -------
    int
        The exit code.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except FxhostError as err:
        print_error(str(err))
        return 1
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print_error("interrupted")
        return 130
    return code


def print_error(message: str) -> None:
    """One line on stderr."""
    print(f"fxhost: {' '.join(message.split())}", file=sys.stderr)


# --- arguments -------------------------------------------------------------------------------------------------------


def number(lowest: float, highest: float = math.inf, kind: type[int] | type[float] = float) -> Callable[[str], Any]:
    """An argument type: a number within a range."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a {'whole ' if kind is int else ''}number") from None
        if not lowest <= value <= highest or math.isinf(value):
            above = f" to {highest:g}" if math.isfinite(highest) else " or more"
            raise argparse.ArgumentTypeError(f"{text} is out of range: expected {lowest:g}{above}")
        return value

    return parse


def latency(text: str) -> str | float:
    """An argument type: 'low', 'high', or seconds."""
    return text if text in ("low", "high") else float(number(0.0, 10.0)(text))


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="fxhost",
        description="A real-time host for learned audio effects.",
        epilog="fxhost COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"fxhost {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    def add_json(command: argparse.ArgumentParser) -> None:
        command.add_argument("--json", action="store_true", help="print the result as JSON on stdout")

    def add_force(command: argparse.ArgumentParser) -> None:
        command.add_argument("--force", action="store_true", help="replace an existing output file")

    def add_playing(command: argparse.ArgumentParser) -> None:
        for side in ("input", "output"):
            command.add_argument(
                f"--{side}-gain-db",
                type=number(-60, 60),
                default=0.0,
                metavar="X",
                help=f"{side} gain in dB (default 0)",
            )
        command.add_argument(
            "--engine",
            choices=("compiled", "torchscript"),
            default="compiled",
            help="the compiled kernel (default), or the preset's own TorchScript module: this runs code from the file",
        )
        add_force(command)
        add_json(command)

    run = add("run", run_run, "Play presets live: one after the other, input to output.")
    run.add_argument("presets", nargs="+", metavar="PRESET", help="a .pt file, or the name of a shipped preset")
    run.add_argument("--device", metavar="D", help="number or (part of the) name for input and output, or 'virtual'")
    run.add_argument("--input-device", metavar="D", help="number or name of the input device")
    run.add_argument("--output-device", metavar="D", help="number or name of the output device")
    run.add_argument("--input-channel", type=number(1, 256, int), default=1, metavar="N", help="from 1 (default 1)")
    run.add_argument("--input-file", type=Path, metavar="DRY.wav", help="play this recording once instead of the input")
    run.add_argument("--output-file", type=Path, metavar="OUT.wav", help="record what is played")
    run.add_argument("--duration", type=number(0.01), metavar="S", help="stop after so many seconds")
    run.add_argument(
        "--block-frames", type=number(1, 65536, int), default=0, metavar="N", help="default: the device's own"
    )
    run.add_argument(
        "--latency", type=latency, default="low", metavar="low|high|S", help="what to ask for (default low)"
    )
    add_playing(run)

    render = add("render", run_render, "Play a recording through a preset into a file, as fast as it goes.")
    render.add_argument("presets", nargs="+", metavar="PRESET", help="as for run; several play in series")
    render.add_argument("input", type=Path, metavar="IN.wav")
    render.add_argument("output", type=Path, metavar="OUT.wav")
    add_playing(render)

    add_json(add("devices", run_devices, "List the sound devices."))
    add_json(add("presets", run_presets, "List the presets that come with fxhost."))

    info = add("info", run_info, "Tell what a preset is.")
    info.add_argument("preset", metavar="PRESET")
    info.add_argument(
        "--check", action="store_true", help="replay its probe through both engines; this runs code from the file"
    )
    add_json(info)

    train = add("train", run_train, "Learn an effect from a dry recording and the same recording through the effect.")
    train.add_argument("dry", type=Path, metavar="DRY.wav")
    train.add_argument("wet", type=Path, metavar="WET.wav")
    train.add_argument("-o", "--output", type=Path, required=True, metavar="PRESET.pt")
    train.add_argument("--hidden-size", type=number(1, 128, int), metavar="H", help="units in a layer")
    train.add_argument("--layers", type=number(1, 3, int), metavar="L")
    train.add_argument("--residual", action="store_true", help="add the input to the output of the network")
    budget = train.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=number(0.01), metavar="M", help="how long to train (default 10)")
    budget.add_argument("--epochs", type=number(1, kind=int), metavar="E", help="how often to go through the recording")
    train.add_argument(
        "--seed", type=number(0, 2**32 - 1, int), metavar="N", help="the same seed gives the same preset"
    )
    train.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    train.add_argument(
        "--test", nargs=2, type=Path, metavar=("DRY.wav", "WET.wav"), help="measure the ESR on this pair"
    )
    for word in ("name", "author", "licence"):
        train.add_argument(f"--{word}", metavar=word.upper(), help="for the preset's description")
    add_force(train)
    add_json(train)
    return parser


# --- run -------------------------------------------------------------------------------------------------------------


def run_run(options: argparse.Namespace) -> int:
    """`fxhost run`."""
    from fxhost.preset import find_preset, read_preset

    presets = [read_preset(find_preset(name)) for name in options.presets]

    from fxhost.session import Options, Session

    chosen = Options(
        engine=options.engine,
        input_device=options.input_device or options.device,
        output_device=options.output_device or options.device,
        input_channel=options.input_channel - 1,
        block_frames=options.block_frames,
        latency=options.latency,
        input_gain_db=options.input_gain_db,
        output_gain_db=options.output_gain_db,
        input_file=options.input_file,
        output_file=options.output_file,
        overwrite=options.force,
        duration_s=options.duration,
    )
    check_outputs(chosen)
    session = Session(presets, chosen, notice=print_error)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends like Ctrl-C
    if options.json:
        summary = session.play(lambda: "")
        print(json.dumps(summary.as_dict(PROCESS_START_S)))
    else:
        summary = play_with_screen(session, make_console())
    if summary.error is not None:
        print_error(str(summary.error))
        return 1
    return 0


def check_outputs(options: "Options") -> None:
    """Refuse an output file that could not be written before anything is opened."""
    if options.output_file is not None:
        from fxhost.audio import check_format
        from fxhost.files import check_output

        check_format(options.output_file)
        check_output(options.output_file, overwrite=options.overwrite)


def play_with_screen(session: "Session", console: "Console") -> Any:
    """Play a session with the live screen, or with a status line now and then where there is no terminal."""
    from rich.live import Live

    from fxhost.keys import reading_keys
    from fxhost.live import Screen, format_status

    screen = Screen([preset.name for preset in session.presets], session.options.engine, session.rack, session.stream)
    if console.is_terminal:
        with reading_keys() as read_key, Live(console=console, auto_refresh=False, transient=True) as live:

            def on_poll() -> str:
                screen.update(session.rack.read_meters())
                live.update(screen.draw(), refresh=True)
                return screen.press(read_key())

            summary = session.play(on_poll)
    else:
        started = next_line = time.perf_counter()

        def on_poll() -> str:
            nonlocal next_line
            now = time.perf_counter()
            if now >= next_line:
                print(format_status(session.rack.statistics(), now - started), flush=True)
                next_line += STATUS_EVERY_S
            return ""

        names = " → ".join(screen.presets)
        print(f"playing {names} on {session.stream.name} at {session.sample_rate} Hz, {session.options.engine} engine")
        summary = session.play(on_poll)
    print(format_status(summary.statistics, summary.seconds))
    result = summary.as_dict(PROCESS_START_S)
    print(f"{result['blocks']} of {result['blocks_due']} blocks of {result['block_frames']} frames")
    if summary.statistics.limited_samples:
        print(f"{summary.statistics.limited_samples} samples were limited to full scale; lower the output gain")
    if summary.statistics.lost_frames:
        print_error(f"{summary.statistics.lost_frames} frames are missing in the recording: the disk was too slow")
    return summary


# --- render ----------------------------------------------------------------------------------------------------------


def run_render(options: argparse.Namespace) -> int:
    """`fxhost render`."""
    from fxhost.audio import Recording, check_format
    from fxhost.engine import build_chain, common_sample_rate
    from fxhost.files import check_output
    from fxhost.preset import find_preset, read_preset

    presets = [read_preset(find_preset(name)) for name in options.presets]
    sample_rate = common_sample_rate(presets)
    check_format(options.output)
    check_output(options.output, overwrite=options.force)

    from rich.progress import Progress

    from fxhost.rack import Rack
    from fxhost.render import render

    with Recording(options.input, sample_rate=sample_rate) as recording:
        rack = Rack(
            build_chain(presets, options.engine),
            sample_rate,
            input_gain_db=options.input_gain_db,
            output_gain_db=options.output_gain_db,
        )
        console = make_console(stderr=True)
        started = time.perf_counter()
        with Progress(console=console, transient=True, disable=options.json or not console.is_terminal) as progress:
            task = progress.add_task("rendering", total=recording.frames)
            statistics = render(
                rack,
                recording,
                options.output,
                overwrite=options.force,
                report=lambda frames: progress.update(task, completed=frames),
            )
        seconds = time.perf_counter() - started
        audio_s = recording.frames / sample_rate
    result = {
        "presets": [preset.name for preset in presets],
        "engine": options.engine,
        "input": str(options.input),
        "output": str(options.output),
        "sample_rate": sample_rate,
        "frames": statistics.frames,
        "seconds": seconds,
        "load": seconds / audio_s,
        "input_peak_db": statistics.input_peak_db,
        "output_peak_db": statistics.output_peak_db,
        "bad_samples": statistics.bad_samples,
        "limited_samples": statistics.limited_samples,
    }
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{options.output}: {audio_s:.1f} s at {sample_rate} Hz in {seconds:.1f} s, load {seconds / audio_s:.1%}")
        if statistics.limited_samples:
            print(f"{statistics.limited_samples} samples were limited to full scale; lower --output-gain-db")
    return 0


# --- what there is ---------------------------------------------------------------------------------------------------


def run_devices(options: argparse.Namespace) -> int:
    """`fxhost devices`."""
    from dataclasses import asdict

    from fxhost.devices import list_devices

    devices = list_devices()
    if options.json:
        print(json.dumps([asdict(device) for device in devices]))
        return 0
    table = make_table("no.", "name", "host API", "in", "out", "rate", "low latency in / out")
    for device in devices:
        latencies = " / ".join(f"{1000 * value:.1f} ms" for value in device.latency_s)
        channels = str(device.input_channels), str(device.output_channels)
        table.add_row(str(device.index), device.name, device.host_api, *channels, f"{device.sample_rate} Hz", latencies)
    make_console().print(table if devices else "no sound device on this machine; `fxhost run` plays the virtual device")
    return 0


def run_presets(options: argparse.Namespace) -> int:
    """`fxhost presets`."""
    from fxhost.preset import read_metadata, shipped_presets_folder

    shipped = {path.stem: read_metadata(path) for path in sorted(shipped_presets_folder().glob("*.pt"))}
    if options.json:
        print(json.dumps([{"preset": name, **metadata} for name, metadata in shipped.items()]))
        return 0
    table = make_table("preset", "what it is", "network", "rate", "held-out ESR")
    for name, metadata in shipped.items():
        sizes, training = metadata["architecture"], metadata.get("training", {})
        network = f"{sizes['type'].upper()} {sizes['layers']}×{sizes['hidden_size']}"
        table.add_row(
            name, metadata["name"], network, f"{metadata['sample_rate']} Hz", format_esr(training.get("esr_test"))
        )
    make_console().print(table)
    return 0


def run_info(options: argparse.Namespace) -> int:
    """`fxhost info`."""
    from fxhost.preset import find_preset, read_preset

    preset = read_preset(find_preset(options.preset))
    result = dict(preset.metadata)
    if options.check:
        from fxhost import engine, torchscript

        result["check"] = {"compiled": engine.probe_error(preset), "torchscript": torchscript.probe_error(preset)}
        result["check"]["passed"] = max(result["check"].values()) <= PROBE_TOLERANCE
    if options.json:
        print(json.dumps(result))
    else:
        table = make_table("", "", header=False)
        for key, value in flatten(result):
            table.add_row(key, value)
        make_console().print(table)
    if options.check and not result["check"]["passed"]:
        worst = max(result["check"]["compiled"], result["check"]["torchscript"])
        raise FxhostError(
            f"{preset.path} does not sound as it did when it was made: its probe is off by {worst:.2g}, "
            f"at most {PROBE_TOLERANCE:g} is right; get the file again"
        )
    return 0


PROBE_TOLERANCE = 1e-5


# --- train -----------------------------------------------------------------------------------------------------------


def run_train(options: argparse.Namespace) -> int:
    """`fxhost train`."""
    raise FxhostError("not yet")


# --- words -----------------------------------------------------------------------------------------------------------


def make_console(*, stderr: bool = False) -> "Console":
    """The console that everything for people goes to."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def make_table(*columns: str, header: bool = True) -> Any:
    """A plain table."""
    from rich.table import Table

    table = Table(box=None, show_header=header, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def format_esr(esr: Any) -> str:
    """An error-to-signal ratio, where it is known."""
    return f"{esr:.2g}" if isinstance(esr, int | float) else "–"


def flatten(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested JSON as rows of dotted key and printable value."""
    if isinstance(value, dict) and value:
        return [
            row for key, child in value.items() for row in flatten(child, f"{prefix}.{key}" if prefix else str(key))
        ]
    text = value if isinstance(value, str) else json.dumps(value)
    return [(prefix, "".join(letter if letter.isprintable() else "?" for letter in text))]


if __name__ == "__main__":
    sys.exit(main())
