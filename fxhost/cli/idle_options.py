"""Options that would do nothing where they are given: refused in a line before the work, or told when a device is open.

A new option that means something only beside others, or only on some devices, gets a row here.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fxhost.cli.console import print_error
from fxhost.cli.options import BENCH_PRESETS, SOUND
from fxhost.errors import FxhostError
from fxhost.plain_text import join_words

VIRTUAL = "none"  # host API

# The modes of bench in which its options do something; "" is the one that times blocks without a device.
BENCH_MODES = "stream", "loopback", "largest_hidden", "smallest_block"
BENCH: dict[str, set[str]] = {
    "block_frames": {"", "stream", "loopback", "largest_hidden"},
    "engine": {"", "stream"},
    "seconds": {"", "largest_hidden", "smallest_block"},
    "duration": {"stream"},
    "stress": {"stream"},
    **{f"{side}device": {"stream", "loopback"} for side in ("", "input_", "output_")},
    "input_channel": {"stream", "loopback"},
    "latency": {"stream", "loopback"},
}


@dataclass(frozen=True)
class Idle:
    """Options of a command that do nothing where something else was given, or was not.

    Attributes
    ----------
    commands : tuple of str
    names : collection of str, or None
        Of the options in the namespace; None stands for all but `--json`.
    where : callable
        Tells from all options whether they do nothing.
    why : str
        What follows "OPTION does nothing".
    mend : str
        What to do.
    """

    commands: tuple[str, ...]
    names: Sequence[str] | None
    where: Callable[[argparse.Namespace], bool]
    why: str
    mend: str = "leave it out"


def _plays_rig(options: argparse.Namespace) -> bool:
    words: list[str] = options.presets if options.command == "run" else options.words[:1]
    return len(words) == 1 and words[0].endswith(".toml")


def _plays_take(options: argparse.Namespace) -> bool:
    return len(options.words) == 2 and bool(options.words[0].endswith(".take"))


IDLE = (
    Idle(("run", "render"), SOUND, _plays_rig, "with a rig file", "write it into the file"),
    Idle(("run",), ("input_device",), lambda o: o.input_file is not None, "with --input-file, which plays instead"),
    Idle(("run",), ("howl_guard",), lambda o: o.input_file is not None, "with --input-file, which cannot howl"),
    Idle(
        ("run",),
        ("force",),
        lambda o: o.output_file is None and o.record is None and o.save is None,
        "without --output-file, --record or --save",
    ),
    Idle(("run",), ("play_along_level",), lambda o: o.play_along is None, "without --play-along SONG"),
    Idle(
        ("run", "bench", "capture"),
        ("device",),
        lambda o: o.input_device is not None and o.output_device is not None,
        "beside --input-device and --output-device",
    ),
    Idle(
        ("render",),
        (*SOUND, "output_folder", "scene", "channel", "sample_rate", "format"),
        _plays_take,
        "with a take, which is played as it was recorded",
    ),
    Idle(("render",), ("scene",), lambda o: not _plays_rig(o), "without a rig file, which has the scenes"),
    Idle(
        ("render",),
        ("format",),
        lambda o: o.output_folder is None,
        "without -o FOLDER",
        "the ending of OUT.wav chooses the format",
    ),
    Idle(("capture",), ("signal_channel",), lambda o: o.signal is None, "without --signal DRY.wav"),
    Idle(("rig",), ("force",), lambda o: o.action != "init", "with check, show and service, which write no file"),
    Idle(("presets",), ("json",), lambda o: o.action != "list", "with add and remove"),
    Idle(("info",), ("all",), lambda o: o.json, "with --json, which tells everything"),
    Idle(
        ("export",),
        ("knob",),
        lambda o: o.output.suffix.lower() != ".nam",
        "in a .json or .aidax file, whose knobs can be turned",
    ),
    Idle(("import",), ("sample_rate",), lambda o: o.all is not None, "with --all", "import that file by itself"),
    Idle(
        ("train",),
        None,
        lambda o: o.selftest,
        "with --selftest, which trains for two minutes on signals of its own",
    ),
    Idle(("train",), ("storage",), lambda o: o.search is None, "without --search N, whose trials it keeps"),
    Idle(
        ("train",), ("resume", "start_from"), lambda o: o.search is not None, "with --search, which goes on by itself"
    ),
)


def refuse_idle_options(options: argparse.Namespace) -> None:
    """Refuse the first option that would do nothing.

    Raises
    ------
    FxhostError
        With the option as it was typed, and why.
    """
    given: dict[str, str] = options.given
    for idle in IDLE:
        if options.command in idle.commands and idle.where(options):
            names = given.keys() - {"json", "selftest"} if idle.names is None else idle.names
            for name in given:
                if name in names:
                    raise FxhostError(f"{given[name]} does nothing {idle.why}; {idle.mend}")
    if options.command == "train" and options.selftest and options.recordings:
        raise FxhostError(f"{options.recordings[0]} is not read with --selftest; leave out the recordings")
    if options.command == "bench":
        if options.largest_hidden and options.presets != BENCH_PRESETS:
            raise FxhostError(
                f"{options.presets[0]} is not played with --largest-hidden, which makes its own networks; leave it out"
            )
        _refuse_idle_of_bench(options)


def _refuse_idle_of_bench(options: argparse.Namespace) -> None:
    mode = next((mode for mode in BENCH_MODES if getattr(options, mode)), "")
    for name, words in options.given.items():
        modes = BENCH.get(name)
        if modes is not None and mode not in modes:
            where = f"with {_as_typed(mode)}" if mode else f"without {' or '.join(map(_as_typed, sorted(modes)))}"
            raise FxhostError(f"{words} does nothing {where}; leave it out")


def _as_typed(name: str) -> str:
    return "--" + name.replace("_", "-")


def tell_idle_on_device(given: dict[str, str], host_api: str, *, is_live: bool = True) -> None:
    """Name on stderr, in a line, the options that do nothing on a device that is open now.

    Parameters
    ----------
    given : dict of str to str
        The options that were given, as they were typed.
    host_api : str
        Of the device; 'none' is that of the virtual one.
    is_live : bool
        Whether the device's input plays, and no file.
    """
    from fxhost.io.jack import HOST_API

    if host_api == VIRTUAL:
        names = ["client_name", "no_connect", "connect_to", "patience", *["input_channel", "howl_guard"][: 2 * is_live]]
        where = "on the virtual device"
    elif host_api == HOST_API:
        names, where = ["latency"], "on JACK, whose server decides on it"
    else:
        names, where = ["client_name"], f"on {host_api}, as only JACK has clients"
    idle = [given[name] for name in given if name in names]
    if idle:
        print_error(f"note: {join_words(idle)} {'does' if len(idle) == 1 else 'do'} nothing {where}")
