"""The fused CPU kernels against torch in float64: losses, outputs, states, and the gradient of every parameter."""

import threading

import pytest
import torch

from fxhost.reference.torchscript import EffectLSTM
from tests.conftest import make_module
from train.network.fused import FusedLSTM
from train.network.losses import LossWeights
from train.network.plain import PlainLSTM
from train.network.team import Team

GRADIENT_TOLERANCE = 1e-4  # what a float32 gradient may be off, relative to its norm; in fact it is 2e-6
PLAIN = LossWeights(plain=2.0, emphasised=0.0, direct=0.5)
SHAPES = [
    # layers, hidden, inputs, residual, batch, frames
    (1, 1, 1, False, 1, 1),
    (1, 8, 1, False, 3, 17),
    (1, 16, 1, False, 32, 128),
    (1, 23, 2, True, 33, 509),
    (1, 24, 1, False, 64, 64),
    (1, 40, 1, False, 70, 333),
    (1, 64, 1, False, 64, 64),
    (1, 7, 4, True, 5, 1000),
    (2, 20, 2, False, 33, 129),
    (3, 9, 1, True, 40, 50),
]


def make_pair(layers: int, hidden: int, inputs: int, residual: bool) -> tuple[FusedLSTM, PlainLSTM]:
    """The same network in float32 on the kernels and in float64 in torch."""
    module = make_module(layers, hidden, inputs, residual, seed=hidden)
    exact = EffectLSTM(layers, hidden, inputs, residual).double()
    exact.load_state_dict(module.state_dict())
    return FusedLSTM(module, threads=2), PlainLSTM(exact)


def assert_same_gradients(fused: FusedLSTM, exact: PlainLSTM) -> None:
    gradient = fused.weights[0].grad
    assert gradient is not None
    for got, (name, truth) in zip(fused.views(gradient.numpy()), exact.model.named_parameters(), strict=True):
        assert truth.grad is not None, name
        error = (torch.from_numpy(got) - truth.grad).norm() / truth.grad.norm()
        assert error < GRADIENT_TOLERANCE, name


@pytest.mark.parametrize("weights", [PLAIN, LossWeights(0.3, 3.0, 1.0)], ids=["plain", "emphasised"])
@pytest.mark.parametrize(("layers", "hidden", "inputs", "residual", "batch", "frames"), SHAPES)
def test_two_windows_agree_with_torch_in_losses_outputs_states_and_gradients(
    layers: int, hidden: int, inputs: int, residual: bool, batch: int, frames: int, weights: LossWeights
) -> None:
    fused, exact = make_pair(layers, hidden, inputs, residual)
    generator = torch.Generator().manual_seed(frames)
    h = torch.rand(layers, batch, hidden, generator=generator) * 1.8 - 0.9
    c = torch.rand(layers, batch, hidden, generator=generator) * 3 - 1.5
    exact_h, exact_c = h.double(), c.double()
    for _ in range(2):  # the second starts from the state that the first has left, and adds to its gradients
        x = torch.randn(batch, frames, inputs, generator=generator)
        target = torch.randn(batch, frames, generator=generator)
        y, _, _ = fused.play(x, h, c)
        exact_y, _, _ = exact.play(x.double(), exact_h, exact_c)
        loss, h, c = fused.loss(x, target, h, c, weights)
        exact_loss, exact_h, exact_c = exact.loss(x.double(), target.double(), exact_h, exact_c, weights)
        for got, truth in ((y, exact_y), (h, exact_h), (c, exact_c)):
            assert (got - truth).abs().max() < 3e-6
            assert not got.requires_grad
        assert loss.item() == pytest.approx(exact_loss.item(), rel=1e-5)
        loss.backward()
        exact_loss.backward()
    assert_same_gradients(fused, exact)


def test_windows_that_are_slices_of_longer_audio_are_read_where_they_lie() -> None:
    fused, exact = make_pair(1, 12, 1, False)
    generator = torch.Generator().manual_seed(3)
    audio, target = torch.randn(40, 300, 1, generator=generator), torch.randn(40, 300, generator=generator)
    state = torch.zeros(1, 40, 12)
    loss, _, _ = fused.loss(audio[:, 100:200], target[:, 100:200], state, state, PLAIN)
    exact_loss, _, _ = exact.loss(
        audio[:, 100:200].double(), target[:, 100:200].double(), state.double(), state.double(), PLAIN
    )
    assert loss.item() == pytest.approx(exact_loss.item(), rel=1e-5)


def test_a_smaller_batch_after_a_larger_one_is_not_touched_by_what_is_left_over() -> None:
    fused, exact = make_pair(2, 12, 1, False)
    for batch, frames in ((70, 100), (3, 40), (33, 120)):
        fused.weights[0].grad = None
        exact.model.zero_grad()
        generator = torch.Generator().manual_seed(batch)
        x, target = torch.randn(batch, frames, 1, generator=generator), torch.zeros(batch, frames)
        state = torch.zeros(2, batch, 12)
        loss, _, _ = fused.loss(x, target, state, state, PLAIN)
        exact_loss, _, _ = exact.loss(x.double(), target.double(), state.double(), state.double(), PLAIN)
        loss.backward()
        exact_loss.backward()
        assert loss.item() == pytest.approx(exact_loss.item(), rel=1e-5)
        assert_same_gradients(fused, exact)


def test_a_step_along_the_gradient_changes_the_model() -> None:
    module = make_module(1, 8, 1, False, seed=1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    fused = FusedLSTM(module, threads=1)
    x, state = torch.ones(4, 10, 1), torch.zeros(1, 4, 8)
    optimiser = torch.optim.SGD(fused.weights, lr=0.1)
    fused.loss(x, torch.zeros(4, 10), state, state, PLAIN)[0].backward()
    optimiser.step()
    for name, value in module.state_dict().items():
        assert not torch.equal(value, before[name]), name


def test_the_number_of_threads_changes_nothing() -> None:
    results = []
    for threads in (1, 2, 3):
        fused = FusedLSTM(make_module(1, 16, 1, False, seed=16), threads)
        generator = torch.Generator().manual_seed(9)
        x, target = torch.randn(150, 64, 1, generator=generator), torch.randn(150, 64, generator=generator)
        state = torch.zeros(1, 150, 16)
        loss, h, c = fused.loss(x, target, state, state, PLAIN)
        loss.backward()
        results.append([loss.detach(), h, c, fused.weights[0].grad])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_a_team_does_every_job_once_with_every_member_also_after_it_slept() -> None:
    team, done = Team(3), []
    lock = threading.Lock()

    def work(member: int) -> None:
        with lock:
            done.append((job, member))

    for job in range(50):
        if job % 10 == 9:
            threading.Event().wait(0.01)  # longer than its patience
        team.run(work)
    assert sorted(done) == [(job, member) for job in range(50) for member in range(3)]


def test_an_error_in_a_team_reaches_the_caller_and_the_next_job_is_done() -> None:
    team, done = Team(2), []

    def fail(member: int) -> None:
        if member:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        team.run(fail)
    team.run(done.append)
    assert sorted(done) == [0, 1]
