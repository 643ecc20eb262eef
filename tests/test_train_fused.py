"""The fused CPU kernels against torch in float64: outputs, states, and the gradient of every parameter."""

import pytest
import torch
from conftest import make_module

from fxhost.torchscript import EffectLSTM
from train.fused import FusedLSTM

GRADIENT_TOLERANCE = 1e-4  # what a float32 gradient may be off, relative to its norm; in fact it is 1e-6
SHAPES = [
    # layers, hidden, inputs, residual, batch, frames
    (1, 1, 1, False, 1, 1),
    (1, 8, 1, False, 3, 17),
    (1, 16, 1, False, 32, 128),
    (1, 23, 2, True, 33, 509),
    (1, 40, 1, False, 70, 333),
    (1, 64, 1, False, 64, 64),
    (1, 7, 4, True, 5, 1000),
    (2, 20, 2, False, 33, 129),
    (3, 9, 1, True, 40, 50),
]


def make_pair(layers: int, hidden: int, inputs: int, residual: bool) -> tuple[EffectLSTM, EffectLSTM]:
    """The same module in float32 and in float64."""
    module = make_module(layers, hidden, inputs, residual, seed=hidden)
    exact = EffectLSTM(layers, hidden, inputs, residual).double()
    exact.load_state_dict(module.state_dict())
    return module, exact


def assert_same_gradients(module: EffectLSTM, exact: EffectLSTM) -> None:
    for (name, value), truth in zip(module.named_parameters(), exact.parameters(), strict=True):
        assert value.grad is not None and truth.grad is not None, name
        error = (value.grad - truth.grad).norm() / truth.grad.norm()
        assert error < GRADIENT_TOLERANCE, name


@pytest.mark.parametrize(("layers", "hidden", "inputs", "residual", "batch", "frames"), SHAPES)
def test_two_windows_agree_with_torch_in_outputs_states_and_gradients(
    layers: int, hidden: int, inputs: int, residual: bool, batch: int, frames: int
) -> None:
    module, exact = make_pair(layers, hidden, inputs, residual)
    fused = FusedLSTM(module, threads=2)
    generator = torch.Generator().manual_seed(frames)
    h = torch.rand(layers, batch, hidden, generator=generator) * 1.8 - 0.9
    c = torch.rand(layers, batch, hidden, generator=generator) * 3 - 1.5
    exact_h, exact_c = h.double(), c.double()
    for _ in range(2):  # the second starts from the state that the first has left, and adds to its gradients
        x = torch.randn(batch, frames, inputs, generator=generator)
        target = torch.randn(batch, frames, 1, generator=generator)
        y, h, c = fused(x, h, c)
        exact_y, exact_h, exact_c = exact(x.double(), exact_h.detach(), exact_c.detach())
        for got, truth in ((y, exact_y), (h, exact_h), (c, exact_c)):
            assert (got - truth).abs().max() < 2e-6
        assert not h.requires_grad
        (y - target).square().mean().backward()
        (exact_y - target.double()).square().mean().backward()
    assert_same_gradients(module, exact)


def test_a_smaller_batch_after_a_larger_one_is_not_touched_by_what_is_left_over() -> None:
    module, exact = make_pair(2, 12, 1, False)
    fused = FusedLSTM(module, threads=2)
    for batch, frames in ((70, 100), (3, 40), (33, 120)):
        module.zero_grad()
        exact.zero_grad()
        x = torch.randn(batch, frames, 1, generator=torch.Generator().manual_seed(batch))
        state = torch.zeros(2, batch, 12)
        y, _, _ = fused(x, state, state)
        exact_y, _, _ = exact(x.double(), state.double(), state.double())
        y.square().sum().backward()
        exact_y.square().sum().backward()
        assert (y - exact_y).abs().max() < 2e-6
        assert_same_gradients(module, exact)


def test_going_back_through_a_window_whose_memory_was_used_again_is_refused() -> None:
    module, _ = make_pair(1, 8, 1, False)
    fused = FusedLSTM(module, threads=1)
    x, state = torch.zeros(4, 10, 1), torch.zeros(1, 4, 8)
    first, _, _ = fused(x, state, state)
    fused(x, state, state)
    with pytest.raises(RuntimeError, match="call backward before the next window"):
        first.sum().backward()


def test_the_number_of_threads_changes_nothing() -> None:
    results = []
    for threads in (1, 2, 3):
        module, _ = make_pair(1, 16, 1, False)
        x = torch.randn(150, 64, 1, generator=torch.Generator().manual_seed(9))
        state = torch.zeros(1, 150, 16)
        y, _, _ = FusedLSTM(module, threads)(x, state, state)
        y.square().mean().backward()
        results.append([y.detach(), *(value.grad for value in module.parameters())])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
