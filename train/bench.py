"""Training throughput of the fused kernel beside `torch.nn.LSTM`: forward, backward and optimiser step, in one run.

    python -m train.bench [--hidden-size H ...] [--window-frames N] [--seconds S] [--threads N] [--json]
    python -m train.bench --epoch [--hidden-size H] [--threads N] [--json]

The second tells where the time of an epoch of a default training goes, on three minutes of the test signal.

A step is one window of a default training. Each side gets the batch size that suits it best; the figure is training
samples a second, the best of several turns that the two sides take one after the other, because the machine may be busy
with something else now and then.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fxhost.reference.torchscript import EffectLSTM
from train.network.fused import FusedLSTM
from train.network.losses import LossWeights, weigh_losses
from train.network.model import make_model, zero_state
from train.network.plain import PlainLSTM
from train.pairs.pair import Pair
from train.pairs.splits import split_pair
from train.pairs.stretch import Material
from train.segments import Feed, measure_esr
from train.settings import Settings
from train.signal import make_signal
from train.updates import Course, make_optimiser, train_batch

HIDDEN_SIZES = (16, 24, 32, 40, 64)
BATCHES = (32, 64, 128, 256, 512)
TURNS = 3

SQUARE = LossWeights(plain=1.0, emphasised=0.0, direct=0.0)


def make_step(hidden: int, batch: int, frames: int, threads: int, *, fused: bool) -> Callable[[], None]:
    """One training step on random audio: forward, loss, backward, update; the state is carried from step to step."""
    generator = torch.Generator().manual_seed(1)
    model = EffectLSTM(1, hidden, 1, residual=False)
    network: FusedLSTM | PlainLSTM = FusedLSTM(model, threads) if fused else PlainLSTM(model)
    optimiser = torch.optim.Adam(network.weights, lr=1e-3, fused=True)
    x, target = (torch.randn(batch, frames, 1, generator=generator) * 0.3 for _ in range(2))
    state = [torch.zeros(1, batch, hidden)] * 2

    def step() -> None:
        torch.set_num_threads(1 if fused else threads)  # torch's own would spin beside ours and take their time
        loss, state[0], state[1] = network.loss(x, target[:, :, 0], state[0], state[1], SQUARE)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def measure(step: Callable[[], None], seconds: float) -> float:
    """Repeated steps a second."""
    step()
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or steps < 2:
        step()
        steps += 1
    return steps / (time.perf_counter() - began)


def compare(hidden: int, frames: int, threads: int, seconds: float) -> dict[str, Any]:
    """Both sides at one hidden size."""
    steps = {
        (fused, batch): make_step(hidden, batch, frames, threads, fused=fused)
        for fused in (True, False)
        for batch in BATCHES
    }
    best = dict.fromkeys(steps, 0.0)
    for _ in range(TURNS):
        for key, step in steps.items():
            best[key] = max(best[key], key[1] * frames * measure(step, seconds / TURNS))
    ours, theirs = (max((best[fused, batch], batch) for batch in BATCHES) for fused in (True, False))
    return {
        "hidden_size": hidden,
        "samples_per_second": ours[0],
        "torch_samples_per_second": theirs[0],
        "ratio": ours[0] / theirs[0],
        "batch": ours[1],
        "torch_batch": theirs[1],
    }


def profile_epoch(hidden: int, threads: int, seconds: float) -> list[dict[str, Any]]:
    """The seconds that each step of a default training takes for one epoch, the mean of several."""
    settings = Settings(hidden_size=hidden)
    rate, dry = 48_000, make_signal(48_000)
    pair = Pair(dry, np.tanh(3 * dry), rate, "", "", ())
    split = split_pair(pair, with_test=True)
    taught, validated = (Material(pair.dry, pair.wet, stretches) for stretches in (split.train, split.validation))
    generator = torch.Generator().manual_seed(1)
    feed = Feed([taught], settings, generator)
    model = make_model(1, hidden, residual=False, memory_frames=settings.memory_ms * rate / 1000, generator=generator)
    spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def counting(what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        spent[what] += time.perf_counter() - began

    class Timed(FusedLSTM):
        def play(self, *window: Any) -> tuple[Tensor, Tensor, Tensor]:
            with counting("warm-up"):
                return super().play(*window)

        def loss(self, *window: Any) -> tuple[Tensor, Tensor, Tensor]:
            with counting("forward, loss and backward"):
                return super().loss(*window)

    network = Timed(model, threads)
    optimiser = make_optimiser(network, settings)
    weights, _ = weigh_losses(taught.wet[s.start : s.end] for s in taught.stretches)
    torch.set_num_threads(1)
    at = Course(best={})
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or at.batches < 2 * settings.validation_batches:
        with counting("feeding"):
            x, y = feed.draw()
        with counting("batch"):
            state = zero_state(model, len(x))
            train_batch(network, optimiser, x, y, state, weights, settings, settings.learning_rate, at)
        at.batches += 1
        if at.batches % settings.validation_batches == 0:
            with counting("validation"):
                measure_esr(model, [validated], rate, threads=threads)
    spent["clipping and update"] = spent.pop("batch") - spent["warm-up"] - spent["forward, loss and backward"]
    total, epochs = sum(spent.values()), at.batches * settings.batch / feed.per_epoch
    return [
        {"step": what, "seconds": value / epochs, "share": value / total}
        for what, value in [*sorted(spent.items(), key=lambda item: -item[1]), ("an epoch", total)]
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m train.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hidden-size", type=int, nargs="+", default=HIDDEN_SIZES, metavar="H")
    parser.add_argument(
        "--window-frames",
        type=int,
        default=Settings().truncation_frames,
        metavar="N",
        help="frames of a step (default %(default)s)",
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="for each batch size and side (default 2)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epoch", action="store_true", help="tell where the time of an epoch goes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.epoch:
        hidden = Settings().hidden_size if options.hidden_size is HIDDEN_SIZES else options.hidden_size[0]
        steps = profile_epoch(hidden, options.threads, 5 * options.seconds)
        if options.json:
            sys.stdout.write(json.dumps(steps) + "\n")
        for step in [] if options.json else steps:
            sys.stdout.write(f"{step['step']:28s} {step['seconds']:7.3f} s {step['share']:6.1%}\n")
        return
    rows = []
    if not options.json:
        sys.stdout.write(f"{'hidden':>6s} {'fused':>10s} {'torch':>10s} {'ratio':>6s}   M samples/s (batch)\n")
    for hidden in options.hidden_size:
        row = compare(hidden, options.window_frames, options.threads, options.seconds)
        rows.append(row)
        if not options.json:
            sys.stdout.write(
                f"{hidden:6d} {row['samples_per_second'] / 1e6:10.2f} {row['torch_samples_per_second'] / 1e6:10.2f} "
                f"{row['ratio']:6.1f}   ({row['batch']}, {row['torch_batch']})\n"
            )
            sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
