"""What the tests share: presets with seeded weights, real guitar where there is some, and a real JACK server."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fxhost.arrays import Float32Array
from fxhost.cli import main
from fxhost.preset.effect import Knob
from fxhost.reference import preset_writer
from fxhost.reference.preset_writer import save_preset
from fxhost.reference.torchscript import EffectLSTM
from fxhost.riff import synthesise_riff
from tests.kinds import KINDS

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with both ignored,
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and so would be the programs that the tests interrupt

torch.set_num_threads(1)  # on a busy machine its threads wait for each other a thousand times as long as they work

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
RATE = 48_000
EXCUSES = (  # for a test that is skipped in continuous integration: files that are no part of the project, and hardware
    "beside the project" if not SHARED.exists() else "–",
    *("this CPU", "this LLVM", "CPUs than those of x86", "has a CUDA device", "only root can"),
    "an effect of another program",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what must not run beside any other test, and what takes a second or more (`tests/measure/slow_tests.py`)."""
    slow = set((ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").split())
    for item in items:
        place = item.path.relative_to(ROOT).as_posix()
        marker = next((name for name, files in KINDS.items() if place.removeprefix("tests/") in files), None)
        if marker:
            item.add_marker(marker)
            item.add_marker("slow")
        elif f"{place}::{item.name.partition('[')[0]}" in slow:
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In continuous integration, where CI is set, let a skipped test fail unless it has one of the excuses."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(excuse in reason for excuse in EXCUSES):
            report.outcome, report.longrepr = "failed", f"{item.nodeid} was skipped in CI: {reason}"
    return report


def make_module(layers: int, hidden_size: int, inputs: int = 1, residual: bool = False, seed: int = 1) -> EffectLSTM:
    """A module with weights a good deal larger than at the start of a training, so that its gates do work."""
    torch.manual_seed(seed)
    module = EffectLSTM(layers, hidden_size, inputs, residual)
    with torch.no_grad():
        for weights in module.lstm.parameters():
            weights *= 1.5
    return module


def save_slow_preset(path: Path) -> Path:
    """Write a preset of an LSTM that is too slow for any block: 5×256. Its stored answers are those of silence alone."""
    silent = np.zeros((5, 256), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preset_writer, "synthesise_riff", lambda rate: np.zeros(64, np.float32))
        save_preset(path, make_module(5, 256), name=path.stem, sample_rate=RATE, start=(silent, silent))
    return path


@pytest.fixture(scope="session", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what is measured here out of the user's data."""
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def make_preset(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A maker of preset files by architecture; the same arguments give the same file."""
    folder = tmp_path_factory.mktemp("presets")

    def make(layers: int = 1, hidden_size: int = 8, inputs: int = 1, residual: bool = False, rate: int = RATE) -> Path:
        path = folder / f"{layers}x{hidden_size}-{inputs}-{residual}-{rate}.pt"
        if not path.exists():
            knobs = [Knob(f"knob {n}", 0.25 * n) for n in range(1, inputs)]
            module = make_module(layers, hidden_size, inputs, residual)
            save_preset(path, module, name=path.stem, sample_rate=rate, knobs=knobs)
        return path

    return make


@pytest.fixture(scope="session")
def guitar() -> Float32Array:
    """10 s of guitar at full scale: a real take where there is one beside the project, else the built-in riff."""
    take = SHARED / "data" / "test-dry.flac"
    if take.exists():
        audio = soundfile.read(take, frames=10 * RATE, dtype="float32")[0]
    else:
        audio = np.resize(synthesise_riff(RATE), 10 * RATE)
    return np.ascontiguousarray(audio / np.abs(audio).max(), np.float32)


def run_fxhost(
    *arguments: object, env: dict[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "fxhost.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=timeout, cwd=ROOT, check=False)


def call_fxhost(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in this process: quicker, where a new process would prove nothing more."""
    out, err = io.StringIO(), io.StringIO()
    words = list(map(str, arguments))
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def assert_torch_stays_out(*arguments: object) -> None:
    """Run the command line in a process of its own, and look whether it has imported torch."""
    script = (
        "import sys; from fxhost.cli import main\n"
        f"code = main({[str(argument) for argument in arguments]!r})\n"
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.endswith("0 False\n"), done.stderr


def without_waits(stderr: str) -> str:
    """What a command said, but for what it compiled or measured first, and for other programs' use of the machine."""
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.endswith(("(once) …\n", "and measure again\n")))


def assert_one_line(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 1
    assert message in done.stderr
    assert without_waits(done.stderr).count("\n") == 1
    assert done.stdout == ""


@contextmanager
def jack_server(period: int, *, realtime: bool = True, name: str = "", rate: int = RATE) -> Iterator[dict[str, str]]:
    """A JACK server of our own on the dummy driver; yields the environment in which clients find it."""
    mode = ["-R", "-P", "70"] if realtime else ["-r"]
    name = name or f"fxhost-{os.getpid()}-{time.monotonic_ns()}"
    env = {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
    command = ["jackd", *mode, "-n", name, "-d", "dummy", "-r", str(rate), "-p", str(period)]
    for tries_left in (2, 1, 0):  # two servers that start in the same moment may be in each other's way
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        wait = ["jack_wait", "-s", name, "-w", "-t", "10"]
        waited = subprocess.run(wait, capture_output=True, env=env, check=False)
        if waited.returncode == 0 and server.poll() is None:
            break
        end_server(server)
        assert tries_left, "the JACK server did not start"
    env["TEST_JACK_PID"] = str(server.pid)
    try:
        yield env
    finally:
        end_server(server)


def end_server(server: subprocess.Popen[bytes]) -> None:
    """End a server that may have ended already."""
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder on a disk of 64 KiB."""
    folder = Path("/dev/shm") / f"fxhost-small-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("there is no /dev/shm to mount a small disk in")
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("only root can mount a small disk")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        folder.rmdir()
