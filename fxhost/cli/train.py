"""`fxhost train` and `fxhost signal`: from words to the trainer and back."""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fxhost.cli.console import (
    end_like_ctrl_c,
    format_esr,
    make_console,
    make_table,
    print_error,
    print_json,
    say,
)
from fxhost.cli.train_output import print_findings, print_result_and_report, showing_progress
from fxhost.cli.train_search import run_search
from fxhost.errors import FxhostError, TrainingError
from fxhost.preset.archive import read_preset
from fxhost.preset.library import find_preset, resolve_output
from train.checkpoint import checkpoint_path, read_checkpoint
from train.fit import Settings, fit
from train.interruption import Interruption
from train.pairs.augment import AUGMENTATIONS
from train.pairs.folder import find_pairs
from train.pairs.pair import Pair
from train.report.report import check_report_folder

INTERRUPTED = 130
SETTINGS = (
    "name",
    "author",
    "licence",
    "channel",
    "hidden_size",
    "layers",
    "residual",
    "minutes",
    "epochs",
    "seed",
    "device",
)


def run_train(options: argparse.Namespace) -> int:
    """`fxhost train`."""
    if options.output is not None:
        options.output = resolve_output(options.output)
    end_like_ctrl_c()
    interruption, before = Interruption(say=print_error), _find_checkpoint(options)
    try:
        with interruption.listening():
            return _train(options, interruption)
    except TrainingError as err:
        if not isinstance(err.__cause__, KeyboardInterrupt):
            raise
        print_error(str(err))
        return INTERRUPTED
    except KeyboardInterrupt:
        kept = _find_checkpoint(options)
        if kept is None or (kept == before and not options.resume):
            raise
        print_error("interrupted; go on where it was last saved: the same command with --resume")
        return INTERRUPTED


def _find_checkpoint(options: argparse.Namespace) -> int | None:
    """When what `--resume` goes on from was written, if there is any."""
    if options.output is None or not (path := checkpoint_path(options.output)).exists():
        return None
    return path.stat().st_mtime_ns


def _train(options: argparse.Namespace, interruption: Interruption) -> int:
    if options.selftest:
        return _run_selftest(options)
    pairs = _find_recordings(options)
    if options.output is None:
        raise FxhostError("where shall the preset be written? Add -o PRESET.pt")
    given = _given_settings(options)
    settings = _choose_settings(options, given)
    start_from = None
    if options.start_from is not None:
        start_from = find_preset(options.start_from)
        settings = _take_sizes(settings, start_from, given)
    if options.report is not None:
        _check_report(options, pairs)
    test = (options.test[0], options.test[1]) if options.test else None

    def check(pair: Pair) -> None:
        if not options.json:
            print_findings(pair)

    with showing_progress(quiet=options.json) as show:
        if options.search:
            result = run_search(options, settings, pairs, test, frozenset(given), show, check, interruption)
        else:
            result = fit(
                settings,
                pairs,
                options.output,
                test=test,
                overwrite=options.force,
                resume=options.resume,
                start_from=start_from,
                check=check,
                report=show,
                interruption=interruption,
            )
    if result is not None:
        print_result_and_report(options, result, pairs)
    return 0


