"""The words that `fxhost` understands; wrong ones end with a usage message and exit code 2."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from fxhost.plain_text import plain_line
from fxhost.version import __version__


class Parser(argparse.ArgumentParser):
    """The parser of a command, whose errors are single lines whatever the words hold."""

    def error(self, message: str) -> NoReturn:
        """Tell the usage and what is wrong, and end with 2."""
        super().error(plain_line(message))


def number(lowest: float, highest: float = math.inf, kind: type[int] | type[float] = float) -> Callable[[str], Any]:
    """An argument type: a number within a range."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except (ValueError, OverflowError):
            raise argparse.ArgumentTypeError(f"{text!r} is not a {'whole ' if kind is int else ''}number") from None
        if not lowest <= value <= highest:
            above = f" to {highest:g}" if math.isfinite(highest) else " or more"
            raise argparse.ArgumentTypeError(f"{text} is out of range: expected {lowest:g}{above}")
        return value

    return parse


def latency(text: str) -> str | float:
    """An argument type: 'low', 'high', or seconds."""
    return text if text in ("low", "high") else float(number(0.0, 10.0)(text))


def delay(text: str) -> str | float:
    """An argument type: 'auto', or frames."""
    return text if text == "auto" else float(number(-10_000_000, 10_000_000)(text))


