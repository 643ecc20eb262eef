"""Fit the coefficients of the kernels' tanh and 2ˣ, and print them beside those in `fxhost/native/vectors.py`.

    python -m tests.measure.polynomials

Each is a minimax fit of the relative error: Lawson's algorithm, a least-squares fit whose weights grow where the error
is largest. tanh(x) = x P(x²)/Q(x²) is linear in P and Q once both are multiplied by Q, taken from the round before.
"""

import numpy as np
from numpy.typing import NDArray

from fxhost.native.vectors import CLOSE_TANH, POWER, QUICK_TANH, TANH, Tanh

POINTS = 500
ROUNDS = 1000
GENTLE = 0.3  # the power of the error by which a weight grows: 1 overshoots

Float64Array = NDArray[np.float64]


def chebyshev_points(low: float, high: float, count: int = POINTS) -> Float64Array:
    """Points that lie closer at both ends."""
    return low + (high - low) * 0.5 * (1 - np.cos(np.pi * (np.arange(count) + 0.5) / count))


def fit_tanh(limit: float, p_terms: int, q_terms: int, rounds: int = ROUNDS) -> Tanh:
    """The minimax fit of tanh for |x| ≤ `limit`; Q begins with 1."""
    x = chebyshev_points(0.0, limit)
    t, truth = x * x, np.tanh(x) / x
    powers_p, powers_q = (np.stack([(t / limit**2) ** n for n in range(terms)], axis=1) for terms in (p_terms, q_terms))
    weights, q_values = np.ones(len(x)), np.ones(len(x))
    best, least = Tanh(limit, (), ()), np.inf
    for _ in range(rounds):
        scale = np.sqrt(weights) / (truth * q_values)
        columns = np.hstack([powers_p, -truth[:, None] * powers_q[:, 1:]]) * scale[:, None]
        found = np.linalg.lstsq(columns, truth * scale, rcond=None)[0]
        p, q = found[:p_terms], np.concatenate([[1.0], found[p_terms:]])
        q_values = powers_q @ q
        error = np.abs(powers_p @ p / q_values / truth - 1)
        if error.max() < least:
            least = float(error.max())
            units = [limit ** (-2 * n) for n in range(max(p_terms, q_terms))]
            best = Tanh(limit, tuple(map(float, p * units[:p_terms])), tuple(map(float, q * units[:q_terms])))
        weights *= (error / error.max()) ** GENTLE
        weights /= weights.mean()
    return best


def fit_power(terms: int, rounds: int = ROUNDS) -> tuple[float, ...]:
    """The minimax fit of 2ˣ for |x| ≤ ½."""
    x = chebyshev_points(-0.5, 0.5)
    truth = np.exp2(x)
    powers = np.stack([x**n for n in range(terms)], axis=1)
    weights = np.ones(len(x))
    best, least = np.zeros(terms), np.inf
    for _ in range(rounds):
        scale = np.sqrt(weights) / truth
        found = np.linalg.lstsq(powers * scale[:, None], np.sqrt(weights), rcond=None)[0]
        error = np.abs(powers @ found / truth - 1)
        if error.max() < least:
            best, least = found, float(error.max())
        weights *= (error / error.max()) ** GENTLE
        weights /= weights.mean()
    return tuple(map(float, best))


def tanh_error(tanh: Tanh) -> float:
    """The largest relative error of a fit, in float64."""
    x = chebyshev_points(1e-3, tanh.limit, 100_000)
    t = x * x
    return float(np.abs(x * np.polyval(tanh.p[::-1], t) / np.polyval(tanh.q[::-1], t) / np.tanh(x) - 1).max())


def power_error(coefficients: tuple[float, ...]) -> float:
    """The largest relative error of a fit, in float64."""
    x = chebyshev_points(-0.5, 0.5, 100_000)
    return float(np.abs(np.polyval(coefficients[::-1], x) / np.exp2(x) - 1).max())


def main() -> None:
    """Print every fit and its error beside the one in use."""
    for name, used in (("TANH", TANH), ("CLOSE_TANH", CLOSE_TANH), ("QUICK_TANH", QUICK_TANH)):
        fit = fit_tanh(used.limit, len(used.p), len(used.q))
        print(f"{name}: relative error {tanh_error(fit):.2e}, in use {tanh_error(used):.2e}\n  {fit.p}\n  {fit.q}")
    power = fit_power(len(POWER))
    print(f"POWER: relative error {power_error(power):.2e}, in use {power_error(POWER):.2e}\n  {power}")


if __name__ == "__main__":
    main()
