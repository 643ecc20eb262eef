"""The training, from top to bottom: settings, recordings, model, loop, preset."""

import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from fxhost.errors import FileError, TrainingError
from fxhost.files import check_output
from fxhost.torchscript import EffectLSTM
from train.fused import FusedLSTM
from train.losses import Scale, training_loss
from train.model import make_model
from train.pair import Pair, Stretch, read_pair, split_pair
from train.progress import Progress, Result
from train.record import start_record, write_preset
from train.segments import draw_batches, measure_esr, measure_training_scale, place_segments, zero_state
from train.settings import Settings
from train.stability import CALM, measure_divergence

__all__ = ["Progress", "Result", "Settings", "fit"]

Play = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]

logger = logging.getLogger(__name__)

MAX_RESCUES = 8  # how often a training that blew up is taken back to its best weights before it is given up
WRITING_SHARE = 0.05  # of the time may go into writing presets; a best that comes sooner waits in memory


def fit(
    settings: Settings,
    dry: Path,
    wet: Path,
    output: Path,
    *,
    test: tuple[Path, Path] | None = None,
    overwrite: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Result:
    """Train a preset on a dry and a wet recording.

    Parameters
    ----------
    settings : Settings
    dry, wet : Path
        The recordings; see `train.pair.read_pair`.
    output : Path
        The preset, written whenever the validation ESR has become better.
    test : pair of Path, optional
        Other recordings, dry and wet, to measure the test ESR on. Without them a tenth of the pair is kept for it.
    overwrite : bool
        Whether an existing `output` may be replaced.
    report : callable
        Called after every validation.

    Returns
    -------
    Result

    Raises
    ------
    FileError
        If the output cannot be written.
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
    check_output(output, overwrite=overwrite)
    _refuse_to_replace(output, (dry, wet, *(test or ())))
    pair = read_pair(dry, wet)
    test_pair = _read_test(test, pair) if test else pair
    split = split_pair(pair, with_test=test is None)
    test_stretches = split.test or (Stretch(0, len(test_pair.dry)),)
    starts = place_segments(split.train, settings.segment_frames)
    scale = measure_training_scale(pair.wet, split.train)
    notes = pair.notes + (test_pair.notes if test else ())
    for note in notes:
        logger.warning("%s", note)

    # --- the model
    generator = torch.Generator().manual_seed(settings.seed)
    model = make_model(settings.layers, settings.hidden_size, residual=settings.residual, generator=generator)
    model.to(settings.device)
    play: Play = model if settings.device == "cuda" else FusedLSTM(model, settings.threads or os.cpu_count() or 1)
    optimiser = _make_optimiser(model, settings)
    best, best_esr = _copy_state(model), math.inf

    # --- the loop
    record = start_record(settings, pair, test_pair if test else None, notes)
    budget_s = settings.budget_seconds()
    total_batches = math.ceil(len(starts) / settings.batch) * (settings.epochs or 1)
    batches = epochs = samples = rescues = 0
    slowdown = 1.0  # what rescues leave of the learning rate
    losses: list[float] = []
    writes_from, unwritten, interrupted = 0.0, False, False
    began = time.monotonic()
    try:
        for x, y, ends_epoch in draw_batches(pair.dry, pair.wet, starts, settings, generator):
            share = batches / total_batches if budget_s is None else (time.monotonic() - began) / budget_s
            rate = settings.rate_at(share) * slowdown * min(1.0, (batches + 1) / settings.rise_batches)
            emphasised = share < settings.emphasised_share
            loss = _train_batch(model, play, optimiser, x, y, scale, settings, rate=rate, emphasised=emphasised)
            batches += 1
            epochs += ends_epoch
            samples += y.numel()
            if not math.isfinite(loss):
                rescues += 1
                if rescues > MAX_RESCUES:
                    if unwritten:
                        write_preset(output, best, settings, pair.sample_rate, record, overwrite=overwrite)
                    raise TrainingError(
                        f"the training blew up {rescues} times: got a loss that is not finite; "
                        f"take a learning rate below {settings.learning_rate:g} or check the recordings"
                    )
                logger.warning("the loss is not finite: back to the best weights, at half the learning rate")
                model.load_state_dict(best)
                optimiser = _make_optimiser(model, settings)
                slowdown /= 2
                continue
            losses.append(loss)
            seconds = time.monotonic() - began
            share = batches / total_batches if budget_s is None else seconds / budget_s
            if not (ends_epoch or share >= 1 or batches % settings.validation_batches == 0):
                continue

            esr_validation = measure_esr(model, pair.dry, pair.wet, split.validation, pair.sample_rate)
            if esr_validation < best_esr:
                best, best_esr, unwritten = _copy_state(model), esr_validation, True
            seconds = time.monotonic() - began
            report(
                Progress(
                    epoch=epochs + (not ends_epoch),
                    seconds=seconds,
                    seconds_left=max(0.0, seconds / share - seconds if budget_s is None else budget_s - seconds),
                    samples_per_second=samples / seconds,
                    loss=sum(losses) / len(losses),
                    esr_validation=esr_validation,
                    esr_best=best_esr,
                )
            )
            losses.clear()
            if unwritten and seconds >= writes_from:
                record |= {"esr_validation": best_esr, "epochs": epochs, "seconds": seconds}
                write_preset(output, best, settings, pair.sample_rate, record, overwrite=overwrite)
                written = time.monotonic() - began
                writes_from = written + (written - seconds) / WRITING_SHARE
                unwritten, overwrite = False, True  # what is replaced from now on is our own
            if share >= 1:
                break
    except KeyboardInterrupt:
        interrupted = True
    seconds = time.monotonic() - began
    if not math.isfinite(best_esr):
        why = "it was interrupted before the first validation" if interrupted else "no validation gave a finite ESR"
        raise TrainingError(f"nothing was learned and nothing written: {why}; train for longer")

    # --- the preset: the best weights, then measured once on the test
    record |= {
        "esr_validation": best_esr,
        "epochs": epochs,
        "seconds": seconds,
        "samples_per_second": samples / seconds,
        "interrupted": interrupted,
    }
    if unwritten:
        write_preset(output, best, settings, pair.sample_rate, record, overwrite=overwrite)
    model.load_state_dict(best)
    esr_test = measure_esr(model, test_pair.dry, test_pair.wet, test_stretches, pair.sample_rate)
    record["esr_test"] = esr_test
    record["divergence"] = divergence = measure_divergence(model, pair.sample_rate)
    if divergence > CALM:
        notes += (f"{output.name} may oscillate by itself on loud low notes; train again with another seed",)
        logger.warning("%s", notes[-1])
        record["notes"] = list(notes)
    write_preset(output, best, settings, pair.sample_rate, record, overwrite=True)
    return Result(
        esr_validation=best_esr,
        esr_test=esr_test,
        epochs=epochs,
        seconds=seconds,
        samples_per_second=samples / seconds,
        delay_frames=0,
        preset=output,
        interrupted=interrupted,
        notes=notes,
    )


def _train_batch(
    model: EffectLSTM,
    play: Play,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    scale: Scale,
    settings: Settings,
    *,
    rate: float,
    emphasised: bool,
) -> float:
    """Update the model once for each window of a batch of segments; the mean loss, NaN if a gradient was not finite.

    `play` is the model, or does the same faster.
    """
    for group in optimiser.param_groups:
        group["lr"] = rate
    x, y = x.to(settings.device), y.to(settings.device)  # (batch, warm-up + segment, 1), (batch, segment)
    h, c = zero_state(model, len(x))
    warm_up, audio = x[:, : settings.warm_up_frames], x[:, settings.warm_up_frames :]
    if settings.warm_up_frames:
        with torch.no_grad():  # sets the state and nothing else: no loss, no gradient
            _, h, c = play(warm_up, h, c)
    windows = torch.split(audio, settings.truncation_frames, dim=1)  # the last one may be shorter
    targets = torch.split(y, settings.truncation_frames, dim=1)
    total = torch.zeros((), device=x.device)
    for window, target in zip(windows, targets, strict=True):
        out, h, c = play(window, h, c)  # (batch, window, 1), state (layers, batch, hidden)
        loss = training_loss(target, out[:, :, 0], scale, emphasised=emphasised)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimiser.step()
        h, c = h.detach(), c.detach()  # the state goes on, the gradient ends here
        total += torch.where(norm.isfinite(), loss.detach(), torch.nan)
    return total.item() / len(windows)


def _make_optimiser(model: EffectLSTM, settings: Settings) -> torch.optim.Optimizer:
    # with the usual epsilon of 1e-8 the last steps of an almost perfect preset, whose gradients are tinier, would die
    betas = (0.9, settings.beta2)
    return torch.optim.Adam(model.parameters(), lr=settings.learning_rate, betas=betas, eps=1e-12, fused=True)


def _copy_state(model: EffectLSTM) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in model.state_dict().items()}


def _read_test(paths: tuple[Path, Path], pair: Pair) -> Pair:
    test = read_pair(*paths)
    if test.sample_rate != pair.sample_rate:
        raise TrainingError(
            f"{paths[0]} has {test.sample_rate} Hz, expected {pair.sample_rate} Hz as in the training pair; "
            "export both at the same rate"
        )
    if pair.dry_sha256 in (test.dry_sha256, test.wet_sha256):
        raise TrainingError(f"{paths[0]} is what is trained on; test on another recording or leave the test out")
    return test


def _refuse_to_replace(output: Path, recordings: tuple[Path, ...]) -> None:
    for path in recordings:
        if output.exists() and path.exists() and output.samefile(path):
            raise FileError(f"{output} is one of the recordings; choose another name for the preset")
