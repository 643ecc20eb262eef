"""What a rig has beside learned effects: a gate, tone controls, volume controls, cabinets.

A part is a setting, without a rate; in a stream it becomes a slot.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from fxhost.errors import RigError
from fxhost.rig.built import Built
from fxhost.rig.impulse_response import BlendedResponse, Response, blend_responses
from fxhost.rig.part import Part, check_mix
from fxhost.stages.base import Stage
from fxhost.stages.cabinet.stage import Cabinet as CabinetStage
from fxhost.stages.gate import PARAMETERS as GATE_PARAMETERS
from fxhost.stages.gate import Gate as GateStage
from fxhost.stages.gate import GateListener
from fxhost.stages.tone import PARAMETERS as TONE_PARAMETERS
from fxhost.stages.tone import Tone as ToneStage
from fxhost.stages.volume import PARAMETERS as VOLUME_PARAMETERS
from fxhost.stages.volume import Volume as VolumeStage
from fxhost.stages.widen import Widen


class Gate(Part):
    """A noise gate. It listens to the dry signal and acts after the last effect.

    Parameters
    ----------
    **settings : float
        threshold (−90 to 0 dB, −60), hysteresis (0 to 20 dB, 6), hold (1 to 1000 ms, 40), attack (0.1 to 50 ms, 1),
        release (5 to 2000 ms, 60).

    Raises
    ------
    RigError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> import fxhost
    >>> fxhost.Gate(threshold=-52.0, hold=20.0)
    Gate(threshold=-52, hold=20)
    """

    KIND = "gate"
    PARAMETERS = GATE_PARAMETERS

    def build(self, sample_rate: int, channels: int) -> Built:
        """For each channel a listener and a gate."""
        listeners = [GateListener(sample_rate, self.settings) for _ in range(channels)]
        gates = [GateStage(listener) for listener in listeners]
        for channel in range(channels):
            listeners[channel].channel = gates[channel].channel = channel
        return Built(gates, listeners, listeners, after_effects=True)


class Tone(Part):
    """Tone controls: bass, mid, treble, a low cut and a high cut, and two parametric bands.

    Parameters
    ----------
    **settings : float
        bass, mid, treble (±15 dB), low_cut (20 to 500 Hz), high_cut (1000 to 20000 Hz), and of the bands
        band1_freq (30 to 16000 Hz), band1_gain (±18 dB), band1_q (0.2 to 12), and so on.

    Raises
    ------
    RigError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> import numpy as np, fxhost
    >>> rig = fxhost.Rig(["ts-overdrive", fxhost.Tone(bass=2.0, high_cut=8000.0)])
    >>> rig(np.zeros(480, np.float32), 48000).shape
    (480,)
    """

    KIND = "tone"
    PARAMETERS = TONE_PARAMETERS

    def build(self, sample_rate: int, channels: int) -> Built:
        """The same for each channel."""
        stages = _on_channels(lambda: ToneStage(sample_rate, self.settings), channels)
        return Built(stages, stages)


class Volume(Part):
    """A volume control, anywhere in the chain.

    Parameters
    ----------
    **settings : float
        level (−60 to 12 dB, 0), mute (True or False).

    Raises
    ------
    RigError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> import numpy as np, fxhost
    >>> rig = fxhost.Rig([fxhost.Volume(level=-6.0), "ts-overdrive", fxhost.Volume(mute=True)])
    >>> float(abs(rig(np.ones(480, np.float32), 48000)).max())
    0.0
    """

    KIND = "volume"
    PARAMETERS = VOLUME_PARAMETERS

    def build(self, sample_rate: int, channels: int) -> Built:
        """The same for each channel."""
        stages = _on_channels(lambda: VolumeStage(sample_rate, self.settings), channels)
        return Built(stages, stages)


class Cabinet(Part):
    """A cabinet: convolution with impulse responses, without latency.

    Parameters
    ----------
    *responses : str, Path or Response
        Sound files of any rate, mono or stereo; several are blended.
    levels : bool
        Whether each is brought to a gain of 0 dB over music.
    trims : bool
        Whether leading silence is cut off.
    aligns : bool
        Whether each is delayed and turned over so that it adds up with the first.
    mix : float, optional
        How much of what is heard went through it, 0 to 1; without it all.

    Raises
    ------
    RigError
        If no file is given, or the mix is out of range.

    Examples
    --------
    >>> import fxhost
    >>> fxhost.Cabinet("v30.wav", fxhost.Response("room.wav", level_db=-6.0), aligns=True).name
    'v30 + room'
    """

    KIND = "cabinet"

    def __init__(
        self,
        *responses: str | Path | Response,
        levels: bool = True,
        trims: bool = False,
        aligns: bool = False,
        mix: float | None = None,
    ) -> None:
        super().__init__()
        self.mix = check_mix(self.KIND, mix)
        if not responses:
            raise RigError("a cabinet needs the file of an impulse response")
        self.responses = [each if isinstance(each, Response) else Response(Path(each)) for each in responses]
        self.levels, self.trims, self.aligns = levels, trims, aligns
        self._blends: dict[int, BlendedResponse] = {}

    @property
    def name(self) -> str:
        """The names of its files."""
        return " + ".join(Path(response.file).stem for response in self.responses)

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of its impulse responses."""
        return tuple(Path(response.file) for response in self.responses)

    @property
    def key(self) -> str:
        """Its responses and how they are blended."""
        return repr((super().key, self.responses, self.levels, self.trims, self.aligns))

    def digest_at(self, sample_rate: int) -> str:
        """What it plays, to the bit."""
        played = hashlib.sha256(self.blend_at(sample_rate).sides.tobytes()).hexdigest()
        return f"{super().digest_at(sample_rate)} {played}"

    def blend_at(self, sample_rate: int) -> BlendedResponse:
        """Its responses as one, at a rate in Hz."""
        if sample_rate not in self._blends:
            self._blends[sample_rate] = blend_responses(
                self.responses, sample_rate, levels=self.levels, trims=self.trims, aligns=self.aligns
            )
        return self._blends[sample_rate]

    def build(self, sample_rate: int, channels: int) -> Built:
        """A convolution for each channel that comes in or goes out."""
        sides = self.blend_at(sample_rate).sides
        stages: list[Stage] = [Widen()] if channels < len(sides) else []
        for channel in range(max(channels, len(sides))):
            stage = CabinetStage(sides[channel % len(sides)])
            stage.channel = channel
            stages.append(stage)
        return Built(stages)

    def __repr__(self) -> str:
        return f"Cabinet({self.name})"


def _on_channels(make: Callable[[], Stage], channels: int) -> list[Stage]:
    stages = [make() for _ in range(channels)]
    for channel, stage in enumerate(stages):
        stage.channel = channel
    return stages
