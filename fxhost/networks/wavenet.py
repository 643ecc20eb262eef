"""The description of a WaveNet or a stack of convolutions, and the order of its weights in a flat array.

A network is a chain of arrays of layers. With c the condition (the audio, or what another network makes of it), x the
channels that enter a layer and ∗ a dilated causal convolution

    z = W ∗ x + b + M c        a = f(z)        s ← s + H a        x ← x + V a + v

A gated layer has twice the rows in z: a = f(z₁) g(z₂); a blended one a = g(z₂) f(z₁) + (1 − g(z₂)) z₁. Without H and V
the activations themselves are summed, and x stays. Before its first layer an array makes its channels of those of the
array before it (or of the audio); after its last one a convolution makes the array's result of s, which is where the s
of the next array begins. The result of the last array times a scale is that of the network, or enters its head, where
activations and convolutions take turns. A head may stand alone: then the audio enters its first convolution, and the
scale is that of its result. Such are a plain stack of convolutions and, with one convolution of many taps, an impulse
response.

A film (feature-wise linear modulation) is what makes of the channels u at one place of a layer p(c) u + q(c), where p
and q are the upper and the lower half of the rows of P c + r; without a shift there is no q. The places are: x before
W; W ∗ x + b; c before M; M c; z; a; V a + v; H a and its bias.

The flat array holds, network by network: all of the condition's network first; then array by array the weights of its
entry, layer by layer W, b, M, V, v, H and its bias, P and r of each film in the order of their places, and those of its
result with their bias; then those of the head's convolutions, each with its bias; at last the scale. A matrix lies as
(rows, columns / groups, taps), the newest tap last.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from fxhost.networks.wavenet_layers import FILM_PLACES, Activation, Film, Head, Layer, LayerArray
from fxhost.networks.wavenet_matrices import Matrix


@dataclass(frozen=True)
class WaveNet:
    """A whole WaveNet with one input.

    Attributes
    ----------
    arrays : tuple of LayerArray
        May be empty where there is a head, which hears the audio then.
    condition : WaveNet or None
        What makes the condition of the audio; None if the audio is the condition.
    head : Head or None
        What makes the output of the last array's result; None if that is the output.
    """

    arrays: tuple[LayerArray, ...]
    condition: "WaveNet | None" = None
    head: Head | None = None

    def to_text(self) -> str:
        """The network as JSON, the same for the same network."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "WaveNet":
        """The network that `to_text` wrote."""
        return cls._from_fields(json.loads(text))

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> "WaveNet":
        arrays = []
        for array in fields["arrays"]:
            layers = [
                Layer(**layer | {key: _read_activation(layer[key]) for key in ("activation", "secondary")})
                for layer in array["layers"]
            ]
            films = tuple(Film(**film) for film in array.get("films", ()))
            arrays.append(LayerArray(**array | {"layers": tuple(layers), "films": films}))
        condition = fields["condition"] and cls._from_fields(fields["condition"])
        return cls(tuple(arrays), condition, _read_head(fields.get("head")))

    @property
    def output_size(self) -> int:
        """Channels of the result."""
        return self.head.output_size if self.head else self.arrays[-1].head_size

    @property
    def is_response(self) -> bool:
        """Whether the network is an impulse response: one convolution of the audio."""
        return not self.arrays and self.head is not None and len(self.head.kernel_sizes) == 1

    def describe(self) -> str:
        """What it is in a few words."""
        if self.is_response and self.head is not None:
            return f"impulse response of {self.head.kernel_sizes[0]} taps"
        if self.head is not None and not self.arrays:
            return f"ConvNet of {len(self.head.kernel_sizes)} layers"
        return f"WaveNet of {sum(len(array.layers) for array in self.arrays)} layers"

    @property
    def is_newer(self) -> bool:
        """Whether it uses features that the first version of the `.nam` format lacks."""
        layers = [layer for array in self.arrays for layer in array.layers]
        names = {activation.name for layer in layers for activation in (layer.activation, layer.secondary)}
        names |= {self.head.activation.name} if self.head else set()
        newer = not self.arrays or bool(names & {"Softsigmoid", "Fasttanh"})
        return newer or (self.condition is not None and self.condition.is_newer)

    @property
    def head_matrices(self) -> list[Matrix]:
        """The matrices of the head, if there is one."""
        entering = self.arrays[-1].head_size if self.arrays else 1
        return self.head.matrices(entering) if self.head else []

    @property
    def receptive_field(self) -> int:
        """The receptive field: how many input frames one output frame depends on."""
        own = sum(array.receptive_field for array in self.arrays) + (self.head.reach if self.head else 0)
        own += 0 if self.arrays else 1
        return own + (self.condition.receptive_field if self.condition else 0)

    @property
    def weight_count(self) -> int:
        """How many weights the network has."""
        own = sum(matrix.size for array in self.arrays for matrix in matrices(array))
        own += sum(matrix.size for matrix in self.head_matrices)
        return own + 1 + (self.condition.weight_count if self.condition else 0)

    @property
    def cell(self) -> str:
        """The type that a preset tells: wavenet, convnet or linear."""
        if self.head is None or self.arrays:
            return "wavenet"
        return "linear" if self.is_response else "convnet"

    @property
    def layers(self) -> int:
        """How many layers it has; of a head alone, how many convolutions."""
        if self.head is not None and not self.arrays:
            return len(self.head.kernel_sizes)
        return sum(len(array.layers) for array in self.arrays)

    @property
    def hidden_size(self) -> int:
        """The channels of its widest layer."""
        if self.head is not None and not self.arrays:
            return max(matrix.rows for matrix in self.head_matrices)
        return max(array.channels for array in self.arrays)

    @property
    def inputs(self) -> int:
        """The audio channel; there are no knobs."""
        return 1

    @property
    def residual(self) -> bool:
        """No WaveNet adds the audio to its output."""
        return False

    @property
    def label(self) -> str:
        """The network in a few words."""
        more = "" if self.is_response else f", {self.hidden_size} channels"
        return f"{self.describe()}{more}"

    @property
    def is_plain(self) -> bool:
        """Whether it is a recurrent network without dense layers: never."""
        return False

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of its one array of weights, in the order that this module tells."""
        return {"wavenet": (self.weight_count,)}

    @property
    def state_shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The shapes of h, which holds the histories, and of c, which is not used, without the batch."""
        network: WaveNet
        network, size = self, 0
        while True:
            for array in network.arrays:
                size += array.channels * sum(layer.reach for layer in array.layers)
                size += array.summed * array.head_reach
            if network.head is not None:
                reaches = zip(network.head_matrices, network.head.reaches, strict=True)
                size += sum(matrix.columns * reach for matrix, reach in reaches)
            if network.condition is None:
                return (1, size), (1, 1)
            network = network.condition

    def probe_shapes(self, frames: int) -> dict[str, tuple[int, ...]]:
        """The name and shape of every array in `probe.npz`."""
        return {"input": (frames, self.inputs), "output_settled": (frames,)}

    def as_dict(self) -> dict[str, Any]:
        """As `fxhost.json` holds it."""
        return {
            "type": self.cell,
            "network": json.loads(self.to_text()),
            "layers": self.layers,
            "hidden_size": self.hidden_size,
            "inputs": self.inputs,
            "residual": self.residual,
        }


