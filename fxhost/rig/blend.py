"""Blends: two or more chains in parallel, added."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Self

from fxhost.engine.alignment import Lag
from fxhost.errors import RigError
from fxhost.preset.effect import Preset
from fxhost.rig.blend_slot import OWN, WHOLE, BlendSlot, Lane, Place, measure_lags
from fxhost.rig.built import Built
from fxhost.rig.effect import Effect, as_effect
from fxhost.rig.part import Part, check_mix, check_setting
from fxhost.rig.planning import name_parts, plan_parts
from fxhost.rig.slot import PLAIN, Planning, Slot
from fxhost.stages.parallel.stages import BRANCH, LEVEL, MIX, MOST_BRANCHES, MUTE, PAN, SOLO
from fxhost.stages.parameter import Parameter

LONGEST_MS = 100.0  # of the delay of a branch

Given = str | Path | Preset | Effect | Part


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Branch:
    """One of the parallel chains of a blend.

    Parameters
    ----------
    parts : sequence of str, Path, Effect, Preset or Part
        What plays in it, in order; none for the dry signal.
    level : float
        −60 to 12 dB.
    pan : float
        −1 is left, 0 the middle, 1 right; other than 0 makes the rig stereo.
    polarity : {1, −1}
    mute, solo : bool
        Whether it is silent, and whether only such branches are heard.
    delay_ms : float
        How much later than the others it shall be, 0 to 100.
    id : str
        A name, by which its parameters are called: 'clean.level'. Without one they are 'level1', 'level2', …
    ids : sequence of str
        Names of its parts, as those of a `fxhost.Rig`.

    Raises
    ------
    RigError
        If a value is out of its range.

    Examples
    --------
    >>> import fxhost
    >>> fxhost.Branch(["ts-overdrive", fxhost.Tone(bass=2.0)], level=-3.0, id="drive")
    Branch(drive: a diode overdrive pedal → tone)
    """

    parts: tuple[Effect | Part, ...]
    settings: Mapping[str, float]
    polarity: int
    delay_ms: float
    id: str
    ids: tuple[str, ...]

    def __init__(
        self,
        parts: Sequence[Given] = (),
        *,
        level: float = 0.0,
        pan: float = 0.0,
        polarity: int = 1,
        mute: bool | float = False,
        solo: bool | float = False,
        delay_ms: float = 0.0,
        id: str = "",
        ids: Sequence[str] = (),
    ) -> None:
        made = tuple(part if isinstance(part, Part) else as_effect(part) for part in parts)
        values = {LEVEL: level, PAN: pan, MUTE: mute, SOLO: solo}
        settings = {each.name: check_setting("a branch", BRANCH, each.name, value) for each, value in values.items()}
        if polarity not in (1, -1):
            raise RigError(f"a branch: polarity = {polarity!r}; give 1 or −1")
        if not 0.0 <= delay_ms <= LONGEST_MS:
            raise RigError(f"a branch: delay_ms = {delay_ms:g} is out of range; give 0 to {LONGEST_MS:g} ms")
        fields = (made, settings, polarity, float(delay_ms), id, tuple(ids) or name_parts(made))
        for name, value in zip(self.__dataclass_fields__, fields, strict=True):
            object.__setattr__(self, name, value)

    def with_parts(self, parts: Sequence[Effect | Part], settings: Mapping[str, float]) -> "Branch":
        """The same branch with other parts of the same ids, and some of its settings."""
        own = {**self.settings, **settings}
        return Branch(parts, **own, polarity=self.polarity, delay_ms=self.delay_ms, id=self.id, ids=self.ids)

    @property
    def name(self) -> str:
        """For people."""
        return " → ".join(part.name for part in self.parts) or "dry"

    def __repr__(self) -> str:
        return f"Branch({self.id}{': ' if self.id else ''}{self.name})"


class Blend(Part):
    """Two or more chains in parallel, each with a level, a pan, a mute, a solo and a delay of its own.

    Parameters
    ----------
    branches : sequence of Branch, or of what a branch is made of
        Two to sixteen.
    aligns : bool
        Whether the delays and the polarities of the branches are measured against the first one, on the built-in riff,
        and evened out to a hundredth of a frame, so that captures of one amplifier add up. Latencies of resampling are
        evened out in any case.
    stereo : bool, optional
        Whether it has two sides and can be panned. By default it has where a branch is panned.
    mix : float, optional
        How much of what is heard went through it, 0 (dry) to 1 (wet); without it all.

    Raises
    ------
    RigError
        If there are too few or too many branches, two have one name, a setting is out of range, or a branch is panned
        in a blend that shall not be stereo.

    Examples
    --------
    >>> import numpy as np, fxhost
    >>> blend = fxhost.Blend(["ts-overdrive", fxhost.Branch(["rc-lowpass"], level=-6.0, id="dark")])
    >>> [parameter.name for parameter in blend.parameters]
    ['level1', 'dark.level', 'mute1', 'dark.mute', 'solo1', 'dark.solo']
    >>> fxhost.Rig([blend])(np.zeros(480, np.float32), 48000).shape
    (480,)
    """

    KIND = "blend"

    def __init__(
        self,
        branches: "Sequence[Branch | Given | Sequence[Given]]",
        *,
        aligns: bool = True,
        stereo: bool | None = None,
        mix: float | None = None,
    ) -> None:
        super().__init__()
        self.branches = tuple(_as_branch(branch) for branch in branches)
        if not 2 <= len(self.branches) <= MOST_BRANCHES:
            raise RigError(f"a blend has {len(self.branches)} branches; give 2 to {MOST_BRANCHES}")
        self.aligns, self.mix = aligns, check_mix(self.KIND, mix)
        is_panned = any(branch.settings[PAN.name] for branch in self.branches)
        if is_panned and stereo is False:
            raise RigError("a blend with a branch that is panned is stereo; leave out stereo = false, or the pan")
        self.stereo = is_panned if stereo is None else stereo
        self.aligned_as = self
        named = Counter(parameter.name.casefold() for parameter in self.parameters)
        if twice := [name for name, times in named.items() if times > 1]:
            raise RigError(f"two parameters of a blend are called {twice[0]!r}; give its branches ids of their own")

    @property
    def name(self) -> str:
        """The names of its branches."""
        return " + ".join(branch.id or branch.name for branch in self.branches)

    @property
    def chains(self) -> tuple[Sequence[Effect | Part], ...]:
        """The parts of each branch."""
        return tuple(branch.parts for branch in self.branches)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Of the branches, then of the parts in them, then the mix where it has one."""
        return tuple(parameter for parameter, _ in self._turnable())

    @property
    def places(self) -> list[Place]:
        """Where each parameter belongs."""
        return [place for _, place in self._turnable()]

    def _turnable(self) -> list[tuple[Parameter, Place]]:
        found = []
        for number, parameter in enumerate(BRANCH):
            if parameter != PAN or self.stereo:
                for n, branch in enumerate(self.branches):
                    name = f"{branch.id}.{parameter.name}" if branch.id else f"{parameter.name}{n + 1}"
                    own = replace(parameter, name=name, default=branch.settings[parameter.name])
                    found.append((own, Place(n, OWN, number)))
        for n, branch in enumerate(self.branches):
            inner = [
                (each, Place(n, part, number))
                for part, made in enumerate(branch.parts)
                for number, each in enumerate(made.parameters)
            ]
            times = Counter([*(each.name.casefold() for each, _ in inner), *(each.name for each in BRANCH)])
            for each, place in inner:
                part_id = "" if times[each.name.casefold()] == 1 else f"{branch.ids[place.part]}."
                found.append((replace(each, name=f"{branch.id or n + 1}.{part_id}{each.name}"), place))
        if self.mix is not None:
            found.append((replace(MIX, default=self.mix), Place(WHOLE, OWN, 0)))
        return found

    def set_to(self, values: Mapping[str, float]) -> Self:
        """The same blend with some of its parameters set, by their names; it stays aligned as it was.

        Raises
        ------
        RigError
            If there is no such parameter, or a value is out of its range.
        """
        checked = {name: check_setting(self.KIND, self.parameters, name, value) for name, value in values.items()}
        by_place = {place: checked[each.name] for each, place in self._turnable() if each.name in checked}
        branches = []
        for n, branch in enumerate(self.branches):
            own = {BRANCH[at.number].name: value for at, value in by_place.items() if (at.branch, at.part) == (n, OWN)}
            parts = []
            for number, part in enumerate(branch.parts):
                names = [each.name for each in part.parameters]
                inner = {names[at.number]: each for at, each in by_place.items() if (at.branch, at.part) == (n, number)}
                parts.append(part.set_to(inner) if inner else part)
            branches.append(branch.with_parts(parts, own))
        mix = by_place.get(Place(WHOLE, OWN, 0), self.mix)
        made = type(self)(branches, aligns=self.aligns, stereo=self.stereo, mix=mix)
        made.aligned_as = self.aligned_as
        return made

    def slot_at(self, sample_rate: int, planning: Planning = PLAIN) -> BlendSlot:
        """Its place in a stream; how its branches lie to each other is measured where that is not known yet."""
        planned = self._plan(sample_rate, planning)
        lags = [Lag(_latency(slots) - _latency(planned[0]), 1) for slots in planned]
        if self.aligns:
            # values of parameters make no difference, so that scenes which differ in them alone glide
            as_before = planned if self.aligned_as is self else self.aligned_as._plan(sample_rate, planning)
            is_same = _keys(as_before) == _keys(planned)
            lags = measure_lags(self.name, as_before if is_same else planned, sample_rate)
        lanes = [
            Lane(
                branch.id or f"branch {n}",
                slots,
                branch.settings,
                branch.delay_ms * 1e-3 * sample_rate,
                branch.polarity * lag.polarity,
                lag,
            )
            for n, branch, slots, lag in zip(count(1), self.branches, planned, lags, strict=False)
        ]
        return BlendSlot(self.name, sample_rate, self.parameters, lanes, self.places, self.stereo, self.mix)

    def _plan(self, sample_rate: int, planning: Planning) -> list[tuple[Slot, ...]]:
        return [plan_parts(branch.parts, sample_rate, planning) for branch in self.branches]

    def build(self, sample_rate: int, channels: int) -> Built:
        """Fresh stages for so many channels that come in."""
        return self.slot_at(sample_rate).build(channels=channels)

    def __repr__(self) -> str:
        return f"Blend({self.name})"


def _keys(branches: Sequence[Sequence[Slot]]) -> list[list[str]]:
    return [[slot.key for slot in slots] for slots in branches]


def _latency(slots: Sequence[Slot]) -> float:
    return sum(slot.latency_frames for slot in slots)


def _as_branch(given: "Branch | Given | Sequence[Given]") -> Branch:
    if isinstance(given, Branch):
        return given
    return Branch([given] if isinstance(given, str | Path | Preset | Effect | Part) else given)
