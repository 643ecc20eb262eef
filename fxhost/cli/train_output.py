"""What `fxhost train` prints: findings, progress, the result, and where the report is."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fxhost.cli.console import format_esr, format_time, make_console, print_json, say
from train.checkpoint import checkpoint_path
from train.pairs.check import format_findings
from train.pairs.pair import Pair
from train.progress import Progress, Result
from train.report.index import name_reports, write_reports
from train.report.page import Summary
from train.report.report import PAGE, write_report
from train.report.verdict import judge

STATUS_EVERY_S = 5.0

Show = Callable[[Progress], None]


def print_result_and_report(options: argparse.Namespace, result: Result, pairs: list[tuple[Path, Path]]) -> None:
    """Print what came of a training, but for its notes, which were told when they came up, and write its report.

    Of several pairs that are tested each gets a report of its own, in a folder with a page that lists them.
    """
    if not options.json:
        _print_result(result)
        if result.interrupted and not options.search and checkpoint_path(options.output).exists():
            say("go on where it was: the same command with --resume")
    page = _write_report(options, result, pairs) if options.report is not None else None
    if options.json:
        print_json(_as_dict(result, page))
    elif page is not None:
        say(f"report{'s' * (len(result.tested) > 1)}: {page}")


def _write_report(options: argparse.Namespace, result: Result, pairs: list[tuple[Path, Path]]) -> Path:
    folder: Path = options.report
    what = folder, result.preset, result.history
    overwrite = options.force or options.resume
    if len(result.tested) == 1:
        part = result.tested[0]
        write_report(*what, part.dry, part.wet, result.sample_rate, part.stretches, overwrite=overwrite)
        return folder / PAGE

    def tell(name: str, summary: Summary) -> None:
        if not options.json:
            say(f"report on {name}: ESR {format_esr(summary.esr_test)}", at_once=True)

    parts = dict(zip(name_reports(pairs), result.tested, strict=True))
    return write_reports(*what, parts, result.sample_rate, overwrite=overwrite, told=tell)


def _as_dict(result: Result, page: Path | None) -> dict[str, Any]:
    keys = ("esr_validation", "esr_test", "epochs", "seconds", "samples_per_second", "delay_frames", "interrupted")
    report = None if page is None else str(page)
    values = {key: getattr(result, key) for key in keys}
    _, reason = judge(result)
    return {
        **values,
        "preset": str(result.preset),
        "verdict": reason or None,
        "notes": list(result.notes),
        "report": report,
    }


def print_findings(pair: Pair) -> None:
    """Print what was found in a pair, but for its notes, which the trainer tells."""
    for line in format_findings(pair):
        say(line)
    sys.stdout.flush()


def _print_result(result: Result) -> None:
    ended = "interrupted after" if result.interrupted else "trained for"
    say(
        f"{result.preset}: {ended} {format_time(result.seconds)}, {result.epochs} epochs, "
        f"{result.samples_per_second:,.0f} samples a second"
    )
    tested = "not measured" if result.esr_test is None else format_esr(result.esr_test)
    say(f"ESR: validation {format_esr(result.esr_validation)}, test {tested}")
    is_fit, reason = judge(result)
    say(f"play it: fxhost run {result.preset}" if is_fit else f"not ready to be played: {reason}")


@contextmanager
def showing_progress(*, quiet: bool) -> Iterator[Show]:
    """Yield what shows how a training goes: a line that changes, or new ones now and then without a terminal."""
    from rich.live import Live
    from rich.text import Text

    console = make_console(stderr=True)
    if quiet:
        yield lambda progress: None
    elif console.is_terminal:
        with Live(Text("reading the recordings …"), console=console, auto_refresh=False) as live:
            yield lambda progress: live.update(Text(format_progress(progress)), refresh=True)
    else:
        next_line = time.perf_counter()

        def report(progress: Progress) -> None:
            nonlocal next_line
            if time.perf_counter() >= next_line:
                say(format_progress(progress), error=True, at_once=True)
                next_line = time.perf_counter() + STATUS_EVERY_S

        yield report


def format_value(value: Any) -> str:
    """A setting, in a few digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def format_progress(progress: Progress) -> str:
    """Where a training stands, in one line."""
    return (
        f"epoch {progress.epoch:4d}   {progress.samples_per_second / 1e6:5.2f} M samples/s   "
        f"loss {progress.loss:8.2g}   validation ESR {progress.esr_validation:8.2g}   best {progress.esr_best:8.2g}   "
        f"{format_time(progress.seconds)} done, {format_time(progress.seconds_left)} left"
    )
