"""What a WaveNet consists of: descriptions of its layers, and where each of its weights lies in a flat array.

A network is a chain of arrays of layers. With c the condition (the audio, or what another network makes of it), x the
channels that enter a layer and ∗ a dilated causal convolution

    z = W ∗ x + b + M c        a = f(z)        s ← s + H a        x ← x + V a + v

A gated layer has twice the rows in z: a = f(z₁) g(z₂); a blended one a = g(z₂) f(z₁) + (1 − g(z₂)) z₁. Without H and V
the activations themselves are summed, and x stays. Before its first layer an array makes its channels of those of the
array before it (or of the audio); after its last one a convolution makes the array's result of s, which is where the s
of the next array begins. The result of the last array times a scale is that of the network.

The flat array holds, network by network: all of the condition's network first; then array by array the weights of its
entry, layer by layer W, b, M, V, v, H and its bias, and those of its result with their bias; at last the scale. A
matrix lies as (rows, columns / groups, taps), the newest tap last.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Activation:
    """A function of one number.

    Attributes
    ----------
    name : str
        One of `fxhost.stages.network_checks.ACTIVATIONS`.
    numbers : tuple of float
        LeakyReLU: the slope below 0. PReLU: the same, one for each channel. LeakyHardtanh: lowest and highest value
        of the straight part, the slope below it and the slope above it.
    """

    name: str
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True)
class Layer:
    """One layer of an array.

    Attributes
    ----------
    kernel_size, dilation : int
        Taps of its convolution, and frames from one to the next.
    activation : Activation
        f.
    gating : {'none', 'gated', 'blended'}
    secondary : Activation
        g, where the layer is gated or blended.
    """

    kernel_size: int
    dilation: int
    activation: Activation = Activation("Tanh")
    gating: str = "none"
    secondary: Activation = Activation("Sigmoid")

    @property
    def reach(self) -> int:
        """How many frames back the layer hears."""
        return (self.kernel_size - 1) * self.dilation


@dataclass(frozen=True)
class LayerArray:
    """Layers of the same size, one after the other.

    Attributes
    ----------
    layers : tuple of Layer
    input_size : int
        Channels that enter; 1 for the first array, those of the array before for others.
    condition_size : int
        Channels of the condition; 1 where it is the audio.
    channels : int
        Of x.
    head_size : int
        Channels of the result.
    head_kernel_size : int
        Taps of the convolution that makes it.
    head_bias : bool
    bottleneck : int
        Of a; 0 stands for as many as x has.
    groups_input, groups_input_mixin : int
        Groups of W and of M.
    layer1x1 : bool
        Whether there is V.
    layer1x1_groups : int
    head1x1_size : int
        Rows of H; 0 if there is none.
    head1x1_groups : int
    """

    layers: tuple[Layer, ...]
    input_size: int
    condition_size: int
    channels: int
    head_size: int
    head_kernel_size: int = 1
    head_bias: bool = False
    bottleneck: int = 0
    groups_input: int = 1
    groups_input_mixin: int = 1
    layer1x1: bool = True
    layer1x1_groups: int = 1
    head1x1_size: int = 0
    head1x1_groups: int = 1

    @property
    def runs(self) -> list[tuple[Layer, ...]]:
        """The layers, those together that follow each other and differ in nothing but their dilation."""
        return [tuple(run) for _, run in groupby(self.layers, key=lambda layer: replace(layer, dilation=1))]

    @property
    def activations(self) -> int:
        """Channels of a."""
        return self.bottleneck or self.channels

    @property
    def summed(self) -> int:
        """Channels of s."""
        return self.head1x1_size or self.activations

    @property
    def receptive_field(self) -> int:
        """How many frames make one of the result."""
        return sum(layer.reach for layer in self.layers) + self.head_kernel_size


@dataclass(frozen=True)
class Network:
    """A whole WaveNet with one input.

    Attributes
    ----------
    arrays : tuple of LayerArray
    condition : Network or None
        What makes the condition of the audio; None if the audio is the condition.
    """

    arrays: tuple[LayerArray, ...]
    condition: "Network | None" = None

    def to_text(self) -> str:
        """The network as JSON, the same for the same network."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Network":
        """The network that `to_text` wrote."""
        return cls._from_fields(json.loads(text))

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> "Network":
        arrays = []
        for array in fields["arrays"]:
            layers = [
                Layer(**layer | {key: _read_activation(layer[key]) for key in ("activation", "secondary")})
                for layer in array["layers"]
            ]
            arrays.append(LayerArray(**array | {"layers": tuple(layers)}))
        return cls(tuple(arrays), fields["condition"] and cls._from_fields(fields["condition"]))

    @property
    def output_size(self) -> int:
        """Channels of the result."""
        return self.arrays[-1].head_size

    @property
    def receptive_field(self) -> int:
        """How many frames of audio make one of the result."""
        own = sum(array.receptive_field for array in self.arrays)
        return own + (self.condition.receptive_field if self.condition else 0)

    @property
    def weight_count(self) -> int:
        """How many weights the network has."""
        own = sum(matrix.size for array in self.arrays for matrix in matrices(array))
        return own + 1 + (self.condition.weight_count if self.condition else 0)


def _read_activation(fields: dict[str, Any]) -> Activation:
    return Activation(fields["name"], tuple(fields["numbers"]))


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
        """The matrix with its zeros, and its bias or zeros, of the weights that are stored."""
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


def entry(array: LayerArray) -> Matrix:
    """What makes the channels of an array of those that enter it."""
    return Matrix(array.channels, array.input_size)


def layer_matrices(array: LayerArray, layer: Layer) -> dict[str, Matrix]:
    """The matrices of a layer, in the order of their weights."""
    a = array
    rows = a.activations * (1 if layer.gating == "none" else 2)
    found = {
        "convolution": Matrix(rows, a.channels, layer.kernel_size, a.groups_input, bias=True),
        "mixin": Matrix(rows, a.condition_size, groups=a.groups_input_mixin),
    }
    if a.layer1x1:
        found["layer1x1"] = Matrix(a.channels, a.activations, groups=a.layer1x1_groups, bias=True)
    if a.head1x1_size:
        found["head1x1"] = Matrix(a.head1x1_size, a.activations, groups=a.head1x1_groups, bias=True)
    return found


def result(array: LayerArray) -> Matrix:
    """What makes the result of an array of the sums of its layers."""
    return Matrix(array.head_size, array.summed, array.head_kernel_size, bias=array.head_bias)


def matrices(array: LayerArray) -> Iterator[Matrix]:
    """All matrices of an array, in the order of their weights."""
    yield entry(array)
    for layer in array.layers:
        yield from layer_matrices(array, layer).values()
    yield result(array)
