"""The choice of a way to another rate: what it is measured by, whether it is stable, and what is kept of it."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxhost.cli import main
from fxhost.engine import rate_choice
from fxhost.engine.chain import own_plan, planned_stage
from fxhost.engine.rate_accuracy import limit_band, measure_esr, measure_worst_esr, resample
from fxhost.engine.rate_choice import MOST_ESR, USUAL_RATES, choose_plan, choose_plans, digest_of
from fxhost.engine.rate_plan import Plan
from fxhost.engine.rate_stability import modes_on_silence, spectral_radius, step_network
from fxhost.errors import EngineError
from fxhost.native import tuning_cache
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.preset.library import find_preset
from fxhost.preset.network_stage import compiled_stage
from fxhost.riff import synthesise_riff
from fxhost.stages.rate.interpolated import ORDERS, lagrange_weights
from tests.conftest import RATE
from tests.measure.aliasing import measure_aliasing

MakePreset = Callable[..., Path]
SHIPPED = ["identity", "rc-lowpass", "ts-overdrive"]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of our own."""
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setattr(tuning_cache, "store_folder", lambda: folder)
    return folder


def kept_plans(store: Path) -> dict[Path, dict[str, Any]]:
    entries = {path: json.loads(path.read_text()) for path in store.iterdir()}
    return {path: entry for path, entry in entries.items() if "order" in entry}


# --- measures --------------------------------------------------------------------------------------------------------


def test_offline_resampling_is_exact_below_both_nyquist_frequencies() -> None:
    def sines(rate: int) -> np.ndarray:  # type: ignore[type-arg]
        t = np.arange(2 * rate) / rate
        return np.sin(2 * np.pi * 997 * t) + 0.5 * np.cos(2 * np.pi * 19_001 * t)

    for rate in (44_100, 96_000):
        assert np.abs(resample(sines(RATE), RATE, rate) - sines(rate)).max() < 1e-9
    low = limit_band(sines(RATE), RATE, 15_000)
    assert np.abs(low - np.sin(2 * np.pi * 997 * np.arange(2 * RATE) / RATE)).max() < 1e-9


def test_the_esr_counts_no_offset_and_knows_what_is_no_signal() -> None:
    signal = np.random.default_rng(1).standard_normal(1000)
    assert measure_esr(signal + 3.0, signal) == pytest.approx(0.0, abs=1e-20)
    assert measure_esr(1.1 * signal, signal) == pytest.approx(0.01)
    assert measure_esr(np.where(np.arange(1000) == 7, np.nan, signal), signal) is None


def test_the_worst_part_counts_but_for_one_that_is_silent() -> None:
    signal = np.random.default_rng(2).standard_normal((3, 1000)) * np.array([[1.0], [0.01], [1e-8]])
    error = np.random.default_rng(3).standard_normal((3, 1000)) * np.array([[0.03], [0.001], [1e-6]])
    worst = measure_worst_esr((signal + error + 5.0).ravel(), signal.ravel(), 3)
    assert worst == pytest.approx(0.01, rel=0.1)
    assert measure_esr((signal + error).ravel(), signal.ravel()) == pytest.approx(0.0009, rel=0.1)
    assert measure_worst_esr(np.full(9, np.nan), np.zeros(9), 3) is None


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("delay", [0.5, 0.91875, 1.0, 1.0884, 1.8375, 2.177, 24.5])
def test_lagrange_weights_are_exact_for_polynomials(delay: float, order: int) -> None:
    first, weights = lagrange_weights(delay, order)
    taps = first + np.arange(order + 1)
    assert first >= 1
    for power in range(order + 1):
        assert np.dot(weights, taps.astype(float) ** power) == pytest.approx(delay**power)


# --- stability -------------------------------------------------------------------------------------------------------


def test_the_linearised_step_is_that_of_the_kernel(make_preset: MakePreset) -> None:
    preset = read_preset(make_preset(2, 12, 2))
    state = np.random.default_rng(4).uniform(-0.9, 0.9, (2, 2, 12)).astype(np.float32)
    stage = compiled_stage(preset)
    stage.set_initial_state(*state)
    stage.process(np.zeros(1, np.float32))
    at, padded = stage.layout.offsets(), stage.layout.padded
    expected = step_network(preset, state[None].astype(np.float64))[0]
    for name, part in (("h", expected[0]), ("c", expected[1])):
        got = stage.memory[at[name] :][: 2 * padded].reshape(2, padded)[:, :12]
        assert np.abs(got - part).max() < 1e-6


