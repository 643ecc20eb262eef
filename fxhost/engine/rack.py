"""The rack: the chain of stages and the callback's memory, owned by Python and played by the audio thread.

Python sets it up, turns knobs, and reads counters; `fxhost.engine.callback` does the work. Whoever hands
`callback_address` and `control_address` to an audio library keeps the rack alive for as long as that library may call.
"""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from fxhost.engine.callback import callback
from fxhost.engine.chain_table import ChainTable
from fxhost.engine.control_block import AT_MONITOR, AT_TABLE, PROTOTYPE
from fxhost.engine.rack_levels import RackLevels
from fxhost.engine.rack_memory import RackMemory
from fxhost.engine.rack_readings import RackReadings
from fxhost.engine.tape import Tape
from fxhost.errors import EngineError
from fxhost.native.intrinsics import publish
from fxhost.stages.base import Stage
from fxhost.stages.limiter import Limiter
from fxhost.stages.looper.stage import Looper
from fxhost.stages.play_along import PlayAlong


class Rack(RackLevels, RackReadings):
    """A chain of stages, ready to be played block by block.

    Parameters
    ----------
    chain : sequence of Stage
        What the signal goes through, in order.
    sample_rate : float
        In Hz.
    input_gain_db, output_gain_db : float
        In dB.
    inputs : {1, 2}
        Channels that go into the chain.
    channels : {1, 2}
        Channels that come out, at least: more than those of the chain where a later one has them.
    source : float32 (frames,) or (frames, 2), optional
        Dry audio that plays instead of the input.
    source_loops : bool
        Whether the source begins again at its end; otherwise silence follows it.
    records : bool
        Whether the output is kept for `take_recording`.
    looper : Looper, optional
        What the chain and the bypass lead into; it stays where they change.
    play_along : PlayAlong, optional
        What is heard beside the output, and neither recorded nor measured.

    Attributes
    ----------
    inputs, channels : {1, 2}
        Channels that go in and that come out.
    """

    def __init__(
        self,
        chain: Sequence[Stage],
        sample_rate: float,
        *,
        input_gain_db: float = 0.0,
        output_gain_db: float = 0.0,
        inputs: int = 1,
        channels: int = 1,
        source: Float32Array | None = None,
        source_loops: bool = False,
        records: bool = False,
        looper: Looper | None = None,
        play_along: PlayAlong | None = None,
    ) -> None:
        rate = round(sample_rate)
        self.sample_rate = sample_rate
        RackLevels.__init__(self, input_gain_db, output_gain_db, rate, inputs)
        self.looper, self.play_along = looper, play_along
        self._limited = self._published = 0
        self._before: list[ChainTable] = []
        self._make_tables(chain, rate)
        self.inputs, self.channels = inputs, max(self._chain.channels, inputs, channels)
        self._data = RackMemory(sample_rate, inputs, source, source_loops, self.channels)
        self._control = self._data.control
        self.tape = Tape(self._data, self._kept_stages, self.channels)
        if records:
            self.tape.start()
        self._hand_over_tables()
        self.play_song()
        self._function = PROTOTYPE(self.callback_address)
        self.connect(in_channels=inputs, in_channel=0, right_in_channel=inputs - 1, out_channels=self.channels)

    def _make_tables(self, chain: Sequence[Stage], rate: int) -> None:
        looper = [] if self.looper is None else [self.looper]
        self._limiters = Limiter(rate, channels=2), Limiter(rate, channels=2)
        self._head = ChainTable([self._input_gain])
        self._tail = ChainTable([*looper, self._output_gain, self._limiters[0]])
        self._monitor = ChainTable([])
        self._chain = ChainTable(chain)
        self._old_chain: ChainTable | None = None

    @property
    def _kept_stages(self) -> list[Stage]:
        """Those around the chain whose state a recording depends on."""
        return [self._input_gain, self._output_gain, self._limiters[0]]

    def _hand_over_tables(self) -> None:
        c = self._control
        c["head"], c["tail"], c["table"] = self._head.address, self._tail.address, self._chain.address
        c["monitor"] = self._monitor.address

    def play_song(self) -> None:
        """Let the song that plays along be heard, from the next block on; it fades in."""
        if self.play_along is not None:
            self.play_along.reset()
            self._monitor = ChainTable([self.play_along, self._limiters[1]])
            publish(self._data.address + AT_MONITOR, self._monitor.address)

    def change_rate(self, sample_rate: float, chain: Sequence[Stage], source: Float32Array | None = None) -> None:
        """Play at another rate from now on. Only while nobody plays the rack.

        Gains, mute, bypass, looper, what was counted and what was recorded stay as they are. What was heard before is
        forgotten. The song that plays along is silent until its stage has that rate too, and `play_song` is called.

        Parameters
        ----------
        sample_rate : float
            In Hz.
        chain : sequence of Stage
            What the signal goes through at that rate.
        source : float32 (frames,) or (frames, 2), optional
            The same source at that rate, where the rack has one.

        Raises
        ------
        EngineError
            If there is a looper, and the rates have no simple ratio.
        """
        rate = round(sample_rate)
        if self.looper is not None:
            self.looper.change_rate(rate)
        self.begin_span()
        self._before = [self._head, self._tail, self._chain]  # another thread may be turning a knob of them
        self._limited += sum(limiter.limited for limiter in self._limiters)
        self.sample_rate = sample_rate
        self._make_gains(rate)
        self._make_tables(chain, rate)
        self._data.change_rate(sample_rate, source)
        self.tape.keep(self._kept_stages)
        self._hand_over_tables()
        c = self._control
        c["playing"] = c["coming"] = 0
        c["released"] = self._published
        c["bypassed"] = float(self._is_bypassed)

    # --- what an audio library needs ---------------------------------------------------------------------------------

    def connect(
        self, *, in_channels: int, in_channel: int, out_channels: int, right_in_channel: int | None = None
    ) -> None:
        """Set the layout of the device's interleaved buffers, before a stream starts; it will be faded in.

        Parameters
        ----------
        in_channels, out_channels : int
            Channels in the buffers; without input channels the input is silent.
        in_channel, right_in_channel : int
            Which of them to play, from 0; the second where the rack has two inputs, by default the same. The left
            output goes to the first, third, … channel, the right one to the others.
        """
        self._control["in_channels"], self._control["in_channel"] = in_channels, in_channel
        self._control["right_in_channel"] = in_channel if right_in_channel is None else right_in_channel
        self._control["out_channels"] = out_channels
        self._control["starting"] = 1
        self.fade_in()

    def fade_in(self) -> None:
        """Fade in from the next block on. Only while nobody plays the rack."""
        self._control["faded_in"] = 0
        for stage in self._monitor.stages:
            stage.reset()
        self.tape.starts.append(self.frames)

    def leave_callback(self) -> None:
        """Play on with another address: whoever still calls the old one, a server that was dead, plays silence."""
        self._empty = ChainTable([])
        self._data.leave_control(self._empty.address)
        self._control = self._data.control
        self.is_bypassed = self._is_bypassed

    @property
    def callback_address(self) -> int:
        """The address of the `PaStreamCallback`."""
        return int(callback.address)

    @property
    def control_address(self) -> int:
        """The address of its user data."""
        return self._data.address

    def process(self, block: Float32Array, out: Float32Array, *, flags: int = 0) -> None:
        """Play one block through the callback in the calling thread, without the GIL.

        Parameters
        ----------
        block, out : float32 (frames,) or (frames, channels)
            C-contiguous; as many channels as `connect` said (as the rack has if it was not called).
        flags : int
            What PortAudio would report (`PaStreamCallbackFlags`).
        """
        self._function(block.ctypes.data, out.ctypes.data, len(out), None, flags, self.control_address)

    def block_function(self) -> Callable[[int, int, int], object]:
        """A function that plays one block: it takes the addresses of a float32 input and output block and the number of
        frames, and keeps this rack alive.
        """
        function, control = self._function, self.control_address

        def play(block: int, out: int, frames: int, rack: Rack = self) -> None:
            function(block, out, frames, None, 0, control)

        return play

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """What the audio thread touches, but for what a stage may keep beside its memory."""
        return sum((table.arrays for table in (self._head, self._chain, self._tail, self._monitor)), self._data.arrays)

    # --- knobs -------------------------------------------------------------------------------------------------------

    @property
    def is_crossfading(self) -> bool:
        """Whether a new chain is still being faded in."""
        return bool(self._control["released"] < self._published)

    def replace_chain(self, chain: Sequence[Stage]) -> None:
        """Change to another chain while playing, with a crossfade of 30 ms.

        The gains of both chains add up to 1 at every moment, so the fade is never louder than the louder of them.

        Raises
        ------
        EngineError
            If the chain before it is still being faded in.
        """
        if self.is_crossfading:
            raise EngineError("the last change of the chain is still being faded in; try again in a moment")
        self._old_chain, self._chain = self._chain, ChainTable(chain)
        self._published += bool(self._control["playing"])  # before the first block there is nothing to fade from
        publish(self._data.address + AT_TABLE, self._chain.address)

    def check(self) -> None:
        """Raise an error that a stage met on the audio thread, where it could not be raised. Call this regularly while
        playing.

        Raises
        ------
        EngineError
        KeyboardInterrupt
            Where Ctrl-C was pressed while such a stage ran.
        """
        self._data.send_changes()
        for stage in self._chain.stages:
            if isinstance(stage.error, KeyboardInterrupt):
                raise stage.error
            if stage.error is not None:
                raise EngineError(f"the effect failed while playing: {stage.error}") from stage.error
