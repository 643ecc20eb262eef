"""A recurrent network at a multiple of its rate: interleaved copies of its state take turns.

Sample n meets the state of sample n − copies, so that every phase of the signal goes through the network exactly as a
signal at the network's own rate does. No latency is added.

References
----------
J. Chowdhury, RTNeural (github.com/jatinchowdhury18/RTNeural), its sample rate correction by a delayed state.
"""

from typing import Any

import numpy as np
from numba import carray

from fxhost.native.intrinsics import address_of, call_stage
from fxhost.stages.base import Stage, stage_function
from fxhost.stages.rate.nested import CHUNK, Nested, floats_in

HEADER = np.dtype(
    [
        ("function", "i8"),
        ("inner", "i8"),
        ("copies", "i8"),
        ("state_floats", "i8"),  # at the beginning of the inner stage's memory
        ("states", "i8"),  # a row for each copy
        ("scratch", "i8"),  # the samples of one phase
        ("turn", "i8"),  # which copy the next sample meets
    ],
    align=True,
)


@stage_function(HEADER)
def interleave_block(state: Any, block: Any, frames: int) -> None:
    """Play the phases of a block one after the other, each with its own state."""
    base = address_of(state)
    s = carray(state, (1,))[0]
    audio = carray(block, (frames,))
    copies, floats = s.copies, s.state_floats
    current = floats_in(base, s.inner, floats)
    scratch = floats_in(base, s.scratch, CHUNK)
    done = 0
    while done < frames:
        count = min(CHUNK, frames - done)
        for first in range(min(copies, count)):
            kept = floats_in(base, s.states + 4 * floats * ((s.turn + first) % copies), floats)
            for k in range(floats):
                current[k] = kept[k]
            samples = (count - first + copies - 1) // copies
            for n in range(samples):
                scratch[n] = audio[done + first + n * copies]
            call_stage(s.function, base + s.inner, base + s.scratch, samples)
            for n in range(samples):
                audio[done + first + n * copies] = scratch[n]
            for k in range(floats):
                kept[k] = current[k]
        s.turn = (s.turn + count) % copies
        done += count


class Interleaved(Nested):
    """A stage at a whole multiple of its rate.

    Parameters
    ----------
    inner : Stage
        Fresh, of float32 memory.
    copies : int
        The multiple, 2 or more.
    """

    def __init__(self, inner: Stage, copies: int) -> None:
        header = np.zeros(1, HEADER)
        state = inner.initial.view(np.float32)
        header["copies"], header["state_floats"] = copies, len(state)
        super().__init__(
            interleave_block,
            header,
            inner,
            buffers={"states": np.tile(state, copies)},
            constants={"scratch": np.zeros(CHUNK, np.float32)},
        )
