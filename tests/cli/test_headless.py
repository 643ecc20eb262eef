"""A rig without a screen: the systemd unit that plays it, the log of a run, and its end by SIGTERM."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile

from fxhost.cli import run_log
from fxhost.cli.run_log import RunLog
from fxhost.cli.service import format_unit, quote
from fxhost.control.commands import Quit
from tests.conftest import RATE, ROOT, assert_one_line, call_fxhost, run_fxhost, without_waits

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
"""


@pytest.fixture
def rig_file(make_preset: Callable[..., Path], tmp_path: Path) -> Path:
    path = tmp_path / "my rig.toml"
    path.write_text(RIG.format(preset=make_preset(1, 8)))
    return path


# --- the unit --------------------------------------------------------------------------------------------------------


def keys_of(unit: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))


def test_the_unit_plays_the_rig_and_two_lines_tell_where_it_goes(rig_file: Path) -> None:
    done = call_fxhost("rig", "service", rig_file, "--", "--midi", "--web", "0.0.0.0:8765")
    assert done.returncode == 0, done.stderr
    unit = keys_of(done.stdout)
    own = f":{quote(sys.executable)} -m fxhost"
    assert unit["ExecStart"] == f'{own} run "{rig_file}" --midi --web "0.0.0.0:8765"'
    assert unit["Environment"] == f'"PYTHONPATH={ROOT}"'
    assert (unit["Restart"], unit["ExecReload"]) == ("on-failure", "/bin/kill -HUP $MAINPID")
    assert (unit["LimitRTPRIO"], unit["LimitMEMLOCK"], unit["Nice"]) == ("95", "infinity", "-11")
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert f"fxhost rig service '{rig_file}' -- --midi --web 0.0.0.0:8765 > ~/.config/systemd/user/" in lines[0]
    assert "systemctl --user enable --now fxhost.service" in lines[1] and "loginctl enable-linger" in lines[1]


