"""The search for sizes and rates with Optuna: many short trainings, then one in full with what did best.

The trials of a study lie in a storage: an SQLite file beside the preset, or a database that many machines share. The
name of a study carries fingerprints of the recordings and of the settings that are not searched, so that all its
trials can be compared. Its objective is log10 of the validation ESR. OUTPUT is always the best preset so far.
"""

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxhost.errors import TrainingError
from fxhost.io.files import check_output, replacing
from train.fit import fit, refuse_recording
from train.interruption import Interruption
from train.pairs.source import hash_file
from train.progress import Progress, Result
from train.search.results import SearchResult, TrialReport
from train.search.study import (
    SEARCHED,
    STEPS,
    draw_values,
    locking,
    making_folder,
    name_study,
    opening_study,
    shorten,
    to_log,
)
from train.settings import Settings

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial


logger = logging.getLogger(__name__)


def search(
    settings: Settings,
    pairs: Sequence[tuple[Path, Path]],
    output: Path,
    *,
    trials: int,
    storage: str | None = None,
    study_name: str | None = None,
    fixed: frozenset[str] = frozenset(),
    test: tuple[Path, Path] | None = None,
    overwrite: bool = False,
    report: Callable[[TrialReport], None] = lambda report: None,
    interruption: Interruption | None = None,
) -> SearchResult:
    """Add trials to a study, then train in full with what did best in it.

    Parameters
    ----------
    settings : Settings
        The minutes or epochs are those of the training in full; a trial gets a fifth of them.
    pairs, test
        The recordings; see `train.fit.fit`.
    output : Path
        The preset, written after every trial that is better than what is there.
    trials : int
        How many trials this call adds, 1 or more.
    storage : str, optional
        A database URL or an SQLite file; by default OUTPUT with the ending .search.db. Calls with the same storage,
        recordings and settings share a study, one after the other or at the same time.
    study_name : str, optional
        What the name of the study begins with; fxhost by default.
    fixed : frozenset of str
        Names of settings that are not searched.
    overwrite : bool
        Whether an existing `output` may be replaced that did not come out of the study.
    report : callable
        Called after every validation and every trial.
    interruption : Interruption, optional
        As `train.fit.fit`.

    Returns
    -------
    SearchResult

    Raises
    ------
    TrainingError
        If optuna or a database driver is missing, the storage cannot be used, or no trial came to its end.
    FxhostError
        As `train.fit.fit`.
    """
    settings = replace(settings, name=settings.name or output.stem)  # trials train into files of other names
    settings.check()
    _check_search(trials, fixed)
    database = output.with_suffix(".search.db")
    refuse_recording(output, pairs, test)
    check_output(output, overwrite=overwrite or storage is not None or database.exists())  # else it is of no study
    name = name_study(study_name or "fxhost", settings, pairs, test, fixed)
    url = storage or str(database)
    with opening_study(url, name, settings.seed) as (study, notes), making_folder(output) as folder:

        def train(chosen: Settings, listen: Callable[[Progress], None]) -> Result:
            try:
                place = folder / output.name
                return fit(chosen, pairs, place, test=test, overwrite=True, report=listen, interruption=interruption)
            except TrainingError as err:
                if isinstance(err.__cause__, KeyboardInterrupt):  # before there was anything to keep
                    raise KeyboardInterrupt from err
                raise

        worker = _Worker(study, settings, fixed, output, overwrite, folder, trials, train, report, notes)
        if output.exists() and worker.find_own() is None:
            check_output(output, overwrite=overwrite)
        interrupted = False
        try:
            with _saying_once():
                for worker.nth in range(1, trials + 1):
                    worker.run_trial()
                worker.train_in_full()
        except KeyboardInterrupt:
            interrupted = True
        return worker.summarise(interrupted)


def _check_search(trials: int, fixed: frozenset[str]) -> None:
    if trials < 1:
        raise TrainingError(f"the number of trials is {trials}; give 1 or more")
    if fixed.issuperset(SEARCHED):
        raise TrainingError(f"there is nothing to search: {', '.join(SEARCHED)} are all given; leave one out")


