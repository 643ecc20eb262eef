"""The network that is trained, at its start."""

import math

import torch
from torch import Tensor, nn

from fxhost.reference.torchscript import EffectLSTM

SMALL_SIGNAL = 0.1  # of the usual input weights, so that the network begins where its gates are almost linear


def make_model(
    layers: int, hidden_size: int, *, residual: bool, memory_frames: float, generator: torch.Generator
) -> EffectLSTM:
    """An untrained `EffectLSTM` with one input.

    Parameters
    ----------
    layers, hidden_size : int
    residual : bool
        Whether the input is added to the output.
    memory_frames : float
        The longest time constant that a unit begins with, at least 1.
    generator : torch.Generator
        The source of the weights.

    Returns
    -------
    EffectLSTM

    Notes
    -----
    Uniform within ±1/√hidden_size, as torch does it, but for

    * the input weights of the first layer, which are made smaller, and the head, which is made larger by as much. A
      network that starts small learns to bend only as far as the recording demands, and so does better at levels that
      the recording hardly reaches;
    * the biases of the forget and input gates (chrono initialisation: C. Tallec, Y. Ollivier, "Can recurrent neural
      networks warp time?", ICLR 2018, eq. 16): b_f = log(T), b_i = −b_f. Their T are drawn evenly in log from 1 to
      `memory_frames` instead of evenly as there, because a circuit has both fast and slow parts.
    """
    model = EffectLSTM(layers, hidden_size, 1, residual)
    spread = 1 / math.sqrt(hidden_size)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -spread, spread, generator=generator)
    with torch.no_grad():
        model.get_parameter("lstm.weight_ih_l0").mul_(SMALL_SIGNAL)
        model.head.weight.div_(SMALL_SIGNAL)
        for layer in range(layers):
            bias = model.get_parameter(f"lstm.bias_ih_l{layer}").view(4, hidden_size)  # gates i, f, g, o
            other = model.get_parameter(f"lstm.bias_hh_l{layer}").view(4, hidden_size)
            bias[1] = torch.rand(hidden_size, generator=generator) * math.log(memory_frames)
            bias[0] = -bias[1]
            other[:2] = 0.0
    return model


def zero_state(model: EffectLSTM, batch: int) -> tuple[Tensor, Tensor]:
    """The state h, c of silence, (layers, batch, hidden) each, where the model lives."""
    state = torch.zeros(model.lstm.num_layers, batch, model.lstm.hidden_size, device=model.head.weight.device)
    return state, state