def _read_activation(fields: dict[str, Any]) -> Activation:
    return Activation(fields["name"], tuple(fields["numbers"]))


def _read_head(fields: dict[str, Any] | None) -> Head | None:
    if fields is None:
        return None
    sizes = {name: tuple(fields.get(name, ())) for name in ("kernel_sizes", "dilations")}
    return Head(**fields | sizes | {"activation": _read_activation(fields["activation"])})


def entry(array: LayerArray) -> Matrix:
    """Rechannel: the 1×1 convolution from the input's channels to the array's channels."""
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
    sizes = film_sizes(a, layer)
    for film in a.films:
        size = sizes[film.place] * (2 if film.shift else 1)
        found[film.place] = Matrix(size, a.condition_size, groups=film.groups, bias=True)
    return found


def film_sizes(array: LayerArray, layer: Layer) -> dict[str, int]:
    """The number of channels at each place of a layer where FiLM may act."""
    rows = array.activations * (1 if layer.gating == "none" else 2)
    sizes = array.channels, rows, array.condition_size, rows, rows, array.activations, array.channels
    return dict(zip(FILM_PLACES, (*sizes, array.head1x1_size), strict=True))


def result(array: LayerArray) -> Matrix:
    """Head rechannel: the convolution from the sum of the layers' head outputs to the array's result."""
    return Matrix(array.head_size, array.summed, array.head_kernel_size, bias=array.head_bias)


def matrices(array: LayerArray) -> Iterator[Matrix]:
    """All matrices of an array, in the order of their weights."""
    yield entry(array)
    for layer in array.layers:
        yield from layer_matrices(array, layer).values()
    yield result(array)
