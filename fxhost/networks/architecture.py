"""The kind and the sizes of a network, recurrent or of convolutions."""

import json
from dataclasses import dataclass
from typing import Any

from fxhost.networks.dense import NONE, DenseLayers
from fxhost.networks.wavenet import Network

MAX_HIDDEN_SIZE = 256
MAX_LAYERS = 5
MAX_DENSE = 4  # layers before the recurrent ones, and after them
MAX_INPUTS = 4
GATES = {"lstm": 4, "gru": 3}
NETWORKS = ("wavenet", "convnet", "linear")  # of convolutions


@dataclass(frozen=True)
class Architecture:
    """The kind and the sizes of a network.

    Attributes
    ----------
    layers : int
    hidden_size : int
        Units in each layer; of a WaveNet the most channels that a layer has.
    inputs : int
        The audio channel and, after it, the knobs.
    residual : bool
        Whether the audio is added to the output.
    cell : {'lstm', 'gru', 'wavenet', 'convnet', 'linear'}
    network : Network or None
        All sizes of a network of convolutions.
    dense : DenseLayers
        What stands before and after the recurrent layers besides the output layer.
    """

    layers: int
    hidden_size: int
    inputs: int = 1
    residual: bool = False
    cell: str = "lstm"
    network: Network | None = None
    dense: DenseLayers = NONE

    @property
    def label(self) -> str:
        """The network in a word or two, such as LSTM 1×24."""
        if self.network is not None:
            more = "" if self.network.is_response else f", {self.hidden_size} channels"
            return f"{self.network.describe()}{more}"
        more = "" if self.dense == NONE else f", dense {self.dense.describe()}"
        return f"{self.cell.upper()} {self.layers}×{self.hidden_size}{more}"

    @property
    def is_plain(self) -> bool:
        """Whether it is a recurrent network with a linear output layer and no other dense layer."""
        return self.network is None and self.dense == NONE

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every array of its weights, in torch's layout.

        Those of a WaveNet are one array in the order that `fxhost.networks.wavenet` tells.
        The gates of an LSTM lie in the order i, f, g, o; those of a GRU in the order r, z, n.
        """
        if self.network is not None:
            return {"wavenet": (self.network.weight_count,)}
        shapes: dict[str, tuple[int, ...]] = {}
        gates = GATES[self.cell] * self.hidden_size
        entering = self.dense.before[-1].size if self.dense.before else self.inputs
        for layer in range(self.layers):
            columns = entering if layer == 0 else self.hidden_size
            shapes[f"weight_ih_l{layer}"] = (gates, columns)
            shapes[f"weight_hh_l{layer}"] = (gates, self.hidden_size)
            shapes[f"bias_ih_l{layer}"] = (gates,)
            shapes[f"bias_hh_l{layer}"] = (gates,)
        shapes |= self.dense.weight_shapes(self.inputs, self.hidden_size)
        shapes["head_weight"] = (1, self.dense.after[-1].size if self.dense.after else self.hidden_size)
        shapes["head_bias"] = (1,)
        shapes["h0"] = (self.layers, self.hidden_size)
        shapes["c0"] = (self.layers, self.hidden_size)
        return shapes

    @property
    def state_shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The shapes of h and c, without the batch; h of a WaveNet holds its histories, c nothing."""
        if self.network is None:
            return (self.layers, self.hidden_size), (self.layers, self.hidden_size)
        network, size = self.network, 0
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
        if self.network is not None:
            return {"input": (frames, self.inputs), "output_settled": (frames,)}
        state, _ = self.state_shapes
        return {
            "input": (frames, self.inputs),
            "output_settled": (frames,),  # starts from h0, c0
            "h": state,
            "c": state,
            "output_state": (frames,),  # starts from h, c
        }

    def as_dict(self) -> dict[str, Any]:
        """As `fxhost.json` holds it."""
        return {
            "type": self.cell,
            **({} if self.network is None else {"network": json.loads(self.network.to_text())}),
            "layers": self.layers,
            "hidden_size": self.hidden_size,
            "inputs": self.inputs,
            "residual": self.residual,
            **({} if self.dense == NONE else {"dense": self.dense.as_dict()}),
        }


def describe_network(network: Network) -> Architecture:
    """The architecture of a network of convolutions: its kind, its number of layers, and the channels of its widest
    layer.
    """
    if network.head is not None and not network.arrays:
        cell, layers = "linear" if network.is_response else "convnet", len(network.head.kernel_sizes)
        return Architecture(layers, max(m.rows for m in network.head_matrices), cell=cell, network=network)
    layers = sum(len(array.layers) for array in network.arrays)
    return Architecture(layers, max(array.channels for array in network.arrays), cell="wavenet", network=network)
