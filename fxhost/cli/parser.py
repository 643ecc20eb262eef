"""The commands of `fxhost` and their options. Wrong usage ends with two lines and exit code 2."""

import argparse
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from fxhost.cli.file_options import add_export, add_help, add_import, add_info, add_presets, add_signal
from fxhost.cli.play_options import add_bench, add_capture, add_devices, add_doctor, add_render, add_rig, add_run
from fxhost.cli.train_options import add_train
from fxhost.nearest import find_near
from fxhost.plain_text import join_words, plain_line
from fxhost.version import __version__

OVERVIEW = """\
fxhost – play guitar or voice through learned amps and pedals

 Play      run PRESET…              live, e.g. fxhost run ts-overdrive
           run RIG.toml | FOLDER    a rig with scenes; a folder to step through
           render PRESET… IN OUT    to a file
           rig init, check, show    rig files: slots, scenes, set lists
           rig service              a systemd unit: play without a screen
           devices                  sound devices; --midi: MIDI ports
           presets                  what there is to play
 Captures  info FILE                what a preset is
           import, export           .nam .json .aidax
 Learn     signal OUT.wav           write the test signal
           capture -o PAIR          play it through your pedal, record that
           train DRY WET -o NEW.pt  learn your own pedal
 Measure   bench                    load, dropouts, round trip
           doctor                   what makes live sound drop out here

 PRESET is a name from `fxhost presets`, or a .pt .nam .json .aidax file.
 fxhost help COMMAND · fxhost --version
"""


# What argparse says of wrong usage, and how it is said here.
SAID = (
    (r"^argument (\S+?)(?:/\S+)?: not allowed with argument (\S+)$", r"\1 and \2 exclude each other; give one of them"),
    (r"^argument (\S+?)(?:/\S+)?: expected one argument$", r"\1 needs a value after it"),
    (r"^argument (\S+?)(?:/\S+)?: expected (\d+) arguments$", r"\1 needs \2 values after it"),
    (r"^argument (\S+?)(?:/\S+)?: expected at least one argument$", r"\1 needs one value or more after it"),
    (r"^argument (\S+?)(?:/\S+)?: ignored explicit argument (.*)$", r"\1 takes no value, but got \2"),
    (r"^ambiguous option: (\S+) could match (.*)$", r"\1 is the beginning of several options: \2; write more of it"),
    (r"^the following arguments are required: init\|check.*$", "say what to do: init, check, show or service"),
    (r"^the following arguments are required: (.*), -o/--output$", r"\1 and -o are missing"),
    (r"^the following arguments are required: -o/--output$", "-o is missing; it says what to write"),
    (r"^the following arguments are required: (.*)$", r"\1 is missing"),
    (r"^argument (\S+?)(?:/\S+)?: ", r"\1: "),
    (r"^argument ", ""),
)


