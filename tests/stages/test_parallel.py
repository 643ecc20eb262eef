"""Parallel chains, the fractional delay and the volume control, against references in float64, in blocks of any size."""

from collections.abc import Sequence

import numpy as np
import pytest

from fxhost.arrays import Float32Array, Float64Array
from fxhost.engine.rate_accuracy import limit_band
from fxhost.stages.base import PLANE, Stage
from fxhost.stages.parallel.delay import HALF, fractional_taps, missing_frames, round_delay
from fxhost.stages.parallel.stages import BRANCH, Join, Recall, Split, Sum
from fxhost.stages.volume import Volume
from tests.conftest import RATE

BLOCKS = (1, 3, 17, 64, 509, 512)
LEVEL, PAN, MUTE, SOLO = range(len(BRANCH))


def play(stages: Sequence[Stage], audio: Float32Array, seed: int | None = None) -> Float32Array:
    """Both sides of what comes of a mono signal, (2, frames), in whole planes or in blocks of random sizes."""
    rng, at = np.random.default_rng(seed), 0
    block, out = np.zeros((2, PLANE), np.float32), np.zeros((2, len(audio)), np.float32)
    while at < len(audio):
        frames = min(PLANE if seed is None else int(rng.choice(BLOCKS)), len(audio) - at)
        block[0, :frames] = audio[at : at + frames]
        for stage in stages:
            stage.process_at(block.ctypes.data + 4 * PLANE * stage.channel, frames)
        out[:, at : at + frames] = block[:, :frames]
        at += frames
    return out


def parallel(
    delays: Sequence[float], settings: Sequence[dict[str, float]], sides: int = 1, **given: object
) -> list[Stage]:
    """Branches that do nothing but what is asked of them here."""
    split = Split(settings, given.pop("polarities", [1] * len(delays)), **given)  # type: ignore[arg-type]
    stages: list[Stage] = [split]
    for branch, delay in enumerate(delays):
        stages += [Recall(split)] if branch else []
        stages.append(Join(split, branch, delay, RATE, sides=sides))
    return [*stages, Sum(split, sides)]


