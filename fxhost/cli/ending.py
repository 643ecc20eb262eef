"""How a command ends: its exit code, and one line that says why.

What the user or the system refuses becomes a line; an error of the program's own keeps its traceback.
"""

import _thread
import atexit
import gc
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from fxhost.cli.console import print_error
from fxhost.cli.refusals import describe_refusal
from fxhost.cli.standard_streams import sturdy_streams
from fxhost.errors import FxhostError

INTERRUPTED = 130
SOON_S = 0.01


def run_to_the_end(arguments: Sequence[str] | None) -> int:
    """Run a command and turn every error into a line and an exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after `fxhost`; those of the process by default.

    Returns
    -------
    int
        The exit code: 0 done, 1 an error, 2 wrong usage, 130 interrupted.

    Raises
    ------
    SystemExit
        From the parser: after help, and after wrong usage.
    """
    with sturdy_streams() as output, raising_swallowed_interrupts():
        exited = False
        try:
            from fxhost.cli.dispatch import run_command

            code = run_command(arguments)
            output.flush()
        except SystemExit as err:
            exited, code = True, err.code if isinstance(err.code, int) else 0
        except BaseException as err:
            with ignoring_interrupts():
                told = print_end(err)
                if told == INTERRUPTED:
                    forget_frames(err)
            if told is None:
                raise
            code = told
        with suppress(BrokenPipeError):
            output.flush()
        if output.failure is not None and not isinstance(output.failure, BrokenPipeError):
            print_error(f"cannot write to the output: {output.failure.strerror}")
            code = code or 1
    if exited:
        sys.exit(code)
    return code


def print_end(err: BaseException) -> int | None:
    """Say on stderr why a command ended, and return its exit code; None where the error is the program's own."""
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes(err)):  # libraries wrap it in errors of theirs
        atexit.register(ignore_interrupts)  # the interpreter's own end tells nothing
        print_error("interrupted")
        return INTERRUPTED
    if isinstance(err, BrokenPipeError):  # whoever read our output has seen enough
        return 1
    message = str(err) if isinstance(err, FxhostError) else describe_refusal(list(causes(err)))
    if message is None:
        return None
    print_error(message)
    return 1


def causes(err: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes."""
    seen = set()
    while err is not None and id(err) not in seen:
        seen.add(id(err))
        yield err
        err = err.__cause__ or (None if err.__suppress_context__ else err.__context__)


def forget_frames(err: BaseException) -> None:
    """Free half-made objects of an interrupted import, and silence their failing destructors."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None
    try:
        for cause in list(causes(err)):
            traceback.clear_frames(cause.__traceback__)
        gc.collect()
    finally:
        sys.unraisablehook = before


def ignore_interrupts() -> None:
    """Ignore Ctrl-C from now on."""
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C inside the block, so that a second one does not cut off the message."""
    before = signal.getsignal(signal.SIGINT)
    ignore_interrupts()
    try:
        yield
    finally:
        with suppress(ValueError, TypeError):
            signal.signal(signal.SIGINT, before)


@contextmanager
def raising_swallowed_interrupts() -> Iterator[None]:
    """Raise a KeyboardInterrupt again that was swallowed in a callback or destructor."""
    before = sys.unraisablehook

    def hear(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            threading.Timer(SOON_S, _thread.interrupt_main).start()  # here, it would be swallowed as well
        else:
            before(unraisable)

    sys.unraisablehook = hear
    try:
        yield
    finally:
        sys.unraisablehook = before
