"""A song beside the rig: exact, looped, faded where it is switched, on both sides."""

import ctypes

import numpy as np
import pytest

from fxhost.arrays import Float32Array
from fxhost.stages.base import PLANE
from fxhost.stages.play_along import PlayAlong
from tests.conftest import RATE

SETTLED = RATE // 4  # the fade is over


def play(stage: PlayAlong, audio: Float32Array, size: int = 64) -> Float32Array:
    """What comes out, (frames, 2)."""
    out, block = np.empty_like(audio), np.zeros((2, PLANE), np.float32)
    for first in range(0, len(audio), min(size, PLANE)):
        piece = audio[first : first + min(size, PLANE)]
        block[:, : len(piece)] = piece.T
        stage.process_at(block.ctypes.data, len(piece))
        out[first : first + len(piece)] = block[:, : len(piece)].T
    return out


def turn(stage: PlayAlong, setting: str, value: float) -> None:
    ctypes.c_float.from_address(stage.address(setting)).value = value


@pytest.fixture
def song(guitar: Float32Array) -> Float32Array:
    return np.stack([guitar[3 * RATE : 4 * RATE - 7], guitar[5 * RATE : 6 * RATE - 7]], axis=1)


def test_a_song_is_added_and_begins_again_at_its_end(song: Float32Array) -> None:
    audio = np.random.default_rng(1).uniform(-0.1, 0.1, (3 * RATE, 2)).astype(np.float32)
    out = play(PlayAlong(song, RATE, -6.0), audio)
    wanted = audio + np.float32(10 ** (-6 / 20)) * np.resize(song, audio.shape)
    assert np.array_equal(out[SETTLED:], wanted[SETTLED:])
    assert np.abs(out[0] - audio[0]).max() < 0.01


@pytest.mark.parametrize("size", [1, 3, 17, 509, 4096])
def test_blocks_of_any_size_give_the_same_samples_to_the_bit(size: int, song: Float32Array) -> None:
    audio = np.zeros((2 * RATE, 2), np.float32)
    assert np.array_equal(play(PlayAlong(song, RATE), audio, size), play(PlayAlong(song, RATE), audio))


def test_a_mono_song_is_heard_on_both_sides(song: Float32Array) -> None:
    out = play(PlayAlong(song[:, 0], RATE), np.zeros((RATE, 2), np.float32))
    assert np.array_equal(out[:, 0], out[:, 1])
    assert np.array_equal(out[SETTLED : len(song), 0], song[SETTLED:, 0])


def test_switched_off_it_fades_out_and_begins_anew_and_muted_it_goes_on(song: Float32Array) -> None:
    stage, silence = PlayAlong(song, RATE), np.zeros((RATE // 2, 2), np.float32)
    play(stage, silence)
    turn(stage, "is_on", 0.0)
    faded = play(stage, silence)
    assert not faded[SETTLED:].any()
    assert np.abs(np.diff(faded, axis=0)).max() < 1.5 * np.abs(np.diff(song, axis=0)).max()
    assert stage.position_s == 0.0
    turn(stage, "is_on", 1.0)
    assert np.array_equal(play(stage, silence)[SETTLED:], song[SETTLED : RATE // 2])
    turn(stage, "is_muted", 1.0)
    assert not play(stage, silence[:SETTLED])[-1].any()
    turn(stage, "is_muted", 0.0)
    out = play(stage, silence[:SETTLED])
    at = RATE // 2 + SETTLED
    assert np.array_equal(out[-200:-100], song[at + SETTLED - 200 : at + SETTLED - 100])


def test_a_reset_fades_it_in_where_it_was(song: Float32Array) -> None:
    stage, silence = PlayAlong(song, RATE), np.zeros((SETTLED, 2), np.float32)
    play(stage, silence)
    stage.reset()
    out = play(stage, silence)
    assert np.abs(out[0]).max() < 0.01
    assert np.array_equal(out[-10:], song[2 * SETTLED - 10 : 2 * SETTLED])
