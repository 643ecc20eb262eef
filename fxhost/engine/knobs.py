"""Knobs of presets: set by name before playing, turned while it plays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

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
        Values from 0 to 1 by the name of the knob, in either case. A plain name means that knob of every preset that
        has one, "2.drive" the knob of the second preset alone.

    Raises
    ------
    PresetError
        If no preset has such a knob.
    """
    names = KnobBoard(presets).names
    known = {knob.name.casefold() for preset in presets for knob in preset.knobs}
    numbered = {f"{n + 1}.{knob.name}".casefold() for n, preset in enumerate(presets) for knob in preset.knobs}
    for name in settings:
        if name.casefold() not in known | numbered:
            near = get_close_matches(name, names, 1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            listed = f"there is {', '.join(names)}" if names else "these presets have none"
            raise PresetError(f"no knob {name!r}: {listed}{guess}")
    values = {name.casefold(): value for name, value in settings.items()}
    return [_turned(n, preset, values) for n, preset in enumerate(presets)]


def _turned(n: int, preset: Preset, values: Mapping[str, float]) -> Preset:
    def value_of(knob: Knob) -> float:
        name = knob.name.casefold()
        return values.get(f"{n + 1}.{name}", values.get(name, knob.default))

    knobs = tuple(Knob(knob.name, value_of(knob)) for knob in preset.knobs)
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
    _stages: dict[int, Stage] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.values = [[knob.default for knob in preset.knobs] for preset in self.presets]

    @property
    def places(self) -> list[tuple[int, int]]:
        """The preset and the knob of each, in order."""
        return [(n, k) for n, preset in enumerate(self.presets) for k in range(len(preset.knobs))]

    @property
    def names(self) -> list[str]:
        """The name of each, in order; where two presets have one of the same name, with the number of the preset."""
        plain = [self.presets[n].knobs[k].name for n, k in self.places]
        folded = [name.casefold() for name in plain]
        return [
            name if folded.count(name.casefold()) == 1 else f"{n + 1}.{name}"
            for name, (n, _) in zip(plain, self.places, strict=True)
        ]

    def set(self, index: int, value: float) -> None:
        """Turn one of them, counted through all presets, to a value from 0 to 1."""
        n, k = self.places[index]
        self.values[n][k] = value
        self._set(n, k)

    def attach(self, chain: Sequence[Stage], is_on: Sequence[bool] | None = None) -> None:
        """Turn the knobs of these stages from now on, and set them to where the knobs are.

        Parameters
        ----------
        chain : sequence of Stage
        is_on : sequence of bool, optional
            For each preset whether it is in the chain. By default all are.
        """
        having = [n for n, preset in enumerate(self.presets) if preset.knobs and (is_on is None or is_on[n])]
        self._stages = dict(zip(having, (stage for stage in chain if stage.knobs), strict=True))
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
        if n in self._stages:
            self._stages[n].set_knob(k, self.values[n][k])
