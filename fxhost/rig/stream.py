"""Blocks through a rig without a device: the state is kept from block to block, and no Python runs in between."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from fxhost.arrays import Float32Array
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.errors import EngineError
from fxhost.rig.build import Chain
from fxhost.rig.knobs import Knobs
from fxhost.rig.slot import Slot

BUFFER_FRAMES = 4096  # of a block that is copied to and from a fixed place; a longer one is played where it lies

MakeRack = Callable[[Sequence[Slot], int], tuple[Rack, Chain]]


def make_player(rack: Rack) -> Callable[[Float32Array], Float32Array]:
    """What plays a mono block, float32 (frames,), through a rack and returns a new one, with little ado."""
    given, out = np.zeros(BUFFER_FRAMES, np.float32), np.zeros(BUFFER_FRAMES, np.float32)
    play = rack.block_function()
    addresses = given.ctypes.data, out.ctypes.data

    def play_block(block: Float32Array) -> Float32Array:
        frames = len(block)
        if frames <= BUFFER_FRAMES:
            given[:frames] = block
            play(*addresses, frames)
            return out[:frames].copy()
        whole, played = np.ascontiguousarray(block), np.empty(frames, np.float32)
        play(whole.ctypes.data, played.ctypes.data, frames)
        return played

    return play_block


class Stream:
    """Blocks through a rig, one after the other. The same samples come out to the bit, however they are cut.

    A stream belongs to one thread at a time; several streams may play in several threads, and the GIL is released
    while one plays.

    Parameters
    ----------
    slots : sequence of Slot
    make_rack : callable
        A fresh rack of the slots for one or two channels, and its chain.
    channels : int
        Each with a rack of its own; where the rig is stereo, one or two channels go through one rack.

    Attributes
    ----------
    knobs : Knobs
        By name; of two effects that have one of the same name as '1.drive' and '2.drive'. They glide while it plays.

    Examples
    --------
    >>> import numpy as np, fxhost
    >>> stream = fxhost.load("ts-overdrive").stream(48000)
    >>> stream.process(np.zeros(64, np.float32)).shape
    (64,)
    """

    def __init__(self, slots: Sequence[Slot], make_rack: MakeRack, channels: int = 1) -> None:
        if channels < 1:
            raise ValueError(f"a stream of {channels} channels: expected 1 or more")
        self._slots, self._make_rack, self.channels = tuple(slots), make_rack, channels
        self.sample_rate = slots[0].sample_rate
        self._boards = [KnobBoard(slots) for _ in range(channels)]
        names = self._boards[0].names
        values = [self._boards[0].values[n][k] for n, k in self._boards[0].places]
        self.knobs = Knobs(names, self._boards[0].parameters, values, self._turn)
        self.reset()

    @property
    def is_mono(self) -> bool:
        """Whether one channel goes in and comes out."""
        return self.channels == 1 and self._racks[0].channels == 1

    @property
    def latency(self) -> float:
        """The latency that the effects add, in seconds."""
        return sum(slot.latency_frames for slot in self._slots) / self.sample_rate

    def reset(self) -> None:
        """Begin anew from the settled state. The knobs stay where they are."""
        self._racks = []
        for board in self._boards:
            rack, chain = self._make_rack(self._slots, 1)
            if rack.channels == 2 and self.channels == 2:
                rack, chain = self._make_rack(self._slots, 2)
            elif rack.channels == 2 and self.channels > 2:
                raise EngineError(f"a stereo rig plays one or two channels, not {self.channels}")
            board.attach(chain.turned)
            self._racks.append(rack)
            if rack.channels == 2:
                break
        self._players = [make_player(rack) for rack in self._racks]

    def process(self, block: Float32Array) -> Float32Array:
        """Play a block.

        Parameters
        ----------
        block : float32 (frames,) or (frames, channels)
            Of any length, also none. Other types are converted.

        Returns
        -------
        float32, of the same shape; of a stereo rig (frames, 2)

        Raises
        ------
        EngineError
            If the block has other channels than the stream, or the effect fails.
        """
        if self.is_mono and type(block) is np.ndarray and block.ndim == 1 and block.dtype == np.float32:
            out = self._players[0](block)
        else:
            audio = np.asarray(block, np.float32)
            if audio.ndim not in (1, 2) or (1 if audio.ndim == 1 else audio.shape[1]) != self.channels:
                raise EngineError(
                    f"a block of shape {audio.shape}; expected {self.channels} channels: (frames, channels)"
                )
            if self._racks[0].channels == 2:
                out = np.empty((len(audio), 2), np.float32)
                self._racks[0].process(np.ascontiguousarray(audio), out)
                self._racks[0].check()
                return out
            columns = audio.reshape(len(audio), self.channels).T
            played = [
                player(np.ascontiguousarray(column)) for player, column in zip(self._players, columns, strict=True)
            ]
            out = np.stack(played, axis=1).reshape(audio.shape)
        for rack in self._racks:
            rack.check()
        return out

    def _turn(self, index: int, value: float) -> None:
        for board in self._boards:
            board.set(index, value)


class Playable(ABC):
    """What plays audio: an effect or a rig."""

    @abstractmethod
    def slots_at(self, sample_rate: int) -> tuple[Slot, ...]:
        """The places of the rack in a stream of this rate, in Hz."""

    @abstractmethod
    def rack_of(self, slots: Sequence[Slot], inputs: int = 1) -> tuple[Rack, Chain]:
        """A fresh rack without a device that plays these slots, and its chain."""

    def latency(self, sample_rate: int) -> float:
        """The latency that is added in a stream of this rate, in seconds: 0, or that of resamplers.

        Parameters
        ----------
        sample_rate : int
            In Hz.
        """
        return sum(slot.latency_frames for slot in self.slots_at(sample_rate)) / sample_rate

    def stream(self, sample_rate: int, channels: int = 1) -> Stream:
        """What plays blocks one after the other and keeps the state between them.

        Parameters
        ----------
        sample_rate : int
            In Hz.
        channels : int
            Each with a state of its own.

        Raises
        ------
        EngineError
            If the rate has no simple ratio to that of an effect.
        """
        return Stream(self.slots_at(sample_rate), self.rack_of, channels)

    def __call__(self, dry: ArrayLike, sample_rate: int) -> Float32Array:
        """Play audio from the settled state; equal to the bit to `fxhost render`.

        Parameters
        ----------
        dry : float32 (frames,) or (frames, channels)
            Each channel goes through a rack of its own. Other types are converted.
        sample_rate : int
            In Hz.

        Returns
        -------
        float32, of the same shape; of a stereo rig (frames, 2)

        Raises
        ------
        EngineError
            If the rate has no simple ratio to that of an effect, or the effect fails.
        """
        audio = np.asarray(dry, np.float32)
        return self.stream(sample_rate, audio.shape[1] if audio.ndim == 2 else 1).process(audio)
