"""Keys: what a terminal sends, and what of it a player means."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fxhost.cli.keys import HELD_S, STEPS_PER_S, Decoder, Presses
from tests.conftest import ROOT

POLL_S = 0.05


def play(typed: dict[int, str], seconds: float = 4.0) -> list[tuple[int, str]]:
    """What acts, and in which poll, of the keys that are there at certain polls; the first of them is number 1."""
    presses = Presses()
    presses.take("", 0.0)
    return [
        (poll, key)
        for poll in range(1, round(seconds / POLL_S))
        for key in presses.take(typed.get(poll, ""), poll * POLL_S)
    ]


def hold(key: str, seconds: float, first: int = 1, delay_s: float = 0.5, rate: float = 30.0) -> dict[int, str]:
    """What a held key sends, by poll."""
    times = [0.0, *(delay_s + n / rate for n in range(int((seconds - delay_s) * rate)))]
    typed: dict[int, str] = {}
    for at in times:
        poll = first + int(at / POLL_S)
        typed[poll] = typed.get(poll, "") + key
    return typed


@pytest.mark.parametrize("urgent", "qbm")
def test_what_is_urgent_goes_before_what_was_typed_earlier(urgent: str) -> None:
    acts = play({5: 60 * "]" + urgent + "]"})
    assert acts[0] == (5, urgent)
    assert acts[1:] == ([] if urgent == "q" else [(5, "]"), (5, "]")])


def test_ctrl_c_as_a_key_quits() -> None:
    assert play({3: "]b\x03"}) == [(3, "q")]


@pytest.mark.parametrize("rate", [10.9, 30.0, 120.0])
def test_a_held_key_steps_evenly_and_stops_when_it_is_let_go(rate: float) -> None:
    acts = play(hold("]", 2.0, rate=rate))
    assert {key for _, key in acts} == {"]"}
    assert 10 <= len(acts) <= 2 + STEPS_PER_S * 2.0
    assert max(poll for poll, _ in acts) <= 1 + 2.0 / POLL_S


def test_as_many_taps_as_a_hand_can_do_all_count() -> None:
    taps = dict.fromkeys(range(2, 42, 2), "+")  # ten a second
    assert len(play(taps)) == 20
    assert [key for _, key in play({4: "]]", 8: "[", 12: ".,."})] == ["]", "]", "[", ".", ",", "."]


def test_a_machine_that_looks_late_does_not_turn_further_than_a_hand() -> None:
    assert len(play({40: 60 * "]"})) == 2


@pytest.mark.parametrize("delay_s", [0.15, 0.25, 0.5, 0.66])
@pytest.mark.parametrize("rate", [10.9, 30.0, 60.0])
def test_a_held_switch_switches_once(delay_s: float, rate: float) -> None:
    acts = play(hold("b", 2.5, delay_s=delay_s, rate=rate))
    assert acts[0] == (1, "b")
    assert len(acts) % 2 == 1
    assert len(acts) <= 3


def test_taps_on_a_switch_all_count_at_once() -> None:
    taps = [5, 9, 13, 40]
    assert play(dict.fromkeys(taps, "b")) == [(poll, "b") for poll in taps]
    assert 4 * POLL_S > HELD_S


def test_a_held_switch_after_a_tap_switches_twice_in_all() -> None:
    acts = play({1: "m"} | hold("m", 2.0, first=8))
    assert len(acts) % 2 == 0


def test_keys_from_before_the_start_can_only_quit() -> None:
    assert Presses().take("]]]]b+k", 0.0) == []
    assert Presses().take("]]q", 0.0) == ["q"]


def test_text_is_no_key() -> None:
    assert Presses().take("echo goodbye, quit", 0.0) == []
    assert play({2: "https://example.org/q?b=[m]", 4: "b"}) == [(4, "b")]


def test_arrows_mean_nothing_however_they_come() -> None:
    sent = b"]\x1b[A\x1b[1;5D\x1bOP\x1bb\x1b[<0;3;4M["
    for cut in range(len(sent)):
        decoder = Decoder()
        assert decoder.take(sent[:cut]) + decoder.take(sent[cut:]) == "][", cut
    decoder = Decoder()
    assert "".join(decoder.take(sent[n : n + 1]) for n in range(len(sent))) == "]["


def test_the_escape_key_does_not_swallow_the_next_one() -> None:
    decoder = Decoder()
    assert [decoder.take(data) for data in (b"\x1b", b"", b"q")] == ["", "", "q"]


def test_what_is_pasted_is_no_key_however_it_comes() -> None:
    sent = b"b\x1b[200~quit []\r\xc3\xa4qqq\x1b[201~m"
    for cut in range(1, len(sent)):
        decoder = Decoder()
        pieces = sent[:cut], b"", sent[cut:]
        if cut in range(2, 7):  # the mark itself was cut off for good
            pieces = sent[:cut], sent[cut:]
        assert "".join(map(decoder.take, pieces)) == "bm", cut


def test_letters_of_several_bytes_may_come_in_pieces() -> None:
    decoder = Decoder()
    assert decoder.take("ä".encode()[:1]) + decoder.take("ä".encode()[1:]) == "ä"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_a_terminal_gives_all_that_was_typed_and_is_left_as_it_was(tmp_path: Path) -> None:
    import pty
    import termios

    script = (
        "import sys, time\n"
        "from fxhost.cli.keys import reading_keys\n"
        "with reading_keys() as read_keys:\n"
        "    print('ready', flush=True)\n"
        "    keys = ''\n"
        "    end = time.monotonic() + 20\n"
        "    while not keys.endswith('q') and time.monotonic() < end:\n"
        "        time.sleep(0.2)\n"
        "        keys = read_keys() or keys\n"
        "print(len(keys), file=sys.stderr)\n"
    )
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    ) as run:
        shown = b""
        while b"ready" not in shown:
            shown += os.read(master, 1000)
        time.sleep(0.05)
        os.write(master, 500 * b"]" + b"q")
        _, error = run.communicate(timeout=30)
    assert error.decode().strip() == "501"
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    os.close(master)


def test_without_a_terminal_there_are_no_keys() -> None:
    script = "from fxhost.cli.keys import reading_keys\nwith reading_keys() as read_keys: print(read_keys)"
    for stdin in (subprocess.DEVNULL, subprocess.PIPE):
        done = subprocess.run(
            [sys.executable, "-c", script], stdin=stdin, capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.stdout.strip() == "None"
