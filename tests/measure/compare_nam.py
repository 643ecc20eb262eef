"""The test ESR that the trainer of Neural Amp Modeler reaches in the minutes that fxhost takes, on the same recordings.

    python -m tests.measure.compare_nam DRY WET --test-dry D --test-wet W --architecture lstm|wavenet --minutes 10

It runs in an environment of its own, without fxhost (`--extra-index-url https://download.pytorch.org/whl/cpu` gets
the build of torch without CUDA where it is not at hand):

    python3 -m venv /tmp/nam
    /tmp/nam/bin/pip install torch==2.13.0 soundfile
    /tmp/nam/bin/pip install torch==2.13.0 neural-amp-modeler==0.12.3

What is compared
----------------
The recipe is the trainer's own: network, loss, optimiser, learning rate, decay, batch and segment length are what
`nam.train.core.train` takes by default for the architecture "standard". That is an LSTM of 1 × 24 units, or a WaveNet
of 16 and 8 channels. Release 0.13 has no choice of architecture and no LSTM any more: there `wavenet` is the only
network that it trains, the larger one of its pack of two, measured with the same script. Left out is what only costs
time: writing checkpoints, logs and plots. The last tenth of the training recording is for validation.

The clock begins with the first batch and includes the validation after every epoch. At each time the best weights by
validation are set aside and measured when the training is over; for that the weights of that moment are validated too,
off the clock. The ESR is Σ(y−ŷ)²/Σy², pooled over the whole test recording, float64, no pre-emphasis, after a second
of silence: the same as `esr_test` of `fxhost train DRY WET --test D W --minutes 10 -o OUT.pt --json`.
"""

import argparse
import contextlib
import copy
import inspect
import json
import logging
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

try:
    import nam
    import pytorch_lightning as lightning
    from nam.data import Dataset
    from nam.train import core
except ImportError as error:
    sys.exit(f"{error}: this runs in an environment with neural-amp-modeler; how to make one is on top of {__file__}")

TIMES_MINUTES = (2.0, 5.0, 10.0)  # and the end of the training, whatever it is
HELD_OUT = 0.1  # the share of the training recording that is for validation
WARM_UP_S = 1.0  # silence before a recording: as long as fxhost's, and longer than any receptive field here
NETS = {"lstm": "LSTM", "wavenet": "WaveNet"}


@dataclass(frozen=True)
class Snapshot:
    """The best weights by validation after some minutes."""

    minutes: float
    esr_validation: float
    weights: dict[str, Tensor]


class Snapshots(lightning.Callback):
    """Keeps the best weights, sets them aside at each of `times`, and ends the training at the last one.

    Attributes
    ----------
    taken : list of Snapshot
    seconds : float
        Of training, without what was measured off the clock.
    epochs : float
        Complete ones, and the share of the last one.
    """

    def __init__(self, times: list[float], dataset: Dataset) -> None:
        self.times, self.dataset = times, dataset
        self.taken: list[Snapshot] = []
        self.seconds = self.epochs = self._began = 0.0
        self._best: tuple[float, dict[str, Tensor]] | None = None

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock: what comes before is only set-up."""
        self._began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: object, batch: object, index: int
    ) -> None:
        """Take the snapshots that are due."""
        self.seconds = time.perf_counter() - self._began
        self.epochs = trainer.current_epoch + (index + 1) / trainer.num_training_batches
        if self.seconds < 60 * self.times[len(self.taken)]:
            return
        self._keep_if_better(validate(module.net, self.dataset), module)
        while len(self.taken) < len(self.times) and self.seconds >= 60 * self.times[len(self.taken)]:
            if self._best is None:
                raise RuntimeError("no validation gave a finite ESR; train again with another seed")
            self.taken.append(Snapshot(self.times[len(self.taken)], *self._best))
        trainer.should_stop = len(self.taken) == len(self.times)
        self._began = time.perf_counter() - self.seconds  # what this took is off the clock

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Keep the weights if the trainer's own validation says that they are better."""
        if trainer.sanity_checking or trainer.should_stop:
            return
        metrics = trainer.callback_metrics
        packed = max((key for key in metrics if key.startswith("ESR_packed_")), default="ESR")
        self._keep_if_better(float(metrics[packed]), module)
        seconds = time.perf_counter() - self._began
        print(f"{seconds:6.0f} s, epoch {trainer.current_epoch + 1}, validation ESR {float(metrics[packed]):.3g}")

    def _keep_if_better(self, esr_validation: float, module: lightning.LightningModule) -> None:
        if np.isfinite(esr_validation) and (self._best is None or esr_validation < self._best[0]):
            self._best = esr_validation, copy.deepcopy(module.net.state_dict())


def esr(target: NDArray[Any], output: NDArray[Any]) -> float:
    """Σ(y−ŷ)² / Σy², pooled, float64."""
    y = target.astype(np.float64)
    return float(np.sum((y - output) ** 2) / np.sum(y**2))


def take_network(net: nn.Module) -> nn.Module:
    """The network itself, or the largest one of a pack of several that are trained together."""
    return net.extract_submodel(net.num_submodels - 1) if hasattr(net, "extract_submodel") else net


def validate(net: nn.Module, dataset: Dataset) -> float:
    """The ESR on the validation stretch, as the trainer computes it: no warm-up but what the dataset begins with."""
    training = net.training
    net.eval()
    with torch.no_grad():
        output = take_network(net)(dataset.x, pad_start=False)
    net.train(training)
    return esr(dataset.y[dataset.y_offset :].numpy(), output.numpy())


