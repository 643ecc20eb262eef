"""The options of the commands that play: run, render, bench, devices."""

import argparse
from pathlib import Path

from fxhost.cli.options import add_device, add_engine, add_force, add_json, add_sample_rate, add_sound, channel, number


def add_run(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost run`."""
    command.add_argument(
        "presets",
        nargs="+",
        metavar="PRESET",
        help="a .pt, .nam, .json or .aidax file, or a name from `fxhost presets`",
    )
    sound = command.add_argument_group("sound")
    add_sound(sound)
    device = command.add_argument_group("device")
    add_device(device)
    device.add_argument(
        "--block-frames", type=number(1, 65536, int), default=0, metavar="N", help="default: the device's own"
    )
    add_sample_rate(device, "the input file's, the presets', or the device's")
    recording = command.add_argument_group("recording")
    recording.add_argument(
        "--input-file", type=Path, metavar="DRY.wav", help="play this recording once instead of the input"
    )
    recording.add_argument("--output-file", type=Path, metavar="OUT.wav", help="record what is played")
    recording.add_argument("--duration", type=number(0.01, 1e9), metavar="S", help="stop after so many seconds")
    add_force(recording)
    advanced = command.add_argument_group("advanced")
    add_engine(advanced)
    add_json(advanced)
    advanced.add_argument("--client-name", default="fxhost", metavar="NAME", help="in a JACK graph (default fxhost)")
    advanced.add_argument("--no-connect", action="store_true", help="leave the JACK ports unconnected")
    advanced.add_argument(
        "--connect-to",
        action="append",
        default=[],
        metavar="PORT",
        help="connect the output to this JACK port or client instead of the device; repeatable",
    )


def add_render(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost render`."""
    command.add_argument("presets", nargs="+", metavar="PRESET", help="as for run; several play in series")
    command.add_argument("input", type=Path, metavar="IN.wav", help="the dry recording")
    command.add_argument(
        "output", type=Path, metavar="OUT.wav", help=".wav, .flac, .ogg, .mp3 and others, by the ending"
    )
    sound = command.add_argument_group("sound")
    add_sound(sound)
    sound.add_argument(
        "--channel",
        "--input-channel",
        type=channel,
        metavar="left|right|N",
        help="of a file with several (default: the one that carries the signal)",
    )
    add_force(command)
    advanced = command.add_argument_group("advanced")
    add_engine(advanced)
    add_json(advanced)


def add_bench(bench: argparse.ArgumentParser) -> None:
    """Options of `fxhost bench`."""
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


def add_devices(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost devices`."""
    add_json(command)