# What other programs call an option, and what it is called here.
ELSEWHERE = {
    **dict.fromkeys(("buffer", "buffer-size", "buffersize", "period", "blocksize", "block-size"), ("block-frames",)),
    **dict.fromkeys(("time", "length"), ("duration", "minutes", "seconds")),
    **dict.fromkeys(("ir", "impulse", "impulse-response"), ("cab",)),
    **dict.fromkeys(("volume", "gain"), ("input-gain-db", "output-gain-db")),
}
LINE = 79  # characters of a line of help
PLAYED = (".pt", ".nam", ".json", ".aidax", ".gz", ".toml")  # endings of what run takes


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are two lines.

    Attributes
    ----------
    given : dict of str to str
        The options that were given, by their names in the namespace, as they are typed: 'duration': '--duration 5'.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.given: dict[str, str] = {}

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Take note of an option that is given, even if its value is the default."""
        if action.option_strings:
            self.given[action.dest] = " ".join([action.option_strings[0], *arg_strings])
        return super()._get_values(action, arg_strings)

    @property
    def option_names(self) -> list[str]:
        """All its options, such as '--json'."""
        return [name for action in self._actions for name in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong and where help is, and end with 2."""
        for pattern, said in SAID:
            message = re.sub(pattern, said, message)
        self.exit(2, f"{plain_line(f'{self.prog}: {message}')}\n{_where_help_is(self.prog)}\n")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Refuse what is none of an argument's choices, with the nearest of them."""
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            if action.dest == "command":
                self.error(f"no command {value!r}{guess_command(str(value), choices)}")
            name = action.option_strings[0] if action.option_strings else str(action.metavar or action.dest)
            near = "" if str(value).isdigit() else guess(str(value), choices)
            listed = join_words(choices, "or")
            self.error(
                f"{name}: {value!r} is not known; give {listed}"
                if not near
                else f"{name}: {value!r} is not known{near}"
            )


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command that the words after `fxhost` ask for.

    Raises
    ------
    SystemExit
        With 0 after help or the version, with 2 after wrong usage.
    """
    parser, commands = build_parser()
    options, unknown = parser.parse_known_args(words)
    if options.command is None and unknown and not options.help:
        parser.error(describe_unknown(unknown, parser, commands))
    if options.help or options.command is None:
        options.command, options.topic = "help", None
    elif hasattr(options, "words") and not any(word.startswith("-") for word in unknown):
        options.words += unknown  # argparse takes only the first run of words between options
    elif unknown:
        commands[options.command].error(describe_unknown(unknown, commands[options.command], commands))
    if options.command == "render" and options.output_folder is None:
        least = 2 if options.words[0].endswith(".take") else 3
        if len(options.words) < least:
            commands["render"].error(
                "something is missing; give PRESET… IN.wav OUT.wav, PRESET… -o FOLDER IN.wav…, or TAKE.take OUT.wav"
            )
    options.given = {} if options.command == "help" else commands[options.command].given
    return options


def describe_unknown(words: Sequence[str], parser: "Parser", commands: "Mapping[str, Parser]") -> str:
    """The message for an unknown argument, with the nearest known option, or the commands that have it."""
    word = words[0]
    if not word.startswith("-"):
        return f"{word!r} is an argument too many; leave it out"
    word = word.partition("=")[0]
    owners = [f"fxhost {name}" for name, command in commands.items() if word in command.option_names]
    if owners:
        return f"no option {word} here: it belongs to {join_words(owners)}"
    return f"no option {word}{guess(word, parser.option_names)}"


def guess(word: str, known: Sequence[str]) -> str:
    """The nearest of the known words, as the end of a message; nothing if none is near, or a crowd."""
    names = {each.lstrip("-"): each for each in known}
    typed = word.lstrip("-")
    meant = [name for name in ELSEWHERE.get(typed, ()) if name in names] or find_near(typed, names)
    return f"; did you mean {join_words([names[name] for name in meant], 'or')}?" if 0 < len(meant) <= 3 else ""


def guess_command(word: str, known: Sequence[str]) -> str:
    """The nearest command, how to play what looks like a file, or all commands: the end of a message."""
    if word.lower().endswith(PLAYED):
        return f"; to play it: fxhost run {word}"
    return guess(word, known) or f"; there are {join_words(known)}"


def _where_help_is(prog: str) -> str:
    command = prog.partition(" ")[2]
    return f"Try: fxhost help {command}" if command else "Try: fxhost help"


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """All commands and their options."""
    parser = Parser(prog="fxhost", description="A real-time host for learned audio effects.", add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="version", version=f"fxhost {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (text, words, add, examples) in COMMANDS.items():
        command = commands.add_parser(
            name,
            usage=f"fxhost {name} {words}".rstrip(),
            description=textwrap.fill(text, LINE),
            epilog="examples:\n" + "\n".join(f"  fxhost {example}" for example in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command._positionals.title = "arguments"
        add(command)
    return parser, dict(commands.choices)


# name → what it does, what it is called with, its options, and examples
COMMANDS: dict[str, tuple[str, str, Callable[[argparse.ArgumentParser], None], Sequence[str]]] = {
    "run": (
        "Play live, from the input to the output: presets in a row, a rig file, or a folder to step through. SIGHUP "
        "makes it read the rig file again; without a rig file, or if its terminal was closed, the run ends. SIGTERM "
        "ends it with exit code 0.",
        "PRESET… | RIG.toml | FOLDER [options]",
        add_run,
        (
            "run ts-overdrive",
            "run ts-overdrive --device virtual --duration 5",
            'run ts-overdrive --gate -52 --eq "bass=+2 treble=-1" --save rig.toml',
        ),
    ),
    "render": (
        "Play a recording through presets or a rig into a file, faster than live; every sample equals live playing.",
        "PRESET… IN.wav OUT.wav | PRESET… -o FOLDER IN.wav… | TAKE.take OUT.wav",
        add_render,
        (
            "render ts-overdrive dry.wav wet.wav",
            "render ts-overdrive rc-lowpass dry.wav wet.flac",
            "render ts-overdrive -o wet dry.wav --bits 24",
        ),
    ),
    "rig": (
        "Write a rig file with comments that plays at once, find every mistake in one, draw the path of its signal, or "
        "print a systemd unit that plays it without a screen.",
        "init|check|show|service [FILE.toml] [--force] [-- OPTION…]",
        add_rig,
        ("rig init", "rig check rig.toml", "rig service rig.toml -- --midi --web 0.0.0.0:8765"),
    ),
    "devices": (
        "List the sound devices, and which of them run takes; or the MIDI ports.",
        "[--midi] [--json]",
        add_devices,
        ("devices", "devices --midi", "run ts-overdrive --device 0"),
    ),
    "presets": (
        "List what there is to play: shipped presets, your library, and folders that you added.",
        "[add|remove FOLDER] [--json]",
        add_presets,
        ("presets", "presets add captures", "presets remove captures"),
    ),
    "info": (
        "Show what a preset or capture is: network, sample rate, knobs, levels, how close it is to what it learned.",
        "PRESET [options]",
        add_info,
        ("info ts-overdrive", "info ts-overdrive --rates", "info ts-overdrive --all"),
    ),
    "import": (
        "Make presets of Neural Amp Modeler, Proteus, NeuralPi and AIDA-X files.",
        "FILE -o PRESET.pt [options]",
        add_import,
        ("import deluxe.nam -o deluxe.pt", "import deluxe.nam -o deluxe", "import --all captures -o presets"),
    ),
    "export": (
        "Write a preset as a file that another program opens.",
        "PRESET -o FILE.nam|.json|.aidax [options]",
        add_export,
        ("export ts-overdrive -o ts.nam", "export ts-overdrive -o ts.json", "export ts-overdrive -o ts.aidax"),
    ),
    "train": (
        "Learn an effect from a dry recording and the same recording through the effect.",
        "DRY.wav WET.wav -o PRESET.pt [options]",
        add_train,
        (
            "train dry.wav wet.wav -o mine.pt",
            "train dry.wav wet.wav -o mine.pt --minutes 5 --report report",
            "train --selftest",
        ),
    ),
    "signal": (
        "Write a test signal, which you play through your device and record, so that train can learn from both.",
        "OUT.wav [options]",
        add_signal,
        ("signal dry.wav", "signal dry.wav --seconds 60", "signal dry.wav --sample-rate 44100"),
    ),
    "capture": (
        "Play the test signal through a device between an output and an input, and record the pair for train.",
        "-o FOLDER [options]",
        add_capture,
        ("capture -o pair", "capture -o pair --peak -12 --input-channel 2", "capture -o pair --signal dry.wav"),
    ),
    "bench": (
        "Measure how long blocks take to compute; or how evenly a device calls, or the latency from output to input.",
        "[PRESET…] [options]",
        add_bench,
        ("bench", "bench ts-overdrive --block-frames 64 128", "bench --stream --duration 5 --device virtual"),
    ),
    "doctor": (
        "Look at what makes live sound drop out on this machine, and say what to do; exit code 1 if something is bad.",
        "[--json]",
        add_doctor,
        ("doctor", "doctor --json", "bench --stream --duration 60"),
    ),
    "help": (
        "Show all commands, or the options of one.",
        "[COMMAND]",
        add_help,
        ("help", "help run", "help train"),
    ),
}
