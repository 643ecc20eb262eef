"""The networks of presets as torch modules that keep the contract of a preset.

`forward(x, h, c) -> (y, h, c)` with x float32 `(1, frames, inputs)`, h and c `(layers, 1, hidden)`, y `(1, frames, 1)`.
State is an argument and a result, never an attribute. A GRU returns c as it was.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from fxhost.effect import Architecture, Float32Array
from fxhost.modules_wavenet import EffectWaveNet, build_wavenet, flat_weights


class EffectLSTM(nn.Module):
    """An LSTM with a linear head and an optional residual path around both.

    Parameters
    ----------
    layers, hidden_size, inputs : int
        As in `fxhost.preset.Architecture`.
    residual : bool
        Whether the first input is added to the output.
    """

    def __init__(self, layers: int, hidden_size: int, inputs: int, residual: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden_size, layers, batch_first=True)
        self.head = nn.Linear(hidden_size, 1)
        self.residual = residual

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Play `x` (batch, frames, inputs) from the state `h`, `c` (layers, batch, hidden)."""
        hidden, (h, c) = self.lstm(x, (h, c))
        y = self.head(hidden)
        if self.residual:
            y = y + x[:, :, :1]
        return y, h, c


class EffectGRU(nn.Module):
    """A GRU with a linear head and an optional residual path around both.

    Parameters
    ----------
    layers, hidden_size, inputs : int
    residual : bool
        As `EffectLSTM` has them.
    """

    def __init__(self, layers: int, hidden_size: int, inputs: int, residual: bool) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden_size, layers, batch_first=True)
        self.head = nn.Linear(hidden_size, 1)
        self.residual = residual

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Play `x` (batch, frames, inputs) from the state `h` (layers, batch, hidden); `c` goes through as it is."""
        hidden, h = self.gru(x, h)
        y = self.head(hidden)
        if self.residual:
            y = y + x[:, :, :1]
        return y, h, c


Effect = EffectLSTM | EffectGRU | EffectWaveNet


def architecture_of(module: Effect) -> Architecture:
    """What a module consists of."""
    if isinstance(module, EffectWaveNet):
        return module.architecture
    network, cell = (module.lstm, "lstm") if isinstance(module, EffectLSTM) else (module.gru, "gru")
    return Architecture(network.num_layers, network.hidden_size, network.input_size, bool(module.residual), cell)


def build_module(architecture: Architecture, weights: Mapping[str, Float32Array]) -> Effect:
    """The module with the weights of a preset."""
    if architecture.network is not None:
        return build_wavenet(architecture, weights["wavenet"])
    a = architecture
    module = (EffectLSTM if a.cell == "lstm" else EffectGRU)(a.layers, a.hidden_size, a.inputs, a.residual)
    names = {f"{a.cell}.{name}": name for name in a.weight_shapes() if name.startswith(("weight_", "bias_"))}
    names |= {"head.weight": "head_weight", "head.bias": "head_bias"}
    module.load_state_dict({key: torch.tensor(weights[name]) for key, name in names.items()})
    return module.eval()


def named_weights(module: Effect) -> dict[str, Float32Array]:
    """The weights of a module under their names in a preset."""
    if isinstance(module, EffectWaveNet):
        return {"wavenet": flat_weights(module)}
    named = {key.replace("head.", "head_").split(".")[-1]: value for key, value in module.state_dict().items()}
    return {name: value.detach().cpu().numpy().astype(np.float32) for name, value in named.items()}
