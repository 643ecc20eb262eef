"""The last word about a delay before it is taken out."""

import numpy as np
import pytest

from fxhost.arrays import Float32Array
from train.pairs.verify import MARGIN, is_early, verify_delay


def play(seed: int, frames: int = 60_000) -> Float32Array:
    """Noise with little treble and a loudness that moves, as music."""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.standard_normal(frames), np.hanning(9), "same")
    loudness = 0.1 + np.abs(np.sin(np.arange(frames) / 4003))
    return (0.2 * loudness * noise).astype(np.float32)


def low_pass(dry: Float32Array) -> Float32Array:
    return np.convolve(dry, 0.12 * 0.88 ** np.arange(200))[: len(dry)].astype(np.float32)


@pytest.mark.parametrize("found", [-17.0, -9.3, 12.0])
def test_a_pair_that_fits_as_it_is_stays_as_it_is(found: float) -> None:
    dry = play(1)
    assert verify_delay(dry, np.tanh(3 * dry) / 2, found) == 0.0


@pytest.mark.parametrize(("true", "found"), [(300, 283.0), (-40, -57.0), (4801, 4790.4)])
def test_a_delay_that_is_off_is_mended_and_none_of_the_future_is_asked_for(true: int, found: float) -> None:
    dry = play(2)
    wet = np.roll(np.tanh(3 * dry) / 2, true)
    assert true - 2 * MARGIN <= verify_delay(dry, wet, found) <= true


@pytest.mark.parametrize("found", [0.0, 16.7, -300.3])
def test_a_delay_that_was_found_well_stays_also_where_the_effect_answers_late(found: float) -> None:
    dry = play(3)
    assert verify_delay(dry, np.roll(low_pass(dry), round(found)), found) == found


def test_what_no_delay_explains_stays_as_it_was_found() -> None:
    assert verify_delay(play(4), play(5), 123.0) == 123.0
    assert verify_delay(play(4, 5000), play(5, 5000), 12.5) == 12.5  # too short to tell


def test_the_soft_beginning_of_an_answer_is_no_delay() -> None:
    dry = play(6)
    response = np.r_[np.linspace(0, 0.5, 100), 1.0, -0.9, 0.7, np.zeros(60)]  # as of a bass cabinet
    wet = np.convolve(np.tanh(3 * dry), np.r_[np.zeros(500), response])[: len(dry)].astype(np.float32)
    assert 500 <= verify_delay(dry, wet, 600.0) < 550
    assert verify_delay(dry, np.roll(np.tanh(3 * dry), 600).astype(np.float32), 600.0) == 600.0


def test_a_wet_side_is_early_only_if_it_needs_the_future() -> None:
    dry = play(7)
    wet = np.tanh(5 * low_pass(dry)) + 1e-3 * np.random.default_rng(7).standard_normal(len(dry))
    assert not is_early(dry, wet.astype(np.float32), 2.0)
    assert is_early(dry, np.roll(wet, -7).astype(np.float32), 7.0)
