"""The settings, the training loop, and the preset that comes out of it."""

import itertools
import json
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import train.fit
from fxhost.errors import AudioError, FileError, TrainingError
from fxhost.preset import Preset, read_preset
from fxhost.torchscript import EffectLSTM, build_module, play_module, probe_error
from train.fit import Progress, Result, Settings, fit
from train.losses import Scale, training_loss
from train.model import make_model
from train.pair import read_pair, split_pair
from train.segments import measure_esr, zero_state

RATE = 8000
TINY = Settings(
    name="tiny", hidden_size=4, epochs=2, seed=3, batch=8, segment_frames=509, truncation_frames=64, warm_up_frames=33
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
    result = fit(replace(TINY, **changes), *pair, folder / "tiny.pt", overwrite=True)
    return result, read_preset(result.preset)


def listed_weights(preset: Preset) -> list[float]:
    return np.concatenate([preset.weights[key].ravel() for key in sorted(preset.weights)]).tolist()


# --- what comes out


def test_an_effect_is_learned_and_the_preset_plays_it(pair: tuple[Path, Path], tmp_path: Path) -> None:
    seen: list[Progress] = []
    settings = replace(TINY, epochs=20, hidden_size=8, author="somebody", licence="MIT")
    result = fit(settings, *pair, tmp_path / "soft.pt", report=seen.append)
    assert result.esr_validation < 0.02
    assert result.esr_test < 0.02
    assert not result.interrupted
    assert (result.epochs, result.delay_frames, result.preset) == (20, 0, tmp_path / "soft.pt")
    assert [progress.epoch for progress in seen] == list(range(1, 21))
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
    module = build_module(preset.architecture, preset.weights)
    again = measure_esr(module, recordings.dry, recordings.wet, split.test, RATE)
    assert again == pytest.approx(result.esr_test, rel=1e-4)
    assert result.esr_test != result.esr_validation


def test_another_recording_is_tested_whole_from_the_settled_state(
    pair: tuple[Path, Path], other: tuple[Path, Path], tmp_path: Path
) -> None:
    result = fit(TINY, *pair, tmp_path / "tiny.pt", test=other)
    preset, recordings = read_preset(result.preset), read_pair(*other)
    module = build_module(preset.architecture, preset.weights)
    played, _, _ = play_module(module, recordings.dry[:, None], preset.weights["h0"], preset.weights["c0"])
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
    result = fit(replace(TINY, name="", epochs=1), *pair, tmp_path / "Green Pedal.pt")
    assert read_preset(result.preset).name == "Green Pedal"


# --- seeds and settings


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(pair: tuple[Path, Path], tmp_path: Path) -> None:
    first, again, another = (train_tiny(pair, tmp_path, seed=seed)[1] for seed in (3, 3, 4))
    assert listed_weights(first) == listed_weights(again)
    assert listed_weights(first) != listed_weights(another)


CHANGES: dict[str, Any] = {
    "name": "another", "author": "me", "licence": "MIT", "hidden_size": 5, "layers": 2, "residual": True,
    "epochs": 3, "seed": 4, "threads": 2, "batch": 7, "segment_frames": 500, "truncation_frames": 100,
    "warm_up_frames": 0, "validation_batches": 1, "learning_rate": 1e-3, "learning_rate_end": 1e-2, "rise_batches": 2,
    "beta2": 0.9, "clip": 1e-3, "emphasised_share": 0.9,
}  # fmt: skip


def test_the_threads_are_those_that_were_asked_for(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Watched(train.fit.FusedLSTM):
        def __init__(self, model: EffectLSTM, threads: int) -> None:
            asked.append(threads)
            super().__init__(model, threads)

    monkeypatch.setattr(train.fit, "FusedLSTM", Watched)
    train_tiny(pair, tmp_path, epochs=1, threads=3)
    train_tiny(pair, tmp_path, epochs=1, threads=0)
    assert asked == [3, os.cpu_count()]


@pytest.fixture(scope="module")
def unchanged(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return listed_weights(train_tiny(pair, tmp_path_factory.mktemp("unchanged"))[1])


@pytest.mark.parametrize("key", [key for key in CHANGES if key not in ("name", "author", "licence", "threads")])
def test_no_setting_is_ignored(key: str, pair: tuple[Path, Path], tmp_path: Path, unchanged: list[float]) -> None:
    seen: list[Progress] = []
    settings = replace(TINY, **{key: CHANGES[key]})
    result = fit(settings, *pair, tmp_path / "tiny.pt", report=seen.append)
    if key == "validation_batches":
        assert len(seen) > 2 * settings.epochs
    else:
        assert listed_weights(read_preset(result.preset)) != unchanged


def test_the_list_of_changed_settings_is_complete() -> None:
    assert {field.name for field in fields(Settings)} - set(CHANGES) == {"minutes", "device"}


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
    ({"hidden_size": 129}, "expected 1 to 128"), ({"layers": 4}, "layers is 4"), ({"epochs": 0}, "epochs is 0"),
    ({"minutes": float("nan")}, "minutes is nan"), ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ({"seed": -1}, "seed is -1"), ({"device": "tpu"}, "expected cpu or cuda"), ({"name": "a\nb"}, "one line"),
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
        fit(TINY, *pair, output)
    assert output.read_text() == "precious"


@pytest.mark.parametrize("index", [0, 1])
def test_a_recording_is_never_replaced(index: int, tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "train", seed=1)
    with pytest.raises(FileError, match="is one of the recordings"):
        fit(TINY, *pair, pair[index], overwrite=True)


def test_testing_on_the_training_recording_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is what is trained on"):
        fit(TINY, *pair, tmp_path / "tiny.pt", test=pair)


def test_a_missing_recording_leaves_no_preset(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(AudioError):
        fit(TINY, pair[0], tmp_path / "nothing.wav", tmp_path / "tiny.pt")
    assert not list(tmp_path.iterdir())


# --- the loop


def train_one_batch(
    warm_up: int, x: torch.Tensor, y: torch.Tensor, *, rate: float, seed: int = 5
) -> tuple[float, torch.nn.Module]:
    settings = replace(TINY, warm_up_frames=warm_up)
    model = make_model(1, 4, residual=False, generator=torch.Generator().manual_seed(seed))
    optimiser = train.fit._make_optimiser(model, settings)
    loss = train.fit._train_batch(model, model, optimiser, x, y, Scale(1.0, 1.0), settings, rate=rate, emphasised=False)
    return loss, model


def test_the_warm_up_carries_no_gradient() -> None:
    x = torch.randn(3, 33 + 129, 1, generator=torch.Generator().manual_seed(1)).requires_grad_()
    train_one_batch(33, x, torch.ones(3, 129), rate=1e-3)
    assert x.grad is not None
    assert not x.grad[:, :33].any()
    assert x.grad[:, 33:].all()


def test_the_warm_up_sets_the_state_and_is_not_in_the_loss() -> None:
    x = torch.randn(3, 33 + 129, 1, generator=torch.Generator().manual_seed(1))
    _, model = train_one_batch(33, x, torch.ones(3, 129), rate=0.0)
    with torch.no_grad():
        whole, _, _ = model(x, *zero_state(model, 3))  # type: ignore[arg-type]
    loss, _ = train_one_batch(33, x, whole[:, 33:, 0], rate=0.0)
    assert loss < 1e-12
    without, _ = train_one_batch(0, x[:, 33:], whole[:, 33:, 0], rate=0.0)
    assert without > 1e-6


def test_the_gradient_of_a_window_ends_at_its_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[int] = []

    def only_the_last(target: torch.Tensor, output: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        windows.append(target.shape[1])
        return output.sum() * (len(windows) == 3)

    monkeypatch.setattr(train.fit, "training_loss", only_the_last)
    x = torch.randn(2, 64 + 64 + 1, 1, generator=torch.Generator().manual_seed(1)).requires_grad_()
    train_one_batch(0, x, torch.zeros(2, 129), rate=1e-3)
    assert windows == [64, 64, 1]
    assert x.grad is not None
    assert not x.grad[:, :128].any()
    assert x.grad[:, 128:].all()


def test_a_loss_that_is_not_finite_takes_the_training_back_to_its_best(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = itertools.count()

    def fail_now_and_then(*args: Any, **kwargs: Any) -> torch.Tensor:
        loss = training_loss(*args, **kwargs)
        return loss * torch.nan if next(calls) in (70, 71, 140) else loss  # 6 batches of 8 windows an epoch

    monkeypatch.setattr(train.fit, "training_loss", fail_now_and_then)
    result, preset = train_tiny(pair, tmp_path, epochs=4)
    assert caplog.text.count("back to the best weights") == 2
    assert np.isfinite(result.esr_validation)
    assert np.isfinite(listed_weights(preset)).all()


def test_a_loss_that_is_never_finite_ends_the_training(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.fit, "training_loss", lambda *args, **kwargs: training_loss(*args, **kwargs) * torch.nan)
    with pytest.raises(TrainingError, match="blew up 9 times"):
        train_tiny(pair, tmp_path)
    assert not list(tmp_path.glob("*.pt"))


# --- Ctrl-C


def test_an_interrupted_training_keeps_its_best_and_is_tested(pair: tuple[Path, Path], tmp_path: Path) -> None:
    seen: list[Progress] = []

    def interrupt_the_third(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 3:
            raise KeyboardInterrupt

    result = fit(replace(TINY, epochs=9), *pair, tmp_path / "tiny.pt", report=interrupt_the_third)
    assert result.interrupted
    assert result.epochs == 3
    assert result.esr_validation == min(progress.esr_validation for progress in seen)
    record = read_preset(result.preset).metadata["training"]
    assert record["esr_test"] == result.esr_test
    assert record["interrupted"]


def test_a_training_interrupted_at_once_says_that_nothing_was_written(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(train.fit, "_train_batch", interrupt)
    with pytest.raises(TrainingError, match="interrupted before the first validation"):
        fit(TINY, *pair, tmp_path / "tiny.pt")
    assert not list(tmp_path.iterdir())


def test_the_best_preset_is_playable_while_the_training_goes_on(pair: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "tiny.pt"
    found: list[bool] = []

    def look(progress: Progress) -> None:
        found.append(output.exists())
        if found[-1]:
            assert read_preset(output).metadata["training"]["esr_test"] is None

    fit(replace(TINY, epochs=3), *pair, output, report=look)
    assert found[0] is False
    assert found[1] is True
