"""What a rack plays, and how it changes to another scene or another rig while it plays.

Every scene of the running rig has its slots and its chain in memory. A chain that comes in is first played on what was
heard last, so that its networks know where they are, and is then cross-faded to. Another rig is loaded on a thread of
its own; the last wish counts, and where loading fails the old rig plays on.
"""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.errors import FxhostError
from fxhost.rig.build import Chain
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene
from fxhost.rig.slot import Slot
from fxhost.stages.base import PLANE
from fxhost.stages.parameter import Parameter

WARM_S = 1.0  # of what was heard last, at most
WARM_WAIT_S = 0.012  # for which the change waits, at most


class Sound:
    """A scene at the rate of a stream, with its chain in memory.

    Parameters
    ----------
    rig : Rig
    scene : Scene
    slots : sequence of Slot
    inputs : {1, 2}
        Channels that come in.

    Attributes
    ----------
    knobs : KnobBoard
    is_on : list of bool
        For each slot whether it shall be heard.
    """

    def __init__(self, rig: Rig, scene: Scene, slots: Sequence[Slot], inputs: int) -> None:
        self._rig, self.scene, self.slots, self._inputs = rig, scene, tuple(slots), inputs
        self.knobs = KnobBoard(self.slots)
        self.is_on = list(scene.is_on)
        self._kept: dict[tuple[bool, ...], Chain] = {}
        self.chain()

    @property
    def keys(self) -> list[str]:
        """What its stages depend on, but for the values of their parameters."""
        return [slot.key for slot in self.slots]

    def restore(self) -> None:
        """Put everything back to what the scene says."""
        self.is_on[:] = self.scene.is_on
        for values, slot in zip(self.knobs.values, self.slots, strict=True):
            values[:] = [parameter.default for parameter in slot.parameters]

    def chain(self) -> Chain:
        """The chain of the slots that are on, as at the start: the one in memory, which nobody may be playing."""
        on = tuple(self.is_on)
        if on not in self._kept:
            slots = [slot for slot, is_on in zip(self.slots, on, strict=True) if is_on]
            kept = self._rig.chain_of(slots, self._inputs)
            self._kept = {key: chain for key, chain in self._kept.items() if key == self.scene.is_on} | {on: kept}
        chain = self._kept[on]
        for stage in chain:
            stage.reset()
        self.knobs.attach(chain.turned, on)
        return chain

    def renew(self) -> None:
        """Forget the chain of the slots that are on: it plays, and another shall be made."""
        self._kept.pop(tuple(self.is_on), None)


