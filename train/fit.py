"""The training, from top to bottom: settings, recordings, model, loop, preset."""

import logging
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from fxhost.errors import FileError, TrainingError
from fxhost.io.files import check_output, refuse_inputs
from fxhost.preset.archive import read_preset
from fxhost.reference.torchscript import EffectLSTM
from train.checkpoint import checkpoint_path, read_checkpoint, refuse_other_recordings
from train.interruption import LEARNING, MEASURING, WRITING, Interruption
from train.loop import Training
from train.network.stability import CALM, measure_divergence
from train.network.start import choose_residual
from train.pairs.pair import Pair
from train.progress import Progress, Result
from train.record import write_preset
from train.recordings import read_recordings
from train.segments import measure_heard_esr
from train.settings import Settings

__all__ = ["Progress", "Result", "Settings", "fit"]

logger = logging.getLogger(__name__)


def fit(
    settings: Settings,
    pairs: Sequence[tuple[Path, Path]],
    output: Path,
    *,
    test: tuple[Path, Path] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    start_from: Path | None = None,
    check: Callable[[Pair], None] = lambda pair: None,
    report: Callable[[Progress], None] = lambda progress: None,
    interruption: Interruption | None = None,
) -> Result:
    """Train a preset on dry and wet recordings.

    Parameters
    ----------
    settings : Settings
        Those of the training that is resumed, if one is, but for how long it lasts.
    pairs : sequence of pair of Path
        The recordings, dry and wet; see `train.pairs.read.read_pair`.
    output : Path
        The preset, written now and then as the validation ESR becomes better, and at the end.
    test : pair of Path, optional
        Other recordings, dry and wet, to measure the test ESR on. Without them a tenth of each pair is kept for it.
    overwrite : bool
        Whether an existing `output` may be replaced, and recordings are taken that look swapped.
    resume : bool
        Go on where an earlier call with the same settings, recordings and output was cut off.
    start_from : Path, optional
        A preset whose weights to start with.
    check : callable
        Called with each pair before the training, for what was found in it.
    report : callable
        Called after every validation.
    interruption : Interruption, optional
        What hears Ctrl-C: the training then ends between two updates, and nothing that is written is cut off.

    Returns
    -------
    Result

    Raises
    ------
    FileError
        If the output cannot be written, or there is nothing to resume.
    AudioError
        If a recording cannot be used.
    TrainingError
        If the recordings do not belong together, the settings are wrong, or nothing was learned.
    """
    if not settings.name:
        settings = replace(settings, name=output.stem)
    settings.check()  # from here on everything that can be refused is refused before the first update
    torch.set_num_threads(1)  # of this process, from now on: what is left to torch is too small to be shared out
    _check_output(output, pairs, test, start_from, overwrite=overwrite, resume=resume)  # now the output is our own
    saved = read_checkpoint(output) if resume else None
    recordings = read_recordings(settings, pairs, test, force=overwrite or resume)
    settings = choose_residual(settings, recordings.taught, start_from)
    if saved:
        refuse_other_recordings(output, saved, recordings.hashes)
        _refuse_other_settings(output, saved, settings, start_from)
    for pair in recordings.pairs:
        check(pair)
    for note in recordings.notes:
        logger.warning("%s", note)
    threads = settings.threads or _count_cores()
    training = Training(settings, recordings, output, start_from=start_from, threads=threads)
    notes = recordings.notes
    if saved:
        training.restore(saved)
        if training.share_at(training.at.seconds) >= 1:
            notes += (f"{output.name} has been trained for as long as that already; nothing was added",)
            logger.warning("%s", notes[-1])
    interruption = interruption or Interruption()
    stopped = None
    try:
        training.learn(interruption, report)
    except KeyboardInterrupt as err:
        if interruption.count > LEARNING.counted:  # asked three times: nothing more is done
            raise
        stopped = err
    except Exception:  # a closed terminal, a full memory: whatever it is, what was learned is kept
        if training.unsaved:
            record = training.record | training.at.record()
            _write_somewhere(output, training.fold_best(), settings, recordings.sample_rate, record)
        raise
    training.stop_clock()
    played = _keep(training, interruption, stopped)
    return _finish(training, played, interruption, threads, notes)


def _keep(training: Training, interruption: Interruption, stopped: KeyboardInterrupt | None) -> EffectLSTM:
    """Write the best weights, and where the training stands if it was cut off, before anything else is done."""
    at, output = training.at, training.output
    interrupted = stopped is not None or interruption.count > 0
    with interruption.during(WRITING):
        if interrupted and at.batches:
            try:
                if not math.isfinite(at.best_esr) and not interruption.is_hurried:
                    training.take_what_there_is()
                training.save_state()
            except FileError as err:
                logger.warning("%s", err)
        if not math.isfinite(at.best_esr):
            reason = _explain_nothing(output, interrupted=interrupted)
            raise reason from (stopped or KeyboardInterrupt() if interrupted else None)
        training.record |= at.record() | {"epochs": training.epochs, "interrupted": interrupted}
        played = training.fold_best()
        _write_somewhere(output, played, training.settings, training.recordings.sample_rate, training.record)
    return played


