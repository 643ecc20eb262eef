"""Live, against a JACK server that changes its period, or comes back at another sample rate."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.io.sources import convert_source
from fxhost.preset.archive import read_preset
from fxhost.rig.effect import Effect
from fxhost.rig.rig import Rig
from tests.conftest import RATE, ROOT, jack_server, without_waits
from tests.io.test_jack import start_run

MakePreset = Callable[..., Path]

pytestmark = pytest.mark.skipif(
    shutil.which("jackd") is None and not os.environ.get("CI"), reason="needs a JACK server: apt install jackd2"
)


def render(preset: Path, audio: Float32Array, rate: int) -> Float32Array:
    """What a fresh rack plays from the settled state."""
    rig, out = Rig([Effect(read_preset(preset))]), np.zeros_like(audio)
    rig.rack_of(rig.slots_at(rate))[0].process(audio, out)
    return out


def wait_for(is_so: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def back_again(env: dict[str, str], period: int, rate: int = RATE) -> Iterator[None]:
    """Kill the server, and start it again otherwise, a second later."""
    server = int(env["TEST_JACK_PID"])
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)  # the next server of that name looks whether it is still there
    time.sleep(1.0)
    with jack_server(period, name=env["JACK_DEFAULT_SERVER"], rate=rate):
        yield


def test_a_period_that_changes_while_it_plays_is_followed_without_a_sample_lost(
    make_preset: MakePreset, guitar: Float32Array, tmp_path: Path
) -> None:
    source, out, preset = tmp_path / "source.wav", tmp_path / "out.wav", make_preset(1, 20)
    soundfile.write(source, guitar, RATE, subtype="FLOAT")
    with (
        jack_server(256) as env,
        start_run(env, preset, "--input-file", source, "--output-file", out) as run,
    ):
        wait_for(lambda: list(tmp_path.glob(".out.*")))
        time.sleep(4.0)  # a stream that has just begun may still find its block size
        for frames in (128, 1024):
            subprocess.run(["jack_bufsize", str(frames)], env=env, capture_output=True, check=True)
            time.sleep(1.0)
        stdout, stderr = run.communicate(timeout=30)
    assert run.returncode == 0, stderr
    assert without_waits(stderr).splitlines() == [
        f"fxhost: 'system' plays on, now 48000 Hz, {frames} frames a block" for frames in (128, 1024)
    ]
    result = json.loads(stdout)
    assert (result["block_frames"], result["sample_rate"], result["stream_restarts"]) == (1024, RATE, 0)
    assert np.array_equal(soundfile.read(out, dtype="float32")[0], render(preset, guitar, RATE))


def test_a_server_that_comes_back_at_another_rate_plays_the_rig_made_for_it(
    make_preset: MakePreset, guitar: Float32Array, tmp_path: Path
) -> None:
    source, out, preset = tmp_path / "source.wav", tmp_path / "out.wav", make_preset(1, 20)
    soundfile.write(source, guitar, RATE, subtype="FLOAT")
    with (
        jack_server(256) as env,
        start_run(env, preset, "--input-file", source, "--output-file", out) as run,
    ):
        wait_for(lambda: list(tmp_path.glob(".out.*")))
        time.sleep(4.0)  # a stream that ends sooner counts as one that failed at its start
        with back_again(env, 128, rate=44_100):
            stdout, stderr = run.communicate(timeout=30)
    assert run.returncode == 0, stderr
    lines = [line.removeprefix("fxhost: ") for line in without_waits(stderr).splitlines()]
    assert lines == [
        "'system' went away; waiting for it to come back",
        f"the recording goes on in {tmp_path / 'out-2.wav'}",
        "'system' is back, now 44100 Hz, 128 frames a block",
    ]
    result = json.loads(stdout)
    assert (result["block_frames"], result["sample_rate"], result["stream_restarts"]) == (128, 44_100, 1)
    assert result["rates"][0]["sample_rate"] == 44_100

    first, second = (soundfile.SoundFile(tmp_path / name) for name in ("out.wav", "out-2.wav"))
    assert (first.samplerate, second.samplerate) == (RATE, 44_100)
    begun = first.read(dtype="float32")
    assert np.array_equal(begun, render(preset, guitar, RATE)[: len(begun)])
    at = round(len(begun) * 44_100 / RATE)
    rest = convert_source([guitar], RATE, 44_100)[at:]
    assert np.array_equal(second.read(dtype="float32"), render(preset, rest, 44_100))


KEEPING = """
import sys, time, fxhost
from fxhost.rig.file import load_rig

with fxhost.play(load_rig(sys.argv[1]), looper=True, play_along=sys.argv[2]) as live:
    session = live._session
    live.choose_scene("lead")
    while session.playing.scene_index != 1: time.sleep(0.01)
    live.input_gain_db, live.output_gain_db = 3.0, -6.0
    live.is_muted = True
    live.knobs["bass"] = 5.0
    for wanted in ("recording", "playing"):
        live.loop("record")
        while live.loop_status.state != wanted or live.loop_status.length_s < 0.5: time.sleep(0.01)
    looped = live.loop_status.length_s
    print("ready", flush=True)
    sys.stdin.readline()
    deadline = time.monotonic() + 20
    while not any("is back" in line for line in live.notices) and time.monotonic() < deadline: time.sleep(0.02)
    before = live.statistics.blocks
    while not session.rack.play_along.sample_rate == 44100 and time.monotonic() < deadline: time.sleep(0.02)
    song = session.rack.play_along.position_s
    time.sleep(0.5)
    assert live.statistics.blocks > before
    assert session.rack.play_along.position_s != song
    now = live.loop_status
    print(live.sample_rate, session.playing.sound.scene.name, live.input_gain_db, live.output_gain_db, live.is_muted,
          live.knobs["bass"], now.state, abs(now.length_s - looped) < 1 / 44100, live.notices[-1])
"""


def test_scene_knobs_gains_loop_and_song_stay_at_another_rate(make_preset: MakePreset, tmp_path: Path) -> None:
    rig, song = tmp_path / "rig.toml", tmp_path / "song.wav"
    rig.write_text(
        f'[[slot]]\ntype = "effect"\npreset = "{make_preset(1, 20)}"\n\n[[slot]]\nid = "tone"\ntype = "tone"\n'
        '\n[[scene]]\nname = "clean"\n\n[[scene]]\nname = "lead"\nslots.tone = { treble = 3 }\n',
        encoding="utf-8",
    )
    soundfile.write(song, np.sin(np.arange(5 * RATE) * 0.05).astype(np.float32), RATE)
    with jack_server(256) as env:
        command = [sys.executable, "-c", KEEPING, str(rig), str(song)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, text=True, env=env, cwd=ROOT, **pipes) as run:
            assert run.stdout is not None
            assert run.stdout.readline() == "ready\n"
            time.sleep(3.5)  # a stream that ends sooner counts as one that failed at its start
            with back_again(env, 512, rate=44_100):
                stdout, stderr = run.communicate("\n", timeout=40)
    assert stdout == (
        "44100 lead 3.0 -6.0 True 5.0 playing True 'system' is back, now 44100 Hz, 512 frames a block\n"
    ), stderr


def test_a_server_that_comes_back_with_another_period_says_so(make_preset: MakePreset) -> None:
    with jack_server(256) as env, start_run(env, make_preset(1, 8), "--duration", 7) as run:
        time.sleep(6.0)
        with back_again(env, 64):
            stdout, stderr = run.communicate(timeout=30)
    assert "'system' is back, now 48000 Hz, 64 frames a block" in stderr
    assert json.loads(stdout)["block_frames"] == 64
