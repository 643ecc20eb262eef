"""The memory of a recurrent network: where its state and its weights lie, for vectors of a given width."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fxhost.stages.recurrent.dense import NONE, DenseChain

LAYERWISE_FRAMES = 32  # that go through a layer before the next one, where all layers are too large for a cache
LAYERWISE_SIZE = 1 << 18  # weights from which on they are
X_ROOM = 16  # float32 reserved for the inputs, and for the knobs' targets
GATES = {"lstm": 4, "gru": 3}  # gates of a unit in torch's weights


@dataclass(frozen=True)
class Group:
    """Units that are updated side by side.

    Attributes
    ----------
    first : int
        The first unit.
    lanes : int
        How many units: a whole vector, half of one or a quarter.
    row, vectors : int
        The vectors of a column that hold the weights of their sums: sum after sum, `lanes` numbers each.
    """

    first: int
    lanes: int
    row: int
    vectors: int

    @property
    def rows(self) -> range:
        """The vectors of a column, counted from its first."""
        return range(self.row, self.row + self.vectors)


@cache
def group_units(hidden_size: int, width: int, widest: int) -> tuple[Group, ...]:
    """The groups of a layer: whole vectors, and for what is left the narrowest that hold it, of 4 lanes at least.

    No group is wider than `widest`.
    """
    groups: list[Group] = []
    first = row = 0
    while first < hidden_size:
        rest = hidden_size - first
        quarter, half = max(4, width // 4), max(4, width // 2)
        if rest <= quarter:
            lanes = quarter
        elif rest <= half + quarter < width:
            lanes = half
        else:
            lanes = width
        lanes = min(lanes, widest)
        groups.append(Group(first, lanes, row, 4 * lanes // width))
        first, row = first + lanes, row + 4 * lanes // width
    return tuple(groups)


@dataclass(frozen=True)
class RecurrentLayout:
    """Where everything lies in the memory of a network of these sizes, in float32 from its start."""

    layers: int
    hidden_size: int
    inputs: int
    width: int  # float32 lanes in a vector
    widest: int  # lanes of the widest group
    dense: DenseChain = NONE

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of each layer."""
        return group_units(self.hidden_size, self.width, self.widest)

    @property
    def rows(self) -> int:
        """Vectors in a column of weights."""
        return self.groups[-1].rows.stop

    @property
    def padded(self) -> int:
        """Numbers that h or c of a layer take, in whole cache lines."""
        return -(-(self.groups[-1].first + self.groups[-1].lanes) // 16) * 16

    @property
    def state_floats(self) -> int:
        """Numbers that h and c of all layers take; they come first."""
        return 2 * self.layers * self.padded

    def columns(self, layer: int) -> int:
        """The inputs of a layer."""
        if layer > 0:
            return self.hidden_size
        return self.dense.before[-1][0] if self.dense.before else self.inputs

    @property
    def is_layerwise(self) -> bool:
        """Whether some frames go through one layer before the next."""
        return self.layers > 1 and sum(map(self.size, range(self.layers))) > LAYERWISE_SIZE

    def size(self, layer: int) -> int:
        """Numbers that the weights of a layer take, in whole cache lines; the bias is the first column."""
        return -(-self.rows * self.width * (1 + self.columns(layer) + self.hidden_size) // 16) * 16

    def offsets(self) -> dict[str, int]:
        """The first index of each part; the parts before `knob_targets` are what playing changes."""
        padded = self.padded
        sizes = {
            "h": self.layers * padded,
            "c": self.layers * padded,
            "x": X_ROOM,
            "knob_targets": X_ROOM,
            "h_next": padded,
        }
        sizes["weights"] = sum(map(self.size, range(self.layers)))
        if self.is_layerwise:
            sizes |= {
                "sequence": LAYERWISE_FRAMES * padded,
                "given_sums": LAYERWISE_FRAMES * self.rows * self.width,
            }
        dense = max(padded, self.dense.widest)
        sizes |= {"head": dense, "head_bias": 1, "knob_smoothing": 1}
        if self.dense.widest:  # what enters such a layer, and what leaves it
            products = self.dense.products(self.inputs, self.hidden_size)
            sizes |= {"given": dense, "made": dense, "dense": sum(product.size for product in products)}
        sizes["end"] = 0
        starts = np.concatenate([[0], np.cumsum([-(-size // 16) * 16 for size in sizes.values()])])
        return {name: int(start) for name, start in zip(sizes, starts, strict=False)}


def weight_columns(
    weights: Mapping[str, NDArray[np.float32]], layer: int, layout: RecurrentLayout, cell: str
) -> NDArray[np.float32]:
    """The weights of one layer as the kernel reads them.

    Returns
    -------
    float32 (1 + inputs + hidden_size, rows · width)
        A row for the bias, one for each input, one for each hidden unit; in it, group by group, the four sums of each
        unit: i, f, g, o of an LSTM; r, z, and what the inputs and the hidden units give to n of a GRU.
    """
    hidden, gates = layout.hidden_size, GATES[cell]
    w_ih, w_hh, b_ih, b_hh = (
        weights[f"{name}_l{layer}"].astype(np.float64).reshape(gates, hidden, -1).transpose(2, 0, 1)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    sums = np.zeros((1 + len(w_ih) + hidden, 4, layout.padded))
    if cell == "lstm":
        sums[:, :, :hidden] = np.concatenate([b_ih + b_hh, w_ih, w_hh])
    else:
        bias = np.concatenate([b_ih[:, :2] + b_hh[:, :2], b_ih[:, 2:], b_hh[:, 2:]], axis=1)
        sums[0, :, :hidden] = bias
        sums[1 : 1 + len(w_ih), :3, :hidden] = w_ih
        sums[1 + len(w_ih) :, [0, 1, 3], :hidden] = w_hh
    sums[:, :2] *= -np.log2(np.e)  # σ(x) = 1 / (1 + 2^(−x log2 e))
    if cell == "lstm":
        sums[:, 3] *= 0.5  # σ(x) = ½ + ½ tanh(x/2)
    groups = [sums[:, :, g.first : g.first + g.lanes].reshape(len(sums), -1) for g in layout.groups]
    return np.concatenate(groups, axis=1).astype(np.float32)
