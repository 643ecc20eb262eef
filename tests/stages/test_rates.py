"""Presets at other rates than their own: true to what they play at their own, and the same however it is cut."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fxhost.arrays import Float32Array
from fxhost.engine.calibration import UNITY
from fxhost.engine.chain import planned_stage
from fxhost.engine.rack import Rack
from fxhost.engine.rack_memory import FADE_IN_MS
from fxhost.engine.rate_accuracy import limit_band, measure_esr, resample
from fxhost.engine.rate_choice import make_test_signal
from fxhost.engine.rate_plan import Plan
from fxhost.errors import EngineError
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.preset.library import find_preset
from fxhost.preset.network_stage import compiled_stage
from fxhost.riff import synthesise_riff
from fxhost.rig.build import build_chain
from fxhost.rig.slot import EffectSlot
from fxhost.stages.base import Stage
from fxhost.stages.gain import Gain
from fxhost.stages.rate.interleaved import Interleaved
from fxhost.stages.rate.resampler import Resampled, convert, delays_between
from fxhost.stages.recurrent.stage import RecurrentStage
from tests.conftest import RATE

MakePreset = Callable[..., Path]
SHIPPED = ["identity", "rc-lowpass", "ts-overdrive"]
USUAL_RATES = [44_100, 48_000, 88_200, 96_000, 192_000]
LOUD = 2 * synthesise_riff(RATE)[RATE : 2 * RATE]
SIZES = [(1,), (3,), (17,), (64,), (509,), (2048, 3), (1, 509, 64, 3, 2048, 17)]


def play(stage: Stage, audio: Float32Array, sizes: tuple[int, ...]) -> Float32Array:
    out = audio.copy()
    start, turn = 0, 0
    while start < len(out):
        end = start + sizes[turn % len(sizes)]
        stage.process(out[start:end])
        start, turn = end, turn + 1
    return out


def resampled(preset: Preset, sample_rate: int) -> Plan:
    return Plan(preset.name, preset.sample_rate, sample_rate, preset.sample_rate)


# --- resampling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outer", USUAL_RATES)
@pytest.mark.parametrize("inner", [44_100, 48_000, 96_000])
def test_resampling_there_and_back_is_a_delay_of_whole_frames(outer: int, inner: int) -> None:
    if outer == inner:
        return
    lower = min(outer, inner)
    noise = limit_band(np.random.default_rng(1).uniform(-1, 1, outer), outer, 0.45 * lower)
    latency = delays_between(outer, inner)[1]
    audio = np.concatenate([noise, noise[:latency]]).astype(np.float32)
    Resampled(Gain(0.0, inner), inner_rate=inner, outer_rate=outer, silent_output=0.0).process(audio)
    error = np.abs(audio[latency:] - noise)[2 * latency :].max()
    print(f"{outer} → {inner} Hz and back: {latency} frames, {1e3 * latency / outer:.2f} ms, error {error:.1e}")
    assert error < 1e-4
    assert latency <= 0.0016 * outer


def test_the_way_in_delays_whole_inner_frames() -> None:
    for outer in USUAL_RATES:
        for inner in (44_100, 48_000):
            ahead, latency = delays_between(outer, inner)
            assert Fraction(ahead, inner) < Fraction(latency, outer) or outer == inner


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("sample_rate", [44_100, 192_000])
def test_any_partition_of_a_resampled_signal_gives_the_same_samples_to_the_bit(
    sample_rate: int, sizes: tuple[int, ...], make_preset: MakePreset
) -> None:
    preset = read_preset(make_preset(1, 20, 2))
    audio = LOUD[:3001]
    whole, cut = (planned_stage(preset, resampled(preset, sample_rate)) for _ in range(2))
    expected = play(whole, audio, (len(audio),))
    assert np.ptp(expected) > 1e-3
    assert np.array_equal(play(cut, audio, sizes), expected)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("sample_rate", [44_100, 88_200, 192_000])
def test_a_resampled_preset_is_what_it_plays_at_its_own_rate(name: str, sample_rate: int) -> None:
    preset = read_preset(find_preset(name))
    edge = 0.45 * min(sample_rate, RATE)
    dry = make_test_signal(RATE, edge)
    own = dry.astype(np.float32)
    compiled_stage(preset).process(own)
    expected = limit_band(resample(own, RATE, sample_rate), sample_rate, edge)
    plan = resampled(preset, sample_rate)
    latency = plan.latency_frames
    got = np.concatenate([resample(dry, RATE, sample_rate), np.zeros(latency)]).astype(np.float32)
    planned_stage(preset, plan).process(got)
    esr = measure_esr(limit_band(got[latency:], sample_rate, edge), expected)
    print(f"{name} at {sample_rate} Hz, resampled: ESR {esr}")
    assert esr is not None
    assert esr < 1e-8


@pytest.mark.parametrize(("old_rate", "new_rate"), [(44_100, 48_000), (96_000, 44_100), (44_100, 88_200)])
def test_a_recording_is_converted_without_delay(old_rate: int, new_rate: int) -> None:
    audio = np.zeros(2 * old_rate)
    audio[old_rate // 2 :][: old_rate // 2] = LOUD[: old_rate // 2]
    audio = limit_band(audio, old_rate, 0.45 * min(old_rate, new_rate))
    expected = resample(audio, old_rate, new_rate)
    error = np.abs(convert(audio.astype(np.float32), old_rate, new_rate) - expected).max()
    assert error < 1e-4
    assert len(convert(LOUD[:1], old_rate, new_rate)) == -(-new_rate // old_rate)


def test_rates_with_a_wild_ratio_are_refused() -> None:
    with pytest.raises(EngineError, match="cannot resample between 48000 and 47999 Hz"):
        convert(LOUD, 48_000, 47_999)
    with pytest.raises(EngineError, match="cannot resample between 47999 and 48000 Hz"):
        Resampled(Gain(0.0, RATE), inner_rate=RATE, outer_rate=47_999, silent_output=0.0)


# --- interleaved states ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("copies", [2, 4, 5])
def test_each_phase_at_a_multiple_of_the_rate_is_what_the_preset_plays_at_its_own(name: str, copies: int) -> None:
    preset = read_preset(find_preset(name))
    plan = Plan(preset.name, RATE, copies * RATE, copies * RATE)
    assert plan.latency_frames == 0
    audio = 2 * np.repeat(synthesise_riff(RATE)[:RATE], copies)
    audio += np.random.default_rng(3).uniform(-0.01, 0.01, len(audio)).astype(np.float32)  # all phases differ
    got = play(planned_stage(preset, plan), audio, (509,))
    for phase in range(copies):
        own = audio[phase::copies].copy()
        compiled_stage(preset).process(own)
        assert np.array_equal(got[phase::copies], own)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("copies", [2, 7])
def test_any_partition_of_interleaved_phases_gives_the_same_samples_to_the_bit(
    copies: int, sizes: tuple[int, ...], make_preset: MakePreset
) -> None:
    preset = read_preset(make_preset(1, 20, 2))
    audio = LOUD[:3001]
    stages = [Interleaved(compiled_stage(preset), copies) for _ in range(2)]
    for stage in stages:
        network = stage.inner
        assert isinstance(network, RecurrentStage)
        network.memory[network.layout.offsets()["knob_targets"] + 1] = 1.0  # a knob glides meanwhile
    expected = play(stages[0], audio, (len(audio),))
    assert np.ptp(expected) > 1e-3
    assert np.array_equal(play(stages[1], audio, sizes), expected)


# --- interpolated states ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("sample_rate", "order"), [(44_100, 1), (88_200, 3)])
def test_any_partition_on_interpolated_states_gives_the_same_samples_to_the_bit(
    sample_rate: int, order: int, sizes: tuple[int, ...], make_preset: MakePreset
) -> None:
    preset = read_preset(make_preset(2, 20, 2))
    plan = Plan(preset.name, RATE, sample_rate, sample_rate, order)
    audio = LOUD[:3001]
    whole, cut = (planned_stage(preset, plan) for _ in range(2))
    expected = play(whole, audio, (len(audio),))
    assert np.ptp(expected) > 1e-3
    assert np.array_equal(play(cut, audio, sizes), expected)


def test_an_interpolation_at_the_preset_s_own_rate_is_the_preset() -> None:
    preset = read_preset(find_preset("ts-overdrive"))
    audio = LOUD
    got, own = audio.copy(), audio.copy()
    planned_stage(preset, Plan(preset.name, RATE, RATE, RATE, order=3)).process(got)
    compiled_stage(preset).process(own)
    assert np.abs(got - own).max() < 1e-6


# --- all ways --------------------------------------------------------------------------------------------------------


def all_ways(preset: Preset) -> list[Plan]:
    name, rate = preset.name, preset.sample_rate
    return [
        resampled(preset, 44_100),
        resampled(preset, 96_000),
        Plan(name, rate, 2 * rate, 2 * rate),
        Plan(name, rate, 44_100, 3 * rate),
        Plan(name, rate, 44_100, 44_100, order=1),
        Plan(name, rate, 44_100, 88_200, order=2),
    ]


@pytest.mark.parametrize("way", range(6))
def test_a_chain_at_another_rate_begins_at_rest_and_plays_the_same_after_a_reset(
    way: int, make_preset: MakePreset
) -> None:
    preset = read_preset(make_preset(2, 8, 2, True))
    plan = all_ways(preset)[way]
    chain = build_chain([EffectSlot(preset, plan, UNITY)])
    silence, first, again = np.zeros(4801, np.float32), LOUD[:4801].copy(), LOUD[:4801].copy()
    rack = Rack(chain, plan.sample_rate)
    rack.process(silence, silence)
    assert np.abs(silence).max() < 1e-6
    chain[0].reset()
    chain[0].process(first)
    chain[0].reset()
    chain[0].process(again)
    assert np.ptp(first) > 0.1
    assert np.array_equal(first, again)


@pytest.mark.parametrize("way", range(6))
def test_a_chain_that_holds_nan_is_silent_for_a_block_and_begins_anew(way: int, make_preset: MakePreset) -> None:
    preset = read_preset(make_preset(2, 8, 2, True))
    plan = all_ways(preset)[way]
    chain = build_chain([EffectSlot(preset, plan, UNITY)])
    chain[0].process(np.full(64, np.nan, np.float32))
    rack, fresh = Rack(chain, plan.sample_rate), Rack(build_chain([EffectSlot(preset, plan, UNITY)]), plan.sample_rate)
    silent, out, expected = (np.full(frames, np.nan, np.float32) for frames in (64, 9600, 9600))
    rack.process(LOUD[:64], silent)
    assert np.all(silent == 0.0)
    assert rack.statistics().bad_samples > 0
    rack.process(LOUD[64:9664], out)
    fresh.process(LOUD[64:9664], expected)
    assert np.ptp(out) > 0.1
    faded_in = round(FADE_IN_MS * 1e-3 * plan.sample_rate)
    assert np.array_equal(out[faded_in:], expected[faded_in:])