class Playing:
    """The rig that plays, its scene, and what shall play next.

    Parameters
    ----------
    rig : Rig
    sample_rate : int
        In Hz.
    notice : callable
        Told in one line what failed.
    inputs : {1, 2}
        Channels that come in.

    Attributes
    ----------
    rig : Rig
    sounds : list of Sound
        One for each scene.
    sound : Sound
        The one that plays.
    """

    def __init__(self, rig: Rig, sample_rate: int, notice: Callable[[str], None], inputs: int = 1) -> None:
        self.rig, self.sample_rate, self.inputs = rig, sample_rate, inputs
        self._notice = notice
        self.sounds = self._make_sounds(rig)
        self.sound = self.sounds[0]
        self._on = list(self.sound.is_on)  # what the chain that plays was made for
        self._wanted: Sound | None = None
        self._rack: Rack | None = None
        self._order = 0  # of the last wish to load
        self._loaded: tuple[int, Rig, list[Sound]] | None = None
        self._lock = threading.Lock()

    def _make_sounds(self, rig: Rig) -> list[Sound]:
        return [Sound(rig, scene, rig.slots_at(self.sample_rate, scene), self.inputs) for scene in rig.scenes]

    @property
    def channels(self) -> int:
        """The most channels that leave any of its scenes."""
        stages = [stage for sound in self.sounds for stage in sound.chain()]
        return 2 if any(stage.channel or stage.makes_stereo for stage in stages) else 1

    def start(self, rack: Rack) -> None:
        """Turn the knobs of a rack from now on, which plays the chain of the first sound."""
        self._rack = rack
        for sound in self.sounds:
            sound.knobs.write = rack.set_parameter

    @property
    def scene_index(self) -> int:
        """The number of the scene that plays, from 0."""
        return self.sounds.index(self.sound)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the slots."""
        return self.rig.ids

    @property
    def scenes(self) -> int:
        """How many scenes the rig has."""
        return len(self.sounds)

    @property
    def parameters(self) -> list[tuple[Parameter, ...]]:
        """What can be turned of each slot."""
        return [slot.parameters for slot in self.sound.slots]

    # --- wishes ------------------------------------------------------------------------------------------------------

    def choose_scene(self, index: int) -> None:
        """Change to a scene of the rig; one that does not exist is left alone."""
        if 0 <= index < len(self.sounds):
            self._order += 1  # what is being loaded comes too late
            self._wanted = self.sounds[index]

    def load(self, make: Callable[[], Rig], name: str) -> None:
        """Change to another rig as soon as it is there."""
        with self._lock:
            self._order += 1
            order = self._order
        threading.Thread(target=self._load, args=(order, make, name), name="fxhost loads", daemon=True).start()

    def _load(self, order: int, make: Callable[[], Rig], name: str) -> None:
        try:
            rig = make()
            sounds = self._make_sounds(rig) if order == self._order else []
        except FxhostError as err:
            self._notice(f"cannot change to {name}: {err}. The sound stays as it is")
            return
        with self._lock:
            if order == self._order:
                self._loaded = order, rig, sounds

    # --- between two blocks ------------------------------------------------------------------------------------------

    def follow(self, wants_reset: bool) -> bool:
        """Cross-fade to what is wanted now, unless a fade is going on; tell whether a change of the chain was made."""
        rack = self._rack
        assert rack is not None
        if rack.is_crossfading:
            return False
        self._take_loaded()
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            return self._change_to(wanted)
        if wants_reset or self.sound.is_on != self._on:
            has_switched = self.sound.is_on != self._on
            if not has_switched:
                self.sound.renew()
            self._fade_to(self.sound, warms=has_switched)
            return True
        return False

    def _take_loaded(self) -> None:
        with self._lock:
            loaded, self._loaded = self._loaded, None
            if loaded is None or loaded[0] != self._order:
                return
        self.rig, self.sounds = loaded[1:]
        for sound in self.sounds:
            sound.knobs.write = self._rack.set_parameter if self._rack is not None else None
        self._wanted = self.sounds[0]

    def _change_to(self, sound: Sound) -> bool:
        rack = self._rack
        assert rack is not None
        before = self.sound
        sound.restore()
        rack.input_gain_db, rack.output_gain_db = sound.scene.input_gain_db, sound.scene.output_gain_db
        if sound.keys == before.keys and sound.is_on == self._on:  # only knobs differ: they glide
            sound.knobs.take_over(before.knobs)
            self.sound = sound
            return False
        self._fade_to(sound, warms=True)
        return True

    def _fade_to(self, sound: Sound, *, warms: bool) -> None:
        rack = self._rack
        assert rack is not None
        chain = sound.chain()
        if warms:
            warm_up(chain, rack, self.sample_rate)
        rack.replace_chain(chain)
        self.sound, self._on = sound, list(sound.is_on)


def warm_up(chain: Chain, rack: Rack, sample_rate: int) -> int:
    """Play what was heard last through a chain that nobody hears yet.

    Parameters
    ----------
    chain : Chain
        In its initial state.
    rack : Rack
        That heard it.
    sample_rate : int
        In Hz.

    Returns
    -------
    int
        How many frames: a second, or as many as fit into 12 ms.
    """
    block = np.zeros((2, PLANE), np.float32)

    def play(audio: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
        for first in range(0, audio.shape[1], PLANE):
            piece = audio[:, first : first + PLANE]
            block[:, : piece.shape[1]] = piece
            for stage in chain:
                stage.process_at(block.ctypes.data + 4 * PLANE * stage.channel, piece.shape[1])

    began = time.perf_counter()
    play(rack.last_heard(round(WARM_S * sample_rate))[:, :PLANE])
    took = max(time.perf_counter() - began, 1e-6)
    frames = min(round(WARM_S * sample_rate), int((WARM_WAIT_S - took) / took) * PLANE)
    if frames <= 0:
        return PLANE
    heard = rack.last_heard(frames)
    play(heard)
    return int(heard.shape[1])
