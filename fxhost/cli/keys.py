"""Reads single keys from the terminal without blocking, and decides which of them act.

`reading_keys` takes all that was typed since it last looked; `Presses` makes of it what shall happen. A key that is
held down repeats, thirty times a second and faster, and a busy machine looks late: neither may keep a bypass waiting,
or turn a gain further than a hand would.
"""

import codecs
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

QUIT = "q\x03"  # Ctrl-C where the terminal passes it on
TOGGLES = "bmt123456789xsua"
ONCE = "rR0dlw?c"
TAPS = " "
STEPS = "[]-+=,.knp<>{}"
URGENT = QUIT + TOGGLES + TAPS  # go before what else was typed
MEANT = URGENT + ONCE + STEPS

STEPS_AT_ONCE = 2.0  # of one key between two looks
STEPS_PER_S = 10.0  # of a key that is held; no finger taps much faster
HELD_S = 0.12  # the repeats of a held key follow each other at least so closely, as seen every 50 ms
REPEAT_DELAY_S = 0.8  # and the first of them follows the press no later
MOST_FOREIGN = 3  # so many different characters at once that mean nothing are text, not keys

PASTING, PASTING_NO_MORE = "\x1b[?2004h", "\x1b[?2004l"  # asks the terminal to mark what is pasted
PASTE_END = "\x1b[201~"
PASTE = re.compile(r"\x1b\[200~.*?\x1b\[201~", re.DOTALL)
PASTE_BEGUN = re.compile(r"\x1b\[200~.*\Z", re.DOTALL)
ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-9;?<]*[ -/]*[@-~]|O.|[^\[O])", re.DOTALL)  # arrows, Home, Alt with a key
ESCAPE_BEGUN = re.compile(r"\x1b(\[[0-9;?<]*[ -/]*|O)?\Z")
LONGEST_READ = 1 << 16  # bytes at one look


