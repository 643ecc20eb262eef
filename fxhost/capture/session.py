"""Playing a test signal through a device and recording its return, in one stream from the level check to the end.

Between two polls of the session a generator decides what comes next: a check of the levels, as often as the user
wants; then the whole signal, again from its beginning where a dropout spoiled it; and then a stretch of it once more.
"""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.bench.round_trip import LEAST_CONFIDENCE
from fxhost.capture.levels import NOTHING, Levels, measure_levels
from fxhost.capture.score import LONGEST_TRIP_S, Score, Stretch, choose_stretch, loudest_part, make_score
from fxhost.control.commands import Command, Quit
from fxhost.engine.statistics import MeterReading
from fxhost.errors import DeviceError
from fxhost.io.jack import HOST_API
from fxhost.io.stream_options import Options
from fxhost.rig.build import Chain
from fxhost.rig.parts import Tone
from fxhost.rig.rig import Rig
from fxhost.session import Session
from fxhost.stages.loopback import Loopback

CHECK_S = 3.0  # of the signal, in the level check
TRIES = 3  # to record something without a dropout
STALL_S = 0.25  # by which the stream may be late between two looks
LATE_BLOCKS = 3
PATIENCE_S = 60.0  # how long to wait for ports that the user connects
WATCHED_S = 1.5  # of a loud signal, in which something must come back
LOUD = 0.1  # of the highest peak: the RMS of such a signal
SLIPPED_FRAMES = 4  # by which the two bursts may lie apart: a fuzz bends the one and the other a little differently

Answer = Literal["", "go", "again", "quit"]
Phase = Literal["check", "ask", "record", "repeat"]
Steps = Generator[Sequence[Command], None, None]


@dataclass(frozen=True)
class Progress:
    """Where a capture stands.

    Attributes
    ----------
    phase : {'check', 'ask', 'record', 'repeat'}
        While it is 'ask', the user decides between 'go', 'again' and 'quit'.
    seconds, total_s : float
        Of what is being played.
    attempt : int
        From 1: how often this was begun.
    dropouts : int
        In the present attempt.
    meters : MeterReading or None
        The newest levels, if there are any.
    levels : Levels or None
        What the last check found.
    """

    phase: Phase
    seconds: float
    total_s: float
    attempt: int
    dropouts: int
    meters: MeterReading | None
    levels: Levels | None


Show = Callable[[Progress], Answer]


@dataclass(frozen=True)
class Take:
    """What came back of a test signal.

    Attributes
    ----------
    score : Score
    recorded : float32 (frames,)
        Frame n came in when frame n of `score.played` went out.
    dropouts_s : tuple of float
        Where the stream dropped out, in seconds from the first frame of the signal.
    attempt : int
        From 1.
    stretch : Stretch
        What was played a second time.
    again : Take or None
        That; None where there was a dropout each time.
    """

    score: Score
    recorded: Float32Array
    dropouts_s: tuple[float, ...]
    attempt: int
    stretch: Stretch | None = None
    again: "Take | None" = None

    @property
    def is_whole(self) -> bool:
        """Whether all of it was recorded without a dropout."""
        return len(self.recorded) == len(self.score.played) and not self.dropouts_s

    @property
    def sure_delays(self) -> list[int]:
        """The delays of the bursts that were found for sure, in frames."""
        found = self.score.find_bursts(self.recorded)
        return [delay for delay, confidence in found if confidence >= LEAST_CONFIDENCE]

    @property
    def slipped_frames(self) -> int:
        """How much later the second burst came back than the first, where both were found; 0 if that may be chance."""
        delays = self.sure_delays
        slipped = delays[-1] - delays[0] if len(delays) > 1 else 0
        return slipped if abs(slipped) >= SLIPPED_FRAMES else 0


