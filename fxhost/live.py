"""A rig on a sound device while the program does other things."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from fxhost.control.commands import ChooseScene, Command, Loop, LoopAction, Quit
from fxhost.engine.statistics import MeterReading, Statistics
from fxhost.errors import DeviceError, FxhostError
from fxhost.io.stream_options import Options
from fxhost.io.stream_watch import PATIENCE_S
from fxhost.preset.effect import Preset
from fxhost.rig.effect import Effect
from fxhost.rig.knobs import Knobs
from fxhost.rig.rig import Rig
from fxhost.rig.summary import Summary
from fxhost.session import Session
from fxhost.stages.looper.stage import ACTIONS, LoopStatus

FIRST_BLOCK_S = 30.0
POLL_S = 0.01


class Live(AbstractContextManager["Live"]):
    """A rig that plays on a device from the beginning of a `with` block to its end.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    notices : list of str
        What had to be chosen that nobody asked for, a line each.
    summary : Summary or None
        What the run came to, once it has ended.
    """

    def __init__(self, session: Session, notices: list[str]) -> None:
        self._session, self.notices = session, notices
        self.summary: Summary | None = None
        self._error: FxhostError | None = None
        self._stop = threading.Event()
        self._commands: deque[Command] = deque()
        self._thread = threading.Thread(target=self._play, name="fxhost session", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + FIRST_BLOCK_S
        while not self._session.rack.blocks and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        if not self._session.rack.blocks and not self._thread.is_alive():
            raise self._failure or DeviceError(f"'{self._session.stream.name}' called for no audio")
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        if self._failure is not None and error[0] is None:
            raise self._failure

    @property
    def _failure(self) -> FxhostError | None:
        return self._error or (self.summary.error if self.summary is not None else None)

    def _play(self) -> None:
        try:
            self.summary = self._session.play(self._take_commands, on_look=self._take_commands)
        except FxhostError as err:
            self._error = err

    def _take_commands(self) -> list[Command]:
        commands: list[Command] = [self._commands.popleft() for _ in range(len(self._commands))]
        return [*commands, Quit()] if self._stop.is_set() else commands

    def stop(self) -> None:
        """End it and give the device back. May be called twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the input file or the duration.

        Returns
        -------
        bool
            Whether it has ended.
        """
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def knobs(self) -> Knobs:
        """The knobs of the scene that plays, by name (of two of the same name '1.drive' and '2.drive'); they glide."""
        board = self._session.knobs
        return Knobs(board.names, board.parameters, [board.values[n][k] for n, k in board.places], board.set)

    @property
    def scenes(self) -> list[str]:
        """The names of the rig's scenes."""
        return [sound.scene.name for sound in self._session.playing.sounds]

    @property
    def scene(self) -> str:
        """The name of the scene that plays."""
        return self._session.playing.sound.scene.name

    def choose_scene(self, scene: int | str) -> None:
        """Change to a scene, by its name or its number from 0, with a crossfade.

        Raises
        ------
        ValueError
            If there is no such scene.
        """
        names = [name.casefold() for name in self.scenes]
        if isinstance(scene, str) and scene.casefold() in names:
            scene = names.index(scene.casefold())
        if isinstance(scene, str) or not 0 <= scene < len(names):
            raise ValueError(f"no scene {scene!r}: there is {', '.join(self.scenes)}")
        self._commands.append(ChooseScene(scene))

    def loop(self, action: LoopAction) -> None:
        """Use the looper at the beginning of a block that comes within 5 ms.

        Parameters
        ----------
        action : {'record', 'play', 'undo', 'clear'}
            Record, close the loop, overdub, end the overdub, in turn; stop, or play from the beginning; take the last
            overdub away or bring it back, and a loop that was cleared; clear.

        Raises
        ------
        ValueError
            If there is no looper, or no such action.
        """
        if self._session.rack.looper is None or action not in ACTIONS:
            raise ValueError(f"loop({action!r}): expected looper=True for play, and one of {', '.join(ACTIONS)}")
        self._commands.append(Loop(action))

    @property
    def loop_status(self) -> LoopStatus | None:
        """How the looper stands; None where there is none."""
        looper = self._session.rack.looper
        return None if looper is None else looper.status()

    @property
    def device(self) -> str:
        """The name of the device."""
        return self._session.stream.name

    @property
    def sample_rate(self) -> int:
        """The rate of the stream, in Hz."""
        return self._session.sample_rate

    @property
    def latency(self) -> float | None:
        """From input to output in seconds, as measured, or else as the server or driver says; None if unknown."""
        return self._session.stream.latency.seconds

    @property
    def levels(self) -> MeterReading | None:
        """The levels of input and output since the last look, in dB; None if no block came in between."""
        return self._session.rack.read_meters()

    @property
    def statistics(self) -> Statistics:
        """What was counted so far: blocks, xruns, load, peaks."""
        return self._session.rack.statistics()

    @property
    def input_gain_db(self) -> float:
        """The gain before the first effect, in dB; it glides."""
        return self._session.rack.input_gain_db

    @input_gain_db.setter
    def input_gain_db(self, level_db: float) -> None:
        self._session.rack.input_gain_db = level_db

    @property
    def output_gain_db(self) -> float:
        """The gain after the last effect, in dB; it glides."""
        return self._session.rack.output_gain_db

    @output_gain_db.setter
    def output_gain_db(self, level_db: float) -> None:
        self._session.rack.output_gain_db = level_db

    @property
    def is_bypassed(self) -> bool:
        """Whether the dry signal is heard."""
        return self._session.rack.is_bypassed

    @is_bypassed.setter
    def is_bypassed(self, value: bool) -> None:
        self._session.rack.is_bypassed = value

    @property
    def is_muted(self) -> bool:
        """Whether nothing is heard."""
        return self._session.rack.is_muted

    @is_muted.setter
    def is_muted(self, value: bool) -> None:
        self._session.rack.is_muted = value


