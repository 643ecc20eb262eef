"""The live screen: its parts as text, and the whole in a real terminal with keys."""

import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from fxhost.cli.console import keeping_errors, print_error
from fxhost.cli.key_commands import HELP, KEY_COMMANDS
from fxhost.cli.screen import NOTE_S, Picture, Screen
from fxhost.cli.screen_meters import PEAK_HOLD_S, Meter, draw_meter, format_db
from fxhost.cli.screen_rows import join_in
from fxhost.cli.screen_words import describe_blocks, format_grants
from fxhost.control.commands import GAIN_LIMIT_DB, Controls
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.io.realtime import LockedMemory, Scheduling
from fxhost.io.streams import VirtualStream
from fxhost.preset.archive import read_preset
from fxhost.preset.network_stage import compiled_stage
from fxhost.rig.built import Built
from fxhost.rig.part import PartSlot
from fxhost.rig.slot import Slot
from tests.conftest import RATE, ROOT

MakePreset = Callable[..., Path]


def make_slots(*names: str) -> list[Slot]:
    return [PartSlot(name, "effect", RATE, (), lambda rate, channels: Built(())) for name in names]


@pytest.fixture
def screen() -> Screen:
    rack = Rack([], RATE, source=np.full(RATE, 0.5, np.float32))
    return Screen(
        make_slots("one", "two"),
        "compiled",
        rack,
        VirtualStream(rack, sample_rate=RATE),
        LockedMemory(3_000_000, 4_560_000),
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


def controls_of(screen: Screen, presets: int = 2) -> Controls:
    """What does what the keys of a screen mean."""
    controls = Controls(screen.rack, screen.knobs, presets)
    screen.is_on = controls.is_on
    return controls


def press(screen: Screen, controls: Controls, keys: str) -> None:
    for key in keys:
        if (command := screen.press(key)) is not None:
            controls.apply(command)


def test_the_keys_do_what_they_say(screen: Screen) -> None:
    controls = controls_of(screen)
    press(screen, controls, "]]]-b")
    assert screen.rack.input_gain_db == pytest.approx(3.0, abs=1e-4)
    assert screen.rack.output_gain_db == pytest.approx(-1.0, abs=1e-4)
    assert screen.rack.is_bypassed
    press(screen, controls, "b029")
    assert not screen.rack.is_bypassed
    assert (screen.rack.input_gain_db, screen.rack.output_gain_db) == (pytest.approx(0, abs=1e-4),) * 2
    assert controls.is_on == [True, False]
    assert (controls.wants_reset, controls.wants_quit) == (False, False)
    press(screen, controls, "rqx")
    assert (controls.wants_reset, controls.wants_quit) == (True, True)
    press(screen, controls, 100 * "+[")
    assert screen.rack.output_gain_db == pytest.approx(GAIN_LIMIT_DB, abs=1e-4)
    assert screen.rack.input_gain_db == pytest.approx(-GAIN_LIMIT_DB, abs=1e-4)
    assert [screen.press(key) for key in ("x", "")] == [None, None]


def test_every_key_of_the_help_gives_a_command_or_a_page(screen: Screen) -> None:
    told = {key for line in HELP for key in line[:7].replace("1-9", "1 9").split()} | set(",. <>{}")
    for key in told - {"space"}:
        before, screen.wants_learn = screen.page, False
        assert screen.press(key) is not None or screen.page != before or screen.wants_learn
    assert told >= {key for key in KEY_COMMANDS if not key.isdigit() and key not in "=\x03"}


def test_the_keys_turn_the_knobs(screen: Screen, make_preset: MakePreset) -> None:
    preset = read_preset(make_preset(1, 8, 3))
    screen.knobs = KnobBoard([preset])
    screen.knobs.attach([[compiled_stage(preset)]])
    controls = controls_of(screen)
    press(screen, controls, "k.., ")
    assert screen.knobs.values == [[0.25, 0.55]]
    text = "\n".join(line.plain for line in screen.draw().lines(100, 30))
    assert " knob 1 ━━━╸───────── 0.25   ▸knob 2 ━━━━━━━╸───── 0.55" in text
    assert "k , . knob" in text
    press(screen, controls, 100 * ".")
    assert screen.knobs.values == [[0.25, 1.0]]


def test_knobs_of_one_name_in_two_presets_are_told_apart(screen: Screen, make_preset: MakePreset) -> None:
    screen.knobs = KnobBoard([read_preset(make_preset(1, 8, 2)), read_preset(make_preset(1, 8, 3))])
    text = "\n".join(line.plain for line in screen.draw().lines(100, 30))
    assert "▸1.knob 1" in text and "2.knob 1" in text and " knob 2" in text


def test_the_screen_shows_everything_a_player_wants_to_know(screen: Screen) -> None:
    block = np.zeros(64, np.float32)
    for _ in range(3):
        screen.update(screen.rack.read_meters())
        screen.rack.process(block, block.copy(), flags=2)
    screen.rack.is_bypassed, screen.recording = True, "gig.wav"
    screen.is_on = [True, False]
    now = screen._began + 3605.5
    Picture(screen, now - 3.0).lines(120, 40)
    lines = [line.plain for line in Picture(screen, now).lines(120, 40)]
    assert lines[0].startswith("fxhost  1 one ▸ (2 two)   BYPASS ") and lines[0].endswith("1:00:05")
    assert [line.split() for line in lines[3:5]] == [["1", "one", "on"], ["2", "two", "BYPASS"]]
    text = "\n".join(lines)
    assert "virtual · 48 kHz · 20.0 ms in → out (virtual) · load " in text
    assert "dropouts 3, the last 3 s ago" in text and "● REC gig.wav" in text
    assert "−6.0 dB" in text and "q quit" in text
    screen.press("d")
    details = "\n".join(line.plain for line in Picture(screen, now).lines(120, 40))
    for part in ("p50", "p99", "64 frames (1.33 ms) a block", "bad samples 0", "3.0 of 4.6 MB locked in memory"):
        assert part in details and part not in text
    assert "real-time priority" in details if sys.platform == "linux" else "unknown" in details
    screen.press("?")
    help_page = [line.plain for line in Picture(screen, now).lines(60, 24)]
    assert all(any(line.startswith(row[:40]) for line in help_page) for row in HELP)
    assert any("dropouts 3" in line for line in help_page)


def test_a_clip_lamp_holds(screen: Screen) -> None:
    screen.input_meter.clip(1.0)
    assert any("CLIP" in line.plain for line in Picture(screen, 2.5).lines(60, 15))
    assert not any("CLIP" in line.plain for line in Picture(screen, 9.0).lines(60, 15))


SIZES = [(40, 10), (60, 15), (80, 24), (120, 40)]
LONG_NAMES = ["Ibanez TS-808 drive 7 tone 5", "Fender Deluxe Reverb vibrato", "Mesa 4x12 recto 破壊"]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("has_knobs", [False, True])
def test_nothing_essential_leaves_the_screen(
    screen: Screen, make_preset: MakePreset, width: int, height: int, has_knobs: bool
) -> None:
    screen.slots = make_slots(*LONG_NAMES)
    screen.knobs = KnobBoard([read_preset(make_preset(1, 8, 3))] if has_knobs else ())
    block = np.ones(64, np.float32)
    for _ in range(3):
        screen.update(screen.rack.read_meters())
        screen.rack.process(block, block.copy(), flags=2)
    screen.rack.is_bypassed = screen.rack.is_muted = True
    screen.input_meter.clip(0.0)
    lines = Picture(screen, 0.5).lines(width, height)
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width
    text = "\n".join(line.plain for line in lines)
    expected = ["Iban", "Fend", "Mesa", " BYPASS ", " MUTE ", "in", "out", "−6.0", "+0.0", "CLIP", "dropouts 3"]
    expected += ["load"] if height > 10 else []  # the device goes before the keys
    expected += ["[ ] in", "- + out", "b all", "m mute", "? help", "q quit"]
    expected += ["▸knob 1 ", " 0.25", ", ."] if has_knobs else []
    assert [part for part in expected if part not in text] == [], text
    meters = [line.plain for line in lines if line.plain.startswith(("in", "out"))]
    assert len(meters) == 2
    assert all("−" in line for line in meters), "a meter has its level in the same line"


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 2), (12, 3), (20, 4), (30, 6)])
def test_in_a_tiny_window_the_chain_comes_first_and_then_the_meters(screen: Screen, width: int, height: int) -> None:
    lines = Picture(screen, 0.5).lines(width, height)
    assert len(lines) == height
    assert all(line.cell_len <= width for line in lines)
    if height >= 3:
        assert [line.plain[:3].strip() for line in lines[1:3]] == ["in", "out"]


