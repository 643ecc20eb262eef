"""A scene at the rate of a stream: its slots, its knobs, and the chain that is kept in memory for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fxhost.engine.knobs import KnobBoard
from fxhost.rig.build import Chain
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene
from fxhost.rig.slot import Slot


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

    def follow_rate(self, slots: Sequence[Slot]) -> None:
        """Play these slots from now on, the same ones at another rate; the knobs and switches stay as they are.

        Only while nobody plays a chain of it.
        """
        self.slots = tuple(slots)
        self.knobs.slots = self.slots
        self._kept.clear()
        self.chain()

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
