"""The guards in a run: on the virtual device, and on a real JACK server."""

import json
import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.conftest import jack_server, run_fxhost, save_slow_preset, without_waits


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_slow_preset(tmp_path_factory.mktemp("slow") / "slow.pt")


@pytest.mark.parametrize("device", ["virtual", "system"])
def test_a_run_goes_on_without_what_is_too_slow(device: str, slow: Path) -> None:
    if device == "system" and shutil.which("jackd") is None and not os.environ.get("CI"):
        pytest.skip("needs a JACK server: apt install jackd2")
    with jack_server(64) if device == "system" else nullcontext(dict(os.environ)) as env:
        command = "run", "ts-overdrive", slow, "--device", device, "--duration", 5, "--json"
        done = run_fxhost(*command, env=env)
        without = run_fxhost(*command, "--no-overrun-guard", env=env)
    assert (done.returncode, without.returncode) == (0, 0), done.stderr + without.stderr
    assert without_waits(without.stderr) == ""
    lines = without_waits(done.stderr).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("fxhost: 2 slow is bypassed: it takes ")
    assert lines[0].endswith("; key 2 switches it on again")
    guarded, left = json.loads(done.stdout), json.loads(without.stdout)
    assert guarded["blocks"] > left["blocks"]
    assert left["overruns"] > 0.9 * left["blocks"]
