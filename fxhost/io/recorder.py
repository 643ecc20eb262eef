"""Files that a rack records into while it plays, written by a thread of their own: a slow disk holds nobody up."""

import threading
from collections.abc import Callable

from fxhost.arrays import Float32Array
from fxhost.engine.tape import Tape
from fxhost.errors import FileError
from fxhost.io.sound_writing import Writer, as_24_bits

EVERY_S = 0.05


class Track:
    """One side of a recording on its way to a file.

    Parameters
    ----------
    writer : Writer
    side : {'wet', 'dry'}
    first : int or None
        The position of the recording with which the file begins; None holds everything back until it is known.
    most_frames : int, optional
        After which the file is complete.
    """

    def __init__(self, writer: Writer, side: str, first: int | None, most_frames: int | None = None) -> None:
        self.writer, self.side, self.first, self.most_frames = writer, side, first, most_frames
        self._held: list[tuple[int, Float32Array]] = []

    def add(self, position: int, wet: Float32Array, dry: Float32Array) -> None:
        """Write what was recorded from a position on.

        Raises
        ------
        FileError
            If the system refuses it.
        """
        self._held.append((position, wet if self.side == "wet" else dry))
        if self.first is None:
            return
        held, self._held = self._held, []
        for start, frames in held:
            kept = frames[max(0, self.first - start) :]
            if self.most_frames is not None:
                kept = kept[: max(0, self.most_frames - self.writer.frames)]
            if len(kept):
                whole = as_24_bits(kept) if self.side == "dry" and self.writer.subtype == "PCM_24" else kept
                self.writer.write(whole[:, 0] if whole.shape[1] == 1 else whole)


class Recorder:
    """What writes a rack's recording to files.

    Parameters
    ----------
    tape : Tape
    notice : callable
        Told in one line where a file could not be written on; the music goes on.
    """

    def __init__(self, tape: Tape, notice: Callable[[str], None]) -> None:
        self._tape, self._notice = tape, notice
        self._tracks: list[Track] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, *tracks: Track) -> None:
        """Record into these files too, from now on."""
        self._tape.start()
        with self._lock:
            self._tracks += tracks
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="fxhost recorder", daemon=True)
            self._thread.start()

    def remove(self, *tracks: Track) -> None:
        """Write what has been recorded so far, and no more of it into these files."""
        self.flush()
        with self._lock:
            self._tracks = [track for track in self._tracks if track not in tracks]

    def flush(self) -> None:
        """Write what has been recorded so far."""
        with self._lock:
            position, wet, dry = self._tape.take()
            for track in self._tracks:
                if track.writer.failure is None:
                    try:
                        track.add(position, wet, dry)
                    except FileError as err:
                        self._notice(f"{err}. Playing goes on; what was recorded before is kept")

    def close(self) -> None:
        """End the thread. What was added stays open."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.flush()
