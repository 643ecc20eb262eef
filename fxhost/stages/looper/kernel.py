"""What a looper does to each frame.

The memory is allocated beforehand and holds for each frame the loop, the newest overdub, and the number of the overdub
during which that frame came by last; number 0 is the recording itself. What is heard is the sum of loop and overdub. So
undo silences the overdub and redo brings it back. When another overdub begins, the one before it becomes part of the
loop, frame by frame as the loop comes by; then no block has more to do than another.

Seams last 5 ms. What is played right after a loop was closed fades into its beginning, so that the end leads there as
it did while it was played; overdubs, undo, stop and clear fade. Commands wait in a ring and take effect at the first
frame of a block; one that comes right after the end of an overdub, an undo or a clear waits for that fade.
"""

from typing import Any

import numpy as np
from numba import carray

from fxhost.native.inlining import inlined
from fxhost.native.intrinsics import address_of, floats_at, load_acquire, store_release
from fxhost.stages.base import PLANE, offset_of, stage_function

ARRIVED = 1e-5
COMMANDS = 64  # that may wait for a block; a power of two
OVERDUBS = 4096  # that are told apart within one loop; what comes later joins the last one
LOUDEST = np.float32(1e6)  # what is louder is no signal and is not recorded

EMPTY, RECORDING, PLAYING, OVERDUBBING, STOPPED = range(5)
RECORD, PLAY, UNDO, CLEAR = range(4)

STATE = np.dtype(
    [
        # written by the audio thread; fades count frames, from 0 to `fade`
        ("state", "i8"),
        ("position", "i8"),  # of the frame that comes next
        ("length", "i8"),  # of the loop in frames; of a cleared one until the next recording
        ("overdub", "i8"),  # the number of the newest
        ("is_undone", "i8"),
        ("heard", "i8"),  # fade of the whole loop
        ("dubbed", "i8"),  # fade of what goes into the overdub
        ("shown", "i8"),  # fade of the overdub that is heard
        ("seam", "i8"),  # frames of the loop's beginning that are faded into
        ("frames", "i8"),  # that have passed
        ("taken", "i8"),  # commands
        ("taken_at", "i8", COMMANDS),  # of the last ones the frames at which they took effect
        ("level", "f8"),
        ("is_kept", "i1", OVERDUBS),  # which overdubs were not undone when the next one began
        # written by Python
        ("given", "i8"),  # commands
        ("commands", "i8", COMMANDS),
        ("level_target", "f4"),
        ("smoothing", "f4"),
        ("channels", "i8"),
        ("capacity", "i8"),  # frames
        ("fade", "i8"),
        ("shortest", "i8"),
        ("memory", "i8"),  # address of float32 (capacity, 2 × channels + 1)
    ],
    align=True,
)
AT_GIVEN, AT_TAKEN = offset_of(STATE, "given"), offset_of(STATE, "taken")


@inlined
def begin_overdub(s: Any) -> None:
    """Lay what is played over the loop from now on."""
    s.state = OVERDUBBING
    if s.overdub + 1 < OVERDUBS:  # else it goes on with the last one
        s.is_kept[s.overdub] = 1 - s.is_undone
        s.overdub += 1
        s.shown = s.fade
    s.is_undone = 0


@inlined
def close_loop(s: Any, state: int) -> None:
    """End the recording; what was recorded is the loop."""
    if s.position < s.shortest:
        s.state, s.length = EMPTY, 0
    else:
        s.state, s.length = state, s.position
        s.heard = s.fade if state == PLAYING else 0
        s.seam = 0
    s.position = 0


@inlined
def obey(s: Any, command: int) -> None:
    """Do what a command says."""
    if command == RECORD:
        if s.state == EMPTY:
            s.state = RECORDING
            s.position, s.length, s.overdub, s.is_undone, s.dubbed = 0, 0, 0, 0, 0
            s.shown, s.seam = s.fade, s.fade
        elif s.state == RECORDING:
            close_loop(s, PLAYING)
        elif s.state == OVERDUBBING:
            s.state = PLAYING
        else:
            begin_overdub(s)
    elif command == PLAY:
        if s.state == RECORDING:
            close_loop(s, STOPPED)
        elif s.state == STOPPED:
            s.state = PLAYING
        elif s.state != EMPTY:
            s.state = STOPPED
    elif command == UNDO:
        if s.state == EMPTY:
            s.state = STOPPED if s.length > 0 else EMPTY
        elif s.state == OVERDUBBING:
            s.state, s.is_undone = PLAYING, 1
        elif s.overdub > 0:  # so it is not being recorded
            s.is_undone = 1 - s.is_undone
    elif command == CLEAR:
        if s.state == RECORDING:
            s.position, s.length = 0, 0
        s.state = EMPTY


