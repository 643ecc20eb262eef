"""What the system grants the audio thread: a real-time priority, locked memory, and a million blocks without a fault."""

import ctypes
import json
import mmap
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit

from fxhost.engine.rack import Rack
from fxhost.io.realtime import PRIORITY, LockedMemory, ask_for_priority, lock_memory, read_scheduling, unlock_memory
from fxhost.native.intrinsics import call_callback, floats_at
from fxhost.preset.archive import read_preset
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from tests.conftest import RATE, ROOT, jack_server, without_waits

MakePreset = Callable[..., Path]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells these things")

PR_CAPBSET_DROP, CAP_IPC_LOCK, CAP_SYS_NICE = 24, 14, 23
needs_jack = pytest.mark.skipif(
    shutil.which("jackd") is None and not os.environ.get("CI"), reason="needs a JACK server: apt install jackd2"
)


def in_new_thread(work: Callable[[], Any]) -> Any:
    """Call a function in a thread of its own; its answer."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    thread.join()
    return answers[0]


def may_be_realtime() -> bool:
    """Whether the system gives this user real-time priorities."""

    def attempt() -> bool:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError:
            return False
        return True

    return bool(in_new_thread(attempt))


def run_restricted(*arguments: object, env: dict[str, str] | None = None, memlock: int = 1 << 16) -> dict[str, Any]:
    """The JSON of a run without the privileges of root, with as much memory to lock, in bytes."""

    def restrict() -> None:
        import resource

        for capability in (CAP_IPC_LOCK, CAP_SYS_NICE):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (memlock, memlock))
        resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))

    command = [sys.executable, "-m", "fxhost.cli", "run", *map(str, arguments), "--duration", "0.5"]
    done = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, env=env, cwd=ROOT, check=False, preexec_fn=restrict
    )
    assert (done.returncode, without_waits(done.stderr)) == (0, "")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


# --- priority --------------------------------------------------------------------------------------------------------


def test_the_rack_knows_the_thread_that_plays_it() -> None:
    rack, block = Rack([], RATE), np.zeros(16, np.float32)
    assert rack.thread == 0

    def play() -> int:
        rack.process(block, block)
        return threading.get_native_id()

    player = in_new_thread(play)
    rack.process(block, block)  # the first block counts
    assert rack.thread == player != threading.get_native_id()


def test_a_thread_that_is_unknown_or_gone_has_no_scheduling() -> None:
    gone = 1 << 30  # no system counts so far
    assert read_scheduling(0) is None
    assert read_scheduling(gone) is None
    ask_for_priority(gone)


def test_an_ordinary_thread_becomes_realtime_where_the_system_lets_it() -> None:
    def ask() -> tuple[Any, Any]:
        before = read_scheduling(threading.get_native_id())
        ask_for_priority(threading.get_native_id())
        return before, read_scheduling(threading.get_native_id())

    before, after = in_new_thread(ask)
    assert before is not None and not before.is_realtime
    assert after is not None
    assert after.is_realtime == may_be_realtime()
    if after.is_realtime:
        assert (after.policy, 0 < after.priority <= PRIORITY) == ("SCHED_FIFO", True)


@needs_jack
@pytest.mark.parametrize(
    ("realtime", "allowed"), [(True, True), (False, True), (True, False)], ids=["given", "asked for", "refused"]
)
def test_a_run_on_jack_tells_its_priority_and_how_to_get_one(
    realtime: bool, allowed: bool, make_preset: MakePreset
) -> None:
    with jack_server(256, realtime=realtime) as env:
        if allowed:
            command = [sys.executable, "-m", "fxhost.cli", "run", make_preset(), "--duration", "0.5", "--json"]
            result = json.loads(subprocess.run(command, capture_output=True, env=env, cwd=ROOT, check=True).stdout)
        else:
            result = run_restricted(make_preset(), env=env)
    print(result["scheduling"], result["scheduling_advice"])
    policy, priority = result["scheduling"]["policy"], result["scheduling"]["priority"]
    if allowed and may_be_realtime():
        assert (policy, result["scheduling_advice"]) == ("SCHED_FIFO", None)
        assert priority == PRIORITY if not realtime else priority > 0
    else:
        assert (policy, priority) == ("SCHED_OTHER", 0)
        assert "rtprio" in result["scheduling_advice"]


# --- memory ----------------------------------------------------------------------------------------------------------


def locked_kib() -> int:
    """What the kernel says this process has locked."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmLck:")).split()[1])


