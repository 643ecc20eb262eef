"""The stage of a recurrent network: a kernel compiled for its sizes, cached on disk, and its memory.

The equations are those of `torch.nn.LSTM` (σ logistic)

    i = σ(W_i x + U_i h + b_i)      f = σ(W_f x + U_f h + b_f)      o = σ(W_o x + U_o h + b_o)
    g = tanh(W_g x + U_g h + b_g)   c ← f c + i g                   h ← o tanh(c)

and of `torch.nn.GRU`

    r = σ(W_r x + U_r h + b_r)      z = σ(W_z x + U_z h + b_z)
    n = tanh(W_n x + b_n + r (U_n h + d_n))                         h ← (1 − z) n + z h

with y = w·h + b (+ x_0 with a residual path). Dense layers may stand before the first layer and after the last one, and
an activation around y.

`fxhost.stages.recurrent.layout` says where everything lies in memory, `fxhost.stages.recurrent.emitter` emits the code.
"""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fxhost.arrays import aligned_zeros
from fxhost.native.intrinsics import address_of
from fxhost.native.llvm_types import Builder, NumbaType, Signature, TargetContext, TypingContext, Word
from fxhost.native.vectors import Vectors
from fxhost.stages.base import Stage, first_words, smoothing, stage_function
from fxhost.stages.recurrent.dense import PLAIN, DenseChain
from fxhost.stages.recurrent.emitter import emit_block
from fxhost.stages.recurrent.emitter_layerwise import emit_layerwise
from fxhost.stages.recurrent.layout import RecurrentLayout, weight_columns
from fxhost.stages.recurrent.variants import Variant, choose_variant

KNOB_SMOOTHING_MS = 20.0


@intrinsic(prefer_literal=True)
def play_block(
    typing_context: TypingContext,
    state: int,
    block: int,
    frames: int,
    cell: NumbaType,
    layers: NumbaType,
    hidden_size: NumbaType,
    inputs: NumbaType,
    residual: NumbaType,
    width: NumbaType,
    widest: NumbaType,
    registers: NumbaType,
    short: NumbaType,
    dense: NumbaType,
) -> Any:
    """The whole kernel: three values, then the kind of network and its sizes as literals, constants to LLVM.

    They come from the caller's closure, and so into the key of the disk cache.
    """
    numbers = (layers, hidden_size, inputs, residual, width, widest, registers, short)
    if not all(isinstance(text, types.StringLiteral) for text in (cell, dense)) or not all(
        isinstance(n, types.IntegerLiteral) for n in numbers
    ):
        return None

    def generate(context: TargetContext, builder: Builder, signature: Signature, values: Sequence[Word]) -> Word:
        lanes = width.literal_value, widest.literal_value, DenseChain.from_text(dense.literal_value)
        sizes = RecurrentLayout(layers.literal_value, hidden_size.literal_value, inputs.literal_value, *lanes)
        v = Vectors(builder, sizes.width)
        kind = (cell.literal_value, *(n.literal_value for n in (residual, registers, short)))
        (emit_layerwise if sizes.is_layerwise else emit_block)(v, sizes, values[:3], *kind)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, cell, *numbers, dense), generate


@cache
def compile_network(
    cell: str, layers: int, hidden_size: int, inputs: int, residual: bool, variant: Variant, dense: str = PLAIN
) -> Any:
    """The compiled stage for these sizes: from this process, else from the disk cache, else compiled (half a second).

    Parameters
    ----------
    cell : {'lstm', 'gru'}
    layers, hidden_size, inputs : int
    residual : bool
        As in a preset's architecture.
    variant : Variant
    dense : str
        The text of the dense layers, as `fxhost.networks.dense` writes it.

    Returns
    -------
    numba cfunc
    """
    width, widest, registers, short = map(int, variant)
    has_residual = int(residual)

    @stage_function(np.float32, f"{cell.upper()} {layers}×{hidden_size}")
    def lstm_block(state: Any, block: Any, frames: int) -> None:
        play_block(
            address_of(state), address_of(block), frames,
            cell, layers, hidden_size, inputs, has_residual, width, widest, registers, short, dense,
        )  # fmt: skip

    return lstm_block


class RecurrentStage(Stage):
    """A network of a preset, ready to play.

    Parameters
    ----------
    weights : mapping of str to float32 array
        The arrays of a preset, in torch's layout.
    layers, hidden_size, inputs : int
    residual : bool
        The architecture; the weights have these sizes.
    sample_rate : int
        In Hz; for the smoothing of the knobs.
    knobs : sequence of float
        The values of the inputs after the first, 0 to 1.
    cell : {'lstm', 'gru'}
    dense : str
        The text of the dense layers before and after, as `fxhost.networks.dense` writes it; by default there are none.
    variant : Variant, optional
        Of the kernel; by default the one that is the fastest on this CPU.
    """

    def __init__(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        *,
        layers: int,
        hidden_size: int,
        inputs: int,
        residual: bool,
        sample_rate: int,
        knobs: Sequence[float] = (),
        cell: str = "lstm",
        dense: str = PLAIN,
        variant: Variant | None = None,
    ) -> None:
        network = cell, layers, hidden_size, inputs, residual
        make = partial(
            RecurrentStage, weights, layers=layers, hidden_size=hidden_size, inputs=inputs, residual=residual,
            knobs=knobs, sample_rate=sample_rate, cell=cell, dense=dense,
        )  # fmt: skip
        variant = variant or choose_variant(network, make)
        function = compile_network(*network, variant, dense)
        chain = DenseChain.from_text(dense)
        self.layout = RecurrentLayout(layers, hidden_size, inputs, variant.width, variant.widest, chain)
        self._at = self.layout.offsets()
        memory = aligned_zeros(self._at["end"], np.float32)
        start = self._at["weights"]
        for layer in range(layers):
            columns = weight_columns(weights, layer, self.layout, cell)
            memory[start : start + columns.size] = columns.ravel()
            start += self.layout.size(layer)
        for product in chain.products(inputs, hidden_size):
            memory[self._at["dense"] + product.start :][: product.size] = product.arrange(weights)
        memory[self._at["head"] :][: weights["head_weight"].shape[1]] = weights["head_weight"][0]
        memory[self._at["head_bias"]] = weights["head_bias"][0]
        memory[self._at["knob_smoothing"]] = smoothing(KNOB_SMOOTHING_MS, sample_rate)
        memory[self._at["x"] + 1 : self._at["x"] + inputs] = knobs
        memory[self._at["knob_targets"] + 1 : self._at["knob_targets"] + inputs] = knobs
        super().__init__(function.address, memory, first_words(memory, 0), function)
        self.set_initial_state(weights["h0"], weights["c0"])

    def parameter_address(self, index: int) -> int:
        """Where the value of a knob stands; the network hears it glide there."""
        return int(self.memory.ctypes.data) + 4 * (self._at["knob_targets"] + 1 + index)

    def set_initial_state(self, h: NDArray[np.float32], c: NDArray[np.float32]) -> None:
        """Take `h` and `c`, float32 (layers, hidden_size), as the state that a reset returns to, and go there."""
        for name, values in (("h", h), ("c", c)):
            for layer, row in enumerate(values):
                start = self._at[name] + layer * self.layout.padded
                self.memory[start : start + len(row)] = row
        self.initial = first_words(self.memory, 4 * self._at["knob_targets"])
