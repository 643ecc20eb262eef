"""The disk cache of measurements, beside the compiled code, so that the next start need not measure again.

A small JSON file for each key. The first to keep something under a key wins, and later ones are told what it kept: so
processes that measure at the same time go on with the same. A file may be damaged, out of date, or its folder closed to
writing: then it is measured again, and nothing else happens.
"""

import hashlib
import json
import logging
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from fxhost.native.code_cache import choose_folder, warn_once
from fxhost.native.source_digest import hash_files
from fxhost.native.trusted_files import UntrustedError, read_trusted

logger = logging.getLogger(__name__)

PREFIX = "measured."
LARGEST_FILE = 1 << 16  # bytes


def store_folder() -> Path | None:
    """The folder of the cache; None if none can be written."""
    return choose_folder(Path(__file__).parents[1])


@cache
def revision() -> str:
    """A digest of the sources of everything that is measured or measures, 12 hexadecimal digits."""
    package = Path(__file__).parents[1]
    folders = (package / name for name in ("native", "networks", "stages", "preset", "engine"))
    sources = [
        package / "arrays.py",
        package / "riff.py",
        *(path for folder in folders for path in folder.rglob("*.py")),
    ]
    return hash_files(sources, package).hex()[:12]


def recall(key: str) -> dict[str, Any] | None:
    """The numbers under a key, or None. The caller checks them."""
    path = _path(key)
    if path is None:
        return None
    try:
        entry = json.loads(read_trusted(path, LARGEST_FILE))
    except UntrustedError as err:
        warn_once(f"what was measured in {path} is not used, because it {err}")
        return None
    except (OSError, ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def forget(key: str) -> None:
    """Remove what was kept under a key, because it is damaged."""
    path = _path(key)
    if path is not None:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def keep(key: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Store numbers under a key; returns what is stored, which may come from another process."""
    path = _path(key)
    if path is None:
        return entry
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{PREFIX}")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(entry, file)
            try:
                os.link(partial, path)
            except OSError:  # there is one, or the file system has no links
                if (earlier := recall(key)) is not None:
                    return earlier
                os.replace(partial, path)
        finally:
            with suppress(OSError):
                os.unlink(partial)
        for old in path.parent.glob(f"{PREFIX}*.json"):
            if not old.name.startswith(f"{PREFIX}{revision()}-"):
                old.unlink(missing_ok=True)
    except OSError as err:
        logger.info("cannot keep what was measured in %s: %s", path, err)
    return entry


def _path(key: str) -> Path | None:
    folder = store_folder()
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    return None if folder is None else folder / f"{PREFIX}{revision()}-{name}.json"
