"""The untrained network, and how calm a network is."""

import pytest
import torch

from train.network.model import make_model
from train.network.stability import CALM, measure_divergence

RATE = 8000


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def make(hidden_size: int, layers: int = 1, seed: int = 1) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    return make_model(layers, hidden_size, residual=False, memory_frames=3200.0, generator=generator)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("hidden_size", [1, 3, 17])
def test_a_network_of_any_size_starts_finite_and_audible(layers: int, hidden_size: int) -> None:
    model = make(hidden_size, layers)
    state = torch.zeros(layers, 2, hidden_size)
    x = torch.randn(2, 509, 1, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        y, _, _ = model(x, state, state)
    assert y.shape == (2, 509, 1)
    assert y.isfinite().all()
    assert y.std() > 1e-5


def test_the_seed_decides_the_weights_and_the_global_generator_does_not() -> None:
    torch.manual_seed(1)
    first = make(5, seed=3).state_dict()
    torch.manual_seed(2)
    again, another = make(5, seed=3).state_dict(), make(5, seed=4).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not any(torch.equal(first[key], another[key]) for key in first)


def test_the_units_forget_at_all_speeds_up_to_the_longest_memory() -> None:
    for layer in range(2):
        module = make(128, layers=2)
        biases = [module.get_parameter(f"lstm.bias_{kind}_l{layer}").detach().view(4, 128) for kind in ("ih", "hh")]
        forget, keep_out = sum(biases)[1], sum(biases)[0]
        times = 1 / (1 - torch.sigmoid(forget))  # frames after which a unit that hears nothing has forgotten 63 %
        assert 1.9 < times.min() < 3
        assert 2500 < times.max() <= 3201
        assert 30 < times.median() < 120  # even in log: the middle is the root of the longest
        torch.testing.assert_close(keep_out, -forget)


def test_an_untrained_network_is_calm() -> None:
    assert measure_divergence(make(16), RATE) < 1e-5


def test_a_network_that_oscillates_by_itself_is_found() -> None:
    model = make(16)
    with torch.no_grad():
        model.get_parameter("lstm.weight_hh_l0").mul_(60.0)
    assert measure_divergence(model, RATE) > CALM
