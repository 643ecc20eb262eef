"""The disk cache of compiled code: fast, shared by processes that start at once, and never in the way of the music."""

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numba.core import config

from fxhost.arrays import Float32Array
from fxhost.cli.console import showing_slow_steps
from fxhost.native import code_cache, source_digest
from fxhost.native.slow_steps import announce, listening_to_slow_steps
from fxhost.stages.base import stage_function
from fxhost.stages.recurrent.variants import list_variants
from tests.conftest import RATE, ROOT

MakePreset = Callable[..., Path]

# Compiles everything, or loads it, and prints for each function whether it came from the disk and how long it took.
COMPILE = """
import json, time
from fxhost.native import code_cache
rows = {}
compile_cfunc, name = code_cache.CFunc.compile, ""

def timed(self):
    start = time.perf_counter()
    compile_cfunc(self)
    rows[name or self.__name__] = self.cache_hits, 1e3 * (time.perf_counter() - start)

code_cache.CFunc.compile = timed
from fxhost.bench.timed_rack import timed_callback
from fxhost.engine.callback import callback
from fxhost.stages import dc_blocker, gain, limiter, loopback
from fxhost.stages.recurrent import stage, variants
for function in (callback, timed_callback, dc_blocker.dc_block, gain.gain_block, limiter.limit_block, loopback.loop_block):
    function.address
for network in [("lstm", 1, 8, 1, False), ("lstm", 1, 40, 1, False), ("lstm", 1, 128, 1, False),
                ("lstm", 3, 128, 4, True), ("gru", 2, 72, 1, False)]:
    name = " ".join(map(str, network))
    stage.compile_network(*network, variants.list_variants(*network[1:3])[0]).address
print(json.dumps(rows))
"""

MODULE = """
from fxhost.native.code_cache import cached_cfunc
from helper import FACTOR

def scale(number):
    @cached_cfunc("int64(int64)")
    def scaled(value):
        return value * number * FACTOR
    return scaled
"""


def run_compile(env: dict[str, str]) -> dict[str, tuple[int, float]]:
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], capture_output=True, text=True, env=env, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows: dict[str, tuple[int, float]] = json.loads(done.stdout)
    return rows


def test_what_was_compiled_once_comes_from_the_disk(tmp_path: Path) -> None:
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    cold, warm = run_compile(env), run_compile(env)
    for name, (_, cold_ms) in cold.items():
        print(f"{name:24s} compiled in {cold_ms:7.1f} ms, from the disk in {warm[name][1]:5.1f} ms")
    assert {hits for hits, _ in cold.values()} == {0}
    assert {hits for hits, _ in warm.values()} == {1}
    assert len(cold) == len(warm) == 11


# Loads what the program above has compiled, and prints which modules of numba's compiler that took.
LOAD = """
import sys
from fxhost.engine.callback import callback
from fxhost.stages import dc_blocker, gain, limiter
for function in (callback, dc_blocker.dc_block, gain.gain_block, limiter.limit_block):
    function.address
print(*sorted({"numba.np.linalg", "numba.cpython.setobj"} & set(sys.modules)))
"""


def test_the_compiler_stays_away_where_the_disk_has_the_code(tmp_path: Path) -> None:
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, env=env, cwd=ROOT, check=True)
        for _ in range(2)
    )
    assert first.stdout.split() == ["numba.cpython.setobj", "numba.np.linalg"]
    assert second.stdout.split() == []


# --- one small function ----------------------------------------------------------------------------------------------


