"""Histograms that the audio thread fills and Python reads: buckets of 1/32 octave of a whole number, exact below 32."""

import numpy as np
from numpy.typing import NDArray

from fxhost.native.inlining import inlined
from fxhost.native.intrinsics import smaller, words_at

BUCKETS_PER_OCTAVE = 32
BUCKETS = 1024


@inlined
def count_in(histogram: int, value: int) -> None:
    """Count a whole number ≥ 0 in a histogram at an address."""
    counts = words_at(histogram)
    octave = 0
    while value >= 2 * BUCKETS_PER_OCTAVE and octave < BUCKETS // BUCKETS_PER_OCTAVE - 2:
        value >>= 1
        octave += 1
    bucket = octave * BUCKETS_PER_OCTAVE + value
    counts[smaller(bucket, BUCKETS - 1)] += 1


def percentiles(histogram: NDArray[np.int64], fractions: tuple[float, ...]) -> list[float]:
    """The values below which these fractions of what a histogram counted lie: upper edges of its buckets, 0 if empty.

    Parameters
    ----------
    histogram : int64 (BUCKETS,)
        As `count_in` fills it.
    fractions : tuple of float
        0 to 1.
    """
    total = int(histogram.sum())
    if total == 0:
        return [0.0] * len(fractions)
    cumulated = np.cumsum(histogram)
    buckets = np.searchsorted(cumulated, np.array(fractions) * total)
    return [_upper_edge(int(bucket)) for bucket in buckets]


def count_from(histogram: NDArray[np.int64], value: float) -> int:
    """How much of what a histogram counted is at least a value, to the width of a bucket.

    Parameters
    ----------
    histogram : int64 (BUCKETS,)
        As `count_in` fills it.
    value : float
        In its unit.
    """
    return int(histogram[value < _UPPER_EDGES].sum())


def _upper_edge(bucket: int) -> float:
    octave = max(0, bucket // BUCKETS_PER_OCTAVE - 1)
    return float((bucket - octave * BUCKETS_PER_OCTAVE + 1) << octave)


_UPPER_EDGES = np.array([_upper_edge(bucket) for bucket in range(BUCKETS)])
