"""The quality that chooses a model of a container, as in NAM's own player: 0 is the smallest, 1 the largest."""

from collections.abc import Sequence
from contextlib import suppress

from fxhost.errors import PresetError
from fxhost.preset.effect import Preset

LOWEST, HIGHEST = 0.0, 1.0
WORDS = {"low": LOWEST, "high": HIGHEST}


def read_quality(value: object) -> float:
    """A quality as a player writes it.

    Parameters
    ----------
    value : object
        A number from 0 to 1, also as text, or 'low' or 'high'.

    Raises
    ------
    PresetError
        If it is none of these.
    """
    if isinstance(value, str):
        with suppress(ValueError):
            value = WORDS[value] if value in WORDS else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not LOWEST <= value <= HIGHEST:
        raise PresetError(f"quality is {value!r}; expected a number from 0 to 1, low or high")
    return float(value)


def require_models(presets: Sequence[Preset]) -> None:
    """Make sure that there is something to choose from.

    Raises
    ------
    PresetError
        If none of the presets is a model of a container.
    """
    if all(preset.quality is None for preset in presets):
        names = ", ".join(str(preset.path) for preset in presets)
        raise PresetError(f"{names} holds a single model, of one quality; leave out the quality")
