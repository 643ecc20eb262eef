"""The parts of the callback that record: dry input and output side by side in a ring, and the state on request."""

from typing import Any

import numpy as np

from fxhost.engine.chain_playing import copy_states
from fxhost.engine.control_block import (
    AT_RING,
    AT_RING_READ,
    AT_RING_WRITTEN,
    AT_STATE_ANSWERED,
    AT_STATE_REQUEST,
    MAX_BLOCK,
    Block,
)
from fxhost.native.inlining import inlined
from fxhost.native.intrinsics import floats_at, load_acquire, store_release


@inlined
def keep_state(s: Any, rack: int, frame: int) -> None:
    """Keep the state before a frame, where Python has asked for it: what a take begins with."""
    request = load_acquire(rack + AT_STATE_REQUEST)
    if request != s.state_answered:
        copy_states(s.state_table, s.kept)
        s.kept_frame, s.kept_position = frame, s.ring_written
        s.kept_bypass, s.kept_faded_in = s.bypass, s.faded_in
        store_release(rack + AT_STATE_ANSWERED, request)


@inlined
def record_dry(s: Any, rack: int, dry: Block, frames: int) -> bool:
    """Write the dry input to the ring, where there is room for a block; count it where there is none."""
    address = load_acquire(rack + AT_RING)
    if address == 0 or s.source_done != 0:
        return False
    if frames > s.ring_size - (s.ring_written - load_acquire(rack + AT_RING_READ)):
        s.ring_lost += frames
        return False
    width = s.ring_channels + s.inputs
    ring = floats_at(address)
    for channel in range(s.inputs):
        for n in range(frames):
            at = ((s.ring_written + n) & (s.ring_size - 1)) * width
            ring[at + s.ring_channels + channel] = dry[channel * MAX_BLOCK + n]
    return True


@inlined
def record_wet(s: Any, rack: int, wet: Block, frames: int) -> None:
    """Write the output to the ring beside the dry input, and hand both to Python."""
    width = s.ring_channels + s.inputs
    ring = floats_at(s.ring)
    for n in range(frames):
        at = ((s.ring_written + n) & (s.ring_size - 1)) * width
        if s.ring_channels == 1:
            ring[at] = np.float32(0.5) * (wet[n] + wet[n + MAX_BLOCK])
        else:
            ring[at] = wet[n]
            ring[at + 1] = wet[n + MAX_BLOCK]
    store_release(rack + AT_RING_WRITTEN, s.ring_written + frames)
