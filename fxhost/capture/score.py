"""What is played to capture a device, and where its parts lie.

Silence, a burst of noise, the signal, silence, and the burst again. The silence tells the noise of the input. The
bursts tell the round trip, and whether frames were lost between them.

A stretch of the test signal is played a second time, as a score of its own, which tells how well the device repeats
itself. It begins with what comes before the stretch in the signal, so that the device is in the same state.
"""

from dataclasses import dataclass

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.bench.round_trip import BURST_S, PERIOD_S, find_burst, make_burst

LEAD_S = 0.5  # silence first, for the change of the chain
NOISE_S = 0.4  # the last part of it, in which the noise of the input is measured
GAP_S = 0.5  # silence after the signal
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
        The signal.
    bursts : tuple of int
        The first frame of each burst.
    """

    played: Float32Array
    sample_rate: int
    noise: slice
    signal: slice
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


def make_score(signal: Float32Array, sample_rate: int) -> Score:
    """The whole that is played for a signal.

    Parameters
    ----------
    signal : float32 (frames,)
        Not silent.
    sample_rate : int
        In Hz.
    """
    lead, gap, period = (round(seconds * sample_rate) for seconds in (LEAD_S, GAP_S, PERIOD_S))
    burst = np.zeros(period, np.float32)
    burst[: round(BURST_S * sample_rate)] = make_burst(sample_rate) * np.abs(signal).max()
    played = np.concatenate([np.zeros(lead, np.float32), burst, signal, np.zeros(gap, np.float32), burst])
    first = lead + period
    noise, bursts = slice(lead - round(NOISE_S * sample_rate), lead), (lead, len(played) - period)
    return Score(played, sample_rate, noise, slice(first, first + len(signal)), bursts)


@dataclass(frozen=True)
class Stretch:
    """A stretch of a signal that is played a second time.

    Attributes
    ----------
    start, end : int
        The first frame of it in the signal, and the one after its last.
    run_up : int
        How many frames of the signal are played before it.
    """

    start: int
    end: int
    run_up: int

    def cut_from(self, signal: Float32Array) -> Float32Array:
        """The stretch with its run-up."""
        return signal[self.start - self.run_up : self.end]


def choose_stretch(signal: Float32Array, sample_rate: int) -> Stretch:
    """A stretch of the signal that is as loud as the whole."""
    frames = max(1, min(round(STRETCH_S * sample_rate), int(STRETCH_SHARE * len(signal))))
    starts = range(0, len(signal) - frames + 1, max(1, frames // 2))
    powers = np.array([np.mean(np.square(signal[n : n + frames], dtype=np.float64)) for n in starts])
    whole = np.mean(np.square(signal, dtype=np.float64))
    start = starts[int(np.abs(np.log((powers + 1e-12) / (whole + 1e-12))).argmin())]
    return Stretch(start, start + frames, min(start, round(RUN_UP_S * sample_rate)))


def loudest_part(signal: Float32Array, sample_rate: int, seconds: float) -> Float32Array:
    """So many seconds of the signal around its highest peak."""
    frames = min(len(signal), round(seconds * sample_rate))
    peak = int(np.abs(signal).argmax())
    start = min(max(0, peak - frames // 2), len(signal) - frames)
    return signal[start : start + frames]
