"""A short run under stress (`python -m tests.measure.soak` is the long one): the same samples as rendered, and flat memory."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import RATE
from tests.measure.soak import Soak, compare, print_figures, soak

GROWTH_MB = 24.0  # the busy threads keep and free as much, by chance


@pytest.mark.skipif(
    shutil.which("jackd") is None and not os.environ.get("CI"), reason="needs a JACK server: apt install jackd2"
)
def test_six_seconds_under_stress_lose_no_sample_and_take_no_memory(
    make_preset: Callable[..., Path], tmp_path: Path
) -> None:
    result = soak(make_preset(1, 40), tmp_path, seconds=6, frames=64, stress=2)
    print_figures(result)
    assert (result.different, result.frames) == (0, 6 * RATE)
    assert result.summary["lost_frames"] == 0
    quarters = result.quarters_mb
    assert max(quarters[1:]) - quarters[0] < GROWTH_MB
    assert np.abs(soundfile.read(tmp_path / "live.wav")[0]).max() > 0.01


def test_a_sample_that_differs_or_is_missing_is_counted(tmp_path: Path) -> None:
    audio = np.random.default_rng(1).uniform(-1, 1, 100_003).astype(np.float32)
    other = audio[:-3].copy()
    other[70_000] = np.nextafter(other[70_000], np.float32(2))
    for name, samples in (("one.wav", audio), ("other.wav", other)):
        soundfile.write(tmp_path / name, samples, RATE, subtype="FLOAT")
    assert compare(tmp_path / "one.wav", tmp_path / "one.wav") == (len(audio), 0)
    assert compare(tmp_path / "one.wav", tmp_path / "other.wav") == (len(audio), 4)


def test_memory_that_grows_shows_in_the_quarters() -> None:
    seconds = np.arange(0.0, 40.0, 0.25)
    memory = np.column_stack([seconds, 100 + seconds, 100 + seconds])
    assert np.diff(Soak({"seconds": 20.0}, memory, 1, 0).quarters_mb) == pytest.approx([5.0] * 3, abs=0.3)
