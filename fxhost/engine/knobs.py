"""Knobs of presets: set by name before playing, turned while it plays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fxhost.errors import PresetError
from fxhost.preset.effect import Knob, Preset
from fxhost.preset.settled_state import settle_on_silence
from fxhost.stages.base import Stage

STEP = 0.05  # of a knob, at a key


def set_knobs(presets: Sequence[Preset], settings: Mapping[str, float]) -> list[Preset]:
    """The presets with their knobs set, at rest.

    Parameters
    ----------
    presets : sequence of Preset
    settings : mapping of str to float
        Values from 0 to 1 by the knob's name, in any case; one name may mean knobs of several presets.

    Raises
    ------
    PresetError
        If no preset has such a knob.
    """
    names = {knob.name.casefold() for preset in presets for knob in preset.knobs}
    for name in settings:
        if name.casefold() not in names:
            listed = ", ".join(knob.name for preset in presets for knob in preset.knobs)
            raise PresetError(f"no knob {name!r}: {f'there is {listed}' if listed else 'these presets have none'}")
    values = {name.casefold(): value for name, value in settings.items()}
    return [_turned(preset, values) for preset in presets]


def _turned(preset: Preset, values: Mapping[str, float]) -> Preset:
    knobs = tuple(Knob(knob.name, values.get(knob.name.casefold(), knob.default)) for knob in preset.knobs)
    return preset if knobs == preset.knobs else settle_on_silence(replace(preset, knobs=knobs))


@dataclass
class KnobBoard:
    """The knobs of a chain while it plays; one of them is chosen.

    Parameters
    ----------
    presets : sequence of Preset
        As they were set before.
    """

    presets: Sequence[Preset]
    chosen: int = 0
    values: list[list[float]] = field(init=False)
    _stages: list[Stage] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.values = [[knob.default for knob in preset.knobs] for preset in self.presets]

    @property
    def places(self) -> list[tuple[int, int]]:
        """The preset and the knob of each, in order."""
        return [(n, k) for n, preset in enumerate(self.presets) for k in range(len(preset.knobs))]

    def attach(self, chain: Sequence[Stage]) -> None:
        """Turn the knobs of these stages from now on, and set them to where the knobs are."""
        self._stages = [stage for stage in chain if stage.knobs]
        for n, k in self.places:
            self._set(n, k)

    def choose_next(self) -> None:
        """Choose the next knob, after the last one the first."""
        self.chosen = (self.chosen + 1) % max(1, len(self.places))

    def turn(self, steps: int) -> None:
        """Turn the chosen knob by twentieths of its way."""
        if self.places:
            n, k = self.places[self.chosen]
            self.values[n][k] = min(1.0, max(0.0, round(self.values[n][k] / STEP + steps) * STEP))
            self._set(n, k)

    def _set(self, n: int, k: int) -> None:
        having = [index for index, preset in enumerate(self.presets) if preset.knobs]
        self._stages[having.index(n)].set_knob(k, self.values[n][k])

    def describe_each(self) -> list[str]:
        """Each knob and where it stands, the chosen one marked."""
        parts = []
        for place, (n, k) in enumerate(self.places):
            mark = "▸" if place == self.chosen else " "
            parts.append(f"{mark}{self.presets[n].knobs[k].name} {self.values[n][k]:.2f}")
        return parts

    def describe(self) -> str:
        """All of them in a line."""
        return "  ".join(self.describe_each())
