"""What is said of a preset at the end of its training."""

from pathlib import Path

import pytest

from train.progress import Result
from train.report.verdict import judge


def make_result(validation: float, test: float | None, *, epochs: int = 100, interrupted: bool = False) -> Result:
    return Result(
        esr_validation=validation,
        esr_test=test,
        epochs=epochs,
        seconds=60.0,
        samples_per_second=1e6,
        delay_frames=0.0,
        preset=Path("mine.pt"),
        interrupted=interrupted,
        notes=(),
        history=(),
        tested=(),
        sample_rate=48_000,
    )


@pytest.mark.parametrize(
    ("validation", "test", "words"),
    [
        (0.4, 1.2, "on the test it is no nearer"), (1.4, 0.2, "on the validation it is no nearer"),
        (0.01, 0.2, "20 times that of the validation"), (0.45, 0.4, "plain to hear (ESR 0.45)"),
        (0.99, None, "on the validation it is no nearer"),
    ],
)  # fmt: skip
def test_a_preset_that_is_far_from_the_recording_is_not_offered(
    validation: float, test: float | None, words: str
) -> None:
    fit, reason = judge(make_result(validation, test))
    assert not fit
    assert words in reason


def test_a_preset_that_was_interrupted_early_goes_on_with_resume() -> None:
    assert judge(make_result(0.6, 0.7, epochs=0, interrupted=True)) == (
        False,
        "it has not been through the recording once, so it has hardly learned yet; go on with --resume",
    )


@pytest.mark.parametrize(("validation", "test"), [(0.003, 0.004), (0.001, 0.006), (0.15, 0.2), (0.02, None)])
def test_a_preset_that_is_near_the_recording_is_played(validation: float, test: float | None) -> None:
    assert judge(make_result(validation, test)) == (True, "")
