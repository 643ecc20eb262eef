"""Compiled code and measured numbers are taken only from where nobody else can have put them."""

import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from numba.core import config

from fxhost.native import code_cache, source_digest, trusted_files, tuning_cache
from tests.conftest import ROOT

NOBODY = 65534
as_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a file to somebody else"
)
has_owners = pytest.mark.skipif(not trusted_files.HAS_OWNERS, reason="a system without owners")


@pytest.fixture
def choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Path | None]]:
    """The folder that is chosen where NUMBA_CACHE_DIR names one; a new process would choose it."""
    (tmp_path / "sources").mkdir()

    def chosen(folder: Path) -> Path | None:
        monkeypatch.setattr(config, "CACHE_DIR", str(folder))
        code_cache.choose_folder.cache_clear()
        code_cache.warn_once.cache_clear()
        return code_cache.choose_folder(tmp_path / "sources")

    yield chosen
    code_cache.choose_folder.cache_clear()
    code_cache.warn_once.cache_clear()


def give_away(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


def own_shared(path: Path) -> None:
    path.chmod(0o777)


def own_shared_by_a_group(path: Path) -> None:
    os.chown(path, -1, 12345)
    path.chmod(0o775)


@as_root
@pytest.mark.parametrize("weaken", [give_away, own_shared, own_shared_by_a_group])
@pytest.mark.parametrize("place", ["itself", "its parent", "the folder of ours in it"])
def test_a_folder_that_others_could_change_is_skipped_with_one_line(
    place: str,
    weaken: Callable[[Path], None],
    choose: Callable[[Path], Path | None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "parent" / "cache"
    own = choose(folder)
    assert own is not None and own.parent == folder and not caplog.records
    weaken({"itself": folder, "its parent": folder.parent, "the folder of ours in it": own}[place])
    with caplog.at_level(logging.WARNING):
        assert choose(folder) == tmp_path / "sources" / "__pycache__"
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"no compiled code is taken from {folder}, because " in line
    assert ("belongs to user" if weaken is give_away else "may be written by others (mode 07") in line


@as_root
def test_links_on_the_way_have_to_be_trusted_as_well(choose: Callable[[Path], Path | None], tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(Path("..") / tmp_path.name / "real")
    own = choose(link)
    assert own is not None and own.parent == link
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    assert choose(link) == tmp_path / "sources" / "__pycache__"
    link.unlink()
    link.symlink_to(real)
    real.chmod(0o777)
    assert choose(link) == tmp_path / "sources" / "__pycache__"
    link.unlink()
    link.symlink_to(link.name)
    assert choose(link) == tmp_path / "sources" / "__pycache__"


@has_owners
def test_a_folder_of_ours_in_one_where_each_may_move_only_its_own_is_taken(
    choose: Callable[[Path], Path | None], tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    own = choose(shared)
    assert own is not None and own.parent == shared
    assert stat.S_IMODE(own.stat().st_mode) == 0o700


@has_owners
def test_folders_and_files_are_made_for_their_user_alone_whatever_the_umask(
    choose: Callable[[Path], Path | None], tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        own = choose(tmp_path / "a" / "b")
        assert own is not None and own.parent == tmp_path / "a" / "b"
        trusted_files.write_new(own / "code", b"x")
    finally:
        os.umask(before)
    assert trusted_files.read_trusted(own / "code") == b"x"
    assert choose(tmp_path / "a" / "b") == own


@has_owners
def test_a_file_that_is_a_link_a_pipe_or_anybodys_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    trusted_files.write_new(file, b"content")
    assert (trusted_files.read_trusted(file), trusted_files.read_trusted(file, 3)) == (b"content", b"con")
    (tmp_path / "link").symlink_to(file)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe"):
        with pytest.raises(OSError):
            trusted_files.read_trusted(tmp_path / name)
    for mode in (0o602, 0o620 if os.getuid() == 0 else 0o602):
        file.chmod(mode)
        with pytest.raises(trusted_files.UntrustedError, match="may be written by others"):
            trusted_files.read_trusted(file)
    file.chmod(0o644)
    tmp_path.chmod(0o777)
    with pytest.raises(trusted_files.UntrustedError, match="may be written by others"):
        trusted_files.read_trusted(file)


@as_root
def test_what_somebody_else_measured_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code_cache.warn_once.cache_clear()
    monkeypatch.setattr(tuning_cache, "store_folder", lambda: tmp_path)
    tuning_cache.keep("key", {"order": 1})
    (file,) = tmp_path.glob("*.json")
    give_away(file)
    with caplog.at_level(logging.WARNING):
        assert tuning_cache.recall("key") is None
        assert tuning_cache.recall("key") is None
    assert len(caplog.records) == 1
    assert tuning_cache.keep("key", {"order": 2}) == tuning_cache.recall("key") == {"order": 2}


def test_what_a_source_imports_changes_its_stamp_and_nothing_else_does(tmp_path: Path) -> None:
    top = tmp_path / "package"
    deep = top / "stages" / "cells"
    deep.mkdir(parents=True)
    for folder in (deep, deep.parent, top):
        (folder / "__init__.py").touch()
    source, layout, other, text = deep / "kernel.py", deep.parent / "layout.py", top / "other.py", top / "text.py"
    source.write_text("from package.stages import (\n    layout,  # a module\n)\nA = 1\n")
    layout.write_text("import numpy\nfrom package.other import B\n")
    other.write_text("B = 1\n")
    text.write_text("C = 1\n")

    def stamp() -> bytes:
        for function in (source_digest.hash_sources, source_digest.top_package, source_digest._imported):
            function.cache_clear()
        return source_digest.hash_sources(source)

    stamps = [stamp()]
    for changed in (source, layout, other, deep.parent / "__init__.py"):
        changed.write_text(changed.read_text() + "D = 1\n")
        stamps.append(stamp())
    assert len(set(stamps)) == 5
    text.write_text("C = 2\n")
    assert stamp() == stamps[-1]


def test_every_compiled_function_is_stamped_by_the_kernels_that_it_calls() -> None:
    host = ROOT / "fxhost"
    below = {host / "native" / "intrinsics.py", host / "native" / "code_cache.py"}
    stage = host / "stages" / "recurrent" / "stage.py"
    assert {path.name for path in imports_of(stage)} >= {"emitter.py", "layout.py", "dense.py", "vectors.py", "base.py"}
    for kernel in (stage, host / "engine" / "callback.py", host / "stages" / "wavenet" / "stage.py"):
        assert imports_of(kernel) >= below
        assert not {path for path in imports_of(kernel) if path.is_relative_to(host / "cli")}


def imports_of(source: Path) -> set[Path]:
    """Every file of the host that a source imports, directly or not."""
    found, waiting = {source}, [source]
    while waiting:
        new = set(source_digest._imported(waiting.pop(), ROOT, frozenset(source_digest.OURS))) - found
        found |= new
        waiting += new
    return found
