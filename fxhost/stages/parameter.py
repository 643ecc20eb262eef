"""What can be turned of a stage: declared once, read by keys, MIDI, the web page, the rig file and the command line."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Parameter:
    """A number that a stage can be set to while it plays.

    Attributes
    ----------
    name : str
    unit : str
        Such as 'dB' or 'Hz'; nothing for a knob from 0 to 1.
    lowest, highest, default : float
        In that unit.
    taper : {'linear', 'log', 'switch'}
        How a turn is spread over the range: evenly, or by equal ratios, as the ear hears frequencies and times. A
        switch is either 0, off, or 1, on.
    is_fine : bool
        Whether it is set once rather than turned while playing: the keys and the screen pass over it.
    """

    name: str
    unit: str
    lowest: float
    highest: float
    default: float
    taper: Literal["linear", "log", "switch"] = "linear"
    is_fine: bool = False

    def clip(self, value: float) -> float:
        """The nearest value within the range."""
        return min(self.highest, max(self.lowest, value))

    def position_of(self, value: float) -> float:
        """Where a value lies on the way from the lowest (0) to the highest (1)."""
        if self.taper == "switch":
            return float(value >= 0.5)
        if self.taper == "log":
            return math.log(self.clip(value) / self.lowest) / math.log(self.highest / self.lowest)
        return (self.clip(value) - self.lowest) / (self.highest - self.lowest)

    def value_at(self, position: float) -> float:
        """The value at a place on that way, 0 to 1."""
        position = min(1.0, max(0.0, position))
        if self.taper == "switch":
            return float(position >= 0.5)
        if self.taper == "log":
            return float(self.lowest * (self.highest / self.lowest) ** position)
        return self.lowest + position * (self.highest - self.lowest)

    def describe_range(self) -> str:
        """Its range in words, such as '−90 to 0 dB'."""
        if self.taper == "switch":
            return "true or false"
        return f"{self.lowest:g} to {self.highest:g} {self.unit}".rstrip().replace("-", "−")

    def format(self, value: float) -> str:
        """A value with its unit, for people."""
        if self.taper == "switch":
            return "on" if value >= 0.5 else "off"
        digits = 2 if not self.unit else 1 if self.unit == "dB" else 0 if abs(value) >= 100 else 1
        sign = "+" if self.unit == "dB" else ""
        return f"{value:{sign}.{digits}f} {self.unit}".rstrip().replace("-", "−")


def knob_parameter(name: str, default: float) -> Parameter:
    """A knob of a learned effect, from 0 to 1."""
    return Parameter(name, "", 0.0, 1.0, default)
