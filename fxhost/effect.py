"""A learned effect in memory, whichever file it came from: its network, its knobs, its levels."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fxhost.dense import NONE, DenseLayers

if TYPE_CHECKING:
    from fxhost.stages.networks import Network

MAX_HIDDEN_SIZE = 256
MAX_LAYERS = 5
MAX_DENSE = 4  # layers before the recurrent ones, and after them
MAX_INPUTS = 4
SAMPLE_RATES = (8_000, 384_000)
GATES = {"lstm": 4, "gru": 3}
NETWORKS = ("wavenet", "convnet", "linear")  # of convolutions
SILENCE_DB = -90.0  # a gain of so little or less is silence
GAINS_DB = (SILENCE_DB, 90.0)
LEVELS_DB = (-300.0, 100.0)  # of loudness and of full scale in dBu

Float32Array = NDArray[np.float32]


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
    network: "Network | None" = None
    dense: DenseLayers = NONE

    @property
    def label(self) -> str:
        """What it is in a word or two."""
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

        Those of a WaveNet are one array in the order that `fxhost.stages.networks` tells.
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


def describe_network(network: "Network") -> Architecture:
    """A network of convolutions as an architecture: its kind, its layers, and the most channels that one has."""
    if network.head is not None and not network.arrays:
        cell, layers = "linear" if network.is_response else "convnet", len(network.head.kernel_sizes)
        return Architecture(layers, max(m.rows for m in network.head_matrices), cell=cell, network=network)
    layers = sum(len(array.layers) for array in network.arrays)
    return Architecture(layers, max(array.channels for array in network.arrays), cell="wavenet", network=network)


@dataclass(frozen=True)
class Knob:
    """One control input of the network. Values are 0 to 1."""

    name: str
    default: float


@dataclass(frozen=True)
class Levels:
    """The gains that belong to an effect, and what is known of its levels.

    Attributes
    ----------
    input_gain_db, output_gain_db : float
        What stands before and after the network, a residual path included; −90 dB and less is silence.
    loudness_db : float or None
        How loud its maker's measure found the output, in dB.
    input_dbu, output_dbu : float or None
        The analogue level of a sine of full scale.
    """

    input_gain_db: float = 0.0
    output_gain_db: float = 0.0
    loudness_db: float | None = None
    input_dbu: float | None = None
    output_dbu: float | None = None

    @property
    def has_gains(self) -> bool:
        """Whether the network is not played as it is."""
        return self.input_gain_db != 0.0 or self.output_gain_db != 0.0


@dataclass(frozen=True)
class Preset:
    """A learned effect, as read from a preset or from another program's file.

    Attributes
    ----------
    path : Path
        Where it was read from.
    name : str
        What the maker calls it.
    sample_rate : int
        The rate it was trained at, in Hz.
    architecture : Architecture
        The sizes of the network.
    knobs : tuple of Knob
        One for each input after the first.
    weights, probe : mapping of str to float32 array
        As `Architecture.weight_shapes` and `Architecture.probe_shapes` list them. Where another program's file carries
        an answer of its network, the probe has `input` and `output_rest` only, played from a state of zeros; else it
        is empty.
    silent_output : float
        What the settled network puts out on silence.
    metadata : dict
        The whole of `fxhost.json`; of another program's file, the same as far as it is known.
    levels : Levels
    probe_error : float
        How far the network that answered the probe is from itself in float64.
    file_format : str
        'fxhost', or that of the other program: 'nam', 'coreaudioml', 'aidax'.
    notes : tuple of str
        What of the file is odd and was left out.
    is_settled : bool
        Whether the network comes to rest on silence.
    """

    path: Path
    name: str
    sample_rate: int
    architecture: Architecture
    knobs: tuple[Knob, ...]
    weights: Mapping[str, Float32Array]
    probe: Mapping[str, Float32Array]
    silent_output: float
    metadata: dict[str, Any]
    levels: Levels = Levels()
    file_format: str = "fxhost"
    probe_error: float = 0.0
    notes: tuple[str, ...] = ()
    is_settled: bool = True
