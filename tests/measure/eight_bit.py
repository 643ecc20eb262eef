"""What becomes of an effect that is learned as classes of 8 bits, as character models learn text, beside regression.

    python -m tests.measure.eight_bit [--minutes 2] [--hidden-size 32] [--pair DRY.wav WET.wav] [--json]

Both kinds of network have the same number of units, hear the same recording (by default the test signal through a
simulated overdrive) and train for the same time on one thread; regression also for about as many samples, because it
is faster. Regression is `train.fit`: float samples, the state carried, ESR as the loss. Classification rounds both
sides to 256 levels, linear or by the µ-law, embeds the input level, trains a softmax over the output levels by
cross-entropy on short shuffled windows from a state of zeros, and is decoded by its likeliest level (argmax) or by the
mean over its levels. It is measured with the state carried through the recording, as a host plays, and from zeros
every window, as it was trained. All figures are on the stretches that no training saw, against the target before
rounding:

* ESR: Σ(y−ŷ)² / Σy²; likeness: the squared correlation of an output with the dry signal, 1 for a scaled copy of it;
* quiet: the RMS of the error where the target stays below −50 dB, in dB of full scale: the noise that is heard.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from fxhost.preset.archive import read_preset
from fxhost.reference.torchscript import build_module
from train.fit import fit
from train.network.losses import esr
from train.pairs.pair import Pair
from train.pairs.read import read_pair
from train.pairs.splits import cut_warmed, split_pair
from train.pairs.stretch import Stretch
from train.segments import compile_model, play_stretch
from train.settings import Settings
from train.signal import make_signal

RATE = 48_000
LEVELS = 256
WINDOW_FRAMES, BATCH = 256, 64  # of the classification: a character model's usual sequence
SHORT_RATE = 0.01  # the default learning rate is made for trainings of minutes, not of seconds
WARM_UP_S = 0.25
QUIET = 10 ** (-50 / 20)
Row = dict[str, Any]


# --- the pair


def filter_one_pole(audio: np.ndarray, corner_hz: float) -> np.ndarray:
    """A one-pole low-pass, as a convolution with its response down to −180 dB."""
    pole = math.exp(-2 * math.pi * corner_hz / RATE)
    response = (1 - pole) * pole ** np.arange(math.ceil(math.log(1e-9) / math.log(pole)))
    frames = 1 << (len(audio) + len(response)).bit_length()
    return np.fft.irfft(np.fft.rfft(audio, frames) * np.fft.rfft(response, frames), frames)[: len(audio)]


def play_overdrive(dry: np.ndarray) -> np.ndarray:
    """A simulated overdrive: bass cut, tanh, treble cut."""
    tight = dry - 0.8 * filter_one_pole(dry.astype(np.float64), 300.0)
    return (0.5 * filter_one_pole(np.tanh(15 * tight), 3000.0)).astype(np.float32)


# --- 8 bits


def encode(audio: np.ndarray, coding: str) -> np.ndarray:
    """The level, 0 to 255, of each sample within ±1."""
    x = np.clip(audio.astype(np.float64), -1.0, 1.0)
    if coding == "µ-law":
        x = np.sign(x) * np.log1p(255 * np.abs(x)) / math.log(256)
    return np.clip(np.round((x + 1) / 2 * (LEVELS - 1)), 0, LEVELS - 1).astype(np.int64)


def decode(levels: np.ndarray, coding: str) -> np.ndarray:
    """The samples that levels stand for."""
    x = 2 * levels / (LEVELS - 1) - 1
    return np.sign(x) * np.expm1(np.abs(x) * math.log(256)) / 255 if coding == "µ-law" else x


class Classifier(nn.Module):
    """A character model: level in, a softmax over levels out."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(LEVELS, hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, LEVELS)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Any]:
        """Levels (batch, frames) to logits (batch, frames, levels)."""
        out, state = self.lstm(self.embedding(x), state)
        return self.head(out), state


