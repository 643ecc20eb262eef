"""Resampling around a stage: from the stream's rate to the stage's, and back.

Both ways are polyphase FIR filters, a sinc under a Kaiser window at the rate that is a multiple of both. With a ratio
`up / down` of the inner to the outer rate, in units of that common rate an outer sample lasts `up`, an inner one
`down`. Each output sample is one sum of a fixed number of products and depends on no later input, so that any partition
into blocks gives the same samples to the bit.

References
----------
R. E. Crochiere and L. R. Rabiner, "Multirate Digital Signal Processing", Prentice-Hall, 1983 (polyphase structures).
J. F. Kaiser, "Nonrecursive Digital Filter Design Using the I0-Sinh Window Function", Proc. ISCAS, 1974 (the length).
"""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numba import carray, njit
from numpy.typing import NDArray

from fxhost.errors import EngineError
from fxhost.native.intrinsics import address_of, call_stage
from fxhost.stages.base import Stage, stage_function
from fxhost.stages.rate.nested import CHUNK, Nested, floats_in

PASSBAND = 0.9  # of the lower rate's Nyquist frequency: 19.8 kHz at 44.1 kHz
ATTENUATION_DB = 96.0
PIECE_FRAMES = 1 << 16  # of a recording that is converted in pieces
MOST_TAPS = 1 << 21  # of both tables together: 8 MiB

HEADER = np.dtype(
    [
        ("function", "i8"),
        ("inner", "i8"),
        ("up", "i8"),
        ("down", "i8"),
        ("in_taps", "i8"),
        ("out_taps", "i8"),
        ("dry", "i8"),  # what came in: the filter's window, then the chunk
        ("wet", "i8"),  # the inner stage's samples: the window, those still pending, then the chunk
        ("in_table", "i8"),  # a row of taps for each phase, the last tap first
        ("out_table", "i8"),
        ("wet_room", "i8"),
        ("due", "i8"),  # from the next outer sample to the next inner one
        ("late", "i8"),  # from the window's newest inner sample to the last outer one
        ("pending", "i8"),  # inner samples that are later than the last outer one
    ],
    align=True,
)


@njit(error_model="numpy", forceinline=True, fastmath={"contract", "nsz", "reassoc"})
def sum_products(base: int, row: int, window: int, taps: int) -> Any:
    """The sum of as many products of what lies at two places."""
    weights, samples = floats_in(base, row, taps), floats_in(base, window, taps)
    total = np.float32(0.0)
    for k in range(taps):
        total += weights[k] * samples[k]
    return total


@stage_function(HEADER)
def resample_block(state: Any, block: Any, frames: int) -> None:
    """Play the inner stage on a block that has another rate."""
    base = address_of(state)
    s = carray(state, (1,))[0]
    audio = carray(block, (frames,))
    up, down, in_taps, out_taps = s.up, s.down, s.in_taps, s.out_taps
    dry, wet = floats_in(base, s.dry, in_taps + CHUNK), floats_in(base, s.wet, s.wet_room)
    dry_place, wet_place, in_table, out_table = s.dry, s.wet, s.in_table, s.out_table
    done = 0
    while done < frames:
        count = min(CHUNK, frames - done)
        begin = end = out_taps + s.pending
        due, late = s.due, s.late
        for n in range(count):
            dry[in_taps + n] = audio[done + n]
            while due < up:
                wet[end] = sum_products(base, in_table + 4 * due * in_taps, dry_place + 4 * (n + 1), in_taps)
                end += 1
                due += down
            due -= up
        if end > begin:
            call_stage(s.function, base + s.inner, base + s.wet + 4 * begin, end - begin)
        window = 0
        for n in range(count):
            late += up
            while late >= down:
                late -= down
                window += 1
            audio[done + n] = sum_products(base, out_table + 4 * late * out_taps, wet_place + 4 * window, out_taps)
        for k in range(in_taps):
            dry[k] = dry[count + k]
        for k in range(end - window):
            wet[k] = wet[window + k]
        s.due, s.late, s.pending = due, late, end - window - out_taps
        done += count


