"""The parts of the callback that play chains of stages.

A chain is a table of int64 words: the number of stages and of channels that leave it, then for each stage the addresses
of its function, its memory and its initial state, the length of the latter, and how far into the block its channel
lies, in bytes. A block has two channels, of `MAX_BLOCK` frames each; the first `frames` of each count.
"""

from typing import Any

import numpy as np

from fxhost.engine.control_block import MAX_BLOCK, Block
from fxhost.native.blocks import after, clear, copy
from fxhost.native.inlining import inlined
from fxhost.native.intrinsics import call_stage, smaller, words_at

HEADER_WORDS, STAGE_WORDS = 2, 5
RUNAWAY = np.float32(1e6)  # 120 dB beyond full scale is no signal


@inlined
def run_chain(table: int, block: int, frames: int) -> None:
    """Send a block through every stage of a table."""
    words = words_at(table)
    count = words[0]
    rows = words_at(table + 8 * HEADER_WORDS)
    for stage in range(count):
        at = stage * STAGE_WORDS
        call_stage(rows[at], rows[at + 1], block + rows[at + 4], frames)


@inlined
def reset_chain(table: int) -> None:
    """Copy the initial state of every stage of a table over its state."""
    words = words_at(table)
    count = words[0]
    rows = words_at(table + 8 * HEADER_WORDS)
    for stage in range(count):
        length = rows[stage * STAGE_WORDS + 3]
        copy(words_at(rows[stage * STAGE_WORDS + 1]), words_at(rows[stage * STAGE_WORDS + 2]), length)


@inlined
def copy_states(table: int, address: int) -> None:
    """Copy the state of every stage of a table to int64 words at an address, one after the other."""
    words = words_at(table)
    count = words[0]
    rows = words_at(table + 8 * HEADER_WORDS)
    at = 0
    for stage in range(count):
        length = rows[stage * STAGE_WORDS + 3]
        copy(words_at(address + 8 * at), words_at(rows[stage * STAGE_WORDS + 1]), length)
        at += length


@inlined
def play_chain(table: int, dry: Block, wet: Block, address: int, frames: int) -> None:
    """Play `dry` through a chain into `wet`, which lies at an address; a mono chain puts out the same on both sides."""
    right = after(wet, MAX_BLOCK)
    copy(wet, dry, frames)
    copy(right, after(dry, MAX_BLOCK), frames)
    run_chain(table, address, frames)
    if words_at(table)[1] == 1:
        copy(right, wet, frames)


@inlined
def play_chains(s: Any, dry: Block, wet: Block, other: Block, frames: int) -> None:
    """Play `dry` through the chain into `wet`; while a new chain comes in, through both, with a crossfade."""
    play_chain(s.playing, dry, wet, s.scratch + 8 * MAX_BLOCK, frames)
    if s.coming != 0:
        play_chain(s.coming, dry, other, s.scratch + 16 * MAX_BLOCK, frames)
        for n in range(frames):
            sine = np.sin(0.5 * np.pi * smaller(1.0, (s.crossfaded + n) / s.crossfade_frames))
            rise = sine * sine
            for at in (n, n + MAX_BLOCK):
                wet[at] = np.float32(1.0 - rise) * wet[at] + np.float32(rise) * other[at]


@inlined
def guard(s: Any, wet: Block, frames: int) -> int:
    """Silence a block that is no signal, and start the chain anew. Return the number of bad samples."""
    bad = 0
    for n in range(frames):
        if not (abs(wet[n]) <= RUNAWAY and abs(wet[n + MAX_BLOCK]) <= RUNAWAY):  # so NaN too
            bad += 1
    if bad > 0:
        clear(wet, frames)
        clear(after(wet, MAX_BLOCK), frames)
        reset_chain(s.playing)
        if s.coming != 0:
            reset_chain(s.coming)
        s.faded_in = 0
    return bad
