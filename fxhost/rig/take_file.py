"""Takes: what was recorded of a rig, with all that is needed to play it again to the bit.

A take is four files: `gig.wav` (the output), `gig.dry.wav` (the input), `gig.rig.toml` (the rig; `gig.rig2.toml` and so
on, where a set list was played), and `gig.take`, a JSON file that names them and lists what was done at which frame.
"""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fxhost.engine.tape import RackState
from fxhost.errors import FileError, explain_unread
from fxhost.io.files import write_text
from fxhost.stages.looper.stage import ACTIONS

FORMAT = 1
ENDING = ".take"
MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class ChainEvent:
    """A chain that is faded in.

    Attributes
    ----------
    frame : int
        At which the fade begins, from the beginning of the take, like all frames here.
    rig, scene : int
        Of the take's rigs, and of this rig's scenes, from 0.
    is_on : tuple of bool
        For each slot.
    values : tuple of tuple of float
        For each slot where its parameters stand.
    warmed : tuple of (int, int)
        The frames that were played through it before: from the first to before the second.
    """

    frame: int
    rig: int
    scene: int
    is_on: tuple[bool, ...]
    values: tuple[tuple[float, ...], ...]
    warmed: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class KnobEvent:
    """A parameter that is set.

    Attributes
    ----------
    frame : int
    chain : int
        Which chain of the take: 0 is the first, 1 that of the first `ChainEvent`, and so on.
    slot, stage, knob : int
        Of the slots that are on in this chain, of the stages of the slot, and of the parameters of the stage.
    value : float
    """

    frame: int
    chain: int
    slot: int
    stage: int
    knob: int
    value: float


@dataclass(frozen=True)
class LevelEvent:
    """A level around the chain that is set: 'input_gain', 'output_gain' or 'loop' (factors), or 'bypass' (0 or 1)."""

    frame: int
    level: str
    value: float


@dataclass(frozen=True)
class StartEvent:
    """A stream that begins anew, and is faded in."""

    frame: int


@dataclass(frozen=True)
class LoopEvent:
    """A command of the looper: 'record', 'play', 'undo' or 'clear'."""

    frame: int
    action: str


Event = ChainEvent | KnobEvent | LevelEvent | StartEvent | LoopEvent
KINDS: dict[str, type[Event]] = {
    "chain": ChainEvent,
    "knob": KnobEvent,
    "level": LevelEvent,
    "start": StartEvent,
    "loop": LoopEvent,
}
NAMES = {kind: name for name, kind in KINDS.items()}


@dataclass(frozen=True)
class Take:
    """A take.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    inputs, channels : {1, 2}
        Of the dry input and of the output.
    frames : int
    lost_frames : int
        That were not recorded because the disk was too slow. Where some were, the take cannot be played again.
    has_old_loop : bool
        Whether a loop is heard that was recorded before `exact_from`. Then it cannot be played again.
    exact_from : int
        The frame from which on it can be played again to the bit.
    dry, wet : str
        The names of the recordings, beside this file.
    rigs : tuple of str
        The names of the rig files.
    state : RackState
        At the beginning.
    levels : dict of str to float
        What `LevelEvent` sets, at the beginning.
    first : ChainEvent
        The chain that plays at the beginning.
    events : tuple of Event
        In order.
    """

    sample_rate: int
    inputs: int
    channels: int
    frames: int
    lost_frames: int
    has_old_loop: bool
    exact_from: int
    dry: str
    wet: str
    rigs: tuple[str, ...]
    state: RackState
    levels: dict[str, float]
    first: ChainEvent
    events: tuple[Event, ...] = field(repr=False)


def write_take(path: Path, take: Take, *, overwrite: bool) -> None:
    """Write a take file whole, or not at all.

    Raises
    ------
    FileError
        If it exists and may not be replaced, or cannot be written.
    """
    content = {"fxhost_take": FORMAT, **asdict(take)}
    content["events"] = [[NAMES[type(event)], *asdict(event).values()] for event in take.events]
    write_text(path, json.dumps(content, separators=(",", ":")) + "\n", overwrite=overwrite)


def read_take(path: Path) -> Take:
    """Read a take file.

    Raises
    ------
    FileError
        If it cannot be read, or is no take.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as err:
        raise FileError(explain_unread(path, err)) from err
    if len(data) > MOST_BYTES:
        raise FileError(
            f"{path} is larger than {MOST_BYTES >> 20} MiB, as no take is; give the .take file of a recording"
        )
    try:
        content = json.loads(data)
        if content["fxhost_take"] != FORMAT:
            raise FileError(
                f"{path} is a take of format {content['fxhost_take']}, this fxhost reads format {FORMAT}; upgrade it"
            )
        return _make_take(content)
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise FileError(
            f"{path} is not a take, or is damaged ({type(err).__name__}: {err}); give the .take file of a recording"
        ) from err


def _make_take(content: dict[str, Any]) -> Take:
    events = tuple(_make_event(name, values) for name, *values in content["events"])
    own = {each.name: content[each.name] for each in fields(Take)}
    own |= {
        "rigs": tuple(map(str, content["rigs"])),
        "state": RackState(**content["state"]),
        "first": _make_chain(list(content["first"].values())),
        "events": events,
    }
    take = Take(**own)
    numbers = take.sample_rate, take.inputs, take.channels, take.frames, take.exact_from, take.state.faded_in
    if not all(isinstance(each, int) for each in (*numbers, *take.state.words)):
        raise ValueError("a whole number is none")
    if take.inputs not in (1, 2) or take.channels not in (1, 2) or not 1000 <= take.sample_rate <= 1_000_000:
        raise ValueError("numbers out of range")
    needed = {"input_gain", "output_gain", "bypass"}
    if set(take.levels) | {"loop"} != needed | {"loop"} or not all(map(_is_number, take.levels.values())):
        raise ValueError(f"levels {take.levels}")
    frames = [0, *(event.frame for event in events), take.frames]
    if frames != sorted(frames):
        raise ValueError("events out of order")
    return take


def _is_number(value: object) -> bool:
    """Whether something is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _make_event(name: str, values: list[Any]) -> Event:
    if name == "chain":
        return _make_chain(values)
    event = KINDS[name](*values)
    if isinstance(event, LoopEvent) and event.action not in ACTIONS:
        raise ValueError(f"{name} event {values}")
    if not _is_number(getattr(event, "value", 0.0)):
        raise ValueError(f"{name} event {values}")
    whole = [getattr(event, key) for key in ("frame", "chain", "slot", "stage", "knob") if hasattr(event, key)]
    if not all(isinstance(each, int) and each >= 0 for each in whole):
        raise ValueError(f"{name} event {values}")
    return event


def _make_chain(values: list[Any]) -> ChainEvent:
    frame, rig, scene, is_on, rows, warmed = values
    return ChainEvent(
        int(frame),
        int(rig),
        int(scene),
        tuple(bool(each) for each in is_on),
        tuple(tuple(float(value) for value in row) for row in rows),
        tuple((int(first), int(end)) for first, end in warmed),
    )
