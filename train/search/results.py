"""What a search tells while it runs, and when it has ended."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.progress import Progress, Result


@dataclass(frozen=True)
class TrialReport:
    """Where a search stands."""

    number: int  # of the trial in its study, from 0; of the best one while its values are trained in full
    nth: int  # which trial of this call it is, from 1
    trials: int  # how many trials this call adds
    values: dict[str, Any]  # those of its settings that are searched
    state: str  # running, complete, pruned or failed; full for the training in full
    progress: Progress | None  # of its training, while that runs
    esr_best: float | None  # the lowest validation ESR of the complete trials of the study


@dataclass(frozen=True)
class SearchResult:
    """What came out of a search."""

    preset: Path
    esr_validation: float  # of the preset
    esr_test: float | None
    number: int  # of the trial whose values the preset has
    values: dict[str, Any]
    full: bool  # whether the preset was trained in full with these values; else it is that of the trial
    result: Result | None  # of the training that made the preset; None if another call did
    study: str
    study_trials: int  # how many there are in the study, of all workers
    states: tuple[str, ...]  # how each trial of this call ended: complete, pruned or failed
    interrupted: bool  # whether Ctrl-C ended it before its time
    notes: tuple[str, ...]