class Sources:
    """A folder with a module that compiles, and one that is compiled into it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        folder.mkdir()
        (folder / "scaling.py").write_text(MODULE)
        monkeypatch.syspath_prepend(str(folder))
        self.write_factor(1)

    def write_factor(self, factor: int) -> None:
        (self.folder / "helper.py").write_text(f"FACTOR = {factor}\n")

    def compile(self, number: int) -> Any:
        """The function that multiplies by `number` and the factor, as a new process would get it."""
        code_cache.choose_folder.cache_clear()
        source_digest.hash_sources.cache_clear()
        self._monkeypatch.delitem(sys.modules, "helper", raising=False)
        self._monkeypatch.setattr(sys, "dont_write_bytecode", True)
        spec = importlib.util.spec_from_file_location("scaling", self.folder / "scaling.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        function = module.scale(number)
        assert function.address  # it is compiled when it is asked for
        return function


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    yield Sources(tmp_path / "sources", monkeypatch)
    code_cache.choose_folder.cache_clear()
    source_digest.hash_sources.cache_clear()


def cached_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.nbc*"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"garbage",
        lambda content: content[: len(content) // 2],
        lambda content: content[:2000] + bytes([content[2000] ^ 1]) + content[2001:],
        lambda content: content + b"more",
    ],
    ids=["empty", "garbage", "cut off", "one bit", "longer"],
)
def test_a_damaged_file_is_compiled_anew_and_mended(
    damage: Callable[[bytes], bytes], sources: Sources, tmp_path: Path
) -> None:
    sources.compile(3)
    (file,) = cached_files(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    mended = sources.compile(3)
    assert (mended.cache_hits, mended.ctypes(14)) == (0, 42)
    again = sources.compile(3)
    assert (again.cache_hits, again.ctypes(14)) == (1, 42)


def test_what_has_to_be_compiled_is_said_and_the_second_time_nothing(sources: Sources) -> None:
    waits: list[tuple[str, str]] = []
    with listening_to_slow_steps(lambda doing, what: waits.append((doing, what))):
        sources.compile(3)
        assert waits == [("compiling", "the audio engine for this CPU (once)")]
        sources.compile(3)
        assert len(waits) == 1
        sources.compile(4)
        assert len(waits) == 2
    sources.compile(5)  # and nobody who does not listen is told
    assert len(waits) == 2


def test_a_network_is_told_by_its_sizes(sources: Sources) -> None:
    code_cache.choose_folder.cache_clear()  # the next one is that of `sources`
    waits: list[str] = []
    with listening_to_slow_steps(lambda doing, what: waits.append(what)):
        function = stage_function(np.float32, "LSTM 1×7")
        compiled = function(lambda state, block, frames: None)
        assert waits == []
        assert compiled.address
    assert waits[0].startswith("LSTM 1×7 for this CPU")


@pytest.mark.parametrize(("on_terminal", "expected"), [(True, 3), (False, 2)])
def test_waits_are_told_a_line_each_on_a_terminal_and_else_one_of_a_kind(
    on_terminal: bool, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: on_terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    with showing_slow_steps():
        for doing, what in (("compiling", "one"), ("compiling", "one"), ("compiling", "two"), ("measuring", "x")):
            announce(doing, what)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "fxhost: compiling one …"
    assert len(lines) == expected


def test_a_file_that_is_a_folder_or_holds_a_foreign_object_is_survived(sources: Sources, tmp_path: Path) -> None:
    sources.compile(3)
    (file,) = cached_files(tmp_path)
    foreign = code_cache.dumps(("not", "what", "numba", "wrote"))
    file.write_bytes(code_cache.hashlib.sha256(foreign).digest() + foreign)
    assert sources.compile(3).ctypes(14) == 42
    file.unlink()
    file.mkdir()
    assert sources.compile(3).ctypes(14) == 42
    assert cached_files(tmp_path) == [file]


def test_two_forms_of_a_function_do_not_take_each_others_place(sources: Sources, tmp_path: Path) -> None:
    assert [sources.compile(number).ctypes(1) for number in (3, 5)] == [3, 5]
    loaded = [sources.compile(number) for number in (5, 3)]
    assert [(function.cache_hits, function.ctypes(1)) for function in loaded] == [(1, 5), (1, 3)]
    assert len(cached_files(tmp_path)) == 2


def test_code_that_somebody_else_could_have_written_is_not_loaded(
    sources: Sources, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources.compile(3)
    (file,) = cached_files(tmp_path)
    assert sources.compile(3).cache_hits == 1
    file.chmod(0o666)
    again = sources.compile(3)
    assert (again.cache_hits, again.ctypes(14)) == (0, 42)
    assert f"{file} is not used, because it may be written by others" in caplog.text
    assert sources.compile(3).cache_hits == 1  # a new file is in its place


def test_the_same_function_compiled_with_other_options_is_another(sources: Sources) -> None:
    class Codegen:
        @staticmethod
        def magic_tuple() -> tuple[()]:
            return ()

    function = sources.compile(3).__wrapped__
    every = {}, {"fastmath": True}, {"fastmath": False}
    assert len({code_cache.DiskCache(function, options)._path((), Codegen) for options in every}) == 3


def test_a_change_in_another_source_is_compiled_in_and_what_is_outdated_goes(sources: Sources, tmp_path: Path) -> None:
    sources.compile(3)
    (before,) = cached_files(tmp_path)
    sources.write_factor(10)
    assert sources.compile(3).ctypes(1) == 30
    (after,) = cached_files(tmp_path)
    assert before != after


def test_a_full_disk_keeps_nothing_and_holds_nothing_up(
    sources: Sources, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(small_disk))
    filler = small_disk / "filler"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 10))
    for _ in range(2):
        compiled = sources.compile(3)
        assert (compiled.cache_hits, compiled.ctypes(14)) == (0, 42)
    assert not cached_files(small_disk)
    filler.unlink()
    assert [sources.compile(3).cache_hits for _ in range(2)] == [0, 1]


def test_the_next_folder_is_taken_where_one_cannot_be_written(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folder() -> Path | None:
        code_cache.choose_folder.cache_clear()
        return code_cache.choose_folder(sources.folder)

    regular, home, temporary = tmp_path / "a-file", tmp_path / "home", tmp_path / "temporary"
    regular.write_text("")
    for path in (home, temporary):
        path.mkdir()
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert folder() in [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    monkeypatch.setattr(config, "CACHE_DIR", str(regular))
    assert folder() == sources.folder / "__pycache__"
    (sources.folder / "__pycache__").rmdir()
    (sources.folder / "__pycache__").write_text("")
    in_home = folder()
    assert in_home is not None and in_home.is_relative_to(home)
    monkeypatch.setenv("HOME", str(regular))
    private = folder()
    assert private is not None and private.parent.parent == temporary
    assert sources.compile(3).ctypes(14) == 42
    assert cached_files(private)
    private.parent.chmod(0o777)  # somebody else could put code there
    assert folder() is None
    private.parent.rename(temporary / "moved")
    private.parent.symlink_to(temporary / "moved")
    assert folder() is None
    assert sources.compile(3).ctypes(14) == 42


# --- the program -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory, guitar: Float32Array) -> Path:
    path = tmp_path_factory.mktemp("dry") / "dry.wav"
    soundfile.write(path, guitar[:RATE], RATE, subtype="FLOAT")
    return path


def start_render(preset: Path, dry: Path, out: Path, env: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", "from fxhost.cli import main; main()", "render", preset, dry, out, "--json"]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT
    )


def rendered(process: "subprocess.Popen[str]", out: Path, says: str = "") -> Float32Array:
    with process:
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0 and stderr.startswith(says) and bool(stderr) == bool(says), stderr
    audio: Float32Array = soundfile.read(out, dtype="float32")[0]
    return audio


def test_processes_that_start_at_once_on_an_empty_cache_play_the_same(
    make_preset: MakePreset, dry: Path, tmp_path: Path
) -> None:
    presets = [make_preset(1, 8), make_preset(1, 20), make_preset(1, 8)]
    shared = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "shared")}
    outs = [tmp_path / f"{n}.wav" for n in range(len(presets))]
    running = [start_render(preset, dry, out, shared) for preset, out in zip(presets, outs, strict=True)]
    cold = [rendered(process, out, says="fxhost: compiling ") for process, out in zip(running, outs, strict=True)]
    assert np.array_equal(cold[0], cold[2])
    assert not np.array_equal(cold[0], cold[1])
    names = [path.name for path in cached_files(tmp_path / "shared")]
    assert all(name.endswith(".nbc") for name in names)  # nothing half-written is left
    tried = len(list_variants(1, 8)) + len(list_variants(1, 20))
    assert sum("lstm_block" in name for name in names) == tried
    for audio, preset in zip(cold, presets[:2], strict=False):
        out = tmp_path / "warm.wav"
        assert np.array_equal(rendered(start_render(preset, dry, out, shared), out), audio)
        out.unlink()
    assert [path.name for path in cached_files(tmp_path / "shared")] == names


def test_the_program_plays_where_no_folder_can_be_written(make_preset: MakePreset, dry: Path, tmp_path: Path) -> None:
    installed, regular, out = tmp_path / "site-packages", tmp_path / "a-file", tmp_path / "out.wav"
    shutil.copytree(ROOT / "fxhost", installed / "fxhost", ignore=shutil.ignore_patterns("__pycache__"))
    regular.write_text("")
    for init in (installed / "fxhost").rglob("__init__.py"):
        (init.parent / "__pycache__").write_text("")  # for root too, this is a folder that cannot be written
    env = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    env |= {"HOME": str(regular), "NUMBA_CACHE_DIR": str(regular), "PYTHONPATH": str(installed)}
    code = (
        "import tempfile, fxhost.cli\n"
        f"assert fxhost.__file__.startswith({str(installed)!r})\n"
        f"tempfile.tempdir = {str(regular)!r}\n"
        "fxhost.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "render", make_preset(1, 8), dry, out, "--json"],
        capture_output=True,
        text=True,
        env=env,
        cwd=tmp_path,
        check=False,
    )
    told = "compiling the audio engine for this CPU (at each start: no folder can be written to keep it in) …"
    assert (done.returncode, done.stderr) == (0, f"fxhost: {told}\n")
    assert json.loads(done.stdout)["frames"] == RATE
    assert not cached_files(tmp_path)
