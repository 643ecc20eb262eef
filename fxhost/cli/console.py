"""Shared by the commands: consoles, tables, formatted numbers, and ending by signals."""

import io
import json
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fxhost.native.slow_steps import listening_to_slow_steps
from fxhost.plain_text import json_ready, plain_line

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from fxhost.engine.rate_plan import Plan
    from fxhost.preset.effect import Preset


LONGEST_LIST = 300  # characters of JSON in a table
MOST_PIECES = 1000  # of text, the last ones, that are kept for later
_stdout_is_kept = False


def end_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:  # not under nohup
            signal.signal(getattr(signal, name), signal.default_int_handler)


@contextmanager
def listening_for_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed; only a second press raises KeyboardInterrupt."""
    heard = False

    def hear(number: int, frame: object) -> None:
        nonlocal heard
        if heard:
            raise KeyboardInterrupt
        heard = True

    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    end_like_ctrl_c()
    ending = [number for number in before if signal.getsignal(number) is signal.default_int_handler]
    for number in ending:
        signal.signal(number, hear)
    try:
        yield lambda: heard
    finally:
        for number in ending:
            signal.signal(number, before[number])


@contextmanager
def keeping_stdout(for_json: bool) -> Iterator[None]:
    """Let all that is said for people go to stderr, so that stdout holds JSON alone."""
    global _stdout_is_kept
    before, _stdout_is_kept = _stdout_is_kept, for_json
    try:
        yield
    finally:
        _stdout_is_kept = before


def say(text: str, *, error: bool = False, at_once: bool = False) -> None:
    """One line on stdout, or on stderr where stdout is kept for JSON.

    Parameters
    ----------
    text : str
        May hold what a stranger's file says.
    error : bool
        Whether it goes to stderr in any case.
    at_once : bool
        Whether it shall be seen before anything else is done.
    """
    line = plain_line(text) + "\n"  # in one piece, for threads speak at the same time
    print(line, end="", file=sys.stderr if error or _stdout_is_kept else sys.stdout, flush=at_once)


def print_error(message: str) -> None:
    """One line on stderr that begins with the program's name."""
    say(f"fxhost: {' '.join(message.split())}", error=True)


def print_json(result: Any) -> None:
    """A result for programs, as one line of JSON that every reader takes: ASCII, no NaN, no half characters."""
    print(json.dumps(json_ready(result), allow_nan=False))


@contextmanager
def showing_warnings() -> Iterator[None]:
    """Print the library's warnings as lines on stderr."""
    import logging

    class Teller(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print_error(record.getMessage())

    teller, loggers = Teller(logging.WARNING), [logging.getLogger(name) for name in ("fxhost", "train")]
    for logger in loggers:
        logger.addHandler(teller)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(teller)


@contextmanager
def showing_slow_steps() -> Iterator[None]:
    """Print slow steps on stderr: each on a terminal, else the first of each kind."""
    told = set()

    def tell(doing: str, what: str) -> None:
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        key = f"{doing} {what}" if on_terminal else doing
        if key not in told:
            told.add(key)
            print_error(f"{doing} {what} …")

    with listening_to_slow_steps(tell):
        yield


def print_notes(preset: "Preset", path: "Path | None" = None) -> None:
    """Print the notes of a preset on stderr: what was left out of its file, and whether it never settles."""
    if preset.notes:
        print_error(f"{path or preset.path}: left out: {'; '.join(preset.notes)}")
    if not preset.is_settled:
        print_error(
            f"{path or preset.path} never comes to rest on silence, not in 30 s: it may hum or begin with a click; "
            "its training has gone wrong, or it was made to sound by itself"
        )


@contextmanager
def keeping_errors(show: Callable[[str], None]) -> Iterator[None]:
    """Keep from the terminal what is written to stderr, hand each line to `show`, and write all of it at the end."""
    kept, stderr = _Lines(show), sys.stderr
    if not stderr or not stderr.isatty():
        yield
        return
    sys.stderr = kept
    try:
        yield
    finally:
        sys.stderr = stderr
        stderr.write("".join(kept.pieces))
        stderr.flush()


class _Lines(io.TextIOBase):
    """Takes text, as long as there is not too much of it, and tells each line of it."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._line = ""
        self.pieces: deque[str] = deque(maxlen=MOST_PIECES)

    def write(self, text: str) -> int:
        self.pieces.append(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.strip():
                self._show(line.strip())
        return len(text)


def print_plans(plans: Sequence["Plan"]) -> None:
    """A line for each preset that does not play at its own rate."""
    for plan in plans:
        if not plan.is_own:
            say(plan.describe())


def make_console(*, stderr: bool = False) -> "Console":
    """The console that everything for people goes to."""
    from fxhost.cli.plain_console import PlainConsole

    return PlainConsole(stderr=stderr or _stdout_is_kept)


def make_table(*columns: str, header: bool = True) -> Any:
    """A plain table, of cells that are text as it is."""
    from fxhost.cli.plain_console import PlainTable

    table = PlainTable(box=None, show_header=header, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def tabulate_plans(plans: Sequence["Plan"]) -> Any:
    """A row for each rate: how the preset plays there, and how true."""
    table = make_table("\nrate", "\nway", "\nESR", "ESR to\nown rate", "\nlatency")
    for plan in plans:
        latency = f"{plan.latency_ms:.2f} ms" if plan.latency_frames else "none"
        table.add_row(f"{plan.sample_rate} Hz", plan.way, format_esr(plan.esr), format_esr(plan.esr_band), latency)
    return table


def format_esr(esr: Any) -> str:
    """An error-to-signal ratio, where it is known."""
    return f"{esr:.2g}" if isinstance(esr, int | float) else "–"


def flatten(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested JSON as rows of dotted key and printable value."""
    if isinstance(value, dict) and value:
        return [
            row for key, child in value.items() for row in flatten(child, f"{prefix}.{key}" if prefix else str(key))
        ]
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, list) and len(text) > LONGEST_LIST:
        text = f"{len(value)} entries" if len(value) != 1 else "1 entry"
    return [(prefix, text)]


def format_time(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
