"""The stage of a cabinet: a short direct part, and levels of partitions behind it."""

from typing import Any

import numpy as np
from numba import carray

from fxhost.arrays import ALIGNMENT, Float64Array, aligned_zeros
from fxhost.native.intrinsics import address_of, words_at
from fxhost.stages.base import Stage, first_words, offset_of, stage_function
from fxhost.stages.cabinet.direct import GROUP, convolve_group
from fxhost.stages.cabinet.partitions import (
    BLOCKS,
    HEADER,
    INPUT,
    OUTPUT,
    SIZE,
    TICK,
    advance_level,
    doubles,
    make_level,
)

SIZES = (256, 4096)  # frames of a partition of each level, which begins at twice as many taps
DIRECT = 2 * SIZES[0]  # taps of the direct part, at most

STATE = np.dtype(
    [
        ("frames", "i8"),  # since the start
        ("done", "i8", 2),  # steps of each level on its last partition
        ("past", "f8", DIRECT + TICK + GROUP),  # the input: DIRECT frames before the last tick, and those since
        ("sums", "f8", TICK + GROUP),
        ("taps", "i8"),  # of the direct part
        ("direct", "i8"),  # places in bytes from the beginning of the memory: float64 (taps,)
        ("levels", "i8"),  # how many there are
        ("first_level", "i8"),
        ("second_level", "i8"),
    ],
    align=True,
)
PAST, SUMS = (offset_of(STATE, field) for field in ("past", "sums"))


@stage_function(STATE, "cabinet")
def convolve_block(state: Any, block: Any, frames: int) -> None:
    """Convolve a block with the impulse response."""
    base = address_of(state)
    s = carray(state, (1,))[0]
    x = carray(block, (frames,))
    past, sums = s.past, s.sums
    past_address, sums_address = base + PAST, base + SUMS
    done = 0
    while done < frames:
        phase = s.frames % TICK
        count = min(TICK - phase, frames - done)
        begin = DIRECT + phase
        for n in range(count):
            past[begin + n] = x[done + n]
        for first in range(0, count, GROUP):
            convolve_group(base + s.direct, s.taps, past_address + 8 * (begin + first), sums_address + 8 * first)
        for number in range(s.levels):
            level = base + (s.first_level if number == 0 else s.second_level)
            h = carray(words_at(level), (HEADER,))
            size, at = h[SIZE], s.frames
            kept = doubles(level, h[INPUT], BLOCKS * size)
            for n in range(count):
                kept[(at + n) & (BLOCKS * size - 1)] = x[done + n]
            if at >= 2 * size:
                heard = doubles(level, h[OUTPUT] + 8 * size * ((at // size) & 1), size)
                for n in range(count):
                    sums[n] += heard[(at + n) & (size - 1)]
        for n in range(count):
            x[done + n] = np.float32(sums[n])
        done += count
        s.frames += count
        if s.frames % TICK == 0:
            for n in range(DIRECT):
                past[n] = past[n + TICK]
            for number in range(s.levels):
                level = base + (s.first_level if number == 0 else s.second_level)
                s.done[number] = advance_level(level, s.frames, s.done[number])


class Cabinet(Stage):
    """Convolution with an impulse response, without latency. Blocks of any size give the same samples to the bit.

    Parameters
    ----------
    response : float32 or float64 (taps,)
        At the rate of the stream.
    """

    def __init__(self, response: Float64Array) -> None:
        taps = np.asarray(response, np.float64)
        head = taps[:DIRECT]
        parts = [np.ascontiguousarray(head).view(np.uint8)]
        ends = (2 * SIZES[1], len(taps))
        for size, end in zip(SIZES, ends, strict=True):
            if len(taps) > 2 * size:
                parts.append(make_level(taps[2 * size : end], size))
        header = np.zeros(1, STATE)
        header["taps"], header["levels"] = len(head), len(parts) - 1
        places, end = [], header.nbytes
        for part in parts:
            end = -(-end // ALIGNMENT) * ALIGNMENT
            places.append(end)
            end += part.nbytes
        header["direct"] = places[0]
        for name, place in zip(("first_level", "second_level"), places[1:], strict=False):
            header[name] = place
        memory = aligned_zeros(end, np.uint8)
        memory[: header.nbytes] = header.view(np.uint8)
        for place, part in zip(places, parts, strict=True):
            memory[place : place + part.nbytes] = part
        super().__init__(convolve_block.address, memory, first_words(memory, header.nbytes), convolve_block)
