"""What `fxhost bench` does when other programs use the machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fxhost.bench import disturbance as module
from fxhost.bench.blocks import Timing
from fxhost.bench.disturbance import Disturbance, Machine, measure_quietly
from fxhost.bench.limits import fits_in_a_turn
from tests.conftest import run_fxhost

QUIET, LOUD, LOUDER = (Disturbance(0.0, others, 2) for others in (0.1, 1.0, 2.0))


def pretend(monkeypatch: pytest.MonkeyPatch, *disturbances: Disturbance | None) -> None:
    """Let the machine be this busy, measurement by measurement."""
    left = iter(disturbances)
    monkeypatch.setattr(Machine, "disturbance", lambda self: next(left))


@pytest.mark.parametrize(
    ("disturbances", "kept", "attempts"),
    [([QUIET], 0, 1), ([LOUD, QUIET], 1, 2), ([LOUDER, LOUD, LOUDER], 1, 3)],
    ids=["quiet", "quiet the second time", "never quiet"],
)
def test_what_was_spoiled_is_measured_again_and_the_quietest_counts(
    disturbances: list[Disturbance], kept: int, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, *disturbances)
    results = iter(range(9))
    result, found = measure_quietly(lambda: next(results), lambda _: False)
    assert found is not None
    assert (result, found.attempts, found.others) == (kept, attempts, disturbances[kept].others)


def test_where_nothing_is_known_or_the_user_ends_it_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, None, LOUD)
    assert measure_quietly(lambda: "a", lambda _: False) == ("a", None)
    result, found = measure_quietly(lambda: "b", lambda _: True)
    assert (result, found and found.attempts) == ("b", 1)


def test_the_shares_are_those_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat, tick = tmp_path / "stat", os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(module, "STAT", stat)
    monkeypatch.setattr(module.time, "perf_counter", iter([0.0, 2.0]).__next__)
    monkeypatch.setattr(module.time, "process_time", iter([0.0, 0.5]).__next__)
    stat.write_text("cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 …\n")
    machine = Machine()
    stat.write_text(f"cpu  {tick} {tick // 2} {tick // 2} 0 0 {tick // 4} {tick // 4} {tick // 10} 0 0\n")
    found = machine.disturbance()
    assert found is not None
    assert (found.others, found.stolen) == (pytest.approx(1.0), pytest.approx(0.05))
    assert found.is_spoiled


def test_a_system_that_does_not_tell_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STAT", tmp_path / "none")
    assert Machine().disturbance() is None


def test_a_turn_that_was_spoiled_is_no_refusal() -> None:
    def timing(microseconds: float, disturbance: Disturbance) -> Timing:
        return Timing("x", "compiled", 64, 48_000, 1.0, np.full(100, microseconds), disturbance)

    late, fast = (timing(1000.0, LOUD), timing(10.0, QUIET))
    turns = iter([late, late, late, fast])
    assert fits_in_a_turn(lambda: next(turns))
    refusals = iter([timing(1000.0, QUIET)] * 2)
    assert not fits_in_a_turn(lambda: next(refusals))
    assert not fits_in_a_turn(lambda: late)  # it ends


def test_busy_programs_are_told(make_preset: Callable[..., Path]) -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        done = run_fxhost("bench", make_preset(1, 8), "--block-frames", "64", "--seconds", "0.5", "--json")
        shown = run_fxhost("bench", make_preset(1, 8), "--block-frames", "64", "--seconds", "0.5")
    finally:
        for process in busy:
            process.kill()
            process.wait()
    (row,) = json.loads(done.stdout)
    assert row["disturbance"]["spoiled"] and row["disturbance"]["attempts"] == 3
    assert "1 of 1 measurements were disturbed, at worst by other programs" in shown.stderr