def _given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that the user named."""
    given = {field: value for field in SETTINGS if (value := getattr(options, field)) is not None}
    if options.delay is not None:
        given["delay"] = None if options.delay == "auto" else options.delay
    if options.augment:
        given["augment"] = " ".join(name for name in AUGMENTATIONS if name in options.augment)
    return given


def _choose_settings(options: argparse.Namespace, given: dict[str, Any]) -> Settings:
    """The defaults, or those of the training that is resumed, with what the user named."""
    saved = {}
    if options.resume:
        saved = read_checkpoint(options.output)["settings"]
        if {"minutes", "epochs"} & given.keys():
            saved |= {"minutes": None, "epochs": None}
    return Settings(**(saved | given))


def _find_recordings(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    """The pairs that are named: two files, a folder, `--pair` as often as one likes, or all of that."""
    named: list[Path] = options.recordings
    pairs = [(dry, wet) for dry, wet in options.pair]
    if len(named) == 1 and named[0].is_dir():
        pairs = find_pairs(named[0]) + pairs
    elif len(named) == 1 and _holds_both(named[0]):
        pairs = [(named[0], named[0]), *pairs]
    elif len(named) == 2:
        pairs = [(named[0], named[1]), *pairs]
    elif len(named) == 1:
        what = "has one channel, so that it is one side of a pair" if named[0].exists() else "does not exist"
        raise FxhostError(
            f"{named[0]} {what}; give DRY.wav WET.wav, one file with dry left and wet right, or a folder of X-dry.wav "
            "and X-wet.wav"
        )
    elif named:
        raise FxhostError(
            f"{', '.join(map(str, named))} are {len(named)} recordings; give one dry and one wet, and further pairs "
            "with --pair DRY.wav WET.wav"
        )
    if not pairs:
        raise FxhostError(
            "there is nothing to learn from; give DRY.wav WET.wav, a stereo file with both, a folder, or --selftest"
        )
    return pairs


def _holds_both(path: Path) -> bool:
    """Whether a recording has room for both sides of a pair."""
    from fxhost.io.recordings import Recording

    if not path.exists():
        return False
    with Recording(path) as recording:
        return recording.channels > 1


def _check_report(options: argparse.Namespace, pairs: list[tuple[Path, Path]]) -> None:
    """Refuse a folder for the report that holds what is read or written, or that is not free."""
    read = [path for pair in (*pairs, options.test or ()) for path in pair]
    for path, what in ((options.output, "the preset goes"), *((path, f"{path} is read") for path in read)):
        if options.report.resolve() in (path.resolve(), *path.resolve().parents):
            raise FxhostError(f"{options.report} is where {what}; give the report a folder of its own")
    check_report_folder(options.report, overwrite=options.force or options.resume)


def _take_sizes(settings: Settings, start_from: Path, given: dict[str, Any]) -> Settings:
    """The sizes of the preset that is started from, unless others are asked for (and then refused)."""
    sizes = read_preset(start_from).architecture
    if sizes.cell != "lstm":
        raise FxhostError(
            f"{start_from} is {sizes.label}, and training starts from an LSTM; give another preset to --from"
        )
    own: dict[str, Any] = {"hidden_size": sizes.hidden_size, "layers": sizes.layers, "residual": sizes.residual}
    return replace(settings, **{key: value for key, value in own.items() if key not in given})


def _run_selftest(options: argparse.Namespace) -> int:
    from train.selftest import run_selftest

    with showing_progress(quiet=options.json) as show:
        rows = run_selftest(report=lambda name, progress: show(progress))
    if options.json:
        print_json([asdict(row) for row in rows])
    else:
        table = make_table("lesson", "what", "ESR of dry", "learned", "limit", "seconds", "")
        for row in rows:
            esrs = (format_esr(value) for value in (row.esr_dry, row.esr_after, row.limit))
            table.add_row(row.name, row.what, *esrs, f"{row.seconds:.0f}", "learned" if row.passed else "NOT LEARNED")
        make_console().print(table)
    if not all(row.passed for row in rows):
        failed = ", ".join(row.name for row in rows if not row.passed)
        raise FxhostError(f"this installation does not learn ({failed}); is the machine very busy? Try again")
    return 0


def run_signal(options: argparse.Namespace) -> int:
    """`fxhost signal`."""
    from train.signal import write_signal

    write_signal(options.output, options.sample_rate, seconds=options.seconds, overwrite=options.force)
    say(
        f"{options.output}: {options.seconds:g} s at {options.sample_rate} Hz, peak −1 dB; play it through the device, "
        f"record that as WET.wav, then: fxhost train {options.output} WET.wav -o mine.pt"
    )
    return 0
