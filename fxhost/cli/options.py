"""Argument types, and the options that several commands share."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fxhost.errors import PresetError

RATES_HZ = 8000, 384_000  # that a stream may have
PRESET = "a name from `fxhost presets`, or a .pt, .nam, .json or .aidax file"
BENCH_PRESETS = ["ts-overdrive"]  # the default of bench
Group = argparse._ArgumentGroup | argparse.ArgumentParser
# The names of the options that say how presets sound, for which a rig file has keys.
SOUND = (
    *("input_gain_db", "output_gain_db", "knob", "nam_quality", "gate", "cab", "eq", "level", "interface_dbu"),
    *("oversample", "engine"),
)


def number(
    lowest: float, highest: float = math.inf, kind: type[int] | type[float] = float, unit: str = ""
) -> Callable[[str], Any]:
    """An argument type: a number within a range, with − or - as its sign."""
    above = f" to {highest:.10g}" if math.isfinite(highest) else " or more"
    expected = f"{lowest:.10g}{above} {unit}".rstrip().replace("-", "−")

    def parse(text: str) -> float:
        try:
            value = kind(text.replace("−", "-"))
        except (ValueError, OverflowError):
            point = text.replace(",", ".", 1) if text.count(",") == 1 else ""
            what = "whole number" if kind is int else "number"
            hint = f"; write it with a point: {point}" if _is_number(point) else f"; give {expected}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a {what}{hint}") from None
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


def quality(text: str) -> float:
    """An argument type: the quality of a container of models, 0 to 1, low or high."""
    from fxhost.preset.quality import read_quality

    try:
        return read_quality(text)
    except PresetError as err:
        raise argparse.ArgumentTypeError(str(err)) from None


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
    group.add_argument("--json", action="store_true", help="print the result as JSON on stdout, all else on stderr")


def add_force(group: Group, also: str = "") -> None:
    """The option that lets a command replace files."""
    group.add_argument("--force", action="store_true", help="replace a file that exists" + also)


def add_sample_rate(group: Group, default: str) -> None:
    """The rate of the stream."""
    group.add_argument(
        "--sample-rate",
        type=number(*RATES_HZ, int, "Hz"),
        metavar="HZ",
        help=f"sample rate, 8000 to 384000 Hz (default: {default})",
    )


def add_knob(group: Group, which: str = "; 2.NAME=V means the second preset alone") -> None:
    """The positions of knobs."""
    group.add_argument(
        "--knob",
        type=knob,
        action="append",
        default=[],
        metavar="NAME=V",
        help=f"set a knob to V, 0 to 1{which}; may be repeated",
    )


def add_quality(group: Group) -> None:
    """Which model of a container plays."""
    group.add_argument(
        "--nam-quality",
        type=quality,
        metavar="Q",
        help="model of a .nam container of several sizes: 0, the smallest, to 1, the largest, or low, high (default 1)",
    )


def add_device(group: Group, two_inputs: bool = False) -> None:
    """Where to play."""
    default = "the first of a device, of a file the one with the signal" if two_inputs else "the first"
    two = "; 1,2 plays two instruments, each on a side" if two_inputs else ""
    group.add_argument(
        "--device",
        metavar="DEVICE",
        help="device for input and output: its number or part of its name from `fxhost devices`, or virtual for none "
        "(default: the system's)",
    )
    group.add_argument("--input-device", metavar="DEVICE", help="device for the input (default: that of --device)")
    group.add_argument("--output-device", metavar="DEVICE", help="device for the output (default: that of --device)")
    group.add_argument(
        "--input-channel",
        "--channel",
        type=input_channels if two_inputs else channel,
        metavar="CHANNEL",
        help=f"channel of the input: left, right, or a number from 1 (default: {default}){two}",
    )
    group.add_argument(
        "--latency",
        type=latency,
        default="low",
        metavar="low|high|S",
        help="latency to ask the driver for, each way: low, high, or 0 to 10 s (default low)",
    )


def add_connections(group: Group) -> None:
    """How to appear in a JACK graph."""
    group.add_argument(
        "--client-name", default="fxhost", metavar="NAME", help="name in the JACK graph (default fxhost)"
    )
    group.add_argument("--no-connect", action="store_true", help="connect no port in the JACK graph")
    group.add_argument(
        "--connect-to",
        action="append",
        default=[],
        metavar="PORT",
        help="connect the output to this JACK port or client instead of the device; may be repeated",
    )


def add_sound(group: Group) -> None:
    """How the presets are to sound."""
    for side in ("input", "output"):
        group.add_argument(
            f"--{side}-gain-db",
            type=number(-60, 60, unit="dB"),
            default=0.0,
            metavar="DB",
            help=f"{side} gain, −60 to 60 dB (default 0)",
        )
    add_knob(group)
    add_quality(group)
    group.add_argument(
        "--gate",
        type=number(-90, 0, unit="dB"),
        metavar="DB",
        help="noise gate, which opens when the dry signal is above this level, −90 to 0 dB (default: none)",
    )
    group.add_argument(
        "--cab",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="cabinet: an impulse response in a sound file, mono or stereo (default: none); may be repeated, then "
        "they are aligned and blended",
    )
    group.add_argument(
        "--eq",
        type=setting,
        metavar="SETTINGS",
        help='tone controls, such as "bass=+2 mid=-1": bass, mid and treble, −15 to 15 dB; low_cut and high_cut in Hz; '
        "band1_freq in Hz, band1_gain in dB, band1_q, and the same of band2 (default: flat)",
    )
    group.add_argument(
        "--level",
        choices=("raw", "normalized"),
        default="raw",
        help="loudness: raw, as the last preset is (default), or normalized to −18 dB if its file tells it",
    )
    group.add_argument(
        "--interface-dbu",
        type=number(-60, 60, unit="dBu"),
        metavar="DBU",
        help="input level of your interface that gives full scale, −60 to 60 dBu; calibrates captures that tell theirs",
    )


def add_engine(group: Group) -> None:
    """How the presets are computed."""
    group.add_argument(
        "--oversample",
        type=int,
        choices=(1, 2, 4),
        default=1,
        help="run the networks at 2 or 4 times the sample rate, which reduces aliasing (default 1)",
    )
    group.add_argument(
        "--engine",
        choices=("compiled", "torchscript"),
        default="compiled",
        help="what computes: compiled, fxhost's own (default), or torchscript, which runs code from the preset's file",
    )