class Decoder:
    """Decodes bytes of a terminal into single keys, and drops escape sequences, also split ones."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""

    def take(self, data: bytes) -> str:
        """The keys in what has come since the last call; call it also when that is nothing.

        Notes
        -----
        What begins like an escape sequence waits for its end until the next call; then it was the Escape key. A paste
        that has begun waits for its end however long that takes.
        """
        text = self._rest + self._decode(data)
        text = PASTE.sub("", text)
        begun = PASTE_BEGUN.search(text)
        if begun is not None:
            self._rest = "\x1b[200~" + text[-len(PASTE_END) :]
            text = text[: begun.start()]
        else:
            self._rest = ""
        text = ESCAPE_SEQUENCE.sub("", text)
        if begun is None and (cut := ESCAPE_BEGUN.search(text)) is not None:
            self._rest = cut[0] if data else ""
            text = text[: cut.start()]
        return text


@dataclass
class _Step:
    """A key that steps: how many steps it may make at once, and since when that is so."""

    steps: float = STEPS_AT_ONCE
    since_s: float = 0.0

    def fill(self, now_s: float) -> None:
        self.steps = min(STEPS_AT_ONCE, self.steps + STEPS_PER_S * max(0.0, now_s - self.since_s))
        self.since_s = now_s


@dataclass
class _Switch:
    """A key that switches: when it was seen last, and whether it is held down."""

    takes_back: bool = True
    seen_s: float = -1e9
    is_held: bool = False
    may_be_repeat: bool = False  # the last press may have been the first repeat of the one before

    def see(self, now_s: float) -> bool:
        """Take one more of this key; tell whether to switch."""
        gap_s, self.seen_s = now_s - self.seen_s, now_s
        if gap_s > HELD_S:
            self.is_held, self.may_be_repeat = False, gap_s <= REPEAT_DELAY_S
            return True
        was_held, self.is_held = self.is_held, True
        return self.takes_back and self.may_be_repeat and not was_held  # so it was one: back again


class Presses:
    """Chooses which typed keys act, from their times: repeats of a held key are limited.

    - Quit goes before everything, bypass and mute before the rest.
    - What steps (gains, knobs) steps as often as it was tapped. Held down it goes on at ten steps a second: repeats
      beyond that are dropped, never kept for later.
    - What switches (bypass, mute) switches once, however long it is held. The first repeat of a held key looks like a
      second press and is taken for one at once; when more follow, it is taken back.
    - What does something else each time (the looper's space bar) cannot be taken back, and does not go on repeating.
    - What was typed before the first call can only quit, for nobody could see yet what it would turn.
    """

    def __init__(self) -> None:
        self._steps = {key: _Step() for key in STEPS}
        self._switches = {key: _Switch(key not in TAPS) for key in TOGGLES + TAPS + ONCE}
        self._has_begun = False

    def take(self, typed: str, now_s: float) -> list[str]:
        """The keys that shall act, in this order.

        Parameters
        ----------
        typed : str
            All that was typed since the last call.
        now_s : float
            The time in seconds, on any clock that does not go back.
        """
        has_begun, self._has_begun = self._has_begun, True
        if len({key for key in typed if key not in MEANT and key.isprintable()}) > MOST_FOREIGN:
            return []
        if any(key in QUIT for key in typed):
            return ["q"]
        if not has_begun:
            return []
        acts = []
        for key, switch in self._switches.items():
            switched = sum(switch.see(now_s) for _ in range(typed.count(key)))
            if switched % 2 if key in TOGGLES else switched:
                acts.append(key)
        acts.sort(key=typed.rfind)  # of two scenes the one that was typed last
        for step in self._steps.values():
            step.fill(now_s)
        for key in typed:
            if key in STEPS and self._steps[key].steps >= 1.0:
                self._steps[key].steps -= 1.0
                acts.append(key)
        return acts


@contextmanager
def reading_keys() -> Iterator[Callable[[], str] | None]:
    """Yield a function that returns all keys typed since its last call; None where there is no terminal to type in."""
    if not has_terminal():
        yield None
    elif sys.platform == "win32":
        import msvcrt

        def read_keys() -> str:
            keys = ""
            while msvcrt.kbhit():
                key = msvcrt.getwch()
                if key in "\0\xe0":  # an arrow, or another key with a code of its own behind it
                    msvcrt.getwch()
                else:
                    keys += key
            return keys

        yield read_keys
    else:
        import termios
        import tty

        terminal = sys.stdin.fileno()
        decoder = Decoder()
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal, termios.TCSADRAIN)  # Ctrl-C stays a signal, and what was typed so far is there
        try:
            _ask_to_mark_pastes(PASTING)
            yield lambda: decoder.take(_read_all(terminal))
        finally:
            _ask_to_mark_pastes(PASTING_NO_MORE)
            with suppress(termios.error):  # the terminal was closed
                termios.tcsetattr(terminal, termios.TCSAFLUSH, before)  # what is still unread was meant for us


def has_terminal() -> bool:
    """Whether keys can be read: standard input is a terminal and the process is in the foreground."""
    try:
        if not sys.stdin or not sys.stdin.isatty():
            return False
    except ValueError:  # closed
        return False
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # it is not the terminal that we were started from, and stops nobody
        return True


def _read_all(terminal: int) -> bytes:
    """All bytes that a terminal has. sys.stdin would hold the second of two quick keys back in its buffer."""
    import select

    data = b""
    with suppress(OSError):  # the terminal was closed
        while len(data) < LONGEST_READ and select.select([terminal], [], [], 0)[0]:
            piece = os.read(terminal, LONGEST_READ)
            if not piece:
                break
            data += piece
    return data


def _ask_to_mark_pastes(sequence: str) -> None:
    with suppress(OSError, ValueError):
        if sys.stdout.isatty():
            sys.stdout.write(sequence)
            sys.stdout.flush()
