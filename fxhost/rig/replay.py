"""A take that is played again: the same samples to the bit, from its dry input and what was done."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fxhost.arrays import Float32Array, to_db
from fxhost.engine.rack import Rack
from fxhost.engine.rack_memory import HEARD_FRAMES
from fxhost.errors import FileError
from fxhost.io.recordings import Recording
from fxhost.rig.build import Chain
from fxhost.rig.file import load_rig
from fxhost.rig.rig import Rig
from fxhost.rig.sound import Sound
from fxhost.rig.take_file import ChainEvent, Event, KnobEvent, LevelEvent, LoopEvent, Take
from fxhost.rig.warm_up import play_through
from fxhost.stages.looper.stage import Looper


class Replay:
    """A rack that plays a take again.

    Parameters
    ----------
    path : Path
        Of the take file.
    take : Take

    Raises
    ------
    FxhostError
        If a rig or one of its files cannot be read, or the rig is another one than that of the take.
    """

    def __init__(self, path: Path, take: Take) -> None:
        self._path, self.take = path, take
        self._rigs: list[Rig] = [load_rig(path.parent / name) for name in take.rigs]
        self._chains = [self._make_chain(take.first)]
        self.rack = Rack(
            self._chains[0],
            take.sample_rate,
            input_gain_db=to_db(take.levels["input_gain"]),
            output_gain_db=to_db(take.levels["output_gain"]),
            inputs=take.inputs,
            channels=take.channels,
            looper=Looper(take.sample_rate, take.channels) if "loop" in take.levels else None,
        )
        for level, address in self.rack.addresses.items():
            self.rack.set_parameter(address, take.levels[level])
        try:
            self.rack.tape.restore(take.state)
        except ValueError as err:
            raise FileError(f"{path}: the state at its beginning is damaged ({err})") from err

    def _make_chain(self, event: ChainEvent) -> Chain:
        try:
            rig = self._rigs[event.rig]
            sound = Sound(
                rig,
                rig.scenes[event.scene],
                rig.slots_at(self.take.sample_rate, rig.scenes[event.scene]),
                self.take.inputs,
            )
            sizes = [len(slot.parameters) for slot in sound.slots]
            if len(event.is_on) != len(sizes) or [len(values) for values in event.values] != sizes:
                raise IndexError
        except IndexError as err:
            listed = ", ".join(self.take.rigs) or "none"
            raise FileError(f"{self._path}: its rig ({listed}) is not the one that was recorded") from err
        sound.is_on[:] = event.is_on
        for own, values in zip(sound.knobs.values, event.values, strict=True):
            own[:] = values
        return sound.chain()

    def play(self) -> Iterator[Float32Array]:
        """The output of the take again, in pieces, float32 (frames, channels).

        Raises
        ------
        AudioError
            If the dry recording cannot be read.
        FileError
            If it is another one than that of the take.
        """
        take, rack = self.take, self.rack
        waiting = list(reversed(take.events))
        at = 0
        with Recording(self._path.parent / take.dry) as recording:
            if recording.frames != take.frames or recording.sample_rate != take.sample_rate:
                raise FileError(f"{recording.path} is not the recording of {self._path}: it has another length or rate")
            for block in recording.blocks():
                dry = np.ascontiguousarray(block.reshape(len(block), -1))
                done = 0
                while done < len(dry):
                    while waiting and waiting[-1].frame <= at:
                        self._apply(waiting.pop())
                    until = waiting[-1].frame - at if waiting else len(dry)
                    piece = dry[done : done + until]
                    out = np.empty((len(piece), take.channels), np.float32)
                    rack.process(piece, out)
                    rack.check()
                    yield out
                    done += len(piece)
                    at += len(piece)

    def _apply(self, event: Event) -> None:
        match event:
            case ChainEvent():
                chain = self._make_chain(event)
                for first, end in event.warmed:
                    if not 0 <= first <= end <= self.rack.frames or end - first > HEARD_FRAMES:
                        raise FileError(
                            f"{self._path}: the chain at frame {event.frame} cannot have heard {first} to {end}"
                        )
                    play_through(chain, self.rack.heard_between(first, end))
                self._chains.append(chain)
                self.rack.replace_chain(chain)
            case KnobEvent(chain=number, slot=slot, stage=n, knob=knob, value=value):
                try:
                    stage = self._chains[number].turned[slot][n]
                    address = stage.parameter_address(knob)
                except IndexError as err:
                    raise FileError(f"{self._path}: there is no knob {knob} of slot {slot} in chain {number}") from err
                if address is not None:
                    self.rack.set_parameter(address, value)
            case LevelEvent(level=level, value=value) if level in self.rack.addresses:
                self.rack.set_parameter(self.rack.addresses[level], value)
            case LevelEvent(level=level):
                raise FileError(f"{self._path}: there is no level {level!r}")
            case LoopEvent(action=action) if self.rack.looper is not None:
                self.rack.looper.give(action)
            case LoopEvent():
                raise FileError(f"{self._path}: there is no looper at frame {event.frame}")
            case _:
                self.rack.fade_in()
