"""Finding the delay of a wet recording, and taking it out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import SHARED
from train.pairs.align import advance, choose_correction, take_out
from train.pairs.delay import Delay, find_delay
from train.pairs.source import BLOCK_FRAMES
from train.pairs.verify import verify_delay

RATE = 16_000
DATA = SHARED / "data"


def pluck(seconds: float = 12.0, seed: int = 1) -> np.ndarray:
    """Plucked strings: decaying partials at random times and pitches, and a little hiss."""
    rng = np.random.default_rng(seed)
    audio = 1e-4 * rng.standard_normal(int(seconds * RATE))
    for start in np.cumsum(rng.uniform(0.1, 0.4, int(seconds * 4))):
        begin = int(start * RATE)
        if begin >= len(audio) - 100:
            break
        t = np.arange(min(RATE, len(audio) - begin)) / RATE
        pitch = 82.4 * 2 ** (rng.integers(0, 36) / 12)
        for partial in range(1, int(min(20, 0.45 * RATE / pitch))):
            decay = np.exp(-t * (2 + partial))
            audio[begin : begin + len(t)] += (
                decay * np.sin(2 * np.pi * partial * pitch * t + rng.uniform(0, 6)) / partial
            )
    return (0.5 * audio / np.abs(audio).max()).astype(np.float32)


def filtered(audio: np.ndarray, cutoff: float, kind: str = "low") -> np.ndarray:
    """Through an RC circuit, in the frequency domain: exact, and with no delay but its own."""
    size = 2 * len(audio)
    ratio = 1j * np.fft.rfftfreq(size, 1 / RATE) / cutoff
    response = 1 / (1 + ratio) if kind == "low" else ratio / (1 + ratio)
    return np.fft.irfft(np.fft.rfft(audio, size) * response, size)[: len(audio)].astype(np.float32)


def delayed(audio: np.ndarray, frames: float) -> np.ndarray:
    size = 1 << int(np.ceil(np.log2(len(audio) + abs(frames) + 1000)))
    turn = np.exp(-2j * np.pi * np.arange(size // 2 + 1) * frames / size)
    return np.fft.irfft(np.fft.rfft(audio, size) * turn, size)[: len(audio)].astype(np.float32)


EFFECTS = {
    "wire": lambda x: x,
    "rc": lambda x: filtered(x, 1000),
    "clipper": lambda x: np.tanh(8 * x) / 2,
    "inverting": lambda x: -np.tanh(3 * x),
    "overdrive": lambda x: filtered(np.tanh(10 * filtered(x, 700, "high")), 2500),
    "fuzz": lambda x: np.tanh(100 * x + 0.3) - np.tanh(0.3),
}


@pytest.fixture(scope="module")
def dry() -> np.ndarray:
    return pluck()


@pytest.mark.parametrize("frames", [0.0, 17.0, -300.4, 1200.5])
@pytest.mark.parametrize("effect", EFFECTS)
def test_a_delay_is_found_to_a_fraction_of_a_frame(dry: np.ndarray, effect: str, frames: float) -> None:
    wet = delayed(EFFECTS[effect](dry), frames)
    delay = find_delay(dry, wet, RATE)
    assert delay.is_of_a_pair
    assert delay.frames == pytest.approx(frames, abs=0.3)
    assert delay.confidence > 0.5
    assert delay.polarity == (-1 if effect == "inverting" else 1)


@pytest.mark.parametrize("noise_db", [-60, -40])
def test_noise_does_not_move_the_delay(dry: np.ndarray, noise_db: float) -> None:
    wet = delayed(EFFECTS["overdrive"](dry), 37.3)
    wet = wet + 10 ** (noise_db / 20) * wet.std() * np.random.default_rng(7).standard_normal(len(wet))
    assert find_delay(dry, wet.astype(np.float32), RATE).frames == pytest.approx(37.3, abs=0.6)


def test_the_delay_of_a_filter_is_not_taken_for_one(dry: np.ndarray) -> None:
    wet = filtered(filtered(dry, 300), 3000)  # its group delay at 100 Hz is 9 frames
    assert choose_correction(find_delay(dry, wet, RATE)) == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_two_performances_are_no_pair(dry: np.ndarray, seed: int) -> None:
    other = EFFECTS["clipper"](pluck(seed=seed + 2))
    assert not find_delay(dry, other, RATE).is_of_a_pair


@pytest.mark.parametrize("ppm", [5.0, -60.0])
def test_the_drift_of_a_clock_is_measured(ppm: float) -> None:
    x = pluck(40.0)
    n = np.arange(len(x) - 200)
    wet = np.interp(n * (1 - ppm * 1e-6), np.arange(len(x)), filtered(x, 1500)).astype(np.float32)
    delay = find_delay(x, wet, RATE)
    assert delay.drift_frames == pytest.approx(ppm * 1e-6 * len(x), rel=0.2)
    assert delay.frames == pytest.approx(ppm * 1e-6 * len(x) / 2, abs=0.8)


def test_a_drift_that_is_refined_leads_no_window_out_of_the_file(
    dry: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "train.pairs.delay.refine_drift", lambda *_: 5e-3
    )  # at the second time windows are laid already
    assert find_delay(dry, dry, RATE).drift_frames == pytest.approx(1e-2 * len(dry))


def test_a_steady_clock_does_not_drift(dry: np.ndarray) -> None:
    assert find_delay(dry, EFFECTS["overdrive"](dry), RATE).drift_frames == 0.0


def test_what_repeats_itself_is_taken_to_be_late_by_as_little_as_possible() -> None:
    dry = np.tile(pluck(1.5), 8)
    assert find_delay(dry, delayed(dry, 5), RATE).frames == pytest.approx(5, abs=0.2)


def test_the_arguments_are_left_alone_and_may_be_on_disk(dry: np.ndarray, tmp_path: Path) -> None:
    wet = delayed(dry, 3)
    mapped = np.memmap(tmp_path / "wet", np.float32, "w+", shape=wet.shape)
    mapped[:] = wet
    copy = dry.copy()
    assert find_delay(dry, mapped, RATE) == find_delay(dry, wet, RATE)
    np.testing.assert_array_equal(dry, copy)
    np.testing.assert_array_equal(mapped, wet)


@pytest.mark.parametrize(("frames", "uncertainty", "taken"), [
    (0.0, 0.1, 0.0), (0.4, 0.1, 0.0), (-0.45, 0.2, 0.0), (1.2, 1.5, 0.0),  # left as it is
    (17.1, 0.2, 17.0), (-3.25, 0.2, -3.0), (17.38, 0.5, 17.0), (16.75, 1.0, 17.0),  # whole
    (17.45, 0.2, 17.45), (-300.45, 0.2, -300.45), (17.65, 0.5, 17.65), (17.65, 1.0, 17.0),
    (100.0, 11.0, 89.0), (-9.0, 11.0, 0.0), (-1.3, 0.9, 0.0), (-30.0, 5.0, -35.0), (9.0, np.inf, 0.0),  # late rather than early
])  # fmt: skip
def test_what_is_taken_out_is_what_the_evidence_bears(frames: float, uncertainty: float, taken: float) -> None:
    assert choose_correction(Delay(frames, uncertainty, 0.9, 1, 0.5, 99.0, 0.0)) == taken


@pytest.mark.parametrize("frames", [0, 1, 509, -1, -509])
def test_whole_frames_are_taken_out_without_touching_a_sample(frames: int) -> None:
    audio = np.arange(1, 2001, dtype=np.float32)
    wet = np.concatenate([np.zeros(max(0, frames), np.float32), audio[max(0, -frames) :]])
    x, y = take_out(audio, wet, frames)
    assert len(x) == len(y) >= 2000 - 509
    np.testing.assert_array_equal(x, y)
    assert x.base is not None


@pytest.mark.parametrize("frames", [0.5, 17.3, -2.25, -0.9])
def test_a_fraction_is_taken_out_without_a_trace_in_what_is_below_half_the_band(dry: np.ndarray, frames: float) -> None:
    smooth = filtered(filtered(filtered(dry, 2000), 2000), 2000) * np.hanning(len(dry)).astype(np.float32)
    x, y = take_out(smooth, delayed(smooth, frames), frames)
    error = (x - y)[64:-64].astype(np.float64)
    assert np.sum(error**2) < 1e-8 * np.sum(x.astype(np.float64) ** 2)


def test_a_fraction_is_taken_out_of_blocks_as_of_the_whole() -> None:
    audio = np.random.default_rng(3).standard_normal(2 * BLOCK_FRAMES + 17).astype(np.float32)
    cut = audio[BLOCK_FRAMES - 509 : BLOCK_FRAMES + 509].copy()
    advance(audio, 0.3)
    advance(cut, 0.3)
    np.testing.assert_array_equal(audio[BLOCK_FRAMES - 400 : BLOCK_FRAMES + 400], cut[109:909])


@pytest.mark.parametrize("name", ["rc-lowpass", "ts-overdrive", "fuzz"])
def test_real_guitar_through_circuits_is_aligned_and_stays_so(name: str) -> None:
    if not DATA.is_dir():
        pytest.skip("there are no recordings beside the project")
    x, rate = soundfile.read(DATA / "test-dry.flac", dtype="float32")
    y, _ = soundfile.read(DATA / f"test-{name}.flac", dtype="float32")
    delay = find_delay(x, y, rate)
    assert abs(delay.frames) <= 0.3
    assert choose_correction(delay) == 0.0
    late = find_delay(x, np.concatenate([np.zeros(300, np.float32), y]), rate)
    assert late.frames == pytest.approx(300, abs=0.3)
    assert not find_delay(x[: len(x) // 2], y[len(y) // 2 :], rate).is_of_a_pair


@pytest.mark.parametrize("effect", ["clipper", "overdrive", "fuzz"])
@pytest.mark.parametrize("poor", ["clipped", "quiet 16 bit", "hiss"])
def test_an_effect_that_answers_at_once_is_not_moved_whatever_the_dry_side_is_like(
    dry: np.ndarray, effect: str, poor: str
) -> None:
    given = {
        "clipped": 1.4 * np.clip(4 * dry, -0.5, 0.5),
        "quiet 16 bit": np.round(0.01 * dry * 2**15) / 2**15,
        "hiss": dry + 1e-3 * np.random.default_rng(3).standard_normal(len(dry)),
    }[poor].astype(np.float32)
    wet = EFFECTS[effect](dry if poor == "quiet 16 bit" else given).astype(np.float32)
    delay = find_delay(given, wet, RATE)
    assert verify_delay(given, wet, choose_correction(delay)) == 0.0
    assert abs(delay.frames) <= 2 * delay.uncertainty_frames + 0.5


def test_the_uncertainty_covers_what_differs_from_part_to_part(dry: np.ndarray) -> None:
    """An effect whose answer comes later in half of the recording."""
    slow = filtered(filtered(filtered(dry, 900), 900), 900)
    half = len(dry) // 2
    wet = np.concatenate([np.tanh(5 * dry[:half]), 20 * delayed(slow, 3)[half:]]).astype(np.float32)
    whole, first = find_delay(dry, wet, RATE), find_delay(dry[:half], wet[:half], RATE)
    assert first.uncertainty_frames < 0.6
    assert whole.uncertainty_frames > 1.0
