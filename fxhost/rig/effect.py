"""A learned effect to play with: its knobs, and its sound at any sample rate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fxhost.engine.knobs import set_knobs
from fxhost.engine.rack import Rack
from fxhost.errors import PresetError, RigError
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Knob, Preset
from fxhost.preset.library import find_preset
from fxhost.preset.quality import read_quality, require_models
from fxhost.preset.settled_state import settle_on_silence
from fxhost.riff import synthesise_riff
from fxhost.rig.build import Chain, build_chain
from fxhost.rig.knobs import Knobs
from fxhost.rig.notebook import format_page
from fxhost.rig.part import check_mix
from fxhost.rig.slot import PLAIN, Planning, Slot, plan_effect
from fxhost.rig.stream import Playable
from fxhost.stages.parallel.stages import MIX
from fxhost.stages.parameter import Parameter


class Effect(Playable):
    """A learned effect: a preset or a capture that was loaded.

    Parameters
    ----------
    preset : Preset
        As `fxhost.load` reads it.
    mix : float, optional
        How much of what is heard went through it, 0 (dry) to 1 (wet). The dry signal is as late as the effect is. With
        a mix, `"mix"` is one of the knobs of a stream, and glides; without one, all is wet.

    Attributes
    ----------
    knobs : Knobs
        Its knobs by name, 0 to 1. A turned knob counts for calls and streams that begin afterwards.

    Raises
    ------
    RigError
        If the mix is out of range, or the preset has a knob of that name.

    Examples
    --------
    >>> import numpy as np, fxhost
    >>> effect = fxhost.load("ts-overdrive")
    >>> effect.sample_rate
    48000
    >>> wet = effect(np.zeros(480, np.float32), 48000)
    >>> wet.shape, wet.dtype
    ((480,), dtype('float32'))
    """

    KIND = "effect"

    def __init__(self, preset: Preset, mix: float | None = None) -> None:
        self._preset = preset
        self.mix = mix
        self._values = [knob.default for knob in preset.knobs]
        names = [knob.name for knob in preset.knobs]
        self.knobs = Knobs(names, preset.parameters, self._values, lambda index, value: None)

    @property
    def preset(self) -> Preset:
        """The preset with its knobs where they stand, in its settled state."""
        knobs = tuple(Knob(knob.name, value) for knob, value in zip(self._preset.knobs, self._values, strict=True))
        if knobs != self._preset.knobs:
            self._preset = settle_on_silence(replace(self._preset, knobs=knobs))
        return self._preset

    @property
    def mix(self) -> float | None:
        """How much of what is heard went through it; None where that cannot be turned and is all."""
        return self._mix

    @mix.setter
    def mix(self, value: float | None) -> None:
        if value is not None and any(knob.name.casefold() == MIX.name for knob in self._preset.knobs):
            raise RigError(f"{self.name} has a knob 'mix' of its own; for a dry signal beside it use a blend")
        self._mix = check_mix(self.name, value)

    @property
    def name(self) -> str:
        """What its maker calls it."""
        return self._preset.name

    @property
    def path(self) -> Path:
        """The file that it was read from."""
        return self._preset.path

    @property
    def sample_rate(self) -> int:
        """The rate that it was trained at, in Hz. It plays at any other too."""
        return self._preset.sample_rate

    @property
    def architecture(self) -> str:
        """The kind and size of its network, such as 'LSTM 1×24'."""
        return self._preset.architecture.label

    @property
    def metadata(self) -> MappingProxyType[str, Any]:
        """Everything that the file tells: author, licence, training, levels."""
        return MappingProxyType(self._preset.metadata)

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the file is odd and was left out."""
        return self._preset.notes

    @property
    def esr(self) -> float | None:
        """The error-to-signal ratio on recordings that it was not trained on, where the file tells it."""
        training = self._preset.metadata.get("training")
        esr = training.get("esr_test") if isinstance(training, dict) else None
        return float(esr) if isinstance(esr, int | float) else None

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What can be turned: its knobs, and the mix where it has one. The defaults are where they stand."""
        return self.preset.parameters + (() if self.mix is None else (replace(MIX, default=self.mix),))

    @property
    def effects(self) -> "tuple[Effect, ...]":
        """Itself."""
        return (self,)

    @property
    def files(self) -> tuple[Path, ...]:
        """The file of its preset."""
        return (self.path,)

    def set_to(self, values: Mapping[str, float]) -> "Effect":
        """The same effect with some of its parameters set, by their names.

        Raises
        ------
        PresetError, RigError
            If there is no such parameter, or the mix is out of range.
        """
        knobs = {name: value for name, value in values.items() if self.mix is None or name != MIX.name}
        preset = set_knobs([self.preset], knobs)[0] if knobs else self.preset
        return Effect(preset, values.get(MIX.name, self.mix))

    def slot_at(self, sample_rate: int, planning: Planning = PLAIN) -> Slot:
        """Its place in a stream of this rate, in Hz, among effects that play as planned."""
        return plan_effect(self.preset, sample_rate, planning, self.mix)

    def slots_at(self, sample_rate: int) -> tuple[Slot, ...]:
        """Its place in a stream of this rate, in Hz."""
        return (self.slot_at(sample_rate),)

    def rack_of(self, slots: Sequence[Slot], inputs: int = 1) -> tuple[Rack, Chain]:
        """A fresh rack without a device that plays this slot, and its chain."""
        chain = build_chain(slots, inputs=inputs)
        return Rack(chain, slots[0].sample_rate, inputs=inputs), chain

    def __repr__(self) -> str:
        return f"Effect({self.name!r}, {self.architecture}, {self.sample_rate} Hz)"

    def _repr_html_(self) -> str:
        """What a notebook shows: what it is, its knobs, its ESR, and a player of the built-in riff through it."""
        riff = synthesise_riff(self.sample_rate)
        facts = {"network": self.architecture, "sample rate": f"{self.sample_rate} Hz"}
        facts |= {f"knob {name}": f"{value:.2f}" for name, value in self.knobs.items()}
        facts["held-out ESR"] = "unknown" if self.esr is None else f"{self.esr:.2g}"
        return format_page(self.name, facts, self(riff, self.sample_rate), self.sample_rate)


def load(preset: str | Path, quality: float | str | None = None, mix: float | None = None) -> Effect:
    """Load a preset or a capture.

    Parameters
    ----------
    preset : str or Path
        A `.pt`, `.nam`, `.json` or `.aidax` file, or the name of a preset that `fxhost presets` lists. Nothing in the
        file is executed.
    quality : float or {'low', 'high'}, optional
        Which model of a `.nam` container of several sizes plays, from 0, the smallest, to 1, the largest and default.
    mix : float, optional
        How much of what is heard went through it, 0 (dry) to 1 (wet).

    Raises
    ------
    PresetError
        If there is no such file or preset, or it is damaged or of another kind; or if it has a single model, and a
        quality was given.
    RigError
        If the mix is out of range.

    Examples
    --------
    >>> import fxhost
    >>> fxhost.load("ts-overdrive").architecture
    'LSTM 1×24'
    """
    if quality is None:
        return Effect(read_preset(find_preset(str(preset))), mix)
    chosen = read_preset(find_preset(str(preset)), read_quality(quality))
    require_models([chosen])
    return Effect(chosen, mix)


def as_effect(given: str | Path | Preset | Effect) -> Effect:
    """An effect from whatever names one."""
    if isinstance(given, Effect):
        return given
    if isinstance(given, Preset):
        return Effect(given)
    if isinstance(given, str | Path):
        return load(given)
    raise PresetError(f"expected an effect, a name or a path, got {type(given).__name__}")
