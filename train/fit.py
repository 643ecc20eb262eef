"""The training, from top to bottom: settings, recordings, model, loop, preset."""

import copy
import functools
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fxhost.errors import FileError, TrainingError
from fxhost.io.files import check_output, refuse_inputs
from fxhost.preset.archive import read_preset
from fxhost.reference.torchscript import EffectLSTM
from train.augment import prepare_augmentation
from train.checkpoint import checkpoint_path, read_checkpoint, refuse_other_recordings, write_checkpoint
from train.fused import FusedLSTM
from train.interruption import LEARNING, MEASURING, WRITING, Interruption
from train.losses import weigh_losses
from train.model import make_model
from train.pair import Pair, read_pair
from train.plain import PlainLSTM
from train.progress import Progress, Result
from train.record import start_record, write_preset
from train.scaling import choose_scale
from train.segments import Feed, Material, measure_esr, measure_heard_esr, zero_state
from train.settings import Settings
from train.source import release_pages
from train.splits import Stretch, leave_gaps, split_pair
from train.stability import CALM, measure_divergence
from train.start import choose_residual, load_start
from train.updates import Course, Network, make_optimiser, train_batch

__all__ = ["Progress", "Result", "Settings", "fit"]

logger = logging.getLogger(__name__)

MAX_RESCUES = 8  # how often a training that blew up is taken back to its best weights before it is given up
VALIDATION_WEIGHT = 8  # samples to be trained on for each that is validated on: then that takes a few per cent
OVER_DB = 0.5  # a wet peak from here on is not heard as it was recorded
WRITING_SHARE = 0.05  # of the time may go into writing files; what comes sooner waits in memory


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
        The recordings, dry and wet; see `train.pair.read_pair`.
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
    # --- what is given: everything that can be refused is refused before the first update
    if not settings.name:
        settings = replace(settings, name=output.stem)
    settings.check()
    torch.set_num_threads(1)  # of this process, from now on: what is left to torch is too small to be shared out
    threads = settings.threads or _count_cores()
    _check_output(
        output, pairs, test, start_from, overwrite=overwrite, resume=resume
    )  # from here on the output is our own
    saved = read_checkpoint(output) if resume else None
    read = functools.partial(
        read_pair, channel=settings.channel, delay_frames=settings.delay, force=overwrite or resume
    )
    recordings = [read(dry, wet) for dry, wet in pairs]
    test_pair = read(*test) if test else None
    _check_rates(pairs, recordings, test, test_pair)
    splits = [split_pair(pair, with_test=test is None) for pair in recordings]
    taught, validated, tested = (
        [Material(p.dry, p.wet, getattr(s, name)) for p, s in zip(recordings, splits, strict=True)]
        for name in ("train", "validation", "test")
    )
    if test_pair:
        tested = [
            Material(
                test_pair.dry,
                test_pair.wet,
                leave_gaps([Stretch(0, len(test_pair.dry))], test_pair.gaps, test_pair.sample_rate),
            )
        ]
    settings = choose_residual(settings, taught, start_from)
    hashes = [text for pair in recordings for text in (pair.dry_sha256, pair.wet_sha256)]
    hashes += [f"test {text}" for text in (test_pair.dry_sha256, test_pair.wet_sha256)] if test_pair else []
    if saved:
        refuse_other_recordings(output, saved, hashes)
        _refuse_other_settings(output, saved, settings, start_from)
    for pair in recordings:
        check(pair)
    notes = tuple(note for pair in (*recordings, *([test_pair] if test_pair else [])) for note in pair.notes)
    peak_db = max(pair.findings["wet"]["peak_db"] or 0.0 for pair in recordings)
    if peak_db > OVER_DB:
        notes += (
            f"the wet side reaches {peak_db:+.1f} dB of full scale, at which the host limits what it plays; play the "
            f"preset with --output-gain-db {-math.ceil(peak_db)}",
        )
    for note in notes:
        logger.warning("%s", note)
    sample_rate = recordings[0].sample_rate
    scale = choose_scale(taught, residual=bool(settings.residual))
    losses = weigh_losses(m.wet[s.start : s.end] for m in taught for s in m.stretches)
    plain, emphasised = map(scale.weigh, losses)
    augmentation = prepare_augmentation(settings.augment.split(), recordings)

    # --- the model
    generator = torch.Generator().manual_seed(settings.seed)
    model = make_model(
        settings.layers,
        settings.hidden_size,
        residual=False,  # the target is the difference instead
        memory_frames=max(1.0, settings.memory_ms * sample_rate / 1000),
        generator=generator,
    )
    if start_from is not None:
        begun = EffectLSTM(settings.layers, settings.hidden_size, 1, bool(settings.residual))
        load_start(begun, start_from, sample_rate)
        scale.unfold(begun, model)
    model.to(settings.device)
    network: Network = PlainLSTM(model) if settings.device == "cuda" else FusedLSTM(model, threads)
    optimiser = make_optimiser(network, settings)

    # --- where it stands
    feed = Feed(taught, settings, generator)
    total_batches = math.ceil(feed.per_epoch * (settings.epochs or 1) / settings.batch)
    held_out = sum(len(s) for m in validated for s in m.stretches) * VALIDATION_WEIGHT
    validation_batches = max(settings.validation_batches, held_out // (settings.batch * feed.segment_frames))
    budget_s = settings.budget_seconds()
    record = start_record(settings, recordings, test_pair, notes, start_from)
    record["augmentation"] = augmentation.findings
    at = Course(best=_copy_state(model))
    learned = copy.deepcopy(model)  # to fold other weights than those in hand
    if saved:
        at = Course(**saved["course"])
        feed.restore(saved["feed"])
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        if (at.batches / total_batches if budget_s is None else at.seconds / budget_s) >= 1:
            notes += (f"{output.name} has been trained for as long as that already; nothing was added",)
            logger.warning("%s", notes[-1])

    def fold_best() -> EffectLSTM:
        learned.load_state_dict(at.best)
        return scale.fold(learned)

    def save_state() -> None:
        write_checkpoint(
            output,
            {
                "recordings": hashes,
                "settings": asdict(settings),
                "start_from": start_from and start_from.name,
                "course": vars(at),
                "feed": feed.state(),
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
            },
        )

    def save() -> None:
        save_state()  # first: where there is a preset there is something to go on from
        write_preset(output, fold_best(), settings, sample_rate, record | at.record())

    # --- the loop
    saves_from, unsaved, stopped = 0.0, False, None
    interruption = interruption or Interruption()
    began = time.monotonic() - at.seconds
    try:
        with interruption.during(LEARNING):
            while not interruption.count:
                share = at.batches / total_batches if budget_s is None else (time.monotonic() - began) / budget_s
                if share >= 1 and math.isfinite(at.best_esr):
                    break
                x, y = scale.apply(*augmentation.apply(*feed.draw(), generator))
                rate = settings.rate_at(share) * at.slowdown
                weights = emphasised if share < settings.emphasised_share else plain
                loss = train_batch(network, optimiser, x, y, zero_state(model, len(x)), weights, settings, rate, at)
                at.batches += 1
                at.samples += y.numel()
                at.seconds = time.monotonic() - began
                if not math.isfinite(loss):
                    at.rescues += 1
                    if at.rescues > MAX_RESCUES:
                        raise TrainingError(
                            f"the training blew up {at.rescues} times: got a loss that is not finite; "
                            f"take a learning rate below {settings.learning_rate:g} or check the recordings"
                        )
                    logger.warning("the loss is not finite: back to the best weights, at half the learning rate")
                    model.load_state_dict(at.best)
                    optimiser = make_optimiser(network, settings)
                    at.slowdown /= 2
                    continue
                at.losses.append(loss)
                share = at.batches / total_batches if budget_s is None else at.seconds / budget_s
                if interruption.count or (at.batches % validation_batches and share < 1):
                    continue

                esr_validation = measure_esr(scale.fold(model), validated, sample_rate, threads=threads)
                for pair in recordings:
                    release_pages(pair.dry)
                    release_pages(pair.wet)
                if esr_validation < at.best_esr:
                    at.best, at.best_esr, unsaved = _copy_state(model), esr_validation, True
                at.seconds = time.monotonic() - began
                left = at.seconds / share - at.seconds if budget_s is None else budget_s - at.seconds
                progress = Progress(
                    epoch=at.batches * settings.batch // feed.per_epoch + 1,
                    seconds=at.seconds,
                    seconds_left=max(0.0, left),
                    samples_per_second=at.samples / at.seconds,
                    loss=sum(at.losses) / len(at.losses),
                    esr_validation=esr_validation,
                    esr_best=at.best_esr,
                )
                at.history.append(asdict(progress))
                at.losses = []
                report(progress)
                if at.seconds >= saves_from and math.isfinite(at.best_esr):
                    try:
                        save()
                        unsaved = False
                    except FileError as err:  # a disk that is full now may have room later; nothing is lost yet
                        logger.warning("%s; the training goes on", err)
                    written = time.monotonic() - began
                    saves_from = written + (written - at.seconds) / WRITING_SHARE
    except KeyboardInterrupt as err:
        if interruption.count > LEARNING.counted:  # asked three times: nothing more is done
            raise
        stopped = err
    except Exception:  # a closed terminal, a full memory: whatever it is, what was learned is kept
        if unsaved:
            _write_somewhere(output, fold_best(), settings, sample_rate, record | at.record())
        raise
    interrupted = stopped is not None or interruption.count > 0
    at.seconds = time.monotonic() - began

    # --- what is kept, before anything else is done: the best weights, and where the training stands if it is cut off
    with interruption.during(WRITING):
        if interrupted and at.batches:
            try:
                if not math.isfinite(at.best_esr) and not interruption.is_hurried:
                    at.best, at.best_esr = _copy_state(model), measure_esr(scale.fold(model), validated, sample_rate)
                save_state()
            except FileError as err:
                logger.warning("%s", err)
        if not math.isfinite(at.best_esr):
            reason = _explain_nothing(output, interrupted=interrupted)
            raise reason from (stopped or KeyboardInterrupt() if interrupted else None)
        epochs = at.batches * settings.batch // feed.per_epoch
        record |= at.record() | {"epochs": epochs, "interrupted": interrupted}
        played = fold_best()
        _write_somewhere(output, played, settings, sample_rate, record)

    # --- measured once on the test, as the host plays the file
    esr_test = divergence = None
    try:
        with interruption.during(MEASURING):
            if interruption.is_hurried:
                raise KeyboardInterrupt
            esr_test = measure_heard_esr(read_preset(output), tested, threads=threads)
            divergence = measure_divergence(played, sample_rate)
    except KeyboardInterrupt:
        interrupted = True
    with interruption.during(WRITING):
        if divergence is not None and divergence > CALM:
            notes += (f"{output.name} may oscillate by itself on loud low notes; train again with another seed",)
            logger.warning("%s", notes[-1])
        record |= {"esr_test": esr_test, "divergence": divergence, "interrupted": interrupted, "notes": list(notes)}
        _write_somewhere(output, played, settings, sample_rate, record)
        if interrupted:
            with suppress(FileError):  # that was said already
                save_state()
        else:
            checkpoint_path(output).unlink(missing_ok=True)
    return Result(
        esr_validation=at.best_esr,
        esr_test=esr_test,
        epochs=epochs,
        seconds=at.seconds,
        samples_per_second=at.samples / at.seconds,
        delay_frames=recordings[0].delay_frames,
        preset=output,
        interrupted=interrupted,
        notes=notes,
        history=tuple(Progress(**entry) for entry in at.history),
        tested=tuple(tested),
        sample_rate=sample_rate,
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


def _copy_state(model: EffectLSTM) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in model.state_dict().items()}


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


def _check_rates(
    pairs: Sequence[tuple[Path, Path]],
    recordings: Sequence[Pair],
    test: tuple[Path, Path] | None,
    test_pair: Pair | None,
) -> None:
    """Refuse recordings of different rates, and a test on what is trained on."""
    first = recordings[0]
    others = [*zip(pairs, recordings, strict=True), *([(test, test_pair)] if test and test_pair else [])]
    for paths, pair in others:
        if pair.sample_rate != first.sample_rate:
            raise TrainingError(
                f"{paths[0]} has {pair.sample_rate} Hz, expected {first.sample_rate} Hz as {pairs[0][0]} has; "
                "export all at the same rate"
            )
    if test and test_pair:
        for pair in recordings:
            if pair.dry_sha256 in (test_pair.dry_sha256, test_pair.wet_sha256):
                raise TrainingError(f"{test[0]} is what is trained on; test on another recording or leave the test out")


def _refuse_other_settings(output: Path, saved: dict[str, Any], settings: Settings, start_from: Path | None) -> None:
    before = saved["settings"] | {"start_from": saved["start_from"]}
    given = asdict(settings) | {"start_from": start_from and start_from.name}
    for key, value in given.items():
        if key not in ("minutes", "epochs", "threads") and before[key] != value:  # how long, and on how many cores
            raise TrainingError(
                f"{output} was begun with {key} {before[key]}, got {value}; give the same, or train anew "
                "without --resume"
            )
