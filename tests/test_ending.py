"""How a command ends where the system refuses something: one line and a code, never a traceback."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

from fxhost import commands
from fxhost.cli import main
from fxhost.errors import FxhostError

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
    monkeypatch.setitem(commands.COMMANDS, "devices", raise_as(err))
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
    monkeypatch.setitem(commands.COMMANDS, "devices", broken_import(tmp_path, text))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert main(["devices"]) == code
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_an_error_of_our_own_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(commands.COMMANDS, "devices", raise_as(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["devices"])
