"""`fxhost train` and `fxhost signal` as a user meets them, each in a process of its own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fxhost.cli.train
from fxhost.arrays import Float32Array
from fxhost.cli import main
from fxhost.preset.archive import read_preset
from tests.conftest import RATE, ROOT, assert_one_line, run_fxhost

RunHere = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("--hidden-size", 4)
pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.\w+` is (deprecated|not supported):DeprecationWarning")


def write(path: Path, audio: Float32Array, rate: int = RATE) -> Path:
    soundfile.write(path, audio, rate, subtype="FLOAT")
    return path


@pytest.fixture
def run_here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RunHere:
    """`run_fxhost` in this process, which has torch loaded already."""
    monkeypatch.setattr(fxhost.cli.train, "end_like_ctrl_c", lambda: None)

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, out, err)

    return run


@pytest.fixture
def pair(tmp_path: Path, guitar: Float32Array) -> tuple[Path, Path]:
    dry = guitar[: 6 * RATE]
    return write(tmp_path / "take-dry.wav", dry), write(tmp_path / "take-wet.wav", np.tanh(3 * dry) / 2)


def test_a_trained_preset_is_reported_plays_and_is_not_replaced_unasked(
    pair: tuple[Path, Path], tmp_path: Path, run_here: RunHere
) -> None:
    preset = tmp_path / "mine.pt"
    done = run_fxhost("train", *pair, "-o", preset, *SMALL, "--epochs", 11, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    expected = {"esr_validation", "esr_test", "epochs", "seconds", "samples_per_second", "delay_frames", "preset"}
    assert expected <= set(result)
    assert (result["epochs"], result["preset"]) == (11, str(preset))
    assert read_preset(preset).metadata["training"]["esr_test"] == result["esr_test"]
    assert run_fxhost("run", preset, "--device", "virtual", "--duration", 0.3).returncode == 0
    assert_one_line(run_here("train", *pair, "-o", preset, "--epochs", 1), "exists already")


def test_what_was_found_is_said_and_a_folder_a_further_pair_and_a_report_are_taken(
    pair: tuple[Path, Path], tmp_path: Path, guitar: Float32Array, run_here: RunHere
) -> None:
    pytest.importorskip("matplotlib", reason="the report needs matplotlib")
    more = (
        write(tmp_path / "x.wav", guitar[-5 * RATE :]),
        write(tmp_path / "y.wav", np.tanh(3 * guitar[-5 * RATE :]) / 2),
    )
    preset, report = tmp_path / "mine.pt", tmp_path / "report"
    done = run_here("train", tmp_path, "--pair", *more, "-o", preset, *SMALL, "--epochs", 6, "--report", report)
    assert done.returncode == 0, done.stderr
    for word in ("delay: ", "polarity: kept", "drift: ", "floor: ", "play it: fxhost run", f"reports: {report}"):
        assert word in done.stdout
    page = (report / "index.html").read_text()
    for name in ("take", "x"):
        assert f"report on {name}: ESR " in done.stdout
        assert f'<a href="{name}/index.html">' in page
        assert (report / name / "index.html").read_text().count("<audio") >= 3
    pairs = read_preset(preset).metadata["training"]["pairs"]
    assert [entry["findings"]["dry"]["frames"] for entry in pairs] == [6 * RATE, 5 * RATE]


def test_a_training_that_is_interrupted_keeps_its_best_and_is_resumed(
    pair: tuple[Path, Path], tmp_path: Path, run_here: RunHere
) -> None:
    preset = tmp_path / "mine.pt"
    command = [
        sys.executable,
        "-m",
        "fxhost.cli",
        "train",
        *pair,
        "-o",
        preset,
        "--hidden-size",
        "4",
        "--epochs",
        "150",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as run:
        deadline = time.monotonic() + 60
        while not preset.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        stdout, stderr = run.communicate(timeout=60)
    assert run.returncode == 0, stderr
    assert "interrupted after" in stdout
    assert "--resume" in stdout
    assert "validation ESR" in stderr  # progress was shown
    cut = read_preset(preset).metadata["training"]
    assert cut["interrupted"] is True
    assert_one_line(run_here("train", *pair, "-o", preset), "--resume")
    assert_one_line(
        run_here("train", *pair, "-o", preset, "--resume", "--seed", 5), "begun with seed 0, and now it is 5"
    )
    done = run_here("train", *pair, "-o", preset, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    whole = read_preset(preset).metadata["training"]
    assert (whole["epochs"], whole["interrupted"]) == (150, False)
    assert whole["esr_validation"] <= cut["esr_validation"]
    assert_one_line(run_here("train", *pair, "-o", preset, "--resume"), "nothing to resume")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no audio", "is not audio that can be read"), ("missing", "no such audio file"), ("NaN", "(NaN or infinity)"),
        ("other rate", "sample rates differ"), ("short", "lengths differ"), ("silent", "is silent"),
        ("unrelated", "are not a pair"),
    ],
)  # fmt: skip
def test_a_recording_that_cannot_be_trained_on_is_one_clear_line(
    what: str, message: str, pair: tuple[Path, Path], tmp_path: Path, run_here: RunHere
) -> None:
    wet, bad = soundfile.read(pair[1], dtype="float32")[0], tmp_path / "bad.wav"
    if what == "no audio":
        bad.write_bytes(b"hello" * 999)
    elif what == "NaN":
        write(bad, np.where(np.arange(len(wet)) == 777, np.nan, wet).astype(np.float32))
    elif what == "other rate":
        write(bad, wet, 44_100)
    elif what == "short":
        write(bad, wet[: 4 * RATE])
    elif what == "silent":
        write(bad, 0 * wet)
    elif what == "unrelated":
        write(bad, np.random.default_rng(1).uniform(-0.5, 0.5, len(wet)).astype(np.float32))
    assert_one_line(run_here("train", pair[0], bad, "-o", tmp_path / "mine.pt"), message)
    assert not (tmp_path / "mine.pt").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "x.pt"], "nothing to learn from"), (["a.wav", "-o", "x.pt"], "a.wav does not exist"),
        (["a.wav", "b.wav"], "where shall the preset be written"), (["a.wav", "b.wav", "-o", "no/x.pt"], "there is no folder"),
        (["a.wav", "b.wav", "-o", "x.pt", "--resume"], "nothing to resume"),
        (["a.wav", "b.wav", "-o", "x.pt", "--report", "/dev/null"], "/dev/null"),
    ],
)  # fmt: skip
def test_words_that_do_not_go_together_are_one_clear_line(words: list[str], message: str, run_here: RunHere) -> None:
    assert_one_line(run_here("train", *words), message)


def test_a_test_signal_is_written_and_not_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "signal.wav"
    done = run_fxhost("signal", out, "--seconds", 6, "--sample-rate", 44_100)
    assert done.returncode == 0, done.stderr
    assert "fxhost train" in done.stdout
    audio, rate = soundfile.read(out)
    assert (rate, len(audio)) == (44_100, 6 * 44_100)
    assert 0.5 < np.abs(audio).max() < 1
    assert_one_line(run_fxhost("signal", out), "exists already")
