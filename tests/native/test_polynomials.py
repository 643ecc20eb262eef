"""The coefficients of the kernels' tanh and 2ˣ are those of a minimax fit."""

import pytest

from fxhost.native.vectors import CLOSE_TANH, POWER, QUICK_TANH, TANH, Tanh
from tests.measure.polynomials import fit_power, fit_tanh, power_error, tanh_error


@pytest.mark.parametrize(("used", "error"), [(TANH, 1.8e-7), (CLOSE_TANH, 1.25e-8), (QUICK_TANH, 1.1e-6)])
def test_tanh_is_as_close_as_its_terms_allow(used: Tanh, error: float) -> None:
    fit = fit_tanh(used.limit, len(used.p), len(used.q), rounds=200)
    assert tanh_error(used) < error
    assert tanh_error(used) < 1.02 * tanh_error(fit)


def test_the_power_is_as_close_as_its_terms_allow() -> None:
    assert power_error(POWER) < 7.6e-8
    assert power_error(POWER) < 1.02 * power_error(fit_power(len(POWER), rounds=200))
