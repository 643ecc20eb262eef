"""The network as torch itself trains it: on CUDA, and what the fused kernels are held against."""

import torch
from torch import Tensor, nn

from fxhost.reference.torchscript import EffectLSTM
from train.network.losses import LossWeights, training_loss


class PlainLSTM:
    """Windows of sequences through an `EffectLSTM` on any device; the interface of `train.network.fused.FusedLSTM`.

    Parameters
    ----------
    model : EffectLSTM

    Attributes
    ----------
    weights : list of Parameter
        What an optimiser gets.
    """

    def __init__(self, model: EffectLSTM) -> None:
        self.model = model
        self.weights: list[nn.Parameter] = list(model.parameters())

    def play(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Play a window, without gradients: y (batch, frames, 1), h, c (layers, batch, hidden)."""
        with torch.no_grad():
            y, h, c = self.model(x, h, c)
        return y, h, c

    def loss(
        self, x: Tensor, target: Tensor, h: Tensor, c: Tensor, weights: LossWeights
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The training loss of a window, and the state after it, without gradient."""
        y, h, c = self.model(x, h, c)
        return training_loss(target, y[:, :, 0], weights), h.detach(), c.detach()
