"""The live screen in a terminal's window, which is given back while the process is stopped, or in the background."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol, Self

from rich.live import Live

from fxhost.cli.keys import reading_keys
from fxhost.control.commands import Command, Quit
from fxhost.io.suspension import is_in_background

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SUSPEND_KEY = "\x1a"


class Shown(Protocol):
    """What a window shows, and what its keys mean."""

    has_keys: bool

    def note(self, text: str) -> None:
        """Show a line for some seconds."""

    def type(self, typed: str) -> list[Command]:
        """The commands that are meant by all that was typed since the last call."""

    def draw(self) -> "RenderableType":
        """The whole screen, for any window."""


class Window:
    """A screen, its keys and its place in the terminal, as a context.

    Parameters
    ----------
    console : Console
    screen : Shown
    """

    def __init__(self, console: "Console", screen: Shown) -> None:
        self._console, self._screen = console, screen
        self._stack: ExitStack | None = None
        self._live: Live | None = None
        self._read_keys: Callable[[], str] | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def poll(self) -> list[Command]:
        """Draw the screen; return the commands that the keys mean."""
        self._open()
        commands = self.read()
        if self._live is not None and Quit() not in commands:
            self._live.update(self._screen.draw(), refresh=True)
        return commands

    def read(self) -> list[Command]:
        """The commands of the keys that were typed since the last call."""
        if self._live is None or self._read_keys is None:
            return []
        typed = self._read_keys()
        if SUSPEND_KEY in typed:
            self._screen.note("Ctrl-Z does not stop it: that would hold up the sound server. q quits")
        return self._screen.type(typed)

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Give the terminal back; take it again afterwards, if it is ours then, or else as soon as it is."""
        self._close()
        yield
        self._open()

    def _open(self) -> None:
        if self._stack is not None or is_in_background():
            return
        with ExitStack() as stack:
            self._read_keys = stack.enter_context(reading_keys())
            self._screen.has_keys = self._read_keys is not None
            self._live = stack.enter_context(
                Live(
                    console=self._console,
                    auto_refresh=False,
                    screen=True,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
            )
            self._stack = stack.pop_all()

    def _close(self) -> None:
        stack, self._stack, self._live = self._stack, None, None
        if stack is not None:
            stack.close()
