"""The fused LSTM as a torch module: the gradients of torch's own, at several times its speed, on the CPU.

`FusedLSTM(model)` plays a window of sequences with the weights of an `EffectLSTM`, through `train.kernel`. Sequences
are cut into groups that fill the vector lanes; groups are shared among threads, which run without the GIL.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fxhost.preset import Float32Array
from fxhost.stages import aligned_zeros
from fxhost.torchscript import EffectLSTM
from train.kernel import BACK_ROWS, STRETCH, UNITS, LayerKernels, compile_layer

Result = TypeVar("Result")


def zeros(*shape: int) -> Float32Array:
    """Aligned float32 zeros."""
    return aligned_zeros(int(np.prod(shape)), np.float32).reshape(shape)


@dataclass
class _LayerMemory:
    """The arrays of one layer for one group of sequences; their meaning is in `train.kernel`."""

    z: Float32Array
    gates: Float32Array
    cell: Float32Array
    tanh_cell: Float32Array
    dz: Float32Array
    dc: Float32Array
    dgates: Float32Array
    gradient: Float32Array


class FusedLSTM:
    """Windows of sequences through an LSTM on the CPU, differentiable in its weights.

    Parameters
    ----------
    model : EffectLSTM
        Float32, on the CPU; its parameters are read at every call and get the gradients.
    threads : int
        How many groups of sequences are worked on at once.

    Notes
    -----
    The arrays that the backward pass needs are reused by the next call: call `backward` before it. The gradient does
    not reach the state that a window starts from, nor its input.
    """

    def __init__(self, model: EffectLSTM, threads: int) -> None:
        lstm = model.lstm
        self.model = model
        self.layers, self.hidden, self.inputs = lstm.num_layers, lstm.hidden_size, lstm.input_size
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
        self.threads = threads
        self.pool = ThreadPoolExecutor(max(1, threads - 1), "fused lstm")
        self.groups: list[list[_LayerMemory]] = []
        self.steps = 0
        self.calls = 0

    def columns(self, layer: int) -> int:
        """The inputs of a layer."""
        return self.inputs if layer == 0 else self.padded

    def parameters(self) -> list[Tensor]:
        """The weights in the order of the gradients: of each layer W_ih, W_hh, b_ih, b_hh, then of the head."""
        named = dict(self.model.lstm.named_parameters())
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        layers = [named[f"{kind}_l{layer}"] for layer in range(self.layers) for kind in kinds]
        return [*layers, self.model.head.weight, self.model.head.bias]

    def __call__(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Play a window.

        Parameters
        ----------
        x : Tensor (batch, frames, inputs)
        h, c : Tensor (layers, batch, hidden)

        Returns
        -------
        y : Tensor (batch, frames, 1)
            Differentiable in the model's weights.
        h, c : Tensor (layers, batch, hidden)
            Not differentiable.
        """
        y, h, c = _Window.apply(self, x.detach(), h.detach(), c.detach(), *self.parameters())  # type: ignore[no-untyped-call]
        if self.model.residual:
            y = y + x[:, :, :1]
        return y, h, c

    def share(self, work: Callable[[int], Result], count: int) -> list[Result]:
        """Do `work` for each group from 0 to `count`, the calling thread taking its part; the results in order."""
        others = [self.pool.submit(work, group) for group in range(count) if group % self.threads]
        own = [work(group) for group in range(0, count, self.threads)]
        rest = [other.result() for other in others]
        return [own.pop(0) if group % self.threads == 0 else rest.pop(0) for group in range(count)]

    def reserve(self, sequences: int, steps: int) -> int:
        """See that there is memory for so many sequences and steps; return the number of groups."""
        count = -(-sequences // self.lanes)
        if steps > self.steps:
            self.groups, self.steps = [], steps
        while len(self.groups) < count:
            self.groups.append([self._make_memory(layer) for layer in range(self.layers)])
        return count

    def _make_memory(self, layer: int) -> _LayerMemory:
        kernels, steps, rows, lanes = self.kernels[layer], self.steps, self.padded, self.lanes
        t = kernels.tiling
        tiles = kernels.z_rows // t.gradient_columns, 4 * rows // t.gradient_rows
        memory = _LayerMemory(
            z=zeros(steps + 1, kernels.z_rows, lanes),
            gates=zeros(steps, rows, 4, lanes),
            cell=zeros(steps + 1, rows, lanes),
            tanh_cell=zeros(steps, rows, lanes),
            dz=zeros(steps + 1 if layer else 1, kernels.d_rows, lanes),
            dc=zeros(rows, lanes),
            dgates=zeros(STRETCH, rows, 4, lanes),
            gradient=zeros(*tiles, t.gradient_rows * t.gradient_columns, t.width),
        )
        memory.z[:, rows + self.columns(layer)] = 1.0
        return memory


class _Window(torch.autograd.Function):
    """One window forward and backward."""

    @staticmethod
    def forward(ctx: Any, net: FusedLSTM, x: Tensor, h: Tensor, c: Tensor, *parameters: Tensor) -> Any:
        batch, steps, _ = x.shape
        count = net.reserve(batch, steps)
        weights = [value.detach().numpy() for value in parameters]
        packed = [pack_forward(weights[4 * n : 4 * n + 4], net.padded, net.columns(n)) for n in range(net.layers)]
        head = zeros(net.padded)
        head[: net.hidden] = weights[-2][0]
        y = torch.empty(batch, steps, 1)
        h_out, c_out = torch.empty_like(h), torch.empty_like(c)
        arrays = [tensor.numpy() for tensor in (x, h, c, y, h_out, c_out)]

        def play(group: int) -> None:
            part = slice(group * net.lanes, min(batch, (group + 1) * net.lanes))
            _play_group(net, net.groups[group], packed, head, weights[-1][0], steps, part, arrays)

        net.share(play, count)
        net.calls += 1
        ctx.net, ctx.call, ctx.head, ctx.steps, ctx.count = net, net.calls, head, steps, count
        ctx.save_for_backward(*parameters)
        ctx.mark_non_differentiable(h_out, c_out)
        return y, h_out, c_out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        net: FusedLSTM = ctx.net
        if ctx.call != net.calls:
            raise RuntimeError("the memory of this window was used again; call backward before the next window")
        weights = [value.detach().numpy() for value in ctx.saved_tensors]
        packed = [
            pack_backward(weights[4 * n : 4 * n + 2], net.padded, net.kernels[n].d_rows) for n in range(net.layers)
        ]
        dy = gradients[0].numpy()[:, :, 0]  # (batch, frames)
        groups = net.groups[: ctx.count]

        def differentiate(group: int) -> tuple[Float32Array, float]:
            rows = dy[group * net.lanes : (group + 1) * net.lanes]
            return _differentiate_group(net, groups[group], packed, ctx.head, ctx.steps, rows)

        heads = net.share(differentiate, ctx.count)
        out: list[Tensor] = []
        for layer in range(net.layers):
            out += _unpack_gradient(net, layer, [group[layer].gradient for group in groups])
        out.append(torch.from_numpy(np.sum([value for value, _ in heads], axis=0)[None, : net.hidden].copy()))
        out.append(torch.tensor([sum(value for _, value in heads)], dtype=torch.float32))
        return None, None, None, None, *out


def _play_group(
    net: FusedLSTM,
    memory: list[_LayerMemory],
    packed: list[Float32Array],
    head: Float32Array,
    head_bias: float,
    steps: int,
    part: slice,
    arrays: Sequence[NDArray[np.float32]],
) -> None:
    """Play one group forward: fill its memory, and its part of y and of the state."""
    x, h, c, y, h_out, c_out = arrays
    used, hidden, padded = part.stop - part.start, net.hidden, net.padded
    out = zeros(steps, net.lanes)
    out[:] = head_bias
    for layer, m in enumerate(memory):
        for target, state in ((m.z[0], h), (m.cell[0], c)):
            target[:padded] = 0.0
            target[:hidden, :used] = state[layer, part].T
        if layer == 0:
            m.z[:steps, padded : padded + net.inputs, :used] = x[part].transpose(1, 2, 0)
            m.z[:steps, padded : padded + net.inputs, used:] = 0.0
        else:
            m.z[:steps, padded : 2 * padded] = memory[layer - 1].z[1 : steps + 1, :padded]
        places = (array.ctypes.data for array in (packed[layer], m.z, m.gates, m.cell, m.tanh_cell, head, out))
        net.kernels[layer].forward(*places, steps)
        h_out[layer, part] = m.z[steps, :hidden, :used].T
        c_out[layer, part] = m.cell[steps, :hidden, :used].T
    y[part, :, 0] = out[:, :used].T


def _differentiate_group(
    net: FusedLSTM,
    memory: list[_LayerMemory],
    packed: list[Float32Array],
    head: Float32Array,
    steps: int,
    dy: NDArray[np.float32],
) -> tuple[Float32Array, float]:
    """Go back through one group: leave the weights' gradients in its memory, return those of the head."""
    dy_lanes = zeros(steps, net.lanes)
    dy_lanes[:, : len(dy)] = dy.T
    for layer in reversed(range(net.layers)):
        m = memory[layer]
        m.dc[:] = 0.0
        m.gradient[:] = 0.0
        m.dz[steps if layer else 0] = 0.0
        above = memory[layer + 1].dz if layer + 1 < net.layers else m.dz
        places = [array.ctypes.data for array in (packed[layer], m.z, m.gates, m.cell, m.tanh_cell, head, dy_lanes)]
        net.kernels[layer].backward(
            *places,
            above.ctypes.data + 4 * net.padded * net.lanes,
            above[0].size,
            m.dz.ctypes.data,
            m.dz[0].size if layer else 0,
            m.dc.ctypes.data,
            m.dgates.ctypes.data,
            m.gradient.ctypes.data,
            steps,
        )
    top = memory[-1].z[1 : steps + 1, : net.padded]
    return np.einsum("tkn,tn->k", top, dy_lanes), float(dy.sum(dtype=np.float64))


def pack_forward(weights: Sequence[NDArray[np.float32]], padded: int, inputs: int) -> Float32Array:
    """Torch's weights of a layer as the forward step reads them, `Wf` (padded / 2, padded + inputs + 1, 8)."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    rows = np.zeros((4, padded, padded + inputs + 1), np.float32)
    hidden = weight_hh.shape[1]
    rows[:, :hidden, :hidden] = weight_hh.reshape(4, hidden, hidden)
    rows[:, :hidden, padded : padded + weight_ih.shape[1]] = weight_ih.reshape(4, hidden, -1)
    rows[:, :hidden, -1] = (bias_ih + bias_hh).reshape(4, hidden)
    rows[[0, 1, 3]] *= 0.5  # σ(x) = ½ + ½ tanh(x/2)
    out = zeros(padded // UNITS, padded + inputs + 1, 4 * UNITS)
    out[:] = rows.reshape(4, -1, UNITS, rows.shape[2]).transpose(1, 3, 2, 0).reshape(out.shape)
    return out


def pack_backward(weights: Sequence[NDArray[np.float32]], padded: int, d_rows: int) -> Float32Array:
    """Torch's W_ih and W_hh as the step back reads them, `Wb` (d_rows / 8, 4 padded, 8)."""
    weight_ih, weight_hh = weights
    hidden = weight_hh.shape[1]
    columns = np.zeros((d_rows, padded, 4), np.float32)  # (row of DZ, unit, gate)
    columns[:hidden, :hidden] = weight_hh.reshape(4, hidden, hidden).transpose(2, 1, 0)
    if d_rows >= padded + weight_ih.shape[1]:
        below = weight_ih.reshape(4, hidden, -1).transpose(2, 1, 0)
        columns[padded : padded + len(below), :hidden] = below
    out = zeros(d_rows // BACK_ROWS, 4 * padded, BACK_ROWS)
    out[:] = columns.reshape(-1, BACK_ROWS, 4 * padded).transpose(0, 2, 1)
    return out


def _unpack_gradient(net: FusedLSTM, layer: int, parts: Sequence[Float32Array]) -> list[Tensor]:
    """The weights' gradients of a layer in torch's layout, summed over the groups: W_ih, W_hh, b_ih, b_hh."""
    t = net.kernels[layer].tiling
    lanes = np.ones(t.width, np.float32)
    tiles = sum((part @ lanes for part in parts[1:]), parts[0] @ lanes)  # a product, because numpy's sum is slower
    tiles = tiles.reshape(*tiles.shape[:2], t.gradient_rows, t.gradient_columns)  # (column tile, row tile, row, column)
    rows = tiles.transpose(1, 2, 0, 3).reshape(net.padded, 4, -1)  # (unit, gate, column)
    gates = rows.transpose(1, 0, 2)[:, : net.hidden]  # (gate, unit, column)
    inputs = net.inputs if layer == 0 else net.hidden
    first = net.padded
    pieces = (
        gates[..., first : first + inputs],
        gates[..., : net.hidden],
        gates[..., first + net.columns(layer)],
    )
    weight_ih, weight_hh, bias = (np.ascontiguousarray(piece.reshape(4 * net.hidden, -1)) for piece in pieces)
    biases = [torch.from_numpy(bias[:, 0].copy()) for _ in range(2)]
    return [torch.from_numpy(weight_ih), torch.from_numpy(weight_hh), *biases]