def _finish(
    training: Training, played: EffectLSTM, interruption: Interruption, threads: int, notes: tuple[str, ...]
) -> Result:
    """Measure the preset once on the test, as the host plays the file, and write what came of it into the preset."""
    at, output, recordings, record = training.at, training.output, training.recordings, training.record
    interrupted, esr_test, divergence = bool(record["interrupted"]), None, None
    try:
        with interruption.during(MEASURING):
            if interruption.is_hurried:
                raise KeyboardInterrupt
            esr_test = measure_heard_esr(read_preset(output), recordings.tested, threads=threads)
            divergence = measure_divergence(played, recordings.sample_rate)
    except KeyboardInterrupt:
        interrupted = True
    with interruption.during(WRITING):
        if divergence is not None and divergence > CALM:
            notes += (f"{output.name} may oscillate by itself on loud low notes; train again with another seed",)
            logger.warning("%s", notes[-1])
        record |= {"esr_test": esr_test, "divergence": divergence, "interrupted": interrupted, "notes": list(notes)}
        _write_somewhere(output, played, training.settings, recordings.sample_rate, record)
        if interrupted:
            with suppress(FileError):  # that was said already
                training.save_state()
        else:
            checkpoint_path(output).unlink(missing_ok=True)
    return Result(
        esr_validation=at.best_esr,
        esr_test=esr_test,
        epochs=training.epochs,
        seconds=at.seconds,
        samples_per_second=at.samples / at.seconds,
        delay_frames=recordings.pairs[0].delay_frames,
        preset=output,
        interrupted=interrupted,
        notes=notes,
        history=tuple(Progress(**entry) for entry in at.history),
        tested=tuple(recordings.tested),
        sample_rate=recordings.sample_rate,
    )


def _explain_nothing(output: Path, *, interrupted: bool) -> TrainingError:
    """Why there is no preset, and what is there instead."""
    if not interrupted:
        return TrainingError(
            "nothing was learned and nothing written: no validation gave a finite ESR; train for longer"
        )
    if checkpoint_path(output).exists():
        return TrainingError(
            f"interrupted before the first validation: there is no {output.name} yet; go on where it was by the same "
            "command with --resume"
        )
    return TrainingError("nothing was learned and nothing written: it was interrupted before the first validation")


def _count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write_somewhere(output: Path, *args: Any) -> None:
    """`write_preset`; in the system's temporary folder if the output's refuses it, and then say so."""
    try:
        write_preset(output, *args)
    except FileError as err:
        refuge = Path(tempfile.mkdtemp(prefix="fxhost-")) / output.name
        write_preset(refuge, *args)
        raise FileError(f"{err}; the trained preset is kept as {refuge}") from err


def _check_output(
    output: Path,
    pairs: Sequence[tuple[Path, Path]],
    test: tuple[Path, Path] | None,
    start_from: Path | None,
    *,
    overwrite: bool,
    resume: bool,
) -> None:
    refuse_recording(output, pairs, test)
    for place in (output, checkpoint_path(output)):
        refuse_inputs(place, [start_from])
    if checkpoint_path(output).exists() and not (overwrite or resume):
        raise FileError(
            f"{output} is of a training that was cut off and exists already; go on with it by --resume, "
            "or add --force to replace it"
        )
    check_output(output, overwrite=overwrite or resume)


def refuse_recording(output: Path, pairs: Sequence[tuple[Path, Path]], test: tuple[Path, Path] | None) -> None:
    """Refuse to write a preset, or what belongs to it, over one of the recordings.

    Raises
    ------
    FileError
        If `output` is one of them.
    """
    recordings = [path for pair in (*pairs, test or ()) for path in pair]
    for place in (output, checkpoint_path(output)):
        refuse_inputs(place, recordings, "recordings")


def _refuse_other_settings(output: Path, saved: dict[str, Any], settings: Settings, start_from: Path | None) -> None:
    before = saved["settings"] | {"start_from": saved["start_from"]}
    given = asdict(settings) | {"start_from": start_from and start_from.name}
    for key, value in given.items():
        if key not in ("minutes", "epochs", "threads") and before[key] != value:  # how long, and on how many cores
            raise TrainingError(
                f"{output} was begun with {key} {before[key]}, and now it is {value}; give the same, or train anew "
                "without --resume"
            )
