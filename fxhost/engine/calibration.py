"""The gains around each preset of a chain: its own, those that calibrate it, and the one that makes all equally loud.

Conventions
-----------
Levels are in dB. The level of an interface or a capture, in dBu, is the analogue level of a full-scale sine.
Calibrated, a capture hears its input as loud as it did when it was made: its input gain is the level that the signal
comes with less its own. Normalised, the last preset of a chain plays at −18 dB by its maker's measure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fxhost.arrays import SILENCE_DB
from fxhost.preset.effect import Preset

NORMAL_LOUDNESS_DB = -18.0
LEVELS = ("raw", "normalized")


@dataclass(frozen=True)
class Gains:
    """The gains before and after the network of one preset, in dB; −∞ is silence."""

    input_db: float
    output_db: float


UNITY = Gains(0.0, 0.0)


def choose_gains(presets: Sequence[Preset], level: str = "raw", interface_dbu: float | None = None) -> list[Gains]:
    """The gains of each preset of a chain.

    Parameters
    ----------
    presets : sequence of Preset
    level : {'raw', 'normalized'}
        As the files have it, or the last one at −18 dB where its loudness is known.
    interface_dbu : float, optional
        The level of full scale at the interface's input; with it, what is calibrated hears the level it was made with.
    """
    gains = []
    coming_dbu = interface_dbu
    for n, preset in enumerate(presets):
        levels = preset.levels
        input_db, output_db = (
            -math.inf if own <= SILENCE_DB else own for own in (levels.input_gain_db, levels.output_gain_db)
        )
        if coming_dbu is not None and levels.input_dbu is not None:
            input_db += coming_dbu - levels.input_dbu
        coming_dbu = None if interface_dbu is None else levels.output_dbu
        if level == "normalized" and n == len(presets) - 1 and levels.loudness_db is not None:
            output_db += NORMAL_LOUDNESS_DB - levels.loudness_db
        gains.append(Gains(input_db, output_db))
    return gains


def describe_unknown_levels(
    first: Sequence[Preset], last: Sequence[Preset], level: str, interface_dbu: float | None
) -> list[str]:
    """What was asked for but cannot be done, a line each.

    Parameters
    ----------
    first, last : sequence of Preset
        Those that hear the input, and those that are heard at the end.
    level, interface_dbu
        As for `choose_gains`.
    """
    notes = []
    if not first and not last and (level == "normalized" or interface_dbu is not None):
        return ["there is no preset in this rig, so level and interface_dbu do nothing"]
    if interface_dbu is not None:
        unknown = (preset.name for preset in first if preset.levels.input_dbu is None)
        notes += [f"{name} does not tell its input level; it is played uncalibrated" for name in unknown]
    if level == "normalized":
        unknown = (preset.name for preset in last if preset.levels.loudness_db is None)
        notes += [f"{name} does not tell its loudness; it is played as it is" for name in unknown]
    return notes
