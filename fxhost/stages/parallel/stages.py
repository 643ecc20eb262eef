"""The stages of a parallel part: a run of them in the one list of stages that a rack plays.

    split ─ branch ─ join ─ recall ─ branch ─ join ─ … ─ sum

`Split` keeps the block that comes in, and finds the gain of every branch from the parameters. A branch plays on the
block in place. `Join` delays what it has made and adds it, times its gain, to the sums; `Recall` puts the kept block
back; `Sum` puts the sums into the block. What they share lies in the memory of the split. Blocks have at most `PLANE`
frames; those of any size give the same samples to the bit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba import carray

from fxhost.arrays import aligned_zeros
from fxhost.native.intrinsics import address_of, doubles_at, floats_at
from fxhost.stages.base import PLANE, Stage, first_words, offset_of, smoothing, stage_function
from fxhost.stages.gain import ARRIVED, SMOOTHING_MS
from fxhost.stages.parallel.delay import DELAY, delay_channel, set_delay
from fxhost.stages.parameter import Parameter

MOST_BRANCHES = 16
LEVEL = Parameter("level", "dB", -60.0, 12.0, 0.0)
PAN = Parameter("pan", "", -1.0, 1.0, 0.0)
MUTE = Parameter("mute", "", 0.0, 1.0, 0.0, "switch")
SOLO = Parameter("solo", "", 0.0, 1.0, 0.0, "switch")
BRANCH = (LEVEL, PAN, MUTE, SOLO)  # the parameters of each branch of a blend, in the order of the memory
MIX = Parameter("mix", "", 0.0, 1.0, 1.0)  # that of a mix: 0 is dry, 1 is wet

SPLIT = np.dtype(
    [
        ("targets", "f4", len(BRANCH) * MOST_BRANCHES),
        ("is_mix", "i8"),
        ("branches", "i8"),
        ("channels", "i8"),  # that come in
        ("signs", "f8", MOST_BRANCHES),  # 1, or −1 where a branch is turned over
        ("goals", "f8", (MOST_BRANCHES, 2)),  # the gains of each branch to the left and to the right
        ("kept", "f4", 2 * PLANE),
        ("sums", "f8", 2 * PLANE),
    ],
    align=True,
)
JOIN = np.dtype(
    [
        ("has_begun", "i8"),
        ("gains", "f8", 2),  # gliding
        ("delay", DELAY),
        ("channels", "i8"),  # that the branch puts out
        ("sides", "i8"),  # of the sum
        ("smoothing", "f8"),
        ("goals", "i8"),  # addresses in the split
        ("sums", "i8"),
        ("ring", "i8"),  # where the ring of the delay begins, in bytes from the beginning of the memory
    ],
    align=True,
)
BACK = np.dtype([("source", "i8"), ("channels", "i8")], align=True)


@stage_function(SPLIT, "blend")
def split_block(state: Any, block: Any, frames: int) -> None:
    """Keep a block, which stays as it is, and find the gains of the branches."""
    s = carray(state, (1,))[0]
    x = carray(block, ((s.channels - 1) * PLANE + frames,))
    kept, sums, targets, goals = s.kept, s.sums, s.targets, s.goals
    for channel in range(2):
        for n in range(frames):
            sums[channel * PLANE + n] = 0.0
    for channel in range(s.channels):
        for n in range(frames):
            kept[channel * PLANE + n] = x[channel * PLANE + n]
    if s.is_mix != 0:
        wet = np.float64(targets[0])
        for side in range(2):
            goals[0, side], goals[1, side] = wet, 1.0 - wet
        return
    has_solo = False
    for branch in range(s.branches):
        has_solo = has_solo or targets[4 * branch + 3] >= 0.5
    for branch in range(s.branches):
        level_db, pan = np.float64(targets[4 * branch]), np.float64(targets[4 * branch + 1])
        is_muted, is_solo = targets[4 * branch + 2] >= 0.5, targets[4 * branch + 3] >= 0.5
        gain = 0.0
        if not is_muted and (is_solo or not has_solo):
            gain = s.signs[branch] * 10.0 ** (level_db / 20.0)
        goals[branch, 0], goals[branch, 1] = gain * min(1.0, 1.0 - pan), gain * min(1.0, 1.0 + pan)


@stage_function(JOIN, "blend")
def join_block(state: Any, block: Any, frames: int) -> None:
    """Delay what a branch has made, in place, and add it to the sums."""
    base = address_of(state)
    s = carray(state, (1,))[0]
    x = carray(block, ((s.channels - 1) * PLANE + frames,))
    for channel in range(s.channels):
        delay_channel(s.delay, base + s.ring, channel, x[channel * PLANE :], frames)
    s.delay.at += frames
    goals, sums = carray(doubles_at(s.goals), (2,)), carray(doubles_at(s.sums), (2 * PLANE,))
    for side in range(s.sides):
        audio, total = x[min(side, s.channels - 1) * PLANE :], sums[side * PLANE :]
        goal = goals[side]
        gain = s.gains[side] if s.has_begun != 0 else goal
        if gain != goal:
            for n in range(frames):
                step = goal - gain
                gain = goal if abs(step) < ARRIVED else gain + s.smoothing * step
                total[n] += gain * audio[n]
        elif goal != 0.0:  # a branch that is not heard cannot spoil the sum
            for n in range(frames):
                total[n] += goal * audio[n]
        s.gains[side] = gain
    s.has_begun = 1


@stage_function(BACK, "blend")
def recall_block(state: Any, block: Any, frames: int) -> None:
    """Put the kept block back."""
    s = carray(state, (1,))[0]
    x, kept = carray(block, ((s.channels - 1) * PLANE + frames,)), carray(floats_at(s.source), (2 * PLANE,))
    for channel in range(s.channels):
        for n in range(frames):
            x[channel * PLANE + n] = kept[channel * PLANE + n]


@stage_function(BACK, "blend")
def sum_block(state: Any, block: Any, frames: int) -> None:
    """Put the sums into the block."""
    s = carray(state, (1,))[0]
    x, sums = carray(block, ((s.channels - 1) * PLANE + frames,)), carray(doubles_at(s.source), (2 * PLANE,))
    for channel in range(s.channels):
        for n in range(frames):
            x[channel * PLANE + n] = np.float32(sums[channel * PLANE + n])


class Split(Stage):
    """Where the branches begin. Its parameters are those of `BRANCH`, for one branch after the other, or the mix.

    Parameters
    ----------
    settings : sequence of mapping of str to float
        For each branch of a blend the parameters that differ from their defaults; for a mix one mapping.
    polarities : sequence of {1, −1}
        For each branch.
    channels : {1, 2}
        That come in.
    is_mix : bool
        Whether there are two branches, wet and dry, and one parameter, the mix.
    """

    def __init__(
        self,
        settings: Sequence[Mapping[str, float]],
        polarities: Sequence[int] = (1, 1),
        *,
        channels: int = 1,
        is_mix: bool = False,
    ) -> None:
        memory = aligned_zeros(1, SPLIT)
        s, kinds = memory[0], (MIX,) if is_mix else BRANCH
        values = [own.get(parameter.name, parameter.default) for own in settings for parameter in kinds]
        s["targets"][: len(values)] = values
        s["is_mix"], s["branches"], s["channels"] = is_mix, len(polarities), channels
        s["signs"][: len(polarities)] = polarities
        super().__init__(split_block.address, memory, first_words(memory, 0), split_block)

    def place(self, field: str) -> int:
        """The address of a field of its memory."""
        return int(self.memory.ctypes.data) + offset_of(SPLIT, field)


class Join(Stage):
    """Where a branch ends.

    Parameters
    ----------
    split : Split
        It must stay where it is.
    branch : int
        Its number, from 0.
    delay_frames : float
        Whole, or at least so long that `fxhost.stages.parallel.delay.missing_frames` is 0.
    sample_rate : int
        In Hz.
    channels, sides : {1, 2}
        Channels that the branch puts out, and that the sum has, not fewer.
    """

    def __init__(
        self, split: Split, branch: int, delay_frames: float, sample_rate: int, *, channels: int = 1, sides: int = 1
    ) -> None:
        header = np.zeros(1, JOIN)
        ring = set_delay(header[0]["delay"], delay_frames)
        header["channels"], header["sides"] = channels, sides
        header["smoothing"], header["ring"] = smoothing(SMOOTHING_MS, sample_rate), header.nbytes
        header["goals"], header["sums"] = split.place("goals") + 16 * branch, split.place("sums")
        memory = aligned_zeros(header.nbytes + 4 * ring, np.uint8)
        memory[: header.nbytes] = header.view(np.uint8)
        super().__init__(join_block.address, memory, first_words(memory, memory.nbytes), (join_block, split))


class Recall(Stage):
    """Where the next branch begins, on so many channels."""

    def __init__(self, split: Split, channels: int = 1) -> None:
        memory = aligned_zeros(1, BACK)
        memory["source"], memory["channels"] = split.place("kept"), channels
        super().__init__(recall_block.address, memory, first_words(memory, 0), (recall_block, split))


class Sum(Stage):
    """Where all branches end; with two sides it makes a mono chain stereo."""

    def __init__(self, split: Split, sides: int = 1) -> None:
        memory = aligned_zeros(1, BACK)
        memory["source"], memory["channels"] = split.place("sums"), sides
        super().__init__(sum_block.address, memory, first_words(memory, 0), (sum_block, split))
        self.makes_stereo = sides == 2
