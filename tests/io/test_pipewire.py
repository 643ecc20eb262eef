"""Live, on a PipeWire daemon of our own with a null sink: through its libjack, and through ALSA."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, run_fxhost

MakePreset = Callable[..., Path]
NEEDED = ("pipewire", "wireplumber", "pw-jack", "pw-cli", "pw-metadata", "dbus-daemon")
NULL_SINK = (
    "{ factory.name=support.null-audio-sink node.name=nowhere media.class=Audio/Sink object.linger=true "
    "audio.position=[FL FR] }"
)
missing = [name for name in NEEDED if shutil.which(name) is None]

pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs PipeWire with a session manager: no {', '.join(missing)}")


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which clients find a PipeWire daemon with one device."""
    folder = tmp_path_factory.mktemp("pw")
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    env["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={folder}/bus"
    for name in ("PIPEWIRE_LATENCY", "PIPEWIRE_QUANTUM", "PIPEWIRE_REMOTE"):
        env.pop(name, None)
    bus = ["dbus-daemon", "--session", "--nofork", f"--address={env['DBUS_SESSION_BUS_ADDRESS']}"]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command, made in ((bus, "bus"), (["pipewire"], "pipewire-0"), (["wireplumber"], "pipewire-0")):
            running.append(
                subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
            )
            deadline = time.monotonic() + 10
            while not (folder / made).exists():
                if time.monotonic() > deadline or running[-1].poll() is not None:
                    pytest.skip(f"{command[0]} does not run here")
                time.sleep(0.05)
        pw_cli(env, "create-node", "adapter", NULL_SINK)
        deadline = time.monotonic() + 10
        while "nowhere" not in subprocess.run(
            ["pw-jack", sys.executable, "-c", "from fxhost.io.jack import ask_server; print(ask_server())"],
            env=env, cwd=ROOT, capture_output=True, text=True, check=False,
        ).stdout:  # fmt: skip
            if time.monotonic() > deadline:
                pytest.skip("the null sink does not come")
            time.sleep(0.2)
        yield env
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(10)


def pw_cli(env: dict[str, str], *words: str) -> None:
    subprocess.run(["pw-cli", *words], env=env, check=True, capture_output=True)


def play(env: dict[str, str], preset: Path, *arguments: object, jack: bool = True) -> dict[str, Any]:
    if not jack:
        done = run_fxhost("run", preset, "--duration", 1, "--json", *arguments, env=env)
    else:
        words = [sys.executable, "-m", "fxhost.cli", "run", preset, "--device", "nowhere", "--duration", 1, "--json"]
        command = ["pw-jack", *map(str, words), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize(
    ("arguments", "wish", "expected"),
    [((), "", 64), (("--block-frames", 128), "", 128), ((), "256/48000", 256)],
    ids=["left open", "asked for", "the user's own wish"],
)
def test_blocks_are_as_small_as_was_asked_for_and_the_latency_can_be_true(
    graph: dict[str, str], make_preset: MakePreset, arguments: tuple[object, ...], wish: str, expected: int
) -> None:
    env = {**graph, "PIPEWIRE_LATENCY": wish} if wish else graph
    result = play(env, make_preset(1, 8), *arguments)
    assert result["block_frames"] == expected
    assert result["block_frames_asked"] == (None if wish else expected)
    assert result["blocks_at_once"] < 1.5
    assert expected / result["sample_rate"] <= result["stream_latency_s"] < 1.0


def test_through_alsa_a_block_left_open_is_64(graph: dict[str, str], make_preset: MakePreset) -> None:
    result = play(graph, make_preset(1, 8), jack=False)
    if result["host_api"] != "ALSA":
        pytest.skip("ALSA has no way to PipeWire here")
    assert (result["block_frames"], result["block_frames_asked"]) == (64, 64)
    assert result["blocks"] > 0.5 * result["blocks_due"]
    asked_frames = int(result["latency_asked"] * result["sample_rate"])
    assert asked_frames % (3 * 64) == 0 or asked_frames % (4 * 64) == 0  # whole blocks, not the device's own guess


def test_a_graph_with_long_blocks_does_not_starve_a_stream_through_alsa(
    graph: dict[str, str], make_preset: MakePreset
) -> None:
    subprocess.run(["pw-metadata", "-n", "settings", "0", "clock.force-quantum", "1024"], env=graph, check=True)
    try:
        result = play(graph, make_preset(1, 8), "--duration", 4, jack=False)
    finally:
        subprocess.run(["pw-metadata", "-n", "settings", "0", "clock.force-quantum", "0"], env=graph, check=True)
    if result["host_api"] != "ALSA":
        pytest.skip("ALSA has no way to PipeWire here")
    assert result["blocks"] > 0.4 * result["blocks_due"]  # a hundredth without a longer buffer


def test_a_graph_that_changes_its_rate_is_followed(graph: dict[str, str], make_preset: MakePreset) -> None:
    words = ["fxhost.cli", "run", make_preset(1, 8), "--device", "nowhere", "--duration", 6, "--json"]
    command = ["pw-jack", sys.executable, "-m", *map(str, words)]
    force = ["pw-metadata", "-n", "settings", "0", "clock.force-rate"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=graph, cwd=ROOT, **pipes) as run:  # type: ignore[call-overload]
        try:
            time.sleep(4.5)
            subprocess.run([*force, "44100"], env=graph, check=True)
            stdout, stderr = run.communicate(timeout=60)
        finally:
            subprocess.run([*force, "0"], env=graph, check=True)
    assert "'nowhere' plays on, now 44100 Hz, " in stderr
    result = json.loads(stdout)
    assert (result["sample_rate"], result["stream_restarts"]) == (44_100, 1)
    assert result["rates"][0]["sample_rate"] == 44_100


def look(env: dict[str, str]) -> dict[str, dict[str, str]]:
    """What `fxhost doctor` finds, by name."""
    done = run_fxhost("doctor", "--json", env=env)
    assert done.returncode in (0, 1), done.stderr
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_the_doctor_reads_the_settings_of_the_daemon(graph: dict[str, str]) -> None:
    assert look(graph)["PipeWire"]["status"] in ("good", "warning")  # a virtual machine has a longest shortest block
    subprocess.run(["pw-metadata", "-n", "settings", "0", "clock.force-quantum", "2048"], env=graph, check=True)
    try:
        forced = look(graph)["PipeWire"]
    finally:
        subprocess.run(["pw-metadata", "-n", "settings", "0", "clock.force-quantum", "0"], env=graph, check=True)
    assert forced["status"] == "bad"
    assert "every block is forced to 2048 frames" in forced["text"]
    assert forced["advice"] == "pw-metadata -n settings 0 clock.force-quantum 0"
