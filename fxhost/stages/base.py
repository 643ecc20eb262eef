"""Stages: the steps of a signal chain, one a file. A stage is a compiled function and its memory.

The function is a numba `cfunc` `void stage(state *, float *block, int64 frames)` that works in place on mono float32.
In a rack the right channel of a block lies `PLANE` frames after the left one. The function runs on the audio thread:
bounded work, no allocation, no Python. The memory is one aligned block that Python owns: first the part that changes
while playing (filter memories, hidden state, smoothed values), then parameters. A reset copies the first part back from
`initial`. A parameter is one float32 that Python writes and the stage reads; the stage smooths it.
"""

import ctypes
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from fxhost.native.code_cache import cached_cfunc
from fxhost.stages.parameter import Parameter

PLANE = 512  # frames from the left channel of a block to the right one, and the most that a stage of both is given

_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


@dataclass
class Stage:
    """One step of a chain.

    Attributes
    ----------
    function : int
        The address of the compiled function.
    memory : numpy array
        The stage's block of memory; whoever runs the stage keeps it alive.
    initial : int64 array
        What a reset copies over the first `len(initial)` words of `memory`.
    owner : object
        What keeps `function` alive.
    parameters : tuple of Parameter
        What can be turned; their values are float32 in the field `targets` of the memory, in this order.
    error : BaseException or None
        What went wrong in a stage that runs Python (none of ours but the TorchScript engine); it is silent since.
    channel : int
        Which channel of a rack it plays: 0 is the left one and that of mono, 1 the right one.
    makes_stereo : bool
        Whether it also writes the right channel, and two channels leave a chain from there on.
    buffers : list of numpy array
        Large memory that it uses beside its own.
    """

    function: int
    memory: NDArray[Any]
    initial: NDArray[np.int64]
    owner: object = field(repr=False)
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    error: BaseException | None = field(default=None, init=False)
    channel: int = field(default=0, init=False)
    makes_stereo: bool = field(default=False, init=False)
    buffers: list[NDArray[Any]] = field(default_factory=list, init=False, repr=False)

    def process(self, block: NDArray[np.float32]) -> None:
        """Run the stage on `block`, float32 (frames,), in place. Only while no other thread runs it."""
        _PROTOTYPE(self.function)(self.memory.ctypes.data, block.ctypes.data, len(block))

    def process_at(self, address: int, frames: int) -> None:
        """Run the stage on the float32 `(frames,)` at an address, in place."""
        _PROTOTYPE(self.function)(self.memory.ctypes.data, address, frames)

    def reset(self) -> None:
        """Return to the initial state. Only while no thread runs the stage."""
        words = self.memory.view(np.uint8)[: 8 * len(self.initial)].view(np.int64)
        words[:] = self.initial

    def parameter_address(self, index: int) -> int | None:
        """Where the value of a parameter stands, a float32; None where only `set_parameter` can set it."""
        return int(self.memory.ctypes.data) + offset_of(self.memory.dtype, "targets") + 4 * index

    def set_parameter(self, index: int, value: float) -> None:
        """Set a parameter, while it plays or not; the stage glides there."""
        address = self.parameter_address(index)
        assert address is not None
        ctypes.c_float.from_address(address).value = value

    def move(self, memory: NDArray[Any]) -> None:
        """Go on in `memory`, uint8 of the same size, which belongs to another stage. Only while no thread runs it."""
        memory[:] = self.memory.view(np.uint8)
        self.memory = memory.view(self.memory.dtype)


def offset_of(record: np.dtype[Any], name: str) -> int:
    """Where a field of a structured dtype lies, in bytes."""
    assert record.fields is not None
    return record.fields[name][1]


def first_words(memory: NDArray[Any], size: int) -> NDArray[np.int64]:
    """A copy of the first `size` bytes, rounded up to whole words."""
    return memory.view(np.uint8)[: -(-size // 8) * 8].view(np.int64).copy()


def stage_function(state: np.dtype[Any] | type, what: str = "") -> Any:
    """The decorator that compiles a stage whose memory holds `state` (a structured dtype, or float32).

    Users wait for it under the name `what`.
    """
    element = types.float32 if state is np.float32 else from_dtype(state)
    signature = types.void(types.CPointer(element), types.CPointer(types.float32), types.int64)
    return cached_cfunc(signature, what, error_model="numpy", forceinline=True)


def smoothing(time_ms: float, sample_rate: int) -> float:
    """The coefficient of a one-pole smoother that goes 63 % of the way in `time_ms`."""
    return 1.0 - math.exp(-1000.0 / (time_ms * sample_rate))
