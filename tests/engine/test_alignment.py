"""How late a signal is against another: found to a fiftieth of a frame, whatever drives them."""

import numpy as np
import pytest

from fxhost.arrays import Float32Array, Float64Array
from fxhost.engine.alignment import LEAST_LIKENESS, find_lag
from fxhost.riff import synthesise_riff
from tests.conftest import RATE


def delayed(audio: Float32Array, frames: float) -> Float32Array:
    size = 2 * len(audio)
    turn = np.exp(-2j * np.pi * frames * np.arange(size // 2 + 1) / size)
    return np.fft.irfft(np.fft.rfft(audio, size) * turn, size)[: len(audio)].astype(np.float32)


def drive(audio: Float64Array | Float32Array, gain: float) -> Float32Array:
    return np.tanh(gain * audio).astype(np.float32)


@pytest.fixture
def audio() -> Float32Array:
    """What it is measured on. On a real guitar two drives lie up to a frame apart, because its waves lean over."""
    return 2 * synthesise_riff(RATE)[: 4 * RATE]


@pytest.mark.parametrize("frames", [0.0, 0.37, -3.5, 12.9, -301.25, 470.01])
@pytest.mark.parametrize("polarity", [1, -1])
def test_the_delay_of_one_drive_against_another_is_found(frames: float, polarity: int, audio: Float32Array) -> None:
    lag = find_lag(drive(audio, 2.0), polarity * drive(delayed(audio, frames), 9.0), RATE)
    assert lag.frames == pytest.approx(frames, abs=0.02)
    assert (lag.polarity, lag.likeness > 0.6) == (polarity, True)


def test_a_pure_delay_is_wholly_alike_and_found_to_a_thousandth(audio: Float32Array) -> None:
    lag = find_lag(audio, delayed(audio, 5.125), RATE)
    assert lag.frames == pytest.approx(5.125, abs=1e-3)
    assert lag.likeness == pytest.approx(1.0, abs=1e-3)


def test_it_is_looked_for_around_what_is_expected(audio: Float32Array) -> None:
    assert find_lag(audio, delayed(audio, 2000.5), RATE, 1900.0).frames == pytest.approx(2000.5, abs=0.01)
    assert abs(find_lag(audio, delayed(audio, 2000.5), RATE).frames) <= 481


def test_what_has_nothing_to_do_with_it_is_unlike(audio: Float32Array) -> None:
    rng = np.random.default_rng(1)
    assert find_lag(audio, rng.standard_normal(len(audio)).astype(np.float32), RATE).likeness < LEAST_LIKENESS
    assert find_lag(audio, np.zeros_like(audio), RATE).likeness == 0.0
    assert find_lag(np.zeros_like(audio), audio, RATE).likeness == 0.0
