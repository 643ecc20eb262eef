"""The rack: the same samples however the signal is cut, and safe whatever it is fed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numba import carray, njit

from fxhost.arrays import Float32Array, aligned_zeros
from fxhost.engine.control_block import PROTOTYPE
from fxhost.engine.histogram import BUCKETS, count_in, percentiles
from fxhost.engine.rack import Rack
from fxhost.engine.rack_memory import FADE_IN_MS
from fxhost.errors import EngineError
from fxhost.preset.archive import read_preset
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from fxhost.stages.base import Stage, first_words, stage_function
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.gain import Gain
from fxhost.stages.limiter import Limiter
from tests.conftest import RATE

FADE_IN_FRAMES = round(FADE_IN_MS * 1e-3 * RATE)
MakePreset = Callable[..., Path]


def play(rack: Rack, audio: Float32Array, sizes: Sequence[int] = (64,)) -> Float32Array:
    """Play audio in blocks of these sizes, in turn."""
    out = np.full_like(audio, np.nan)
    start, turn = 0, 0
    while start < len(audio):
        end = min(len(audio), start + sizes[turn % len(sizes)])
        rack.process(audio[start:end], out[start:end])
        start, turn = end, turn + 1
    return out


@pytest.mark.parametrize("sizes", [(1,), (3,), (17,), (64,), (509,), (4096,), (48_011,), (1, 509, 64, 3, 4096, 17)])
def test_any_partition_gives_the_same_samples_to_the_bit(
    sizes: tuple[int, ...], make_preset: MakePreset, guitar: Float32Array
) -> None:
    presets = [read_preset(make_preset(1, 20)), read_preset(make_preset(2, 8, 2, True))]
    audio = guitar[:48_011]

    def fresh() -> Rack:
        return Rack(build_chain(slots_at_own_rate(presets)), RATE, input_gain_db=6.0, output_gain_db=35.0)

    reference_rack, rack = fresh(), fresh()
    reference = play(reference_rack, audio, (len(audio),))
    assert np.array_equal(play(rack, audio, sizes), reference)
    assert reference_rack.statistics().limited_samples > 0  # the limiter took part
    assert rack.statistics().frames == len(audio)


@pytest.mark.parametrize("sizes", [(1,), (17,), (509,), (4096, 3)])
def test_the_torchscript_engine_plays_the_same_within_rounding(
    sizes: tuple[int, ...], make_preset: MakePreset, guitar: Float32Array
) -> None:
    preset = read_preset(make_preset(2, 8, 2, True))
    audio = guitar[:10_007]
    compiled = play(Rack(build_chain(slots_at_own_rate([preset])), RATE), audio)
    rack = Rack(build_chain(slots_at_own_rate([preset]), "torchscript"), RATE)
    assert np.abs(play(rack, audio, sizes) - compiled).max() <= 1e-5
    rack.check()


def test_an_empty_chain_is_the_identity_after_the_fade_in(guitar: Float32Array) -> None:
    out = play(Rack([], RATE), guitar)
    assert np.array_equal(out[FADE_IN_FRAMES:], guitar[FADE_IN_FRAMES:])
    assert out[0] == 0.0
    assert np.all(np.abs(out[:FADE_IN_FRAMES]) <= np.abs(guitar[:FADE_IN_FRAMES]))


def test_every_device_channel_gets_the_signal_of_the_chosen_input() -> None:
    rack = Rack([], RATE)
    rack.connect(in_channels=3, in_channel=1, out_channels=2)
    block = np.random.default_rng(1).uniform(-1, 1, (2000, 3)).astype(np.float32)
    out = np.full((2000, 2), np.nan, np.float32)
    rack.process(block, out)
    assert np.array_equal(out[FADE_IN_FRAMES:, 0], block[FADE_IN_FRAMES:, 1])
    assert np.array_equal(out[:, 0], out[:, 1])


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e30])
def test_bad_input_samples_become_silence_and_are_counted(poison: float, guitar: Float32Array) -> None:
    audio = guitar[:9600].copy()
    audio[[100, 5000, 5001]] = poison
    rack = Rack([], RATE)
    out = play(rack, audio)
    assert np.isfinite(out).all()
    assert np.all(out[[5000, 5001]] == 0.0)
    assert rack.statistics().bad_samples == 3


STATE = np.dtype([("position", "i8"), ("poison", "f4"), ("at", "i4")], align=True)


@stage_function(STATE)
def poison_block(state, block, frames):  # type: ignore[no-untyped-def]
    """Replace one sample by a poison, once after every reset."""
    s = carray(state, (1,))[0]
    x = carray(block, (frames,))
    for n in range(frames):
        if s.position == s.at:
            x[n] = s.poison
        s.position += 1


def make_poison(poison: float, at: int) -> Stage:
    memory = aligned_zeros(1, STATE)
    memory["poison"], memory["at"] = poison, at
    return Stage(poison_block.address, memory, first_words(memory, 8), poison_block)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_stage_that_fails_is_silenced_reset_and_faded_in(
    poison: float, make_preset: MakePreset, guitar: Float32Array
) -> None:
    preset = read_preset(make_preset(1, 20))
    chain = [make_poison(poison, 5000), *build_chain(slots_at_own_rate([preset])), make_poison(poison, 3000)]
    rack = Rack(chain, RATE)
    audio = guitar[:6400]
    out = play(rack, audio)
    assert np.isfinite(out).all()
    assert rack.statistics().bad_samples > 0
    hit = 3000 // 64 * 64
    assert np.all(out[hit : hit + 64] == 0.0)
    # after the fade-in, what follows is what a fresh rack plays
    fresh = play(Rack(build_chain(slots_at_own_rate([preset])), RATE), audio[hit + 64 : hit + 64 + 2000])
    assert np.array_equal(out[hit + 64 : hit + 64 + 2000][FADE_IN_FRAMES:], fresh[FADE_IN_FRAMES:])
    assert np.abs(out[hit + 64 : hit + 64 + 100]).max() < 0.3 * np.abs(fresh[-FADE_IN_FRAMES:]).max()


def test_a_reset_after_a_failure_leaves_the_gains_where_they_were_turned(guitar: Float32Array) -> None:
    rack = Rack([make_poison(np.nan, 3 * RATE)], RATE)
    play(rack, guitar[:RATE])
    rack.output_gain_db = rack.input_gain_db = -30.0
    play(rack, guitar[:RATE])
    out = play(rack, np.full(2 * RATE, 0.5, np.float32))
    assert rack.statistics().bad_samples == 1
    assert np.abs(out).max() < 0.5 * 10 ** (-60 / 20) * 1.01


def test_a_failure_while_bypassed_is_seen_and_the_dry_signal_goes_on(guitar: Float32Array) -> None:
    rack = Rack([make_poison(np.nan, RATE + 3000)], RATE)
    rack.is_bypassed = True
    out = play(rack, guitar[: 2 * RATE])
    assert rack.statistics().bad_samples == 1
    assert np.isfinite(out).all()
    assert np.array_equal(out[-RATE // 2 :], guitar[2 * RATE - RATE // 2 : 2 * RATE])


def test_changing_to_a_chain_that_sounds_the_same_makes_no_bump() -> None:
    tone = np.full(RATE, 0.25, np.float32)
    rack = Rack([], RATE)
    play(rack, tone)
    rack.replace_chain([])
    assert np.abs(play(rack, tone) - tone).max() < 1e-6


def test_nothing_beyond_full_scale_comes_out(guitar: Float32Array) -> None:
    rack = Rack([], RATE, output_gain_db=30.0)
    out = play(rack, guitar)
    assert np.abs(out).max() <= 1.0
    assert rack.statistics().limited_samples > 0


def test_the_limiter_is_the_identity_below_full_scale(guitar: Float32Array) -> None:
    out = guitar.copy()
    Limiter(RATE).process(out)
    assert np.array_equal(out, guitar)


def test_the_limiter_releases_completely() -> None:
    limiter = Limiter(RATE)
    block = np.concatenate([np.full(100, 4.0), np.full(2 * RATE, 0.5)]).astype(np.float32)
    limiter.process(block)
    assert np.all(np.abs(block[:100]) <= 1.0)
    assert block[101] < 0.2
    assert np.all(block[-RATE:] == np.float32(0.5))


def test_a_gain_glides_and_arrives_exactly() -> None:
    gain = Gain(0.0, RATE)
    gain.gain_db = 20.0
    block = np.ones(RATE, np.float32)
    gain.process(block)
    assert block[0] < 1.1
    assert np.diff(block).max() < 0.03
    assert np.all(block[-100:] == np.float32(10.0))


@pytest.mark.parametrize("step_db", [-40.0, 40.0])
def test_turning_the_knobs_makes_no_step(step_db: float) -> None:
    rack = Rack([], RATE)
    tone = (1e-3 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)).astype(np.float32)
    out = play(rack, tone)
    rack.input_gain_db = step_db
    assert rack.input_gain_db == pytest.approx(step_db)
    louder = play(rack, tone)
    joined = np.concatenate([out[-64:], louder])
    assert np.abs(np.diff(joined)).max() < 2e-5 * 10 ** (max(step_db, 0) / 20)


def test_bypass_goes_to_the_dry_signal_and_back_without_a_step(make_preset: MakePreset, guitar: Float32Array) -> None:
    preset = read_preset(make_preset(1, 20))
    rack, reference = (Rack(build_chain(slots_at_own_rate([preset])), RATE) for _ in range(2))
    audio = guitar[: 3 * RATE]
    wet = play(reference, audio)
    play(rack, audio[:RATE])
    rack.is_bypassed = True
    assert rack.is_bypassed
    bypassed = play(rack, audio[RATE : 2 * RATE])
    assert np.array_equal(bypassed[RATE // 2 :], audio[RATE + RATE // 2 : 2 * RATE])
    rack.is_bypassed = False
    assert np.array_equal(play(rack, audio[2 * RATE :])[RATE // 2 :], wet[2 * RATE + RATE // 2 :])


def test_a_mute_is_silence_without_a_step_and_keeps_the_gain() -> None:
    rack = Rack([], RATE, output_gain_db=-6.0)
    audio = np.full(RATE // 2, 0.5, np.float32)
    play(rack, audio)
    rack.is_muted = True
    rack.output_gain_db = -3.0
    muted = play(rack, audio)
    assert np.abs(np.diff(muted)).max() < 0.01
    assert not muted[RATE // 4 :].any()
    assert rack.output_gain_db == -3.0
    rack.is_muted = False
    assert play(rack, audio)[-1] == pytest.approx(0.5 * 10 ** (-3 / 20), abs=1e-4)


def test_the_dc_blocker_starts_at_rest_and_removes_an_offset() -> None:
    resting = np.full(1000, 0.25, np.float32)
    DcBlocker(0.25, RATE).process(resting)
    assert np.all(resting == 0.0)
    moved = np.full(20 * RATE, 0.25, np.float32)
    DcBlocker(0.0, RATE).process(moved)
    assert abs(moved[-1]) < 1e-5


def test_the_dc_blocker_leaves_the_lowest_note_of_a_guitar_alone() -> None:
    tone = np.sin(2 * np.pi * 82.4 * np.arange(5 * RATE) / RATE).astype(np.float32)
    out = tone.copy()
    DcBlocker(0.0, RATE).process(out)
    late = slice(3 * RATE, None)
    assert np.sum((out[late] - tone[late]) ** 2) / np.sum(tone[late] ** 2) < 2e-6


def test_a_preset_begins_at_rest_on_silence(make_preset: MakePreset) -> None:
    preset = read_preset(make_preset(1, 20))
    out = play(Rack(build_chain(slots_at_own_rate([preset])), RATE), np.zeros(RATE, np.float32))
    assert abs(preset.silent_output) > 1e-3  # there is something to be at rest from
    assert np.abs(out).max() < 1e-6


def test_changing_the_chain_crossfades_and_then_plays_the_new_one(
    make_preset: MakePreset, guitar: Float32Array
) -> None:
    old, new = (read_preset(make_preset(1, size)) for size in (20, 8))
    rack = Rack(build_chain(slots_at_own_rate([old])), RATE)
    quiet = np.zeros(RATE, np.float32)
    play(rack, quiet)
    rack.replace_chain(build_chain(slots_at_own_rate([new])))
    assert rack.is_crossfading
    with pytest.raises(EngineError, match="still being faded in"):
        rack.replace_chain(build_chain(slots_at_own_rate([old])))
    out = play(rack, guitar[:RATE])
    assert not rack.is_crossfading
    reference = Rack(build_chain(slots_at_own_rate([new])), RATE)
    play(reference, quiet[:1024])  # past its fade-in
    expected = play(reference, guitar[:RATE])
    assert np.abs(out[RATE // 2 :] - expected[RATE // 2 :]).max() < 1e-5
    rack.replace_chain(build_chain(slots_at_own_rate([old])))
    play(rack, quiet)
    assert not rack.is_crossfading


def test_a_crossfade_under_a_sine_makes_no_step() -> None:
    tone = (0.5 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)).astype(np.float32)
    rack = Rack([], RATE)
    play(rack, tone)
    rack.replace_chain([Gain(-6.0, RATE)])
    out = play(rack, tone)
    assert np.abs(np.diff(out)).max() < np.abs(np.diff(tone)).max() + 1e-3
    assert np.abs(out[-RATE // 2 :] - tone[-RATE // 2 :] * 10 ** (-6 / 20)).max() < 1e-6


@pytest.mark.parametrize("block", [64, 500])
def test_a_source_plays_instead_of_the_input_and_then_ends(block: int, guitar: Float32Array) -> None:
    source = guitar[:10_007]
    rack = Rack([], RATE, source=source, records=True)
    out = play(rack, np.full(12_000, 0.5, np.float32), (block,))
    assert rack.has_finished
    assert np.array_equal(out[FADE_IN_FRAMES:10_007], source[FADE_IN_FRAMES:])
    assert np.all(out[10_007:] == 0.0)
    assert np.array_equal(rack.take_recording(), out[:10_007])


def test_a_looping_source_begins_again(guitar: Float32Array) -> None:
    source = guitar[4000:4997]
    rack = Rack([], RATE, source=source, source_loops=True)
    out = play(rack, np.zeros(5 * 997, np.float32))
    assert np.array_equal(out[2 * 997 :], np.tile(source, 3))
    assert not rack.has_finished


def test_the_recording_is_the_output_and_what_does_not_fit_is_counted(guitar: Float32Array) -> None:
    rack = Rack([], RATE, records=True)
    taken, outs = [], []
    for _ in range(3):
        outs.append(play(rack, guitar, (509,)))
        taken.append(rack.take_recording())
    assert np.array_equal(np.concatenate(taken), np.concatenate(outs))
    for _ in range(3):
        play(rack, guitar, (4096,))
    statistics = rack.statistics()
    assert statistics.lost_frames > 0
    assert statistics.lost_frames + len(rack.take_recording()) == 3 * len(guitar)


def test_the_flags_of_portaudio_are_counted_by_kind() -> None:
    rack = Rack([], RATE)
    block = np.zeros(16, np.float32)
    for flags in (0, 1, 2, 2, 4, 4, 4, 8, 15, 16):
        rack.process(block, block.copy(), flags=flags)
    xruns = rack.statistics().xruns
    counted = (xruns.input_underflows, xruns.input_overflows, xruns.output_underflows, xruns.output_overflows)
    assert counted == (2, 3, 4, 2)
    assert xruns.total == 11


def test_the_meters_show_the_level_since_the_last_look() -> None:
    rack = Rack([], RATE, output_gain_db=-6.0)
    tone = (0.5 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)).astype(np.float32)
    assert rack.read_meters() is None
    play(rack, tone)
    rack.read_meters()
    play(rack, tone)
    for _ in range(3):  # an answer covers the time up to the first block after the question
        levels = rack.read_meters()
        play(rack, 0.1 * tone)
    assert levels is not None
    assert levels.input_peak_db == pytest.approx(-6.02 - 20, abs=0.1)
    assert levels.input_rms_db == pytest.approx(-9.03 - 20, abs=0.1)
    assert levels.output_peak_db == pytest.approx(-12.02 - 20, abs=0.1)
    assert rack.statistics().input_peak_db == pytest.approx(-6.02, abs=0.01)


@njit
def count(histogram: int, value: int) -> None:
    """`count_in` for Python."""
    count_in(histogram, value)


def test_the_histogram_keeps_percentiles_within_a_thirtysecond() -> None:
    values = np.random.default_rng(7).lognormal(7.0, 2.0, 20_000).astype(int)
    histogram = np.zeros(BUCKETS, np.int64)
    for value in values:
        count(histogram.ctypes.data, int(value))
    assert histogram.sum() == len(values)
    fractions = (0.01, 0.5, 0.99, 0.999)
    for found, true in zip(percentiles(histogram, fractions), np.quantile(values, fractions), strict=True):
        assert true * 0.97 - 1 <= found <= true * 1.04 + 1
    count(histogram.ctypes.data, 2**62)
    assert percentiles(np.zeros(BUCKETS, np.int64), (0.5,)) == [0.0]


def test_a_module_that_raises_silences_its_stage_and_is_reported(make_preset: MakePreset) -> None:
    chain = build_chain(slots_at_own_rate([read_preset(make_preset(1, 8))]), "torchscript")
    rack = Rack(chain, RATE)
    play(rack, np.zeros(128, np.float32))
    chain[0]._module = None  # type: ignore[attr-defined]
    out = play(rack, np.ones(6400, np.float32))
    assert np.isfinite(out).all()
    with pytest.raises(EngineError, match="failed while playing"):
        rack.check()


def test_ctrl_c_in_a_module_is_not_lost(make_preset: MakePreset) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    chain = build_chain(slots_at_own_rate([read_preset(make_preset(1, 8))]), "torchscript")
    rack = Rack(chain, RATE)
    chain[0]._module = interrupt  # type: ignore[attr-defined]
    play(rack, np.ones(64, np.float32))
    with pytest.raises(KeyboardInterrupt):
        rack.check()


def test_whoever_still_calls_with_an_address_that_was_left_gets_silence_and_disturbs_nothing(
    make_preset: MakePreset, guitar: Float32Array
) -> None:
    preset = read_preset(make_preset(1, 8))
    audio = guitar[4 * RATE : 4 * RATE + 6400]
    rack, alone = (Rack(build_chain(slots_at_own_rate([preset])), RATE, records=True) for _ in range(2))
    old, out = rack.control_address, np.zeros(64, np.float32)
    for n, block in enumerate(audio.reshape(-1, 64)):
        if n == 40:
            rack.leave_callback()
        if n >= 40:  # a server that was dead wakes up
            PROTOTYPE(rack.callback_address)(block.ctypes.data, out.ctypes.data, 64, None, 0, old)
            assert not out.any()
        rack.process(block, out)
        alone.process(block, expected := np.zeros(64, np.float32))
        assert np.array_equal(out, expected)
    assert np.array_equal(rack.take_recording(), alone.take_recording())
