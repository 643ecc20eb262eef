"""What a rack plays, and how it changes to another scene or another rig while it plays.

Every scene of the running rig has its slots and its chain in memory. A chain that comes in is first played on what was
heard last, so that its networks know where they are, and is then cross-faded to. Another rig is loaded on a thread of
its own; the last wish counts, and where loading fails the old rig plays on.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.errors import FxhostError
from fxhost.rig.build import Chain
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene
from fxhost.rig.slot import Slot
from fxhost.rig.warm_up import warm_up
from fxhost.stages.parameter import Parameter


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
    saved : list of list of float
        For each slot where its parameters stand in the scene.
    """

    def __init__(self, rig: Rig, scene: Scene, slots: Sequence[Slot], inputs: int) -> None:
        self._rig, self.scene, self.slots, self._inputs = rig, scene, tuple(slots), inputs
        self.knobs = KnobBoard(self.slots)
        self.saved = [list(values) for values in self.knobs.values]
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
        for values, saved in zip(self.knobs.values, self.saved, strict=True):
            values[:] = saved

    def keep(self, input_gain_db: float, output_gain_db: float) -> None:
        """Let the scene say from now on how everything stands."""
        self.scene = replace(
            self.scene, is_on=tuple(self.is_on), input_gain_db=input_gain_db, output_gain_db=output_gain_db
        )
        self.saved = [list(values) for values in self.knobs.values]

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


@dataclass(frozen=True)
class Change:
    """A chain that was handed to the rack, and all that it was made from.

    Attributes
    ----------
    rig : Rig
    scene : int
        The number of the scene, from 0.
    is_on : tuple of bool
        For each slot.
    values : list of list of float
        For each slot where its parameters stood.
    warmed : list of (int, int)
        Which of the frames that went into the old chain were played through it before: from the first to before the
        second.
    chain : Chain
    """

    rig: Rig
    scene: int
    is_on: tuple[bool, ...]
    values: list[list[float]]
    warmed: list[tuple[int, int]]
    chain: Chain


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
    change : Change
        The last one.
    on_change : callable
        Told each change before it is handed to the rack.
    heard_from : int
        The frame before which nothing may be played through a chain to warm it up.
    wants_fresh : bool
        Whether a fresh chain, warmed up, shall take the place of the one that plays.
    """

    change: Change

    def __init__(self, rig: Rig, sample_rate: int, notice: Callable[[str], None], inputs: int = 1) -> None:
        self.rig, self.sample_rate, self.inputs = rig, sample_rate, inputs
        self._notice = notice
        self.sounds = self._make_sounds(rig)
        self.sound = self.sounds[0]
        self._on = list(self.sound.is_on)  # what the chain that plays was made for
        self._wanted: Sound | None = None
        self._rack: Rack | None = None
        self._order = 0  # of the last wish to load
        self._keeps_scene = False  # in what was wished to be loaded last
        self._loaded: tuple[int, Rig, list[Sound]] | None = None
        self._lock = threading.Lock()
        self.on_change: Callable[[Change], None] = lambda change: None
        self.heard_from, self.wants_fresh = 0, False

    def _make_sounds(self, rig: Rig) -> list[Sound]:
        return [Sound(rig, scene, rig.slots_at(self.sample_rate, scene), self.inputs) for scene in rig.scenes]

    @property
    def channels(self) -> int:
        """The most channels that leave any of its scenes."""
        stages = [stage for sound in self.sounds for stage in sound.chain()]
        return 2 if any(stage.channel or stage.makes_stereo for stage in stages) else 1

    def first_chain(self) -> Chain:
        """The chain that plays at the start, in its settled state."""
        return self._note(self.sound, [], self.sound.chain()).chain

    def _note(self, sound: Sound, warmed: list[tuple[int, int]], chain: Chain) -> Change:
        values = [list(each) for each in sound.knobs.values]
        scene = self.sounds.index(sound)
        self.change = Change(self.rig, scene, tuple(sound.is_on), values, warmed, chain)
        return self.change

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
            if not self._keeps_scene:
                self._order += 1  # what is being loaded comes too late
            self._wanted = self.sounds[index]

    def load(self, make: Callable[[], Rig], name: str, *, keeps_scene: bool = False) -> None:
        """Change to another rig as soon as it is there: to its first scene, or to that which has the name of ours."""
        with self._lock:
            self._order += 1
            self._keeps_scene = keeps_scene
            order = self._order
        threading.Thread(target=self._load, args=(order, make, name), name="fxhost loads", daemon=True).start()

    def _load(self, order: int, make: Callable[[], Rig], name: str) -> None:
        try:
            rig = make()
            sounds = self._make_sounds(rig) if order == self._order else []
        except FxhostError as err:
            self._keeps_scene &= order != self._order
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
        has_switched = self.sound.is_on != self._on
        if wants_reset or has_switched or self.wants_fresh:
            if not has_switched:
                self.sound.renew()
            self._fade_to(self.sound, warms=has_switched or not wants_reset)
            return True
        return False

    def _take_loaded(self) -> None:
        with self._lock:
            loaded, self._loaded = self._loaded, None
            if loaded is None or loaded[0] != self._order:
                return
        scene = self._scene_like(self._wanted or self.sound, loaded[2]) if self._keeps_scene else 0
        self._keeps_scene = False
        self.rig, self.sounds = loaded[1:]
        for sound in self.sounds:
            sound.knobs.write = self._rack.set_parameter if self._rack is not None else None
        self._wanted = self.sounds[scene]

    def _scene_like(self, sound: Sound, others: Sequence[Sound]) -> int:
        """The number of the scene that has the name of another, or where that has none its number; else the first."""
        names, number = [other.scene.name for other in others], self.sounds.index(sound)
        if sound.scene.name:
            return names.index(sound.scene.name) if sound.scene.name in names else 0
        return number if number < len(others) else 0

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
        warmed = warm_up(chain, rack, self.sample_rate, self.heard_from) if warms else []
        self.on_change(self._note(sound, warmed, chain))
        rack.replace_chain(chain)
        self.sound, self._on, self.wants_fresh = sound, list(sound.is_on), False