def channel(text: str) -> int | None:
    """An argument type: a channel, from 0; None for 'auto'."""
    from fxhost.io.channels import parse_channel

    try:
        return parse_channel(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from None


def channels(text: str) -> str:
    """An argument type: the channel of a pair of recordings, or those of dry and wet."""
    from fxhost.io.channels import parse_channels

    try:
        parse_channels(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from None
    return text


def knob(text: str) -> tuple[str, float]:
    """An argument type: a knob and its value, NAME=0.7."""
    name, separator, value = text.rpartition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE, such as gain=0.7")
    return name, float(number(0.0, 1.0)(value))


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = Parser(
        prog="fxhost",
        description="A real-time host for learned audio effects.",
        epilog="fxhost COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"fxhost {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    def add_json(command: argparse.ArgumentParser) -> None:
        command.add_argument("--json", action="store_true", help="print the result as JSON on stdout")

    def add_force(command: argparse.ArgumentParser, also: str = "") -> None:
        command.add_argument("--force", action="store_true", help="replace an existing output file" + also)

    def add_device(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--device", metavar="D", help="number or (part of the) name for input and output, or 'virtual'"
        )
        command.add_argument("--input-device", metavar="D", help="number or name of the input device")
        command.add_argument("--output-device", metavar="D", help="number or name of the output device")
        command.add_argument(
            "--input-channel",
            "--channel",
            type=channel,
            metavar="left|right|N",
            help="from 1; default: the device's first, or the one of a file that carries the signal",
        )
        command.add_argument(
            "--latency", type=latency, default="low", metavar="low|high|S", help="what to ask for (default low)"
        )

    def add_sample_rate(command: argparse.ArgumentParser, default: str) -> None:
        command.add_argument(
            "--sample-rate", type=number(8000, 384_000, int), metavar="HZ", help=f"of the stream (default: {default})"
        )

    def add_knob(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--knob", type=knob, action="append", default=[], metavar="NAME=V", help="set a knob, 0 to 1; repeatable"
        )

    def add_playing(command: argparse.ArgumentParser) -> None:
        for side in ("input", "output"):
            command.add_argument(
                f"--{side}-gain-db",
                type=number(-60, 60),
                default=0.0,
                metavar="X",
                help=f"{side} gain in dB (default 0)",
            )
        add_knob(command)
        command.add_argument(
            "--level",
            choices=("raw", "normalized"),
            default="raw",
            help="as the last preset has it (default), or at −18 dB where it tells its loudness",
        )
        command.add_argument(
            "--interface-dbu",
            type=number(-60, 60),
            metavar="X",
            help="level of full scale at the interface's input: calibrates captures that tell theirs",
        )
        command.add_argument(
            "--oversample",
            type=int,
            choices=(1, 2, 4),
            default=1,
            help="run the networks at 2 or 4 times the rate, against aliasing (default 1)",
        )
        command.add_argument(
            "--engine",
            choices=("compiled", "torchscript"),
            default="compiled",
            help="the compiled kernel (default), or the preset's own TorchScript module: this runs code from the file",
        )
        add_force(command)
        add_json(command)

    run = add("run", "Play presets live: one after the other, input to output.")
    run.add_argument(
        "presets",
        nargs="+",
        metavar="PRESET",
        help="a .pt, .nam, .json or .aidax file, or the name of a shipped preset",
    )
    add_device(run)
    run.add_argument("--input-file", type=Path, metavar="DRY.wav", help="play this recording once instead of the input")
    run.add_argument("--output-file", type=Path, metavar="OUT.wav", help="record what is played")
    run.add_argument("--duration", type=number(0.01, 1e9), metavar="S", help="stop after so many seconds")
    run.add_argument(
        "--block-frames", type=number(1, 65536, int), default=0, metavar="N", help="default: the device's own"
    )
    add_sample_rate(run, "the input file's, the presets', or the device's")
    run.add_argument("--client-name", default="fxhost", metavar="NAME", help="in a JACK graph (default fxhost)")
    run.add_argument("--no-connect", action="store_true", help="leave the JACK ports unconnected")
    run.add_argument(
        "--connect-to",
        action="append",
        default=[],
        metavar="PORT",
        help="connect the output to this JACK port or client instead of the device; repeatable",
    )
    add_playing(run)

    render = add("render", "Play a recording through a preset into a file, as fast as it goes.")
    render.add_argument("presets", nargs="+", metavar="PRESET", help="as for run; several play in series")
    render.add_argument("input", type=Path, metavar="IN.wav")
    render.add_argument("output", type=Path, metavar="OUT.wav")
    render.add_argument(
        "--channel",
        "--input-channel",
        type=channel,
        metavar="left|right|N",
        help="of a file with several (default: the one that carries the signal)",
    )
    add_playing(render)

    bench = add("bench", "Measure how long blocks take, what jitter a device has, and the way from output to input.")
    bench.add_argument(
        "presets", nargs="*", default=["ts-overdrive"], metavar="PRESET", help="as for run (default ts-overdrive)"
    )
    modes = bench.add_mutually_exclusive_group()
    modes.add_argument("--stream", action="store_true", help="measure on the device: time between callbacks, and xruns")
    modes.add_argument("--loopback", action="store_true", help="measure the round trip by a cable from output to input")
    modes.add_argument("--largest-hidden", action="store_true", help="find the largest network that this machine plays")
    modes.add_argument("--smallest-block", action="store_true", help="find the smallest block that this machine plays")
    bench.add_argument(
        "--block-frames",
        type=number(1, 65536, int),
        nargs="+",
        metavar="N",
        help="default 16 to 1024; 64 for --largest-hidden; the device's own for --stream and --loopback",
    )
    add_sample_rate(bench, "the presets' own")
    bench.add_argument(
        "--engine",
        nargs="+",
        choices=("compiled", "torchscript"),
        default=["compiled"],
        help="one or both (default compiled); torchscript runs code from the file",
    )
    bench.add_argument(
        "--seconds",
        type=number(0.01, 3600),
        metavar="S",
        help="for each row (default 1; 3 for the limits)",
    )
    bench.add_argument("--duration", type=number(0.01, 86_400), metavar="S", help="of --stream (default 10)")
    bench.add_argument(
        "--stress",
        type=number(1, 256, int),
        default=0,
        metavar="N",
        help="with --stream: so many busy Python threads beside it, which take and free memory",
    )
    add_device(bench)
    add_json(bench)

    add_json(add("devices", "List the sound devices."))
    add_json(add("presets", "List the presets that come with fxhost."))

    info = add("info", "Tell what a preset is.")
    info.add_argument("preset", metavar="PRESET")
    info.add_argument(
        "--check", action="store_true", help="replay its probe through both engines; this runs code from the file"
    )
    info.add_argument(
        "--rates", action="store_true", help="tell how it plays at the usual rates; what is not known yet is measured"
    )
    add_json(info)

    imports = add("import", "Make presets of Neural Amp Modeler, Proteus, NeuralPi and AIDA-X files.")
    imports.add_argument("capture", nargs="?", type=Path, metavar="FILE", help="a .nam, .json or .aidax file")
    imports.add_argument("--all", type=Path, metavar="FOLDER", help="all of them in a folder and below it")
    imports.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PRESET.pt|FOLDER", help="a folder with --all"
    )
    imports.add_argument(
        "--sample-rate",
        type=number(8000, 384_000, int),
        metavar="HZ",
        help="where the file tells none (assumed: 48000 for .nam and AIDA-X, 44100 for Proteus and NeuralPi)",
    )
    add_force(imports)
    add_json(imports)

    export = add("export", "Write a preset as a file that another program opens.")
    export.add_argument("preset", metavar="PRESET", help="as for run")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.nam|.json|.aidax")
    export.add_argument(
        "--format", choices=("nam", "proteus", "aidax"), help="default by the ending; .json is Proteus' and NeuralPi's"
    )
    add_knob(export)
    add_force(export)
    add_json(export)

    train = add("train", "Learn an effect from a dry recording and the same recording through the effect.")
    train.add_argument(
        "recordings",
        nargs="*",
        type=Path,
        metavar="DRY.wav WET.wav",
        help="the two recordings, one with dry left and wet right, or a folder of X-dry.wav and X-wet.wav",
    )
    train.add_argument(
        "--channel",
        type=channels,
        metavar="left|right|N[,…]",
        help="of recordings with several; those of dry and wet with a comma between (default: what carries the signal)",
    )
    train.add_argument(
        "--pair", nargs=2, type=Path, action="append", default=[], metavar=("DRY", "WET"), help="a further pair"
    )
    train.add_argument("-o", "--output", type=Path, metavar="PRESET.pt")
    train.add_argument("--hidden-size", type=number(1, 128, int), metavar="H", help="units in a layer")
    train.add_argument("--layers", type=number(1, 3, int), metavar="L")
    train.add_argument(
        "--residual",
        action=argparse.BooleanOptionalAction,
        help="learn only the difference from the dry signal (default: where that is small)",
    )
    budget = train.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=number(0.01, 100_000), metavar="M", help="how long to train (default 10)")
    budget.add_argument(
        "--epochs", type=number(1, 1_000_000, int), metavar="E", help="how often to go through the recording"
    )
    train.add_argument(
        "--seed", type=number(0, 2**32 - 1, int), metavar="N", help="with --epochs, the same seed gives the same preset"
    )
    train.add_argument("--device", choices=("cpu", "cuda"))
    train.add_argument(
        "--resume", action="store_true", help="go on with a training that was cut off, as if it had not been"
    )
    train.add_argument("--from", dest="start_from", metavar="PRESET", help="start from the weights of this preset")
    train.add_argument(
        "--augment",
        nargs="+",
        choices=("gain", "polarity", "noise"),
        metavar="gain|polarity|noise",
        help="for short recordings: vary them in ways that leave the effect true; refused where it would not be",
    )
    train.add_argument(
        "--delay",
        type=delay,
        metavar="FRAMES|auto",
        help="how late the wet recordings are, in frames (negative: early; 0: leave them alone); default: as is found",
    )
    train.add_argument("--report", type=Path, metavar="DIR", help="write a page with figures and players into DIR")
    train.add_argument(
        "--search",
        type=number(1, 100_000, int),
        metavar="N",
        help="try N short trainings with other sizes and rates, then train with the best",
    )
    train.add_argument(
        "--storage",
        metavar="URL",
        help="where the trials are kept: a file or a shared database, postgresql://… (default: beside -o)",
    )
    train.add_argument(
        "--selftest", action="store_true", help="learn three known effects in two minutes, to see that it works here"
    )
    train.add_argument(
        "--test", nargs=2, type=Path, metavar=("DRY.wav", "WET.wav"), help="measure the ESR on this pair"
    )
    for word in ("name", "author", "licence"):
        train.add_argument(f"--{word}", metavar=word.upper(), help="for the preset's description")
    add_force(train, "; train on recordings that look swapped")
    add_json(train)

    signal = add("signal", "Write a test signal to be played through a device and recorded.")
    signal.add_argument("output", type=Path, metavar="OUT.wav")
    signal.add_argument("--sample-rate", type=number(8000, 384_000, int), default=48000, metavar="HZ")
    signal.add_argument("--seconds", type=number(5, 1200), default=180.0, metavar="S", help="default 180")
    add_force(signal)
    return parser
