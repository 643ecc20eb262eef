"""What is played to capture a device, and what is made of its return: without a sound device."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.capture.levels import Levels, measure_levels
from fxhost.capture.pair import CapturedPair, Lag, check_pair_folder, make_pair, write_pair
from fxhost.capture.score import RUN_UP_S, Score, choose_stretch, loudest_part, make_score
from fxhost.capture.session import Progress, Take
from fxhost.cli.capture import _find_lag
from fxhost.cli.capture_screen import CaptureLines, CapturePicture, CaptureScreen
from fxhost.control.commands import Quit
from fxhost.engine.statistics import MeterReading
from fxhost.errors import DeviceError, FileError
from fxhost.io.latency import UNKNOWN, Latency
from tests.conftest import RATE, assert_one_line, call_fxhost
from train.signal import make_signal

TRIP = 1161
Device = Callable[[Float32Array], Float32Array]
GOOD = Levels(-8.0, -20.0, -90.0, 0, 1.0)
METERS = MeterReading(-8.0, -1.0, -20.0, -14.0)


@pytest.fixture(scope="module")
def signal() -> Float32Array:
    return make_signal(RATE, 6.0)


@pytest.fixture(scope="module")
def score(signal: Float32Array) -> Score:
    return make_score(signal, RATE)


def fuzz(x: Float32Array) -> Float32Array:
    return np.asarray(0.4 * np.tanh(6 * x), np.float32)


def low_pass(x: Float32Array) -> Float32Array:
    """One pole at 1 kHz and a bend: its burst comes back eight frames late, and it answers at once."""
    pole = np.exp(-2 * np.pi * 1000 / RATE)
    response = (1 - pole) * pole ** np.arange(200)
    return np.asarray(-0.5 * np.tanh(2 * np.convolve(x, response)[: len(x)]), np.float32)


def play(score: Score, device: Device, trip: int = TRIP, noise: float = 1e-6, seed: int = 7) -> Float32Array:
    """What comes back of a score through a device, after a round trip."""
    rng = np.random.default_rng(seed)
    late = np.concatenate([np.zeros(trip, np.float32), device(score.played)])[: len(score.played)]
    return np.asarray(late + noise * rng.standard_normal(len(late)), np.float32)


def take_twice(score: Score, device: Device, noise: float = 1e-6, late: int = 0) -> Take:
    """What comes back of a signal, and of its stretch the second time, so many frames later."""
    signal = score.played[score.signal]
    stretch = choose_stretch(signal, RATE)
    second = make_score(stretch.cut_from(signal), RATE)
    again = Take(second, play(second, device, TRIP + late, noise, seed=8), (), 1)
    return Take(score, play(score, device, TRIP, noise), (), 1, stretch, again)


def at_session(latency: Latency = UNKNOWN, name: str = "box") -> Any:
    """What a pair needs to know of the session that recorded it."""
    stream = SimpleNamespace(name=name, host_api="ALSA", latency=latency)
    return SimpleNamespace(stream=stream, rack=SimpleNamespace(block_frames=64), has_one_clock="→" not in name)


# --- what is played --------------------------------------------------------------------------------------------------


def test_a_score_is_the_signal_between_two_bursts_after_silence(signal: Float32Array, score: Score) -> None:
    assert np.array_equal(score.played[score.signal], signal)
    assert not score.played[score.noise].any()
    assert [delay for delay, _ in score.find_bursts(play(score, fuzz))] == [TRIP, TRIP]
    assert [delay for delay, _ in score.find_bursts(play(score, fuzz)[: len(score.played) - 1])] == [TRIP]
    assert np.abs(score.played).max() == np.abs(signal).max()


def test_a_check_plays_the_loudest_part(signal: Float32Array) -> None:
    part = loudest_part(signal, RATE, 3.0)
    assert (len(part), np.abs(part).max()) == (3 * RATE, np.abs(signal).max())
    assert len(loudest_part(signal[:1000], RATE, 3.0)) == 1000


def test_the_stretch_is_as_loud_as_the_whole_and_has_a_run_up(signal: Float32Array) -> None:
    steps = np.repeat(np.array([0.01, 0.9, 0.35, 0.0, 0.35], np.float32), RATE)
    found = choose_stretch(steps, RATE)
    assert (found.start, found.end) in ((2 * RATE, 3 * RATE), (4 * RATE, 5 * RATE))
    found = choose_stretch(signal, RATE)
    assert found.run_up == round(RUN_UP_S * RATE)
    assert np.array_equal(found.cut_from(signal)[found.run_up :], signal[found.start : found.end])
    assert 1.0 <= (found.end - found.start) / RATE <= 1.2
    assert choose_stretch(np.full(RATE, 0.5, np.float32), RATE).run_up == 0


# --- levels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "noise", "told"),
    [
        (1.0, 1e-6, "the level is good"),
        (0.05, 1e-6, "raise the gain of the interface's input, or the volume of the device, by 2"),
        (1.0, 1e-2, "noise lies only 2"),
        (0.0, 0.0, "nothing comes back: the input stays at -200 dB"),
        (0.0, 3e-3, "nothing comes back: the input stays at -3"),
        (4.0, 1e-6, "is clipped ("),
    ],
)
def test_the_levels_say_which_knob_to_turn(gain: float, noise: float, told: str, score: Score) -> None:
    recorded = np.clip(play(score, lambda x: gain * fuzz(x), noise=noise), -1, 1)
    levels = measure_levels(score, recorded)
    assert told in levels.advise()
    assert levels.is_good == (told.startswith(("the level is good", "noise")))
    assert levels.is_silent == (gain == 0.0)
    if noise:
        assert levels.noise_db == pytest.approx(20 * np.log10(noise), abs=0.2)


# --- the pair --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [fuzz, low_pass], ids=lambda device: str(device.__name__))
@pytest.mark.parametrize("trip", [64, 20_011])
def test_the_delay_is_taken_out_to_the_frame(device: Device, trip: int, signal: Float32Array, score: Score) -> None:
    pair = make_pair(Take(score, play(score, device, trip), (), 1), at_session(), _find_lag)
    assert abs(pair.delay_frames - trip) <= 1
    assert np.array_equal(pair.dry, signal)
    again = _find_lag(pair.dry, pair.wet.copy(), RATE)
    assert again.is_sure and abs(again.frames) <= 0.5


@pytest.mark.parametrize("late", [0, 64])
def test_noise_makes_the_self_esr_that_it_must(late: int, score: Score) -> None:
    noise = 1e-3
    take = take_twice(score, fuzz, noise, late)
    pair = make_pair(take, at_session(), lambda dry, wet, rate: Lag(96.0, True))
    assert take.stretch is not None and pair.delay_frames == TRIP
    stretch = score.played[score.signal][take.stretch.start : take.stretch.end]
    power = np.mean(np.square(fuzz(stretch), dtype=np.float64))
    assert pair.self_esr == pytest.approx(2 * noise**2 / power, rel=0.05)
    assert pair.esr_floor == pytest.approx(noise**2 / power, rel=0.05)
    assert "a little noise; no preset can get below" in pair.describe_repetition()


def test_a_device_that_moves_by_itself_is_told(score: Score) -> None:
    def tremolo(x: Float32Array) -> Float32Array:
        return np.asarray(
            (0.5 + 0.5 * np.sin(2 * np.pi * 3.7 * (np.arange(len(x)) + len(x)) / RATE)) * fuzz(x), np.float32
        )

    for device, told in ((tremolo, "does not repeat itself"), (fuzz, "equal to the bit")):
        pair = make_pair(take_twice(score, device, noise=0.0), at_session(), lambda dry, wet, rate: Lag(96.0, True))
        assert pair.self_esr is not None and (pair.self_esr > 0.1) == (device is tremolo)
        assert told in pair.describe_repetition()


def test_where_the_signal_does_not_tell_the_delay_the_burst_does_and_then_what_was_measured(score: Score) -> None:
    def unsure(dry: Float32Array, wet: Float32Array, rate: int) -> Lag:
        return Lag(77.7, False)

    take = Take(score, play(score, fuzz), (), 1)
    assert make_pair(take, at_session(), unsure).delay_frames == TRIP
    noise = Take(score, np.random.default_rng(1).uniform(-0.1, 0.1, len(score.played)).astype(np.float32), (), 1)
    measured = at_session(Latency(900 / RATE, "measured"))
    pair = make_pair(noise, measured, unsure)
    assert (pair.delay_frames, pair.interface_frames) == (900, 900)
    with pytest.raises(DeviceError, match="'box' has nothing to do with what is played"):
        make_pair(noise, at_session(), unsure)


def test_lost_frames_between_the_bursts_are_seen(score: Score) -> None:
    recorded = play(score, fuzz)
    cut = np.concatenate([np.delete(recorded, slice(5 * RATE, 5 * RATE + 64)), np.zeros(64, np.float32)])
    assert Take(score, cut, (), 1).slipped_frames == -64
    assert Take(score, recorded, (), 1).slipped_frames == 0
    pair = make_pair(Take(score, recorded, (3.0,), 3), at_session(name="in → out"), _find_lag)
    assert (pair.dropouts_s, pair.self_esr, pair.has_one_clock, pair.attempt) == ((3.0,), None, False, 3)
    assert "not measured" in pair.describe_repetition()
    twice = take_twice(score, fuzz)
    assert twice.stretch is not None
    inside, outside = (at / RATE for at in (twice.stretch.start, twice.stretch.end + RATE))
    for at_s, is_known in ((inside, False), (outside, True)):
        pair = make_pair(replace(twice, dropouts_s=(at_s,)), at_session(), lambda dry, wet, rate: Lag(96.0, True))
        assert (pair.self_esr is not None) == is_known


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(score: Score) -> CapturedPair:
    return make_pair(take_twice(score, fuzz), at_session(), _find_lag)


def test_three_files_are_written_to_the_bit_and_not_replaced_unasked(pair: CapturedPair, tmp_path: Path) -> None:
    folder = tmp_path / "pair"
    check_pair_folder(folder, overwrite=False)
    write_pair(pair, folder, overwrite=False, about={"signal": "fxhost signal"})
    assert sorted(path.name for path in folder.iterdir()) == ["capture.json", "dry.wav", "wet.wav"]
    for name, side in (("dry", pair.dry), ("wet", pair.wet)):
        written, rate = soundfile.read(folder / f"{name}.wav", dtype="float32")
        assert rate == RATE and np.array_equal(written, side)
    told = json.loads((folder / "capture.json").read_text())
    assert (told["delay_frames"], told["sample_rate"], told["signal"]) == (TRIP, RATE, "fxhost signal")
    assert told["self_esr"] == pair.self_esr
    (folder / "dry.wav").unlink()
    for again in (check_pair_folder, lambda where, overwrite: write_pair(pair, where, overwrite=overwrite, about={})):
        with pytest.raises(FileError, match=r"(wet\.wav|capture\.json) exists already"):
            again(folder, overwrite=False)
    assert not (folder / "dry.wav").exists()
    write_pair(pair, folder, overwrite=True, about={})
    assert (folder / "dry.wav").exists()


def test_nothing_is_left_where_the_disk_is_full(pair: CapturedPair, small_disk: Path) -> None:
    with pytest.raises(FileError, match="make room on the disk"):
        write_pair(pair, small_disk / "pair", overwrite=False, about={})
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-o FOLDER/pair.wav", "give a folder for dry.wav, wet.wav"),
        ("-o FOLDER/none/pair", "there is no folder"),
        ("-o FOLDER/file", "is a file; give a folder"),
        ("-o FOLDER/full --signal FOLDER/full/wet.wav --force", "wet.wav is one of the inputs"),
        ("-o FOLDER/full", "exists already; choose another name or add --force"),
        ("-o FOLDER/pair --device virtual", "the virtual device has no return; connect the amp or pedal between"),
        ("-o FOLDER/pair --signal FOLDER/none.wav", "none.wav"),
    ],
)
def test_what_cannot_be_captured_is_one_clear_line(words: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "wet.wav").touch()
    done = call_fxhost("capture", *words.replace("FOLDER", str(tmp_path)).split())
    assert_one_line(done, message)
    assert not (tmp_path / "pair").exists()


# --- what is seen ----------------------------------------------------------------------------------------------------


def test_the_screen_shows_levels_progress_and_what_to_turn() -> None:
    screen = CaptureScreen("box (ALSA) at 48000 Hz")
    quiet = Levels(-40.0, -50.0, -90.0, 0, 1.0)
    loud = MeterReading(0.0, -1.0, -20.0, -14.0)
    assert screen.update(Progress("record", 43.0, 192.0, 2, 1, loud, quiet)) == ""
    text = "\n".join(line.plain for line in screen.draw().lines(100, 30))
    for words in ("box (ALSA)", "CLIP", "0:43 of 3:12", "attempt 2", "dropouts 1", "raise the gain", "q quit"):
        assert words in text
    assert screen.type("c\n") == []  # there is nothing to decide
    assert screen.update(Progress("ask", 5.0, 5.0, 0, 0, METERS, GOOD)) == ""
    assert "Enter record" in "\n".join(line.plain for line in screen.draw().lines(100, 30))
    screen.type("c")
    assert screen.update(Progress("ask", 5.0, 5.0, 0, 0, None, GOOD)) == "again"
    screen.type("x\n")
    assert screen.update(Progress("ask", 5.0, 5.0, 0, 0, None, GOOD)) == "go"
    assert screen.type("q") == [Quit()]
    assert screen.update(Progress("ask", 5.0, 5.0, 0, 0, None, GOOD)) == "quit"


@pytest.mark.parametrize("height", [1, 2, 5, 20])
@pytest.mark.parametrize("width", [10, 40, 200])
def test_the_screen_fits_every_window(width: int, height: int) -> None:
    screen = CaptureScreen("box (ALSA) at 48000 Hz")
    screen.note("a note")
    for progress in (
        None,
        Progress("ask", 5.0, 5.0, 0, 0, METERS, GOOD),
        Progress("record", 1.0, 5.0, 1, 0, None, None),
    ):
        screen.progress = progress
        lines = CapturePicture(screen, 0.0).lines(width, height)
        assert len(lines) <= height and all(line.cell_len <= width for line in lines)
        assert lines[0].plain.startswith("return" if height < 5 or (progress is not None and height < 6) else "fxhost")


def test_without_a_screen_each_phase_is_a_line_and_then_one_every_five_seconds() -> None:
    told: list[str] = []
    lines = CaptureLines(told.append)
    for seconds in np.arange(0.0, 11.0, 0.5):
        assert lines.update(Progress("record", seconds, 11.0, 1, 0, METERS, GOOD)) == ""
    assert told[:3] == [GOOD.describe(), "the level is good", "recording: 0:11"]
    assert [line[:12] for line in told[3:]] == ["0:05 of 0:11", "0:10 of 0:11"]
    assert all("return  −8.0 dB  dropouts 0" in line for line in told[3:])
