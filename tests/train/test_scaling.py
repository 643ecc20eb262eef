"""The level of the recordings does not matter to what is learned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fxhost.errors import TrainingError
from fxhost.preset.archive import read_preset
from fxhost.reference.torchscript import EffectLSTM
from tests.train.test_fit import RATE, TINY, write_pair
from train.fit import fit
from train.network.losses import LossWeights, training_loss
from train.network.model import make_model
from train.pairs.read import Stretch
from train.pairs.stretch import Material
from train.progress import Result
from train.scaling import DRY_RMS, TARGET_RMS, Scale, choose_scale

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.\w+` is (deprecated|not supported):DeprecationWarning")


def make_material(dry_gain: float = 1.0, wet_gain: float = 1.0) -> Material:
    rng = np.random.default_rng(7)
    dry = rng.uniform(-0.5, 0.5, 1709).astype(np.float32)
    wet = (0.7 * dry + rng.uniform(-0.1, 0.1, len(dry))).astype(np.float32)
    stretches = (Stretch(0, 503), Stretch(900, 1709))
    return Material(dry * np.float32(dry_gain), wet * np.float32(wet_gain), stretches)


def play(model: EffectLSTM, x: torch.Tensor) -> torch.Tensor:
    state = torch.zeros(model.lstm.num_layers, len(x), model.lstm.hidden_size)
    with torch.no_grad():
        y, _, _ = model(x, state, state)
    return y[:, :, 0]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_folded_network_plays_what_the_learning_one_puts_out_at_the_level_of_the_recording(
    residual: bool, layers: int
) -> None:
    generator = torch.Generator().manual_seed(3)
    learned = make_model(layers, 5, residual=False, memory_frames=30.0, generator=generator)
    x = torch.rand(2, 31, 1, generator=generator) - 0.5
    wet = torch.rand(2, 20, generator=generator) - 0.5
    scale = Scale(dry=3.3, target=0.21, residual=residual)
    heard, wanted = scale.apply(x, wet)
    played = scale.fold(learned)
    error = play(played, x)[:, 11:] - wet
    torch.testing.assert_close(play(learned, heard)[:, 11:] - wanted, error * 0.21, rtol=1e-5, atol=1e-6)
    again = make_model(layers, 5, residual=False, memory_frames=30.0, generator=generator)
    scale.unfold(played, again)
    for name, value in learned.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-6, atol=0.0)
    weights = LossWeights(plain=2.0, emphasised=3.0, direct=5.0)
    scaled = training_loss(wanted, play(learned, heard)[:, 11:], scale.weigh(weights))
    torch.testing.assert_close(scaled, training_loss(wet, play(played, x)[:, 11:], weights), rtol=1e-3, atol=0.0)


def test_what_is_trained_on_is_brought_to_the_level_of_the_trainer() -> None:
    material = make_material(dry_gain=0.003, wet_gain=50.0)
    scale = choose_scale([material], residual=False)
    cut = [np.concatenate([side[s.start : s.end] for s in material.stretches]) for side in material[:2]]
    levels = [float(np.sqrt(np.mean(side.astype(np.float64) ** 2))) for side in cut]
    assert levels[0] * scale.dry == pytest.approx(DRY_RMS, rel=1e-3)
    assert levels[1] * scale.target == pytest.approx(TARGET_RMS, rel=1e-3)


def test_a_difference_that_is_mere_rounding_is_not_made_loud() -> None:
    material = make_material()
    same = choose_scale([material._replace(wet=material.dry)], residual=True)
    assert same.target == pytest.approx(1000 * same.dry * TARGET_RMS / DRY_RMS, rel=1e-3)


def test_a_level_that_no_preset_could_hold_is_refused_and_a_faint_dry_side_is_not() -> None:
    with pytest.raises(TrainingError, match=r"an RMS of \+1\d\d dB .* \+80 dB is the most"):
        choose_scale([make_material(wet_gain=2.0**20)], residual=False)
    assert choose_scale([make_material(dry_gain=1e-7)], residual=False).dry == pytest.approx(2e4, rel=1e-3)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """What is learned from the pair as it is."""
    folder = tmp_path_factory.mktemp("as-it-is")
    return fit(replace(TINY, epochs=3), [write_pair(folder, "train", seed=1)], folder / "as-it-is.pt")


@pytest.mark.parametrize(("dry", "wet"), [(2.0**-9, 1.0), (1.0, 2.0**-9), (8.0, 2.0**5), (1.0, 2.0**12)])
def test_a_pair_at_another_level_is_learned_as_well(dry: float, wet: float, expected: Result, tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "train", seed=1)
    for path, gain in zip(pair, (dry, wet), strict=True):
        soundfile.write(path, soundfile.read(path)[0] * gain, RATE, subtype="FLOAT")
    result = fit(replace(TINY, epochs=3), [pair], tmp_path / "moved.pt")
    assert result.esr_validation == pytest.approx(expected.esr_validation, rel=1e-4)
    # as it is heard: a faint offset is not worth a DC blocker
    assert result.esr_test == pytest.approx(expected.esr_test, rel=0.02)
    before, after = (read_preset(each.preset) for each in (expected, result))
    np.testing.assert_allclose(after.weights["head_weight"], before.weights["head_weight"] * wet, rtol=1e-5)
    np.testing.assert_allclose(after.weights["weight_ih_l0"], before.weights["weight_ih_l0"] / dry, rtol=1e-5)
    again = replace(TINY, epochs=1, learning_rate=1e-9, learning_rate_end=0.0)
    resting = fit(again, [pair], tmp_path / "again.pt", start_from=result.preset)
    assert resting.esr_validation == pytest.approx(result.esr_validation, rel=1e-3)


def test_a_wet_side_over_full_scale_is_noted_because_the_host_limits_it(tmp_path: Path) -> None:
    dry, wet = write_pair(tmp_path, "train", seed=1)
    soundfile.write(wet, soundfile.read(wet)[0] * 8, RATE, subtype="FLOAT")
    result = fit(replace(TINY, epochs=1), [(dry, wet)], tmp_path / "loud.pt")
    assert any("play the preset with --output-gain-db -1" in note for note in result.notes)
