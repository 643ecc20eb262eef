"""What plays: the presets of a rack in their order, and how they are to sound."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fxhost.engine.calibration import choose_gains, describe_unknown_levels
from fxhost.engine.rack import Rack
from fxhost.engine.rate_choice import choose_plans
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import settle_wavenet
from fxhost.rig.build import build_chain
from fxhost.rig.slot import Slot
from fxhost.stages.base import Stage

Engine = Literal["compiled", "torchscript"]


@dataclass(frozen=True)
class Rig:
    """The presets of a rack, one after the other, and how they are to sound.

    Attributes
    ----------
    presets : tuple of Preset
        At least one, with their knobs where they are set.
    engine : {'compiled', 'torchscript'}
        The compiled kernel, or the preset's own TorchScript module, which runs code from the file.
    input_gain_db, output_gain_db : float
        Before the first preset and after the last.
    level : {'raw', 'normalized'}
        As the files have it, or the last preset at −18 dB where its loudness is known.
    interface_dbu : float or None
        The analogue level of full scale at the interface's input; None leaves it uncalibrated.
    oversample : {1, 2, 4}
        How many times the stream's rate the networks run at, against aliasing.
    """

    presets: tuple[Preset, ...]
    engine: Engine = "compiled"
    input_gain_db: float = 0.0
    output_gain_db: float = 0.0
    level: str = "raw"
    interface_dbu: float | None = None
    oversample: int = 1

    @property
    def notes(self) -> list[str]:
        """What was asked for of the levels and cannot be done, a line each."""
        return describe_unknown_levels(self.presets, self.level, self.interface_dbu)

    @property
    def sample_rates(self) -> list[int]:
        """The rates that the presets were trained at, in Hz, each once."""
        return list(dict.fromkeys(preset.sample_rate for preset in self.presets))

    def slots_at(self, sample_rate: int) -> tuple[Slot, ...]:
        """The places of the rack in a stream of this rate, in Hz.

        A rate plan that is not known yet is measured, which takes seconds.

        Raises
        ------
        EngineError
            If the engine plays presets at their own rate only, and another was asked for; or if the rates have no
            simple ratio.
        """
        settled = [settle_wavenet(preset) for preset in self.presets]
        plans = choose_plans(settled, self.engine, sample_rate, self.oversample)
        gains = choose_gains(settled, self.level, self.interface_dbu)
        return tuple(Slot(*place) for place in zip(settled, plans, gains, strict=True))

    def chain_of(self, slots: Sequence[Slot]) -> list[Stage]:
        """Fresh stages that play these slots in series."""
        return build_chain(slots, self.engine)

    def rack_at(self, sample_rate: int) -> tuple[Rack, tuple[Slot, ...]]:
        """A fresh rack without a device that plays the rig at this rate, in Hz, and its slots."""
        slots = self.slots_at(sample_rate)
        gains_db = self.input_gain_db, self.output_gain_db
        rack = Rack(self.chain_of(slots), sample_rate, input_gain_db=gains_db[0], output_gain_db=gains_db[1])
        return rack, slots
