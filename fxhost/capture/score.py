"""What is played to capture a device, and where its parts lie.

Silence, a burst of noise, the test signal, a stretch of it once more, and the burst again. The silence tells the noise
of the input. The bursts tell the round trip, and whether frames were lost between them. The stretch tells how well the
device repeats itself: before it the signal that came before it is played again too, so that the device is in the same
state.
"""

from dataclasses import dataclass

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.bench.round_trip import BURST_S, PERIOD_S, find_burst, make_burst

LEAD_S = 0.5  # silence first, for the change of the chain
NOISE_S = 0.4  # the last part of it, in which the noise of the input is measured
GAP_S = 0.5  # silence after the signal and after the stretch
LONGEST_TRIP_S = PERIOD_S - BURST_S
RUN_UP_S = 1.0  # of the signal, before the stretch
STRETCH_S, STRETCH_SHARE = 10.0, 0.2  # at most, of the signal too


@dataclass(frozen=True)
class Score:
    """What is played, and where its parts lie.

    Attributes
    ----------
    played : float32 (frames,)
    sample_rate : int
        In Hz.
    noise : slice
        The silence in which the noise of the input is heard.
    signal : slice
        The test signal.
    stretch, again : slice
        A stretch of the signal, and where it is played once more, without its run-up; empty if it is not.
    bursts : tuple of int
        The first frame of each burst.
    """

    played: Float32Array
    sample_rate: int
    noise: slice
    signal: slice
    stretch: slice
    again: slice
    bursts: tuple[int, int]

    @property
    def burst_heard(self) -> int:
        """The frame up to which the first burst has come back, however long the way."""
        return self.bursts[0] + round(PERIOD_S * self.sample_rate)

    def find_bursts(self, recorded: Float32Array) -> list[tuple[int, float]]:
        """The delay in frames and the confidence, 0 to 1, of each burst whose way back was recorded.

        Parameters
        ----------
        recorded : float32 (frames,)
            From the first frame that was played.
        """
        period, burst = round(PERIOD_S * self.sample_rate), make_burst(self.sample_rate)
        heard = [recorded[start : start + period] for start in self.bursts]
        return [find_burst(burst, window) for window in heard if len(window) == period]


def make_score(signal: Float32Array, sample_rate: int, *, repeats: bool) -> Score:
    """The whole that is played for a test signal.

    Parameters
    ----------
    signal : float32 (frames,)
        Not silent.
    sample_rate : int
        In Hz.
    repeats : bool
        Whether a stretch of it is played twice.
    """
    lead, gap = round(LEAD_S * sample_rate), round(GAP_S * sample_rate)
    period = round(PERIOD_S * sample_rate)
    burst = make_burst(sample_rate) * np.abs(signal).max()
    first = lead + period
    pieces = [np.zeros(lead, np.float32), _pad(burst, period), signal, np.zeros(gap, np.float32)]
    stretch = again = slice(0, 0)
    if repeats:
        begin, end = choose_stretch(signal, sample_rate)
        run_up = max(0, begin - round(RUN_UP_S * sample_rate))
        at = sum(map(len, pieces)) + begin - run_up
        stretch, again = slice(first + begin, first + end), slice(at, at + end - begin)
        pieces += [signal[run_up:end], np.zeros(gap, np.float32)]
    last = sum(map(len, pieces))
    played = np.concatenate([*pieces, _pad(burst, period)]).astype(np.float32)
    noise = slice(lead - round(NOISE_S * sample_rate), lead)
    return Score(played, sample_rate, noise, slice(first, first + len(signal)), stretch, again, (lead, last))


def choose_stretch(signal: Float32Array, sample_rate: int) -> tuple[int, int]:
    """The first frame of a stretch of the signal that is as loud as the whole, and the frame after its last."""
    frames = max(1, min(round(STRETCH_S * sample_rate), int(STRETCH_SHARE * len(signal))))
    starts = range(0, len(signal) - frames + 1, max(1, frames // 2))
    powers = np.array([np.mean(np.square(signal[n : n + frames], dtype=np.float64)) for n in starts])
    whole = np.mean(np.square(signal, dtype=np.float64))
    start = starts[int(np.abs(np.log((powers + 1e-12) / (whole + 1e-12))).argmin())]
    return start, start + frames


def loudest_part(signal: Float32Array, sample_rate: int, seconds: float) -> Float32Array:
    """So many seconds of the signal around its highest peak."""
    frames = min(len(signal), round(seconds * sample_rate))
    peak = int(np.abs(signal).argmax())
    start = min(max(0, peak - frames // 2), len(signal) - frames)
    return signal[start : start + frames]


def _pad(burst: Float32Array, frames: int) -> Float32Array:
    padded = np.zeros(frames, np.float32)
    padded[: len(burst)] = burst
    return padded
