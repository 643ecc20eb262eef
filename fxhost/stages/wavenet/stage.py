"""The stage of a WaveNet: a kernel compiled for its sizes, cached on disk, and its memory.

`fxhost.networks.wavenet` says what a network computes, `fxhost.stages.wavenet.layout` where everything lies in memory;
`fxhost.stages.wavenet.emitter` emits the code.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fxhost.arrays import aligned_zeros
from fxhost.native.intrinsics import address_of
from fxhost.native.llvm_types import Builder, NumbaType, Signature, TargetContext, TypingContext, Word
from fxhost.native.vectors import Vectors, register_lanes
from fxhost.networks.wavenet import WaveNet
from fxhost.networks.wavenet_checks import check_network
from fxhost.networks.wavenet_rings import CHUNK
from fxhost.stages.base import Stage, first_words, stage_function
from fxhost.stages.wavenet.emitter import Emitter
from fxhost.stages.wavenet.layout import WaveNetLayout


@intrinsic(prefer_literal=True)
def play_block(
    typing_context: TypingContext,
    state: int,
    block: int,
    frames: int,
    description: NumbaType,
    width: NumbaType,
    registers: NumbaType,
) -> Any:
    """The whole kernel: three values, then the network as a text and the CPU's sizes, literals.

    They come from the caller's closure, and so into the key of the disk cache.
    """
    numbers = (width, registers)
    if not isinstance(description, types.StringLiteral) or not all(
        isinstance(n, types.IntegerLiteral) for n in numbers
    ):
        return None

    def generate(context: TargetContext, builder: Builder, signature: Signature, values: Sequence[Word]) -> Word:
        network = WaveNet.from_text(description.literal_value)
        layout = WaveNetLayout(network, width.literal_value, registers.literal_value)
        v = Vectors(builder, layout.width)
        Emitter(v, layout, v.pointer(values[0])).emit_block(v.pointer(values[1]), values[2])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, description, *numbers), generate


@cache
def compile_network(network: WaveNet) -> Any:
    """The compiled stage of a network: from this process, else from the disk cache, else compiled (a second).

    Returns
    -------
    numba cfunc
    """
    width, registers = register_lanes()
    description = network.to_text()

    @stage_function(np.float32, network.describe())
    def wavenet_block(state: Any, block: Any, frames: int) -> None:
        play_block(address_of(state), address_of(block), frames, description, width, registers)

    return wavenet_block


class WaveNetStage(Stage):
    """A WaveNet, ready to play, in its settled state: that after silence of the length of its receptive field.

    Parameters
    ----------
    network : WaveNet
    weights : float32 array (network.weight_count,)
        In the order that `fxhost.networks.wavenet` tells.

    Attributes
    ----------
    silent_output : float
        What it plays in silence.

    Raises
    ------
    ValueError
        If the network cannot be played, or the number of weights is not that of the network.
    """

    def __init__(self, network: WaveNet, weights: NDArray[np.float32]) -> None:
        check_network(network)
        if weights.shape != (network.weight_count,):
            raise ValueError(f"a WaveNet's weights: got {weights.shape}, expected ({network.weight_count},)")
        function = compile_network(network)
        self.layout = WaveNetLayout(network, *register_lanes())
        at = self.layout.offsets
        memory = aligned_zeros(at["end"], np.float32)
        table, arranged = self.layout.table(), self.layout.arrange(weights)
        memory[at["table"] :].view(np.int32)[: table.size] = table.ravel()
        memory[at["weights"] :][: len(arranged)] = arranged
        super().__init__(function.address, memory, first_words(memory, 4 * at["table"]), function)
        silence = np.zeros(-(-network.receptive_field // CHUNK) * CHUNK, np.float32)
        self.process(silence)
        self.initial = first_words(memory, 4 * at["table"])
        self.silent_output = float(silence[-1])