def train_classifier(pair: Pair, stretches: tuple[Stretch, ...], coding: str, hidden: int, minutes: float) -> tuple:
    """Train for a time; return the model and how many samples it saw."""
    torch.manual_seed(0)
    model = Classifier(hidden)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    # levels 0 to 255 of both sides, the target scaled to use them all
    x, y = (torch.from_numpy(encode(audio / np.abs(audio).max(), coding)) for audio in (pair.dry, pair.wet))
    starts = np.concatenate([np.arange(s.start, s.end - WINDOW_FRAMES, WINDOW_FRAMES) for s in stretches])
    rng, samples, began = np.random.default_rng(0), 0, time.monotonic()
    while (share := (time.monotonic() - began) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 5e-5 + 5e-3 * 0.5 * (1 + math.cos(math.pi * share))
        frames = torch.from_numpy(rng.choice(starts, BATCH))[:, None] + torch.arange(WINDOW_FRAMES)
        logits, _ = model(x[frames])
        loss = nn.functional.cross_entropy(logits.reshape(-1, LEVELS), y[frames].reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        samples += frames.numel()
    return model, samples


def play_classifier(
    model: Classifier, pair: Pair, stretches: tuple[Stretch, ...], coding: str, *, carried: bool
) -> dict[str, np.ndarray]:
    """What the model makes of the stretches by each way of decoding."""
    played: dict[str, list[np.ndarray]] = {"argmax": [], "mean": []}
    values = torch.from_numpy(decode(np.arange(LEVELS), coding)).float()
    warm_up = int(WARM_UP_S * pair.sample_rate) if carried else 0
    with torch.no_grad():
        for stretch in stretches:
            audio = cut_warmed(pair.dry, stretch, warm_up)
            x = torch.from_numpy(encode(audio / np.abs(pair.dry).max(), coding))
            pieces, state = [], None
            for piece in torch.split(x, 1 << 14 if carried else WINDOW_FRAMES):
                logits, new = model(piece[None], state)
                state = new if carried else None
                pieces.append((values[logits[0].argmax(1)].numpy(), (logits[0].softmax(1) @ values).numpy()))
            for key, audio in zip(played, map(np.concatenate, zip(*pieces, strict=True)), strict=True):
                played[key].append(audio[warm_up:])
    return {key: np.concatenate(parts) * np.abs(pair.wet).max() for key, parts in played.items()}


def train_regression(
    paths: tuple[Path, Path], output: Path, pair: Pair, stretches: tuple[Stretch, ...], **settings: Any
) -> tuple[np.ndarray, int]:
    """Train a preset; return what it makes of the stretches, and how many samples it saw."""
    result = fit(Settings(threads=1, **settings), [paths], output)
    preset = read_preset(result.preset)
    module = build_module(preset.architecture, preset.weights)
    stage = compile_model(module)
    blocks = (block for stretch in stretches for block in play_stretch([stage], pair.dry, stretch, pair.sample_rate))
    played = np.concatenate(list(blocks))
    return played, round(result.samples_per_second * result.seconds)


# --- measuring


def measure(name: str, output: np.ndarray, dry: np.ndarray, wet: np.ndarray, quiet: np.ndarray, samples: int) -> Row:
    """One row of the table."""
    output, error = output.astype(np.float64), output.astype(np.float64) - wet
    return {
        "method": name,
        "esr": esr(wet, output),
        "likeness_to_dry": float((output @ dry) ** 2 / (output @ output) / (dry @ dry)),
        "quiet_error_db": float(10 * np.log10(np.mean(error[quiet] ** 2) + 1e-20)),
        "million_samples": samples / 1e6,
    }


def find_quiet(wet: np.ndarray, rate: int) -> np.ndarray:
    """Where the target stays below −50 dB for 10 ms around."""
    width = rate // 100
    blocks = np.abs(wet[: len(wet) // width * width]).reshape(-1, width).max(axis=1) < QUIET
    return np.append(np.repeat(blocks, width), np.zeros(len(wet) % width, bool))


def compare(paths: tuple[Path, Path], folder: Path, hidden: int, minutes: float) -> list[Row]:
    """Every row of the table, in its order."""
    pair = read_pair(*paths)
    split = split_pair(pair, with_test=True)
    cut = [np.concatenate([a[s.start : s.end] for s in split.test]).astype(np.float64) for a in (pair.dry, pair.wet)]
    dry, wet = cut
    quiet = find_quiet(wet, pair.sample_rate)
    rows = [
        measure("the target itself", wet, dry, wet, quiet, 0),
        measure("dry, best scaled", dry * (dry @ wet) / (dry @ dry), dry, wet, quiet, 0),
    ]
    peak = float(np.abs(pair.wet).max())
    for coding in ("linear", "µ-law"):
        rounded = decode(encode(wet / peak, coding), coding) * peak
        rows.append(measure(f"target rounded to 8 bits, {coding}", rounded, dry, wet, quiet, 0))
    for coding in ("linear", "µ-law"):
        model, samples = train_classifier(pair, split.train, coding, hidden, minutes)
        for carried in (True, False):
            for way, output in play_classifier(model, pair, split.test, coding, carried=carried).items():
                name = f"classes, {coding}, {way}, {'carried' if carried else 'windows'}"
                rows.append(measure(name, output, dry, wet, quiet, samples))
    output, seen = train_regression(paths, folder / "whole.pt", pair, split.test, hidden_size=hidden, minutes=minutes)
    rows.append(measure("regression", output, dry, wet, quiet, seen))
    share = min(1.0, samples / seen)  # the fused kernel is faster than a softmax over 256 levels
    output, seen = train_regression(
        paths, folder / "share.pt", pair, split.test,
        hidden_size=hidden, minutes=minutes * share, learning_rate=SHORT_RATE,
    )  # fmt: skip
    rows.append(measure("regression, about as many samples", output, dry, wet, quiet, seen))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="of training for each of the three (default 2)")
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--pair", type=Path, nargs=2, metavar=("DRY", "WET"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.pair:
            paths = options.pair[0], options.pair[1]
        else:
            paths = folder / "dry.wav", folder / "wet.wav"
            dry = make_signal(RATE, 120.0)
            for path, audio in zip(paths, (dry, play_overdrive(dry)), strict=True):
                soundfile.write(path, audio, RATE, subtype="FLOAT")
        rows = compare(paths, folder, options.hidden_size, options.minutes)
    if options.json:
        json.dump(rows, sys.stdout)
        print()
        return
    print(f"LSTM of {options.hidden_size} units, {options.minutes:g} min each on one thread")
    print(f"{'method':36s} {'ESR':>9s} {'likeness':>9s} {'quiet, dB':>10s} {'M samples':>10s}")
    for row in rows:
        print(
            f"{row['method']:36s} {row['esr']:9.2g} {row['likeness_to_dry']:9.3f} "
            f"{row['quiet_error_db']:10.1f} {row['million_samples']:10.1f}"
        )


if __name__ == "__main__":
    main()
