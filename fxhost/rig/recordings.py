"""What a run records: the output file that was asked for, and takes, which begin and end while it plays."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from fxhost.engine.rack import Rack
from fxhost.errors import FileError, FxhostError
from fxhost.io.recorder import Recorder, Track
from fxhost.io.sound_writing import BITS, Writer, writing
from fxhost.io.stream_options import Options
from fxhost.rig.playing import Playing
from fxhost.rig.take import TakeRecording, name_file

MOST_NUMBERS = 10_000  # of takes of one name


class Recordings:
    """What a run records.

    Parameters
    ----------
    rack : Rack
    playing : Playing
    options : Options
        With the files and their encoding.
    notice : callable
        Told in one line what was begun, written or not.
    """

    def __init__(self, rack: Rack, playing: Playing, options: Options, notice: Callable[[str], None]) -> None:
        self._rack, self._playing, self._options, self._notice = rack, playing, options, notice
        self._recorder = Recorder(rack.tape, notice)
        self._stack = ExitStack()
        self._output: Track | None = None
        self._output_file = options.output_file
        self._failure: FileError | None = None
        self._take: TakeRecording | None = None
        self.takes: list[Path] = []
        self._most_frames = self._count_frames(options.duration_s)

    def open(self, inputs: Iterable[Path | None]) -> None:
        """Begin with what the options ask for, before the first block.

        Parameters
        ----------
        inputs : iterable of Path or None
            The files that are read, none of which may be replaced.

        Raises
        ------
        FileError
            If a file cannot be written.
        """
        self._inputs = list(inputs)
        self._open_output(0)
        if self._options.record_file is not None:
            self._take = self._begin(self._options.record_file, self._most_frames)

    def _open_output(self, first: int) -> None:
        """Begin the output file, with the frame at a position of the recording."""
        if self._output_file is not None:
            writer = self._stack.enter_context(
                writing(
                    self._output_file,
                    round(self._rack.sample_rate),
                    overwrite=self._options.overwrite,
                    inputs=self._inputs,
                    channels=self._rack.channels,
                    subtype=self._subtype,
                    is_live=True,
                )
            )
            self._output = Track(writer, "wet", first, self._most_frames)
            self._recorder.add(self._output)

    def _count_frames(self, seconds: float | None) -> int | None:
        return None if seconds is None else max(0, round(seconds * self._rack.sample_rate))

    # --- a file has one sample rate ----------------------------------------------------------------------------------

    def end_rate(self) -> Callable[[], None]:
        """End all files, for the rack is about to change its sample rate; while nobody plays it.

        Returns
        -------
        callable
            Begins others when the rack has changed: `gig-2.wav` after `gig.wav`, and another take where one was
            recorded. Where that fails, the music goes on.
        """
        had_output, had_take = self._output is not None, self._take is not None
        for end in (self._end, self._end_output):
            try:
                end()
            except FxhostError as err:
                self._notice(f"{err}. Playing goes on")

        def go_on() -> None:
            if self._options.duration_s is not None:
                self._most_frames = self._count_frames(self._options.duration_s - self._rack.audio_s)
            try:
                if had_output and self._failure is None and self._most_frames != 0:
                    self._open_output(self._rack.tape.position)
                    self._notice(f"the recording goes on in {self._output_file}")
            except FileError as err:
                self._failure = err
                self._notice(f"{err}. Playing goes on")
            try:
                if had_take:
                    self._take = self._begin(self._free_take(), self._most_frames)
                    self._notice(f"the take goes on in {self._take.path}")
            except FxhostError as err:
                self._notice(f"{err}. Playing goes on")

        return go_on

    def _end_output(self) -> None:
        if self._output is None or self._output_file is None:
            return
        self._recorder.remove(self._output)
        self._failure, is_empty, self._output = self.failure, not self._output.writer.frames, None
        asked = self._options.output_file or self._output_file
        try:
            self._stack.close()
        except FileError as err:
            if not is_empty:
                self._failure = err
                raise
        finally:
            self._output_file = next(name for name in _numbered(asked) if not name.exists())

    @property
    def _subtype(self) -> str | None:
        return None if self._options.bits is None else BITS[self._options.bits]

    @property
    def _writers(self) -> list[Writer]:
        return [] if self._output is None else [self._output.writer]

    @property
    def failure(self) -> FileError | None:
        """Why the output file ends early, and how much of it is kept."""
        for writer in self._writers:
            if writer.failure is not None:
                kept_s = writer.frames / self._rack.sample_rate
                return FileError(f"{writer.failure}; the first {kept_s:.1f} s are kept")
        return self._failure

    @property
    def has_all(self) -> bool:
        """Whether everything of the duration is written that can be."""
        return all(
            writer.failure is not None or self._most_frames is None or writer.frames >= self._most_frames
            for writer in self._writers
        )

    @property
    def names(self) -> list[str]:
        """The names of the files that are being recorded."""
        output = self._output_file
        names = [] if output is None or self.failure is not None else [output.name]
        return names if self._take is None else [*names, self._take.path.name]

    def _begin(self, path: Path, most_frames: int | None = None) -> TakeRecording:
        return TakeRecording(
            path,
            self._rack,
            self._playing,
            self._recorder,
            overwrite=self._options.overwrite,
            subtype=self._subtype,
            most_frames=most_frames,
        )

    def toggle(self) -> None:
        """Begin a take, or end the one that is being recorded. The music goes on where that fails."""
        try:
            if self._take is None:
                self._take = self._begin(self._free_take())
            else:
                self._end()
        except FxhostError as err:
            self._notice(str(err))

    def _free_take(self) -> Path:
        """A name that no take has: that of the option with a number, or else the time."""
        asked = self._options.record_file
        base = Path(time.strftime("take-%Y%m%d-%H%M%S.wav")) if asked is None else asked
        taken = set(self.takes)
        return next(
            name
            for name in (base, *_numbered(base))
            if name not in taken and not any(name_file(name, what).exists() for what in ("wet", "dry", "rig", "take"))
        )

    def _end(self) -> None:
        take, self._take = self._take, None
        if take is None:
            return
        written = take.close()
        self.takes.append(take.path)
        seconds = written.frames / written.sample_rate
        lost = f"; {written.lost_frames} frames are missing" if written.lost_frames else ""
        again = f"fxhost render {name_file(take.path, 'take')} OUT.wav plays it again"
        if written.has_old_loop:
            again = "it cannot be played again: its loop is from before its beginning, or from its first second"
        self._notice(f"recorded {take.path}, {seconds:.1f} s{lost}; {again}")

    def poll(self) -> None:
        """Note what has happened since the last call; end a take that cannot be written on."""
        if self._take is not None:
            self._take.poll()
            if self._take.failure is not None:
                self.toggle()

    def close(self) -> None:
        """End everything, after the stream.

        Raises
        ------
        FileError
            If a file cannot be written.
        """
        with self._stack:
            self._recorder.flush()
            try:
                self._end()
            finally:
                self._recorder.close()


def _numbered(path: Path) -> Iterator[Path]:
    """The names with a number behind: `gig-2.wav`, `gig-3.wav`, …."""
    return (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(2, MOST_NUMBERS))
