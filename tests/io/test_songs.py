"""Songs to play along with: read in any format, rate and number of channels, and refused with one line."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.errors import AudioError
from fxhost.io.songs import LONGEST_S, read_song
from fxhost.stages.play_along import PlayAlong
from fxhost.stages.rate.resampler import convert
from tests.conftest import RATE


def read(path: Path, notices: list[str] | None = None) -> PlayAlong:
    song = read_song(path, RATE, -6.0, ([] if notices is None else notices).append)
    assert song is not None
    return song


def samples(song: PlayAlong) -> Float32Array:
    audio: Float32Array = song.buffers[0]
    return audio


@pytest.fixture
def stereo(guitar: Float32Array) -> Float32Array:
    return 0.5 * np.stack([guitar[3 * RATE : 4 * RATE], guitar[5 * RATE : 6 * RATE]], axis=1)


def test_no_song_is_none() -> None:
    assert read_song(None, RATE, 0.0, print) is None


def test_a_song_of_another_rate_is_resampled_as_recordings_are(stereo: Float32Array, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", stereo, 44_100, subtype="FLOAT")
    song = read(tmp_path / "song.wav")
    wanted = np.stack([convert(np.ascontiguousarray(side), 44_100, RATE) for side in stereo.T], axis=1)
    assert np.array_equal(samples(song), wanted)
    assert (song.name, song.level_db) == ("song.wav", -6.0)
    assert song.length_s == pytest.approx(RATE / 44_100, abs=1e-4)


@pytest.mark.parametrize(("ending", "tolerance"), [("flac", 1e-4), ("ogg", 0.2), ("mp3", 0.2)])
def test_usual_formats_are_read(ending: str, tolerance: float, stereo: Float32Array, tmp_path: Path) -> None:
    path = tmp_path / f"song.{ending}"
    soundfile.write(path, stereo, RATE)
    audio = samples(read(path))
    assert audio.shape == (len(stereo), 2)
    assert np.abs(audio - stereo).max() < tolerance


def test_one_channel_stays_one_and_of_three_two_are_played(stereo: Float32Array, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.wav", stereo[:, 0], RATE, subtype="FLOAT")
    assert np.array_equal(samples(read(tmp_path / "mono.wav")), stereo[:, 0])
    three = np.concatenate([stereo, np.ones((len(stereo), 1), np.float32)], axis=1)
    soundfile.write(tmp_path / "three.wav", three, RATE, subtype="FLOAT")
    assert np.array_equal(samples(read(tmp_path / "three.wav")), stereo)


def test_a_song_that_is_too_long_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "set.flac"
    soundfile.write(path, np.zeros(8000 * round(LONGEST_S + 6), np.int16), 8000)
    with pytest.raises(AudioError, match=r"lasts 20\.1 minutes; .* may last 20: cut it"):
        read(path)


def test_a_song_with_no_number_in_it_or_no_song_is_refused(stereo: Float32Array, tmp_path: Path) -> None:
    stereo[100, 1] = np.nan
    soundfile.write(tmp_path / "song.wav", stereo, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="not a number"):
        read(tmp_path / "song.wav")
    (tmp_path / "text.mp3").write_text("la la la")
    with pytest.raises(AudioError, match="is not audio that can be read"):
        read(tmp_path / "text.mp3")
    with pytest.raises(AudioError, match="no such audio file"):
        read(tmp_path / "none.wav")


def test_what_takes_a_while_is_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.flac", np.zeros(61 * 8000, np.int16), 8000)
    notices: list[str] = []
    read(tmp_path / "song.flac", notices)
    assert notices == ["resampling song.flac from 8000 to 48000 Hz …"]
