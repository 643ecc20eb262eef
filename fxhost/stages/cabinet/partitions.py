"""The later part of an impulse response: a level of equal partitions, whose work is spread evenly over time.

A level of partitions of P frames handles the taps from 2P on. When P frames have come in, their spectrum joins a ring;
its products with the spectra of all partitions are summed and transformed back while the next P frames come in, and
what results is heard during the P frames after that. The work is a list of short steps, each with the tick, of `TICK`
frames, at which it is done: no block has much more to do than another.

References
----------
W. G. Gardner, "Efficient convolution without input-output delay", JAES 43(3), 1995.
"""

from collections.abc import Iterator

import numpy as np
from numba import carray
from numpy.typing import NDArray

from fxhost.arrays import Float64Array
from fxhost.native.intrinsics import doubles_at, words_at
from fxhost.stages.cabinet.transform import butterflies, piece, repack, twiddles, unpack

TICK = 64  # frames
SPAN = 512  # bins or butterflies of a step, at most
BLOCKS = 4  # of P frames of the input that are kept

# The header of a level: int64; places are in bytes from the beginning of the level.
SIZE, PARTITIONS, STEPS, LIST, INPUT, OUTPUT, RING, RESPONSE, SUM, WORK, SPARE, TURNS, PACKING = range(13)
HEADER = 16

PACK, PASS, UNPACK, MULTIPLY, REPACK, PASS_BACK, FINISH = range(7)  # kinds of steps
COSTS = {PACK: 1.0, PASS: 1.5, UNPACK: 2.0, MULTIPLY: 1.0, REPACK: 2.0, PASS_BACK: 1.5, FINISH: 1.0}  # of a bin, about


