"""The benchmark prints what it says it does; how fast that is, is not asserted."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT


def run_bench(*arguments: str) -> str:
    command = [sys.executable, "-m", "train.bench", *arguments, "--json"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout


def test_the_throughput_of_both_sides_is_a_list_of_objects() -> None:
    (row,) = json.loads(run_bench("--hidden-size", "16", "--seconds", "0.01", "--window-frames", "64"))
    assert row["hidden_size"] == 16
    assert row["ratio"] == pytest.approx(row["samples_per_second"] / row["torch_samples_per_second"])


def test_the_time_of_an_epoch_is_told_step_by_step() -> None:
    *steps, total = json.loads(run_bench("--epoch", "--hidden-size", "4", "--seconds", "0.01"))
    assert {step["step"] for step in steps} >= {"feeding", "forward, loss and backward", "clipping and update"}
    assert sum(step["share"] for step in steps) == pytest.approx(1)
    assert sum(step["seconds"] for step in steps) == pytest.approx(total["seconds"])
