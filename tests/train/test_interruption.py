"""Ctrl-C while a training runs: answered at once, nothing cut off, and what is promised lies on the disk."""

import hashlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import train.fit
import train.loop
from fxhost.errors import TrainingError
from fxhost.preset.archive import read_preset
from tests.train.test_fit import TINY, curve, listed_weights, write_pair
from train.checkpoint import checkpoint_path
from train.fit import Progress, Result, fit
from train.interruption import Interruption

SETTINGS = replace(TINY, epochs=9)
pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.\w+` is (deprecated|not supported):DeprecationWarning")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("pair"), "train", seed=1)


def press(times: int) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


def train_listening(pair: tuple[Path, Path], output: Path, **given: Any) -> tuple[Result, list[str]]:
    said: list[str] = []
    interruption = Interruption(say=said.append)
    with interruption.listening():
        result = fit(SETTINGS, [pair], output, interruption=interruption, **given)
    return result, said


def at_report(count: int, act: Callable[[], None]) -> Callable[[Progress], None]:
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == count:
            act()

    return report


def before_call(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None]) -> None:
    """Have something happen before the first call of a function that the training uses."""
    modules = [module for module in (train.fit, train.loop) if hasattr(module, name)]
    function, called = getattr(modules[0], name), False

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal called
        if not called:
            called = True
            act()
        return function(*args, **kwargs)

    for module in modules:
        monkeypatch.setattr(module, name, call)


@pytest.fixture(scope="module")
def whole(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, list[float]]:
    result = fit(SETTINGS, [pair], tmp_path_factory.mktemp("whole") / "tiny.pt")
    return result, listed_weights(read_preset(result.preset))


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_interrupted_between_two_validations_is_resumed_to_the_bit(
    times: int, pair: tuple[Path, Path], whole: tuple[Result, list[float]], tmp_path: Path
) -> None:
    output = tmp_path / "tiny.pt"
    result, said = train_listening(pair, output, report=at_report(2, lambda: press(times)))
    assert result.interrupted
    assert len(said) == times
    assert "a second Ctrl-C" in said[0]
    assert (result.esr_test is None) == (times == 2)
    assert read_preset(output).metadata["training"]["esr_test"] == result.esr_test
    assert checkpoint_path(output).exists()
    resumed = fit(SETTINGS, [pair], output, resume=True)
    assert curve(resumed.history) == curve(whole[0].history)
    assert listed_weights(read_preset(output)) == whole[1]
    assert not checkpoint_path(output).exists()


def test_what_is_interrupted_before_the_first_validation_leaves_a_preset(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_call(monkeypatch, "train_batch", lambda: press(1))
    result, _ = train_listening(pair, tmp_path / "tiny.pt")
    assert result.interrupted
    assert (result.epochs, result.history) == (0, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.pt", "tiny.pt.training"]


def test_a_hurried_user_gets_no_preset_before_the_first_validation_but_can_go_on(
    pair: tuple[Path, Path], whole: tuple[Result, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "tiny.pt"
    before_call(monkeypatch, "train_batch", lambda: press(2))
    with pytest.raises(TrainingError, match=r"no tiny\.pt yet; go on where it was by the same command with --resume"):
        train_listening(pair, output)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.pt.training"]
    fit(SETTINGS, [pair], output, resume=True)
    assert listed_weights(read_preset(output)) == whole[1]


@pytest.mark.parametrize("name", ["write_checkpoint", "write_preset"])
def test_what_is_being_written_is_not_cut_off(
    name: str, pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_call(monkeypatch, name, lambda: press(1))
    result, _ = train_listening(pair, tmp_path / "tiny.pt")
    assert result.interrupted
    assert result.esr_test is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.pt", "tiny.pt.training"]


def test_the_last_measurement_may_be_left_out_and_made_up_for(
    pair: tuple[Path, Path], whole: tuple[Result, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "tiny.pt"
    before_call(monkeypatch, "measure_divergence", lambda: press(1))
    result, said = train_listening(pair, output)
    assert (result.interrupted, result.epochs) == (True, 9)
    assert said == ["Ctrl-C: the rest of the measurement is left out"]
    resumed = fit(SETTINGS, [pair], output, resume=True)
    assert resumed.esr_test == whole[0].esr_test
    assert listed_weights(read_preset(output)) == whole[1]


def test_the_third_ctrl_c_leaves_at_once_with_what_was_saved(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_listening(pair, tmp_path / "tiny.pt", report=at_report(3, lambda: press(3)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.pt", "tiny.pt.training"]


def test_ctrl_c_is_answered_while_the_main_thread_computes() -> None:
    order: list[str] = []
    interruption = Interruption(say=order.append)
    handler = signal.getsignal(signal.SIGINT)
    audio = bytes(300 << 20)  # some tenths of a second, in which no line of Python runs
    with pytest.raises(KeyboardInterrupt), interruption.listening():
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        hashlib.sha256(audio)
        order.append("computed")
        timer.join()
    assert order[0] == "Ctrl-C: stopping"
    assert signal.getsignal(signal.SIGINT) is handler
