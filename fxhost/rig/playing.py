"""What a rack plays, and how it changes to another scene or another rig while it plays.

Every scene of the running rig has its slots and its chain in memory. A chain that comes in is first played on what was
heard last, so that its networks know where they are, and is then cross-faded to. Another rig is loaded on a thread of
its own; the last wish counts, and where loading fails the old rig plays on.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from fxhost.engine.rack import Rack
from fxhost.errors import FxhostError
from fxhost.rig.build import Chain
from fxhost.rig.rig import Rig
from fxhost.rig.sound import Change, Sound
from fxhost.rig.warm_up import warm_up
from fxhost.stages.parameter import Parameter


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
        self._load_beside(order, make, name)

    def _load_beside(self, order: int, make: Callable[[], Rig], name: str) -> None:
        threading.Thread(target=self._load, args=(order, make, name), name="fxhost loads", daemon=True).start()

    def _load(self, order: int, make: Callable[[], Rig], name: str) -> None:
        sounds: list[Sound] = []
        try:
            rig, rate = make(), 0
            while order == self._order:
                with self._lock:
                    if rate == self.sample_rate:  # else the stream has another rate by now
                        self._loaded = order, rig, sounds
                        return
                    rate = self.sample_rate
                sounds = self._make_sounds(rig)
        except FxhostError as err:
            self._keeps_scene &= order != self._order
            self._notice(f"cannot change to {name}: {err}. The sound stays as it is")

    # --- while nobody plays the rack ---------------------------------------------------------------------------------

    def change_rate(self, sample_rate: int) -> Chain:
        """Play at another rate from now on: the same scene, knobs and switches.

        Parameters
        ----------
        sample_rate : int
            In Hz.

        Returns
        -------
        Chain
            Of the scene that plays, in its settled state.

        Raises
        ------
        FxhostError
            If the rig cannot play at that rate, or a file of it has gone. Then everything is as it was.
        """
        slots = [self.rig.slots_at(sample_rate, sound.scene) for sound in self.sounds]
        with self._lock:
            self.sample_rate = sample_rate
            loaded, self._loaded = self._loaded, None
        for sound, each in zip(self.sounds, slots, strict=True):
            sound.follow_rate(each)
        self._on, self.wants_fresh = list(self.sound.is_on), False
        if loaded is not None:
            order, rig, _ = loaded
            self._load_beside(order, lambda: rig, "the next rig")
        return self.first_chain()

    def rehearse(self, rates: Iterable[int]) -> None:
        """Measure and compile what the rig needs at other rates, on a thread of its own: then it can follow at once."""
        scenes = [(self.rig, sound.scene) for sound in self.sounds]

        def prepare() -> None:
            for rate in rates:
                for rig, scene in scenes:
                    with suppress(FxhostError):  # it is told when that rate comes
                        rig.chain_of(rig.slots_at(rate, scene), self.inputs)

        threading.Thread(target=prepare, name="fxhost rehearses", daemon=True).start()

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
