"""The gate: it opens at its threshold, does not chatter while a chord decays, and closes tight."""

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.stages.gate import Gate, GateListener
from tests.conftest import RATE


def open_gate(audio: Float32Array, sizes: tuple[int, ...] = (64,), **settings: float) -> Float32Array:
    """The gain of the gate at each frame."""
    listener = GateListener(RATE, settings)
    gate, gains = Gate(listener), np.ones(len(audio), np.float32)
    at, number = 0, 0
    while at < len(audio):
        frames = sizes[number % len(sizes)]
        dry = audio[at : at + frames].copy()
        listener.process(dry)
        assert np.array_equal(dry, audio[at : at + frames])
        gate.process(gains[at : at + frames])
        at, number = at + frames, number + 1
    return gains


def decibels(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def test_it_opens_above_the_threshold_and_stays_shut_below() -> None:
    tone = np.sin(2 * np.pi * 82.4 * np.arange(RATE) / RATE)
    for level_db, opens in ((-49.0, True), (-51.0, False)):
        gains = open_gate((decibels(level_db) * tone).astype(np.float32), threshold=-50.0)
        assert bool(gains[-1] == 1.0) is opens
        assert gains.max() == float(opens)


def test_a_decaying_chord_with_hum_opens_and_closes_once() -> None:
    t, rng = np.arange(6 * RATE) / RATE, np.random.default_rng(1)
    chord = sum(np.sin(2 * np.pi * f * t) for f in (82.4, 123.5, 164.8, 207.7)) * 0.2 * np.exp(-1.5 * t)
    audio = (chord + 1e-3 * np.sin(2 * np.pi * 50 * t) + 3e-4 * rng.standard_normal(len(t))).astype(np.float32)
    shut = open_gate(audio, threshold=-45.0) < 0.5
    assert np.sum(np.diff(shut.astype(int)) == 1) == 1
    assert np.sum(np.diff(shut.astype(int)) == -1) == 1
    assert shut[-1]


def test_after_a_palm_mute_it_is_shut_within_a_tenth_of_a_second() -> None:
    t = np.arange(RATE) / RATE
    mute = np.sin(2 * np.pi * 82.4 * t) * np.exp(-60.0 * t)
    gains = open_gate(mute.astype(np.float32), threshold=-40.0, hold=10.0, release=20.0)
    over = int(np.flatnonzero(np.abs(mute) > decibels(-46.0))[-1])
    assert gains[over + RATE // 10] < decibels(-60.0)
    assert gains[int(0.002 * RATE)] == 1.0  # the attack has a millisecond


def test_its_gain_never_jumps_and_blocks_of_any_size_give_the_same(guitar: Float32Array) -> None:
    audio = guitar[4 * RATE : 7 * RATE]
    gains = open_gate(audio, threshold=-20.0)
    assert 0.1 < np.mean(gains > 0.5) < 1.0
    assert np.abs(np.diff(gains)).max() < 0.03
    assert np.array_equal(gains, open_gate(audio, (1, 3, 17, 509), threshold=-20.0))
