"""What the tests of the trainer share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import train.recordings
from train.pairs.pair import Pair

READ_ONCE = {"test_fit", "test_interruption", "test_scaling", "test_search", "test_selftest"}  # they test what follows

_read: dict[tuple[Any, ...], Pair] = {}


@pytest.fixture(autouse=True)
def pairs_that_are_read_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test is not about reading, let it take a pair of the same files from an earlier one."""
    if request.path.stem in READ_ONCE:
        read_pair: Callable[..., Pair] = train.recordings.read_pair

        def read(dry: Path, wet: Path, **options: Any) -> Pair:
            files = tuple((path, path.stat().st_mtime_ns) for path in (dry, wet) if path.exists())
            key = (*files, *sorted(options.items()))
            if key not in _read:
                _read[key] = read_pair(dry, wet, **options)
            return _read[key]

        monkeypatch.setattr(train.recordings, "read_pair", read)
