"""The fused LSTM: the training loss of a window and its gradients, at several times the speed of torch, on the CPU.

`FusedLSTM(model)` plays windows of sequences with the weights of an `EffectLSTM`, through `train.network.kernel`.
Sequences are cut into groups that fill the vector lanes. A thread takes a group forward, through the loss and back in
one go, so that what the way back needs is still in its cache, and then the next group. It runs without the GIL.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fxhost.arrays import Float32Array, aligned_zeros
from fxhost.reference.torchscript import EffectLSTM
from train.network.kernel import LAYER, LayerKernels, compile_layer
from train.network.kernel_steps import BACK_ROWS, UNITS
from train.network.lanes import compile_groups, pack_backward, pack_forward
from train.network.losses import LossWeights
from train.network.team import team_of


class FusedLSTM:
    """Windows of sequences through an LSTM on the CPU, their loss differentiable in its weights.

    Parameters
    ----------
    model : EffectLSTM
        Float32, on the CPU. Its parameters become views of one, `weights`: what changes it changes them.
    threads : int
        How many groups of sequences are worked on at once at most; changes nothing but the time.

    Attributes
    ----------
    weights : list of one Parameter (numbers,)
        All parameters of the model, one after the other: what an optimiser gets.
    """

    def __init__(self, model: EffectLSTM, threads: int) -> None:
        lstm = model.lstm
        self.layers, self.hidden, self.inputs = lstm.num_layers, lstm.hidden_size, lstm.input_size
        self.residual = bool(model.residual)
        self.padded = -(-self.hidden // UNITS) * UNITS
        self.kernels: list[LayerKernels] = [
            compile_layer(
                self.padded,
                self.columns(layer),
                is_top=layer == self.layers - 1,
                needs_input_gradient=layer > 0,
            )
            for layer in range(self.layers)
        ]
        self.lanes = self.kernels[0].tiling.lanes
        self.weights = [_make_one(model)]
        self.packed = [_Packed(self, layer) for layer in range(self.layers)]
        self.head = aligned_zeros(self.padded, np.float32)
        self.threads = threads
        self.run_groups = compile_groups()
        self.memories: list[_Memory] = []
        self.gradients = zeros(0, self.weights[0].numel())
        self.next_group = aligned_zeros(1, np.int64)

    def columns(self, layer: int) -> int:
        """The inputs of a layer."""
        return self.inputs if layer == 0 else self.padded

    def views(self, numbers: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The parameters in a vector like `weights`: of each layer W_ih, W_hh, b_ih, b_hh; then of the head."""
        rows, shapes = 4 * self.hidden, []
        for layer in range(self.layers):
            shapes += [(rows, self.hidden if layer else self.inputs), (rows, self.hidden), (rows,), (rows,)]
        shapes += [(1, self.hidden), (1,)]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(numbers, ends[:-1]), shapes, strict=True)]

    def play(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Play a window, without gradients.

        Parameters
        ----------
        x : Tensor (batch, frames, inputs)
        h, c : Tensor (layers, batch, hidden)

        Returns
        -------
        y : Tensor (batch, frames, 1)
        h, c : Tensor (layers, batch, hidden)
        """
        y, nothing = torch.empty(x.shape[0], x.shape[1], 1), np.zeros(0, np.float32)
        h, c = self._run(x, h, c, y[:, :, 0], nothing, np.zeros(0), nothing.reshape(0, 0))
        return y, h, c

    def loss(
        self, x: Tensor, target: Tensor, h: Tensor, c: Tensor, weights: LossWeights
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The training loss of a window.

        Parameters
        ----------
        x : Tensor (batch, frames, inputs)
        target : Tensor (batch, frames)
        h, c : Tensor (layers, batch, hidden)
        weights : LossWeights

        Returns
        -------
        loss : Tensor ()
            As `train.network.losses.training_loss`; differentiable in `weights` of this network.
        h, c : Tensor (layers, batch, hidden)
            After the window, without gradient: it does not reach beyond the window.
        """
        loss, h, c = _Loss.apply(self.weights[0], self, x, target, h, c, weights)  # type: ignore[no-untyped-call]
        return loss, h, c

    def differentiate(
        self, x: Tensor, target: Tensor, h: Tensor, c: Tensor, weights: LossWeights
    ) -> tuple[float, Float32Array, Tensor, Tensor]:
        """The loss of a window, its gradient in the order of `weights`, and the state after the window."""
        groups = -(-len(x) // self.lanes)
        if len(self.gradients) < groups:
            self.gradients = zeros(groups, self.weights[0].numel())
        losses, gradients = np.zeros(groups), self.gradients[:groups]
        numbers = target.numel()
        costs = weights.plain / numbers, weights.emphasised / numbers, weights.direct / len(x)
        h, c = self._run(x, h, c, target, np.array(costs, np.float32), losses, gradients)
        return float(losses.sum()), gradients.sum(axis=0), h, c  # in the order of the groups, whoever computed them

    def _run(
        self,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        audio: Tensor,
        costs: Float32Array,
        losses: NDArray[np.float64],
        gradients: Float32Array,
    ) -> tuple[Tensor, Tensor]:
        """`train.network.lanes.compile_groups` on all threads; the state after the window."""
        for packed in self.packed:
            packed.update()
        self.head[: self.hidden] = self.packed[-1].head
        if not self.memories or self.memories[0].steps < x.shape[1]:
            self.memories = []
        team = team_of(min(self.threads, -(-len(x) // self.lanes)))
        while len(self.memories) < team.threads:
            self.memories.append(_Memory(self, x.shape[1]))
        self.next_group[0] = 0
        h_out, c_out = torch.empty_like(h), torch.empty_like(c)
        network = self.hidden, self.padded, self.residual, self.packed[-1].head_bias[0]
        window = [tensor.numpy() for tensor in (x, h, c, h_out, c_out)]
        wanted = audio.numpy()

        def work(member: int) -> None:
            memory = self.memories[member]
            self.run_groups(
                self.next_group.ctypes.data,
                memory.layers,
                *network,
                *window,
                memory.output,
                wanted,
                costs,
                losses,
                gradients,
            )

        team.run(work)
        return h_out, c_out


class _Loss(torch.autograd.Function):
    """The loss of a window; its gradient is found on the way, while everything is in the cache."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, net: FusedLSTM, x: Any, target: Any, h: Any, c: Any, loss: Any) -> Any:
        value, gradient, h_out, c_out = net.differentiate(x, target, h, c, loss)
        ctx.save_for_backward(torch.from_numpy(gradient))
        ctx.mark_non_differentiable(h_out, c_out)
        return torch.tensor(value, dtype=torch.float32), h_out, c_out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0], None, None, None, None, None, None


def _make_one(model: EffectLSTM) -> nn.Parameter:
    """One parameter that holds all of a model's, whose own become views of it."""
    parameters = list(model.parameters())
    one = nn.Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in parameters]))
    first = 0
    for parameter in parameters:
        parameter.data = one.data[first : first + parameter.numel()].view_as(parameter)
        first += parameter.numel()
    return one


class _Packed:
    """The weights of a layer as its kernels read them."""

    def __init__(self, net: FusedLSTM, layer: int) -> None:
        views = net.views(net.weights[0].data.numpy())
        self.weights = views[4 * layer : 4 * layer + 4]
        self.head, self.head_bias = views[-2][0], views[-1]
        kernels = net.kernels[layer]
        self.forward = zeros(net.padded // UNITS, net.padded + net.columns(layer) + 1, 4 * UNITS)
        self.backward = zeros(kernels.d_rows // BACK_ROWS, 4 * net.padded, BACK_ROWS)
        self.padded = net.padded

    def update(self) -> None:
        """Take over the weights as they are now."""
        weight_ih, weight_hh, bias_ih, bias_hh = self.weights
        pack_forward(weight_ih, weight_hh, bias_ih, bias_hh, self.padded, self.forward)
        pack_backward(weight_ih, weight_hh, self.padded, self.backward)


class _Memory:
    """What a thread needs to take a group of sequences through a window of so many steps and back."""

    def __init__(self, net: FusedLSTM, steps: int) -> None:
        self.steps = steps
        self.output = zeros(steps, net.lanes)  # then the loss's gradient of it
        self.layers = np.zeros(net.layers, LAYER)
        self.owned: list[Float32Array] = []  # what the addresses in `layers` point to
        for layer in reversed(range(net.layers)):
            self._fill(net, layer)

    def _fill(self, net: FusedLSTM, layer: int) -> None:
        steps, rows, lanes, kernels, packed = self.steps, net.padded, net.lanes, net.kernels[layer], net.packed[layer]
        tiling, entry = kernels.tiling, self.layers[layer]

        def reserve(*shape: int) -> int:
            self.owned.append(zeros(*shape))
            return int(self.owned[-1].ctypes.data)

        entry["forward"], entry["backward"] = kernels.forward.address, kernels.backward.address
        entry["weights_forward"] = packed.forward.ctypes.data
        entry["weights_backward"] = packed.backward.ctypes.data
        entry["head"] = net.head.ctypes.data
        entry["z"] = reserve(steps + 1, kernels.z_rows, lanes)
        self.owned[-1][:, rows + net.columns(layer)] = 1.0
        entry["gates"] = reserve(steps, rows, 4, lanes)
        entry["cell"] = reserve(steps + 1, rows, lanes)
        entry["tanh_cell"] = reserve(steps, rows, lanes)
        entry["dz"] = reserve(steps + 1 if layer else 1, kernels.d_rows, lanes)
        entry["dz_step"] = kernels.d_rows * lanes if layer else 0
        if layer + 1 < net.layers:  # the rows of the layer above that are this layer's h
            entry["upstream"] = self.layers[layer + 1]["dz"] + 4 * rows * lanes
            entry["upstream_step"] = self.layers[layer + 1]["dz_step"]
        entry["dc"] = reserve(rows, lanes)
        entry["dgates"] = reserve(kernels.stretch, rows, 4, lanes)
        entry["column_tiles"], entry["row_tiles"] = kernels.column_tiles, kernels.row_tiles
        entry["tile_rows"], entry["tile_columns"] = tiling.gradient_rows, tiling.gradient_columns
        tile = tiling.gradient_rows * tiling.gradient_columns
        entry["gradient"] = reserve(kernels.column_tiles, kernels.row_tiles, tile, tiling.width)
        entry["inputs"], entry["z_rows"], entry["d_rows"] = net.columns(layer), kernels.z_rows, kernels.d_rows


def zeros(*shape: int) -> Float32Array:
    """Aligned float32 zeros."""
    return aligned_zeros(int(np.prod(shape)), np.float32).reshape(shape)
