"""What plays: effects and other parts one after the other, and how they are to sound."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from fxhost.engine.calibration import describe_unknown_levels
from fxhost.engine.rack import Rack
from fxhost.errors import PresetError
from fxhost.preset.effect import Preset
from fxhost.rig.build import Chain, build_chain
from fxhost.rig.effect import Effect, as_effect
from fxhost.rig.part import Part
from fxhost.rig.parts import Tone
from fxhost.rig.planning import name_parts, outermost_effects, plan_parts
from fxhost.rig.scenes import Scene
from fxhost.rig.slot import Planning, Slot
from fxhost.rig.stream import Playable

Engine = Literal["compiled", "torchscript"]


class Rig(Playable):
    """Effects and other parts one after the other, and how they are to sound.

    Parameters
    ----------
    parts : sequence of str, Path, Effect, Preset, Gate, Tone, Volume, Cabinet or Blend
        At least one: names or files of effects, what was loaded, and other parts.
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
    scenes : sequence of Scene
        Its sounds, the first of which plays at the start. By default there is one, of all parts.
    ids : sequence of str
        Names of the parts for whoever controls them. By default the kind of each, with a number where there are
        several: 'gate', 'effect1', 'effect2'.

    Attributes
    ----------
    path : Path or None
        The rig file that it was read from.

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
        parts: Sequence[str | Path | Effect | Preset | Part],
        engine: Engine = "compiled",
        *,
        input_gain_db: float = 0.0,
        output_gain_db: float = 0.0,
        level: str = "raw",
        interface_dbu: float | None = None,
        oversample: int = 1,
        scenes: Sequence[Scene] = (),
        ids: Sequence[str] = (),
    ) -> None:
        if isinstance(parts, str | Path) or not parts:
            raise PresetError(f"a rig needs a list of at least one effect, got {parts!r}")
        self.parts = tuple(part if isinstance(part, Part) else as_effect(part) for part in parts)
        self.engine: Engine = engine
        self.input_gain_db, self.output_gain_db = input_gain_db, output_gain_db
        self.level, self.interface_dbu, self.oversample = level, interface_dbu, oversample
        self.ids = tuple(ids) or name_parts(self.parts)
        whole = Scene("", self.parts, (True,) * len(self.parts), input_gain_db, output_gain_db)
        self.scenes = tuple(scenes) or (whole,)
        self.path: Path | None = None

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The learned effects among its parts, and in their branches."""
        return tuple(effect for part in self.parts for effect in part.effects)

    @property
    def presets(self) -> tuple[Preset, ...]:
        """The presets of its effects, with their knobs where they stand."""
        return tuple(effect.preset for effect in self.effects)

    @property
    def files(self) -> list[Path]:
        """Every file of a preset or an impulse response, in any scene."""
        parts = [*self.parts, *(part for scene in self.scenes for part in scene.parts)]
        return list(dict.fromkeys(file for part in parts for file in part.files))

    def __getitem__(self, index: int) -> Effect | Part:
        return self.parts[index]

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Effect | Part]:
        return iter(self.parts)

    def __repr__(self) -> str:
        return f"Rig({' → '.join(part.name for part in self.parts)})"

    @property
    def notes(self) -> list[str]:
        """What was asked for of the levels and cannot be done, a line each."""
        first, last = (
            [effect.preset for effect in outermost_effects(self.parts, at_end=at_end)] for at_end in (False, True)
        )
        return describe_unknown_levels(first, last, self.level, self.interface_dbu)

    @property
    def sample_rates(self) -> list[int]:
        """The rates that the presets were trained at, in Hz, each once."""
        return list(dict.fromkeys(preset.sample_rate for preset in self.presets))

    def in_scene(self, scene: Scene) -> "Rig":
        """A rig of the parts that are on in a scene."""
        parts = [part for part, is_on in zip(scene.parts, scene.is_on, strict=True) if is_on]
        return Rig(
            parts or [Tone()],  # at its defaults the identity
            self.engine,
            input_gain_db=scene.input_gain_db,
            output_gain_db=scene.output_gain_db,
            level=self.level,
            interface_dbu=self.interface_dbu,
            oversample=self.oversample,
        )

    # --- for whoever plays it ----------------------------------------------------------------------------------------

    def slots_at(self, sample_rate: int, scene: Scene | None = None) -> tuple[Slot, ...]:
        """The places of the rack in a stream.

        A rate plan that is not known yet is measured, which takes seconds.

        Parameters
        ----------
        sample_rate : int
            In Hz.
        scene : Scene, optional
            One of the rig's; by default the parts that the rig was made of.

        Raises
        ------
        EngineError
            If the engine plays presets at their own rate only, and another was asked for; or if the rates have no
            simple ratio.
        AudioError, RigError
            If an impulse response cannot be read.
        """
        parts = self.parts if scene is None else scene.parts
        planning = Planning(self.engine, self.level, self.interface_dbu, self.oversample)
        return plan_parts(parts, sample_rate, planning)

    def chain_of(self, slots: Sequence[Slot], inputs: int = 1) -> Chain:
        """Fresh stages that play these slots in series, for one or two channels that come in."""
        return build_chain(slots, self.engine, inputs)

    def rack_of(self, slots: Sequence[Slot], inputs: int = 1) -> tuple[Rack, Chain]:
        """A fresh rack without a device that plays these slots, and its chain."""
        chain, gains_db = self.chain_of(slots, inputs), (self.input_gain_db, self.output_gain_db)
        rate = slots[0].sample_rate
        return Rack(chain, rate, input_gain_db=gains_db[0], output_gain_db=gains_db[1], inputs=inputs), chain
