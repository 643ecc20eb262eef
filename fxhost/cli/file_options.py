"""The options of the commands about files: presets, info, import, export, signal; and of help."""

import argparse
from pathlib import Path

from fxhost.cli.options import add_force, add_json, add_knob, number


def add_presets(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost presets`."""
    command.add_argument(
        "action", nargs="?", choices=("list", "add", "remove"), default="list", help="what to do (default list)"
    )
    command.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="of presets and captures, to be found by name or no more"
    )
    add_json(command)


def add_info(info: argparse.ArgumentParser) -> None:
    """Options of `fxhost info`."""
    info.add_argument("preset", metavar="PRESET")
    info.add_argument(
        "--check", action="store_true", help="replay its probe through both engines; this runs code from the file"
    )
    info.add_argument(
        "--rates", action="store_true", help="tell how it plays at the usual rates; what is not known yet is measured"
    )
    info.add_argument("--all", action="store_true", help="everything that the file tells, a row each")
    add_json(info)


def add_import(imports: argparse.ArgumentParser) -> None:
    """Options of `fxhost import`."""
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


def add_export(export: argparse.ArgumentParser) -> None:
    """Options of `fxhost export`."""
    export.add_argument("preset", metavar="PRESET", help="as for run")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.nam|.json|.aidax")
    export.add_argument(
        "--format", choices=("nam", "proteus", "aidax"), help="default by the ending; .json is Proteus' and NeuralPi's"
    )
    add_knob(export)
    add_force(export)
    add_json(export)


def add_signal(signal: argparse.ArgumentParser) -> None:
    """Options of `fxhost signal`."""
    signal.add_argument("output", type=Path, metavar="OUT.wav")
    signal.add_argument("--sample-rate", type=number(8000, 384_000, int), default=48000, metavar="HZ")
    signal.add_argument("--seconds", type=number(5, 1200), default=180.0, metavar="S", help="default 180")
    add_force(signal)


def add_help(command: argparse.ArgumentParser) -> None:
    """The word that `fxhost help` takes."""
    command.add_argument("topic", nargs="?", metavar="COMMAND")
