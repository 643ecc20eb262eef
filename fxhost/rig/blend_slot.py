"""The place of a blend in a stream: its branches, how much later each plays, and how they become stages."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.engine.alignment import LEAST_LIKENESS, Lag, find_lag
from fxhost.native import tuning_cache
from fxhost.native.slow_steps import announce
from fxhost.riff import synthesise_riff
from fxhost.rig.build import build_chain
from fxhost.rig.built import Built, Routed, count_channels, mixed
from fxhost.rig.slot import EffectSlot, Slot, list_effects
from fxhost.stages.base import PLANE
from fxhost.stages.parallel.delay import missing_frames, round_delay
from fxhost.stages.parallel.stages import BRANCH, Join, Recall, Split, Sum
from fxhost.stages.parameter import Parameter

RIFF_S = 4.0  # of the riff, for the measurement
TRUE_TO = 0.02  # frames: a lag that is so near to a whole one is taken for it, and needs no filter
OWN, WHOLE = -1, -1  # instead of a part of a branch, or of a branch


@dataclass(frozen=True)
class Place:
    """Where a parameter of a blend belongs.

    Attributes
    ----------
    branch : int
        `WHOLE` for the mix.
    part : int
        Of the branch; `OWN` for the level, pan, mute or solo of the branch itself.
    number : int
        Of the parameter there.
    """

    branch: int
    part: int
    number: int


@dataclass(frozen=True)
class Lane:
    """A branch in a stream.

    Attributes
    ----------
    name : str
    slots : sequence of Slot
    settings : mapping of str to float
        Its level, pan, mute and solo.
    delay_frames : float
        How much later than the others it shall be, in frames.
    polarity : {1, −1}
        What it is turned over by.
    lag : Lag
        To the first one, as measured, with its latency.
    """

    name: str
    slots: Sequence[Slot]
    settings: Mapping[str, float]
    delay_frames: float
    polarity: int
    lag: Lag

    @property
    def latency_frames(self) -> float:
        """What its slots add in latency, in frames."""
        return sum(slot.latency_frames for slot in self.slots)


def choose_delays(arrivals: Sequence[float], delays: Sequence[float]) -> tuple[list[float], float]:
    """How long to hold each branch up so that all come together, the least that can be.

    Parameters
    ----------
    arrivals : sequence of float
        When each comes by itself, in frames.
    delays : sequence of float
        How much later than the others it shall come.

    Returns
    -------
    list of float
        For each as many frames as a `Join` can delay by, in thousandths.
    float
        When those come that shall not be later than others.
    """
    early = [arrival - delay for arrival, delay in zip(arrivals, delays, strict=True)]
    together = max(early)
    held = [round_delay(together - each) for each in early]
    more = max(map(missing_frames, [*held, round_delay(together)]))
    return [each + more for each in held], round_delay(together) + more


def play_slots(slots: Sequence[Slot], audio: Float32Array) -> Float32Array:
    """What comes of audio, float32 (frames,), on slots from their settled state; the mean of the sides."""
    chain, block = build_chain(slots), np.zeros((2, PLANE), np.float32)
    sides, out = count_channels(chain, 1), np.zeros(len(audio), np.float32)
    for first in range(0, len(audio), PLANE):
        frames = len(audio[first : first + PLANE])
        block[0, :frames] = audio[first : first + PLANE]
        for stage in chain:
            stage.process_at(block.ctypes.data + 4 * PLANE * stage.channel, frames)
        out[first : first + frames] = block[:sides, :frames].mean(axis=0)
    return np.nan_to_num(out, nan=0.0, posinf=0.0, neginf=0.0)


def measure_lags(name: str, branches: Sequence[Sequence[Slot]], sample_rate: int) -> list[Lag]:
    """How late each branch is against the first one, as measured before, or else now on the built-in riff.

    Parameters
    ----------
    name : str
        Of the blend, for people.
    branches : sequence of sequence of Slot
    sample_rate : int
        In Hz.

    Returns
    -------
    list of Lag
        What is too unlike the first one to be compared is taken for as late as its latency says.
    """
    expected = [sum(slot.latency_frames for slot in slots) for slots in branches]
    text = repr([[slot.digest for slot in slots] for slots in branches])
    key = f"lags {sample_rate} {hashlib.sha256(text.encode()).hexdigest()}"
    entry = tuning_cache.recall(key) or {}
    found = _recalled_lags(entry.get("lags"), len(branches))
    if found is None:
        tuning_cache.forget(key)
        announce("measuring", f"how the branches of {name} lie to each other (once)")
        riff = synthesise_riff(sample_rate)[: round(RIFF_S * sample_rate)]
        first, *others = (play_slots(slots, riff) for slots in branches)
        found = [
            find_lag(first, other, sample_rate, late - expected[0])
            for other, late in zip(others, expected[1:], strict=True)
        ]
        kept = tuning_cache.keep(key, {"lags": [[lag.frames, lag.polarity, lag.likeness] for lag in found]})
        found = _recalled_lags(kept.get("lags"), len(branches)) or found
    return [Lag(0.0, 1), *(_trust(lag, late - expected[0]) for lag, late in zip(found, expected[1:], strict=True))]


def _trust(lag: Lag, expected: float) -> Lag:
    """A lag as it is taken: whole where it is almost, and as expected where the signals are unlike."""
    if lag.likeness < LEAST_LIKENESS:
        return replace(lag, frames=expected, polarity=1)
    return replace(lag, frames=round(lag.frames)) if abs(lag.frames - round(lag.frames)) <= TRUE_TO else lag


def _recalled_lags(entry: object, branches: int) -> list[Lag] | None:
    """The lags that were kept, or None where there are none or they are damaged."""
    if not isinstance(entry, list) or len(entry) != branches - 1:
        return None
    lags = []
    for each in entry:
        if not isinstance(each, list) or len(each) != 3 or not all(isinstance(value, int | float) for value in each):
            return None
        frames, polarity, likeness = each
        if not math.isfinite(frames) or abs(frames) > 1e5 or polarity not in (1, -1):
            return None
        lags.append(Lag(float(frames), int(polarity), float(likeness)))
    return lags


@dataclass(frozen=True)
class BlendSlot(Slot):
    """The place of a blend.

    Attributes
    ----------
    lanes : sequence of Lane
    places : sequence of Place
        Of each parameter.
    is_stereo : bool
        Whether it has two sides, whatever comes in and out of its branches.
    mix : float or None
    """

    name: str
    sample_rate: int
    parameters: tuple[Parameter, ...]
    lanes: Sequence[Lane]
    places: Sequence[Place]
    is_stereo: bool
    mix: float | None = None
    kind: str = "blend"

    @property
    def held_frames(self) -> tuple[list[float], float]:
        """How long each branch is held up, and when all come together, in frames."""
        first = self.lanes[0].latency_frames
        arrivals = [first + lane.lag.frames for lane in self.lanes]
        return choose_delays(arrivals, [lane.delay_frames for lane in self.lanes])

    @property
    def latency_frames(self) -> float:
        """When its branches come together, but for those that shall be later, in frames."""
        return self.held_frames[1]

    @property
    def key(self) -> str:
        """Its branches, how they lie to each other, and whether it has two sides."""
        lanes = [([slot.key for slot in lane.slots], lane.polarity) for lane in self.lanes]
        return repr((self.kind, lanes, self.held_frames, self.is_stereo, self.mix is not None))

    @property
    def digest(self) -> str:
        """What its sound depends on."""
        lanes = [(dict(lane.settings), lane.polarity, [slot.digest for slot in lane.slots]) for lane in self.lanes]
        return repr((self.kind, lanes, self.held_frames, self.mix))

    @property
    def effects(self) -> tuple[EffectSlot, ...]:
        """Those of all branches."""
        return tuple(effect for lane in self.lanes for effect in list_effects(lane.slots))

    @property
    def notes(self) -> list[str]:
        """How long each branch is held up, and whether it is turned over; then the same of blends in them."""
        told = []
        for lane, held in zip(self.lanes, self.held_frames[0], strict=True):
            turned = ", turned over" if lane.lag.polarity < 0 else ""
            unlike = ", unlike the first" if lane.lag.likeness < LEAST_LIKENESS else ""
            told.append(f"{lane.name} {1000 * held / self.sample_rate:.2f} ms{turned}{unlike}")
        inner = [note for lane in self.lanes for slot in lane.slots for note in slot.notes]
        return [f"delays in {self.name}: {'; '.join(told)}", *inner]

    def build(self, engine: str = "compiled", channels: int = 1) -> Built:
        """The branches one after the other, each from the signal that comes in to the sum that goes out."""
        chains = [build_chain(lane.slots, engine, channels) for lane in self.lanes]
        widths = [count_channels(chain, channels) for chain in chains]
        sides = 2 if self.is_stereo else max(widths)
        polarities = [lane.polarity for lane in self.lanes]
        split = Split([lane.settings for lane in self.lanes], polarities, channels=channels)
        stages = [split, *chains[0]]
        for branch, (width, held) in enumerate(zip(widths, self.held_frames[0], strict=True)):
            if branch:
                stages += [Recall(split, channels), *chains[branch]]
            stages.append(Join(split, branch, held, self.sample_rate, channels=width, sides=sides))
        numbers: dict[tuple[int, int], dict[int, int]] = {}
        for n, place in enumerate(self.places):
            own = len(BRANCH) * place.branch if place.part == OWN else 0
            target = (WHOLE, OWN) if place.part == OWN else (place.branch, place.part)
            if place.branch != WHOLE:
                numbers.setdefault(target, {})[n] = own + place.number
        turned = [Routed(split, numbers.pop((WHOLE, OWN)))]
        for (branch, part), own_numbers in numbers.items():
            turned += [Routed(each, own_numbers) for each in chains[branch].turned[part]]
        built = Built([*stages, Sum(split, sides)], turned)
        if self.mix is None:
            return built
        number = len(self.parameters) - 1
        return mixed(built, number, self.mix, self.latency_frames, self.sample_rate, channels)
