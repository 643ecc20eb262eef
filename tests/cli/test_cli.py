"""The commands as a user meets them: in a process of their own where that matters."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.engine.rack import Rack
from fxhost.preset.archive import read_preset
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from tests.conftest import RATE, ROOT, assert_one_line, assert_torch_stays_out, call_fxhost, run_fxhost, without_waits

MakePreset = Callable[..., Path]


@pytest.fixture
def dry(tmp_path: Path, guitar: Float32Array) -> Path:
    path = tmp_path / "dry.wav"
    soundfile.write(path, guitar[: 2 * RATE], RATE, subtype="FLOAT")
    return path


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from fxhost.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print([name for name in ('torch', 'numba', 'numpy', 'rich', 'sounddevice') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert all(command in done.stdout for command in ("run", "render", "bench", "devices", "presets", "info", "train"))
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("command", [["devices"], ["presets"]])
def test_the_lists_load_neither_torch_nor_numba(command: list[str]) -> None:
    script = (
        f"import sys; from fxhost.cli import main; main({command!r}); print({{'torch', 'numba'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.endswith("set()\n") or "no PortAudio library" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["fly"],
        ["run", "x.pt", "--duration", "-1"],
        ["run", "x.pt", "--oversample", "3"],
        ["render", "x.pt"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert run_fxhost(*arguments).returncode == 2


def test_a_run_on_the_virtual_device_equals_the_rendered_file_to_the_bit(
    make_preset: MakePreset, dry: Path, tmp_path: Path, guitar: Float32Array
) -> None:
    presets = make_preset(1, 20), make_preset(2, 8)
    live, rendered = tmp_path / "live.wav", tmp_path / "rendered.wav"
    gains = ("--input-gain-db", 3, "--output-gain-db", -2)
    run = run_fxhost(
        "run", *presets, "--device", "virtual", "--input-file", dry, "--output-file", live, *gains, "--json"
    )
    assert run.returncode == 0, run.stderr
    done = call_fxhost("render", *presets, dry, rendered, *gains, "--json")
    assert done.returncode == 0, done.stderr
    audio, rate = soundfile.read(live, dtype="float32")
    assert rate == RATE
    assert soundfile.info(rendered).subtype == "FLOAT"
    assert np.array_equal(audio, soundfile.read(rendered, dtype="float32")[0])
    rack = Rack(
        build_chain(slots_at_own_rate([read_preset(path) for path in presets])),
        RATE,
        input_gain_db=3,
        output_gain_db=-2,
    )
    expected = np.zeros(2 * RATE, np.float32)
    rack.process(guitar[: 2 * RATE], expected)
    assert np.array_equal(audio, expected)


def test_the_summary_of_a_run_has_every_field(make_preset: MakePreset) -> None:
    done = run_fxhost("run", make_preset(), "--device", "virtual", "--duration", 1, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert without_waits(done.stderr) == ""
    expected = {
        "presets", "engine", "device", "host_api", "sample_rate", "block_frames", "stream_latency_s", "seconds",
        "blocks", "blocks_due", "xruns", "load", "input_peak_db", "output_peak_db", "bad_samples", "first_block_s",
        "scheduling", "scheduling_advice", "locked_bytes", "wanted_bytes", "overruns",
    }  # fmt: skip
    assert expected <= set(result)
    assert set(result["load"]) == {"p50", "p99", "p999", "max"}
    assert (result["device"], result["sample_rate"], result["block_frames"]) == ("virtual", RATE, 64)
    assert 0.9 < result["seconds"] < 3
    assert result["blocks"] > 0
    assert 0 < result["load"]["p50"] <= result["load"]["p99"] <= result["load"]["p999"] <= result["load"]["max"]
    assert result["input_peak_db"] > -60
    assert result["first_block_s"] > 0


def test_a_running_host_has_not_imported_torch(make_preset: MakePreset) -> None:
    assert_torch_stays_out("run", make_preset(), "--device", "virtual", "--duration", 0.3, "--json")


def test_without_a_terminal_a_run_prints_status_lines(make_preset: MakePreset) -> None:
    done = run_fxhost("run", make_preset(), "--device", "virtual", "--duration", 0.5)
    lines = done.stdout.splitlines()
    assert "on virtual at 48000 Hz" in lines[0]
    assert "dropouts" in lines[1]
    assert lines[-2].startswith("audio thread: ")
    assert "blocks of 64 frames" in lines[-1]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_ends_cleanly_and_keeps_its_recording(
    stop: signal.Signals, make_preset: MakePreset, tmp_path: Path
) -> None:
    out = tmp_path / "out.wav"
    command = [sys.executable, "-m", "fxhost.cli", "run", make_preset(), "--device", "virtual", "--output-file", out]
    with subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as run:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".out.*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)
        run.send_signal(stop)
        stdout, stderr = run.communicate(timeout=20)
    assert (run.returncode, without_waits(stderr)) == (0, "")
    result = json.loads(stdout)
    recorded = soundfile.info(out).frames
    assert result["blocks"] * 64 <= recorded <= (result["blocks"] + 50) * 64
    assert [file.name for file in tmp_path.iterdir()] == ["out.wav"]


def test_info_tells_what_a_preset_is_and_checks_it(make_preset: MakePreset) -> None:
    path = make_preset(2, 20, 3, True)
    done = call_fxhost("info", path, "--check", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    stored = result.pop("check")
    assert result == read_preset(path).metadata
    assert stored["passed"] is True
    assert stored["torchscript"] <= 1e-6
    assert 0 < stored["compiled"] <= 2e-6
    table = call_fxhost("info", path, "--all").stdout
    assert "2x20-3-True-48000" in table
    assert "architecture.hidden_size" in table


def test_shipped_presets_are_listed_pass_their_probe_and_play() -> None:
    listed = json.loads(call_fxhost("presets", "--json").stdout)
    names = [preset["preset"] for preset in listed]
    assert {"identity", "rc-lowpass", "ts-overdrive"} <= set(names)
    for name in names:
        checked = call_fxhost("info", name, "--check")
        assert checked.returncode == 0, checked.stderr
    run = run_fxhost("run", *names, "--device", "virtual", "--duration", 0.5, "--json")
    assert json.loads(run.stdout)["output_peak_db"] > -60


def write_audio(path: Path, data: np.ndarray, rate: int = RATE, subtype: str = "FLOAT") -> Path:  # type: ignore[type-arg]
    soundfile.write(path, data, rate, subtype=subtype)
    return path


SECOND = np.full(RATE, 0.1, np.float32)
WITH_NAN = np.where(np.arange(RATE) == 777, np.nan, SECOND).astype(np.float32)
WITH_INFINITY = np.where(np.arange(RATE) == RATE - 1, np.inf, SECOND).astype(np.float32)
BAD_AUDIO: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda f: f / "none.wav", "no such audio file"),
    "empty": (lambda f: write_audio(f / "a.wav", SECOND[:0]), "is empty"),
    "no bytes": (lambda f: write_bytes(f / "a.wav", b""), "is not audio that can be read"),
    "no audio": (lambda f: write_bytes(f / "a.wav", b"hello" * 999), "is not audio that can be read"),
    "8-bit": (lambda f: write_audio(f / "a.wav", SECOND, subtype="PCM_U8"), "has only 8 bits a sample"),
    "NaN": (lambda f: write_audio(f / "a.wav", WITH_NAN), "not a number (NaN or infinity) at frame 777"),
    "infinity": (lambda f: write_audio(f / "a.wav", WITH_INFINITY), "not a number (NaN or infinity) at frame 47999"),
    "folder": (lambda f: f, "is a folder; give a sound file"),
}


def write_bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("what", BAD_AUDIO)
@pytest.mark.parametrize("command", ["render", "run"])
def test_bad_audio_is_one_clear_line_and_nothing_is_written(
    what: str, command: str, make_preset: MakePreset, tmp_path: Path
) -> None:
    make, message = BAD_AUDIO[what]
    audio, out = make(tmp_path), tmp_path / "out.wav"
    before = sorted(tmp_path.iterdir())
    if command == "render":
        done = call_fxhost("render", make_preset(), audio, out)
    else:
        done = call_fxhost(
            "run", make_preset(), "--device", "virtual", "--duration", 1, "--input-file", audio, "--output-file", out
        )
    assert_one_line(done, message)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_at_another_rate_than_was_asked_for_is_resampled(
    make_preset: MakePreset, tmp_path: Path, guitar: Float32Array
) -> None:
    audio, out = write_audio(tmp_path / "a.wav", guitar[4 * RATE :][:44_101], 44_100), tmp_path / "out.wav"
    device = "--device", "virtual", "--sample-rate", 48_000
    done = run_fxhost("run", make_preset(), *device, "--input-file", audio, "--output-file", out, "--json")
    assert done.returncode == 0, done.stderr
    assert [plan["way"] for plan in json.loads(done.stdout)["rates"]] == ["its own rate"]
    info = soundfile.info(out)
    assert (info.samplerate, info.frames) == (48_000, 48_002)


@pytest.mark.parametrize("command", ["run", "render"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kept.wav", "exists already"),
        ("nowhere/out.wav", "there is no folder"),
        ("out.xyz", "cannot tell the format"),
        ("", "is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    name: str, message: str, command: str, make_preset: MakePreset, dry: Path, tmp_path: Path
) -> None:
    kept = write_bytes(tmp_path / "kept.wav", b"mine")
    folder = tmp_path / "folder.wav"
    folder.mkdir()
    out = tmp_path / name if name else folder
    if command == "render":
        done = call_fxhost("render", make_preset(), dry, out)
    else:
        done = call_fxhost("run", make_preset(), "--device", "virtual", "--duration", 1, "--output-file", out)
    assert_one_line(done, message)
    assert kept.read_bytes() == b"mine"


def test_a_full_disk_is_one_clear_line(make_preset: MakePreset, dry: Path, small_disk: Path) -> None:
    assert_one_line(call_fxhost("render", make_preset(), dry, small_disk / "out.wav"), "cannot")
    assert not list(small_disk.iterdir())


def test_force_replaces_an_output(make_preset: MakePreset, dry: Path, tmp_path: Path) -> None:
    kept = write_bytes(tmp_path / "kept.wav", b"mine")
    done = call_fxhost("render", make_preset(), dry, kept, "--force")
    assert done.returncode == 0, done.stderr
    assert soundfile.info(kept).frames == 2 * RATE


@pytest.mark.parametrize("ending", [".flac", ".aiff", ".aif", ".ogg"])
def test_the_ending_chooses_the_format(ending: str, make_preset: MakePreset, dry: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out{ending}"
    assert call_fxhost("render", make_preset(), dry, out).returncode == 0
    assert soundfile.info(out).frames == 2 * RATE


def test_a_preset_that_does_not_exist_is_one_clear_line() -> None:
    assert_one_line(call_fxhost("run", "no-such-preset"), "no such preset: no-such-preset")
    assert_one_line(call_fxhost("info", ROOT / "README.md"), "README.md is text that begins with")


def test_a_name_that_is_markup_is_shown_as_it_is(make_preset: MakePreset, tmp_path: Path) -> None:
    from fxhost.reference.preset_writer import save_preset
    from tests.conftest import make_module

    path = tmp_path / "markup.pt"
    save_preset(path, make_module(1, 2), name="amp [/b]", author="[/x]", sample_rate=RATE)
    done = call_fxhost("info", path)
    assert done.returncode == 0, done.stderr
    assert "amp [/b]" in done.stdout


def test_another_encoding_of_the_terminal_is_survived(make_preset: MakePreset) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run_fxhost("run", make_preset(), "--device", "virtual", "--duration", 0.3, env=env)
    assert done.returncode == 0, done.stderr


def test_a_recording_outlives_the_reader_of_the_status(make_preset: MakePreset, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    command = f"{sys.executable} -m fxhost.cli run {make_preset()} --device virtual --duration 7 --output-file {out} | head -2"
    subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, check=False)
    assert soundfile.info(out).frames > RATE


def test_a_name_too_long_and_half_a_virtual_device_are_one_clear_line(make_preset: MakePreset) -> None:
    assert_one_line(call_fxhost("run", "x" * 300), "cannot look for xxx")
    done = call_fxhost("run", make_preset(), "--device", "virtual", "--output-device", "3")
    assert_one_line(done, "give --device virtual alone")


def test_a_preset_of_another_rate_is_refused_by_the_torchscript_engine(make_preset: MakePreset) -> None:
    presets = make_preset(), make_preset(1, 8, rate=44_100)
    done = call_fxhost("run", *presets, "--device", "virtual", "--engine", "torchscript")
    assert_one_line(done, "at its own rate only")


def test_rates_without_a_simple_ratio_are_one_clear_line(make_preset: MakePreset) -> None:
    done = call_fxhost("run", make_preset(), "--device", "virtual", "--sample-rate", 47_999, "--oversample", 2)
    assert_one_line(done, "cannot resample between 47999 and 96000 Hz")


@pytest.mark.parametrize("oversample", [1, 2])
def test_presets_of_two_rates_play_live_at_a_third_as_they_are_rendered(
    oversample: int, make_preset: MakePreset, tmp_path: Path, guitar: Float32Array
) -> None:
    presets = make_preset(1, 20), make_preset(1, 8, rate=44_100)
    dry = write_audio(tmp_path / "dry.wav", guitar[3 * RATE :][:50_021], 96_000)
    live, rendered = tmp_path / "live.wav", tmp_path / "rendered.wav"
    options = "--device", "virtual", "--block-frames", 509, "--oversample", oversample
    run = run_fxhost("run", *presets, *options, "--input-file", dry, "--output-file", live, "--json")
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["sample_rate"] == 96_000
    assert [plan["preset_rate"] for plan in told["rates"]] == [48_000, 44_100]
    assert [plan["network_rate"] > 96_000 for plan in told["rates"]] == [oversample > 1] * 2
    render = call_fxhost("render", *presets, dry, rendered, "--oversample", oversample)
    assert render.returncode == 0, render.stderr
    assert len([line for line in render.stdout.splitlines() if "at 96000 Hz: " in line and "latency" in line]) == 2
    (audio, rate), (offline, _) = (soundfile.read(path, dtype="float32") for path in (live, rendered))
    assert rate == 96_000
    assert np.ptp(audio) > 5e-4
    assert np.array_equal(audio, offline)


def test_without_portaudio_a_run_says_so_and_plays_the_virtual_device(make_preset: MakePreset, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = run_fxhost("run", make_preset(), "--duration", 0.5, "--json", env=env)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "no PortAudio library on this machine" in done.stderr
    assert "Playing the virtual device" in done.stderr
    assert json.loads(done.stdout)["device"] == "virtual"
    assert_one_line(run_fxhost("devices", env=env), "no PortAudio library")
    assert_one_line(run_fxhost("run", make_preset(), "--device", "Scarlett", env=env), "no PortAudio library")


def test_a_device_that_does_not_exist_is_one_clear_line(make_preset: MakePreset) -> None:
    done = run_fxhost("run", make_preset(), "--device", "no such device")
    assert_one_line(done, "fxhost: no ")


def test_minutes_are_rendered_in_the_memory_of_two_and_equal_the_block_wise_output(
    make_preset: MakePreset, guitar: Float32Array, tmp_path: Path
) -> None:
    path, out = make_preset(1, 4), tmp_path / "out.wav"
    peaks = []
    for minutes in (2, 8):
        dry = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(dry, "w", RATE, 1, "PCM_16") as file:
            for _ in range(6 * minutes):
                file.write(guitar)
        script = (
            "from fxhost.cli import main\n"
            f"code = main(['render', {str(path)!r}, {str(dry)!r}, {str(out)!r}, '--force'])\n"
            "print(code, next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
        code, peak_kib = done.stdout.split()[-2:]
        assert code == "0", done.stderr
        peaks.append(int(peak_kib))
    print(f"peak memory {peaks[0] / 1024:.0f} MiB of 2 minutes, {peaks[1] / 1024:.0f} MiB of 8")
    assert peaks[1] < min(200_000, peaks[0] + 5_000)  # six minutes more are 69 MB as float32
    rack = Rack(build_chain(slots_at_own_rate([read_preset(path)])), RATE)
    with soundfile.SoundFile(dry) as given, soundfile.SoundFile(out) as got:
        assert got.frames == 8 * 60 * RATE
        while len(block := given.read(50_021, dtype="float32")):
            expected = np.zeros_like(block)
            for start in range(0, len(block), 4099):
                rack.process(block[start : start + 4099], expected[start : start + 4099])
            assert np.array_equal(got.read(len(block), dtype="float32"), expected)
