"""What plays: effects one after the other, and how they are to sound."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from fxhost.engine.calibration import describe_unknown_levels
from fxhost.engine.rack import Rack
from fxhost.errors import PresetError
from fxhost.preset.effect import Preset
from fxhost.rig.build import build_chain
from fxhost.rig.effect import Effect, as_effect
from fxhost.rig.slot import Slot, plan_slots
from fxhost.rig.stream import Playable
from fxhost.stages.base import Stage

Engine = Literal["compiled", "torchscript"]


class Rig(Playable):
    """Effects one after the other, and how they are to sound.

    Parameters
    ----------
    effects : sequence of str, Path, Effect or Preset
        At least one: names, files, or what was loaded.
    engine : {'compiled', 'torchscript'}
        The compiled kernel, or the preset's own TorchScript module, which runs code from the file.
    input_gain_db, output_gain_db : float
        Before the first effect and after the last.
    level : {'raw', 'normalized'}
        As the files have it, or the last effect at −18 dB where its loudness is known.
    interface_dbu : float, optional
        The analogue level of full scale at the interface's input, to calibrate captures that tell theirs.
    oversample : {1, 2, 4}
        How many times the stream's rate the networks run at, against aliasing.

    Examples
    --------
    >>> import numpy as np, fxhost
    >>> rig = fxhost.Rig(["ts-overdrive", "rc-lowpass"], input_gain_db=6.0)
    >>> [effect.name for effect in rig]
    ['a diode overdrive pedal', 'a one-pole low-pass at 1 kHz']
    >>> rig(np.zeros((480, 2), np.float32), 48000).shape
    (480, 2)
    """

    def __init__(
        self,
        effects: Sequence[str | Path | Effect | Preset],
        engine: Engine = "compiled",
        *,
        input_gain_db: float = 0.0,
        output_gain_db: float = 0.0,
        level: str = "raw",
        interface_dbu: float | None = None,
        oversample: int = 1,
    ) -> None:
        if isinstance(effects, str | Path) or not effects:
            raise PresetError(f"a rig needs a list of at least one effect, got {effects!r}")
        self.effects = tuple(as_effect(effect) for effect in effects)
        self.engine: Engine = engine
        self.input_gain_db, self.output_gain_db = input_gain_db, output_gain_db
        self.level, self.interface_dbu, self.oversample = level, interface_dbu, oversample

    @property
    def presets(self) -> tuple[Preset, ...]:
        """The presets, with their knobs where they stand."""
        return tuple(effect.preset for effect in self.effects)

    def __getitem__(self, index: int) -> Effect:
        return self.effects[index]

    def __len__(self) -> int:
        return len(self.effects)

    def __iter__(self) -> Iterator[Effect]:
        return iter(self.effects)

    def __repr__(self) -> str:
        return f"Rig({' → '.join(effect.name for effect in self.effects)})"

    @property
    def notes(self) -> list[str]:
        """What was asked for of the levels and cannot be done, a line each."""
        return describe_unknown_levels(self.presets, self.level, self.interface_dbu)

    @property
    def sample_rates(self) -> list[int]:
        """The rates that the presets were trained at, in Hz, each once."""
        return list(dict.fromkeys(preset.sample_rate for preset in self.presets))

    # --- for whoever plays it ----------------------------------------------------------------------------------------

    def slots_at(self, sample_rate: int) -> tuple[Slot, ...]:
        """The places of the rack in a stream of this rate, in Hz.

        A rate plan that is not known yet is measured, which takes seconds.

        Raises
        ------
        EngineError
            If the engine plays presets at their own rate only, and another was asked for; or if the rates have no
            simple ratio.
        """
        return plan_slots(
            self.presets,
            sample_rate,
            engine=self.engine,
            level=self.level,
            interface_dbu=self.interface_dbu,
            oversample=self.oversample,
        )

    def chain_of(self, slots: Sequence[Slot]) -> list[Stage]:
        """Fresh stages that play these slots in series."""
        return build_chain(slots, self.engine)

    def rack_of(self, slots: Sequence[Slot]) -> tuple[Rack, list[Stage]]:
        """A fresh rack without a device that plays these slots, and its chain."""
        chain, gains_db = self.chain_of(slots), (self.input_gain_db, self.output_gain_db)
        rate = slots[0].plan.sample_rate
        return Rack(chain, rate, input_gain_db=gains_db[0], output_gain_db=gains_db[1]), chain
