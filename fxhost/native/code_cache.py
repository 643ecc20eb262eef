"""The disk cache of compiled code. A fault of the disk costs a compilation and stops nothing.

It stands in for numba's own, behind the same two verbs. A file holds one compiled function: its name says what the
code was made from and for, and it begins with the checksum of the rest. So there is no index to lose, processes that
start at the same time write the same bytes under the same name, and a file that was cut off or damaged is not there.

It lies in `NUMBA_CACHE_DIR` where that is set, else beside the sources in `__pycache__`, else with the user's caches,
else in the system's folder for temporary files: in the first of these where a file can be written, and into which
nobody else can put code. A file that somebody else could have written is not read.
"""

import functools
import hashlib
import inspect
import logging
import os
import pickle
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import platformdirs
from numba import njit
from numba.core import config
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from fxhost.native.slow_steps import announce
from fxhost.native.source_digest import hash_sources
from fxhost.native.trusted_files import UntrustedError, find_weakness, make_folder, read_trusted, write_new

logger = logging.getLogger(__name__)

CHECKSUM_BYTES = hashlib.sha256().digest_size


def cached_cfunc(signature: Any, what: str = "", **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """The decorator that makes a function a lazy `numba.cfunc`, from the disk where it was compiled before.

    Parameters
    ----------
    signature : numba signature
    what : str
        What it is to a user who waits for it; by default a part of the audio engine, or of the trainer.
    **options
        Of numba.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        return LazyCFunc(function, normalize_signature(signature), options, what)

    return decorate


class LazyCFunc:
    """A `numba.cfunc` that is compiled, or read from the disk, when something of it is first asked for.

    A program that never plays a stage does not wait for its code.
    """

    def __init__(self, function: Callable[..., Any], signature: Any, options: dict[str, Any], what: str) -> None:
        self._made_from = function, signature, options, what
        self._lock = threading.Lock()
        self._compiled: Any = None
        functools.update_wrapper(self, function)  # type: ignore[arg-type]  # whose type knows functions only

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        with self._lock:
            if self._compiled is None:
                function, signature, options, what = self._made_from
                compiled: Any = CFunc(function, signature, locals={}, options=options)
                compiled._cache = DiskCache(function, options, what)
                compiled.compile()
                self._compiled = compiled
        return getattr(self._compiled, name)


def cached_njit(signature: Any = None, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """The same for `numba.njit`: compiled at once for a signature, otherwise when it is first called."""

    def decorate(function: Callable[..., Any]) -> Any:
        compiled: Any = njit(**options)(function)
        compiled._cache = DiskCache(function, options)
        if signature is not None:
            compiled.compile(signature)
            compiled.disable_compile()
        return compiled

    return decorate


class DiskCache(NullCache):  # type: ignore[misc]  # numba has no types
    """The compiled forms of one function on disk.

    Parameters
    ----------
    function : callable
        In Python, with a source file; without one nothing is kept.
    options : dict
        What numba is told, beside the signature.
    what : str
        As for `cached_cfunc`.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any], what: str = "") -> None:
        self._function, self._options = function, options
        package = function.__module__.partition(".")[0]
        self._what = what or ("the trainer" if package == "train" else "the audio engine")
        self._source = Path(inspect.getfile(function)).absolute()
        self._folder = choose_folder(self._source.parent) if self._source.is_file() else None

    @property
    def cache_path(self) -> str | None:
        """The folder, or None where nothing is kept."""
        return None if self._folder is None else str(self._folder)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled function for a signature; None, with a word to the user, if the disk does not have it."""
        found = self._find_overload(signature, target_context)
        if found is None:
            how_often = "once" if self._folder is not None else "at each start: no folder can be written to keep it in"
            announce("compiling", f"{self._what} for this CPU ({how_often})")
        return found

    def _find_overload(self, signature: Any, target_context: Any) -> Any:
        if self._folder is None:
            return None
        rtsys.initialize(target_context)  # what compiled code may call; `refresh` would load the compiler too
        path = self._path(signature, target_context.codegen())
        try:
            content = read_trusted(path)
            checksum, payload = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
            if hashlib.sha256(payload).digest() != checksum:
                logger.info("%s is damaged; compiling anew", path)
                return None
            return CompileResult._rebuild(target_context, *pickle.loads(payload))
        except FileNotFoundError:
            return None
        except UntrustedError as err:
            warn_once(f"the compiled code {path} is not used, because it {err}")
            return None
        except Exception as err:  # what numba and pickle may raise on foreign bytes is not to be listed
            logger.info("%s cannot be used: %s; compiling anew", path, err)
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a compiled function, if the disk lets it."""
        if self._folder is None or compiled.library.has_dynamic_globals or compiled.lifted:
            return
        path = self._path(signature, compiled.library.codegen)
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        payload = dumps(compiled._reduce())
        try:
            try:
                write_new(partial, hashlib.sha256(payload).digest() + payload)
                os.replace(partial, path)
            except OSError:
                partial.unlink(missing_ok=True)
                raise
            self._remove_outdated()
        except OSError as err:
            logger.info("the compiled code is not kept: %s", err)

    def _path(self, signature: Any, codegen: Any) -> Path:
        assert self._folder is not None
        cells = self._function.__closure__ or ()
        made_from = self._function.__code__.co_code, dumps(tuple(cell.cell_contents for cell in cells))
        options = sorted((key, repr(value)) for key, value in self._options.items())
        versions = sys.version, numba.__version__, llvmlite.__version__
        made_for = str(signature), options, codegen.magic_tuple(), versions
        digest = hashlib.sha256(repr((made_from, made_for)).encode()).hexdigest()[:24]
        return self._folder / f"{self._name}{self._stamp}-{digest}.nbc"

    @property
    def _name(self) -> str:
        name = self._function.__qualname__.replace("<", "").replace(">", "")
        return f"{self._source.stem}.{name}-{self._function.__code__.co_firstlineno}."

    @property
    def _stamp(self) -> str:
        # what a function calls is compiled into it: the sources that it imports count, not its own alone
        return hash_sources(self._source).hex()[:12]

    def _remove_outdated(self) -> None:
        """Remove what was made from sources that are no more."""
        assert self._folder is not None
        stem = self._name.rpartition("-")[0]  # on whatever line the function stood
        for path in self._folder.glob(f"{stem}-*.nbc"):
            if f".{self._stamp}-" not in path.name:
                path.unlink(missing_ok=True)


