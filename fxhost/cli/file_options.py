"""The options of the commands about files: presets, info, import, export, signal; and of help."""

import argparse
from pathlib import Path

from fxhost.cli.options import PRESET, RATES_HZ, add_force, add_json, add_knob, add_quality, number


def add_presets(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost presets`."""
    command.add_argument(
        "action",
        nargs="?",
        choices=("list", "add", "remove"),
        default="list",
        metavar="list|add|remove",
        help="what to do (default list)",
    )
    command.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="a folder whose presets and captures can then be named, or no longer",
    )
    add_json(command)


def add_info(info: argparse.ArgumentParser) -> None:
    """Options of `fxhost info`."""
    info.add_argument("preset", metavar="PRESET", help=PRESET)
    info.add_argument(
        "--check", action="store_true", help="test whether it sounds as when it was made; this runs code from the file"
    )
    info.add_argument(
        "--rates",
        action="store_true",
        help="show how exactly it plays at the usual sample rates; the first time measures",
    )
    info.add_argument("--all", action="store_true", help="show everything that the file tells, a row each")
    add_quality(info)
    add_json(info)


def add_import(imports: argparse.ArgumentParser) -> None:
    """Options of `fxhost import`."""
    imports.add_argument(
        "capture", nargs="?", type=Path, metavar="FILE", help="a capture: a .nam, .json or .aidax file"
    )
    imports.add_argument("--all", type=Path, metavar="FOLDER", help="import all captures in this folder and below it")
    imports.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="PRESET.pt|FOLDER",
        help="the preset to write, or a bare name for your library; with --all a folder",
    )
    imports.add_argument(
        "--sample-rate",
        type=number(*RATES_HZ, int, "Hz"),
        metavar="HZ",
        help="sample rate, 8000 to 384000 Hz, if the file tells none (default: 48000 for .nam and AIDA-X, "
        "44100 for Proteus and NeuralPi)",
    )
    add_quality(imports)
    add_force(imports)
    add_json(imports)


def add_export(export: argparse.ArgumentParser) -> None:
    """Options of `fxhost export`."""
    export.add_argument("preset", metavar="PRESET", help=PRESET)
    export.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the .nam, .json or .aidax file to write"
    )
    export.add_argument(
        "--format",
        choices=("nam", "proteus", "aidax"),
        help="format (default: by the ending; .json is read by Proteus and NeuralPi)",
    )
    add_knob(export, ", at which it stands still in a .nam file")
    add_force(export)
    add_json(export)


def add_signal(signal: argparse.ArgumentParser) -> None:
    """Options of `fxhost signal`."""
    signal.add_argument("output", type=Path, metavar="OUT.wav", help="the file to write")
    signal.add_argument(
        "--sample-rate",
        type=number(*RATES_HZ, int, "Hz"),
        default=48000,
        metavar="HZ",
        help="sample rate, 8000 to 384000 Hz (default 48000)",
    )
    signal.add_argument(
        "--seconds",
        type=number(5, 1200, unit="s"),
        default=180.0,
        metavar="S",
        help="length, 5 to 1200 s (default 180)",
    )
    add_force(signal)


def add_help(command: argparse.ArgumentParser) -> None:
    """The word that `fxhost help` takes."""
    command.add_argument("topic", nargs="?", metavar="COMMAND", help="a command (default: show them all)")
