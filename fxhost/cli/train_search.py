"""`fxhost train --search`: many short trainings."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fxhost.cli.console import format_esr, print_error, print_json, say
from fxhost.cli.train_output import Show, format_value
from train.interruption import Interruption
from train.pairs.pair import Pair
from train.pairs.read import read_pair
from train.progress import Result
from train.settings import Settings


def run_search(
    options: argparse.Namespace,
    settings: Settings,
    pairs: list[tuple[Path, Path]],
    test: tuple[Path, Path] | None,
    fixed: frozenset[str],
    show: Show,
    check: Callable[[Pair], None],
    interruption: Interruption,
) -> Result | None:
    """Search; the training that made the preset, or None if nothing here could better what another worker made."""
    from train.search.results import TrialReport
    from train.search.search import search

    for dry, wet in pairs:
        check(read_pair(dry, wet, channel=settings.channel, delay_frames=settings.delay, force=options.force))

    def report(trial: TrialReport) -> None:
        if trial.state == "running" or (trial.state == "full" and trial.progress):
            if trial.progress:
                show(trial.progress)
        elif not options.json:
            values = ", ".join(f"{key} {format_value(value)}" for key, value in trial.values.items())
            best = f"best ESR {format_esr(trial.esr_best)}"
            say(
                f"trial {trial.nth} of {trial.trials} (no. {trial.number}) {trial.state}: {values}; {best}",
                at_once=True,
            )

    found = search(
        settings,
        pairs,
        options.output,
        trials=options.search,
        storage=options.storage,
        fixed=fixed,
        test=test,
        overwrite=options.force,
        report=report,
        interruption=interruption,
    )
    if not options.json:
        say(f"{found.study}: {found.study_trials} trials; the preset has the values of no. {found.number}")
    if found.result is None:  # what is there already is better than what was trained now
        if options.json:
            known = {key: getattr(found, key) for key in ("esr_validation", "esr_test", "interrupted")}
            print_json({**known, "preset": str(found.preset), "notes": list(found.notes), "report": None})
        else:
            say(f"ESR: validation {format_esr(found.esr_validation)}, test {format_esr(found.esr_test)}")
            if options.report is not None:
                print_error("note: no report was written, because the preset is that of an earlier training")
        return None
    return replace(found.result, notes=found.result.notes + found.notes, interrupted=found.interrupted)