@cache
def choose_folder(sources: Path) -> Path | None:
    """The folder for the compiled code of a folder of sources; None if none can be written.

    Notes
    -----
    Of a place that can be written, but by others too, one line tells.
    """
    for folder in _candidates(sources):
        try:
            if not (weakness := find_weakness(_existing(folder), may_be_shared=True)):
                make_folder(folder)
                weakness = find_weakness(folder)
            if weakness:
                raise UntrustedError(weakness)
            tempfile.TemporaryFile(dir=folder).close()
        except UntrustedError as err:
            if os.access(_existing(folder), os.W_OK):
                warn_once(f"no compiled code is taken from {folder.parent}, because {err}")
        except OSError as err:
            logger.info("no compiled code in %s: %s", folder, err)
        else:
            return folder
    return None


@cache
def warn_once(text: str) -> None:
    """Tell of a place that is not trusted."""
    logger.warning("%s", text)


def _existing(folder: Path) -> Path:
    """The nearest parent folder that exists."""
    while not folder.is_dir():
        folder = folder.parent
    return folder


def _candidates(sources: Path) -> Iterator[Path]:
    own = f"{sources.name}_{hashlib.sha256(str(sources).encode()).hexdigest()[:16]}"
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR).absolute() / own
    yield sources / "__pycache__"
    users = platformdirs.user_cache_path("fxhost", appauthor=False)
    if users.is_absolute():  # otherwise the user has no home
        yield users / own
    user = os.getuid() if hasattr(os, "getuid") else "user"  # Windows has such a folder for each user
    yield Path(tempfile.gettempdir()) / f"fxhost-{user}" / own
