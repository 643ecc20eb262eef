"""The self-test: its lessons, and what it says about a training."""

from dataclasses import replace

import numpy as np
import pytest

import train.selftest
from fxhost.arrays import Float32Array
from fxhost.errors import TrainingError
from train.network.losses import esr
from train.progress import Progress
from train.selftest import LESSONS, SAMPLE_RATE, Lesson, make_noisy_sine, run_selftest

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.\w+` is (deprecated|not supported):DeprecationWarning")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lessons of 5 s of audio."""
    monkeypatch.setattr(train.selftest, "SECONDS", 5.0)


def test_the_identity_is_learned_and_the_row_says_so(short: None) -> None:
    seen: list[tuple[str, Progress]] = []
    (row,) = run_selftest(minutes_each=0.05, lessons=LESSONS[:1], report=lambda *progress: seen.append(progress))
    assert (row.name, row.what, row.limit) == (LESSONS[0].name, LESSONS[0].what, LESSONS[0].limit)
    assert row.esr_dry == 0
    assert row.esr_after < 0.3
    assert row.passed == (row.esr_after < row.limit)
    assert row.seconds > 0
    assert {name for name, _ in seen} == {"identity"}
    assert seen[-1][1].esr_best <= seen[0][1].esr_validation


def test_a_lesson_that_nothing_can_learn_is_not_passed(short: None) -> None:
    def add_noise() -> tuple[Float32Array, Float32Array]:
        rng = np.random.default_rng(7)
        dry, noise = rng.uniform(-0.4, 0.4, (2, 5 * SAMPLE_RATE)).astype(np.float32)
        return dry, dry + noise

    lesson = Lesson("chance", "noise that is not in the dry signal, half of the power", 0.2, add_noise)
    (row,) = run_selftest(minutes_each=0.01, lessons=[lesson])
    assert not row.passed
    assert row.esr_after > 0.4


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_is_sound_and_the_dry_signal_does_not_pass_it_but_as_the_identity(lesson: Lesson, short: None) -> None:
    dry, wet = lesson.make_audio()
    assert dry.shape == wet.shape == (5 * SAMPLE_RATE,)
    assert dry.dtype == wet.dtype == np.float32
    assert max(np.abs(dry).max(), np.abs(wet).max()) < 1
    assert (esr(wet, dry) < lesson.limit) == (lesson.name == "identity")


def test_no_scaled_copy_of_the_noisy_sine_passes(short: None) -> None:
    dry, wet = (audio.astype(np.float64) for audio in make_noisy_sine())
    assert esr(wet, dry * (dry @ wet) / (dry @ dry)) > 2 * LESSONS[2].limit


def test_the_low_pass_halves_the_power_at_its_corner(short: None) -> None:
    dry, wet = (np.abs(np.fft.rfft(audio)) for audio in LESSONS[1].make_audio())
    at = slice(5 * 950, 5 * 1050)
    assert np.sum(wet[at] ** 2) / np.sum(dry[at] ** 2) == pytest.approx(0.5, abs=0.02)


def test_ctrl_c_ends_the_whole_test(short: None) -> None:
    def interrupt(name: str, progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_selftest(minutes_each=0.01, lessons=LESSONS[:1], report=interrupt)


def test_wrong_minutes_and_no_lessons_are_refused() -> None:
    with pytest.raises(TrainingError, match="minutes is 0"):
        run_selftest(minutes_each=0)
    with pytest.raises(TrainingError, match="got no lesson"):
        run_selftest(lessons=[])


def test_the_whole_takes_less_than_two_minutes_of_training() -> None:
    assert train.selftest.MINUTES * len(LESSONS) < 1.6
    assert replace(train.selftest.SETTINGS, minutes=train.selftest.MINUTES).budget_seconds() == pytest.approx(27)
