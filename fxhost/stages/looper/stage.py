"""A looper: it records what passes through, plays it again and again, and lays more over it."""

from dataclasses import dataclass

import numpy as np

from fxhost.arrays import aligned_zeros
from fxhost.native.intrinsics import publish
from fxhost.stages.base import Stage, first_words, offset_of, smoothing
from fxhost.stages.looper.conversion import convert_rows, settled_rows
from fxhost.stages.looper.kernel import COMMANDS, EMPTY, RECORDING, STATE, loop_block

LONGEST_S = 300.0
FADE_MS = 5.0
SHORTEST_MS = 50.0  # a shorter loop is none
SMOOTHING_MS = 10.0  # of the level
STATES = ("empty", "recording", "playing", "overdubbing", "stopped")  # as the kernel numbers them
ACTIONS = ("record", "play", "undo", "clear")
AT_GIVEN, AT_LEVEL = offset_of(STATE, "given"), offset_of(STATE, "level_target")


@dataclass(frozen=True)
class LoopStatus:
    """How a looper stands.

    Attributes
    ----------
    state : str
        Of `STATES`.
    position_s, length_s : float
        Where the loop is, and how long it is; while it is recorded both are what there is so far.
    has_overdub, is_undone : bool
        Whether there is an overdub that can be undone, and whether it is.
    """

    state: str
    position_s: float
    length_s: float
    has_overdub: bool
    is_undone: bool


class Looper(Stage):
    """A looper, in blocks of two channels of at most `PLANE` frames.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    channels : {1, 2}
        Of the loop; a mono one holds the mean of both sides and is heard on both.
    seconds : float
        The longest loop, for which memory is taken at once.

    Attributes
    ----------
    level_db : float
        Of what is played again; whoever changes it also writes the factor to `level_address`.
    """

    def __init__(self, sample_rate: int, channels: int, seconds: float = LONGEST_S) -> None:
        memory = aligned_zeros(1, STATE)
        self.level_db, self._seconds = 0.0, seconds
        memory["channels"] = channels
        memory["level"] = memory["level_target"] = 1.0
        super().__init__(loop_block.address, memory, first_words(memory, 0), loop_block)
        self.sample_rate = sample_rate
        self._take_memory(sample_rate)
        memory["seam"] = memory["shown"] = memory["fade"]

    def _take_memory(self, sample_rate: int) -> None:
        s, frames = self.memory[0], round(self._seconds * sample_rate)
        if not self.buffers or len(self.buffers[0]) < frames:
            loop = np.empty((frames, 2 * int(s["channels"]) + 1), np.float32)
            loop.fill(0.0)  # touches every page, so that none is fetched on the audio thread
            self.buffers = [loop]
        s["capacity"], s["memory"] = frames, self.buffers[0].ctypes.data
        s["fade"] = round(FADE_MS * 1e-3 * sample_rate)
        s["shortest"] = round(SHORTEST_MS * 1e-3 * sample_rate)
        s["smoothing"] = smoothing(SMOOTHING_MS, sample_rate)

    def change_rate(self, sample_rate: int) -> None:
        """Go on at another rate in Hz, with the same loop at the same place. Only while no thread runs the stage.

        Raises
        ------
        EngineError
            If the rates have no simple ratio.
        """
        s, old_rate = self.memory[0], self.sample_rate
        frames = int(s["position"] if s["state"] == RECORDING else s["length"])
        rows, ratio = settled_rows(s, self.buffers[0][:frames]), sample_rate / old_rate
        rows = convert_rows(rows, old_rate, sample_rate, is_loop=s["state"] != RECORDING)
        fades = {name: round(int(s[name]) * ratio) for name in ("heard", "dubbed", "shown")}
        self._take_memory(sample_rate)
        rows = rows[: s["capacity"] - 1]
        loop = self.buffers[0]
        loop[: len(rows), :-1] = rows
        loop[: len(rows), -1] = s["overdub"]
        for name, count in fades.items():
            s[name] = min(count, int(s["fade"]))
        s["seam"] = s["fade"]
        if s["state"] == RECORDING:
            s["position"] = len(rows)
        else:
            s["length"] = len(rows)
            s["position"] = round(int(s["position"]) * ratio) % max(1, len(rows))
        self.sample_rate = sample_rate

    @property
    def level_address(self) -> int:
        """Where the factor of the level stands, float32."""
        return int(self.memory.ctypes.data) + AT_LEVEL

    def give(self, action: str) -> None:
        """Do something at the beginning of the next block. Where 64 commands wait already, it is left out.

        Parameters
        ----------
        action : {'record', 'play', 'undo', 'clear'}
            Record, close the loop, overdub, end the overdub, in turn; stop, or play from the beginning; take the last
            overdub away or bring it back, and a loop that was cleared; clear.
        """
        s = self.memory[0]
        given = int(s["given"])
        if given - int(s["taken"]) < COMMANDS:
            s["commands"][given & (COMMANDS - 1)] = ACTIONS.index(action)
            publish(int(self.memory.ctypes.data) + AT_GIVEN, given + 1)

    @property
    def commands_taken(self) -> int:
        """How many have taken effect."""
        return int(self.memory["taken"][0])

    def taken_from(self, first: int) -> list[tuple[int, str]]:
        """The commands from a number on, which is one of the last 64, and the frames at which they took effect."""
        s = self.memory[0]
        places = [n & (COMMANDS - 1) for n in range(first, self.commands_taken)]
        return [(int(s["taken_at"][place]), ACTIONS[s["commands"][place]]) for place in places]

    @property
    def holds(self) -> str:
        """What it holds: 'nothing', 'a cleared loop', which an undo brings back, or 'a loop', maybe a part of one."""
        s = self.memory[0]
        if s["state"] != EMPTY:
            return "a loop"
        return "a cleared loop" if s["length"] else "nothing"

    def status(self) -> LoopStatus:
        """How it stands."""
        s = self.memory[0]
        state = int(s["state"])
        frames = 0 if state == EMPTY else int(s["position"]), 0 if state == EMPTY else int(s["length"])
        position_s, length_s = (each / self.sample_rate for each in frames)
        has_overdub = state > RECORDING and int(s["overdub"]) > 0
        return LoopStatus(
            STATES[state],
            position_s,
            position_s if state == RECORDING else length_s,
            has_overdub,
            has_overdub and bool(s["is_undone"]),
        )
