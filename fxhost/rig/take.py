"""A take that is being recorded: the dry input, the output, and what is done to the rig meanwhile."""

import ctypes
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fxhost.engine.rack import Rack
from fxhost.engine.tape import RackState
from fxhost.errors import FileError
from fxhost.io.files import check_output, write_text
from fxhost.io.recorder import Recorder, Track
from fxhost.io.sound_writing import LOSSY, Writer, check_encoding, check_format, writing
from fxhost.rig.file_writing import format_scenes
from fxhost.rig.playing import Playing
from fxhost.rig.rig import Rig
from fxhost.rig.sound import Change
from fxhost.rig.take_file import (
    ENDING,
    ChainEvent,
    Event,
    KnobEvent,
    LevelEvent,
    LoopEvent,
    StartEvent,
    Take,
    write_take,
)

HEARD_S = 0.25  # of the take that a fresh chain hears before it comes in


class TakeRecording:
    """A take that is being recorded. It is written when the recording is closed.

    Parameters
    ----------
    path : Path
        Of the output; the names of the other files are made from it.
    rack : Rack
    playing : Playing
        What the rack plays.
    recorder : Recorder
    overwrite : bool
        Whether existing files may be replaced.
    subtype : str, optional
        libsndfile's name of the output's encoding; by default 32-bit float. The input always keeps 32-bit float, in
        .flac 24 bits.
    most_frames : int, optional
        After which the take is complete.

    Raises
    ------
    FileError
        If a file cannot be written.

    Notes
    -----
    A take that begins before the first block can be played again from there. One that begins later cannot know the
    state of the networks. So a fresh chain, which has heard the first quarter of a second of the take, takes the place
    of the one that plays, and the take can be played again from the end of this fade.
    """

    def __init__(
        self,
        path: Path,
        rack: Rack,
        playing: Playing,
        recorder: Recorder,
        *,
        overwrite: bool = False,
        subtype: str | None = None,
        most_frames: int | None = None,
    ) -> None:
        check_take(path, overwrite=overwrite)
        self.path = path
        self._rack, self._playing, self._recorder = rack, playing, recorder
        self._overwrite, self._subtype = overwrite, subtype
        self._stack = ExitStack()
        self._tracks = [Track(self._open(side), side, None, most_frames) for side in ("wet", "dry")]
        self._lost_frames = rack.statistics().lost_frames
        self._is_from_start = rack.blocks == 0
        self._state: RackState | None = None
        self._rigs: list[Rig] = []
        self._chains: list[dict[int, tuple[int, int, int]]] = []  # of each: address to slot, stage and knob
        self._waiting: Change | None = None  # whose fade has not been seen to begin
        self._events: list[Event] = []
        self._levels = {name: ctypes.c_float.from_address(at).value for name, at in rack.addresses.items()}
        rack.tape.take_settings()  # from now on they are noted
        self._starts = len(rack.tape.starts)
        self._loop_commands = 0 if rack.looper is None else rack.looper.commands_taken
        self._old_loop = "nothing" if rack.looper is None else rack.looper.holds
        self._first = self._describe(playing.change, 0)
        self._number_stages(playing.change)
        playing.on_change = self._note_change
        playing.heard_from = rack.frames
        rack.tape.ask_for_state()
        recorder.add(*self._tracks)

    def _open(self, side: str) -> Writer:
        return self._stack.enter_context(
            writing(
                name_file(self.path, side),
                round(self._rack.sample_rate),
                overwrite=self._overwrite,
                channels=self._rack.channels if side == "wet" else self._rack.inputs,
                subtype=self._subtype if side == "wet" else None,  # a rounded input would play another output
                is_live=True,
            )
        )

    @property
    def frames(self) -> int:
        """How many are written."""
        return min(track.writer.frames for track in self._tracks)

    @property
    def failure(self) -> FileError | None:
        """Why a file could not be written on."""
        return next((track.writer.failure for track in self._tracks if track.writer.failure is not None), None)

    def poll(self) -> None:
        """Note what has happened since the last call; to be called several times a second."""
        rack = self._rack
        if self._state is None:
            self._state = rack.tape.state
            if self._state is None:
                return
            self._playing.heard_from = self._state.frame
            for track in self._tracks:
                track.first = self._state.position
        begin = self._state.frame
        self._see_change()
        for setting in rack.tape.take_settings():
            self._note_setting(max(0, setting.frame - begin), setting.frame <= begin, setting.address, setting.value)
        self._events += [StartEvent(max(0, frame - begin)) for frame in rack.tape.starts[self._starts :]]
        self._starts = len(rack.tape.starts)
        self._note_loop(begin)
        has_chain = self._waiting is not None or len(self._chains) > 1
        if not self._is_from_start and not has_chain and rack.frames - begin > HEARD_S * rack.sample_rate:
            self._playing.wants_fresh = True

    def _note_setting(self, frame: int, is_first: bool, address: int, value: float) -> None:
        for level, place in self._rack.addresses.items():
            if place == address:
                if is_first:
                    self._levels[level] = value
                else:
                    self._events.append(LevelEvent(frame, level, value))
                return
        for chain in reversed(range(len(self._chains))):
            if address in self._chains[chain]:
                self._events.append(KnobEvent(frame, chain, *self._chains[chain][address], value))
                return

    def _note_loop(self, begin: int) -> None:
        looper = self._rack.looper
        commands = [] if looper is None else looper.taken_from(self._loop_commands)
        self._loop_commands += len(commands)
        for frame, action in commands:
            if frame < begin or (self._old_loop == "a cleared loop" and action == "undo"):
                self._old_loop = "a loop"
            elif self._old_loop == "a cleared loop" and action == "record":
                self._old_loop = "nothing"
            self._events.append(LoopEvent(max(0, frame - begin), action))

    def _note_change(self, change: Change) -> None:
        self._see_change()
        if self._rack.blocks == 0:  # nothing was heard of the first chain
            self._first = self._describe(change, 0)
            self._chains.clear()
            self._number_stages(change)
            return
        self._waiting = change
        self._number_stages(change)

    def _see_change(self) -> None:
        frame = self._rack.crossfade_frame
        if self._waiting is not None and frame is not None and self._state is not None:
            self._events.append(self._describe(self._waiting, frame - self._state.frame))
            self._waiting = None

    def _describe(self, change: Change, frame: int) -> ChainEvent:
        if change.rig not in self._rigs:
            self._rigs.append(change.rig)
        begin = 0 if self._state is None else self._state.frame
        return ChainEvent(
            frame,
            self._rigs.index(change.rig),
            change.scene,
            change.is_on,
            tuple(map(tuple, change.values)),
            tuple((first - begin, end - begin) for first, end in change.warmed),
        )

    def _number_stages(self, change: Change) -> None:
        places: dict[int, tuple[int, int, int]] = {}
        playing = [values for values, is_on in zip(change.values, change.is_on, strict=True) if is_on]
        for slot, (stages, values) in enumerate(zip(change.chain.turned, playing, strict=True)):
            for n, stage in enumerate(stages):
                for knob in range(len(values)):
                    address = stage.parameter_address(knob)
                    if address is not None:
                        places[address] = slot, n, knob
        self._chains.append(places)

    def close(self) -> Take:
        """End the recording and write all files.

        Raises
        ------
        FileError
            If one of them cannot be written.
        """
        self._playing.on_change = lambda change: None
        self._playing.heard_from, self._playing.wants_fresh = 0, False
        self.poll()
        self._recorder.remove(*self._tracks)
        with self._stack:
            if self._state is None or not self.frames:
                raise FileError(f"nothing was played, so {self.path} was not written")
        take = self._make_take(self._state)
        for name, rig in zip(take.rigs, self._rigs, strict=True):
            write_text(self.path.parent / name, format_scenes(rig, self.path.parent), overwrite=self._overwrite)
        write_take(name_file(self.path, "take"), take, overwrite=self._overwrite)
        return take

    def _make_take(self, state: RackState) -> Take:
        rate, frames = round(self._rack.sample_rate), self.frames
        events = sorted(self._events, key=lambda event: (event.frame, not isinstance(event, ChainEvent)))
        fades = [event.frame for event in events if isinstance(event, ChainEvent)]
        exact_from = 0 if self._is_from_start else fades[0] + self._rack.crossfade_frames if fades else frames
        loops = [event.frame for event in events if isinstance(event, LoopEvent) and event.action == "record"]
        is_looped_before = any(frame < exact_from for frame in loops)
        return Take(
            sample_rate=rate,
            inputs=self._rack.inputs,
            channels=self._rack.channels,
            frames=frames,
            lost_frames=self._rack.statistics().lost_frames - self._lost_frames,
            has_old_loop=self._old_loop == "a loop" or is_looped_before,
            exact_from=min(exact_from, frames),
            dry=name_file(self.path, "dry").name,
            wet=self.path.name,
            rigs=tuple(name_file(self.path, "rig", n).name for n in range(len(self._rigs))),
            state=replace(state, frame=0, position=0),
            levels=self._levels,
            first=self._first,
            events=tuple(event for event in events if event.frame < frames),
        )


def name_file(path: Path, what: str, number: int = 0) -> Path:
    """The file of a take whose output is `path`: 'wet', 'dry', 'take', or 'rig' with a number from 0."""
    stem = path.name[: -len(path.suffix)] if path.suffix else path.name
    names = {
        "wet": path.name,
        "dry": f"{stem}.dry{path.suffix}",
        "take": f"{stem}{ENDING}",
        "rig": f"{stem}.rig{number + 1 if number else ''}.toml",
    }
    return path.with_name(names[what])


def files_of_take(path: Path) -> list[Path]:
    """The files that a take of one rig writes."""
    return [name_file(path, what) for what in ("wet", "dry", "rig", "take")]


def check_take(path: Path, *, bits: str | None = None, overwrite: bool, inputs: Sequence[Path | None] = ()) -> None:
    """Refuse a take of which a file could not be written, or would replace one of the inputs.

    Raises
    ------
    FileError
    """
    check_format(path)
    check_encoding(path, bits, None)
    if path.suffix.lower() in LOSSY:
        raise FileError(f"{path}: a take in {path.suffix} could not be played again to the bit; end its name in .wav")
    for file in files_of_take(path):
        check_output(file, overwrite=overwrite, inputs=inputs)