@pytest.mark.parametrize("width", [8, 20, 21, 33, 60, 500])
@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_the_names_of_a_chain_fit_a_line(width: int, count: int) -> None:
    names = [f"{LONG_NAMES[n % 3]} {n}" for n in range(count)]
    line = join_in(names, " ▸ ", width)
    assert cell_len(line) <= max(width, 6)
    assert line.startswith("I")
    assert ("…" not in line and "+" not in line) == (cell_len(" ▸ ".join(names)) <= width)


def test_a_note_stays_for_a_while(screen: Screen) -> None:
    screen.note("the stream was opened\x1b again")
    now = time.monotonic()
    assert any("note    the stream was opened\\x1b again" in line.plain for line in Picture(screen, now).lines(80, 24))
    assert not any("note" in line.plain for line in Picture(screen, now + NOTE_S + 1).lines(80, 24))


def test_errors_wait_for_the_end_of_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, shown = io.StringIO(), []
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    with keeping_errors(shown.append):
        print_error("one")
        print("two\nthr", end="", file=sys.stderr)
        assert terminal.getvalue() == ""
        assert shown == ["fxhost: one", "two"]
    assert terminal.getvalue() == "fxhost: one\ntwo\nthr"


def test_the_blocks_read_as_they_come_and_as_they_were_asked_for(screen: Screen) -> None:
    statistics = screen.rack.statistics()
    told = describe_blocks(replace(statistics, block_frames=64, blocks_at_once=15.9), 128, RATE)
    assert told == ["64 frames (1.33 ms) a block", "asked for 128", "16 at once every 21.3 ms"]
    assert describe_blocks(replace(statistics, block_frames=64, blocks_at_once=1.1), 64, RATE) == [
        f"{told[0]}, as asked"
    ]
    one = replace(statistics, block_frames=64, blocks_at_once=1.0)
    assert describe_blocks(one, 0, RATE, "low") == [told[0], "asked the driver for its low latency"]
    assert describe_blocks(one, 0, RATE, 0.008) == [told[0], "asked the driver for 8.0 ms each way"]


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
            shown = read_until(master, "dropouts", 30.0)
            assert "BYPASS" not in shown
            os.write(master, b"b")
            read_until(master, "BYPASS", 10.0)
            os.write(master, b"]]\x1b[A\x1b[1;5D\x1bOP")  # two keys, and three that mean nothing here
            read_until(master, "+2.0 dB", 10.0)
            os.write(master, 300 * b"-" + b"m")
            shown = read_until(master, "MUTE", 10.0)
            assert "−3.0 dB" not in shown, "a mute does not wait for what was typed before it"
            os.write(master, b"r" + 300 * b"+" + b"q")
            read_until(master, "blocks of 64 frames", 10.0)
            assert run.wait(10) == 0
        finally:
            run.kill()
    os.close(master)
    assert out.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_a_dumb_terminal_gets_lines_and_no_screen(make_preset: MakePreset) -> None:
    import pty

    master, slave = pty.openpty()
    command = [sys.executable, "-m", "fxhost.cli", "run", make_preset(1, 8), "--device", "virtual", "--duration", "0.2"]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "dumb"}, cwd=ROOT
    ) as run:
        os.close(slave)
        try:
            shown = read_until(master, "blocks of 64 frames", 30.0)
            assert run.wait(10) == 0
        finally:
            run.kill()
    os.close(master)
    assert "playing " in shown
    assert "\x1b" not in shown


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