def read_pair(dry: Path, wet: Path) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Two mono recordings of the same length and rate, and the rate in Hz; ValueError if they are not."""
    audio, rates = [], []
    for path in (dry, wet):
        try:
            samples, rate = soundfile.read(path, dtype="float32")
        except soundfile.SoundFileError as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        if samples.ndim != 1:
            raise ValueError(f"{path} has {samples.shape[1]} channels, expected 1; export it as mono")
        if not np.any(samples):
            raise ValueError(f"{path} is silent; record again")
        audio.append(samples)
        rates.append(rate)
    if rates[0] != rates[1] or len(audio[0]) != len(audio[1]):
        raise ValueError(
            f"{dry} has {len(audio[0])} frames at {rates[0]} Hz, {wet} has {len(audio[1])} at {rates[1]} Hz, "
            "expected the same; cut and export both alike"
        )
    return audio[0], audio[1], rates[0]


def make_configs(architecture: str, dry: Path, wet: Path, validation_start: int) -> tuple[dict, dict, dict]:
    """The trainer's own configurations of data, model and learning, for two wav files and another split."""
    given = {
        "input_version": core._Version(3, 0, 0),  # its own recording, whose times are replaced below
        "input_path": str(dry),
        "output_path": str(wet),
        "latency": 0,
        "model_type": NETS[architecture],
    }
    defaults = {name: p.default for name, p in inspect.signature(core.train).parameters.items()}
    if "architecture" in defaults:
        defaults["architecture"] = core.Architecture.STANDARD
    names = inspect.signature(core._get_configs).parameters
    if "model_type" not in names and architecture != "wavenet":
        raise ValueError(
            f"neural-amp-modeler {nam.__version__} trains no {architecture}, only wavenet; install release 0.12.3"
        )
    data, model, learning = core._get_configs(**{name: (defaults | given)[name] for name in names})
    segment = data["train"]["ny"]
    data["train"] = {"ny": segment, "stop_samples": validation_start}
    data["validation"] = {"ny": None, "start_samples": validation_start, "require_input_pre_silence": None}
    return data, model, learning


def train(options: argparse.Namespace, dry: Path, wet: Path, frames: int) -> tuple[nn.Module, Snapshots, float]:
    """Train; return a network to load weights into, the snapshots, and the gain that it was taught."""
    data, model, learning = make_configs(options.architecture, dry, wet, int(frames * (1 - HELD_OUT)))
    torch.manual_seed(options.seed)
    module_class = getattr(core, "_get_lightning_module_cls", lambda config: core._LightningModule)(model)
    module = module_class.init_from_config(model)
    batches, validation = core._get_dataloaders(data, learning, module)
    module.net.sample_rate = batches.dataset.sample_rate
    times = [t for t in TIMES_MINUTES if t < options.minutes]
    snapshots = Snapshots([*times, options.minutes], validation.dataset)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        callbacks=[snapshots, *([core._PackedMaskCallback()] if hasattr(core, "_PackedMaskCallback") else [])],
        default_root_dir=dry.parent,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, batches, validation)
    return module.net, snapshots, getattr(batches.dataset, "_y_scale", None) or 1.0


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Train and test; the figures."""
    torch.set_num_threads(options.threads)
    *pair, rate = read_pair(options.dry, options.wet)
    dry, wet, test_rate = read_pair(options.test_dry, options.test_wet)
    if rate != test_rate:
        raise ValueError(f"{options.test_dry} has {test_rate} Hz, expected {rate} Hz as in the training pair")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("dry.wav", "wet.wav")]
        for path, audio in zip(paths, pair, strict=True):
            soundfile.write(path, audio, rate, subtype="PCM_24")
        net, snapshots, gain = train(options, *paths, len(pair[0]))
    net.eval()
    x = torch.from_numpy(np.concatenate([np.zeros(int(WARM_UP_S * rate), np.float32), dry]))
    esr_test = []
    for snapshot in snapshots.taken:
        net.load_state_dict(snapshot.weights)
        with torch.no_grad():
            esr_test.append(esr(wet, take_network(net)(x, pad_start=True)[-len(dry) :].numpy() / gain))
    return {
        "architecture": options.architecture,
        "minutes": [snapshot.minutes for snapshot in snapshots.taken],
        "esr_test": esr_test,
        "esr_validation": [snapshot.esr_validation for snapshot in snapshots.taken],
        "seconds": snapshots.seconds,
        "epochs": snapshots.epochs,
        "parameters": sum(p.numel() for p in take_network(net).parameters()),
        "torch_version": torch.__version__,
        "nam_version": nam.__version__,
    }


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dry", type=Path)
    parser.add_argument("wet", type=Path)
    parser.add_argument("--test-dry", type=Path, required=True)
    parser.add_argument("--test-wet", type=Path, required=True)
    parser.add_argument("--architecture", choices=tuple(NETS), required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not 0 < options.minutes < float("inf") or options.threads < 1:
        parser.error(f"got {options.minutes:g} minutes and {options.threads} threads, expected more than 0 of both")
    return options


def main() -> None:
    """Measure and print."""
    options = parse_options()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where the trainer's prints go, and the progress
            result = compare(options)
    except (KeyboardInterrupt, SystemExit):  # the latter is what Lightning makes of Ctrl-C
        sys.exit("interrupted: nothing was measured")
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(" ".join(str(error).split()))
    if options.json:
        print(json.dumps(result))
        return
    print(
        f"nam {result['nam_version']}, torch {result['torch_version']}, {options.threads} threads, "
        f"{result['parameters']} parameters, {result['epochs']:.1f} epochs in {result['seconds']:.0f} s"
    )
    print(f"{'test ESR after':16s}" + "".join(f"{f'{minutes:g} min':>10s}" for minutes in result["minutes"]))
    print(f"{result['architecture']:16s}" + "".join(f"{value:10.5f}" for value in result["esr_test"]))


if __name__ == "__main__":
    main()
