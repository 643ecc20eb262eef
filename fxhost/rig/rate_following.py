"""What follows a device that comes back at another sample rate: the rig, what it records, loop, song and input file."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.engine.rack import Rack
from fxhost.errors import DeviceError, FxhostError
from fxhost.io.devices import USUAL_RATES
from fxhost.io.songs import read_song_frames
from fxhost.rig.playing import Playing
from fxhost.rig.recordings import Recordings
from fxhost.stages.rate.resampler import convert


@dataclass(frozen=True)
class _Song:
    rate: int
    frames: Float32Array


class RateFollowing:
    """What makes a rack anew for another sample rate, while its stream is closed.

    Parameters
    ----------
    rack : Rack
    playing : Playing
        What it plays.
    recordings : Recordings
        What is recorded of it; a file has one rate, so that others are begun.
    make_source : callable
        Returns the rack's source at a rate in Hz; None where it has none.
    song : Path or None
        What plays along. It is converted on a thread of its own, and is silent meanwhile.
    notice : callable
        Told in one line what cannot be played any more.
    """

    def __init__(
        self,
        rack: Rack,
        playing: Playing,
        recordings: Recordings,
        make_source: Callable[[int], Float32Array | None],
        song: Path | None,
        notice: Callable[[str], None],
    ) -> None:
        self._rack, self._playing, self._recordings = rack, playing, recordings
        self._make_source, self._song_path, self._notice = make_source, song, notice
        self._song: _Song | None = None
        self._was_away = False
        self._refused: set[int] = set()  # rates

    def follow(self, sample_rate: int) -> None:
        """Go on at this rate in Hz: rig, scene, knobs, switches, gains and loop as they were.

        Raises
        ------
        DeviceError
            If the rig cannot play at that rate. Then everything is as it was, and the device may come back otherwise.
        """
        try:
            convert(np.zeros(1, np.float32), round(self._rack.sample_rate), sample_rate)  # loop and song need the ratio
            source = self._make_source(sample_rate)
            chain = self._playing.change_rate(sample_rate)
        except FxhostError as err:
            if sample_rate not in self._refused:
                self._notice(f"the device is back at {sample_rate} Hz, where the rig cannot play: {err}")
            self._refused.add(sample_rate)
            raise DeviceError(f"the rig cannot play at {sample_rate} Hz: {err}") from err
        go_on = self._recordings.end_rate()
        self._rack.change_rate(sample_rate, chain, source)
        go_on()
        if self._song_path is not None:
            threading.Thread(
                target=self._read_song, args=(self._song_path, sample_rate), name="fxhost resamples", daemon=True
            ).start()

    def _read_song(self, path: Path, sample_rate: int) -> None:
        try:
            self._song = _Song(sample_rate, read_song_frames(path, sample_rate, lambda note: None))
        except FxhostError as err:
            self._notice(f"the song is silent: {err}")

    def look(self, *, is_away: bool) -> None:
        """Let the song go on when it is ready, and get ready for other rates while the device is away."""
        song, rack = self._song, self._rack
        if song is not None and rack.play_along is not None:
            self._song = None
            if song.rate == rack.sample_rate:
                rack.play_along.set_song(song.frames, song.rate)
                rack.play_song()
        if is_away and not self._was_away:
            self._playing.rehearse([rate for rate in USUAL_RATES[:2] if rate != rack.sample_rate])
        self._was_away = is_away
