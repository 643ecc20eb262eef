"""How loud the return of a device is, and which knob to turn."""

from dataclasses import dataclass

import numpy as np

from fxhost.arrays import Float32Array, to_db
from fxhost.bench.round_trip import LEAST_CONFIDENCE
from fxhost.capture.score import Score

CLIPPED = 0.9999  # of full scale, where a converter ends
NOTHING = 1e-5  # a peak of −100 dB is no signal
QUIET_DB = -24.0  # a lower peak leaves a good part of the converter unused
AIM_DB = -9.0  # where the peak should lie
RISE = 2.0  # of the input's RMS over its noise, below which nothing has come
NOISY_DB = 50.0  # from the noise to the signal; an ESR of 1e-5


@dataclass(frozen=True)
class Levels:
    """What came in.

    Attributes
    ----------
    peak_db, rms_db : float
        Of the return of the signal, in dB relative to full scale.
    noise_db : float
        RMS of the input while nothing is played, without an offset.
    clipped_samples : int
        How many reach full scale.
    confidence : float
        0 to 1: how much the return of a burst of noise resembles it.
    """

    peak_db: float
    rms_db: float
    noise_db: float
    clipped_samples: int
    confidence: float

    @property
    def is_silent(self) -> bool:
        """Whether nothing came back of what was played."""
        rise = 10 ** ((self.rms_db - self.noise_db) / 20)
        return self.peak_db < to_db(NOTHING) or (rise < RISE and self.confidence < LEAST_CONFIDENCE)

    @property
    def is_clipped(self) -> bool:
        """Whether the input reached full scale."""
        return self.clipped_samples > 0

    @property
    def is_good(self) -> bool:
        """Whether no knob has to be turned."""
        return not (self.is_silent or self.is_clipped or self.peak_db < QUIET_DB)

    def describe(self) -> str:
        """In figures, for people."""
        return f"return: peak {self.peak_db:.1f} dB, RMS {self.rms_db:.1f} dB, noise {self.noise_db:.0f} dB"

    def advise(self) -> str:
        """Which knob to turn, for people."""
        if self.is_silent:
            return (
                f"nothing comes back: the input stays at {self.peak_db:.0f} dB; is the device switched on and turned "
                "up, and does its output go to the right input (--input-channel)?"
            )
        if self.is_clipped:
            return (
                f"the return is clipped ({self.clipped_samples} samples at full scale): lower the gain of the "
                "interface's input, or the volume of the device"
            )
        if self.peak_db < QUIET_DB:
            return (
                f"the return is quiet: raise the gain of the interface's input, or the volume of the device, by "
                f"{AIM_DB - self.peak_db:.0f} dB"
            )
        if self.rms_db - self.noise_db < NOISY_DB:
            return (
                f"the level is good, but noise lies only {self.rms_db - self.noise_db:.0f} dB below: raise the output "
                "of the interface (or --peak) if that does not change the sound, and look for hum"
            )
        return "the level is good"


def measure_levels(score: Score, recorded: Float32Array) -> Levels:
    """The levels of what came in while a score was played.

    Parameters
    ----------
    score : Score
    recorded : float32 (frames,)
        From the first frame that was played, at least to the end of the first burst; only what is there counts.
    """
    noise = recorded[score.noise].astype(np.float64)
    heard = recorded[score.bursts[0] :]
    of_signal = recorded[score.signal] if len(recorded) > score.signal.start else heard
    found = score.find_bursts(recorded)
    return Levels(
        peak_db=to_db(float(np.abs(heard).max(initial=0.0))),
        rms_db=to_db(float(np.std(of_signal, dtype=np.float64)) if len(of_signal) else 0.0),
        noise_db=to_db(float(np.std(noise)) if len(noise) else 0.0),
        clipped_samples=int(np.count_nonzero(np.abs(heard) >= CLIPPED)),
        confidence=max((confidence for _, confidence in found), default=0.0),
    )
