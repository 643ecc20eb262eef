"""The live screen: its parts as text, and the whole in a real terminal with keys."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import RATE, ROOT
from rich.console import Console

from fxhost.engine import compiled_stage
from fxhost.knobs import KnobBoard
from fxhost.live import GAIN_LIMIT_DB, PEAK_HOLD_S, Meter, Screen, draw_meter, format_db, format_grants
from fxhost.preset import read_preset
from fxhost.rack import Rack
from fxhost.realtime import LockedMemory, Scheduling
from fxhost.stream import VirtualStream

MakePreset = Callable[..., Path]


@pytest.fixture
def screen() -> Screen:
    rack = Rack([], RATE, source=np.full(RATE, 0.5, np.float32))
    return Screen(
        ["one", "two"], "compiled", rack, VirtualStream(rack, sample_rate=RATE), LockedMemory(3_000_000, 4_560_000), ()
    )


@pytest.mark.parametrize(("level", "text"), [(-200.0, "   −∞ dB"), (-6.02, " −6.0 dB"), (0.0, " +0.0 dB")])
def test_levels_read_as_people_write_them(level: float, text: str) -> None:
    assert format_db(level) == text


@pytest.mark.parametrize(("level", "filled"), [(-200.0, 0), (-60.0, 0), (-30.0, 20), (0.0, 40), (12.0, 40)])
def test_a_meter_runs_from_minus_sixty_to_zero(level: float, filled: int) -> None:
    assert draw_meter(Meter(level), 40).plain.count("█") == filled


def test_a_peak_is_held_for_a_while_and_then_let_go() -> None:
    meter = Meter()
    meter.update(-6.0, -20.0, 0.0)
    meter.update(-30.0, -40.0, PEAK_HOLD_S / 2)
    assert (meter.level_db, meter.held_db) == (-30.0, -6.0)
    meter.update(-40.0, -50.0, PEAK_HOLD_S * 1.1)
    assert meter.held_db == -40.0


def test_the_keys_turn_what_they_say(screen: Screen) -> None:
    for key, wish in zip("]]]-b", ["", "", "", "", ""], strict=True):
        assert screen.press(key) == wish
    assert screen.rack.input_gain_db == pytest.approx(3.0, abs=1e-4)
    assert screen.rack.output_gain_db == pytest.approx(-1.0, abs=1e-4)
    assert screen.rack.is_bypassed
    screen.press("b")
    assert not screen.rack.is_bypassed
    assert [screen.press(key) for key in ("r", "q", "x", "")] == ["reset", "quit", "", ""]
    for _ in range(100):
        screen.press("+")
        screen.press("[")
    assert screen.rack.output_gain_db == pytest.approx(GAIN_LIMIT_DB, abs=1e-4)
    assert screen.rack.input_gain_db == pytest.approx(-GAIN_LIMIT_DB, abs=1e-4)


def test_the_keys_turn_the_knobs(screen: Screen, make_preset: MakePreset) -> None:
    preset = read_preset(make_preset(1, 8, 3))
    screen.knobs = KnobBoard([preset])
    screen.knobs.attach([compiled_stage(preset)])
    shown = Console(width=100, record=True)
    assert [screen.press(key) for key in "k.., "] == [""] * 5
    assert screen.knobs.values == [[0.25, 0.55]]
    shown.print(screen.draw())
    assert " knob 1 0.25  ▸knob 2 0.55" in (text := shown.export_text())
    assert "k next knob   , . turn it" in text
    for _ in range(100):
        screen.press(".")
    assert screen.knobs.values == [[0.25, 1.0]]


def test_the_screen_shows_everything_a_player_wants_to_know(screen: Screen) -> None:
    block = np.zeros(64, np.float32)
    for _ in range(3):
        screen.update(screen.rack.read_meters())
        screen.rack.process(block, block.copy(), flags=2)
    screen.rack.is_bypassed = True
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(screen.draw())
    console.file.close()
    text = console.export_text()
    for part in (
        "one → two",
        "BYPASS",
        "virtual",
        "48000 Hz",
        "64 frames (1.33 ms)",
        "stream latency 20.0 ms",
        "−6.0 dB",
    ):
        assert part in text
    for part in ("p50", "p99", "max", "xruns 3", "bad samples 0", "input gain", "quit"):
        assert part in text
    assert "real-time priority" in text if sys.platform == "linux" else "unknown" in text
    assert "3.0 of 4.6 MB locked in memory" in text


@pytest.mark.parametrize(
    ("scheduling", "text"),
    [
        (Scheduling("SCHED_FIFO", 65), "real-time priority 65   "),
        (Scheduling("SCHED_OTHER", 0), "no real-time priority   "),
        (None, "unknown   "),
    ],
)
def test_what_the_thread_was_granted_reads_as_words(scheduling: Scheduling | None, text: str) -> None:
    assert format_grants(scheduling, LockedMemory(0, 45_600)) == text + "0.0 of 45.6 kB locked in memory"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_in_a_terminal_the_screen_is_drawn_and_the_keys_work(make_preset: MakePreset, tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"}
    out = tmp_path / "out.wav"
    command = [
        sys.executable,
        "-m",
        "fxhost.cli",
        "run",
        make_preset(1, 8),
        "--device",
        "virtual",
        "--output-file",
        out,
    ]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=ROOT) as run:
        os.close(slave)
        try:
            shown = read_until(master, "bad samples", 30.0)
            assert "BYPASS" not in shown
            os.write(master, b"b")
            read_until(master, "BYPASS", 10.0)
            os.write(master, b"]]\x1b[A\x1b[1;5D\x1bOP")  # two keys, and three that mean nothing here
            read_until(master, "+2.0 dB", 10.0)
            os.write(master, b"rq")
            read_until(master, "blocks of 64 frames", 10.0)
            assert run.wait(10) == 0
        finally:
            run.kill()
    os.close(master)
    assert out.exists()


def read_until(terminal: int, text: str, timeout_s: float) -> str:
    """Read from a terminal until it shows `text`."""
    shown = ""
    deadline = time.monotonic() + timeout_s
    while text not in shown:
        left = deadline - time.monotonic()
        assert left > 0, f"{text!r} did not appear in {shown[-2000:]!r}"
        if select.select([terminal], [], [], left)[0]:
            try:
                shown += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                deadline = time.monotonic() if text not in shown else deadline
    return shown
