"""The guards in a run."""

import json
from pathlib import Path

import pytest

from tests.conftest import run_fxhost, save_slow_preset, without_waits


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_slow_preset(tmp_path_factory.mktemp("slow") / "slow.pt")


def test_a_run_goes_on_without_what_is_too_slow(slow: Path) -> None:
    command = "run", "ts-overdrive", slow, "--device", "virtual", "--duration", 5, "--json"
    done, without = run_fxhost(*command), run_fxhost(*command, "--no-overrun-guard")
    assert (done.returncode, without.returncode) == (0, 0), done.stderr + without.stderr
    assert without_waits(without.stderr) == ""
    lines = without_waits(done.stderr).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("fxhost: 2 slow is bypassed: it takes ")
    assert lines[0].endswith("; key 2 switches it on again")
    guarded, left = json.loads(done.stdout), json.loads(without.stdout)
    assert guarded["blocks"] > left["blocks"]
    assert left["overruns"] > 0.9 * left["blocks"]
