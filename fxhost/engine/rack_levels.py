"""The levels around the chain of a rack: input gain, output gain, mute and bypass."""

from fxhost.arrays import from_db
from fxhost.engine.control_block import AT_BYPASSED
from fxhost.engine.rack_memory import RackMemory
from fxhost.stages.gain import Gain
from fxhost.stages.looper.stage import Looper
from fxhost.stages.play_along import PlayAlong

CUT_DB = -40.0


class RackLevels:
    """The levels of a rack; they glide. A rack inherits them.

    Parameters
    ----------
    input_gain_db, output_gain_db : float
        In dB.
    sample_rate : int
        In Hz.
    inputs : {1, 2}
        Channels that go into the chain.
    """

    _data: RackMemory
    looper: Looper | None
    play_along: PlayAlong | None

    def __init__(self, input_gain_db: float, output_gain_db: float, sample_rate: int, inputs: int) -> None:
        self.inputs = inputs
        self._input_gain_db, self._output_gain_db = input_gain_db, output_gain_db
        self._is_muted = self._is_bypassed = self._is_cut = False
        self._make_gains(sample_rate)

    def _make_gains(self, sample_rate: int) -> None:
        """Fresh gains that stand where they are set to."""
        self._input_gain = Gain(self._input_gain_db, sample_rate, self.inputs)
        self._output_gain = Gain(0.0, sample_rate, channels=2)
        memory = self._output_gain.memory
        memory["gain"] = memory["target"] = self._output_factor

    def set_parameter(self, address: int, value: float) -> None:
        """Set a float32 of a stage of the rack at the beginning of the next block; before the first one, at once."""
        self._data.set_parameter(address, value)

    @property
    def input_gain_db(self) -> float:
        """The gain before the chain, in dB."""
        return self._input_gain_db

    @input_gain_db.setter
    def input_gain_db(self, level_db: float) -> None:
        self._input_gain_db = level_db
        self._data.set_parameter(self._input_gain.target_address, from_db(level_db))

    @property
    def output_gain_db(self) -> float:
        """The gain after the chain, in dB, whether it is muted or not."""
        return self._output_gain_db

    @output_gain_db.setter
    def output_gain_db(self, level_db: float) -> None:
        self._output_gain_db = level_db
        self._set_output_gain()

    @property
    def is_muted(self) -> bool:
        """Whether nothing is heard, and nothing recorded, whatever the gains and the bypass are."""
        return self._is_muted

    @is_muted.setter
    def is_muted(self, value: bool) -> None:
        self._is_muted = value
        self._set_output_gain()
        if self.play_along is not None:
            self.set_parameter(self.play_along.address("is_muted"), float(value))

    @property
    def is_cut(self) -> bool:
        """Whether the output is turned down to −40 dB, or below that by as much as the output gain is below 0 dB."""
        return self._is_cut

    @is_cut.setter
    def is_cut(self, value: bool) -> None:
        self._is_cut = value
        self._set_output_gain()

    @property
    def _output_factor(self) -> float:
        gain_db = min(self._output_gain_db, 0.0) + CUT_DB if self._is_cut else self._output_gain_db
        return 0.0 if self._is_muted else from_db(gain_db)

    def _set_output_gain(self) -> None:
        self._data.set_parameter(self._output_gain.target_address, self._output_factor)

    @property
    def is_bypassed(self) -> bool:
        """Whether the dry signal is heard; the chain goes on in the background."""
        return self._is_bypassed

    @is_bypassed.setter
    def is_bypassed(self, value: bool) -> None:
        self._is_bypassed = value
        self._data.set_parameter(self.addresses["bypass"], float(value))

    @property
    def addresses(self) -> dict[str, int]:
        """Where the settings around the chain stand, each a float32: the gains (factors), and 1 for the bypass."""
        loop = {} if self.looper is None else {"loop": self.looper.level_address}
        return loop | {
            "input_gain": self._input_gain.target_address,
            "output_gain": self._output_gain.target_address,
            "bypass": self._data.address + AT_BYPASSED,
        }
