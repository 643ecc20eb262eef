"""The settings, the training loop, and the preset that comes out of it."""

import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import train.fit
import train.loop
from fxhost.errors import AudioError, FileError, TrainingError
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.preset.library import shipped_presets_folder
from fxhost.reference.torchscript import EffectLSTM, probe_error
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from train.checkpoint import checkpoint_path
from train.fit import Progress, Result, Settings, fit
from train.network.losses import LossWeights
from train.network.model import make_model, zero_state
from train.network.plain import PlainLSTM
from train.pairs.read import read_pair
from train.pairs.splits import split_pair
from train.pairs.stretch import Material
from train.segments import measure_heard_esr

RATE = 8000
TINY = Settings(
    name="tiny",
    hidden_size=4,
    residual=False,
    epochs=2,
    seed=3,
    batch=8,
    segment_frames=509,
    truncation_frames=64,
    warm_up_frames=33,
    validation_batches=6,
    rise_updates=8,
    memory_ms=5.0,
    learning_rate=1e-2,
)
pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.\w+` is (deprecated|not supported):DeprecationWarning")


def play_effect(dry: np.ndarray) -> np.ndarray:
    """A one-pole low-pass, then a soft bend."""
    wet, level = np.empty_like(dry), 0.0
    for n, sample in enumerate(dry):
        level += 0.4 * (sample - level)
        wet[n] = np.tanh(2 * level) / 2
    return wet


def write_pair(folder: Path, stem: str, seed: int, seconds: float = 3.1) -> tuple[Path, Path]:
    rng = np.random.default_rng(seed)
    n = np.arange(int(seconds * RATE))
    loudness = 0.3 + 0.2 * np.sin(2 * np.pi * n / 2003)
    dry = (loudness * np.sin(2 * np.pi * np.cumsum(rng.uniform(0.01, 0.05, len(n))))).astype(np.float32)
    paths = folder / f"{stem}-dry.wav", folder / f"{stem}-wet.wav"
    for path, audio in zip(paths, (dry, play_effect(dry)), strict=True):
        soundfile.write(path, audio, RATE, subtype="FLOAT")
    return paths


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("pair"), "train", seed=1)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("other"), "test", seed=2)


def train_tiny(pair: tuple[Path, Path], folder: Path, **changes: Any) -> tuple[Result, Preset]:
    result = fit(replace(TINY, **changes), [pair], folder / "tiny.pt", overwrite=True)
    return result, read_preset(result.preset)


def listed_weights(preset: Preset) -> list[float]:
    return np.concatenate([preset.weights[key].ravel() for key in sorted(preset.weights)]).tolist()


# --- what comes out


def test_an_effect_is_learned_and_the_preset_plays_it(pair: tuple[Path, Path], tmp_path: Path) -> None:
    seen: list[Progress] = []
    settings = replace(TINY, epochs=20, hidden_size=8, author="somebody", licence="MIT")
    result = fit(settings, [pair], tmp_path / "soft.pt", report=seen.append)
    assert result.esr_validation < 0.02
    assert result.esr_test < 0.02
    assert not result.interrupted
    assert (result.epochs, result.preset) == (20, tmp_path / "soft.pt")
    assert [progress.epoch for progress in seen] == sorted(progress.epoch for progress in seen)
    assert result.history == tuple(seen)
    assert min(progress.esr_validation for progress in seen) == seen[-1].esr_best == result.esr_validation
    preset = read_preset(result.preset)
    assert probe_error(preset) < 1e-6
    assert (preset.name, preset.sample_rate) == ("tiny", RATE)
    assert (preset.metadata["author"], preset.metadata["licence"]) == ("somebody", "MIT")
    assert list(tmp_path.iterdir()) == [result.preset]


def test_the_test_esr_is_that_of_the_preset_on_the_held_out_tenth(pair: tuple[Path, Path], tmp_path: Path) -> None:
    result, preset = train_tiny(pair, tmp_path)
    recordings = read_pair(*pair)
    split = split_pair(recordings, with_test=True)
    assert set(split.test).isdisjoint(split.validation)
    again = measure_heard_esr(preset, [Material(recordings.dry, recordings.wet, split.test)])
    assert again == pytest.approx(result.esr_test, rel=1e-4)
    assert result.esr_test != result.esr_validation


def test_another_recording_is_tested_whole_from_the_settled_state(
    pair: tuple[Path, Path], other: tuple[Path, Path], tmp_path: Path
) -> None:
    result = fit(TINY, [pair], tmp_path / "tiny.pt", test=other)
    preset, recordings = read_preset(result.preset), read_pair(*other)
    played = recordings.dry.copy()
    for stage in build_chain(slots_at_own_rate([preset])):
        stage.process(played)
    error = played.astype(np.float64) - recordings.wet
    assert np.sum(error**2) / np.sum(recordings.wet.astype(np.float64) ** 2) == pytest.approx(result.esr_test, rel=1e-3)
    assert preset.metadata["training"]["test"]["dry_sha256"] == recordings.dry_sha256


def test_the_record_tells_how_the_preset_was_made(pair: tuple[Path, Path], tmp_path: Path) -> None:
    result, preset = train_tiny(pair, tmp_path)
    recordings, record = read_pair(*pair), preset.metadata["training"]
    assert Settings(**record["settings"]) == TINY
    assert record["esr_validation"] == result.esr_validation
    assert record["esr_test"] == result.esr_test
    assert record["test"]["on"] == "held-out stretches of the pair"
    assert record["epochs"] == 2
    assert record["seconds"] == result.seconds
    assert record["samples_per_second"] == result.samples_per_second
    assert (record["dry_sha256"], record["wet_sha256"]) == (recordings.dry_sha256, recordings.wet_sha256)
    assert record["audio_seconds"] == recordings.seconds
    assert record["torch_version"] == torch.__version__
    assert json.dumps(record, allow_nan=False)


def test_a_preset_without_a_name_gets_that_of_its_file(pair: tuple[Path, Path], tmp_path: Path) -> None:
    result = fit(replace(TINY, name="", epochs=1), [pair], tmp_path / "Green Pedal.pt")
    assert read_preset(result.preset).name == "Green Pedal"


# --- seeds and settings


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(pair: tuple[Path, Path], tmp_path: Path) -> None:
    first, again, another = (train_tiny(pair, tmp_path, seed=seed)[1] for seed in (3, 3, 4))
    assert listed_weights(first) == listed_weights(again)
    assert listed_weights(first) != listed_weights(another)


CHANGES: dict[str, Any] = {
    "name": "another", "author": "me", "licence": "MIT", "hidden_size": 5, "layers": 2, "residual": True,
    "epochs": 3, "seed": 4, "threads": 2, "batch": 7, "segment_frames": 500, "truncation_frames": 100,
    "warm_up_frames": 0, "validation_batches": 1, "learning_rate": 1e-3, "learning_rate_end": 1e-2, "rise_updates": 60,
    "augment": "noise", "memory_ms": 50.0, "clip_ratio": 0.1,
    "beta2": 0.9, "clip": 1e-3, "emphasised_share": 0.9,
}  # fmt: skip


def test_the_threads_are_those_that_were_asked_for(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Counted(train.loop.FusedLSTM):
        def __init__(self, model: EffectLSTM, threads: int) -> None:
            asked.append(threads)
            super().__init__(model, threads)

    monkeypatch.setattr(train.loop, "FusedLSTM", Counted)
    train_tiny(pair, tmp_path, epochs=1, threads=3)
    train_tiny(pair, tmp_path, epochs=1, threads=0)
    assert asked == [3, os.cpu_count()]


@pytest.fixture(scope="module")
def unchanged(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return listed_weights(train_tiny(pair, tmp_path_factory.mktemp("unchanged"))[1])


@pytest.mark.parametrize("key", [key for key in CHANGES if key not in ("name", "author", "licence", "threads")])
def test_no_setting_is_ignored(
    key: str, pair: tuple[Path, Path], tmp_path: Path, unchanged: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.loop, "VALIDATION_WEIGHT", 0)
    seen: list[Progress] = []
    settings = replace(TINY, **{key: CHANGES[key]})
    result = fit(settings, [pair], tmp_path / "tiny.pt", report=seen.append)
    if key == "validation_batches":
        assert len(seen) > 2 * settings.epochs
    else:
        assert listed_weights(read_preset(result.preset)) != unchanged


def test_the_list_of_changed_settings_is_complete() -> None:
    assert {field.name for field in fields(Settings)} - set(CHANGES) == {"minutes", "device", "channel", "delay"}


def test_minutes_end_a_training(pair: tuple[Path, Path], tmp_path: Path) -> None:
    result, _ = train_tiny(pair, tmp_path, epochs=None, minutes=0.002)
    assert 0 < result.seconds < 60


def test_the_budget_is_ten_minutes_when_nothing_is_said() -> None:
    assert Settings().budget_seconds() == 600
    assert Settings(minutes=2).budget_seconds() == 120
    assert Settings(epochs=2).budget_seconds() is None


def test_the_learning_rate_falls_from_its_start_to_its_end() -> None:
    settings = Settings(learning_rate=1e-2, learning_rate_end=1e-6)
    rates = [settings.rate_at(share) for share in (0.0, 0.3, 0.5, 0.9, 1.0, 1.1)]
    assert rates[0] == pytest.approx(1e-2)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == rates[-2] == pytest.approx(1e-6)


@pytest.mark.parametrize(("changes", "message"), [
    ({"minutes": 1, "epochs": 1}, "choose one"), ({"hidden_size": 0}, "hidden_size is 0"),
    ({"hidden_size": 129}, "hidden_size is 129; give 1 to 128"), ({"layers": 4}, "layers is 4"), ({"epochs": 0}, "epochs is 0"),
    ({"minutes": float("nan")}, "minutes is nan"), ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ({"seed": -1}, "seed is -1"), ({"device": "tpu"}, "give cpu or cuda"), ({"name": "a\nb"}, "one line"),
    ({"licence": "x" * 201}, "licence"),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        Settings(**changes).check()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_device_is_refused() -> None:
    with pytest.raises(TrainingError, match="no CUDA device"):
        Settings(device="cuda").check()


def test_a_preset_that_may_oscillate_is_noted(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm, preset = train_tiny(pair, tmp_path, epochs=1)
    assert preset.metadata["training"]["divergence"] < 1e-5
    assert not any("oscillate" in note for note in calm.notes)
    monkeypatch.setattr(train.fit, "measure_divergence", lambda model, sample_rate: 0.3)
    restless, preset = train_tiny(pair, tmp_path, epochs=1)
    assert "oscillate" in restless.notes[-1]
    assert preset.metadata["training"]["divergence"] == 0.3
    assert preset.metadata["training"]["notes"] == list(restless.notes)


# --- refused before the first update


def test_an_existing_preset_is_not_replaced_unasked(pair: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "tiny.pt"
    output.write_text("precious")
    with pytest.raises(FileError, match="exists already"):
        fit(TINY, [pair], output)
    assert output.read_text() == "precious"


@pytest.mark.parametrize("index", [0, 1])
def test_a_recording_is_never_replaced(index: int, tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "train", seed=1)
    with pytest.raises(FileError, match="is one of the recordings"):
        fit(TINY, [pair], pair[index], overwrite=True)


def test_testing_on_the_training_recording_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is what is trained on"):
        fit(TINY, [pair], tmp_path / "tiny.pt", test=pair)


def test_a_missing_recording_leaves_no_preset(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(AudioError):
        fit(TINY, [(pair[0], tmp_path / "nothing.wav")], tmp_path / "tiny.pt")
    assert not list(tmp_path.iterdir())


# --- the loop


class Watched(PlainLSTM):
    """Torch's own network, which tells what it was given, with losses that a test may change."""

    def __init__(self, model: EffectLSTM) -> None:
        super().__init__(model)
        self.windows: list[int] = []
        self.factors: dict[int, float] = {}

    def loss(self, *args: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        loss, h, c = super().loss(*args)
        self.windows.append(args[0].shape[1])
        return loss * self.factors.get(len(self.windows), 1.0), h, c


def train_one_batch(
    warm_up: int, x: torch.Tensor, y: torch.Tensor, *, rate: float, factors: dict[int, float] | None = None
) -> tuple[float, Watched]:
    settings = replace(TINY, warm_up_frames=warm_up, rise_updates=1)
    generator = torch.Generator().manual_seed(5)
    model = make_model(1, 4, residual=False, memory_frames=40.0, generator=generator)
    network = Watched(model)
    network.factors = factors or {}
    optimiser = train.loop.make_optimiser(network, settings)
    at = train.loop.Course(best={})
    state = zero_state(model, len(x))
    loss = train.loop.train_batch(network, optimiser, x, y, state, LossWeights(1.0, 0.0, 1.0), settings, rate, at)
    assert at.updates == len(network.windows)
    return loss, network


def test_the_warm_up_carries_no_gradient() -> None:
    x = torch.randn(3, 33 + 129, 1, generator=torch.Generator().manual_seed(1)).requires_grad_()
    train_one_batch(33, x, torch.ones(3, 129), rate=1e-3)
    assert x.grad is not None
    assert not x.grad[:, :33].any()
    assert x.grad[:, 33:].all()


def test_the_warm_up_sets_the_state_and_is_not_in_the_loss() -> None:
    x = torch.randn(3, 33 + 129, 1, generator=torch.Generator().manual_seed(1))
    _, network = train_one_batch(33, x, torch.ones(3, 129), rate=0.0)
    with torch.no_grad():
        whole, _, _ = network.model(x, *zero_state(network.model, 3))
    loss, _ = train_one_batch(33, x, whole[:, 33:, 0], rate=0.0)
    assert loss < 1e-12
    without, _ = train_one_batch(0, x[:, 33:], whole[:, 33:, 0], rate=0.0)
    assert without > 1e-6


def test_the_gradient_of_a_window_ends_at_its_first_frame() -> None:
    x = torch.randn(2, 64 + 64 + 1, 1, generator=torch.Generator().manual_seed(1)).requires_grad_()
    _, network = train_one_batch(0, x, torch.ones(2, 129), rate=1e-3, factors={1: 0.0, 2: 0.0})
    assert network.windows == [64, 64, 1]
    assert x.grad is not None
    assert not x.grad[:, :128].any()
    assert x.grad[:, 128:].all()


def break_losses(monkeypatch: pytest.MonkeyPatch, broken: Callable[[int], bool]) -> None:
    """Have the losses of some windows, counted from 0, be NaN."""
    calls = itertools.count()

    class Broken(train.loop.FusedLSTM):
        def loss(self, *args: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            loss, h, c = super().loss(*args)
            return loss * torch.nan if broken(next(calls)) else loss, h, c

    monkeypatch.setattr(train.loop, "FusedLSTM", Broken)


def test_a_loss_that_is_not_finite_takes_the_training_back_to_its_best(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_losses(monkeypatch, lambda call: call in (70, 140))  # 8 windows a batch
    result, preset = train_tiny(pair, tmp_path, epochs=4)
    assert caplog.text.count("back to the best weights") == 2
    assert np.isfinite(result.esr_validation)
    assert np.isfinite(listed_weights(preset)).all()


def test_a_loss_that_is_never_finite_ends_the_training(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_losses(monkeypatch, lambda call: True)
    with pytest.raises(TrainingError, match="has failed 9 times"):
        train_tiny(pair, tmp_path)
    assert not list(tmp_path.iterdir())


# --- several pairs, other presets


def test_several_pairs_are_learned_together_and_tested_together(
    pair: tuple[Path, Path], other: tuple[Path, Path], tmp_path: Path
) -> None:
    result = fit(TINY, [pair, other], tmp_path / "tiny.pt")
    preset = read_preset(result.preset)
    hashes = [(entry["dry_sha256"], entry["wet_sha256"]) for entry in preset.metadata["training"]["pairs"]]
    recordings = [read_pair(*paths) for paths in (pair, other)]
    assert hashes == [(each.dry_sha256, each.wet_sha256) for each in recordings]
    material = [Material(each.dry, each.wet, split_pair(each, with_test=True).test) for each in recordings]
    assert measure_heard_esr(preset, material) == pytest.approx(result.esr_test, rel=1e-4)
    alone, _ = train_tiny(pair, tmp_path)
    assert alone.esr_test != result.esr_test


def test_pairs_of_different_rates_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    fast = tuple(tmp_path / f"fast-{path.name}" for path in pair)
    for source, target in zip(pair, fast, strict=True):
        soundfile.write(target, np.tile(soundfile.read(source)[0], 2), 11000)
    with pytest.raises(TrainingError, match=r"has 11000 Hz, but .* has 8000 Hz"):
        fit(TINY, [pair, (fast[0], fast[1])], tmp_path / "tiny.pt")


def test_a_training_may_start_from_a_preset(pair: tuple[Path, Path], tmp_path: Path) -> None:
    learned = fit(replace(TINY, epochs=12), [pair], tmp_path / "first.pt")
    gentle = replace(TINY, epochs=1, learning_rate=1e-9, learning_rate_end=0.0, residual=None)
    again = fit(gentle, [pair], tmp_path / "second.pt", start_from=learned.preset)
    assert again.esr_validation == pytest.approx(learned.esr_validation, rel=1e-2)
    assert read_preset(again.preset).metadata["training"]["start_from"] == "first.pt"
    with pytest.raises(TrainingError, match="hidden size is 4, not 5"):
        fit(replace(gentle, hidden_size=5), [pair], tmp_path / "third.pt", start_from=learned.preset)


def test_the_network_learns_the_difference_where_that_is_small(pair: tuple[Path, Path], tmp_path: Path) -> None:
    settings = replace(TINY, residual=None)
    inverted = tmp_path / "inverted.wav"
    soundfile.write(inverted, -soundfile.read(pair[1])[0], RATE)
    far = read_preset(fit(settings, [(pair[0], inverted)], tmp_path / "far.pt").preset)
    near = read_preset(fit(settings, [(pair[0], pair[0])], tmp_path / "near.pt").preset)
    assert not far.architecture.residual
    assert near.architecture.residual
    assert near.metadata["training"]["settings"]["residual"] is True


# --- cut off and resumed


class KilledError(Exception):
    """As a power cut: nothing is cleaned up."""


def kill_at(count: int) -> Callable[[Progress], None]:
    calls = itertools.count(1)

    def report(progress: Progress) -> None:
        if next(calls) == count:
            raise KilledError

    return report


def curve(history: Iterable[Progress]) -> list[tuple[float, float, float, int]]:
    """What does not depend on the clock."""
    return [(entry.loss, entry.esr_validation, entry.esr_best, entry.epoch) for entry in history]


@pytest.mark.parametrize("count", [2, 5])
def test_a_resumed_training_ends_as_one_that_was_not_cut_off(
    count: int, pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        train.loop, "WRITING_SHARE", 1e9
    )  # what is cut off is then only what came since the last report
    settings = replace(TINY, epochs=9, augment="noise")
    whole = fit(settings, [pair], tmp_path / "whole.pt")
    output = tmp_path / "cut.pt"
    with pytest.raises(KilledError):
        fit(replace(settings, threads=1), [pair], output, report=kill_at(count))
    assert output.exists() == (count > 1)
    resumed = fit(settings, [pair], output, resume=True)
    assert curve(resumed.history) == curve(whole.history)
    assert (resumed.esr_validation, resumed.esr_test) == (whole.esr_validation, whole.esr_test)
    assert resumed.epochs == whole.epochs
    assert listed_weights(read_preset(output)) == listed_weights(read_preset(tmp_path / "whole.pt"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.pt", "whole.pt"]


def test_only_what_was_cut_off_can_be_resumed_and_only_with_the_same_recordings_and_settings(
    pair: tuple[Path, Path], other: tuple[Path, Path], tmp_path: Path
) -> None:
    output = tmp_path / "tiny.pt"
    with pytest.raises(FileError, match="nothing to resume"):
        fit(TINY, [pair], output, resume=True)
    settings = replace(TINY, epochs=9)
    with pytest.raises(KilledError):
        fit(settings, [pair], output, report=kill_at(3))
    before = output.read_bytes()
    with pytest.raises(TrainingError, match="begun with other recordings"):
        fit(settings, [other], output, resume=True)
    with pytest.raises(TrainingError, match="begun with other recordings"):  # a test changes what is held out
        fit(settings, [pair], output, resume=True, test=other)
    with pytest.raises(TrainingError, match="begun with seed 3, and now it is 4"):
        fit(replace(settings, seed=4), [pair], output, resume=True)
    with pytest.raises(TrainingError, match="begun with start_from None, and now it is"):
        fit(settings, [pair], output, resume=True, start_from=shipped_presets_folder() / "identity.pt")
    with pytest.raises(FileError, match="by --resume, or add --force"):
        fit(settings, [pair], output)
    checkpoint = checkpoint_path(output)
    kept = checkpoint.read_bytes()
    checkpoint.write_bytes(kept[: len(kept) // 2])
    with pytest.raises(FileError, match="cannot be read"):
        fit(settings, [pair], output, resume=True)
    checkpoint.write_bytes(kept)
    assert output.read_bytes() == before
    assert fit(settings, [pair], output, resume=True).epochs == 9


@pytest.mark.parametrize(("epochs", "trained"), [(12, 12), (3, 6)])
def test_a_training_is_resumed_for_longer_or_ended_with_what_is_there(
    epochs: int, trained: int, pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.loop, "WRITING_SHARE", 1e9)
    output = tmp_path / "tiny.pt"
    with pytest.raises(KilledError):
        fit(replace(TINY, epochs=9), [pair], output, report=kill_at(6))
    resumed = fit(replace(TINY, epochs=epochs), [pair], output, resume=True)
    assert (resumed.epochs, resumed.interrupted) == (trained, False)
    assert any("trained for as long as that already" in note for note in resumed.notes) == (epochs < trained)
    assert resumed.esr_test is not None
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.pt"]
    with pytest.raises(FileError, match=r"to go on from its weights give --from .*tiny\.pt and another -o"):
        fit(TINY, [pair], output, resume=True)


# --- Ctrl-C


def test_an_interrupted_training_keeps_its_best_and_is_tested(pair: tuple[Path, Path], tmp_path: Path) -> None:
    seen: list[Progress] = []

    def interrupt_the_third(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 3:
            raise KeyboardInterrupt

    result = fit(replace(TINY, epochs=9), [pair], tmp_path / "tiny.pt", report=interrupt_the_third)
    assert result.interrupted
    assert result.epochs == seen[-1].epoch - 1
    assert result.esr_validation == min(progress.esr_validation for progress in seen)
    record = read_preset(result.preset).metadata["training"]
    assert record["esr_test"] == result.esr_test
    assert record["interrupted"]


def test_a_training_interrupted_at_once_says_that_nothing_was_written(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(train.loop, "train_batch", interrupt)
    with pytest.raises(TrainingError, match="interrupted before the first validation"):
        fit(TINY, [pair], tmp_path / "tiny.pt")
    assert not list(tmp_path.iterdir())


def test_the_best_preset_is_playable_while_the_training_goes_on(pair: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "tiny.pt"
    found: list[bool] = []

    def look(progress: Progress) -> None:
        found.append(output.exists())
        if found[-1]:
            assert read_preset(output).metadata["training"]["esr_test"] is None

    fit(replace(TINY, epochs=3), [pair], output, report=look)
    assert found[0] is False
    assert found[1] is True


def test_a_full_disk_does_not_end_a_training_and_the_preset_is_kept_elsewhere(
    pair: tuple[Path, Path],
    tmp_path: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (small_disk / "filler").write_bytes(bytes(60 << 10))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[Progress] = []
    with pytest.raises(FileError, match=r"No space left on device; .*the trained preset is kept as") as caught:
        fit(replace(TINY, epochs=3), [pair], small_disk / "tiny.pt", report=seen.append)
    assert len(seen) == 3
    assert "the training goes on" in caplog.text
    (refuge,) = tmp_path.glob("fxhost-*/tiny.pt")
    assert str(refuge) in str(caught.value)
    assert read_preset(refuge).metadata["training"]["esr_validation"] == seen[-1].esr_best
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
