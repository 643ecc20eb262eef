"""What a training can be told, and whether it makes sense."""

import math
from dataclasses import dataclass

import torch

from fxhost.errors import TrainingError
from fxhost.io.channels import parse_channels

DEFAULT_MINUTES = 10.0
MAX_HIDDEN_SIZE = 128  # of what is trained; larger networks are played
MAX_LAYERS = 3
MAX_DELAY = 10_000_000.0  # frames


@dataclass(frozen=True)
class Settings:
    """Everything that decides a training but the recordings; stored whole in the preset."""

    # what is written into the preset
    name: str = ""  # what the effect is called; empty for the name of the file
    author: str = ""  # who made it
    licence: str = ""  # under what it may be passed on
    # the network
    hidden_size: int = 32  # units; 8 are enough for a filter, 24 for a mild overdrive
    layers: int = 1  # LSTM layers on top of each other
    residual: bool | None = None  # whether it learns only the difference from the dry signal; None: where that is small
    # how long: one of the two, or neither for 10 minutes
    minutes: float | None = None  # wall time from the first update to the last
    epochs: int | None = None  # passes over the training stretches; the same seed then gives the same preset
    # where and from which random numbers
    seed: int = 0  # of the first weights and of the order of the segments
    device: str = "cpu"  # cpu or cuda
    threads: int = 0  # of the fused kernels on the CPU, which change nothing but the time; 0 for one a core
    # what it learns from
    channel: str = "auto"  # of the recordings, or dry and wet with a comma between; see `fxhost.io.channels`
    delay: float | None = None  # frames that every wet recording is late; None: as is found in each
    augment: str = ""  # names of `train.pairs.augment.AUGMENTATIONS`, with spaces between them
    # truncated backpropagation through time
    batch: int = 64  # segments side by side
    segment_frames: int = 32768  # length of a segment, through which the state is carried
    truncation_frames: int = 512  # frames between two updates; the gradient reaches no further back
    warm_up_frames: int = 8192  # dry audio before each segment that only sets the state: no loss, no gradient
    validation_batches: int = 8  # batches of segments between two validations, at least
    # the weights at the start
    memory_ms: float = 400.0  # the longest time constant among the units: a bias that wanders takes so long
    # the optimiser (Adam)
    learning_rate: float = 4e-3  # at the start; at 0.01 other playing than that of the recording came out worse
    learning_rate_end: float = 1e-5  # at the end; between them half a cosine over the minutes or epochs
    rise_updates: int = 200  # updates over which the rate rises from zero
    beta2: float = 0.99  # forgetting of the squared gradients, per update
    clip: float = 1.0  # largest norm of a gradient
    clip_ratio: float = 2.0  # the same in units of its running mean: one odd window does not undo what was learned
    emphasised_share: float = 0.0  # the first share of the training, with a pre-emphasised loss; the rest is plain ESR

    def check(self) -> None:
        """Refuse settings that cannot be trained with.

        Raises
        ------
        TrainingError
            Naming the first setting that is wrong, its value and its range.
        """
        if self.minutes is not None and self.epochs is not None:
            raise TrainingError(f"minutes and epochs are both set ({self.minutes:g} and {self.epochs}); choose one")
        ranges: dict[str, tuple[float, float]] = {
            "hidden_size": (1, MAX_HIDDEN_SIZE),
            "layers": (1, MAX_LAYERS),
            "epochs": (1, 1_000_000),
            "minutes": (1e-3, 100_000),
            "seed": (0, 2**63 - 1),
            "threads": (0, 1024),
            "delay": (-MAX_DELAY, MAX_DELAY),
            "batch": (1, 4096),
            "segment_frames": (1, 1 << 20),
            "truncation_frames": (1, 1 << 16),
            "warm_up_frames": (0, 1 << 20),
            "validation_batches": (1, 1_000_000),
            "learning_rate": (1e-9, 1.0),
            "learning_rate_end": (0.0, self.learning_rate),
            "rise_updates": (1, 1_000_000),
            "memory_ms": (0.0, 60_000.0),
            "beta2": (0.5, 0.99999),
            "clip": (1e-6, 1e6),
            "clip_ratio": (0.01, 1e6),
            "emphasised_share": (0.0, 1.0),
        }
        for key, (lowest, highest) in ranges.items():
            value = getattr(self, key)
            if value is not None and not lowest <= value <= highest:  # also true for NaN
                raise TrainingError(f"{key} is {value}; give {lowest:g} to {highest:g}")
        try:
            parse_channels(self.channel)
        except ValueError as err:
            raise TrainingError(f"channel: {err}") from err
        for key in ("name", "author", "licence"):
            value = getattr(self, key)
            if len(value) > 200 or not (value.isprintable() or not value):
                raise TrainingError(f"{key} is {value[:40]!r}…; give one line of at most 200 characters")
        if self.device not in ("cpu", "cuda"):
            raise TrainingError(f"device is {self.device!r}; give cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise TrainingError("device is cuda, but this machine has no CUDA device that torch finds; give cpu")

    def budget_seconds(self) -> float | None:
        """How long to train in seconds; None where epochs are counted."""
        if self.epochs is not None:
            return None
        return 60.0 * (DEFAULT_MINUTES if self.minutes is None else self.minutes)

    def rate_at(self, progress: float) -> float:
        """The learning rate when `progress` (0 to 1) of the training is done, without the rise."""
        fall = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return self.learning_rate_end + (self.learning_rate - self.learning_rate_end) * fall