def make_level(taps: Float64Array, size: int) -> NDArray[np.uint8]:
    """The memory of a level.

    Parameters
    ----------
    taps : float64 (taps,)
        From the one that lies 2 × `size` frames after the first of the impulse response.
    size : int
        P, frames of a partition: a power of four of at least `TICK`.

    Returns
    -------
    uint8 array
    """
    partitions = -(-len(taps) // size)
    windows = np.zeros((partitions, 2 * size))
    windows[:, :size].flat[: len(taps)] = taps
    spectra = np.fft.rfft(windows) / size  # the way back multiplies by the size
    turns, packing = twiddles(size)
    steps = _list_steps(size, partitions)
    arrays: dict[int, NDArray[np.generic]] = {
        LIST: steps,
        INPUT: np.zeros(BLOCKS * size),
        OUTPUT: np.zeros(2 * size),
        RING: np.zeros(2 * (size + 1) * partitions),
        RESPONSE: np.stack([spectra.real, spectra.imag], axis=1),
        SUM: np.zeros(2 * (size + 1)),
        WORK: np.zeros(2 * size),
        SPARE: np.zeros(2 * size),
        TURNS: turns,
        PACKING: packing,
    }
    header = np.zeros(HEADER, np.int64)
    header[[SIZE, PARTITIONS, STEPS]] = size, partitions, len(steps)
    end = header.nbytes
    for field, array in arrays.items():
        header[field] = end
        end += -(-array.nbytes // 64) * 64
    memory = np.zeros(end, np.uint8)
    memory[: header.nbytes] = header.view(np.uint8)
    for field, array in arrays.items():
        memory[header[field] : header[field] + array.nbytes] = np.ascontiguousarray(array).view(np.uint8).ravel()
    return memory


def _list_steps(size: int, partitions: int) -> NDArray[np.int64]:
    """The work on a partition: rows of kind, number (of a pass or a partition), first, last, tick when it is due."""

    def cut(kind: int, number: int, count: int, more: int = 0) -> Iterator[list[int]]:
        for first in range(0, count, SPAN):
            last = min(count, first + SPAN)
            yield [kind, number, first, last + (more if last == count else 0)]

    passes = range(int(np.log2(size)))
    rows = [
        *cut(PACK, 0, size),
        *(row for number in passes for row in cut(PASS, number, size // 2)),
        *cut(UNPACK, 0, size, 1),
        *(row for number in range(partitions) for row in cut(MULTIPLY, number, size, 1)),
        *cut(REPACK, 0, size),
        *(row for number in passes for row in cut(PASS_BACK, number, size // 2)),
        *cut(FINISH, 0, size),
    ]
    costs = np.cumsum([COSTS[kind] * (last - first) for kind, _, first, last in rows])
    ticks = np.ceil(costs / costs[-1] * (size // TICK) - 1e-9).astype(np.int64)
    return np.column_stack([np.array(rows, np.int64), ticks])


@piece
def doubles(base: int, place: int, count: int) -> Float64Array:
    """The float64 `(count,)` at a place in the memory that begins at an address."""
    return carray(doubles_at(base + place), (count,))  # type: ignore[no-any-return]


@piece
def advance_level(level: int, frames: int, done: int) -> int:
    """Do what is due when so many frames have come in, a whole number of ticks.

    `done` is how many steps on the last whole partition before them were done; returned is how many are now, and 0
    where the next partition begins.
    """
    h = carray(words_at(level), (HEADER,))
    size, count = h[SIZE], h[STEPS]
    newest = (frames - 1) // size - 1
    tick = (frames - 1) % size // TICK + 1
    if newest >= 0:
        steps = carray(words_at(level + h[LIST]), (count, 5))
        while done < count and steps[done, 4] <= tick:
            _do_step(level, newest, steps[done, 0], steps[done, 1], steps[done, 2], steps[done, 3])
            done += 1
    return 0 if frames % size == 0 else done


@piece
def _do_step(level: int, newest: int, kind: int, number: int, first: int, last: int) -> None:
    """A step of the work on a partition of the input, counted from the start."""
    h = carray(words_at(level), (HEADER,))
    size, partitions = h[SIZE], h[PARTITIONS]
    bins = size + 1
    work, spare = doubles(level, h[WORK], 2 * size), doubles(level, h[SPARE], 2 * size)
    if kind == MULTIPLY:
        if number <= newest:
            _multiply(level, newest, number, first, last)
    elif kind in (PASS, PASS_BACK):
        real = 0 if kind == PASS else size
        turns = doubles(level, h[TURNS], size)
        if number % 2 == 0:
            butterflies(work, spare, turns, size, 1 << number, first, last, real, size - real)
        else:
            butterflies(spare, work, turns, size, 1 << number, first, last, real, size - real)
    elif kind == PACK:
        frames = doubles(level, h[INPUT], BLOCKS * size)
        for k in range(first, last):  # the window is the partition before the newest, and the newest
            for side in range(2):
                n = 2 * k + side
                at = ((newest - 1) * size + n) & (BLOCKS * size - 1)
                work[side * size + k] = frames[at] if newest > 0 or n >= size else 0.0
    elif kind == UNPACK:
        spectrum = doubles(level, h[RING] + 16 * bins * (newest % partitions), 2 * bins)
        unpack(work, spectrum, doubles(level, h[PACKING], 2 * bins), size, first, last)
    elif kind == REPACK:
        repack(doubles(level, h[SUM], 2 * bins), work, doubles(level, h[PACKING], 2 * bins), size, first, last)
    else:
        output = doubles(level, h[OUTPUT] + 8 * size * (newest & 1), size)
        for n in range(first, last):  # the second half of the window
            output[n] = work[(n & 1) * size + (size + n) // 2]


@piece
def _multiply(level: int, newest: int, number: int, first: int, last: int) -> None:
    """Add the product of a partition of the response and the partition of the input that it meets."""
    h = carray(words_at(level), (HEADER,))
    bins = h[SIZE] + 1
    total = doubles(level, h[SUM], 2 * bins)
    response = doubles(level, h[RESPONSE] + 16 * bins * number, 2 * bins)
    spectrum = doubles(level, h[RING] + 16 * bins * ((newest - number) % h[PARTITIONS]), 2 * bins)
    for k in range(first, last):
        a, b, c, d = response[k], response[bins + k], spectrum[k], spectrum[bins + k]
        before, before_i = (total[k], total[bins + k]) if number > 0 else (0.0, 0.0)
        total[k] = before + (a * c - b * d)
        total[bins + k] = before_i + (a * d + b * c)
