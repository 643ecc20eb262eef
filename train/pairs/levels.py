"""Measure how loud a recording is, tenth of a second by tenth of a second."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.source import audio_blocks

Float64Array = NDArray[np.float64]

TENTH_S = 0.1
FULL_SCALE = 1.0
AT_FULL_SCALE = 1e-4  # so near to it a converter has clipped: 16 bit end 3e-5 below
FLAT = 1e-4  # of a peak: samples within it are level
DITHER = 6e-5  # as much as two steps of 16 bits, by which level samples may differ
STEEP = 10.0  # times that: a flat top ends in a step, the top of a slow wave does not
FEW_PLACES = 3  # below full scale; fewer may be chance
MOSTLY = 0.4  # of the time: what is flat for so long is a square wave
QUIET_SHARE = 0.02  # of the tenths: the quietest, which show the noise


@dataclass(frozen=True)
class SideLevels:
    """The levels of a recording, linear, full scale 1.

    Attributes
    ----------
    peak, rms, dc : float
    tenths : float64 (tenths,)
        The mean square of each tenth of a second without its mean.
    clipped_places : int
        How often three samples in a row stand level at a peak that ends in a step.
    """

    peak: float
    rms: float
    dc: float
    tenths: Float64Array
    clipped_places: int

    @property
    def floor(self) -> float:
        """The RMS of the quietest fiftieth of the tenths of a second: noise, if the playing ever pauses."""
        count = max(1, int(QUIET_SHARE * len(self.tenths)))
        return float(np.sqrt(np.partition(self.tenths, count - 1)[:count].mean()))


def measure_levels(audio: Float32Array, sample_rate: int, *, any_flat_top: bool = False) -> SideLevels:
    """The levels of a recording.

    Parameters
    ----------
    audio : float32 (frames,)
        At least a tenth of a second; read in pieces.
    sample_rate : int
        In Hz.
    any_flat_top : bool
        Whether flat tops count at any level. Those of a dry side come from a converter, also if they were turned down;
        those of a wet side may be the effect's own: only what stands at full scale counts, unless it stands there
        for most of the time.

    Returns
    -------
    SideLevels
    """
    tenth = max(1, int(TENTH_S * sample_rate))
    lowest, highest, total, square, tenths = 0.0, 0.0, 0.0, 0.0, []
    for _, block in audio_blocks(audio, 50 * tenth):
        values = block.astype(np.float64)
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
        total += float(values.sum())
        square += float(values @ values)
        whole = values[: len(values) // tenth * tenth].reshape(-1, tenth)
        tenths.append(whole.var(axis=1))
    frames = len(audio)
    return SideLevels(
        peak=max(highest, -lowest),
        rms=float(np.sqrt(square / frames)),
        dc=total / frames,
        tenths=np.concatenate(tenths),
        clipped_places=_count_clipped(audio, lowest, highest, any_flat_top=any_flat_top),
    )


def _count_clipped(audio: Float32Array, lowest: float, highest: float, *, any_flat_top: bool) -> int:
    """How often three samples in a row are part of a flat top, or of a flat bottom."""
    count = 0
    for sign, peak in ((1, highest), (-1, -lowest)):
        at_full_scale = abs(peak - FULL_SCALE) < AT_FULL_SCALE
        if not peak or not (any_flat_top or at_full_scale):
            continue
        here = _count_flat(audio, sign, peak)
        if here >= (1 if at_full_scale else FEW_PLACES) and (any_flat_top or here < MOSTLY / 2 * len(audio)):
            count += here
    return count


def _count_flat(audio: Float32Array, sign: int, peak: float) -> int:
    """How often three samples in a row stand at the peak of one sign, where their row begins or ends with a step."""
    near = max(DITHER, FLAT * peak)
    # the sample before a row, and the row that a block ends within; outside the recording there is no step
    count, kept = 0, np.full(1, 2 * near)
    for _, block in audio_blocks(audio):
        below = np.concatenate([kept, peak - sign * block.astype(np.float64)])
        level = np.concatenate([[False], below <= near, [False]])
        starts, ends = np.flatnonzero(np.diff(level.astype(np.int8))).reshape(-1, 2).T
        if len(ends) and ends[-1] == len(below):  # it may go on in the next block
            kept, starts, ends = below[max(0, starts[-1] - 1) :], starts[:-1], ends[:-1]
        else:
            kept = below[-1:]
        count += _count_rows(below, starts, ends, near)
    if len(kept) > 1:
        count += _count_rows(np.append(kept, 2 * near), np.array([1]), np.array([len(kept)]), near)
    return count


def _count_rows(below: Float64Array, starts: NDArray[np.int64], ends: NDArray[np.int64], near: float) -> int:
    """The number of threes in rows of level samples that are flat tops."""
    step = np.maximum(below[np.maximum(starts - 1, 0)], below[np.minimum(ends, len(below) - 1)])
    flat = step > STEEP * near
    return int(np.maximum(ends - starts - 2, 0)[flat].sum())


def to_db(linear: float) -> float | None:
    """A level in dB; None for digital silence."""
    return float(20 * np.log10(linear)) if linear > 0 else None
