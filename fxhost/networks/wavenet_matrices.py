"""Matrices of convolutions: their order in a flat array of weights, and the full matrix of a grouped convolution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Matrix:
    """A matrix of weights, of one or several taps.

    Attributes
    ----------
    rows, columns, taps : int
    groups : int
        Blocks on the diagonal; all else is 0 and is not stored.
    bias : bool
    """

    rows: int
    columns: int
    taps: int = 1
    groups: int = 1
    bias: bool = False

    @property
    def size(self) -> int:
        """How many weights are stored."""
        return self.rows * self.columns * self.taps // self.groups + self.bias * self.rows

    def read(self, weights: NDArray[np.float64]) -> "Weights":
        """The full matrix of a (grouped) convolution and its bias, from the stored weights."""
        rows, columns = self.rows // self.groups, self.columns // self.groups
        count = self.size - self.bias * self.rows
        blocks = weights[:count].reshape(self.groups, rows, columns, self.taps)
        full = np.zeros((self.rows, self.columns, self.taps))
        for group, block in enumerate(blocks):
            full[group * rows :, group * columns :][:rows, :columns] = block
        return Weights(full, weights[count : self.size] if self.bias else np.zeros(self.rows))


@dataclass(frozen=True)
class Weights:
    """The numbers of a matrix: float64 (rows, columns, taps), and those of its bias, (rows,)."""

    matrix: NDArray[np.float64]
    bias: NDArray[np.float64]
