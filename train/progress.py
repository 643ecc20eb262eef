"""What a training tells while it runs, and when it has ended."""

from dataclasses import dataclass
from pathlib import Path

from train.pairs.stretch import Material


@dataclass(frozen=True)
class Progress:
    """Where the training stands after a validation.

    Attributes
    ----------
    epoch : int
        Epochs begun.
    seconds, seconds_left : float
        Since the first update, and about how long it will go on.
    samples_per_second : float
        Training samples that counted in a loss, over wall time.
    loss : float
        The mean training loss since the last report.
    esr_validation, esr_best : float
        Now, and the lowest so far.
    """

    epoch: int
    seconds: float
    seconds_left: float
    samples_per_second: float
    loss: float
    esr_validation: float
    esr_best: float


@dataclass(frozen=True)
class Result:
    """What came out of a training.

    Attributes
    ----------
    esr_validation, esr_test : float
        Of the weights in the preset. The second is None where Ctrl-C left its measurement out.
    epochs : int
        Epochs completed.
    seconds, samples_per_second : float
        As in `Progress`.
    delay_frames : float
        How many frames late the wet recording was (the first, of several) before that was taken out.
    preset : Path
    interrupted : bool
        Whether Ctrl-C ended it before its time; what `resume` goes on from is then kept, if the disk takes it.
    notes : tuple of str
        What is odd about the recordings or the preset.
    history : tuple of Progress
        All reports, also those of the trainings that this one has resumed.
    tested : tuple of Material
        What `esr_test` was measured on.
    sample_rate : int
        In Hz.
    """

    esr_validation: float
    esr_test: float | None
    epochs: int
    seconds: float
    samples_per_second: float
    delay_frames: float
    preset: Path
    interrupted: bool
    notes: tuple[str, ...]
    history: tuple[Progress, ...]
    tested: tuple[Material, ...]
    sample_rate: int
