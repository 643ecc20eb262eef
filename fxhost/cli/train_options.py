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
