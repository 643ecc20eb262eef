"""Dense layers before and after a recurrent network: where their weights lie, and the code that plays them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.native.llvm_types import Ptr, Vec, Word
from fxhost.native.vectors import Vectors
from fxhost.networks.wavenet_layers import Activation
from fxhost.stages.activations import activate_one

PLAIN = json.dumps([[], [], "linear"])  # no dense layer but the output's
LINE = 16  # float32 in a cache line
ACTIVATIONS = {"tanh": "Tanh", "relu": "ReLU", "sigmoid": "Sigmoid", "elu": "ELU"}


@dataclass(frozen=True)
class Product:
    """One layer.

    Attributes
    ----------
    place : {'before', 'after'}
    number : int
        Which of that place.
    columns, rows : int
        Numbers that enter and that leave.
    activation : str
    start : int
        Where its weights lie after those of the first: column by column, the bias first, each in whole cache lines.
    """

    place: str
    number: int
    columns: int
    rows: int
    activation: str
    start: int

    @property
    def stride(self) -> int:
        """From column to column."""
        return -(-self.rows // LINE) * LINE

    @property
    def size(self) -> int:
        """How many numbers its weights take."""
        return self.stride * (1 + self.columns)

    def arrange(self, weights: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Its weights as the code reads them, float32 (size,)."""
        columns = np.zeros((1 + self.columns, self.stride), np.float32)
        columns[0, : self.rows] = weights[f"{self.place}_bias_{self.number}"]
        columns[1:, : self.rows] = weights[f"{self.place}_weight_{self.number}"].T
        return columns.ravel()


@dataclass(frozen=True)
class DenseChain:
    """All dense layers of a network, from the text of `fxhost.networks.dense`.

    Attributes
    ----------
    before, after : tuple of (int, str)
        The size and the activation of each layer.
    output : str
        The activation of the output.
    """

    before: tuple[tuple[int, str], ...] = ()
    after: tuple[tuple[int, str], ...] = ()
    output: str = "linear"

    @classmethod
    def from_text(cls, text: str) -> "DenseChain":
        """The layers that a text describes."""
        before, after, output = json.loads(text)
        return cls(tuple(map(tuple, before)), tuple(map(tuple, after)), output)

    def products(self, inputs: int, hidden_size: int) -> list[Product]:
        """The layers in the order in which they play."""
        found: list[Product] = []
        start = 0
        for place, columns, layers in (("before", inputs, self.before), ("after", hidden_size, self.after)):
            for n, (rows, activation) in enumerate(layers):
                found.append(Product(place, n, columns, rows, activation, start))
                columns, start = rows, start + found[-1].size
        return found

    @property
    def widest(self) -> int:
        """Numbers that leave the largest layer, in whole cache lines; 0 if there is none."""
        return max((-(-size // LINE) * LINE for size, _ in (*self.before, *self.after)), default=0)


NONE = DenseChain()


def emit_product(v: Vectors, product: Product, weights: Ptr, source: Ptr, target: Ptr, registers: int) -> None:
    """Emit one dense layer that reads numbers and writes whole vectors; `weights` points to the first layer's."""
    start, room = v.offset(weights, product.start), 3 * registers // 4
    vectors = -(-product.rows // v.width)
    for first in range(0, vectors, room):
        part = range(first, min(vectors, first + room))
        sums = [v.variable(v.load(start, n * v.width)) for n in part]
        with v.repeat(product.columns) as column:
            scale = v.broadcast(v.offset(source, column))
            own = v.offset(start, product.stride, (column, product.stride))
            for n, total in zip(part, sums, strict=True):
                v.set(total, v.multiply_add(scale, v.load(own, n * v.width), v.get(total)))
        for n, total in zip(part, sums, strict=True):
            v.store(activate_dense(v, product.activation, v.get(total)), target, n * v.width)


def activate_dense(v: Vectors, name: str, x: Vec) -> Vec:
    """Emit the activation of a vector."""
    return x if name == "linear" else activate_one(v, Activation(ACTIVATIONS[name]), x, 0)


def activate_number(v: Vectors, name: str, number: Word) -> Vec:
    """Emit the activation of one number."""
    return number if name == "linear" else v.first(activate_dense(v, name, v.fill(number)))
