"""One run: from presets and options to sound, and the summary at its end."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

from fxhost.arrays import Float32Array
from fxhost.control.commands import Command, Controls
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.errors import DeviceError, FxhostError
from fxhost.io.block_size import BLOCK_FRAMES
from fxhost.io.device_choice import choose_devices, choose_sample_rate
from fxhost.io.device_stream import DeviceStream
from fxhost.io.devices import ask_pipewire, name_jack_client
from fxhost.io.realtime import lock_memory, read_scheduling, unlock_memory
from fxhost.io.songs import read_song
from fxhost.io.sources import convert_source, read_source
from fxhost.io.stream_options import Options
from fxhost.io.stream_watch import Watch
from fxhost.io.streams import VIRTUAL, Stream, VirtualStream
from fxhost.io.suspension import listening_for_suspension
from fxhost.riff import synthesise_riff
from fxhost.rig.build import Chain
from fxhost.rig.howl_guard import HowlGuard
from fxhost.rig.overrun_guard import OverrunGuard
from fxhost.rig.playing import Playing
from fxhost.rig.rate_following import RateFollowing
from fxhost.rig.recordings import Recordings
from fxhost.rig.rig import Rig
from fxhost.rig.set_list import SetList
from fxhost.rig.slot import Slot
from fxhost.rig.summary import Summary
from fxhost.rig.tuner import Tuner
from fxhost.stages.looper.stage import Looper

POLL_S = 0.05
LOOK_S = 0.005  # how often commands are looked for where there is a looper: a loop is closed in time or not at all
LAST_BLOCKS_S = 0.5  # how long to wait for the last frames of a recording


class Session:
    """A rig on a device, ready to play.

    Parameters
    ----------
    rig : Rig
    options : Options
    notice : callable
        Told in one line where the session had to choose something that the user did not ask for.
    rack_type : type
        Of the rack that it makes.
    set_list : SetList, optional
        Of rigs to step through; its current entry is the rig.

    Raises
    ------
    FxhostError
        If a preset, a file or the device does not fit.
    """

    follows_rate = True  # whether it plays on where the device comes back at another sample rate

    def __init__(
        self,
        rig: Rig,
        options: Options,
        notice: Callable[[str], None],
        rack_type: type[Rack] = Rack,
        set_list: SetList | None = None,
    ) -> None:
        self.set_list = set_list
        self.options = options
        self._notice = notice
        inputs = 1 if options.right_input_channel is None else 2
        sides, source_rate = read_source(options.input_file, self._input_channels, notice)
        named = {options.input_device, options.output_device} - {None}
        if VIRTUAL in named and len(named) > 1:
            raise DeviceError("the virtual device is input and output at once; give --device virtual alone")
        if VIRTUAL not in named:
            name_jack_client(options.client_name)
            ask_pipewire(options.block_frames or BLOCK_FRAMES)
        devices = None if VIRTUAL in named else choose_devices(options, notice)
        rates = [source_rate] if source_rate else rig.sample_rates
        tells = rig.engine == "compiled"  # the other one will refuse
        rate = options.sample_rate or choose_sample_rate(rates, devices, tells=tells, notice=notice)

        def make_source(rate: int) -> Float32Array | None:
            if sides is not None:
                return convert_source(sides, source_rate, rate)
            return synthesise_riff(rate) if devices is None else None

        self.playing = Playing(rig, rate, notice, inputs)
        scene = self.playing.sound.scene
        self.rack = rack_type(
            self.first_chain(),
            rate,
            input_gain_db=scene.input_gain_db,
            output_gain_db=scene.output_gain_db,
            inputs=inputs,
            channels=self.playing.channels,
            source=make_source(rate),
            source_loops=options.input_file is None,
            looper=Looper(rate, max(self.playing.channels, inputs)) if options.looper else None,
            play_along=read_song(options.play_along, rate, options.play_along_level_db, notice),
        )
        self.playing.start(self.rack)
        self.recordings = Recordings(self.rack, self.playing, options, notice)
        self._following = RateFollowing(
            self.rack, self.playing, self.recordings, make_source, options.play_along, notice
        )
        self.controls = Controls(self.rack, self.knobs, len(rig))
        self.tuner = Tuner(self.rack)
        self._guards: list[OverrunGuard | HowlGuard] = []
        if options.guards_overruns:
            self._guards.append(OverrunGuard(self.rack, self.playing, notice))
        if options.guards_howl:
            self._guards.append(HowlGuard(self.rack, notice))
        self._follow_playing()
        self.locked_memory = lock_memory(self.rack.arrays)
        self.stream: Stream
        if devices is None:
            self.stream = VirtualStream(
                self.rack, sample_rate=rate, block_frames=options.block_frames, latency=options.latency
            )
        else:
            self.stream = DeviceStream(
                self.rack,
                *devices,
                sample_rate=rate,
                block_frames=options.block_frames,
                latency=options.latency,
                input_channel=options.input_channel or 0,
                right_input_channel=options.right_input_channel,
                connections=options.connections,
                on_rate=self._follow_rate if self.follows_rate else None,
            )

    @property
    def _input_channels(self) -> list[int | None]:
        right = self.options.right_input_channel
        return [self.options.input_channel] if right is None else [self.options.input_channel or 0, right]

    @property
    def sample_rate(self) -> int:
        """The rate of the stream, in Hz."""
        return self.playing.sample_rate

    @property
    def rig(self) -> Rig:
        """The rig that plays."""
        return self.playing.rig

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The places of the rack at the session's rate."""
        return self.playing.sound.slots

    @property
    def knobs(self) -> KnobBoard:
        """All that can be turned of the scene that plays."""
        return self.playing.sound.knobs

    @property
    def input_files(self) -> list[Path | None]:
        """The files that are read."""
        return [self.options.input_file, self.options.play_along, *self.rig.files]

    def first_chain(self) -> Chain:
        """The chain that plays at the start, in its settled state."""
        return self.playing.first_chain()

    def _follow_playing(self) -> None:
        playing = self.playing
        self.controls.follow(self.knobs, playing.sound.is_on, playing.scene_index, len(playing.sounds))

    def _follow_rate(self, sample_rate: int) -> None:
        self._following.follow(sample_rate)
        self.locked_memory = lock_memory(self.rack.arrays)

    def play(
        self,
        on_poll: Callable[[], Sequence[Command]],
        leaving: Callable[[], AbstractContextManager[object]] = nullcontext,
        on_look: Callable[[], Sequence[Command]] = tuple,
    ) -> Summary:
        """Play until the end of the source, the duration, or a wish to quit.

        Parameters
        ----------
        on_poll : callable
            Called about 20 times a second; returns the commands that were given since.
        leaving : callable
            Makes the context in which the process is stopped and goes on, as for `Watch`.
        on_look : callable
            Called every 5 ms where there is a looper; returns the commands that were given since.

        Returns
        -------
        Summary
            Also after Ctrl-C, and where the device went away or the effect failed (its `error` then says so).

        Raises
        ------
        FxhostError
            If the device does not start or the output file cannot be written.
        """
        options = self.options
        with ExitStack() as stack:
            takes_signals = threading.current_thread() is threading.main_thread()
            if takes_signals:
                stack.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
            recordings = self.recordings
            recordings.open(self.input_files)
            self.locked_memory = lock_memory(self.rack.arrays)  # with the ring of the recording
            stack.callback(recordings.close)
            stack.callback(lambda: unlock_memory(self.rack.arrays))
            stack.callback(self.stream.close)
            suspension = stack.enter_context(listening_for_suspension())
            watch = Watch(self.stream, self.rack, suspension, self._notice, leaving, options.patience_s)
            error: FxhostError | None = None
            try:
                watch.start()
                self._poll(on_poll, on_look, watch)
            except KeyboardInterrupt:
                pass
            except FxhostError as err:
                error = err
            if takes_signals:  # from here on nothing takes long, and a second Ctrl-C would lose the recording
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            stopped_ns = time.perf_counter_ns()
            statistics, scheduling = self.rack.statistics(), read_scheduling(self.rack.thread)
            if error is None:
                watch.finish()
            self.stream.close()
            where = self.rig, self.slots, self.stream, self.sample_rate, self.locked_memory
            summary = Summary(*where, statistics, stopped_ns, error, scheduling, watch.restarts, watch.away_s)
        if recordings.failure is not None and error is None:
            return replace(summary, error=recordings.failure)
        return summary

    def _poll(
        self, on_poll: Callable[[], Sequence[Command]], on_look: Callable[[], Sequence[Command]], watch: Watch
    ) -> None:
        started = time.perf_counter()
        while not self.rack.has_finished:
            self.rack.check()
            self.recordings.poll()
            watch.look()
            self._following.look(is_away=watch.is_away)
            for command in on_poll():
                self.controls.apply(command)
            if self.controls.wants_quit:
                return
            for guard in self._guards:
                guard.look(time.perf_counter())
            self._change()
            played_s = time.perf_counter() - started - watch.away_s
            if self.options.duration_s is not None and self._is_over(played_s):
                return
            if self.rack.looper is None:
                time.sleep(POLL_S)
                continue
            for _ in range(round(POLL_S / LOOK_S)):
                time.sleep(LOOK_S)
                for command in on_look():
                    self.controls.apply(command)

    def _change(self) -> None:
        """Cross-fade to what is wanted: another scene or rig, a fresh chain, or one with a slot switched."""
        controls, playing = self.controls, self.playing
        if controls.rig_steps and self.set_list is not None:
            entry = self.set_list.step(controls.rig_steps)
            playing.load(entry.make, entry.name)
        controls.rig_steps = 0
        if controls.chosen_scene is not None:
            playing.choose_scene(controls.chosen_scene)
            controls.chosen_scene = None
        if controls.wants_take:
            controls.wants_take = False
            self.recordings.toggle()
            self.locked_memory = lock_memory(self.rack.arrays)
        before = playing.sound
        if playing.follow(controls.wants_reset):
            self.locked_memory = lock_memory(self.rack.arrays)
            controls.wants_reset = False
        if playing.sound is not before:
            self._follow_playing()

    def _is_over(self, seconds: float) -> bool:
        """Whether the duration has passed and, unless blocks were lost, the recording has all of it."""
        duration_s = self.options.duration_s or 0.0
        return seconds >= duration_s if self.recordings.has_all else seconds > duration_s + LAST_BLOCKS_S
