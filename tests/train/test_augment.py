"""Augmentations keep the wet side true where they are allowed, and are refused where they would not."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from fxhost.errors import TrainingError
from tests.train.test_align import DATA, EFFECTS, RATE, filtered, pluck
from train.pairs.augment import AUGMENTATIONS, Augmentation, prepare_augmentation
from train.pairs.pair import Pair

Effect = Callable[[np.ndarray], np.ndarray]

WARM_UP, FRAMES, BATCH = 509, 1021, 64
TAPS = np.random.default_rng(3).standard_normal(17) * np.exp(-np.arange(17) / 4)


def short_filter(x: np.ndarray) -> np.ndarray:
    """A linear effect that forgets within the warm-up."""
    return np.convolve(x, TAPS)[: len(x)].astype(np.float32) / 4


def clipper(x: np.ndarray) -> np.ndarray:
    """An odd effect that forgets within the warm-up."""
    return short_filter(np.tanh(8 * short_filter(x)))


ODD = {
    "clipper": clipper,
    "overdrive": EFFECTS["overdrive"],
    "inverting": EFFECTS["inverting"],
}
NOT_ODD = {
    "fuzz": EFFECTS["fuzz"],
    "halfwave": lambda x: filtered(np.maximum(x, 0), 20, "high"),
    "biased": lambda x: filtered(np.tanh(8 * x + 0.6), 20, "high"),
    "squarer": lambda x: x + 0.5 * filtered(x**2, 20, "high"),
}


def make_pair(dry: np.ndarray, wet: np.ndarray) -> Pair:
    return Pair(dry, wet.astype(np.float32), RATE, "", "", ())


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def take() -> np.ndarray:
    return pluck()


@pytest.fixture(scope="module")
def paused(take: np.ndarray) -> np.ndarray:
    """Playing with a pause of a second, in which hiss of −70 dB and a louder hum are left."""
    t = np.arange(RATE) / RATE
    audio = take.copy()
    audio[5 * RATE : 6 * RATE] = 1e-3 * np.sin(2 * np.pi * 50 * t)
    return audio + (10 ** (-70 / 20) * np.random.default_rng(4).standard_normal(len(take))).astype(np.float32)


def cut_batch(dry: np.ndarray, wet: np.ndarray) -> tuple[Tensor, Tensor]:
    starts = np.linspace(WARM_UP, len(dry) - FRAMES, BATCH).astype(int)
    x = np.stack([dry[n - WARM_UP : n + FRAMES] for n in starts])
    y = np.stack([wet[n : n + FRAMES] for n in starts])
    return torch.from_numpy(x)[..., None], torch.from_numpy(y)


def play(effect: Effect, x: Tensor) -> np.ndarray:
    return np.stack([effect(segment)[WARM_UP:] for segment in x[..., 0].numpy()])


# --- what is done


def test_nothing_is_drawn_or_changed_without_names(take: np.ndarray) -> None:
    augmentation = prepare_augmentation([], [make_pair(take, clipper(take))])
    random = generator()
    before = random.get_state()
    x, y = cut_batch(take, clipper(take))
    x_out, y_out = augmentation.apply(x, y, random)
    assert x_out is x
    assert y_out is y
    assert torch.equal(random.get_state(), before)


def test_gain_keeps_a_linear_effect_true(take: np.ndarray) -> None:
    augmentation = prepare_augmentation(["gain"], [make_pair(take, short_filter(take))])
    x, y = cut_batch(take, short_filter(take))
    x_out, y_out = augmentation.apply(x, y, generator())
    np.testing.assert_allclose(play(short_filter, x_out), y_out, atol=1e-6)
    gains_db = 20 * np.log10((x_out.square().sum((1, 2)) / x.square().sum((1, 2))).sqrt().numpy())
    assert -12.001 < gains_db.min() < -9
    assert 6 < gains_db.max() < 12.001
    assert max(x_out.abs().max(), y_out.abs().max()) <= 1.0


def test_gain_never_makes_what_is_at_full_scale_louder() -> None:
    x, y = torch.ones(BATCH, WARM_UP + FRAMES, 1), torch.full((BATCH, FRAMES), 0.5)
    for scale in (1.0, 1.5):
        x_out, y_out = Augmentation(gain=True).apply(scale * x, y, generator())
        assert x_out.max() <= scale
        assert torch.allclose(y_out / x_out[:, :1, 0], y / x[:, :1, 0] / scale)


def test_polarity_keeps_an_odd_effect_true_to_the_bit(take: np.ndarray) -> None:
    x, y = cut_batch(take, clipper(take))
    x_out, y_out = Augmentation(polarity=True).apply(x, y, generator())
    np.testing.assert_array_equal(play(clipper, x_out), -play(clipper, -x_out))
    np.testing.assert_allclose(play(clipper, x_out), y_out, atol=1e-6)
    inverted = (x_out != x).any(dim=1)[:, 0]
    assert torch.equal(x_out[inverted], -x[inverted])
    assert BATCH / 4 < inverted.sum() < 3 * BATCH / 4


@pytest.mark.parametrize("effect", [short_filter, clipper])
def test_noise_changes_the_answer_less_than_the_hiss_that_was_recorded(paused: np.ndarray, effect: Effect) -> None:
    augmentation = prepare_augmentation(["noise"], [make_pair(paused, effect(paused))])
    x, y = cut_batch(paused, effect(paused))
    x_out, y_out = augmentation.apply(x, y, generator())
    assert torch.equal(y_out, y)
    assert 20 * np.log10((x_out - x).std().item()) == pytest.approx(-76, abs=1.5)
    hiss = (10 ** (-70 / 20) * np.random.default_rng(4).standard_normal(len(paused))).astype(np.float32)
    recorded = play(effect, x) - play(effect, x - cut_batch(hiss, hiss)[0])
    assert np.std(play(effect, x_out) - y.numpy()) < 0.7 * np.std(recorded)


def test_the_same_seed_gives_the_same_segments_in_whatever_order_the_names_are(paused: np.ndarray) -> None:
    x, y = cut_batch(paused, short_filter(paused))
    augmentation = prepare_augmentation(AUGMENTATIONS[::-1], [make_pair(paused, short_filter(paused))])
    findings = augmentation.findings
    assert json.loads(json.dumps(findings)) == findings
    assert findings["names"] == ["gain", "polarity", "noise"]
    assert findings["pairs"][0].keys() == {"linear_error", "even_share", "even_error", "unexplained", "noise_db"}
    assert findings["noise_db"] == pytest.approx(-76, abs=1.5)
    known = Augmentation(gain=True, polarity=True, noise=augmentation.noise).apply(x, y, generator())
    assert all(torch.equal(a, b) for a, b in zip(augmentation.apply(x, y, generator()), known, strict=True))
    assert not torch.equal(augmentation.apply(x, y, generator(8))[1], known[1])


def test_as_much_is_drawn_for_silence_and_nothing_becomes_nan() -> None:
    augmentation = Augmentation(gain=True, polarity=True, noise=1e-5)
    states = []
    for x, y in (
        (torch.zeros(3, 17, 1), torch.zeros(3, 13)),
        (torch.full((3, 17, 1), 2.0), torch.ones(3, 13)),
    ):
        random = generator()
        x_out, y_out = augmentation.apply(x, y, random)
        assert x_out.shape == x.shape
        assert y_out.shape == y.shape
        assert x_out.isfinite().all()
        assert y_out.isfinite().all()
        states.append(random.get_state())
    assert torch.equal(*states)


# --- what is allowed and what is refused


@pytest.mark.parametrize("name", ODD)
def test_polarity_is_allowed_for_odd_effects(take: np.ndarray, name: str) -> None:
    assert prepare_augmentation(["polarity"], [make_pair(take, ODD[name](take))]).polarity


@pytest.mark.parametrize("name", NOT_ODD)
def test_polarity_is_refused_for_effects_that_are_not_odd(take: np.ndarray, name: str) -> None:
    with pytest.raises(TrainingError, match=r"same inverted: [\d.e+]+ ± [\d.e+]+ % .* at most 0\.5 %"):
        prepare_augmentation(["polarity"], [make_pair(take, NOT_ODD[name](take))])


def test_polarity_is_refused_where_no_model_explains_the_effect(take: np.ndarray) -> None:
    unrelated = np.random.default_rng(5).standard_normal(len(take)) / 8
    with pytest.raises(
        TrainingError, match=r"cannot be told: no model explains \d+ % .* 30 % is the most|same inverted"
    ):
        prepare_augmentation(["polarity"], [make_pair(take, unrelated)])


@pytest.mark.parametrize("name", ["clipper", "inverting", "fuzz"])
def test_gain_is_refused_for_distortion(take: np.ndarray, name: str) -> None:
    with pytest.raises(
        TrainingError, match=r"gain needs a linear effect: no filter explains [\d.e+]+ % .* 0\.1 % is the most; leave"
    ):
        prepare_augmentation(["gain"], [make_pair(take, EFFECTS[name](take))])


def test_every_pair_must_allow_it(take: np.ndarray) -> None:
    pairs = [make_pair(take, effect(take)) for effect in (short_filter, EFFECTS["fuzz"])]
    prepare_augmentation(["gain"], pairs[:1])
    with pytest.raises(TrainingError, match="gain needs a linear effect"):
        prepare_augmentation(["gain"], pairs)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"augment has no 'pitch'; give gain, polarity, noise"):
        prepare_augmentation(["gain", "pitch"], [])


@pytest.mark.parametrize("wet", ["silence", "wire"])
def test_silence_is_measured_without_nan(wet: str) -> None:
    silence = np.zeros(4 * RATE, np.float32)
    pair = make_pair(silence, silence if wet == "silence" else silence + np.float32(0.1))
    with pytest.raises(TrainingError, match="explains 100 %"):
        prepare_augmentation(["gain"], [pair])


# --- what is found


@pytest.mark.parametrize("what", ["no pause", "digital silence"])
def test_without_a_floor_the_noise_is_at_the_rounding_of_16_bits(take: np.ndarray, what: str) -> None:
    dry = np.random.default_rng(2).standard_normal(12 * RATE).astype(np.float32) / 8 if what == "no pause" else take
    if what == "digital silence":
        dry = dry.copy()
        dry[5 * RATE : 6 * RATE] = 0
    assert prepare_augmentation(["noise"], [make_pair(dry, dry)]).findings["noise_db"] == -100.0


def test_a_recording_on_disk_is_measured_like_one_in_memory(tmp_path: Path, take: np.ndarray) -> None:
    sides = []
    for name, audio in (("dry", take), ("wet", short_filter(take))):
        mapped = np.memmap(tmp_path / name, np.float32, "w+", shape=audio.shape)
        mapped[:] = audio
        sides.append(mapped)
    on_disk = prepare_augmentation(["gain", "noise"], [make_pair(*sides)])
    assert on_disk == prepare_augmentation(["gain", "noise"], [make_pair(take, short_filter(take))])
    assert on_disk.findings["pairs"][0]["linear_error"] < 1e-5


CIRCUITS = [
    ("rc-lowpass", "gain", True),
    ("ts-overdrive", "gain", False),
    ("ts-overdrive", "polarity", True),
    ("fuzz", "gain", False),
    ("fuzz", "polarity", False),
]


@pytest.mark.parametrize(("name", "augmentation", "allowed"), CIRCUITS)
def test_a_circuit_is_told_by_its_recording(name: str, augmentation: str, allowed: bool) -> None:
    files = [DATA / f"test-{side}.flac" for side in ("dry", name)]
    if not all(file.exists() for file in files):
        pytest.skip(f"there are no recordings of {name} beside the project")
    # the whole of it: the first 12.5 s of the overdrive alone are refused, which errs on the safe side
    (dry, rate), (wet, _) = (soundfile.read(file, dtype="float32") for file in files)
    pair = Pair(dry, wet, rate, "", "", ())
    if allowed:
        prepare_augmentation([augmentation], [pair])
    else:
        with pytest.raises(TrainingError, match=f"{augmentation} needs"):
            prepare_augmentation([augmentation], [pair])
