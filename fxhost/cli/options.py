"""Argument types, and the options that several commands share."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

BENCH_PRESETS = ["ts-overdrive"]  # the default of bench
Group = argparse._ArgumentGroup | argparse.ArgumentParser
# The names of the options that say how presets sound, for which a rig file has keys.
SOUND = (
    *("input_gain_db", "output_gain_db", "knob", "gate", "cab", "eq", "level", "interface_dbu", "oversample"),
    "engine",
)


def number(
    lowest: float, highest: float = math.inf, kind: type[int] | type[float] = float, unit: str = ""
) -> Callable[[str], Any]:
    """An argument type: a number within a range, with − or - as its sign."""
    above = f" to {highest:,.10g}" if math.isfinite(highest) else " or more"
    expected = f"{lowest:,.10g}{above} {unit}".rstrip().replace("-", "−")

    def parse(text: str) -> float:
        try:
            value = kind(text.replace("−", "-"))
        except (ValueError, OverflowError):
            point = text.replace(",", ".", 1) if text.count(",") == 1 else ""
            what = f"{'a whole' if kind is int else 'a'} number"
            hint = f"; write it with a point: {point}" if _is_number(point) else f"; give {what} of {expected}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}{hint}") from None
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text} is out of range; give {expected}")
        return value

    return parse


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def latency(text: str) -> str | float:
    """An argument type: 'low', 'high', or seconds."""
    return text if text in ("low", "high") else float(_number_or("low, high", number(0.0, 10.0, unit="s"), text))


def delay(text: str) -> str | float:
    """An argument type: 'auto', or frames."""
    parse = number(-10_000_000, 10_000_000, unit="frames")
    return text if text == "auto" else float(_number_or("auto", parse, text))


def _number_or(words: str, parse: Callable[[str], Any], text: str) -> Any:
    """A number; the message for what is none names the words that could have been given instead."""
    try:
        return parse(text)
    except argparse.ArgumentTypeError as err:
        raise argparse.ArgumentTypeError(str(err).replace("; give ", f"; give {words} or ", 1)) from None


def channel(text: str) -> int | None:
    """An argument type: a channel, from 0; None for 'auto'."""
    from fxhost.io.channels import parse_channel

    try:
        return parse_channel(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from None


def input_channels(text: str) -> tuple[int | None, int | None]:
    """An argument type: the channel of the input, from 0 (None for 'auto'), and with a comma that of a second input."""
    first, comma, second = text.partition(",")
    return channel(first), channel(second) if comma else None


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
        raise argparse.ArgumentTypeError(f"{text!r} does not set a knob; give NAME=VALUE, such as gain=0.7")
    return name, float(number(0.0, 1.0)(value))


def setting(text: str) -> dict[str, float]:
    """An argument type: settings of the tone controls, 'bass=+2 mid=-1'."""
    settings = {}
    for word in text.replace(",", " ").split():
        name, separator, value = word.partition("=")
        try:
            if not separator:
                raise ValueError
            settings[name] = float(value.replace("−", "-"))
        except ValueError:
            told = f"{word!r} does not set a tone control; give NAME=VALUE, such as bass=+2"
            raise argparse.ArgumentTypeError(told) from None
    if not settings:
        raise argparse.ArgumentTypeError(f"{text!r} sets no tone control; give NAME=VALUE, such as bass=+2")
    return settings


def add_json(group: Group) -> None:
    """The option for machines."""
    group.add_argument("--json", action="store_true", help="print the result as JSON on stdout")


def add_force(group: Group, also: str = "") -> None:
    """The option that lets a command replace files."""
    group.add_argument("--force", action="store_true", help="replace an existing output file" + also)


def add_sample_rate(group: Group, default: str) -> None:
    """The rate of the stream."""
    group.add_argument(
        "--sample-rate", type=number(8000, 384_000, int), metavar="HZ", help=f"of the stream (default: {default})"
    )


def add_knob(group: Group) -> None:
    """The positions of knobs."""
    group.add_argument(
        "--knob",
        type=knob,
        action="append",
        default=[],
        metavar="NAME=V",
        help="set a knob, 0 to 1; of the second preset alone: 2.NAME=V; repeatable",
    )


def add_device(group: Group, two_inputs: bool = False) -> None:
    """Where to play."""
    two = "two of them, such as 1,2, for two instruments, each on a side of its own; " if two_inputs else ""
    group.add_argument("--device", metavar="D", help="number or part of the name for input and output, or 'virtual'")
    group.add_argument("--input-device", metavar="D", help="number or name of the input device")
    group.add_argument("--output-device", metavar="D", help="number or name of the output device")
    group.add_argument(
        "--input-channel",
        "--channel",
        type=input_channels if two_inputs else channel,
        metavar="left|right|N|N,N" if two_inputs else "left|right|N",
        help=two + "from 1 (default: the device's first, or the one of a file that carries the signal)",
    )
    group.add_argument(
        "--latency", type=latency, default="low", metavar="low|high|S", help="what to ask the driver for (default low)"
    )


def add_connections(group: Group) -> None:
    """How to appear in a JACK graph."""
    group.add_argument("--client-name", default="fxhost", metavar="NAME", help="in a JACK graph (default fxhost)")
    group.add_argument("--no-connect", action="store_true", help="leave the JACK ports unconnected")
    group.add_argument(
        "--connect-to",
        action="append",
        default=[],
        metavar="PORT",
        help="connect the output to this JACK port or client instead of the device; repeatable",
    )


def add_sound(group: Group) -> None:
    """How the presets are to sound."""
    for side in ("input", "output"):
        group.add_argument(
            f"--{side}-gain-db", type=number(-60, 60), default=0.0, metavar="X", help=f"{side} gain in dB (default 0)"
        )
    add_knob(group)
    group.add_argument(
        "--gate",
        type=number(-90, 0),
        metavar="DB",
        help="a noise gate that listens to the dry signal and opens at this level, −90 to 0 dB",
    )
    group.add_argument(
        "--cab",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a cabinet: an impulse response in a sound file, mono or stereo; several are aligned and blended",
    )
    group.add_argument(
        "--eq",
        type=setting,
        metavar='"bass=+2 mid=-1"',
        help="tone controls: bass, mid, treble in dB, low_cut and high_cut in Hz, band1_freq, band1_gain, band1_q, …",
    )
    group.add_argument(
        "--level",
        choices=("raw", "normalized"),
        default="raw",
        help="as the last preset has it (default), or at −18 dB if the preset tells its loudness",
    )
    group.add_argument(
        "--interface-dbu",
        type=number(-60, 60),
        metavar="X",
        help="level of full scale at the interface's input: calibrates captures that tell theirs",
    )


def add_engine(group: Group) -> None:
    """How the presets are computed."""
    group.add_argument(
        "--oversample",
        type=int,
        choices=(1, 2, 4),
        default=1,
        help="run the networks at 2 or 4 times the rate, against aliasing (default 1)",
    )
    group.add_argument(
        "--engine",
        choices=("compiled", "torchscript"),
        default="compiled",
        help="the compiled kernel (default), or the preset's own TorchScript module: this runs code from the file",
    )