class CaptureSession(Session):
    """A stream that plays a test signal and records its return.

    Parameters
    ----------
    signal : float32 (frames,)
        At the sample rate of the options.
    options : Options
        With a sample rate.
    notice : callable
        Told in one line what a session has to tell.
    checks : bool
        Whether the levels are checked first.
    asks : bool
        Whether there is a user who answers after the check. Without one a good or a quiet return is recorded, and
        another refused.

    Raises
    ------
    DeviceError
        If the device cannot be opened.
    """

    follows_rate = False  # the signal has one rate

    def __init__(
        self, signal: Float32Array, options: Options, notice: Callable[[str], None], *, checks: bool, asks: bool
    ) -> None:
        self._signal, self._checks, self._asks = signal, checks, asks
        self._take: Take | None = None
        self._levels: Levels | None = None
        self._dropouts: list[int] = []  # in frames of what is being played
        super().__init__(Rig([Tone()]), options, notice)

    def first_chain(self) -> Chain:
        """Silence, until something is played."""
        return Chain([Loopback(np.zeros(1, np.float32))])

    @property
    def has_one_clock(self) -> bool:
        """Whether input and output are one device, or ports of one JACK graph."""
        return self.stream.host_api == HOST_API or "→" not in self.stream.name

    def capture(self, show: Show, leaving: Callable[[], AbstractContextManager[object]] = nullcontext) -> Take:
        """Check the levels and record the signal.

        Parameters
        ----------
        show : callable
            Told some 20 times a second where the capture stands; returns what the user has answered.
        leaving : callable
            As for `Session.play`.

        Raises
        ------
        DeviceError
            If the device does not play, or nothing comes back, or too much.
        KeyboardInterrupt
            After Ctrl-C.
        """
        steps = self._conduct(show)
        summary = self.play(lambda: next(steps, [Quit()]), leaving)
        if summary.error is not None:
            raise summary.error
        if self._take is None:
            raise KeyboardInterrupt
        return self._take

    def _conduct(self, show: Show) -> Steps:
        if self._checks:
            yield from self._check(show)
        take = yield from self._record(self._signal, "record", show)
        stretch = choose_stretch(self._signal, self.sample_rate)
        again = yield from self._record(stretch.cut_from(self._signal), "repeat", show)
        self._take = replace(take, stretch=stretch, again=again if again.is_whole else None)

    def _record(self, signal: Float32Array, phase: Phase, show: Show) -> Generator[Sequence[Command], None, Take]:
        """Play a signal until it is recorded without a dropout, or often enough."""
        score = make_score(signal, self.sample_rate)
        for attempt in range(1, TRIES + 1):
            recorded = yield from self._perform(score, phase, show, attempt)
            dropouts_s = tuple((frame - score.signal.start) / self.sample_rate for frame in self._dropouts)
            take = Take(score, recorded, dropouts_s, attempt)
            if len(recorded) < len(score.played) and (not dropouts_s or attempt == TRIES):
                raise DeviceError(measure_levels(score, recorded).advise())
            if take.is_whole and not (take.slipped_frames and self.has_one_clock):
                break
            if attempt < TRIES:
                where = f"after {max(0.0, dropouts_s[0]):.0f} s" if dropouts_s else "somewhere"
                self._notice(f"frames were lost {where}: once more from the beginning ({attempt + 1} of {TRIES})")
        return take

    def _check(self, show: Show) -> Steps:
        """Play a loud part until the levels are good, or the user has seen enough."""
        part = loudest_part(self._signal, self.sample_rate, CHECK_S)
        score = make_score(part, self.sample_rate)
        began = time.monotonic()
        while True:
            recorded = yield from self._perform(score, "check", show)
            self._levels = levels = measure_levels(score, recorded)
            if self._asks:
                answer: Answer = ""
                while not answer:
                    answer = show(self._progress("ask", score, 0, 1))
                    yield []
                if answer == "quit":
                    raise KeyboardInterrupt
                if answer == "go" and not levels.is_silent:
                    return
            elif levels.is_silent and not self.options.connections.automatic:
                if time.monotonic() - began > PATIENCE_S:
                    raise DeviceError(f"{levels.advise()} No port was connected in {PATIENCE_S:g} s")
            elif levels.is_silent or levels.is_clipped:
                raise DeviceError(levels.advise())
            else:
                return

    def _perform(
        self, score: Score, phase: Phase, show: Show, attempt: int = 1
    ) -> Generator[Sequence[Command], None, Float32Array]:
        """Play a score; return what was recorded: less than all where it makes no sense to go on.

        The last attempt goes on to the end whatever drops out.
        """
        while self.rack.is_crossfading:
            yield []
        loop = Loopback(score.played)
        self.rack.replace_chain([loop])
        self._dropouts = []
        before, position, xruns = time.perf_counter(), 0, self.rack.statistics().xruns.total
        while not loop.has_finished:
            answer = show(self._progress(phase, score, loop.position, attempt))
            if answer == "quit":
                raise KeyboardInterrupt
            yield []
            now, was, position = time.perf_counter(), position, loop.position
            late_s = now - before - (position - was) / self.sample_rate
            before, counted = now, self.rack.statistics().xruns.total
            allowed_s = max(STALL_S, LATE_BLOCKS * self.rack.block_frames / self.sample_rate)
            if counted > xruns or (late_s > allowed_s and not loop.has_finished and was > 0):
                self._dropouts.append(position)
            xruns = counted
            if phase != "check" and self._dropouts and attempt < TRIES:
                break
            if position >= score.burst_heard and not self._hears_something(loop, score, was, position):
                break
        return loop.recorded

    def _hears_something(self, loop: Loopback, score: Score, was: int, position: int) -> bool:
        """Whether anything has come back at all; and, of a whole signal, whether it still does.

        Raises
        ------
        DeviceError
            If the return has ended in the middle.
        """
        if was < score.burst_heard:
            return bool(np.abs(loop.recorded_between(score.bursts[0], position)).max() >= NOTHING)
        watched = round(WATCHED_S * self.sample_rate)
        if was // watched == position // watched or position > score.signal.stop:
            return True
        late = round(LONGEST_TRIP_S * self.sample_rate)
        played = score.played[max(0, position - watched - late) : position]
        sent = np.sqrt(np.mean(np.square(played, dtype=np.float64)))
        if sent < LOUD * np.abs(score.played).max():
            return True
        noise = np.abs(loop.recorded_between(score.noise.start, score.noise.stop)).max()
        heard = np.abs(loop.recorded_between(position - watched, position)).max()
        if heard >= max(NOTHING, 2 * noise):
            return True
        at_s = (position - watched - score.signal.start) / self.sample_rate
        raise DeviceError(
            f"nothing comes back any more, {max(0.0, at_s):.0f} s into the signal; look at the cables and the device"
        )

    def _progress(self, phase: Phase, score: Score, position: int, attempt: int) -> Progress:
        total_s = len(score.played) / self.sample_rate
        dropouts, meters = len(self._dropouts), self.rack.read_meters()
        return Progress(phase, position / self.sample_rate, total_s, attempt, dropouts, meters, self._levels)
