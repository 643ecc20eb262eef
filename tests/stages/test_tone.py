"""The tone controls: against the cookbook in scipy's filter where it is installed, and in how they glide."""

import numpy as np
import pytest

from fxhost.arrays import Float32Array, Float64Array
from fxhost.stages.tone import PARAMETERS, Tone
from tests.conftest import RATE

NAMES = [parameter.name for parameter in PARAMETERS]


def filter_by_definition(audio: Float64Array, b: Float64Array, a: Float64Array) -> Float64Array:
    """The difference equation of a biquad, a[0] = 1."""
    out = np.zeros(len(audio) + 2)
    padded = np.concatenate([np.zeros(2), audio])
    for n in range(2, len(out)):
        out[n] = b @ padded[n - 2 : n + 1][::-1] - a[1:] @ out[n - 2 : n][::-1]
    return out[2:]


def cookbook(kind: str, frequency: float, gain_db: float, q: float) -> tuple[Float64Array, Float64Array]:
    """B and a over a0, as the cookbook writes them."""
    omega = 2 * np.pi * frequency / RATE
    cos, alpha, a = np.cos(omega), np.sin(omega) / (2 * q), 10 ** (gain_db / 40)
    root = 2 * np.sqrt(a) * alpha
    b_and_a = {
        "peak": ([1 + alpha * a, -2 * cos, 1 - alpha * a], [1 + alpha / a, -2 * cos, 1 - alpha / a]),
        "low shelf": (
            [a * (a + 1 - (a - 1) * cos + root), 2 * a * (a - 1 - (a + 1) * cos), a * (a + 1 - (a - 1) * cos - root)],
            [a + 1 + (a - 1) * cos + root, -2 * (a - 1 + (a + 1) * cos), a + 1 + (a - 1) * cos - root],
        ),
        "high shelf": (
            [a * (a + 1 + (a - 1) * cos + root), -2 * a * (a - 1 + (a + 1) * cos), a * (a + 1 + (a - 1) * cos - root)],
            [a + 1 - (a - 1) * cos + root, 2 * (a - 1 - (a + 1) * cos), a + 1 - (a - 1) * cos - root],
        ),
        "high pass": ([(1 + cos) / 2, -(1 + cos), (1 + cos) / 2], [1 + alpha, -2 * cos, 1 - alpha]),
        "low pass": ([(1 - cos) / 2, 1 - cos, (1 - cos) / 2], [1 + alpha, -2 * cos, 1 - alpha]),
    }
    b, over = (np.array(side) for side in b_and_a[kind])
    return b / over[0], over / over[0]


CASES = {
    "bass": ({"bass": 7.0}, ("low shelf", 120.0, 7.0, 0.7071)),
    "mid": ({"mid": -9.0}, ("peak", 650.0, -9.0, 0.7)),
    "treble": ({"treble": 5.5}, ("high shelf", 3000.0, 5.5, 0.7071)),
    "treble down": ({"treble": -12.0}, ("high shelf", 3000.0, -12.0, 0.7071)),
    "low cut": ({"low_cut": 90.0}, ("high pass", 90.0, 0.0, 0.7071)),
    "high cut": ({"high_cut": 7000.0}, ("low pass", 7000.0, 0.0, 0.7071)),
    "first band": ({"band1_freq": 250.0, "band1_gain": -11.0, "band1_q": 4.0}, ("peak", 250.0, -11.0, 4.0)),
    "second band": ({"band2_freq": 5000.0, "band2_gain": 18.0, "band2_q": 0.3}, ("peak", 5000.0, 18.0, 0.3)),
}


@pytest.mark.parametrize("case", CASES)
def test_each_control_is_the_filter_of_the_cookbook(case: str, guitar: Float32Array) -> None:
    settings, (kind, frequency, gain_db, q) = CASES[case]
    audio = 0.3 * guitar[4 * RATE :][:9001]
    played = audio.copy()
    Tone(RATE, settings).process(played)
    wanted = filter_by_definition(audio.astype(np.float64), *cookbook(kind, frequency, gain_db, q))
    assert np.abs(wanted - audio).max() > 0.005
    assert np.abs(played - wanted).max() < 1e-6


def test_at_its_defaults_it_is_the_identity(guitar: Float32Array) -> None:
    played = guitar.copy()
    Tone(RATE, {}).process(played)
    assert np.array_equal(played, guitar)


def test_blocks_of_any_size_give_the_same_samples_to_the_bit_also_after_a_reset(guitar: Float32Array) -> None:
    tone = Tone(RATE, {"bass": 6.0, "high_cut": 5000.0, "band1_gain": -3.0})
    whole = guitar[4 * RATE :][:20_000].copy()
    tone.process(whole)
    tone.reset()
    pieces, rng, at = guitar[4 * RATE :][:20_000].copy(), np.random.default_rng(3), 0
    while at < len(pieces):
        frames = int(rng.choice([1, 3, 17, 64, 509]))
        tone.process(pieces[at : at + frames])
        at += frames
    assert np.array_equal(pieces, whole)


@pytest.mark.parametrize("name", NAMES)
def test_a_control_that_is_turned_from_end_to_end_makes_no_step(name: str) -> None:
    """Between two samples of a 110 Hz sine lies no more than what the steepest gain on the way makes of it."""
    parameter = PARAMETERS[NAMES.index(name)]
    tone = Tone(RATE, {name: parameter.lowest, "band1_gain": 6.0} if name != "band1_gain" else {name: -18.0})
    sine = (0.1 * np.sin(2 * np.pi * 110 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    out = sine.copy()
    for number, start in enumerate(range(0, len(out), 64)):
        if number % 300 == 150:  # every 0.4 s
            tone.set_parameter(NAMES.index(name), parameter.highest if number % 600 == 150 else parameter.lowest)
        tone.process(out[start : start + 64])
    largest_gain = 10 ** (max(6.0, abs(parameter.highest) if parameter.unit == "dB" else 0.0) / 20)
    assert np.abs(np.diff(out[RATE // 10 :])).max() < 1.2 * largest_gain * np.abs(np.diff(sine)).max() + 1e-4
