"""Hum is not taken for a pair, nor playing for hum."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.errors import AudioError
from tests.train.test_align import RATE, pluck
from tests.train.test_check import play
from train.pairs.hum import find_hum
from train.pairs.read import read_pair

TIME = np.arange(5 * RATE) / RATE


def hum(mains: float, harmonics: int, hiss_db: float, seed: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    tones = [np.sin(2 * np.pi * mains * n * TIME + generator.uniform(0, 6)) / n for n in range(1, harmonics + 1)]
    audio = 0.02 * np.sum(tones, axis=0)
    return (audio + 10 ** (hiss_db / 20) * audio.std() * generator.standard_normal(len(TIME))).astype(np.float32)


@pytest.mark.parametrize("mains", [49.9, 50.0, 50.1, 59.95, 60.0])
@pytest.mark.parametrize("harmonics", [1, 2, 20])
@pytest.mark.parametrize("hiss_db", [-100, -20])
def test_hum_is_found_with_its_mains(mains: float, harmonics: int, hiss_db: float) -> None:
    assert find_hum(hum(mains, harmonics, hiss_db), RATE) == round(mains, -1)


def test_hum_that_begins_late_is_found() -> None:
    audio = hum(50, 3, -40)
    audio[: 2 * RATE] = 0
    assert find_hum(audio, RATE) == 50


@pytest.mark.parametrize("frequency", [41.2, 55.0, 82.4, 98.0, 110.0, 440.0])
def test_a_note_is_no_hum(frequency: float) -> None:
    note = np.sin(2 * np.pi * frequency * TIME) + 0.5 * np.sin(4 * np.pi * frequency * TIME)
    assert find_hum(note.astype(np.float32), RATE) is None


@pytest.mark.parametrize("frequency", [1000.0, 440.0 * 2, 600.0, 1200.0])
def test_a_test_tone_that_is_a_harmonic_of_the_mains_is_no_hum(frequency: float) -> None:
    tone = 0.3 * np.sin(2 * np.pi * frequency * TIME) + 1e-3 * np.random.default_rng(1).standard_normal(len(TIME))
    assert find_hum(tone.astype(np.float32), RATE) is None


def test_playing_with_hum_is_no_hum() -> None:
    audio = pluck()[: len(TIME)]
    for level in (0.0, 0.5, 2.0):
        together = audio + np.float32(level) * audio.std() * hum(50, 9, -40) / hum(50, 9, -40).std()
        assert find_hum(together.astype(np.float32), RATE) is None
    assert find_hum(play(pluck()), RATE) is None
    assert find_hum(np.zeros(3 * RATE, np.float32), RATE) is None


@pytest.mark.parametrize("mains", [50, 60])
def test_a_pair_that_only_hums_is_refused(mains: int, tmp_path: Path) -> None:
    for name, audio in (("dry", hum(mains, 3, -60)), ("wet", np.tanh(40 * hum(mains, 3, -60)))):
        soundfile.write(tmp_path / f"{name}.wav", audio, RATE, subtype="PCM_24")
    with pytest.raises(AudioError, match=rf"dry\.wav holds nothing but hum, {mains} Hz of the mains"):
        read_pair(tmp_path / "dry.wav", tmp_path / "wet.wav")
    soundfile.write(tmp_path / "dry.wav", pluck()[: len(TIME)], RATE, subtype="PCM_24")
    with pytest.raises(AudioError, match=r"wet\.wav holds nothing but hum"):
        read_pair(tmp_path / "dry.wav", tmp_path / "wet.wav")