def test_the_unit_starts_the_very_program_that_printed_it(rig_file: Path, tmp_path: Path) -> None:
    script = tmp_path / "fxhost"
    script.write_text("import sys\nfrom fxhost.cli import main\nsys.exit(main())\n")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "fxhost", "rig", "service", rig_file.name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert done.returncode == 0, done.stderr
    unit = keys_of(done.stdout)
    assert unit["ExecStart"] == f':{quote(str(script))} run "{rig_file}"'
    assert (unit["WorkingDirectory"], "Environment" in unit) == (str(tmp_path), False)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_takes_the_unit_and_reads_odd_names_as_they_are(
    rig_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a 100%h $HOME é; b"
    folder.mkdir()
    script = folder / "fxhost"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    unit = tmp_path / "fxhost.service"
    unit.write_text(format_unit(rig_file, ["--web", "0.0.0.0:8765", "--client-name", "a; \"b\" 'c' \\"], folder))

    def verify() -> tuple[int, str]:
        done = subprocess.run(
            ["systemd-analyze", "--user", "verify", unit],
            capture_output=True,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
            check=False,
        )
        return done.returncode, "".join(line for line in done.stderr.splitlines() if unit.name in line)

    assert verify() == (0, "")
    script.unlink()  # it looks for the program under the very name
    code, told = verify()
    assert code == 1 and "is not executable" in told


def test_a_unit_of_what_could_not_be_played_is_refused(rig_file: Path, tmp_path: Path) -> None:
    assert run_fxhost("rig", "service", rig_file, "--", "--wbe").returncode == 2
    assert_one_line(
        call_fxhost("rig", "service", rig_file, "--", "--gate", -50), "--gate -50 does nothing with a rig file"
    )
    assert_one_line(call_fxhost("rig", "service", tmp_path / "none.toml"), "no such file")
    assert_one_line(call_fxhost("rig", "check", rig_file, "--", "--midi"), "only rig service takes options")
    assert_one_line(call_fxhost("rig", "check", "--", "--midi"), "--midi: only rig service takes options")
    rig_file.write_text(rig_file.read_text() + "\n[[midi]]\nnote = 300\naction = 'mute'\n")
    assert_one_line(call_fxhost("rig", "service", rig_file), "line 17: note is 300")
    assert quote('a "b" 50% \\ $c') == '"a \\"b\\" 50%% \\\\ $c"'
    odd = tmp_path / "a\nb.toml"
    odd.write_text(RIG.format(preset="ts-overdrive"))
    assert_one_line(call_fxhost("rig", "service", odd), "cannot stand in a unit of systemd")


# --- the run ---------------------------------------------------------------------------------------------------------


@contextmanager
def running(*arguments: object, closes_input: bool = True, merges: bool = False) -> Iterator[subprocess.Popen[str]]:
    """`fxhost run` without a terminal, on the virtual device; stderr is merged into stdout where that is asked for."""
    words = " ".join(f"'{word}'" for word in (sys.executable, "-m", "fxhost", "run", *arguments, "--device", "virtual"))
    with subprocess.Popen(
        ["sh", "-c", f"exec {words} {'<&-' if closes_input else ''}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merges else subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,  # without a terminal that the tests may have
    ) as run:
        watchdog = threading.Timer(60.0, run.kill)
        watchdog.start()
        try:
            yield run
        finally:
            watchdog.cancel()
            run.kill()


def read_line(run: subprocess.Popen[str], text: str) -> str:
    """The next line with a text in it."""
    assert run.stdout is not None
    for line in run.stdout:
        if text in line:
            return line
    raise AssertionError(f"{text!r} did not come")


def test_without_a_terminal_and_with_stdin_closed_it_logs_what_changes_and_ends_by_sigterm(
    rig_file: Path, tmp_path: Path
) -> None:
    client = pytest.importorskip("websockets.sync.client")
    out = tmp_path / "out.wav"
    with running(rig_file, "--web", "127.0.0.1:0", "--output-file", out) as run:
        address = read_line(run, "web remote: ").split()[-1]
        assert read_line(run, "playing").startswith("playing 1x8")
        url = address.replace("http", "ws").replace("/?", "/socket?")
        with client.connect(url) as socket:
            for message, line in (
                ('{"command": "choose_scene", "scene": 1}', "scene 2 Lead"),
                ('{"command": "toggle_slot", "slot": 0}', "amp off"),
                ('{"command": "toggle_bypass"}', "bypass on"),
                ('{"command": "choose_scene", "scene": 0}', "scene 1 Rhythm"),
                ('{"command": "toggle_tuner"}', "tuner on"),
                ('{"command": "toggle_mute"}', "mute"),
            ):
                socket.send(message)
                if line != "mute":  # under the tuner nothing is heard anyway
                    assert read_line(run, line).endswith(f" s  {line}\n")
            socket.send('{"command": "set_gain", "side": "input", "gain_db": 2.0}')
            socket.send('{"command": "save"}')
            while not (told := json.loads(socket.recv(timeout=10)).get("told")):
                pass
        run.send_signal(signal.SIGTERM)
        stdout, stderr = run.communicate(timeout=20)
    assert told == "saved scene 1 Rhythm of my rig.toml: input +2.0 dB; the file before is my rig.toml~"
    assert (run.returncode, without_waits(stderr)) == (0, f"fxhost: {told}\n")
    assert "blocks of 64 frames" in stdout.splitlines()[-1] or "fxhost doctor" in stdout.splitlines()[-1]
    assert soundfile.info(out).frames > RATE // 20
    assert sorted(file.name for file in tmp_path.iterdir()) == ["my rig.toml", "my rig.toml~", "out.wav"]


def test_a_run_ends_when_nobody_reads_its_log(rig_file: Path) -> None:
    with running(rig_file, closes_input=False) as run:
        read_line(run, "playing")
        assert run.stdout is not None
        run.stdout.close()
        assert run.wait(20) == 1


class Scripted:
    """A session of which a test sets what it likes."""

    def __init__(self) -> None:
        self.xruns = 0
        sounds = [SimpleNamespace(is_on=[True, True], scene=SimpleNamespace(name=name)) for name in ("Clean", "")]
        self.playing = SimpleNamespace(ids=("amp", "tone"), sounds=sounds, sound=sounds[0], scene_index=0, rig="a")
        self.controls = SimpleNamespace(is_tuning=False)
        statistics = lambda: SimpleNamespace(xruns=SimpleNamespace(total=self.xruns))  # noqa: E731
        self.rack = SimpleNamespace(is_bypassed=False, is_muted=False, statistics=statistics)
        self.set_list: Any = None

    @property
    def rig(self) -> str:
        return str(self.playing.rig)


def test_dropouts_are_told_once_a_minute_at_most(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(run_log.time, "monotonic", lambda: now)
    session = Scripted()
    log = RunLog(session)  # type: ignore[arg-type]
    for second in range(200):
        now = 100.0 + second
        session.xruns = min(second, 90)
        assert log.poll() == []
    assert capsys.readouterr().out.splitlines() == [
        "    1.0 s  1 dropout, 1 since the start",
        "   61.0 s  60 dropouts, 61 since the start",
        "  121.0 s  29 dropouts, 90 since the start",
    ]


def test_a_change_of_rig_or_scene_is_a_line_without_those_of_its_slots(capsys: pytest.CaptureFixture[str]) -> None:
    session = Scripted()
    log = RunLog(session)  # type: ignore[arg-type]
    other = session.playing.sounds[1]
    other.is_on = [False, True]
    session.playing.sound, session.playing.scene_index = other, 1
    log.poll()
    session.playing.sound, session.playing.scene_index, session.playing.rig = session.playing.sounds[0], 0, "b"
    session.set_list = type("List", (), {"index": 1, "current": SimpleNamespace(name="b"), "__len__": lambda _: 3})()
    log.poll()
    session.rack.is_muted = True
    log.poll()
    told = [line.split(" s  ")[1] for line in capsys.readouterr().out.splitlines()]
    assert told == ["scene 2", "rig 2/3 b", "scene 1 Clean", "mute on"]


def test_nobody_reading_is_a_wish_to_quit(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        log = RunLog(Scripted())  # type: ignore[arg-type]
        assert log.poll() == []
        os.close(reader)
        assert log.poll() == [Quit()]
