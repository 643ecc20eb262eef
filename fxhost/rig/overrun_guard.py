"""The overrun guard: a slot that takes more time than its blocks last is switched off, so that the sound goes on.

Many blocks in a row that come too late are only a suspicion: the machine may be held up. So each slot is then measured
in CPU time, on a thread of its own. Only where the slots need more than there is does the one that costs most go out,
with the crossfade that its key would make.
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fxhost.engine.rack import Rack
from fxhost.errors import FxhostError
from fxhost.rig.playing import Playing
from fxhost.rig.slot import Slot
from fxhost.rig.slot_costs import measure_costs
from fxhost.rig.sound import Sound

WINDOW_S = 0.5  # over which blocks that come too late are counted
LEAST_OVERRUNS, LEAST_SHARE = 4, 0.25  # of the blocks of a window: fewer are single slow ones
BUDGET = 0.9  # of a block, that the slots may take; the rest goes to what is around them
PAUSE_S = 5.0  # after a measurement that found nothing
LARGE_BLOCK = 512  # frames: larger ones are computed in pieces of as many


@dataclass(frozen=True)
class _Measured:
    """What the slots of a sound cost, each a share of a block, and what the costliest costs in large blocks."""

    sound: Sound
    slots: Sequence[Slot]
    costs: dict[int, float]
    in_large_blocks: float


class OverrunGuard:
    """What switches off a slot that is too slow for its blocks.

    Parameters
    ----------
    rack : Rack
    playing : Playing
        What the rack plays.
    notice : callable
        Told in one line what was switched off, why, and what to do.
    """

    def __init__(self, rack: Rack, playing: Playing, notice: Callable[[str], None]) -> None:
        self._rack, self._playing, self._notice = rack, playing, notice
        self._since_s = -math.inf
        self._blocks = self._overruns = 0
        self._measuring: threading.Thread | None = None
        self._measured: _Measured | None = None

    def look(self, now_s: float) -> None:
        """See whether the blocks are in time; to be called several times a second.

        Parameters
        ----------
        now_s : float
            The time in seconds, on any clock that does not go back.
        """
        if self._measuring is not None:
            if self._measuring.is_alive():
                return
            self._measuring, measured, self._measured = None, self._measured, None
            has_acted = measured is not None and self._act(measured)
            self._begin(now_s if has_acted else now_s + PAUSE_S)
            return
        if now_s - self._since_s < WINDOW_S:
            return
        statistics = self._rack.statistics()
        blocks, overruns = statistics.blocks - self._blocks, statistics.overruns - self._overruns
        if blocks < LEAST_OVERRUNS:
            return
        if overruns >= max(LEAST_OVERRUNS, LEAST_SHARE * blocks) and any(self._playing.sound.is_on):
            self._measuring = threading.Thread(target=self._measure, name="fxhost measures", daemon=True)
            self._measuring.start()
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        """Count anew from a time on."""
        statistics = self._rack.statistics()
        self._since_s, self._blocks, self._overruns = now_s, statistics.blocks, statistics.overruns

    def _measure(self) -> None:
        playing, rack = self._playing, self._rack
        sound, rig, frames = playing.sound, playing.rig, rack.block_frames
        slots = sound.slots
        on = [n for n, is_on in enumerate(sound.is_on) if is_on]
        heard = rack.last_heard(max(frames, 1))
        try:
            costs = measure_costs(rig, [slots[n] for n in on], playing.inputs, frames, heard)
            worst = slots[on[costs.index(max(costs))]]
            large = costs
            if sum(costs) > BUDGET and frames < LARGE_BLOCK:
                large = measure_costs(rig, [worst], playing.inputs, LARGE_BLOCK, heard)
        except FxhostError:  # a file of the rig has gone: nothing is known
            return
        self._measured = _Measured(sound, slots, dict(zip(on, costs, strict=True)), max(large))

    def _act(self, measured: _Measured) -> bool:
        """Switch off the costliest slot, if the slots that still play take too long; tell whether one was."""
        playing, sound = self._playing, self._playing.sound
        is_valid = sound is measured.sound and sound.slots is measured.slots  # of another rate they are others
        costs = {n: cost for n, cost in measured.costs.items() if is_valid and sound.is_on[n]}
        if sum(costs.values()) <= BUDGET:
            return False
        worst = max(costs, key=costs.__getitem__)
        sound.is_on[worst] = False
        others = sum(costs.values()) - costs[worst]
        ways = []
        if measured.in_large_blocks + others <= BUDGET:
            ways.append(f"--block-frames {LARGE_BLOCK}")
        if playing.rig.oversample > 1:
            ways.append(f"less than --oversample {playing.rig.oversample}")
        ways.append("a smaller capture")
        key = "scene" if playing.scenes > 1 else "key"
        number = playing.scene_index + 1 if playing.scenes > 1 else worst + 1
        beside = f", and the others {others:.0%}" if round(others, 2) > 0 else ""
        self._notice(
            f"{worst + 1} {sound.slots[worst].name} is bypassed: it takes {costs[worst]:.0%} of the time of a block"
            f"{beside}. Use {' or '.join(ways)}; {key} {number} switches it on again"
        )
        return True