def test_what_is_locked_the_kernel_says_too_and_it_can_be_let_go() -> None:
    arrays = [np.zeros(size, np.uint8) for size in (1 << 12, 3 << 12, 0)]
    before = locked_kib()
    assert lock_memory(arrays) == LockedMemory(4 << 12, 4 << 12)
    assert locked_kib() - before >= 16
    unlock_memory(arrays)
    assert locked_kib() == before


def test_a_limit_on_locked_memory_is_kept_and_the_small_goes_first(make_preset: MakePreset, tmp_path: Path) -> None:
    arguments = make_preset(), "--device", "virtual", "--output-file", tmp_path / "out.wav"
    result = run_restricted(*arguments, memlock=1 << 18)
    assert 10_000 < result["locked_bytes"] <= 1 << 18
    assert result["wanted_bytes"] > 4 << 20  # the ring of the recording
    nothing = run_restricted(*arguments, "--force", memlock=0)
    assert nothing["locked_bytes"] == 0
    assert nothing["wanted_bytes"] == result["wanted_bytes"]


# --- page faults -----------------------------------------------------------------------------------------------------


@njit(nogil=True)
def drive(callback, block, out, frames, control, blocks):  # type: ignore[no-untyped-def]
    """Call the callback as often as it says, without Python in between."""
    for _ in range(blocks):
        call_callback(callback, floats_at(block), floats_at(out), frames, 0, 0, control)


def faults_of(rack: Rack, blocks: int, frames: int = 8) -> int:
    """The page faults of a thread that plays so many blocks, after a thousand to warm up."""
    import resource

    block = np.random.default_rng(3).uniform(-1, 1, frames).astype(np.float32)
    out = np.zeros(frames, np.float32)
    arguments = rack.callback_address, block.ctypes.data, out.ctypes.data, frames, rack.control_address
    drive(*arguments, 0)

    def count() -> int:
        for _ in range(100):  # its own first pages
            drive(*arguments, 10)
            before = resource.getrusage(resource.RUSAGE_THREAD)
        for _ in range(blocks // 1000):  # so often that no page of what measures becomes cold meanwhile
            drive(*arguments, 1000)
            after = resource.getrusage(resource.RUSAGE_THREAD)
        return after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt

    return int(in_new_thread(count))


def test_a_million_blocks_through_every_stage_fetch_no_page(make_preset: MakePreset) -> None:
    chain = build_chain(slots_at_own_rate([read_preset(make_preset(1, 8)), read_preset(make_preset(2, 8, 2, True))]))
    rack = Rack(chain, RATE, input_gain_db=6.0, output_gain_db=30.0, records=True)
    for _ in range(3):  # the kernel may move a page of ours, but it does not each time
        faults = faults_of(rack, 1_000_000)
        print(f"{faults} page faults in a million blocks")
        if faults == 0:
            break
    assert faults == 0
    assert rack.blocks >= 1_000_000
    assert rack.statistics().limited_samples > 0


@pytest.mark.parametrize("locked", [False, True])
def test_pages_that_nobody_has_touched_are_fetched_unless_they_are_locked(locked: bool) -> None:
    untouched = np.frombuffer(mmap.mmap(-1, 1 << 20), np.float32)  # 1 MiB: less than most systems let users lock
    rack = Rack([], RATE, source=untouched)
    may_lock = lock_memory(rack.arrays).locked_bytes >= 1 << 20 if locked else False
    faults = faults_of(rack, 30_000)
    if may_lock and faults:  # the kernel may move a page of ours, but it does not each time
        faults = faults_of(rack, 30_000)
    assert (faults == 0) == may_lock
    unlock_memory(rack.arrays)
