"""What the audio thread records: the dry input beside the output, and at which frames something was set.

From the state at its beginning, the dry input and the settings, a recording can be played again to the bit
(`fxhost.rig.take`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.engine.chain_table import ChainTable
from fxhost.engine.rack_memory import STATE_WORDS, RackMemory, Setting
from fxhost.stages.base import Stage


@dataclass(frozen=True)
class RackState:
    """The state of what plays around a chain.

    Attributes
    ----------
    frame : int
        It is the state before this frame was played.
    position : int
        Where this frame stands in the recording.
    words : list of int
        The states of the stages, one after the other.
    bypass : float
        How much of the dry signal is heard, 0 to 1.
    faded_in : int
        How many frames of the fade-in of the stream have been played.
    """

    frame: int
    position: int
    words: list[int]
    bypass: float
    faded_in: int


class Tape:
    """The recording of a rack.

    Parameters
    ----------
    memory : RackMemory
    stages : sequence of Stage
        Those around the chain whose state a recording depends on.
    channels : {1, 2}
        Of the output.

    Attributes
    ----------
    starts : list of int
        The frames before which a stream was started, and is faded in.
    """

    def __init__(self, memory: RackMemory, stages: Sequence[Stage], channels: int) -> None:
        self._memory, self.channels = memory, channels
        self.keep(stages)
        self.starts: list[int] = []

    def keep(self, stages: Sequence[Stage]) -> None:
        """Keep the state of these stages from now on. Only while nobody plays the rack."""
        self._stages = list(stages)
        self._table = ChainTable(self._stages)
        assert sum(len(stage.initial) for stage in self._stages) <= STATE_WORDS
        self._memory.control["state_table"] = self._table.address

    def start(self) -> None:
        """Record from the next block on."""
        self._memory.record()

    def take(self) -> tuple[int, Float32Array, Float32Array]:
        """What was recorded since the last call: its position, and output and dry input, float32 (frames, channels)."""
        position, frames = self._memory.take_recording()
        return position, frames[:, : self.channels], frames[:, self.channels :]

    @property
    def position(self) -> int:
        """That of the frame that is recorded next."""
        return int(self._memory.control["ring_written"])

    def take_settings(self) -> list[Setting]:
        """The parameters that were set since the last call; before the first one nothing is noted."""
        return self._memory.take_settings()

    def ask_for_state(self) -> None:
        """Let the audio thread tell its state at the next block."""
        self._memory.ask_for_state()

    @property
    def state(self) -> RackState | None:
        """The state that was asked for; None until there was a block."""
        c, words = self._memory.control, self._memory.kept_state
        if words is None:
            return None
        used = sum(len(stage.initial) for stage in self._stages)
        return RackState(
            int(c["kept_frame"]),
            int(c["kept_position"]),
            words[:used],
            float(c["kept_bypass"]),
            int(c["kept_faded_in"]),
        )

    def restore(self, state: RackState) -> None:
        """Go on from a state. Only while nobody plays the rack.

        Raises
        ------
        ValueError
            If it is none of such a rack.
        """
        if len(state.words) != sum(len(stage.initial) for stage in self._stages):
            raise ValueError(f"{len(state.words)} words of state")
        words = iter(state.words)
        for stage in self._stages:
            stage.memory.view(np.uint8)[: 8 * len(stage.initial)].view(np.int64)[:] = [
                next(words) for _ in stage.initial
            ]
        self._memory.control["bypass"], self._memory.control["faded_in"] = state.bypass, state.faded_in
