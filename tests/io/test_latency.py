"""The latency that is shown: what a server or a driver claims, what was measured, and which block is asked for."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fxhost.engine.rack import Rack
from fxhost.io import jack, round_trips
from fxhost.io.block_size import choose_block_frames, choose_latency
from fxhost.io.latency import UNKNOWN, Latency, add_ways
from fxhost.io.round_trips import Setup, keep_trip, recall_trip
from tests.conftest import RATE

BLOCK_S = 256 / RATE
WRAPPED_S = (2**32 - 1024) / RATE  # 89478 s
JACKD = jack.Server(RATE, 256, is_pipewire=False)
PIPEWIRE = jack.Server(RATE, 1024, is_pipewire=True)
SETUP = Setup("system", jack.HOST_API, RATE, 256, "low")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "data" / "round-trips.json"
    monkeypatch.setattr(round_trips, "store_path", lambda: path)
    return path


def test_both_ways_are_added() -> None:
    assert add_ways([256 / RATE, 512 / RATE], BLOCK_S, "server") == Latency(768 / RATE, "server")
    assert add_ways([512 / RATE], BLOCK_S, "driver") == Latency(512 / RATE, "driver")
    held = add_ways([256 / RATE, 512 / RATE], BLOCK_S, "server", 64 / RATE)
    assert held.seconds == pytest.approx(832 / RATE)


@pytest.mark.parametrize(
    "ways",
    [
        [WRAPPED_S, WRAPPED_S], [WRAPPED_S, 0.01], [0.01, None], [0.0, 0.0], [math.nan, 0.01], [-0.02, 0.1], [math.inf],
        [0.001], [],
    ],
)  # fmt: skip
def test_where_the_figures_cannot_be_true_one_block_is_all_that_is_known(ways: list[float | None]) -> None:
    assert add_ways(ways, BLOCK_S, "driver") == Latency(BLOCK_S, "block")
    assert add_ways(ways if ways != [0.001] else [], 0.0, "driver") == UNKNOWN


def test_a_latency_says_who_says_so() -> None:
    assert Latency(0.016, "server").describe() == "stream latency 16.0 ms (the server's figure)"
    assert Latency(0.0134, "measured").describe(brief=True) == "round trip 13.4 ms (measured)"
    assert Latency(0.00133, "block").describe(brief=True) == "stream latency ≥ 1.3 ms (block)"
    assert UNKNOWN.describe() == "stream latency unknown"
    claims = Latency(0.016, "driver"), Latency(0.016, "block"), UNKNOWN
    assert [claim.claimed_frames(RATE) for claim in claims] == [pytest.approx(768), None, None]


@pytest.mark.parametrize(
    ("asked", "host_api", "server", "expected"),
    [
        (0, "ALSA", None, (64, 64)),
        (256, "ALSA", None, (256, 256)),
        (0, "Core Audio", None, (64, 64)),
        (0, "Windows WASAPI", None, (64, 64)),  # not the 441 or 480 frames of its own period
        (128, "Windows WASAPI", None, (128, 128)),
        (0, jack.HOST_API, JACKD, (256, 0)),
        (256, jack.HOST_API, JACKD, (256, 0)),  # PortAudio would add a block of latency
        (64, jack.HOST_API, JACKD, (64, 64)),
        (0, jack.HOST_API, PIPEWIRE, (64, 0)),
        (128, jack.HOST_API, PIPEWIRE, (128, 0)),
        (0, jack.HOST_API, None, (0, 0)),
        (128, jack.HOST_API, None, (128, 128)),
    ],
)
def test_the_block_that_is_asked_for_is_small_and_what_the_server_runs_at(
    asked: int, host_api: str, server: jack.Server | None, expected: tuple[int, int]
) -> None:
    assert choose_block_frames(asked, host_api, server) == expected


def portaudios_buffer(latency_s: float, block: int, rate: int) -> tuple[int, int]:
    """The period and the buffer that PortAudio asks ALSA for: `pa_linux_alsa.c` in integers."""
    frames = int(latency_s * rate)
    quarter = (block + max(block, frames)) // 4
    period = -(-quarter // block) * block
    return period, frames + period


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("block", [32, 64, 128])
@pytest.mark.parametrize("claimed_frames", [1, 63, 64, 384, 418, 1671, 4000])
def test_the_period_is_a_power_of_two_and_the_buffer_no_shorter_than_the_device_takes(
    rate: int, block: int, claimed_frames: int
) -> None:
    latency_s = choose_latency([claimed_frames / rate, None], block, "ALSA", rate)
    assert latency_s is not None
    period, buffer = portaudios_buffer(latency_s, block, rate)
    assert period & (period - 1) == 0
    assert claimed_frames + block <= buffer < 3 * (claimed_frames + block) or buffer == 4 * block
    assert 4 * period <= buffer < 5 * period
    if period <= 4 * block:
        assert buffer == 4 * period


@pytest.mark.parametrize(
    ("claims", "block", "host_api"),
    [([0.0087], 64, "Core Audio"), ([0.0087], 0, jack.HOST_API), ([0.0087], 0, "ALSA"), ([None], 64, "ALSA")],
)
def test_where_the_buffer_is_not_ours_to_choose_the_device_is_taken_at_its_word(
    claims: list[float | None], block: int, host_api: str
) -> None:
    assert choose_latency(claims, block, host_api, RATE) is None


def test_a_round_trip_is_kept_for_its_device_rate_and_block(store: Path) -> None:
    assert recall_trip(SETUP, 768.0) is None
    assert keep_trip(SETUP, 700, 768.0)
    assert keep_trip(Setup("other", "ALSA", RATE, 64, "low"), 500, None)
    assert keep_trip(SETUP, 701, 768.0)  # in place of the first
    trip = recall_trip(SETUP, 768.0)
    assert trip is not None
    assert (trip.round_trip_frames, trip.seconds) == (701, 701 / RATE)
    for other in (
        replace(SETUP, device="x"),
        replace(SETUP, host_api="ALSA"),
        replace(SETUP, sample_rate=44_100),
        replace(SETUP, block_frames=64),
        replace(SETUP, latency="high"),
    ):
        assert recall_trip(other, 768.0) is None
    assert len(json.loads(store.read_text())) == 2


def test_a_round_trip_holds_only_beside_the_claim_that_it_was_measured_beside(store: Path) -> None:
    keep_trip(SETUP, 701, 768.0)
    assert recall_trip(SETUP, 768.0 + 100) is not None
    assert recall_trip(SETUP, 768.0 + 256) is None  # the server has one more buffer now
    keep_trip(SETUP, 957, 768.0 + 256)
    assert [getattr(recall_trip(SETUP, claim), "round_trip_frames", None) for claim in (768.0, 1024.0)] == [701, 957]
    assert recall_trip(SETUP, None) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[1, null, {}]", b"\xff\xfe", b'{"setup": 1}', b"[" * 100_000,
        b'[{"setup": {"device": "system"}, "round_trip_frames": 700, "claimed_frames": 768, "measured": "x"}]',
    ],
)  # fmt: skip
def test_a_damaged_store_costs_nothing_but_its_records(store: Path, content: bytes) -> None:
    store.parent.mkdir()
    store.write_bytes(content)
    assert recall_trip(SETUP, 768.0) is None
    assert keep_trip(SETUP, 700, 768.0)
    assert recall_trip(SETUP, 768.0) is not None


@pytest.mark.parametrize(
    ("field", "value"),
    [("round_trip_frames", v) for v in (0, -5, 1e99, "700", None, True, 10**9)] + [("claimed_frames", math.nan)],
)  # fmt: skip
def test_a_record_with_an_impossible_number_is_none(store: Path, field: str, value: object) -> None:
    keep_trip(SETUP, 700, 768.0)
    records = json.loads(store.read_text())
    records[0][field] = value
    store.write_text(json.dumps(records))
    assert recall_trip(SETUP, 768.0) is None


def test_a_disk_that_takes_nothing_is_told(store: Path) -> None:
    store.parent.write_text("no folder")
    assert not keep_trip(SETUP, 700, 768.0)


@pytest.mark.parametrize("at_once", [1, 16])
def test_blocks_that_come_many_at_once_are_counted_so(at_once: int) -> None:
    rack = Rack([], RATE)
    block = np.zeros(4096 // at_once, np.float32)
    end = 0.0
    for _ in range(6):
        while time.perf_counter() < end:
            pass
        end = time.perf_counter() + 4096 / RATE
        for _ in range(at_once):
            rack.process(block, block.copy())
    assert rack.statistics().blocks_at_once == pytest.approx(at_once, rel=0.3)
