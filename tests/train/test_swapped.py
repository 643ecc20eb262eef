"""Which of two recordings is the dry one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.errors import TrainingError
from tests.train.test_align import RATE, filtered, pluck
from train.pairs.levels import measure_levels
from train.pairs.read import read_pair
from train.pairs.swapped import Sides, judge_sides

Effect = Callable[[np.ndarray], np.ndarray]


def gated(dry: np.ndarray, wet: np.ndarray) -> np.ndarray:
    power = np.convolve(dry.astype(np.float64) ** 2, np.ones(320) / 320)[: len(dry)]
    return wet * np.convolve(power > 1e-4, np.ones(160) / 160)[: len(dry)]


EFFECTS: dict[str, Effect] = {
    "overdrive": lambda x: filtered(np.tanh(40 * filtered(x, 300, "high")), 2500),
    "clipper": lambda x: np.clip(30 * x, -0.5, 0.5),
    "square": lambda x: np.tanh(1000 * x),
    "fuzz": lambda x: np.tanh(100 * x + 0.3) - np.tanh(np.float32(0.3)),
    "metal": lambda x: filtered(filtered(np.tanh(200 * filtered(x, 700, "high")), 3000), 3000),
    "gated metal": lambda x: gated(x, np.clip(300 * filtered(x, 300, "high"), -0.5, 0.5)),
    "dark fuzz": lambda x: filtered(filtered(np.tanh(300 * x), 600), 600),
}


def judge(dry: np.ndarray, wet: np.ndarray) -> Sides:
    return judge_sides(dry, wet, measure_levels(dry, RATE), measure_levels(wet, RATE), RATE)


@pytest.fixture(scope="module")
def take() -> np.ndarray:
    return pluck(16.0, seed=4)


def noisy(audio: np.ndarray, db: float = -75.0) -> np.ndarray:
    noise = 10 ** (db / 20) * np.abs(audio).max() * np.random.default_rng(5).standard_normal(len(audio))
    return (audio / np.abs(audio).max() / 2 + noise).astype(np.float32)


@pytest.mark.parametrize("effect", EFFECTS)
def test_the_sides_of_an_effect_that_bends_are_told_apart(take: np.ndarray, effect: str) -> None:
    wet = noisy(EFFECTS[effect](take))
    right, wrong = judge(take, wet), judge(wet, take)
    assert not right.look_swapped
    assert wrong.are_swapped
    assert right.score > 0.5


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("spoilt", ["hiss", "quiet 16 bit", "clipped"])
def test_a_dry_side_that_is_poor_is_not_accused(take: np.ndarray, effect: str, spoilt: str) -> None:
    hiss = 1e-3 * np.random.default_rng(6).standard_normal(len(take)).astype(np.float32)
    dry = {
        "hiss": take + hiss,
        "quiet 16 bit": (np.round(0.01 * take * 2**15) / 2**15).astype(np.float32),
        "clipped": np.clip(3 * take, -0.7, 0.7),
    }[spoilt]
    wet = noisy(EFFECTS[effect](take if spoilt == "quiet 16 bit" else dry))
    assert not judge(dry, wet).are_swapped


def test_a_filter_is_told_by_its_noise(take: np.ndarray) -> None:
    wet = noisy(filtered(take, 800), -55)
    assert not judge(take, wet).look_swapped
    assert judge(wet, take).are_swapped


@pytest.mark.parametrize("effect", [lambda x: 2 * x, lambda x: gated(x, x)])
def test_what_leaves_both_sides_alike_accuses_none(take: np.ndarray, effect: Effect) -> None:
    quiet = (np.round(0.01 * take * 2**15) / 2**15).astype(np.float32)
    wet = effect(take).astype(np.float32)
    assert not judge(quiet, wet).look_swapped
    assert not judge(take, wet).are_swapped


def test_recordings_that_are_swapped_are_refused_without_force(tmp_path: Path, take: np.ndarray) -> None:
    dry, wet = tmp_path / "dry.wav", tmp_path / "wet.wav"
    soundfile.write(dry, take, RATE, subtype="PCM_24")
    soundfile.write(wet, noisy(EFFECTS["overdrive"](take)), RATE, subtype="PCM_24")
    assert not read_pair(dry, wet).findings["swapped"]
    with pytest.raises(TrainingError, match=r"swapped: the overtones .* are in .*wet\.wav, not in .*dry\.wav"):
        read_pair(wet, dry)
    pair = read_pair(wet, dry, force=True)
    assert pair.findings["swapped"]
    assert any("look swapped" in note for note in pair.notes)