@dataclass
class _Worker:
    """One call's part in a study."""

    study: "Study"
    settings: Settings
    fixed: frozenset[str]
    output: Path
    overwrite: bool
    folder: Path  # where trials train: nothing of a pruned or failed one is left beside the output
    trials: int
    train: Callable[[Settings, Callable[[Progress], None]], Result]
    report: Callable[[TrialReport], None]
    notes: list[str]
    nth: int = 0
    states: list[str] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)  # by the SHA-256 of the preset that became the output

    def run_trial(self) -> None:
        try:
            self.study.optimize(self._try_values, n_trials=1, callbacks=[self._end_trial])
        except ValueError as err:
            if "Cannot tell" not in str(err):
                raise
            # this machine slept so long that another worker took it for dead and the trial for failed
            self.states.append("failed")

    def _try_values(self, trial: "Trial") -> float:
        from optuna import TrialPruned

        values = draw_values(trial, self.fixed)
        esr_best, step = self._find_best_esr(), 0

        def listen(progress: Progress) -> None:
            nonlocal step
            self._tell(trial.number, values, "running", progress, esr_best)
            passed = int(STEPS * progress.seconds / (progress.seconds + progress.seconds_left))
            if passed > step and math.isfinite(progress.esr_best):
                for place in range(step + 1, passed + 1):
                    trial.report(to_log(progress.esr_best), place)
                step = passed
                if step < STEPS and trial.should_prune():
                    raise TrialPruned

        try:
            result = self.train(replace(shorten(self.settings), **values), listen)
        except TrainingError as err:
            if self.nth == 1 and step == 0:  # it is the recordings or the settings; every other trial would fail too
                raise
            self._note(f"trial {trial.number} failed: {err}")
            return math.nan  # which Optuna takes for a failure
        self._keep(result, trial.number, full=False)
        if result.interrupted:
            raise KeyboardInterrupt
        return to_log(result.esr_validation)

    def _end_trial(self, study: "Study", trial: "FrozenTrial") -> None:
        self.states.append({"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed"))
        self._tell(trial.number, trial.params, self.states[-1], None, self._find_best_esr())

    def train_in_full(self) -> None:
        """Train with the values of the best trial, whoever made it, unless the output is that already."""
        try:
            best = self.study.best_trial
        except ValueError:  # none is complete
            return
        own, esr_best = self.find_own(), self._find_best_esr()
        if own and own["full"] and own["number"] == best.number:
            self._note(f"trial {best.number} is still the best; {self.output.name} was trained in full with its values")
            return
        try:
            result = self.train(
                replace(self.settings, **best.params),
                lambda progress: self._tell(best.number, best.params, "full", progress, esr_best),
            )
        except TrainingError as err:
            self._note(f"the training in full failed: {err}")
            return
        if not self._keep(result, best.number, full=not result.interrupted):
            self._note(f"the training in full came to ESR {result.esr_validation:.2g}; the better preset was kept")
        if result.interrupted:
            raise KeyboardInterrupt

    def find_own(self) -> dict[str, Any] | None:
        """What the study knows of the preset at the output; None if that is missing, or no preset of the study."""
        if not self.output.exists():
            return None
        return self.study.user_attrs.get(f"preset {hash_file(self.output)}")

    def _keep(self, result: Result, number: int, *, full: bool) -> bool:
        """Make a preset the output if it is better than what is there; whether it was."""
        with locking(self.output):  # two workers may have the same output
            own = self.find_own()
            if own and own["esr_validation"] <= result.esr_validation:
                return False
            digest = hash_file(result.preset)
            known = {"sha256": digest, "esr_validation": result.esr_validation, "esr_test": result.esr_test}
            self.study.set_user_attr(f"preset {digest}", known | {"number": number, "full": full})
            with replacing(self.output, overwrite=self.overwrite or own is not None) as unfinished:
                result.preset.replace(unfinished)
        self.results[digest] = replace(result, preset=self.output)
        return True

    def summarise(self, interrupted: bool) -> SearchResult:
        trials = self.study.get_trials(deepcopy=False)
        own = self.find_own()
        if own is None:
            raise TrainingError(
                f"nothing was written, because none of {len(trials)} trials came to its end here; give the same "
                "command to go on with the search"
            )
        if interrupted:
            self._note(f"interrupted; the same command goes on with the {len(trials)} trials of the search")
        return SearchResult(
            preset=self.output,
            esr_validation=own["esr_validation"],
            esr_test=own["esr_test"],
            number=own["number"],
            values=trials[own["number"]].params,
            full=own["full"],
            result=self.results.get(own["sha256"]),
            study=self.study.study_name,
            study_trials=len(trials),
            states=tuple(self.states),
            interrupted=interrupted,
            notes=tuple(self.notes),
        )

    def _find_best_esr(self) -> float | None:
        with suppress(ValueError):  # none is complete
            return float(10**self.study.best_value)
        return None

    def _tell(
        self, number: int, values: dict[str, Any], state: str, progress: Progress | None, esr: float | None
    ) -> None:
        os.utime(self.folder)  # somebody works here
        self.report(TrialReport(number, self.nth, self.trials, values, state, progress, esr))

    def _note(self, text: str) -> None:
        logger.warning("%s", text)
        self.notes.append(text)


@contextmanager
def _saying_once() -> Iterator[None]:
    """Let every training log only what none before it has: the same recordings give the same notes."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        before = len(said)
        said.add(record.getMessage())
        return len(said) > before

    training = logging.getLogger(fit.__module__)
    training.addFilter(is_new)
    try:
        yield
    finally:
        training.removeFilter(is_new)
