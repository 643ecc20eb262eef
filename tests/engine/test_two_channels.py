"""Two channels through a rack, and parameters that are set between two blocks."""

import numpy as np
import pytest

from fxhost.arrays import Float32Array
from fxhost.engine.rack import Rack
from fxhost.stages.base import Stage
from fxhost.stages.gain import Gain
from fxhost.stages.widen import Widen
from tests.conftest import RATE

AFTER = RATE // 10  # the fade-in is over


def gain_on(channel: int, gain_db: float) -> Stage:
    stage = Gain(gain_db, RATE)
    stage.channel = channel
    return stage


def play(rack: Rack, audio: Float32Array, size: int = 509) -> Float32Array:
    """What comes out, (frames, channels)."""
    out = np.zeros((len(audio), rack.channels), np.float32)
    for start in range(0, len(audio), size):
        rack.process(np.ascontiguousarray(audio[start : start + size]), out[start : start + size])
    return out


def test_a_mono_input_becomes_two_sides_each_with_stages_of_its_own(guitar: Float32Array) -> None:
    audio = 0.2 * guitar[4 * RATE : 5 * RATE]
    rack = Rack([gain_on(0, -6.0), Widen(), gain_on(1, -6.0)], RATE)
    out = play(rack, audio)
    assert (rack.inputs, rack.channels) == (1, 2)
    left = audio * np.float32(10 ** (-6 / 20))
    assert np.array_equal(out[AFTER:, 0], left[AFTER:])
    assert np.array_equal(out[AFTER:, 1], (left * np.float32(10 ** (-6 / 20)))[AFTER:])


def test_two_inputs_stay_apart(guitar: Float32Array) -> None:
    audio = 0.2 * np.stack([guitar[4 * RATE : 5 * RATE], guitar[5 * RATE : 6 * RATE]], axis=1)
    rack = Rack([gain_on(0, 0.0), gain_on(1, -6.0)], RATE, inputs=2)
    out = play(rack, audio)
    assert np.array_equal(out[AFTER:, 0], audio[AFTER:, 0])
    assert np.array_equal(out[AFTER:, 1], (audio[:, 1] * np.float32(10 ** (-6 / 20)))[AFTER:])


@pytest.mark.parametrize(("outputs", "mixes"), [(1, True), (2, False), (4, False)])
def test_the_sides_go_to_the_channels_of_the_device_in_turn_and_to_a_single_one_mixed(
    outputs: int, mixes: bool, guitar: Float32Array
) -> None:
    audio = 0.2 * guitar[4 * RATE : 5 * RATE]
    rack = Rack([Widen(), gain_on(1, -20.0)], RATE)
    rack.connect(in_channels=1, in_channel=0, out_channels=outputs)
    out = np.zeros((RATE, outputs), np.float32)
    rack.process(audio, out)
    sides = np.stack([audio, audio * np.float32(0.1)], axis=1)
    wanted = sides.mean(axis=1, keepdims=True) if mixes else np.tile(sides, outputs // 2)
    assert np.abs(out[AFTER:] - wanted[AFTER:]).max() < 1e-7


def test_both_sides_are_limited_together_and_recorded(guitar: Float32Array) -> None:
    audio = 0.9 * guitar[4 * RATE : 5 * RATE]
    rack = Rack([Widen(), gain_on(1, 12.0)], RATE, records=True)
    out = play(rack, audio)
    assert np.abs(out).max() <= 1.0
    loud = np.abs(out[AFTER:, 0]) > 1e-3
    ratio = out[AFTER:, 1][loud] / out[AFTER:, 0][loud]
    assert np.abs(ratio - 10 ** (12 / 20)).max() < 1e-4  # no side moves
    assert rack.statistics().limited_samples > 0
    assert np.array_equal(rack.take_recording(), out)


@pytest.mark.parametrize("channel", [0, 1])
def test_what_is_no_number_on_either_side_is_silenced_on_both(channel: int, guitar: Float32Array) -> None:
    audio = 0.2 * guitar[4 * RATE : 5 * RATE]
    bad = gain_on(channel, 0.0)
    bad.memory["gain"] = np.nan
    rack = Rack([Widen(), bad], RATE)
    rack.process(audio[:512], out := np.zeros((512, 2), np.float32))
    assert not out.any()
    assert rack.statistics().bad_samples > 0


def test_a_mono_and_a_stereo_chain_cross_fade(guitar: Float32Array) -> None:
    audio = 0.2 * guitar[4 * RATE : 6 * RATE]
    rack = Rack([Widen(), gain_on(1, -6.0)], RATE)
    first = play(rack, audio[:RATE])
    rack.replace_chain([gain_on(0, -12.0)])
    second = play(rack, audio[RATE:])
    assert np.abs(first[AFTER:, 0] - first[AFTER:, 1]).max() > 0.01
    assert np.array_equal(second[AFTER:, 0], second[AFTER:, 1])
    assert np.abs(np.diff(np.concatenate([first, second])[AFTER:], axis=0)).max() < 1.5 * np.abs(np.diff(audio)).max()


def test_a_parameter_is_set_at_the_beginning_of_the_next_block_and_never_lost() -> None:
    stage = Gain(0.0, RATE)
    rack = Rack([stage], RATE)
    block = np.full(64, 0.5, np.float32)
    rack.process(block, block.copy())
    for _ in range(3000):  # more than may wait
        rack.set_parameter(stage.target_address, 0.25)
    rack.set_parameter(stage.target_address, 0.125)
    for _ in range(RATE // 64):
        rack.process(block, out := block.copy())
        rack.check()
    assert out[-1] == np.float32(0.5 * 0.125)


def test_what_goes_into_the_chain_is_kept_for_a_while(guitar: Float32Array) -> None:
    rack = Rack([], RATE, input_gain_db=-6.0)
    play(rack, guitar[4 * RATE : 6 * RATE])
    heard = rack.last_heard(1000)
    wanted = guitar[6 * RATE - 1000 : 6 * RATE] * np.float32(10 ** (-6 / 20))
    assert np.array_equal(heard[0], wanted)
    assert np.array_equal(heard[1], wanted)
