"""The loop of a training: batches, validations, and what is kept of them."""

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fxhost.errors import FileError, TrainingError
from fxhost.io.interruption import Interruption
from fxhost.reference.torchscript import EffectLSTM
from train.checkpoint import write_checkpoint
from train.interruption import LEARNING
from train.network.fused import FusedLSTM
from train.network.losses import weigh_losses
from train.network.model import make_model, zero_state
from train.network.plain import PlainLSTM
from train.network.start import load_start
from train.pairs.augment import prepare_augmentation
from train.progress import Progress
from train.record import start_record, write_preset
from train.recordings import Recordings
from train.scaling import choose_scale
from train.segments import Feed, measure_esr
from train.settings import Settings
from train.updates import Course, TrainedNetwork, make_optimiser, train_batch

logger = logging.getLogger("train.fit")

MAX_RESCUES = 8  # how often a training that blew up is taken back to its best weights before it is given up
VALIDATION_WEIGHT = 8  # samples to be trained on for each that is validated on: then that takes a few per cent
WRITING_SHARE = 0.05  # of the time may go into writing files; what comes sooner waits in memory


class Training:
    """A training between two updates: the network, what it learns from, and where it stands.

    Parameters
    ----------
    settings : Settings
        With the residual path chosen.
    recordings : Recordings
    output : Path
    start_from : Path, optional
        A preset whose weights to start with.
    threads : int

    Attributes
    ----------
    at : Course
        Where it stands.
    record : dict
        What the preset tells about the training, as far as it is known.
    unsaved : bool
        Whether better weights than those in the preset are in memory.
    """

    def __init__(
        self,
        settings: Settings,
        recordings: Recordings,
        output: Path,
        *,
        start_from: Path | None,
        threads: int,
    ) -> None:
        self.settings, self.recordings, self.output = settings, recordings, output
        self.start_from = start_from
        self.unsaved = False
        self._threads = threads
        taught, rate = recordings.taught, recordings.sample_rate
        self.scale = choose_scale(taught, residual=bool(settings.residual))
        losses = weigh_losses(m.wet[s.start : s.end] for m in taught for s in m.stretches)
        self._plain, self._emphasised = map(self.scale.weigh, losses)
        self._augmentation = prepare_augmentation(settings.augment.split(), recordings.pairs)
        self.record = start_record(settings, recordings.pairs, recordings.test, recordings.notes, start_from)
        self.record["augmentation"] = self._augmentation.findings
        self._generator = torch.Generator().manual_seed(settings.seed)
        self.model = make_model(
            settings.layers,
            settings.hidden_size,
            residual=False,  # the target is the difference instead
            memory_frames=max(1.0, settings.memory_ms * rate / 1000),
            generator=self._generator,
        )
        if start_from is not None:
            begun = EffectLSTM(settings.layers, settings.hidden_size, 1, bool(settings.residual))
            load_start(begun, start_from, rate)
            self.scale.unfold(begun, self.model)
        self.model.to(settings.device)
        self._network: TrainedNetwork = (
            PlainLSTM(self.model) if settings.device == "cuda" else FusedLSTM(self.model, threads)
        )
        self._optimiser = make_optimiser(self._network, settings)
        self.feed = Feed(taught, settings, self._generator)
        self._total_batches = math.ceil(self.feed.per_epoch * (settings.epochs or 1) / settings.batch)
        held_out = sum(len(s) for m in recordings.validated for s in m.stretches) * VALIDATION_WEIGHT
        segment = settings.batch * self.feed.segment_frames
        self._validation_batches = max(settings.validation_batches, held_out // segment)
        self._budget_s = settings.budget_seconds()
        self.at = Course(best=copy_state(self.model))
        self._learned = copy.deepcopy(self.model)  # to fold other weights than those in hand
        self._began = self._saves_from = 0.0

    @property
    def epochs(self) -> int:
        """Epochs completed."""
        return self.at.batches * self.settings.batch // self.feed.per_epoch

    def share_at(self, seconds: float) -> float:
        """How much of the training is over after so many seconds: 1 or more at its end."""
        return self.at.batches / self._total_batches if self._budget_s is None else seconds / self._budget_s

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from where `save_state` was called."""
        self.at = Course(**saved["course"])
        self.feed.restore(saved["feed"])
        self.model.load_state_dict(saved["model"])
        self._optimiser.load_state_dict(saved["optimiser"])

    def fold_best(self) -> EffectLSTM:
        """The best network so far, for signals at their own levels."""
        self._learned.load_state_dict(self.at.best)
        return self.scale.fold(self._learned)

    def save_state(self) -> None:
        """Write where the training stands beside the preset."""
        state = {
            "recordings": self.recordings.hashes,
            "settings": asdict(self.settings),
            "start_from": self.start_from and self.start_from.name,
            "course": vars(self.at),
            "feed": self.feed.state(),
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        write_checkpoint(self.output, state)

    def learn(self, interruption: Interruption, report: Callable[[Progress], None]) -> None:
        """Train until the time or the epochs are over, or Ctrl-C.

        Raises
        ------
        TrainingError
            If it blew up too often.
        KeyboardInterrupt
            If Ctrl-C could not wait for the end of an update.
        """
        at = self.at
        self._began = time.monotonic() - at.seconds
        with interruption.during(LEARNING):
            while not interruption.count:
                share = self.share_at(time.monotonic() - self._began)
                if share >= 1 and math.isfinite(at.best_esr):
                    break
                if not self._train_batch(share):
                    continue
                share = self.share_at(at.seconds)
                if interruption.count or (at.batches % self._validation_batches and share < 1):
                    continue
                report(self._validate(share))
                if at.seconds >= self._saves_from and math.isfinite(at.best_esr):
                    self._save()

    def stop_clock(self) -> None:
        """Keep how long the training took."""
        self.at.seconds = time.monotonic() - self._began

    def take_what_there_is(self) -> None:
        """Take the present weights for the best ones, where none has been validated yet."""
        esr_validation = measure_esr(
            self.scale.fold(self.model), self.recordings.validated, self.recordings.sample_rate
        )
        self.at.best, self.at.best_esr = copy_state(self.model), esr_validation

    def _train_batch(self, share: float) -> bool:
        """One batch; whether its loss was finite."""
        at, settings = self.at, self.settings
        x, y = self.scale.apply(*self._augmentation.apply(*self.feed.draw(), self._generator))
        rate = settings.rate_at(share) * at.slowdown
        weights = self._emphasised if share < settings.emphasised_share else self._plain
        state = zero_state(self.model, len(x))
        loss = train_batch(self._network, self._optimiser, x, y, state, weights, settings, rate, at)
        at.batches += 1
        at.samples += y.numel()
        at.seconds = time.monotonic() - self._began
        if math.isfinite(loss):
            at.losses.append(loss)
            return True
        at.rescues += 1
        if at.rescues > MAX_RESCUES:
            raise TrainingError(
                f"the training has failed {at.rescues} times, as its loss became infinite or no number; "
                f"take a learning rate below {settings.learning_rate:g} or check the recordings"
            )
        logger.warning("the loss is not finite: back to the best weights, at half the learning rate")
        self.model.load_state_dict(at.best)
        self._optimiser = make_optimiser(self._network, settings)
        at.slowdown /= 2
        return False

    def _validate(self, share: float) -> Progress:
        """Measure the validation ESR, and keep the weights if it is the lowest so far."""
        at, recordings = self.at, self.recordings
        played = self.scale.fold(self.model)
        esr_validation = measure_esr(played, recordings.validated, recordings.sample_rate, threads=self._threads)
        recordings.release_pages()
        if esr_validation < at.best_esr:
            at.best, at.best_esr, self.unsaved = copy_state(self.model), esr_validation, True
        at.seconds = time.monotonic() - self._began
        left = at.seconds / share - at.seconds if self._budget_s is None else self._budget_s - at.seconds
        progress = Progress(
            epoch=self.epochs + 1,
            seconds=at.seconds,
            seconds_left=max(0.0, left),
            samples_per_second=at.samples / at.seconds,
            loss=sum(at.losses) / len(at.losses),
            esr_validation=esr_validation,
            esr_best=at.best_esr,
        )
        at.history.append(asdict(progress))
        at.losses = []
        return progress

    def _save(self) -> None:
        """Write the best preset so far, and what to go on from first: where there is a preset, there is that too."""
        try:
            self.save_state()
            rate = self.recordings.sample_rate
            write_preset(self.output, self.fold_best(), self.settings, rate, self.record | self.at.record())
            self.unsaved = False
        except FileError as err:  # a disk that is full now may have room later; nothing is lost yet
            logger.warning("%s; the training goes on", err)
        written = time.monotonic() - self._began
        self._saves_from = written + (written - self.at.seconds) / WRITING_SHARE


def copy_state(model: EffectLSTM) -> dict[str, Tensor]:
    """A copy of the weights."""
    return {key: value.detach().clone() for key, value in model.state_dict().items()}
