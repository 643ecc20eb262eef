"""What a run records: the output file that was asked for, and takes, which begin and end while it plays."""

import time
from collections.abc import Callable, Iterable
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
        self._take: TakeRecording | None = None
        self.takes: list[Path] = []
        duration_s = options.duration_s
        self._most_frames = None if duration_s is None else round(duration_s * rack.sample_rate)

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
        options = self._options
        if options.output_file is not None:
            writer = self._stack.enter_context(
                writing(
                    options.output_file,
                    round(self._rack.sample_rate),
                    overwrite=options.overwrite,
                    inputs=inputs,
                    channels=self._rack.channels,
                    subtype=self._subtype,
                    is_live=True,
                )
            )
            self._output = Track(writer, "wet", 0, self._most_frames)
            self._recorder.add(self._output)
        if options.record_file is not None:
            self._take = self._begin(options.record_file)

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
        return None

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
        output = self._options.output_file
        names = [] if output is None or self.failure is not None else [output.name]
        return names if self._take is None else [*names, self._take.path.name]

    def _begin(self, path: Path) -> TakeRecording:
        return TakeRecording(
            path,
            self._rack,
            self._playing,
            self._recorder,
            overwrite=self._options.overwrite,
            subtype=self._subtype,
            most_frames=self._most_frames if path == self._options.record_file else None,
        )

    def toggle(self) -> None:
        """Begin a take, or end the one that is being recorded. The music goes on where that fails."""
        try:
            if self._take is None:
                self._take = self._begin(self._free_name())
            else:
                self._end()
        except FxhostError as err:
            self._notice(str(err))

    def _free_name(self) -> Path:
        """A name that no take has: that of the option with a number, or else the time."""
        asked = self._options.record_file
        base = Path(time.strftime("take-%Y%m%d-%H%M%S.wav")) if asked is None else asked
        names = [base, *(base.with_name(f"{base.stem}-{n}{base.suffix}") for n in range(2, MOST_NUMBERS))]
        taken = set(self.takes)
        return next(
            name
            for name in names
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
