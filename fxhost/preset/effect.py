"""A learned effect in memory, whichever file it came from: its network, its knobs, its levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxhost.arrays import SILENCE_DB, Float32Array
from fxhost.networks.architecture import Architecture
from fxhost.networks.recurrent import Recurrent
from fxhost.stages.parameter import Parameter, knob_parameter

SAMPLE_RATES = (8_000, 384_000)
GAINS_DB = (SILENCE_DB, 90.0)
LEVELS_DB = (-300.0, 100.0)  # of loudness and of full scale in dBu


@dataclass(frozen=True)
class Knob:
    """One control input of the network. Values are 0 to 1."""

    name: str
    default: float


@dataclass(frozen=True)
class Levels:
    """The gains that belong to an effect, and what is known of its levels.

    Attributes
    ----------
    input_gain_db, output_gain_db : float
        What stands before and after the network, a residual path included; −90 dB and less is silence.
    loudness_db : float or None
        How loud its maker's measure found the output, in dB.
    input_dbu, output_dbu : float or None
        The analogue level of a sine of full scale.
    """

    input_gain_db: float = 0.0
    output_gain_db: float = 0.0
    loudness_db: float | None = None
    input_dbu: float | None = None
    output_dbu: float | None = None

    @property
    def has_gains(self) -> bool:
        """Whether the network is not played as it is."""
        return self.input_gain_db != 0.0 or self.output_gain_db != 0.0


@dataclass(frozen=True)
class Preset:
    """A learned effect, as read from a preset or from another program's file.

    Attributes
    ----------
    path : Path
        Where it was read from.
    name : str
        What the maker calls it.
    sample_rate : int
        The rate it was trained at, in Hz.
    architecture : Architecture
        The sizes of the network.
    knobs : tuple of Knob
        One for each input after the first.
    weights, probe : mapping of str to float32 array
        As `Architecture.weight_shapes` and `Architecture.probe_shapes` list them. Where another program's file carries
        an answer of its network, the probe has `input` and `output_rest` only, played from a state of zeros; else it
        is empty.
    silent_output : float
        What the settled network puts out on silence.
    metadata : dict
        The whole of `fxhost.json`; of another program's file, the same as far as it is known.
    levels : Levels
    probe_error : float
        The largest difference between the float32 and the float64 output of the network on the probe.
    file_format : str
        'fxhost', or that of the other program: 'nam', 'coreaudioml', 'aidax'.
    notes : tuple of str
        Warnings: the parts of the file that were unusual and were ignored.
    is_settled : bool
        Whether the network comes to rest on silence.
    quality : float or None
        From 0 to 1, what chose this model among those of its container; None where the file holds one model.
    """

    path: Path
    name: str
    sample_rate: int
    architecture: Architecture
    knobs: tuple[Knob, ...]
    weights: Mapping[str, Float32Array]
    probe: Mapping[str, Float32Array]
    silent_output: float
    metadata: dict[str, Any]
    levels: Levels = Levels()
    file_format: str = "fxhost"
    probe_error: float = 0.0
    notes: tuple[str, ...] = ()
    is_settled: bool = True
    quality: float | None = None

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its knobs, as what can be turned of a stage."""
        return tuple(knob_parameter(knob.name, knob.default) for knob in self.knobs)

    @property
    def recurrent(self) -> Recurrent:
        """The architecture of a recurrent network.

        Raises
        ------
        TypeError
            If it is another one.
        """
        if not isinstance(self.architecture, Recurrent):
            raise TypeError(f"{self.path}: its network is {self.architecture.label}, expected a recurrent one")
        return self.architecture
