"""A loop at another sample rate, in the rows of the looper's memory: loop, newest overdub, number of an overdub."""

from math import gcd
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.stages.rate.resampler import convert

MARGIN = 512  # frames beyond each end of a loop that its resampled ends depend on, at least


def settled_rows(state: Any, rows: Float32Array) -> Float32Array:
    """The loop with every older overdub in it, and beside it the newest overdub.

    Parameters
    ----------
    state : record
        Of the looper.
    rows : float32 (frames, 2 × channels + 1)

    Returns
    -------
    float32 (frames, 2 × channels)
    """
    channels, number = int(state["channels"]), rows[:, -1].astype(np.int64)
    is_older = (number != state["overdub"])[:, None]
    is_kept = (state["is_kept"][number] != 0)[:, None]
    loop, overdub = rows[:, :channels], rows[:, channels : 2 * channels]
    settled = [loop + np.where(is_older & is_kept, overdub, 0.0), np.where(is_older, 0.0, overdub)]
    return np.concatenate(settled, axis=1, dtype=np.float32)


def convert_rows(rows: Float32Array, old_rate: int, new_rate: int, *, is_loop: bool) -> Float32Array:
    """Rows at another rate in Hz, float32 (frames, columns). The end of a loop leads to its beginning.

    Raises
    ------
    EngineError
        If the rates have no simple ratio.
    """
    if not len(rows):
        return rows
    up, down = new_rate // gcd(old_rate, new_rate), old_rate // gcd(old_rate, new_rate)
    margin = -(-MARGIN // down) * down  # so that its first frame stays a frame
    around = np.arange(-margin, len(rows) + margin)
    wide = rows[around % len(rows)] if is_loop else np.pad(rows, ((margin, margin), (0, 0)))
    first, count = margin // down * up, max(1, round(len(rows) * up / down))
    columns = [convert(np.ascontiguousarray(column), old_rate, new_rate) for column in wide.T]
    return np.stack([column[first : first + count] for column in columns], axis=1)