@pytest.mark.parametrize(("delay", "order"), [(0.91875, 1), (0.91875, 3), (1.8375, 2), (3.675, 3)])
def test_the_spectral_radius_is_that_of_the_augmented_jacobian(delay: float, order: int) -> None:
    jacobian = np.random.default_rng(5).uniform(-0.5, 0.5, (6, 6))
    first, weights = lagrange_weights(delay, order)
    depth = first + order
    augmented = np.eye(6 * depth, k=-6)
    augmented[:6] = 0.0
    for k, weight in enumerate(weights):
        augmented[:6, 6 * (first + k - 1) : 6 * (first + k)] = weight * jacobian
    expected = np.abs(np.linalg.eigvals(augmented)).max()
    got = spectral_radius(np.linalg.eigvals(jacobian).astype(complex), first, weights)
    assert got == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "sample_rate", "order"),
    [(name, rate, order) for name in SHIPPED[1:] for rate in (44_100, 88_200) for order in ORDERS],
)
def test_what_is_told_to_be_unstable_grows_and_the_rest_comes_to_rest(name: str, sample_rate: int, order: int) -> None:
    preset = read_preset(find_preset(name))
    plan = replace(own_plan(preset), sample_rate=sample_rate, network_rate=sample_rate, order=order)
    radius = spectral_radius(modes_on_silence(preset), *lagrange_weights(sample_rate / RATE, order))
    audio = np.zeros(sample_rate, np.float32)
    audio[0] = 1e-3
    planned_stage(preset, plan).process(audio)
    moving = not np.ptp(audio[-1000:]) < 1e-5  # also true for NaN
    print(f"{name} at {sample_rate} Hz, order {order}: spectral radius {radius:.4f}")
    assert moving == (radius > 1.0)


# --- the choice ------------------------------------------------------------------------------------------------------