def play(
    rig: Rig | Effect | str | Path | Preset | Sequence[Rig | Effect | str | Path | Preset],
    device: str | int | None = None,
    *,
    input_device: str | int | None = None,
    output_device: str | int | None = None,
    input_channel: int = 0,
    input_file: str | Path | None = None,
    output_file: str | Path | None = None,
    overwrite: bool = False,
    block_frames: int = 0,
    sample_rate: int | None = None,
    duration: float | None = None,
    looper: bool = False,
    play_along: str | Path | None = None,
    play_along_level_db: float = 0.0,
    patience: float = PATIENCE_S,
) -> Live:
    """Play a rig on a sound device, as `fxhost run` does; to be used in a `with` statement.

    Parameters
    ----------
    rig : Rig, Effect, name, path, or a sequence of the last three
    device : str or int, optional
        Number or part of the name of input and output; 'virtual' plays without any. By default the system's own.
    input_device, output_device : str or int, optional
        The same for one of them.
    input_channel : int
        From 0.
    input_file, output_file : str or Path, optional
        A recording to play in place of the input, and where to record the output.
    overwrite : bool
        Whether an existing output file may be replaced.
    block_frames : int
        0 leaves it open: 64 where the device takes it.
    sample_rate : int, optional
        In Hz; by default that of the file or the presets where the device takes it.
    duration : float, optional
        When to end by itself, in seconds.
    looper : bool
        Whether there is a looper behind the rig, for loops of up to five minutes.
    play_along : str or Path, optional
        A song of at most 20 minutes that is heard beside the rig, again and again, and not recorded.
    play_along_level_db : float
        Of the song.
    patience : float
        How long to wait for a device or sound server that went away while playing, in seconds, 0 or more.

    Raises
    ------
    DeviceError
        If there is no such device, or it does not play. On the way out also if it went away for longer than that.
    FileError
        If a file cannot be read or written.
    ValueError
        If the patience is no number of 0 or more.

    Examples
    --------
    >>> import fxhost
    >>> with fxhost.play("ts-overdrive", device="virtual") as live:
    ...     live.output_gain_db = -6.0
    >>> live.summary.error is None
    True
    """
    if not isinstance(rig, Rig):
        rig = Rig([rig] if isinstance(rig, Effect | Preset | str | Path) else rig)  # type: ignore[arg-type]
    if not patience >= 0.0:  # also false for NaN
        raise ValueError(f"patience is {patience!r}; expected seconds, 0 or more")
    notices: list[str] = []
    sides = (device if side is None else side for side in (input_device, output_device))
    source, sink = (None if side is None else str(side) for side in sides)
    options = Options(
        input_device=source,
        output_device=sink,
        input_channel=input_channel,
        block_frames=block_frames,
        input_file=None if input_file is None else Path(input_file),
        output_file=None if output_file is None else Path(output_file),
        overwrite=overwrite,
        duration_s=duration,
        looper=looper,
        play_along=None if play_along is None else Path(play_along),
        play_along_level_db=play_along_level_db,
        sample_rate=sample_rate,
        patience_s=patience,
    )
    return Live(Session(rig, options, notices.append), notices)
