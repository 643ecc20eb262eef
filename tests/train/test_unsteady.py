"""An effect that is not the same all the time, or remembers too long, is named; one that is steady is not accused."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from fxhost.arrays import Float32Array
from tests.conftest import RATE
from tests.train.test_align import filtered
from train.pairs.moved import Move, find_move
from train.pairs.unsteady import find_unsteadiness, note_unsteadiness

SECONDS = 24
FRAMES = SECONDS * RATE
TIME = np.arange(FRAMES) / RATE


@cache
def play_phrases(seed: int) -> Float32Array:
    """Plucked notes of six pitches and many strengths, not quite in time, some of which recur."""
    rng = np.random.default_rng(seed)
    audio, at = np.zeros(FRAMES + RATE), 0.0
    while at < SECONDS - 0.5:
        hz, strength = rng.choice([82.4, 110.0, 146.8, 196.0, 246.9, 329.6]), rng.choice([0.1, 0.2, 0.4])
        t = np.arange(int(0.9 * RATE)) / RATE
        tone = sum(np.sin(2 * np.pi * hz * k * t + k) * np.exp(-t * (2 + 1.5 * k)) / k for k in range(1, 12))
        start = int(at * RATE)
        audio[start : start + len(t)] += strength * tone
        at += rng.uniform(0.18, 0.42)
    audio = audio[:FRAMES] + 1e-4 * rng.standard_normal(FRAMES)
    return (0.5 * audio / np.abs(audio).max()).astype(np.float32)


@pytest.fixture(scope="module")
def dry() -> Float32Array:
    return play_phrases(1)


def drive(audio: Float32Array) -> Float32Array:
    return filtered(np.tanh(6 * filtered(audio, 200, "high")), 4000) / 2


def later(audio: Float32Array, seconds: float) -> Float32Array:
    frames = int(seconds * RATE)
    return np.concatenate([np.zeros(frames, np.float32), audio[:-frames]])


def wander(audio: Float32Array, rate_hz: float, depth_s: float) -> Float32Array:
    return np.interp(TIME - depth_s * (1 + np.sin(2 * np.pi * rate_hz * TIME)) / 2, TIME, audio).astype(np.float32)


def reverberate(audio: Float32Array) -> Float32Array:
    rng = np.random.default_rng(2)
    tail = rng.standard_normal(RATE) * 10 ** (-3 * np.arange(RATE) / RATE)
    tail *= 0.5 / np.sqrt(np.sum(tail**2))
    size = 2 * FRAMES
    return audio + np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(tail, size))[:FRAMES].astype(np.float32)


CHANGES: dict[str, tuple[Callable[[Float32Array], Float32Array], str, str]] = {
    "echo": (lambda y: y + 0.4 * later(y, 0.3), "echo", "300 ms late"),
    "a late and soft echo": (lambda y: y + 0.25 * later(y, 0.71), "echo", "710 ms late"),
    "reverb": (reverberate, "reverb", "reverberation"),
    "tremolo": (lambda y: y * (1 + 0.4 * np.sin(2 * np.pi * 5 * TIME)), "modulation", "5.00 times a second (tremolo)"),
    "chorus": (lambda y: (y + wander(y, 0.7, 0.003)) / 2, "modulation", "0.7"),
    "vibrato": (lambda y: wander(y, 5.0, 0.0005), "modulation", "5.0"),
    "a knob that was moved": (lambda y: y * np.where(TIME < 14, 1, 1.6), "move", "louder"),
    "a device that warms up": (lambda y: y * np.linspace(1, 0.5, FRAMES), "move", "quieter"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_steady_is_named(dry: Float32Array, name: str) -> None:
    change, finding, words = CHANGES[name]
    findings = find_unsteadiness(dry, change(drive(dry)).astype(np.float32), RATE)
    assert findings[finding]
    notes = note_unsteadiness(findings)
    assert any(words in note for note in notes), notes


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "effect",
    [lambda x: x, drive, lambda x: filtered(x, 800), lambda x: np.clip(30 * x, -0.4, 0.5)],
    ids=["wire", "overdrive", "low-pass", "fuzz"],
)
def test_a_steady_effect_is_not_accused(effect: Callable[[Float32Array], Float32Array], seed: int) -> None:
    audio = play_phrases(seed)
    assert note_unsteadiness(find_unsteadiness(audio, effect(audio).astype(np.float32), RATE)) == []


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_the_same_recording_twice_does_not_move_by_itself(dry: Float32Array, gain: float) -> None:
    rounded = np.round(dry * 2**15) / 2**15
    for wet in (gain * dry, gain * rounded):
        assert note_unsteadiness(find_unsteadiness(dry, wet.astype(np.float32), RATE)) == []


def test_a_step_is_found_where_it_is(dry: Float32Array) -> None:
    move = find_move(dry, (drive(dry) * np.where(TIME < 14, 1, 0.5)).astype(np.float32), RATE)
    assert move is not None
    assert move.db == pytest.approx(-6, abs=0.7)
    assert move.at_s == pytest.approx(14, abs=1.5)


def test_another_instrument_that_the_effect_makes_louder_is_no_moved_knob(dry: Float32Array) -> None:
    half = FRAMES // 2
    joined = np.concatenate([filtered(dry, 300)[:half], filtered(dry, 900, "high")[half:]])
    bright = filtered(joined, 600, "high") * 3  # a treble booster: the second instrument comes out far louder
    assert find_move(joined, bright.astype(np.float32), RATE) is None


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_other_rates_and_short_recordings_are_looked_at_too(rate: int) -> None:
    audio = np.random.default_rng(3).standard_normal(4 * rate).astype(np.float32) / 10
    assert note_unsteadiness(find_unsteadiness(audio, np.tanh(3 * audio), rate)) == []
    assert find_move(audio[:rate], audio[:rate], rate) is None


def test_a_move_says_where_or_that_it_is_slow() -> None:
    calm = {"echo": None, "reverb": 1.0, "modulation": None}
    (step,) = note_unsteadiness({**calm, "move": vars(Move(4.0, 30.0))})
    (ramp,) = note_unsteadiness({**calm, "move": vars(Move(-3.0, None))})
    assert "4.0 dB louder" in step and "from about 30 s on" in step
    assert "3.0 dB quieter" in ramp and "little by little" in ramp
