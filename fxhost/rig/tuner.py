"""The tuner: the pitch of what goes into the chain, read about 20 times a second beside the audio thread."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from fxhost.engine.rack import Rack
from fxhost.rig.pitch import WINDOW_S, Note, detect_pitch, name_note

READINGS = 5  # of which the median is shown: the pitch of a real string wavers by some cents
KEPT_S = 1.0  # for which a note stays on the screen after the last reading of it
APART_CENTS = 80.0  # readings further apart belong to two notes


@dataclass
class Tuner:
    """Reads the pitch of what a rack hears.

    Parameters
    ----------
    rack : Rack
    reference_hz : float
        Of the A above middle C.
    """

    rack: Rack
    reference_hz: float = 440.0

    def __post_init__(self) -> None:
        self._readings: deque[float] = deque(maxlen=READINGS)
        self._read_at = -np.inf

    def read(self, now_s: float) -> Note | None:
        """The note that is played; None where none has been for a second.

        Parameters
        ----------
        now_s : float
            The time in seconds, on any clock that does not go back.
        """
        rate = round(self.rack.sample_rate)
        pitch = detect_pitch(np.ascontiguousarray(self.rack.last_heard(round(WINDOW_S * rate) + 1)[0]), rate)
        if pitch is not None:
            newest = pitch.frequency_hz
            if self._readings and abs(1200 * np.log2(newest / np.median(self._readings))) > APART_CENTS:
                self._readings.clear()
            self._readings.append(newest)
            self._read_at = now_s
        elif now_s - self._read_at > KEPT_S:
            self._readings.clear()
        return name_note(float(np.median(self._readings)), self.reference_hz) if self._readings else None
