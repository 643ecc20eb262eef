"""Descriptions of a WaveNet's layers, arrays of them and heads; `fxhost.networks.wavenet` says what they compute."""

from dataclasses import dataclass, replace
from itertools import groupby

from fxhost.networks.wavenet_matrices import Matrix

FILM_PLACES = (
    *("conv_pre", "conv_post", "input_mixin_pre", "input_mixin_post"),
    *("activation_pre", "activation_post", "layer1x1_post", "head1x1_post"),
)


@dataclass(frozen=True)
class Activation:
    """A function of one number.

    Attributes
    ----------
    name : str
        One of `fxhost.networks.wavenet_checks.ACTIVATIONS`.
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
        """How many past frames the layer sees."""
        return (self.kernel_size - 1) * self.dilation


@dataclass(frozen=True)
class Film:
    """FiLM: scales and shifts the channels at one place of a layer by linear functions of the condition.

    Attributes
    ----------
    place : str
        One of `FILM_PLACES`.
    shift : bool
        Whether there is q.
    groups : int
        Of P.
    """

    place: str
    shift: bool = True
    groups: int = 1


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
    head_dilation : int
        Frames from one of these taps to the next.
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
    films : tuple of Film
        In the order of their places; the same in each layer.
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
    head_dilation: int = 1
    films: tuple[Film, ...] = ()

    @property
    def runs(self) -> list[tuple[Layer, ...]]:
        """Runs of successive layers that differ only in their dilation."""
        return [tuple(run) for _, run in groupby(self.layers, key=lambda layer: replace(layer, dilation=1))]

    @property
    def activations(self) -> int:
        """The number of channels after the activation."""
        return self.bottleneck or self.channels

    @property
    def summed(self) -> int:
        """The number of channels that go to the head."""
        return self.head1x1_size or self.activations

    @property
    def receptive_field(self) -> int:
        """The receptive field of the array in frames."""
        return sum(layer.reach for layer in self.layers) + self.head_reach + 1

    @property
    def head_reach(self) -> int:
        """How many past frames the head rechannel convolution sees."""
        return (self.head_kernel_size - 1) * self.head_dilation

    def film(self, place: str) -> Film | None:
        """The FiLM at a place, if there is one."""
        return next((film for film in self.films if film.place == place), None)


@dataclass(frozen=True)
class Head:
    """The head after the last array: an activation and a convolution with a bias, for each of its layers.

    Attributes
    ----------
    kernel_sizes : tuple of int
        The taps of each convolution.
    channels : int
        Between the convolutions.
    output_size : int
        Channels of the last one.
    activation : Activation
        Before each of them; without arrays before the head the first one hears the audio as it is.
    dilations : tuple of int
        Frames from one tap to the next in each convolution; empty where it is 1 in all.
    """

    kernel_sizes: tuple[int, ...]
    channels: int
    output_size: int
    activation: Activation
    dilations: tuple[int, ...] = ()

    def matrices(self, entering: int) -> list[Matrix]:
        """The matrices of the convolutions, for a given number of input channels."""
        inner = [self.channels] * (len(self.kernel_sizes) - 1)
        sizes = zip([*inner, self.output_size], [entering, *inner], self.kernel_sizes, strict=True)
        return [Matrix(rows, columns, taps, bias=True) for rows, columns, taps in sizes]

    @property
    def reach(self) -> int:
        """How many past frames the head sees."""
        return sum(self.reaches)

    @property
    def reaches(self) -> list[int]:
        """How many past frames each convolution sees."""
        return [(taps - 1) * step for taps, step in zip(self.kernel_sizes, self.steps, strict=True)]

    @property
    def steps(self) -> tuple[int, ...]:
        """The dilation of each convolution."""
        return self.dilations or (1,) * len(self.kernel_sizes)
