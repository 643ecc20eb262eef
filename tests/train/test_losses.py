"""The ESR and the training loss."""

import numpy as np
import pytest
import torch

import train.network.losses
from fxhost.errors import TrainingError
from train.network.losses import PRE_EMPHASIS, LossWeights, esr, pre_emphasise, training_loss, weigh_losses

PLAIN, EMPHASISED = LossWeights(1.0, 0.0, 1.0), LossWeights(0.0, 1.0, 1.0)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def test_esr_of_silence_is_one_and_of_the_target_itself_zero() -> None:
    target = noise(1009)
    assert esr(target, np.zeros_like(target)) == pytest.approx(1.0)
    assert esr(target, target) == 0.0


def test_esr_is_pooled_and_not_a_mean_of_ratios() -> None:
    target = np.array([[10.0, 0.0], [1.0, 0.0]])
    output = np.array([[10.0, 0.0], [0.0, 0.0]])
    assert esr(target, output) == pytest.approx(1 / 101)


def test_esr_is_summed_in_float64() -> None:
    target = np.ones(1 << 20, np.float32)
    output = target.copy()
    output[-1] += 2**-12
    assert esr(target, output) == pytest.approx(2**-24 / (1 << 20), rel=1e-12)


def test_esr_refuses_silence_and_unlike_shapes() -> None:
    with pytest.raises(TrainingError, match="silent"):
        esr(np.zeros(5), np.ones(5))
    with pytest.raises(TrainingError, match=r"got \(4,\), expected \(5,\)"):
        esr(np.ones(5), np.ones(4))


def test_pre_emphasis_takes_the_sample_before_the_first_as_zero() -> None:
    x = torch.tensor([[1.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
    expected = torch.tensor([[1.0, 1 - PRE_EMPHASIS, -PRE_EMPHASIS], [2.0, -2 * PRE_EMPHASIS, 0.0]])
    torch.testing.assert_close(pre_emphasise(x), expected)


def test_the_loss_of_silence_on_the_whole_target_is_one_but_for_its_mean() -> None:
    target = torch.from_numpy(noise(3, 509))
    target = target - target.mean(dim=1, keepdim=True)
    target[1] *= 0.1
    for weights, filtered in zip(weigh_losses(target.numpy()), (target, pre_emphasise(target)), strict=True):
        loss = training_loss(target, torch.zeros_like(target), weights)
        silence = filtered.square().mean() * (weights.plain + weights.emphasised)
        assert silence.item() == pytest.approx(1.0, rel=1e-5)
        assert loss.item() == pytest.approx(1.0, rel=1e-5)


def test_long_targets_are_weighed_block_by_block_to_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [noise(1, 5000)[0], noise(2, 77)[0]]
    whole = weigh_losses(targets)
    monkeypatch.setattr(train.network.losses, "BLOCK_FRAMES", 64)
    for blockwise, at_once in zip(weigh_losses(targets), whole, strict=True):
        assert vars(blockwise) == pytest.approx(vars(at_once), rel=1e-12)


def test_pre_emphasis_makes_a_high_frequency_error_cost_more() -> None:
    target = torch.zeros(1, 400)
    n = torch.arange(400.0)
    low, high = torch.sin(2 * torch.pi * n / 200)[None], torch.sin(2 * torch.pi * n / 4)[None]
    plain = [training_loss(target, error, PLAIN).item() for error in (low, high)]
    emphasised = [training_loss(target, error, EMPHASISED).item() for error in (low, high)]
    assert plain[0] == pytest.approx(plain[1], rel=1e-3)
    assert emphasised[1] > 10 * emphasised[0]


def test_an_offset_costs_twice_because_of_the_dc_term() -> None:
    target = torch.zeros(2, 17)
    assert training_loss(target, target + 0.5, PLAIN).item() == pytest.approx(0.5)


def test_a_silent_window_gives_a_finite_loss_and_gradient() -> None:
    output = torch.full((2, 17), 0.1, requires_grad=True)
    loss = training_loss(torch.zeros(2, 17), output, LossWeights(0.0, 1000.0, 100.0))
    loss.backward()
    assert loss.isfinite()
    assert output.grad is not None
    assert output.grad.isfinite().all()


def test_a_silent_training_target_is_refused() -> None:
    with pytest.raises(TrainingError, match="silent"):
        weigh_losses(np.zeros((1, 100), np.float32))
