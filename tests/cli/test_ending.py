"""How a command ends where the system refuses something: one line and a code, never a traceback."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.cli import dispatch, ending, main
from fxhost.errors import FxhostError
from tests.conftest import ROOT

SHORT = {**os.environ, "PYTHONPATH": str(ROOT)}


def run_shell(line: str, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """A line of sh in which `$fxhost` is the program."""
    variables = {**SHORT, "fxhost": f"{sys.executable} -m fxhost.cli", **env}
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=variables, cwd=folder, check=False)


@pytest.mark.parametrize(
    ("line", "code", "lines"),
    [
        ("$fxhost presets >&-", 1, 1),
        ("$fxhost presets --json >&-", 1, 1),
        ("$fxhost --help >&-", 1, 1),
        ("$fxhost presets >/dev/full", 1, 1),
        ("$fxhost presets 2>&-", 0, 0),
        ("$fxhost info missing 2>&-", 1, 0),
        ("$fxhost info missing 2>/dev/full", 1, 0),
        ("$fxhost info identity >&- 2>&- <&-", 1, 0),
        ("$fxhost info identity <&-", 0, 0),
        ("{ $fxhost info identity; echo $? >&2; } | true", 0, 1),
    ],
)
def test_streams_that_are_closed_or_full_are_one_line(line: str, code: int, lines: int) -> None:
    done = run_shell(line)
    assert (done.returncode, done.stderr.count("\n")) == (code, lines), done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def raise_as(err: BaseException) -> Callable[[object], int]:
    def command(options: object) -> int:
        raise err

    return command


def broken_import(tmp_path: Path, text: str) -> Callable[[object], int]:
    def command(options: object) -> int:
        (tmp_path / "somebodys_library.py").write_text(text)
        sys.path.insert(0, str(tmp_path))
        try:
            import somebodys_library  # type: ignore[import-not-found]  # noqa: F401
        finally:
            sys.path.remove(str(tmp_path))
            sys.modules.pop("somebodys_library", None)
        return 0

    return command


@pytest.mark.parametrize(
    ("err", "code", "message"),
    [
        (FxhostError("what to do"), 1, "what to do"),
        (MemoryError(), 1, "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), 1, "not enough memory"),
        (RuntimeError("can't start new thread"), 1, "not enough memory"),
        (OSError(errno.EMFILE, "Too many open files", "x.wav"), 1, "x.wav: Too many open files; "),
        (OSError(errno.EROFS, "Read-only file system", "x\x1b.wav"), 1, "x\\x1b.wav: Read-only file system"),
        (UnicodeEncodeError("ascii", "ü.wav", 0, 1, "ordinal not in range"), 1, "'ü.wav' cannot be said"),
        (BrokenPipeError(), 1, ""),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_is_refused_is_one_line_and_a_code(
    err: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dispatch, "find_command", lambda name: raise_as(err))
    assert main(["devices"]) == code
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == (1 if message else 0)
    assert told.out == ""


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("raise ImportError('libsomething.so.3: cannot open shared object file')", 1, "cannot load somebodys_library"),
        ("import no_such_library_at_all", 1, "cannot load somebodys_library"),
        ("import json\njson.no_such_thing", 1, "cannot load somebodys_library"),
        ("raise MemoryError", 1, "not enough memory"),
        ("raise ImportError('libx.so: failed to map segment from shared object')", 1, "not enough memory"),
        (
            "try: raise KeyboardInterrupt\nexcept KeyboardInterrupt as err: raise ImportError from err",
            130,
            "interrupted",
        ),
    ],
)
def test_a_library_that_cannot_be_imported_is_one_line(
    text: str,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dispatch, "find_command", lambda name: broken_import(tmp_path, text))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert main(["devices"]) == code
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_an_error_of_our_own_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "find_command", lambda name: raise_as(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["devices"])


@pytest.mark.parametrize("limit_kb", [150_000, 400_000])
def test_a_limit_of_memory_is_told_before_a_library_ends_the_process(limit_kb: int, tmp_path: Path) -> None:
    done = run_shell(f"ulimit -c 0; ulimit -v {limit_kb}; $fxhost render identity missing.wav {tmp_path}/out.wav")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "not enough memory: `fxhost render` needs" in done.stderr


@pytest.mark.parametrize("err", [OSError(errno.EMFILE, "Too many open files", "x.py"), MemoryError(), ImportError("x")])
def test_what_is_refused_before_there_are_words_is_one_line(
    err: Exception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(arguments: object) -> int:
        raise err

    monkeypatch.setattr(ending, "run_to_the_end", refuse)
    assert main(["devices"]) == 1
    assert capfd.readouterr().err == f"fxhost: cannot start: {type(err).__name__} {err}\n"


@pytest.mark.parametrize("command", ["signal out.wav", "bench identity", "run identity"])
def test_a_folder_that_is_gone_is_one_line(command: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = run_shell(f"rmdir {gone}; $fxhost {command}", gone)
    assert (done.returncode, done.stderr) == (1, "fxhost: the current folder is gone; change to another\n")


@pytest.mark.parametrize("wait_s", [0.0, 0.01, 0.03, 0.1, 0.3])
def test_an_interrupt_while_the_program_starts_is_one_line(wait_s: float) -> None:
    code = "import sys; from fxhost.cli import main; print(flush=True); sys.exit(main(['info', 'identity', '--check']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True, env=SHORT) as process:
        assert process.stdout is not None
        process.stdout.readline()  # main is called next
        time.sleep(wait_s)
        process.send_signal(signal.SIGINT)
        stderr = process.communicate(timeout=60)[1]
    assert (process.returncode, stderr) == (130, "fxhost: interrupted\n")


def test_an_interrupt_that_a_callback_swallows_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    class Swallows:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def command(options: object) -> int:
        swallows = Swallows()
        del swallows
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            time.sleep(0.01)
        return 0

    monkeypatch.setattr(dispatch, "find_command", lambda name: command)
    assert main(["devices"]) == 130


def test_names_that_no_locale_can_say_are_read_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dry, out, preset = (tmp_path / os.fsdecode(name) for name in (b"d\xff.wav", b"o\xfe.wav", b"p\xfd.pt"))
    soundfile.write(tmp_path / "d.wav", np.zeros(4800, np.float32), 48000)
    (tmp_path / "d.wav").rename(dry)
    preset.write_bytes((ROOT / "presets" / "identity.pt").read_bytes())
    assert main(["render", str(preset), str(dry), str(out)]) == 0
    assert out.exists()
    assert main(["info", str(preset), "--check"]) == 0
    assert "o\\xfe.wav: 0.1 s" in capsys.readouterr().out