def assert_true_enough(plan: Plan) -> None:
    assert plan.esr is not None
    assert plan.esr < (5e-8 if plan.copies else MOST_ESR)  # of the worst part, with its margin
    assert plan.radius is None or plan.radius < 1.0
    assert (plan.latency_frames == 0) == (not plan.is_resampled)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_preset_is_true_at_every_usual_rate(name: str) -> None:
    preset = read_preset(find_preset(name))
    for rate in USUAL_RATES:
        plan = choose_plan(preset, rate)
        if rate == preset.sample_rate:
            assert plan.is_own
            continue
        print(f"{plan.describe()}; in the band against its own rate {plan.esr_band:.1e}, radius {plan.radius}")
        assert_true_enough(plan)
        if rate % preset.sample_rate == 0:
            assert (plan.copies, plan.latency_frames) == (rate // preset.sample_rate, 0)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("sample_rate", [48_000, 96_000])
def test_a_preset_of_44100_hz_is_true_at_multiples_of_48000(name: str, sample_rate: int) -> None:
    preset = replace(read_preset(find_preset(name)), sample_rate=44_100)
    plan = choose_plan(preset, sample_rate)
    print(f"{plan.describe()}; in the band against its own rate {plan.esr_band:.1e}, radius {plan.radius}")
    assert_true_enough(plan)


def test_a_preset_above_the_rate_of_the_device_is_resampled(make_preset: MakePreset) -> None:
    plan = choose_plan(read_preset(make_preset(1, 8, rate=96_000)), 44_100)
    assert_true_enough(plan)
    assert plan.copies == 1 or plan.order > 0


@pytest.mark.parametrize("level_db", [0.0, -9.0, -20.0, -33.0])
@pytest.mark.parametrize("start_s", [1, 5, 6])
def test_the_promise_holds_on_loud_and_soft_playing_that_the_choice_never_saw(level_db: float, start_s: int) -> None:
    preset, rate = read_preset(find_preset("ts-overdrive")), 88_200
    plan = choose_plan(preset, rate)
    assert plan.order and plan.esr is not None
    edge = rate_choice.BAND * RATE / 2
    part = synthesise_riff(RATE)[start_s * RATE :][: 2 * RATE] * np.hanning(2 * RATE)
    part = limit_band(part, RATE, edge)
    part *= 10.0 ** (level_db / 20.0) / np.abs(part).max()
    outputs = []
    for tried in (plan, replace(own_plan(preset), sample_rate=2 * RATE, network_rate=2 * RATE)):
        audio = resample(part, RATE, tried.sample_rate).astype(np.float32)
        planned_stage(preset, tried).process(audio)
        outputs.append(limit_band(resample(audio, tried.sample_rate, rate), rate, edge))
    esr = measure_esr(*outputs)
    assert esr is not None and 0.0 < esr < plan.esr


# --- oversampling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sample_rate", "oversample"), [(48_000, 2), (48_000, 4), (44_100, 2)])
def test_an_oversampled_preset_is_the_preset_at_a_multiple_of_its_rate(sample_rate: int, oversample: int) -> None:
    preset = read_preset(find_preset("ts-overdrive"))
    plan = choose_plan(preset, sample_rate, oversample)
    print(f"{plan.describe()}, radius {plan.radius}")
    assert_true_enough(plan)
    assert plan.network_rate == oversample * RATE
    assert 0 < plan.latency_ms < 1.5
    assert choose_plan(preset, sample_rate, oversample) == plan
    assert choose_plan(preset, sample_rate) != plan


def test_oversampling_takes_aliasing_away() -> None:
    preset = read_preset(find_preset("ts-overdrive"))
    sine = np.sin(2 * np.pi * 4200 * np.arange(2 * RATE) / RATE).astype(np.float32)
    levels_db = []
    for oversample in (1, 2, 4):
        wet = sine.copy()
        planned_stage(preset, choose_plan(preset, RATE, oversample)).process(wet)
        levels_db.append(measure_aliasing(wet[RATE:]))
    print(f"aliasing in dB below the tone: {levels_db}")
    assert levels_db[1] < levels_db[0] - 10
    assert levels_db[2] < levels_db[1] - 10


def test_oversampling_is_for_the_compiled_engine() -> None:
    preset = read_preset(find_preset("rc-lowpass"))
    with pytest.raises(EngineError, match="does not oversample"):
        choose_plans([preset], "torchscript", RATE, 2)


# --- the store -------------------------------------------------------------------------------------------------------


def refuse_to_measure(preset: Preset, sample_rate: int, oversample: int) -> Plan:
    raise AssertionError("it measures again")


def test_what_was_measured_is_not_measured_again(
    make_preset: MakePreset, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = read_preset(make_preset(1, 8))
    plans = [choose_plan(preset, rate) for rate in (44_100, 96_000)]
    assert len(kept_plans(store)) == 2
    monkeypatch.setattr(rate_choice, "measure_ways", refuse_to_measure)
    assert [choose_plan(preset, rate) for rate in (44_100, 96_000)] == plans
    other = replace(preset, weights={**preset.weights, "head_bias": preset.weights["head_bias"] + np.float32(1e-6)})
    assert digest_of(other) != digest_of(preset)
    with pytest.raises(AssertionError, match="measures again"):
        choose_plan(other, 44_100)
    monkeypatch.setattr(tuning_cache, "revision", lambda: "another")
    with pytest.raises(AssertionError, match="measures again"):
        choose_plan(preset, 44_100)


@pytest.mark.parametrize(
    "changes",
    [
        {"network_rate": 12_345},
        {"network_rate": "48000"},
        {"network_rate": 48_000.0},
        {"order": True},
        {"order": 7},
        {"order": 2, "network_rate": 48_000},
        {"order": 0, "network_rate": 44_100},
        {"esr": "small"},
        {"esr": float("nan")},
        {"radius": [1.0]},
        {"order": [1]},
    ],
    ids=str,
)
def test_a_damaged_entry_is_measured_again(make_preset: MakePreset, store: Path, changes: dict[str, object]) -> None:
    preset = read_preset(make_preset(1, 4))
    plan = choose_plan(preset, 44_100)
    [(path, entry)] = kept_plans(store).items()
    path.write_text(json.dumps({**entry, **changes}))
    assert choose_plan(preset, 44_100) == plan
    assert kept_plans(store) == {path: entry}


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[1]", b'{"a": ', b"[" * 60_000], ids=lambda c: repr(c[:6]))
def test_a_broken_file_is_replaced(content: bytes, store: Path) -> None:
    tuning_cache.keep("key", {"order": 1})
    [path] = store.iterdir()
    path.write_bytes(content)
    assert tuning_cache.recall("key") is None
    assert tuning_cache.keep("key", {"order": 2}) == tuning_cache.recall("key") == {"order": 2}
    assert list(store.iterdir()) == [path]


def test_the_first_to_keep_something_wins(store: Path) -> None:
    assert tuning_cache.keep("key", {"order": 1}) == {"order": 1}
    assert tuning_cache.keep("key", {"order": 2}) == tuning_cache.recall("key") == {"order": 1}
    tuning_cache.forget("key")
    assert tuning_cache.recall("key") is None


def test_without_links_it_is_kept_too(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert tuning_cache.keep("key", {"order": 1}) == tuning_cache.recall("key") == {"order": 1}


def test_a_store_that_cannot_be_written_is_survived(
    make_preset: MakePreset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = read_preset(make_preset(1, 4))
    for folder in (tmp_path / "nowhere", None):
        monkeypatch.setattr(tuning_cache, "store_folder", lambda folder=folder: folder)
        assert_true_enough(choose_plan(preset, 96_000))


def test_what_another_version_measured_goes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuning_cache.keep("key", {"order": 1})
    monkeypatch.setattr(tuning_cache, "revision", lambda: "another")
    assert tuning_cache.recall("key") is None
    tuning_cache.keep("key", {"order": 2})
    [path] = store.iterdir()
    assert json.loads(path.read_text()) == {"order": 2}


def test_the_store_lies_beside_the_compiled_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    folder = tuning_cache.store_folder()
    assert folder is not None
    assert list(folder.parent.rglob("*.nbc"))


def test_info_tells_how_a_preset_plays_at_the_usual_rates(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "rc-lowpass", "--rates", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["sample_rate"] for row in told["rates"]] == list(USUAL_RATES)
    assert {"way", "esr", "esr_band", "radius", "latency_frames", "latency_ms"} <= set(told["rates"][0])
    assert main(["info", "rc-lowpass", "--rates"]) == 0
    shown = capsys.readouterr().out
    for row in told["rates"]:
        assert f"{row['sample_rate']} Hz" in shown
        assert row["way"] in shown
