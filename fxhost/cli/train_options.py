"""The options of `fxhost train`."""

import argparse
from pathlib import Path

from fxhost.cli.options import add_force, add_json, channels, delay, number


def add_train(train: argparse.ArgumentParser) -> None:
    """Options of `fxhost train`."""
    train.add_argument(
        "recordings",
        nargs="*",
        type=Path,
        metavar="DRY.wav WET.wav",
        help="the two recordings; or one with dry left and wet right; or a folder of X-dry.wav and X-wet.wav",
    )
    train.add_argument(
        "--channel",
        type=channels,
        metavar="CHANNEL",
        help="channel of the recordings: left, right, or a number from 1 (default: the one with the signal); 1,2 takes "
        "1 of dry and 2 of wet",
    )
    train.add_argument(
        "--pair",
        nargs=2,
        type=Path,
        action="append",
        default=[],
        metavar=("DRY.wav", "WET.wav"),
        help="a further pair; may be repeated",
    )
    train.add_argument(
        "-o", "--output", type=Path, metavar="PRESET.pt", help="the preset to write, or a bare name for your library"
    )
    add_training(train)
    train.add_argument(
        "--resume", action="store_true", help="go on with a training that was cut off, by the same command"
    )
    train.add_argument(
        "--from", dest="start_from", metavar="PRESET", help="start from this preset instead of from nothing"
    )
    train.add_argument(
        "--augment",
        nargs="+",
        choices=("gain", "polarity", "noise"),
        metavar="gain|polarity|noise",
        help="for short recordings: learn from changed copies too; refused where the effect treats them differently",
    )
    train.add_argument(
        "--delay",
        type=delay,
        metavar="FRAMES|auto",
        help="how late the wet recordings are, −10000000 to 10000000 frames, 0 for not at all (default auto: measured)",
    )
    train.add_argument(
        "--report",
        type=Path,
        metavar="FOLDER",
        help="write a page with figures and players into this new folder; of several pairs one each, and a list",
    )
    train.add_argument(
        "--search",
        type=number(1, 100_000, int),
        metavar="N",
        help="try N short trainings with other sizes and learning rates, 1 to 100000, then train with the best",
    )
    train.add_argument(
        "--storage",
        metavar="URL",
        help="with --search: where its trials are kept, a file or a database, postgresql://… (default: beside -o)",
    )
    train.add_argument(
        "--selftest",
        action="store_true",
        help="learn three known effects in two minutes, to see whether training works here",
    )
    train.add_argument(
        "--test",
        nargs=2,
        type=Path,
        metavar=("DRY.wav", "WET.wav"),
        help="measure the error on this pair (default: on a tenth of each recording)",
    )
    for word in ("name", "author", "licence"):
        train.add_argument(f"--{word}", metavar="TEXT", help=f"{word} to write into the preset")
    add_force(train, ", and train on recordings that look swapped")
    add_json(train)


def add_training(train: argparse.ArgumentParser) -> None:
    """The network, and how long and by what it is trained."""
    train.add_argument(
        "--hidden-size", type=number(1, 128, int), metavar="N", help="units in a layer, 1 to 128 (default 32)"
    )
    train.add_argument("--layers", type=number(1, 3, int), metavar="N", help="LSTM layers, 1 to 3 (default 1)")
    train.add_argument(
        "--residual",
        action=argparse.BooleanOptionalAction,
        help="learn only the difference from the dry signal (default: if that is small)",
    )
    budget = train.add_mutually_exclusive_group()
    budget.add_argument(
        "--minutes",
        type=number(0.01, 100_000, unit="minutes"),
        metavar="M",
        help="how long to train, 0.01 to 100000 minutes (default 10)",
    )
    budget.add_argument(
        "--epochs",
        type=number(1, 1_000_000, int),
        metavar="N",
        help="instead of --minutes: how often to go through the recordings, 1 to 1000000",
    )
    train.add_argument(
        "--seed",
        type=number(0, 2**32 - 1, int),
        metavar="N",
        help="random seed, 0 to 4294967295 (default 0); with --epochs the same seed gives the same preset",
    )
    train.add_argument("--device", choices=("cpu", "cuda"), help="what computes: the CPU or a GPU (default cpu)")
