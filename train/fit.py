"""The training, from top to bottom: settings, recordings, model, loop, preset."""

import functools
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fxhost.errors import FileError, TrainingError
from fxhost.files import check_output, refuse_inputs
from fxhost.torchscript import EffectLSTM
from train.augment import prepare_augmentation
from train.checkpoint import checkpoint_path, read_checkpoint, refuse_other_recordings, write_checkpoint
from train.fused import FusedLSTM
from train.losses import LossWeights, weigh_losses
from train.model import make_model
from train.pair import Pair, read_pair
from train.plain import PlainLSTM
from train.progress import Progress, Result
from train.record import start_record, write_preset
from train.segments import Feed, Material, measure_esr, zero_state
from train.settings import DEFAULT_MINUTES, Settings
from train.source import release_pages
from train.splits import Stretch, leave_gaps, split_pair
from train.stability import CALM, measure_divergence
from train.start import choose_residual, load_start

__all__ = ["Progress", "Result", "Settings", "fit"]

Network = FusedLSTM | PlainLSTM

logger = logging.getLogger(__name__)

MAX_RESCUES = 8  # how often a training that blew up is taken back to its best weights before it is given up
SETTLING_UPDATES = 50  # until the running mean of the gradient's norm means something
NORM_FORGETTING = 0.01  # of that mean, per update
VALIDATION_WEIGHT = 8  # samples to be trained on for each that is validated on: then that takes a few per cent
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
) -> Result:
    """Train a preset on dry and wet recordings.

    Parameters
    ----------
    settings : Settings
        Those of the training that is resumed, if one is.
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
    for note in notes:
        logger.warning("%s", note)
    sample_rate = recordings[0].sample_rate
    plain, emphasised = weigh_losses(m.wet[s.start : s.end] for m in taught for s in m.stretches)
    augmentation = prepare_augmentation(settings.augment.split(), recordings)

    # --- the model
    generator = torch.Generator().manual_seed(settings.seed)
    model = make_model(
        settings.layers,
        settings.hidden_size,
        residual=bool(settings.residual),
        memory_frames=max(1.0, settings.memory_ms * sample_rate / 1000),
        generator=generator,
    )
    if start_from is not None:
        load_start(model, start_from, sample_rate)
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
    if saved:
        at = Course(**saved["course"])
        feed.restore(saved["feed"])
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])

    def save() -> None:
        write_checkpoint(  # first: where there is a preset there is something to go on from
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
        write_preset(output, at.best, settings, sample_rate, record | at.record())

    # --- the loop
    saves_from, unsaved, interruption = 0.0, False, None
    began = time.monotonic() - at.seconds
    try:
        while True:
            share = at.batches / total_batches if budget_s is None else (time.monotonic() - began) / budget_s
            if share >= 1 and math.isfinite(at.best_esr):
                break
            x, y = augmentation.apply(*feed.draw(), generator)
            rate = settings.rate_at(share) * at.slowdown
            weights = emphasised if share < settings.emphasised_share else plain
            loss = train_batch(network, optimiser, x, y, zero_state(model, len(x)), weights, settings, rate, at)
            at.batches += 1
            at.samples += y.numel()
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
            at.seconds = time.monotonic() - began
            share = at.batches / total_batches if budget_s is None else at.seconds / budget_s
            if at.batches % validation_batches and share < 1:
                continue

            esr_validation = measure_esr(model, validated, sample_rate, threads=threads)
            for pair in recordings:
                release_pages(pair.dry)
                release_pages(pair.wet)
            if esr_validation < at.best_esr:
                at.best, at.best_esr, unsaved = _copy_state(model), esr_validation, True
            at.seconds = time.monotonic() - began
            progress = Progress(
                epoch=at.batches * settings.batch // feed.per_epoch + 1,
                seconds=at.seconds,
                seconds_left=max(0.0, at.seconds / share - at.seconds if budget_s is None else budget_s - at.seconds),
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
        interruption = err
    except Exception:  # a closed terminal, a full memory: whatever it is, what was learned is kept
        if unsaved:
            _write_somewhere(output, at.best, settings, sample_rate, record | at.record())
        raise
    at.seconds = time.monotonic() - began
    if not math.isfinite(at.best_esr):
        why = "it was interrupted before the first validation" if interruption else "no validation gave a finite ESR"
        raise TrainingError(f"nothing was learned and nothing written: {why}; train for longer") from interruption
    interrupted = interruption is not None

    # --- the preset: the best weights, then measured once on the test
    epochs = at.batches * settings.batch // feed.per_epoch
    record |= at.record() | {"epochs": epochs, "interrupted": interrupted}
    if unsaved:
        _write_somewhere(output, at.best, settings, sample_rate, record)
    model.load_state_dict(at.best)
    esr_test = measure_esr(model, tested, sample_rate, threads=threads)
    divergence = measure_divergence(model, sample_rate)
    if divergence > CALM:
        notes += (f"{output.name} may oscillate by itself on loud low notes; train again with another seed",)
        logger.warning("%s", notes[-1])
    record |= {"esr_test": esr_test, "divergence": divergence, "notes": list(notes)}
    _write_somewhere(output, at.best, settings, sample_rate, record)
    if not interrupted:
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


@dataclass
class Course:
    """Where a training stands, but for the model, the optimiser and the feed."""

    best: dict[str, Tensor]  # the weights with the lowest validation ESR
    best_esr: float = math.inf
    batches: int = 0
    updates: int = 0
    norm: float = 0.0  # the running mean of the gradient's norm
    samples: int = 0
    rescues: int = 0
    slowdown: float = 1.0  # what rescues leave of the learning rate
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)  # since the last validation
    history: list[dict[str, Any]] = field(default_factory=list)  # of `Progress`

    def record(self) -> dict[str, Any]:
        """What the preset tells of it."""
        return {
            "esr_validation": self.best_esr,
            "seconds": self.seconds,
            "samples_per_second": self.samples / self.seconds,
        }


def train_batch(
    network: Network,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    state: tuple[Tensor, Tensor],
    weights: LossWeights,
    settings: Settings,
    rate: float,
    at: Course,
) -> float:
    """Update once for each window of a batch; the mean loss, NaN if a gradient was not finite."""
    x, y = x.to(settings.device), y.to(settings.device)  # (batch, warm-up + segment, 1), (batch, segment)
    h, c = state
    warm_up, audio = x[:, : settings.warm_up_frames], x[:, settings.warm_up_frames :]
    for start in range(0, settings.warm_up_frames, settings.truncation_frames):
        window = warm_up[:, start : start + settings.truncation_frames]
        _, h, c = network.play(window, h, c)  # sets the state and nothing else: no loss, no gradient
    windows = torch.split(audio, settings.truncation_frames, dim=1)  # the last one may be shorter
    targets = torch.split(y, settings.truncation_frames, dim=1)
    total = 0.0
    for window, target in zip(windows, targets, strict=True):
        loss, h, c = network.loss(window, target, h, c, weights)  # the state goes on, the gradient ends here
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        limit = min(settings.clip, settings.clip_ratio * at.norm) if at.updates >= SETTLING_UPDATES else settings.clip
        norm = nn.utils.clip_grad_norm_(network.weights, limit).item()
        if not math.isfinite(norm):
            return math.nan
        at.norm += (min(norm, 2 * limit) - at.norm) * (NORM_FORGETTING if at.updates else 1.0)
        at.updates += 1
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, at.updates / settings.rise_updates)
        optimiser.step()
        total += loss.item()
    return total / len(windows)


def make_optimiser(network: Network, settings: Settings) -> torch.optim.Optimizer:
    # with the usual epsilon of 1e-8 the last steps of an almost perfect preset, whose gradients are tinier, would die
    betas = (0.9, settings.beta2)
    return torch.optim.Adam(network.weights, lr=settings.learning_rate, betas=betas, eps=1e-12, fused=True)


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
    given = asdict(settings) | {"start_from": start_from and start_from.name, "threads": before["threads"]}
    for each in (before, given):
        if each["minutes"] is None and each["epochs"] is None:
            each["minutes"] = DEFAULT_MINUTES
    for key, value in given.items():
        if before[key] != value:  # but for the threads, which change nothing but the time
            raise TrainingError(
                f"{output} was begun with {key} {before[key]}, got {value}; give the same, or train anew "
                "without --resume"
            )
