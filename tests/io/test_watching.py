"""Streams that end, stall or starve, and what becomes of them."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from fxhost.engine.rack import Rack
from fxhost.errors import DeviceError
from fxhost.io import stream_pace, stream_watch
from fxhost.io.jack import HOST_API
from fxhost.io.latency import UNKNOWN, Latency
from fxhost.io.stream_watch import Watch
from fxhost.io.suspension import Suspension
from tests.conftest import RATE

BLOCK = 64


class ScriptedStream:
    """A stream whose starts go as a script says: 'plays', 'ends' after three blocks, 'silent', 'slow', 'refuses'.

    The last word of the script goes for all later starts.
    """

    def __init__(self, rack: Rack, *script: str) -> None:
        self.name, self.host_api, self.sample_rate, self.asked_frames = "scripted", "ALSA", float(RATE), BLOCK
        self.latency, self.claim, self.asked_latency = UNKNOWN, UNKNOWN, None
        self.can_reopen, self.block, self.new_rate = True, BLOCK, 0
        self.left = self.asked_for_more = 0
        self.starts: list[str] = []
        self._rack, self._script = rack, list(script)
        self._ended, self._stop = threading.Event(), threading.Event()
        rack.connect(in_channels=1, in_channel=0, out_channels=1)

    def start(self) -> None:
        self.starts.append(self._script.pop(0) if len(self._script) > 1 else self._script[0])
        self._ended, self._stop = threading.Event(), threading.Event()
        if self.starts[-1] == "refuses":
            raise DeviceError("'scripted' cannot be started")
        threading.Thread(target=self._play, args=(self.starts[-1], self._ended, self._stop), daemon=True).start()

    def _play(self, how: str, ended: threading.Event, stop: threading.Event) -> None:
        played, frames, begun = 0, 0, time.perf_counter()
        speed = 0.2 if how == "slow" else 1.0
        while how != "silent" and not stop.is_set() and not (how == "ends" and played == 3):
            while frames < speed * self.sample_rate * (time.perf_counter() - begun) and (how != "ends" or played < 3):
                block = np.zeros(self.block, np.float32)
                self._rack.process(block, block.copy())
                played, frames = played + 1, frames + self.block
            time.sleep(0.002)
        if how == "ends":
            ended.set()

    def has_stopped(self) -> bool:
        return self._ended.is_set()

    def has_other_rate(self) -> bool:
        return self.new_rate not in (0, self.sample_rate)

    def read_latency(self, block_frames: int) -> None:
        self.latency = Latency(block_frames / RATE, "block")

    def answers(self) -> bool:
        return True

    def ask_for_more(self, wake_s: float) -> bool:
        self.asked_for_more += 1
        return True

    def leave(self) -> None:
        self.left += 1
        self._stop.set()

    def reopen(self) -> None:
        self.leave()
        if self.has_other_rate():
            self._rack.change_rate(self.new_rate, [])
            self.sample_rate = float(self.new_rate)
        self._rack.connect(in_channels=1, in_channel=0, out_channels=1)
        self.start()

    def close(self) -> None:
        self._stop.set()


Watching = Callable[..., tuple[Watch, ScriptedStream, list[str]]]


@pytest.fixture
def watching_of(monkeypatch: pytest.MonkeyPatch) -> Watching:
    """A maker of watches over scripted streams, with less patience than usual."""
    for name, value in {
        "PAUSE_S": 0.002, "FIRST_BLOCK_S": (0.2,), "STALL_S": 0.3, "PROVEN_S": 0.15, "SETTLING_S": 1.0,
        "LOOK_S": 0.05,
    }.items():  # fmt: skip
        monkeypatch.setattr(stream_watch, name, value)
    monkeypatch.setattr(stream_pace, "SETTLING_S", 0.15)

    def make(*script: str) -> tuple[Watch, ScriptedStream, list[str]]:
        rack, notes = Rack([], RATE), list[str]()
        stream = ScriptedStream(rack, *script)
        return Watch(stream, rack, Suspension(hears=False), notes.append), stream, notes

    return make


def look_for(watch: Watch, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        watch.look()
        time.sleep(0.01)


def test_a_stream_that_plays_is_left_alone(watching_of: Watching) -> None:
    watch, stream, notes = watching_of("plays")
    watch.start()
    look_for(watch, 0.5)
    stream.close()
    assert (stream.starts, watch.restarts, notes) == (["plays"], 0, [])
    assert stream.latency == Latency(BLOCK / RATE, "block")


@pytest.mark.parametrize("fault", ["ends", "silent", "refuses"])
def test_a_stream_that_fails_at_its_start_is_opened_again(watching_of: Watching, fault: str) -> None:
    watch, stream, notes = watching_of(fault, fault, "plays")
    watch.start()
    look_for(watch, 0.3)
    stream.close()
    assert stream.starts == [fault, fault, "plays"]
    assert watch.restarts >= 1
    assert notes == []  # it had not played yet


@pytest.mark.parametrize(
    ("fault", "message"),
    [("ends", "went away while playing"), ("silent", "calls for no audio"), ("refuses", "cannot be started")],
)
def test_a_stream_that_never_plays_is_given_up_in_one_line(watching_of: Watching, fault: str, message: str) -> None:
    watch, stream, _ = watching_of(fault)
    with pytest.raises(DeviceError, match=message):
        watch.start()
        look_for(watch, 5.0)
    assert len(stream.starts) == 1 + stream_watch.TRIES


def test_a_stream_that_ends_in_the_middle_is_opened_again_with_a_word(watching_of: Watching) -> None:
    watch, stream, notes = watching_of("plays", "refuses", "plays")
    watch.start()
    look_for(watch, 0.3)
    stream._stop.set()
    stream._ended.set()
    look_for(watch, 0.3)
    stream.close()
    assert (stream.starts, watch.restarts) == (["plays", "refuses", "plays"], 1)
    assert notes == ["'scripted' went away; waiting for it to come back", "'scripted' is back"]
    assert 0 < watch.away_s < 0.3


def test_a_stream_that_does_not_come_back_is_waited_for_as_long_as_asked(watching_of: Watching) -> None:
    watch, stream, _ = watching_of("plays", "refuses")
    watch._patience_s = 0.4
    watch.start()
    look_for(watch, 0.3)
    stream._stop.set()
    stream._ended.set()
    begun = time.perf_counter()
    with pytest.raises(DeviceError, match="went away while playing"):
        look_for(watch, 5.0)
    assert 0.4 <= time.perf_counter() - begun < 3.0
    assert stream.starts.count("refuses") > 2


def test_a_stream_whose_server_does_not_let_go_is_given_up_at_once(watching_of: Watching) -> None:
    watch, stream, _ = watching_of("ends")
    stream.can_reopen = False
    with pytest.raises(DeviceError, match="went away while playing"):
        watch.start()
        look_for(watch, 2.0)
    assert stream.starts == ["ends"]


def test_a_stream_that_starves_gets_a_longer_buffer(watching_of: Watching) -> None:
    watch, stream, notes = watching_of("slow", "plays")
    watch.start()
    look_for(watch, 0.8)
    stream.close()
    assert (stream.starts, stream.asked_for_more) == (["slow", "plays"], 1)
    assert len(notes) == 1 and "more rarely than its buffer lasts" in notes[0]


@pytest.mark.parametrize(
    ("host_api", "plays_on", "restarts"),
    [("ALSA", True, 1), (HOST_API, True, 0), (HOST_API, False, 1)],
    ids=["what was kept for us is old", "a server that goes on is left alone", "a server that has thrown us out"],
)
def test_after_a_stop_the_stream_is_opened_again_where_it_must_and_the_time_is_not_counted(
    watching_of: Watching, host_api: str, plays_on: bool, restarts: int
) -> None:
    watch, stream, _ = watching_of("plays")
    stream.host_api = host_api
    watch.start()
    look_for(watch, 0.1)
    if not plays_on:
        stream._stop.set()
    time.sleep(0.6)  # as if it had been stopped
    watch._suspension.has_resumed = True
    look_for(watch, 0.2)
    stream.close()
    assert (len(stream.starts), watch.restarts, stream.left) == (1 + restarts, restarts, restarts)
    assert watch.away_s == pytest.approx(0.6, abs=0.3)


def test_a_moment_in_which_we_were_held_up_is_no_stall(watching_of: Watching) -> None:
    watch, stream, _ = watching_of("plays")
    watch.start()
    look_for(watch, 0.1)
    stream._stop.set()  # no more blocks
    time.sleep(1.0)
    watch.look()  # late by more than a stall, but it has looked once only
    assert watch.restarts == 0
    look_for(watch, 0.6)
    stream.close()
    assert watch.restarts == 1


def test_another_block_size_is_told_once_and_a_passing_one_is_not(watching_of: Watching) -> None:
    watch, stream, notes = watching_of("plays")
    watch.start()
    look_for(watch, 0.3)
    stream.block = 128
    look_for(watch, 0.3)
    for stream.block in (32, 128) * 5:
        look_for(watch, 0.02)
    look_for(watch, 0.2)
    stream.close()
    assert notes == ["'scripted' plays on, now 48000 Hz, 128 frames a block"]
    assert watch.restarts == 0


def test_a_stream_whose_server_changes_the_rate_is_opened_again_at_that_rate(watching_of: Watching) -> None:
    watch, stream, notes = watching_of("plays")
    watch.start()
    look_for(watch, 0.3)
    stream.new_rate = 44_100
    look_for(watch, 0.3)
    stream.close()
    assert stream.starts == ["plays"] * 2
    assert notes == ["'scripted' plays on, now 44100 Hz, 64 frames a block"]
    assert watch.restarts == 1


def test_a_stream_that_comes_back_otherwise_says_how_in_the_same_line(watching_of: Watching) -> None:
    watch, stream, notes = watching_of("plays")
    watch.start()
    look_for(watch, 0.3)
    stream._stop.set()
    stream._ended.set()
    stream.new_rate, stream.block = 96_000, 256
    look_for(watch, 0.3)
    stream.close()
    assert notes[1:] == ["'scripted' is back, now 96000 Hz, 256 frames a block"]
