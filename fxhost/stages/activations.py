"""The activations of a WaveNet on vectors. NaN stays NaN in each."""

from collections.abc import Sequence
from typing import Any

from fxhost.native.llvm_types import Vec, Word
from fxhost.native.vectors import CLOSE_TANH, Vectors
from fxhost.networks.wavenet_layers import Activation

_LOG2_E = 1.4426950408889634
FAST_TANH = (2.45550750702956, 0.893229853513558, 0.821226666969744, 2.44506634652299, 0.814642734961073)


def activate(
    v: Vectors, activation: Activation, rows: Sequence[Sequence[Vec]], channels: Sequence[Any]
) -> list[list[Vec]]:
    """The activations of some rows of vectors, and the numbers of their channels."""
    return [
        [activate_one(v, activation, value, channel) for value in row]
        for channel, row in zip(channels, rows, strict=True)
    ]


def activate_one(v: Vectors, activation: Activation, x: Vec, channel: Word) -> Vec:
    """The activation of one vector, of this channel."""
    numbers, zero, one, half = activation.numbers, v.constant(0.0), v.constant(1.0), v.constant(0.5)
    match activation.name:
        case "Tanh":
            return v.divide(*v.tanh_ratio(x, CLOSE_TANH))  # a shared division would be quicker but less exact
        case "Hardtanh":
            return v.clamp(x, 1.0)
        case "ReLU":
            return greatest(v, x, zero)
        case "LeakyReLU" | "PReLU":
            slope = numbers[0] if activation.name == "LeakyReLU" else numbers[channel]
            return choose(v, x, ">", zero, x, v.multiply(x, v.constant(slope)))
        case "LeakyHardtanh":
            low, high, below, above = map(v.constant, numbers)
            upper = choose(v, x, ">", high, v.multiply_add(v.subtract(x, high), above, high), x)
            return choose(v, x, "<", low, v.multiply_add(v.subtract(x, low), below, low), upper)
        case "Hardswish":
            third = v.clamp(v.multiply(x, v.constant(1 / 3)), 1.0)
            return v.multiply(x, v.multiply_add(third, half, half))
        case "ELU":
            below = v.subtract(v.power_of_two(v.multiply(x, v.constant(_LOG2_E))), one)
            return choose(v, x, ">", zero, x, below)
        case "Softsign":
            return softsign(v, x)
        case "Softsigmoid":
            return v.multiply_add(softsign(v, x), half, half)
        case "Fasttanh":
            return fast_tanh(v, x)
    sigmoid = v.divide(one, v.add(v.power_of_two(v.multiply(x, v.constant(-_LOG2_E))), one))
    if activation.name == "Sigmoid":
        return sigmoid
    return v.multiply(greatest(v, x, v.constant(-20.0)), sigmoid)  # below it SiLU is 0 but the sigmoid is not quite


def softsign(v: Vectors, x: Vec) -> Vec:
    """The value over one more than its size, x / (1 + |x|)."""
    return v.divide(x, v.add(greatest(v, x, v.subtract(v.constant(0.0), x)), v.constant(1.0)))


def fast_tanh(v: Vectors, x: Vec) -> Vec:
    """Neural Amp Modeler's stand-in for tanh: x (p + p a + (q + r a) x²) / (s + (s + x²) |x + t x a|) with a = |x|.

    x is taken within ±1e6, so that x⁴ is finite.
    """
    p, q, r, s, t = map(v.constant, FAST_TANH)
    x = v.clamp(x, 1e6)
    square, size = v.multiply(x, x), greatest(v, x, v.subtract(v.constant(0.0), x))
    over = v.multiply_add(v.multiply_add(r, size, q), square, v.multiply_add(p, size, p))
    under = v.multiply_add(v.add(s, square), v.multiply_add(v.multiply(t, size), size, size), s)
    return v.divide(v.multiply(x, over), under)


def choose(v: Vectors, x: Vec, comparison: str, bound: Vec, then: Vec, otherwise: Vec) -> Vec:
    """One of two values lane by lane; where x is NaN the second."""
    return v.builder.select(v.builder.fcmp_ordered(comparison, x, bound), then, otherwise)


def greatest(v: Vectors, x: Vec, y: Vec) -> Vec:
    """The greater of two."""
    return choose(v, x, "<", y, y, x)
