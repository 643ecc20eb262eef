"""From the arguments of `fxhost` to the function of a command. Nothing heavy is imported before a command needs it."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module

from fxhost.cli.console import end_like_ctrl_c, keeping_stdout, print_error, say, showing_slow_steps, showing_warnings
from fxhost.cli.idle_options import refuse_idle_options
from fxhost.cli.parser import COMMANDS, OVERVIEW, build_parser, guess_command, parse
from fxhost.io.environment import check_surroundings

HOMES = {
    "run": "play",
    "render": "render",
    **dict.fromkeys(("devices", "presets", "info"), "info"),
    "export": "captures",
    "rig": "rig",
    **dict.fromkeys(("train", "signal"), "train"),
    "capture": "capture",
    "bench": "bench",
    "doctor": "doctor",
    **dict.fromkeys(("help", "import"), "dispatch"),
}


def run_command(words: Sequence[str] | None) -> int:
    """Run the command that the words after `fxhost` ask for; return its exit code, or raise what it failed of."""
    options = parse(words)
    refuse_idle_options(options)
    check_surroundings(options)
    with keeping_stdout(getattr(options, "json", False)), showing_warnings(), showing_slow_steps():
        return find_command(options.command)(options)


def find_command(name: str) -> Callable[[argparse.Namespace], int]:
    """The function that does a command, from its options to an exit code."""
    run: Callable[[argparse.Namespace], int] = getattr(import_module(f"fxhost.cli.{HOMES[name]}"), f"run_{name}")
    return run


def run_help(options: argparse.Namespace) -> int:
    """`fxhost help`: all commands, or the options of one."""
    if options.topic is None:
        for line in OVERVIEW.splitlines():
            say(line)
        return 0
    parser, commands = build_parser()
    if options.topic not in COMMANDS:
        parser.error(f"no command {options.topic!r}{guess_command(options.topic, list(COMMANDS))}")
    commands[options.topic].print_help()
    return 0


def run_import(options: argparse.Namespace) -> int:
    """`fxhost import`. Ctrl-C is heard before the libraries are loaded, which takes a second."""
    from fxhost.io.interruption import Interruption

    end_like_ctrl_c()
    interruption = Interruption(say=print_error)
    with interruption.listening():
        from fxhost.cli import captures

        interruption.check()
        return captures.run_import(options, interruption)
