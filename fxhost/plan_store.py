"""What was measured stays: a JSON file beside the compiled code, so that the next start need not measure again.

It may be damaged, out of date or closed to writing: then it is measured again, and nothing else happens.
"""

import json
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from fxhost.caching import choose_folder

logger = logging.getLogger(__name__)

FILE_NAME = "fxhost-rates.json"
MOST_ENTRIES = 1000  # the oldest go first
LARGEST_FILE = 1 << 20  # bytes


def store_path() -> Path | None:
    """Where it is kept: beside the compiled code, or nowhere if there is no folder that can be written."""
    folder = choose_folder(Path(__file__).parent)
    return None if folder is None else folder / FILE_NAME


def read_entries(path: Path) -> dict[str, Any]:
    """All entries by their keys; none where there is no such file, or a damaged one."""
    try:
        with open(path, "rb") as file:
            entries = json.loads(file.read(LARGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}


def recall(key: str) -> dict[str, Any] | None:
    """What was kept under a key, if anything; it is for the caller to check."""
    path = store_path()
    found = read_entries(path).get(key) if path else None
    return found if isinstance(found, dict) else None


def keep(key: str, entry: dict[str, Any]) -> None:
    """Keep numbers under a key, if that can be done."""
    path = store_path()
    if path is None:
        return
    entries = {old: value for old, value in read_entries(path).items() if old != key} | {key: entry}
    entries = dict(list(entries.items())[-MOST_ENTRIES:])
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".fxhost-rates-")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(entries, file)
            Path(partial).replace(path)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial)
            raise
    except OSError as err:
        logger.info("cannot keep what was measured in %s: %s", path, err)