@inlined
def is_ready(s: Any) -> bool:
    """Whether a command may take effect: the fades that it could cut off are over."""
    if s.state == OVERDUBBING:
        return True
    is_shown = s.shown == (0 if s.is_undone != 0 else s.fade)
    return bool(is_shown and s.dubbed == 0 and (s.state != EMPTY or s.heard == 0))


@inlined
def step(fade: int, rises: bool, end: int) -> int:
    """A fade after one more frame."""
    return min(end, fade + 1) if rises else max(0, fade - 1)


@inlined
def move_fades(s: Any) -> bool:
    """Move all fades on by a frame; tell whether the loop moves."""
    plays = s.state == PLAYING or s.state == OVERDUBBING
    s.heard = step(s.heard, plays, s.fade)
    s.dubbed = step(s.dubbed, s.state == OVERDUBBING, s.fade)
    s.shown = step(s.shown, s.is_undone == 0, s.fade)
    moves = bool(plays or s.heard > 0 or s.dubbed > 0)
    change = np.float64(s.level_target) - s.level
    s.level = np.float64(s.level_target) if not moves or abs(change) < ARRIVED else s.level + s.smoothing * change
    return moves


@inlined
def record_frame(s: Any, memory: Any, left: float, right: float) -> None:
    """Keep a frame; the last one that there is room for closes the loop."""
    at = s.position * (2 * s.channels + 1)
    for channel in range(s.channels):
        memory[at + channel] = left if channel == 0 else right
        memory[at + s.channels + channel] = 0.0
    memory[at + 2 * s.channels] = 0.0
    s.position += 1
    if s.position == s.capacity:
        close_loop(s, PLAYING)


@inlined
def settle_frame(s: Any, memory: Any, at: int) -> None:
    """Where a frame comes by for the first time since an overdub began, make the one before it part of the loop."""
    number = np.int64(memory[at + 2 * s.channels])
    if number != s.overdub:
        for channel in range(s.channels):
            if s.is_kept[number] != 0:
                memory[at + channel] += memory[at + s.channels + channel]
            memory[at + s.channels + channel] = 0.0
        memory[at + 2 * s.channels] = s.overdub


@inlined
def read_frame(s: Any, memory: Any, at: int, channel: int) -> Any:
    """What a frame of the loop sounds like: loop and overdub."""
    loop = memory[at + channel]
    if s.position == s.seam:  # its beginning, right after it was closed: the end of the recording is being played
        loop *= np.float32(s.seam) / np.float32(s.fade)
    return loop + memory[at + s.channels + channel] * (np.float32(s.shown) / np.float32(s.fade))


@stage_function(STATE, "looper")
def loop_block(state: Any, block: Any, frames: int) -> None:
    """Add the loop to a block of two channels, and record it where that was asked for."""
    s = carray(state, (1,))[0]
    given = load_acquire(address_of(state) + AT_GIVEN)
    x = carray(block, (PLANE + frames,))
    memory = carray(floats_at(s.memory), (s.capacity * (2 * s.channels + 1),))
    for n in range(frames):
        while s.taken < given and is_ready(s):
            obey(s, s.commands[s.taken & (COMMANDS - 1)])
            s.taken_at[s.taken & (COMMANDS - 1)] = s.frames + n
            store_release(address_of(state) + AT_TAKEN, s.taken + 1)
        moves = move_fades(s)
        left = x[n] if abs(x[n]) <= LOUDEST else np.float32(0.0)
        right = x[PLANE + n] if abs(x[PLANE + n]) <= LOUDEST else np.float32(0.0)
        if s.channels == 1:
            left = np.float32(0.5) * (left + right)
        if s.state == RECORDING:
            record_frame(s, memory, left, right)
            continue
        if moves:
            at = s.position * (2 * s.channels + 1)
            settle_frame(s, memory, at)
            loud = np.float32(s.level * s.heard / s.fade)
            soft = np.float32(s.dubbed) / np.float32(s.fade)
            x[n] += loud * read_frame(s, memory, at, 0)
            x[PLANE + n] += loud * read_frame(s, memory, at, s.channels - 1)
            for channel in range(s.channels):
                memory[at + s.channels + channel] += soft * (left if channel == 0 else right)
        if s.seam < s.fade:
            at = s.seam * (2 * s.channels + 1)
            rise = np.float32(s.seam) / np.float32(s.fade)
            for channel in range(s.channels):
                late = left if channel == 0 else right
                memory[at + channel] = rise * memory[at + channel] + (np.float32(1.0) - rise) * late
            s.seam += 1
        s.position = (s.position + 1) % s.length if moves else 0
    s.frames += frames
