"""The howl guard: a loudspeaker that feeds back into the input is turned down before it hurts.

A howl is one frequency that stands out from everything else that goes into the chain, and that grows, or has grown and
does not fade: a string fades. A whistle that swells and stays may be taken for one. Twenty times a second the spectrum
of the last input is kept, beside the audio thread, and the partial that stands out most is followed back through those
of the last 300 ms.

The limits were chosen so that none of 27 minutes of guitar, bass, organ and voice, dry and through effects, is taken
for a howl, even at full scale; nothing in it that does not fade stands out by more than 19 dB.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array, to_db
from fxhost.engine.rack import Rack

WINDOW_S = 0.043  # of a spectrum; of as many frames as the power of two nearest to it
HOP_S = 0.05  # from one spectrum to the next
HOPS = 6  # over which a partial is followed
LOWEST_HZ = 60.0
LOBE = 3  # bins on each side that belong to a partial, at least: those of the window, and one more for its drift
WIDTH = 0.08  # of its frequency: modes of a room that lie so near to each other howl in turn

LEAST_DB = -18.0  # of a partial in the output, for it to be a howl
LEAST_GROWTH_DB = 3.0  # within `MEMORY_HOPS`
LEAST_STEP_DB, GROWING_EXCESS_DB = 0.5, 15.0  # at every hop, and over all the rest, of a partial that grows
STEADY_EXCESS_DB = 21.0  # over all the rest, of a partial that stays
MOST_FALL_DB = 2.0  # of it, from any spectrum to a later one
MOST_FADE_DB = 0.15  # of it, in two hops: a string fades faster
EXCESS_SPECTRA = 4  # of the newest, in which it stands out
MEMORY_HOPS = 40  # in which a partial that stays has grown

GONE_DB, GONE_EXCESS_DB = 20.0, 6.0  # below the level of the howl, or hardly standing out: it is gone
REST_S = 1.0  # for which it is gone before the output comes back

Powers = NDArray[np.float64]


@dataclass(frozen=True)
class _Spectrum:
    """The power of a full-scale sine is 1 in both: of the input in each bin, and of the output."""

    heard: Powers
    sent: Powers


class HowlGuard:
    """What turns the output of a rack down while it howls.

    Parameters
    ----------
    rack : Rack
    notice : callable
        Told in one line what howls, and what to do.

    Attributes
    ----------
    frequency_hz : float or None
        Of the howl for which the output is turned down.
    """

    def __init__(self, rack: Rack, notice: Callable[[str], None]) -> None:
        self._rack, self._notice = rack, notice
        self.frequency_hz: float | None = None
        self._frames = rack.frames  # so many are heard
        self._past: deque[_Spectrum] = deque(maxlen=MEMORY_HOPS + 1)
        self._bin, self._level_db, self._gone = 0, 0.0, 0
        self._rate = rack.sample_rate

    def look(self, now_s: float) -> None:
        """Listen to what has been played since the last call; to be called several times a second.

        Parameters
        ----------
        now_s : float
            Is not needed: the time is that of the audio.
        """
        rate = self._rack.sample_rate
        if rate != self._rate:  # bins have other frequencies, and the output was silent meanwhile
            self._rate, self._frames, self.frequency_hz = rate, self._rack.frames, None
            self._rack.is_cut = False
            self._past.clear()
        size, hop = 1 << round(np.log2(WINDOW_S * rate)), round(HOP_S * rate)
        new = self._rack.frames - self._frames
        heard, sent = self._rack.last_heard(new + size), self._rack.last_sent(new + size)
        if len(sent) < size or heard.shape[1] < new + size:  # too little yet, or too much since the last call
            if new >= hop:
                self._past.clear()
                self._frames += new
            return
        for _ in range(new // hop):
            self._frames += hop
            new -= hop
            piece = slice(heard.shape[1] - new - size, heard.shape[1] - new)
            loudest = heard[np.abs(heard[:, piece]).max(axis=1).argmax(), piece]
            last = sent[max(0, len(sent) - new - size) : len(sent) - new]
            self._take(_Spectrum(read_powers(loudest, rate), read_powers(last, rate)), rate / size)

    def _take(self, spectrum: _Spectrum, bin_hz: float) -> None:
        self._past.append(spectrum)
        if self.frequency_hz is not None:
            self._wait(spectrum)
            return
        self._bin = int(spectrum.heard.argmax())
        if len(self._past) <= HOPS or self._level_of(spectrum.sent) < LEAST_DB or not self._howls():
            return
        self.frequency_hz = self._bin * bin_hz
        self._level_db, self._gone = self._level_of(spectrum.heard), 0
        self._rack.is_cut = True
        self._notice(
            f"feedback at {self.frequency_hz:.0f} Hz: the output is turned down until it is over; "
            "turn away from the loudspeaker, or turn the gain down"
        )

    def _howls(self) -> bool:
        """Whether the partial behaves as only a howl does."""
        levels = np.array([self._level_of(each.heard) for each in self._past])
        if levels[-1] - levels.min() < LEAST_GROWTH_DB:
            return False
        last = levels[-1 - HOPS :]
        excess = min(self._excess_of(each.heard) for each in list(self._past)[-EXCESS_SPECTRA:])
        grows = np.diff(last).min() >= LEAST_STEP_DB and excess >= GROWING_EXCESS_DB
        falls = (np.maximum.accumulate(last) - last).max() > MOST_FALL_DB
        fades = last[-4:-2].mean() - last[-2:].mean() > MOST_FADE_DB
        stays = excess >= STEADY_EXCESS_DB and not (falls or fades)
        return bool(grows or stays)

    def _wait(self, spectrum: _Spectrum) -> None:
        """Turn the output up again when the howl has been gone for a while."""
        is_gone = (
            self._level_of(spectrum.heard) < self._level_db - GONE_DB
            or self._excess_of(spectrum.heard) < GONE_EXCESS_DB
        )
        self._gone = self._gone + 1 if is_gone else 0
        if self._gone * HOP_S >= REST_S:
            self.frequency_hz = None
            self._rack.is_cut = False
            self._past.clear()

    def _lobe(self, powers: Powers) -> float:
        width = max(LOBE, round(WIDTH * self._bin))
        return float(powers[max(0, self._bin - width) : self._bin + width + 1].sum())

    def _level_of(self, powers: Powers) -> float:
        return to_db(np.sqrt(self._lobe(powers)))

    def _excess_of(self, powers: Powers) -> float:
        partial = self._lobe(powers)
        return to_db(np.sqrt(partial / (max(float(powers.sum()) - partial, 0.0) + 1e-20)))


def read_powers(audio: Float32Array, sample_rate: float) -> Powers:
    """The power in each bin of a spectrum, float64: a full-scale sine has 1 in all its bins together.

    Parameters
    ----------
    audio : float32 (frames,)
    sample_rate : float
        In Hz.
    """
    window = np.hanning(len(audio) + 1)[:-1]
    powers: Powers = np.abs(np.fft.rfft(audio * window)) ** 2 * (4.0 / 1.5 / window.sum() ** 2)
    powers[: round(LOWEST_HZ * len(audio) / sample_rate) + 1] = 0.0
    return powers