def delayed(audio: Float32Array, frames: float) -> Float64Array:
    """The audio later by so many frames, of which a fraction is made by turning the phases."""
    size = 2 * len(audio)
    turn = np.exp(-2j * np.pi * frames * np.arange(size // 2 + 1) / size)
    return np.fft.irfft(np.fft.rfft(audio, size) * turn, size)[: len(audio)]


@pytest.fixture
def audio(guitar: Float32Array) -> Float32Array:
    ends = np.minimum(1.0, np.arange(20_000) / 1000)
    below = limit_band(0.3 * guitar[4 * RATE :][:20_000], RATE, 16_000.0)  # where the fractional delay is true
    return (below * ends * ends[::-1]).astype(np.float32)


@pytest.mark.parametrize("delays", [[0.0, 0.0, 0.0], [0.0, 5.0, 700.0], [7.25, 0.0, 480.875], [3.0, 5000.0, 8.001]])
def test_the_sum_is_that_of_the_delayed_branches_times_their_gains_on_either_side(
    delays: list[float], audio: Float32Array
) -> None:
    settings = [{"level": -3.0}, {"level": 5.0, "pan": -0.5}, {"level": -40.0, "pan": 1.0}]
    stages = parallel(delays, settings, sides=2, polarities=[1, -1, 1])
    gains = np.array([[1, 1], [-1, -0.5], [0, 1]]) * 10 ** (np.array([-3.0, 5.0, -40.0])[:, None] / 20)
    wanted = sum(np.outer(own, delayed(audio, delay)) for own, delay in zip(gains, delays, strict=True))
    edge = 2 * HALF  # before it the turned phases have heard what the filter has not
    error = np.abs(play(stages, audio) - wanted)[:, edge:]
    assert error.max() < (3e-5 if any(delay % 1.0 for delay in delays) else 3e-7)
    assert stages[-1].makes_stereo


@pytest.mark.parametrize("delays", [[0.0, 0.0], [7.25, 700.5], [5000.0, 12.0]])
def test_blocks_of_any_size_give_the_same_samples_to_the_bit_also_after_a_reset(
    delays: list[float], audio: Float32Array
) -> None:
    stages = parallel(delays, [{"level": -3.0}, {"pan": 0.3}], sides=2)
    whole = play(stages, audio)
    for seed in (1, 2):
        for stage in stages:
            stage.reset()
        assert np.array_equal(play(stages, audio, seed), whole)


def test_two_equal_branches_are_twice_as_loud_and_an_inverted_one_cancels(audio: Float32Array) -> None:
    assert np.array_equal(play(parallel([0.0, 0.0], [{}, {}]), audio)[0], 2 * audio)
    assert np.array_equal(play(parallel([9.5, 9.5], [{}, {}], polarities=[1, -1]), audio)[0], 0 * audio)


@pytest.mark.parametrize(
    ("muted", "solo", "heard"),
    [([], [], [0, 1, 2]), ([0], [], [1, 2]), ([], [1], [1]), ([], [0, 1], [0, 1]), ([0], [0], []), ([2], [0], [0])],
)
def test_a_mute_silences_a_branch_and_a_solo_all_others(
    muted: list[int], solo: list[int], heard: list[int], audio: Float32Array
) -> None:
    levels = [-20.0, 0.0, 12.0]
    settings = [{"level": levels[n], "mute": float(n in muted), "solo": float(n in solo)} for n in range(3)]
    gain = sum(10 ** (levels[n] / 20) for n in heard)
    assert np.abs(play(parallel([0.0] * 3, settings), audio)[0] - gain * audio.astype(np.float64)).max() < 3e-7


@pytest.mark.parametrize(("number", "value"), [(LEVEL, 12.0), (LEVEL, -60.0), (MUTE, 1.0), (SOLO, 1.0), (PAN, 1.0)])
def test_what_is_turned_glides_to_where_a_fresh_one_begins(number: int, value: float) -> None:
    sine = (0.1 * np.sin(2 * np.pi * 110 * np.arange(RATE) / RATE)).astype(np.float32)
    stages = parallel([0.0, 0.0], [{}, {"level": -6.0}], sides=2)
    before = play(stages, sine)
    stages[0].set_parameter(number, value)
    after = play(stages, sine)
    fresh = parallel([0.0, 0.0], [{BRANCH[number].name: value}, {"level": -6.0}], sides=2)
    assert np.array_equal(after[:, RATE // 2 :], play(fresh, sine)[:, RATE // 2 :])
    assert not np.array_equal(after[:, -100:], before[:, -100:])
    steps = np.abs(np.diff(np.concatenate([before, after], axis=1)))
    assert steps.max() <= 1.05 * np.abs(np.diff(np.concatenate([before, after[:, RATE // 2 :]], axis=1))).max()


def test_after_a_reset_the_gains_are_where_they_were_turned_to_at_once(audio: Float32Array) -> None:
    for stages, number in ((parallel([0.0, 0.0], [{}, {}]), MUTE), ([Volume(RATE, {})], 1)):
        play(stages, audio)
        stages[0].set_parameter(number, 1.0)
        for stage in stages:
            stage.reset()
        wanted = 0 * audio if len(stages) == 1 else audio
        assert np.array_equal(play(stages, audio)[0], wanted)


def test_a_branch_that_is_not_heard_cannot_spoil_the_others(audio: Float32Array) -> None:
    stages = parallel([0.0, 0.0], [{}, {"mute": 1.0}])
    poison = Volume(RATE, {})
    poison.memory["gain"], poison.memory["has_begun"] = np.nan, 1
    assert np.array_equal(play([*stages[:3], poison, *stages[3:]], audio)[0], audio)


@pytest.mark.parametrize("mix", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("delay", [0.0, 64.0, 70.5])
def test_a_mix_is_so_much_wet_and_the_rest_dry(mix: float, delay: float, audio: Float32Array) -> None:
    split = Split([{"mix": mix}], is_mix=True)
    wet = Volume(RATE, {"level": 6.0})
    played = play(
        [split, wet, Join(split, 0, 0.0, RATE), Recall(split), Join(split, 1, delay, RATE), Sum(split)], audio
    )[0]
    wanted = mix * 10 ** (6 / 20) * audio.astype(np.float64) + (1 - mix) * delayed(audio, delay)
    assert np.abs(played - wanted)[2 * HALF :].max() < (3e-5 if delay % 1.0 else 1e-7)


@pytest.mark.parametrize("fraction", [0.01, 0.25, 0.5, 0.777, 0.99])
def test_the_taps_delay_by_their_fraction_up_to_16_khz(fraction: float) -> None:
    omega = 2 * np.pi * np.linspace(50.0, 16_000.0, 200) / RATE
    response = np.exp(-1j * omega[:, None] * np.arange(2 * HALF)) @ fractional_taps(fraction)
    error = response * np.exp(1j * omega * (HALF - 1 + fraction))
    assert np.abs(20 * np.log10(np.abs(error))).max() < 0.01
    assert np.abs(np.angle(error) / omega).max() < 0.001


@pytest.mark.parametrize(
    ("frames", "missing"), [(0.0, 0), (3.0, 0), (0.5, 7), (6.9, 1), (7.25, 0), (100.5, 0), (4.9999, 0)]
)
def test_a_delay_that_is_not_whole_takes_what_its_filter_needs(frames: float, missing: int) -> None:
    assert missing_frames(round_delay(frames)) == missing


def test_a_volume_control_is_a_gain_that_glides_and_a_mute(audio: Float32Array) -> None:
    volume = Volume(RATE, {"level": -6.0})
    assert np.abs(play([volume], audio)[0] - 10 ** (-6 / 20) * audio.astype(np.float64)).max() < 1e-7
    assert np.array_equal(play([Volume(RATE, {})], audio, 1)[0], audio)
    volume.set_parameter(1, 1.0)
    muted = play([volume], audio, 1)[0]
    assert np.abs(muted[:200]).max() > 0 and not muted[RATE // 4 :].any()
    volume.set_parameter(1, 0.0)
    volume.set_parameter(0, 12.0)
    play([volume], audio)
    assert np.abs(play([volume], audio)[0] - 10 ** (12 / 20) * audio.astype(np.float64)).max() < 1e-6
