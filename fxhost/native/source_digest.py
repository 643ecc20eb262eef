"""Digests of Python sources: equal digests mean that compiled code may be used again."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

OURS = (b"fxhost", b"train")
IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([\w.]+))", re.MULTILINE
)


def hash_files(paths: Iterable[Path], folder: Path) -> bytes:
    """A digest of files and of where they lie below a folder."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(folder)).encode("utf-8", "surrogateescape") + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


@cache
def hash_sources(source: Path) -> bytes:
    """A digest of a source and of everything that can be compiled into its functions.

    Of a module in a package these are the modules that it imports, directly or through others, from its own package,
    from fxhost and from train. Of a module in no package they are all Python files beside it and below.
    """
    top = top_package(source)
    if not (top / "__init__.py").is_file():
        return hash_files(top.rglob("*.py"), top)
    packages = frozenset({*OURS, top.name.encode()})
    found, waiting = {source}, [source]
    while waiting:
        for path in _imported(waiting.pop(), top.parent, packages):
            if path not in found:
                found.add(path)
                waiting.append(path)
    return hash_files(found, top.parent)


@cache
def top_package(source: Path) -> Path:
    """The folder of the outermost package that a source belongs to, or that it lies in if it belongs to none."""
    folder = source.parent
    while (folder / "__init__.py").is_file() and (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return folder


@cache
def _imported(source: Path, root: Path, packages: frozenset[bytes]) -> tuple[Path, ...]:
    """The files of these packages that a source imports itself."""
    return tuple(_find_imports(source.read_bytes(), root, packages))


def _find_imports(content: bytes, root: Path, packages: frozenset[bytes]) -> Iterator[Path]:
    for module, names, imported in IMPORT.findall(content):
        dotted = module or imported
        if dotted.partition(b".")[0] not in packages:
            continue
        for name in (dotted, *(dotted + b"." + name for name in re.findall(rb"\w+", names))):
            place = root / name.decode().replace(".", "/")
            for path in (place.with_suffix(".py"), place / "__init__.py"):
                if path.is_file():
                    yield path
