"""Where a training stands, and its updates: a batch, window by window."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from train.network.fused import FusedLSTM
from train.network.losses import LossWeights
from train.network.plain import PlainLSTM
from train.settings import Settings

TrainedNetwork = FusedLSTM | PlainLSTM

SETTLING_UPDATES = 50  # until the running mean of the gradient's norm means something
NORM_FORGETTING = 0.01  # of that mean, per update


@dataclass
class Course:
    """The progress of a training, without the model, the optimiser and the feed."""

    best: dict[str, Tensor]  # the weights with the lowest validation ESR, as the network learns them
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
    network: TrainedNetwork,
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


def make_optimiser(network: TrainedNetwork, settings: Settings) -> torch.optim.Optimizer:
    # with the usual epsilon of 1e-8 the last steps of an almost perfect preset, whose gradients are tinier, would die
    betas = (0.9, settings.beta2)
    return torch.optim.Adam(network.weights, lr=settings.learning_rate, betas=betas, eps=1e-12, fused=True)
