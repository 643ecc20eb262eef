"""The round trips that were measured on this machine, kept for the runs that come.

They lie in one JSON file among the user's data, a list of records. Whatever is wrong with the file or the disk costs
the record and nothing else: a run then shows what the server or the driver claims.
"""

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs

from fxhost.errors import FileError
from fxhost.io.files import replacing

logger = logging.getLogger(__name__)

LARGEST_FILE = 1 << 20  # bytes
MOST_RECORDS = 500
LONGEST_S = 10.0


@dataclass(frozen=True)
class Setup:
    """What a round trip depends on.

    Attributes
    ----------
    device, host_api : str
        As the stream names them.
    sample_rate : int
        In Hz.
    block_frames : int
        As the blocks come.
    latency : str
        What was asked for: 'low', 'high' or seconds.
    """

    device: str
    host_api: str
    sample_rate: int
    block_frames: int
    latency: str


@dataclass(frozen=True)
class KeptTrip:
    """A round trip that was measured.

    Attributes
    ----------
    setup : Setup
    round_trip_frames : int
    claimed_frames : float or None
        What the server or the driver claimed at that time.
    measured : str
        When, as ISO 8601.
    """

    setup: Setup
    round_trip_frames: int
    claimed_frames: float | None
    measured: str

    @property
    def seconds(self) -> float:
        """The round trip in seconds."""
        return self.round_trip_frames / self.setup.sample_rate

    def holds_beside(self, claimed_frames: float | None) -> bool:
        """Whether the measurement is still valid. If the claimed latency has changed by half a block or more, the
        buffers of the device have changed.
        """
        if claimed_frames is None or self.claimed_frames is None:
            return True
        return abs(claimed_frames - self.claimed_frames) < max(1.0, self.setup.block_frames / 2)


def store_path() -> Path | None:
    """The file, or None for a user without a home."""
    folder = platformdirs.user_data_path("fxhost", appauthor=False)
    return folder / "round-trips.json" if folder.is_absolute() else None


def recall_trip(setup: Setup, claimed_frames: float | None) -> KeptTrip | None:
    """The newest round trip that was measured with a setup, and still holds."""
    return next((trip for trip in _read() if trip.setup == setup and trip.holds_beside(claimed_frames)), None)


def keep_trip(setup: Setup, round_trip_frames: int, claimed_frames: float | None) -> bool:
    """Keep a round trip in place of an earlier one of the same setup and claim; tell whether the disk took it."""
    path = store_path()
    if path is None:
        return False
    now = datetime.now(UTC).isoformat(timespec="seconds")
    trip = KeptTrip(setup, round_trip_frames, claimed_frames, now)
    others = [old for old in _read() if old.setup != setup or not old.holds_beside(claimed_frames)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, overwrite=True) as partial:
            partial.write_text(json.dumps([asdict(kept) for kept in [trip, *others][:MOST_RECORDS]], indent=1))
    except (OSError, FileError) as err:
        logger.info("the round trip is not kept: %s", err)
        return False
    return True


def _read() -> list[KeptTrip]:
    path = store_path()
    records: Any = None
    if path is not None:
        with suppress(OSError, ValueError, RecursionError), open(path, "rb") as file:
            records = json.loads(file.read(LARGEST_FILE))
    if not isinstance(records, list):
        return []
    return [trip for trip in map(_as_trip, records[:MOST_RECORDS]) if trip is not None]


def _as_trip(record: Any) -> KeptTrip | None:
    """A record of the file, or None where it is none: anybody may have edited it."""
    try:
        setup, claimed = Setup(**record["setup"]), record["claimed_frames"]
        trip = KeptTrip(setup, record["round_trip_frames"], claimed, record["measured"])
    except (TypeError, KeyError):
        return None
    kinds: list[tuple[object, Callable[[Any], bool]]] = [
        *((value, _is_text) for value in (setup.device, setup.host_api, setup.latency, trip.measured)),
        *((value, _is_count) for value in (setup.sample_rate, setup.block_frames, trip.round_trip_frames)),
        (0 if claimed is None else claimed, _is_number),
    ]
    if not all(fits(value) for value, fits in kinds):
        return None
    return trip if trip.seconds < LONGEST_S else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
