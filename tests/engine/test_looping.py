"""A looper and a song in a rack: where they stand in the path, and what goes past them."""

from collections.abc import Sequence

import numpy as np
import pytest

from fxhost.arrays import Float32Array, from_db
from fxhost.engine.rack import Rack
from fxhost.stages.gain import Gain
from fxhost.stages.looper.stage import Looper
from fxhost.stages.play_along import PlayAlong
from fxhost.stages.widen import Widen
from tests.conftest import RATE

AFTER = RATE // 4  # fades are over
LOOP = RATE // 2


def play(rack: Rack, audio: Float32Array, sizes: Sequence[int] = (64,), channels: int = 1) -> Float32Array:
    """What comes out, (frames,) or (frames, channels)."""
    out = np.full((len(audio), channels) if channels > 1 else len(audio), np.nan, np.float32)
    start, turn = 0, 0
    while start < len(audio):
        end = min(len(audio), start + sizes[turn % len(sizes)])
        rack.process(np.ascontiguousarray(audio[start:end]), out[start:end])
        start, turn = end, turn + 1
    return out


def make_looper(channels: int = 1) -> Looper:
    return Looper(RATE, channels, 2.0)


@pytest.mark.parametrize("sizes", [(1,), (3,), (64,), (509,), (4096,), (1, 509, 64, 3, 4096, 17)])
def test_any_partition_gives_the_same_samples_to_the_bit(sizes: tuple[int, ...], guitar: Float32Array) -> None:
    audio = 0.2 * guitar[4 * RATE : 4 * RATE + 40_009]
    pieces = audio[:1000], audio[1000:10_000], audio[10_000:15_000], audio[15_000:23_000], audio[23_000:]

    def play_all(sizes: tuple[int, ...]) -> Float32Array:
        looper = make_looper()
        rack = Rack([Gain(3.0, RATE)], RATE, looper=looper, play_along=PlayAlong(guitar[:9973], RATE, -12.0))
        out = []
        for piece, action in zip(pieces, ("", "record", "record", "record", "undo"), strict=True):
            if action:
                looper.give(action)
            out.append(play(rack, piece, sizes))
        return np.concatenate(out)

    assert np.array_equal(play_all(sizes), play_all((48_011,)))


def test_what_is_not_used_changes_no_sample(guitar: Float32Array) -> None:
    audio = 0.5 * guitar[4 * RATE : 6 * RATE]

    def rack(looper: Looper | None) -> Rack:
        return Rack([Gain(3.0, RATE)], RATE, output_gain_db=9.0, looper=looper)

    assert np.array_equal(play(rack(make_looper()), audio), play(rack(None), audio))


def test_the_loop_comes_after_chain_and_bypass_and_before_the_output_gain(guitar: Float32Array) -> None:
    tone = 0.1 * guitar[4 * RATE : 4 * RATE + LOOP]
    rack = Rack([Gain(-6.0, RATE)], RATE, looper=(looper := make_looper()))
    play(rack, tone)
    looper.give("record")
    play(rack, tone)
    looper.give("record")
    silence = np.zeros(LOOP, np.float32)
    play(rack, silence)
    half = np.float32(from_db(-6.0)) * tone
    assert np.array_equal(play(rack, silence)[AFTER:], half[AFTER:])
    rack.is_bypassed = True
    play(rack, silence)
    assert np.abs(play(rack, silence)[AFTER:] - half[AFTER:]).max() < 1e-6
    rack.output_gain_db = -20.0
    play(rack, silence)
    assert np.abs(play(rack, silence)[AFTER:] - np.float32(0.1) * half[AFTER:]).max() < 1e-6
    rack.is_muted = True
    play(rack, silence)
    assert not play(rack, silence)[AFTER:].any()


def test_the_loop_survives_another_chain_and_another_stream(guitar: Float32Array) -> None:
    tone = 0.1 * guitar[4 * RATE : 4 * RATE + LOOP]
    rack = Rack([Gain(-6.0, RATE)], RATE, looper=(looper := make_looper()))
    play(rack, tone)
    looper.give("record")
    play(rack, tone)
    looper.give("record")
    silence = np.zeros(LOOP, np.float32)
    play(rack, silence)
    loop = play(rack, silence)
    rack.replace_chain([Widen(), Gain(0.0, RATE)])
    assert np.array_equal(play(rack, silence), loop)
    rack.leave_callback()  # a dead server may hold the old one
    rack.connect(in_channels=1, in_channel=0, out_channels=2)
    out = play(rack, silence, channels=2)
    assert np.array_equal(out[AFTER:, 0], loop[AFTER:])
    assert np.array_equal(out[AFTER:, 1], loop[AFTER:])


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e30])
def test_nothing_that_is_no_number_enters_the_loop_or_leaves(poison: float, guitar: Float32Array) -> None:
    audio = 0.2 * guitar[4 * RATE : 4 * RATE + LOOP]
    bad = audio.copy()
    bad[1000:20_000:777] = poison
    rack = Rack([Gain(0.0, RATE)], RATE, looper=(looper := make_looper()), play_along=PlayAlong(audio, RATE))
    for action in ("record", "record", "record"):
        looper.give(action)
        out = play(rack, bad)
        assert np.isfinite(out).all()
        assert np.abs(out).max() <= 1.0
    assert looper.status().state == "overdubbing"


@pytest.mark.parametrize("channels", [1, 2])
def test_a_song_is_heard_and_neither_recorded_nor_measured(channels: int, guitar: Float32Array) -> None:
    audio = 0.9 * guitar[4 * RATE : 6 * RATE]
    song = np.stack([guitar[6 * RATE : 8 * RATE], guitar[7 * RATE : 9 * RATE]], axis=1)
    alone = Rack([Gain(6.0, RATE)], RATE, records=True)
    rack = Rack([Gain(6.0, RATE)], RATE, records=True, play_along=PlayAlong(song, RATE))
    for each in (alone, rack):
        each.connect(in_channels=1, in_channel=0, out_channels=channels)
    without = play(alone, audio, channels=channels)
    out = play(rack, audio, channels=channels)
    assert np.array_equal(rack.take_recording(), alone.take_recording())
    assert rack.statistics().output_peak_db == alone.statistics().output_peak_db
    assert rack.statistics().limited_samples > alone.statistics().limited_samples > 0
    assert np.abs(out).max() <= 1.0
    assert np.abs(out - without)[AFTER:].max() > 0.1
    quiet = play(rack, np.zeros_like(audio), channels=channels)
    wanted = song if channels == 2 else song.mean(axis=1)  # it comes round to its beginning
    assert np.abs(quiet[RATE:] - np.clip(wanted, -1, 1)[RATE:]).max() < 1e-6


def test_a_mute_is_one_of_the_song_too(guitar: Float32Array) -> None:
    rack = Rack([], RATE, play_along=PlayAlong(guitar[: 2 * RATE], RATE))
    silence = np.zeros(RATE, np.float32)
    assert play(rack, silence).any()
    rack.is_muted = True
    assert not play(rack, silence)[AFTER:].any()
    rack.is_muted = False
    assert play(rack, silence)[AFTER:].any()
