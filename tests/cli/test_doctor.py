"""`fxhost doctor`: a line for each finding, JSON, and the exit code."""

import json
from pathlib import Path

import pytest

from fxhost.cli.doctor import format_finding, tell_health
from fxhost.io.finding import Finding, Machine, PortAudio
from fxhost.io.health import CHECKS
from tests.conftest import call_fxhost
from tests.io.test_health import PORTAUDIO, governor, limits, make_machine, status

WELL = {**limits(95), **status(), **governor("performance")}
ILL = {**limits(0), **status(cpus="0-1"), **governor("schedutil")}


@pytest.fixture
def well(tmp_path: Path) -> Machine:
    """A machine on which nothing is bad."""
    return make_machine(tmp_path / "well", WELL, take_priority=lambda: True)


@pytest.fixture
def ill(tmp_path: Path) -> Machine:
    """A machine without a real-time priority, and with few cores that slow down."""
    return make_machine(tmp_path / "ill", ILL)


def test_each_finding_is_a_line_and_the_last_sums_up(ill: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell_health(ill, as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CHECKS) + 1
    assert lines[0].startswith("bad      real-time priority: refused to this user (rtprio 0) → sudo usermod -aG audio")
    assert "warning  CPU frequency: governor schedutil" in lines[2]
    assert lines[-1] == "1 bad, 2 to watch; mend what is bad first"


def test_what_is_to_watch_or_unknown_is_no_failure(
    well: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell_health(well, as_json=False) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("nothing that makes sound drop out; ")
    slow = make_machine(tmp_path / "slow", WELL | governor("schedutil"), take_priority=lambda: True)
    assert tell_health(slow, as_json=False) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("nothing bad, 1 to watch; ")


def test_a_machine_without_sound_is_bad(tmp_path: Path) -> None:
    mute = make_machine(tmp_path, WELL, take_priority=lambda: True, ask_portaudio=lambda: PortAudio("V19", ("ALSA",)))
    assert tell_health(mute, as_json=True) == 1


def test_json_holds_the_same_and_the_same_exit_code(
    ill: Machine, well: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell_health(ill, as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["platform"], told["left_out"]) == ("linux", [])
    assert [row["name"] for row in told["findings"]] == [check.name for check in CHECKS]
    assert told["findings"][0].keys() == {"name", "status", "text", "advice"}
    assert told["findings"][0]["status"] == "bad"
    assert tell_health(well, as_json=True) == 0


@pytest.mark.parametrize(("platform", "system"), [("darwin", "macOS"), ("win32", "Windows")])
def test_elsewhere_it_says_what_it_leaves_out(
    platform: str, system: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = make_machine(tmp_path, {}, platform=platform, ask_portaudio=lambda: PORTAUDIO)
    assert tell_health(machine, as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 + 2
    assert lines[-2].startswith(f"left out, because they say nothing on {system}: real-time priority, locked memory, ")


def test_a_finding_is_one_line_whatever_a_device_is_called() -> None:
    assert format_finding(Finding("JACK", "good", "no server runs")) == "good     JACK: no server runs"
    assert format_finding(Finding("x", "bad", "broken", "mend")) == "bad      x: broken → mend"


def test_the_command_looks_at_this_machine() -> None:
    told = call_fxhost("doctor", "--json")
    findings = json.loads(told.stdout)["findings"]
    assert told.returncode == int(any(row["status"] == "bad" for row in findings))
    lines = call_fxhost("doctor").stdout.splitlines()
    assert [line[9:].partition(":")[0] for line in lines[: len(findings)]] == [row["name"] for row in findings]