@cache
def delays_between(outer_rate: int, inner_rate: int) -> tuple[int, int]:
    """The delay of resampling in, in inner frames, and of resampling in and back, in outer frames: both are whole
    numbers.

    So the inner stage meets the signal on the same grid as if it had been resampled without any delay, and what a
    distortion there aliases is the same.

    Parameters
    ----------
    outer_rate, inner_rate : int
        In Hz.
    """
    if outer_rate == inner_rate:
        return 0, 0
    up, down = Fraction(inner_rate, outer_rate).as_integer_ratio()
    half = half_length(min(outer_rate, inner_rate) / (up * outer_rate))
    inner_frames = -(-half // down)
    return inner_frames, -(-(half + inner_frames * down) // up)


def half_length(bandwidth: float) -> int:
    """How many taps a low-pass needs on each side of its middle, if it cuts off at so much of its Nyquist frequency."""
    transition = 2 * math.pi * (1.0 - PASSBAND) * bandwidth
    return math.ceil((ATTENUATION_DB - 7.95) / (2.285 * transition) / 2)


def design_filter(half: int, bandwidth: float) -> NDArray[np.float64]:
    """A symmetric low-pass of gain 1, float64 (2 · half + 1,), that cuts off at so much of its Nyquist frequency."""
    n = np.arange(-half, half + 1)
    window = np.kaiser(len(n), 0.1102 * (ATTENUATION_DB - 8.7))
    return np.asarray(bandwidth * np.sinc(bandwidth * n) * window, np.float64)


def split_phases(prototype: NDArray[np.float64], phases: int) -> NDArray[np.float32]:
    """A row of taps for each phase, the last tap first, float32 (phases, taps); each adds up to 1."""
    taps = -(-len(prototype) // phases)
    padded = np.zeros(taps * phases)
    padded[: len(prototype)] = prototype
    rows = padded.reshape(taps, phases).T[:, ::-1]
    return np.asarray(rows / rows.sum(axis=1, keepdims=True), np.float32)


def check_ratio(old_rate: int, new_rate: int, taps: int) -> None:
    """Refuse rates in Hz whose ratio takes more taps than are reasonable.

    Raises
    ------
    EngineError
    """
    if taps > MOST_TAPS:
        ratio = Fraction(new_rate, old_rate)
        raise EngineError(
            f"cannot resample between {old_rate} and {new_rate} Hz: their ratio of {ratio} takes too large a filter; "
            "choose a usual rate, like 44100 or 48000 Hz"
        )


def convert(audio: NDArray[np.float32], old_rate: int, new_rate: int) -> NDArray[np.float32]:
    """A whole recording at another rate, without delay; the recording itself where the rates are the same.

    Parameters
    ----------
    audio : float32 (frames,)
    old_rate, new_rate : int
        In Hz.

    Returns
    -------
    float32 (frames · new_rate / old_rate, rounded up,)

    Raises
    ------
    EngineError
        If the rates have no simple ratio.
    """
    if old_rate == new_rate:
        return audio
    up, down = Fraction(new_rate, old_rate).as_integer_ratio()
    bandwidth = min(old_rate, new_rate) / (up * old_rate)
    reach = -(-half_length(bandwidth) // up)  # frames on each side that count
    check_ratio(old_rate, new_rate, 2 * reach * up)
    rows = split_phases(design_filter(reach * up, bandwidth), up)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(audio, reach), 2 * reach + 1)
    out = np.empty(-(-len(audio) * up // down), np.float32)
    for start in range(min(up, len(out))):
        first, phase = divmod(start * down, up)
        out[start::up] = windows[first::down][: len(out[start::up])] @ rows[phase]
    return out


def convert_in_pieces(
    blocks: Iterable[NDArray[np.float32]], old_rate: int, new_rate: int, frames: int = PIECE_FRAMES
) -> Iterator[NDArray[np.float32]]:
    """A recording at another rate in constant memory: the same samples as `convert` gives.

    Parameters
    ----------
    blocks : iterable of float32 (frames,)
        The recording, in pieces of any size.
    old_rate, new_rate : int
        In Hz.
    frames : int
        How many frames of the recording are converted at once, about.

    Yields
    ------
    float32 (frames,)
    """
    if old_rate == new_rate:
        yield from blocks
        return
    up, down = Fraction(new_rate, old_rate).as_integer_ratio()
    reach = -(-half_length(min(old_rate, new_rate) / (up * old_rate)) // up)
    margin = -(-reach // down) * down  # whole turns of the phases, so that a piece begins where the recording would
    step = -(-frames // down) * down
    held, before = np.zeros(0, np.float32), 0  # not yet converted, and how much of its start is only looked at
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= before + step + margin:
            first, count = before // down * up, step // down * up
            yield convert(held[: before + step + margin], old_rate, new_rate)[first : first + count]
            held, before = held[before + step - margin :], margin
    if len(held) > before:
        yield convert(held, old_rate, new_rate)[before // down * up :]


class Resampled(Nested):
    """A stage at a rate of its own.

    Parameters
    ----------
    inner : Stage
        Fresh, made for `inner_rate`.
    inner_rate, outer_rate : int
        In Hz.
    silent_output : float
        What the inner stage puts out on silence.

    Raises
    ------
    EngineError
        If the two rates have no simple ratio.
    """

    def __init__(self, inner: Stage, *, inner_rate: int, outer_rate: int, silent_output: float) -> None:
        up, down = Fraction(inner_rate, outer_rate).as_integer_ratio()
        inner_frames, latency_frames = delays_between(outer_rate, inner_rate)
        half_in, half_out = inner_frames * down, latency_frames * up - inner_frames * down
        check_ratio(outer_rate, inner_rate, 2 * (half_in + half_out))
        # both cut off at the lower rate's Nyquist frequency, and so are Mth-band filters where the ratio is whole
        bandwidth = min(outer_rate, inner_rate) / (up * outer_rate)
        tables = (
            split_phases(design_filter(half_in, bandwidth), up),
            split_phases(design_filter(half_out, bandwidth), down),
        )
        in_taps, out_taps = (table.shape[1] for table in tables)
        header = np.zeros(1, HEADER)
        header["up"], header["down"], header["in_taps"], header["out_taps"] = up, down, in_taps, out_taps
        header["wet_room"] = room = out_taps + (CHUNK + 2) * up // down + 2
        header["late"] = down - up  # so that the first outer sample and the first inner one come at one time
        super().__init__(
            resample_block,
            header,
            inner,
            buffers={"dry": np.zeros(in_taps + CHUNK, np.float32), "wet": np.full(room, silent_output, np.float32)},
            constants={"in_table": tables[0], "out_table": tables[1]},
        )
