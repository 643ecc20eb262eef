"""SIGHUP: a rig file is read again while it plays, and a terminal that is closed ends the run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from fxhost.cli.midi import MidiRemote
from fxhost.cli.reloading import Reloader
from fxhost.control.commands import ChooseScene, Command, Quit, StepRig, StepScene, ToggleMute
from fxhost.io import hangup as hangups
from fxhost.io.hangup import GRACE_S, Hangup, listening_for_hangup
from fxhost.session import Session
from tests.cli.test_headless import read_line, running
from tests.cli.test_midi_rigs import Ports, make_session
from tests.conftest import RATE, ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

RIG = """\
[[slot]]
id = "amp"
preset = "{preset}"

[[slot]]
id = "tone"
type = "tone"

[[scene]]
name = "Rhythm"

[[scene]]
name = "Lead"
slots.tone = {{ mid = 4 }}

[[midi]]
note = 60
action = "mute"
"""


@pytest.fixture
def rig_file(make_preset: Callable[..., Path], tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    path.write_text(RIG.format(preset=make_preset(1, 8)))
    return path


# --- which of the two it means ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("had", "has", "asked"),
    [(False, False, "reload"), (True, True, "reload"), (True, False, "end"), (False, True, "reload")],
)
def test_it_means_to_reload_unless_there_was_a_terminal_that_is_gone(
    had: bool, has: bool, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hangups, "has_terminal", lambda: had)
    before = signal.getsignal(signal.SIGHUP)
    with listening_for_hangup() as hangup:
        assert hangup.take() is None
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        monkeypatch.setattr(hangups, "has_terminal", lambda: has)
        if had:
            assert hangup.take() is None, "the terminal may be just about to go"
            time.sleep(GRACE_S + 0.05)
        assert hangup.take() == asked
        assert hangup.take() is None, "two in a row are one"
    assert signal.getsignal(signal.SIGHUP) is before


def test_under_nohup_it_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with listening_for_hangup() as hangup:
            os.kill(os.getpid(), signal.SIGHUP)
            assert hangup.take() is None
    finally:
        signal.signal(signal.SIGHUP, before)


# --- in a session ----------------------------------------------------------------------------------------------------


class Host:
    """A session that plays, and a thread-free loop of its own around it."""

    def __init__(self, path: Path, midi: MidiRemote | None = None, session: Session | None = None) -> None:
        self.session = session or make_session(path)
        self.hangup = Hangup()
        self.hangup.had_terminal = False
        self.reloader = Reloader(self.hangup, path, self.session, midi)

    def play(self, script: Callable[[int], list[Command]], polls: int = 400) -> None:
        """Play until the script says Quit; it is given the number of the poll, and returns commands."""
        count = 0

        def on_poll() -> list[Command]:
            nonlocal count
            count += 1
            return [*self.reloader.poll(), *script(count), *([Quit()] if count > polls else [])]

        self.session.play(on_poll)

    def wait_for(self, *steps: Callable[[], bool | None]) -> Callable[[int], list[Command]]:
        """A script that goes on to the next step as soon as one no longer returns False, and quits after the last."""
        left = list(steps)

        def script(count: int) -> list[Command]:
            if left and left[0]() is not False:
                left.pop(0)
            return [] if left else [Quit()]

        return script


def test_the_file_is_read_again_and_the_scene_of_the_same_name_plays_on(
    rig_file: Path, make_preset: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    host, text = Host(rig_file), rig_file.read_text()
    session, first = host.session, host.session.rig

    def change() -> None:
        text_of_other = text.replace(str(make_preset(1, 8)), str(make_preset(1, 20)))
        rig_file.write_text(
            text_of_other.replace(
                '[[scene]]\nname = "Rhythm"\n', '[[scene]]\nname = "New"\n\n[[scene]]\nname = "Rhythm"\n'
            )
        )
        host.hangup.hear()

    host.play(
        host.wait_for(
            lambda: session.controls.apply(ChooseScene(1)),
            lambda: session.playing.sound.scene.name == "Lead",
            change,
            lambda: session.rig is not first,
            lambda: not session.rack.is_crossfading,
        )
    )
    assert [scene.name for scene in session.rig.scenes] == ["New", "Rhythm", "Lead"]
    assert (session.playing.scene_index, session.controls.scene) == (2, 2)
    assert session.slots[0].name == "1x20-1-False-48000"
    assert "fxhost: the rig was read again\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("mid = 4", "mid = 40", "rig.toml, line 14: tone: mid = 40 is out of range; give −15 to 15 dB"),
        ('type = "tone"', "type = ", "rig.toml, line 7: this cannot be read as TOML"),
        ("note = 60", "note = 600", "rig.toml, line 17: note is 600; expected a number from 0 to 127"),
    ],
)
def test_a_mistake_leaves_the_old_sound_and_is_told_with_its_line(
    old: str, new: str, told: str, rig_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host, heard = Host(rig_file), ""
    session, first = host.session, host.session.rig

    def has_told() -> bool:
        nonlocal heard
        heard += capsys.readouterr().out  # the notices of this session are printed
        return "The sound stays as it is" in heard

    def change() -> None:
        rig_file.write_text(rig_file.read_text().replace(old, new))
        host.hangup.hear()

    host.play(host.wait_for(lambda: session.rack.blocks > 0, change, has_told))
    assert told in heard
    assert session.rig is first


def test_a_scene_that_is_chosen_while_the_file_is_read_is_chosen_of_the_new_rig_too(rig_file: Path) -> None:
    host = Host(rig_file)
    session, first = host.session, host.session.rig

    def both() -> None:
        host.hangup.hear()
        assert host.reloader.poll() == []
        session.controls.apply(ChooseScene(1))

    host.play(host.wait_for(lambda: session.rack.blocks > 0, both, lambda: session.rig is not first))
    assert session.playing.sound.scene.name == "Lead"


def test_midi_bindings_are_read_again_also_those_of_a_set_list_and_its_order(
    rig_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.toml").write_text(rig_file.read_text())
    path = tmp_path / "set.toml"
    path.write_text('rigs = ["rig.toml"]\n[[midi]]\nnote = 61\naction = "next_scene"\n')
    session, ports = make_session(path), Ports()
    midi = MidiRemote(ports, path, session)  # type: ignore[arg-type]
    host, first = Host(path, midi, session), session.rig
    pressed = [[0x90, 60, 127], [0x90, 61, 127]]
    ports.waiting = list(pressed)
    assert midi.poll() == [ToggleMute(), StepScene(1)]

    def change() -> None:
        path.write_text('rigs = ["other.toml", "rig.toml"]\n[[midi]]\nnote = 61\naction = "previous_rig"\n')
        rig_file.write_text(rig_file.read_text().replace('"mute"', '"next_rig"'))
        host.hangup.hear()

    host.play(host.wait_for(lambda: session.rack.blocks > 0, change, lambda: session.rig is not first))
    ports.waiting = list(pressed)
    assert midi.poll() == [StepRig(1), StepRig(-1)]
    assert session.set_list is not None
    assert (session.set_list.index, session.set_list.current.path) == (1, rig_file)
    host.reloader.poll()
    assert "the rig was read again, and its MIDI bindings" in capsys.readouterr().err
    path.write_text(rig_file.read_text())
    host.hangup.hear()
    assert host.reloader.poll() == []
    assert "was a set list and is a rig now" in capsys.readouterr().err


# --- in a process ----------------------------------------------------------------------------------------------------


def test_a_service_reads_its_rig_again_and_goes_on_after_a_mistake(rig_file: Path) -> None:
    with running(rig_file, merges=True) as run:
        read_line(run, "playing")
        text = rig_file.read_text()
        rig_file.write_text(text.replace("mid = 4", "mid = 40"))
        run.send_signal(signal.SIGHUP)
        assert "line 14: tone: mid = 40 is out of range" in read_line(run, "cannot change to rig.toml")
        rig_file.write_text(text.replace('"Rhythm"', '"Crunch"'))
        run.send_signal(signal.SIGHUP)
        read_line(run, "the rig was read again")
        read_line(run, "scene 1 Crunch")
        run.send_signal(signal.SIGTERM)
        assert run.wait(20) == 0


IN_TERMINAL = """\
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "fxhost", "run", *sys.argv[1:]])
"""


@pytest.mark.parametrize("closes", [True, False])
def test_a_closed_terminal_ends_the_run_and_one_that_is_there_lets_it_reload(
    closes: bool, rig_file: Path, tmp_path: Path
) -> None:
    import pty

    out, log = tmp_path / "out.wav", tmp_path / "log.txt"
    master, slave = pty.openpty()
    command = [sys.executable, "-c", IN_TERMINAL, rig_file, "--device", "virtual", "--output-file", out]
    with open(log, "w") as told, subprocess.Popen(command, stdin=slave, stdout=told, stderr=told, cwd=ROOT) as run:
        os.close(slave)
        try:
            wait_until(lambda: "playing" in log.read_text())
            if closes:
                os.close(master)
            else:
                run.send_signal(signal.SIGHUP)
                wait_until(lambda: "the rig was read again" in log.read_text())
                run.send_signal(signal.SIGTERM)
            assert run.wait(20) == 0
        finally:
            run.kill()
    assert soundfile.info(out).frames > RATE // 50
    assert ("read again" in log.read_text()) is not closes
    if not closes:
        os.close(master)


def wait_until(is_so: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_a_rig_file_it_ends_the_run(make_preset: Callable[..., Path]) -> None:
    with running(make_preset(1, 8)) as run:
        read_line(run, "playing")
        time.sleep(1.0)  # it says so just before it does
        run.send_signal(signal.SIGHUP)
        assert run.wait(20) == 0


def test_help_says_what_it_means() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fxhost", "help", "run"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "SIGHUP" in done.stdout
