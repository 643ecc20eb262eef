"""The networks of presets as torch modules that keep the contract of a preset.

`forward(x, h, c) -> (y, h, c)` with x float32 `(1, frames, inputs)`, h and c `(layers, 1, hidden)`, y `(1, frames, 1)`.
State is an argument and a result, never an attribute. A GRU returns c as it was.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from fxhost.arrays import Float32Array
from fxhost.networks.architecture import Architecture
from fxhost.networks.dense import NONE, Dense, DenseLayers
from fxhost.networks.recurrent import Recurrent
from fxhost.networks.wavenet import WaveNet
from fxhost.reference.modules_wavenet import EffectWaveNet, build_wavenet, flat_weights


class DenseLayer(nn.Module):
    """A linear layer and its activation."""

    def __init__(self, into: int, layer: Dense) -> None:
        super().__init__()
        self.linear, self.activation = nn.Linear(into, layer.size), layer.activation

    def forward(self, x: Tensor) -> Tensor:
        """What becomes of x (..., into)."""
        y: Tensor = activate(self.linear(x), self.activation)
        return y


def activate(x: Tensor, name: str) -> Tensor:
    """One of the activations of `fxhost.networks.dense`."""
    if name == "tanh":
        return torch.tanh(x)
    if name == "relu":
        return torch.relu(x)
    if name == "sigmoid":
        return torch.sigmoid(x)
    if name == "elu":
        return torch.nn.functional.elu(x)
    return x


def make_dense(into: int, layers: Sequence[Dense]) -> tuple[nn.ModuleList, int]:
    """Successive layers, and how many numbers leave them."""
    made = nn.ModuleList()
    for layer in layers:
        made.append(DenseLayer(into, layer))
        into = layer.size
    return made, into


class EffectLSTM(nn.Module):
    """An LSTM with a linear head, dense layers before and between if there are any, and a residual path around all.

    Parameters
    ----------
    layers, hidden_size, inputs : int
        As in `fxhost.preset.archive.Architecture`.
    residual : bool
        Whether the first input is added to the output.
    dense : DenseLayers
    """

    def __init__(self, layers: int, hidden_size: int, inputs: int, residual: bool, dense: DenseLayers = NONE) -> None:
        super().__init__()
        self.before, entering = make_dense(inputs, dense.before)
        self.lstm = nn.LSTM(entering, hidden_size, layers, batch_first=True)
        self.after, leaving = make_dense(hidden_size, dense.after)
        self.head = nn.Linear(leaving, 1)
        self.residual, self.inputs, self.output = residual, inputs, dense.output

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Play `x` (batch, frames, inputs) from the state `h`, `c` (layers, batch, hidden)."""
        given = x
        for layer in self.before:
            given = layer(given)
        hidden, (h, c) = self.lstm(given, (h, c))
        for layer in self.after:
            hidden = layer(hidden)
        y = activate(self.head(hidden), self.output)
        if self.residual:
            y = y + x[:, :, :1]
        return y, h, c


class EffectGRU(nn.Module):
    """A GRU of the same kind.

    Parameters
    ----------
    layers, hidden_size, inputs : int
    residual : bool
    dense : DenseLayers
        As `EffectLSTM` has them.
    """

    def __init__(self, layers: int, hidden_size: int, inputs: int, residual: bool, dense: DenseLayers = NONE) -> None:
        super().__init__()
        self.before, entering = make_dense(inputs, dense.before)
        self.gru = nn.GRU(entering, hidden_size, layers, batch_first=True)
        self.after, leaving = make_dense(hidden_size, dense.after)
        self.head = nn.Linear(leaving, 1)
        self.residual, self.inputs, self.output = residual, inputs, dense.output

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Play `x` (batch, frames, inputs) from the state `h` (layers, batch, hidden); `c` goes through as it is."""
        given = x
        for layer in self.before:
            given = layer(given)
        hidden, h = self.gru(given, h)
        for layer in self.after:
            hidden = layer(hidden)
        y = activate(self.head(hidden), self.output)
        if self.residual:
            y = y + x[:, :, :1]
        return y, h, c


Effect = EffectLSTM | EffectGRU | EffectWaveNet


def architecture_of(module: Effect) -> Architecture:
    """What a module consists of."""
    if isinstance(module, EffectWaveNet):
        return module.architecture
    network, cell = (module.lstm, "lstm") if isinstance(module, EffectLSTM) else (module.gru, "gru")
    before, after = (
        tuple(Dense(layer.linear.out_features, layer.activation) for layer in layers)  # type: ignore[union-attr,arg-type]
        for layers in (module.before, module.after)
    )
    dense = DenseLayers(before, after, module.output)
    return Recurrent(network.num_layers, network.hidden_size, module.inputs, bool(module.residual), cell, dense=dense)


def build_module(architecture: Architecture, weights: Mapping[str, Float32Array]) -> Effect:
    """The module with the weights of a preset."""
    if isinstance(architecture, WaveNet):
        return build_wavenet(architecture, weights["wavenet"])
    a = architecture
    module = (EffectLSTM if a.cell == "lstm" else EffectGRU)(a.layers, a.hidden_size, a.inputs, a.residual, a.dense)
    names = {name_in_module(name, a.cell): name for name in a.weight_shapes() if name not in ("h0", "c0")}
    module.load_state_dict({key: torch.tensor(weights[name]) for key, name in names.items()})
    return module.eval()


def name_in_module(name: str, cell: str) -> str:
    """What a module calls an array of weights of a preset."""
    place, kind, *number = name.split("_")
    if place in ("before", "after"):
        return f"{place}.{number[0]}.linear.{kind}"
    return f"head.{kind}" if place == "head" else f"{cell}.{name}"


def named_weights(module: Effect) -> dict[str, Float32Array]:
    """The weights of a module under their names in a preset."""
    if isinstance(module, EffectWaveNet):
        return {"wavenet": flat_weights(module)}
    a, state = architecture_of(module), module.state_dict()
    names = [name for name in a.weight_shapes() if name not in ("h0", "c0")]
    return {name: state[name_in_module(name, a.cell)].detach().cpu().numpy().astype(np.float32) for name in names}
