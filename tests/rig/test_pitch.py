"""A tuner's pitch is right to a cent, also of stiff strings with a weak fundamental, and a noise has none."""

import dataclasses

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.riff import pluck
from fxhost.rig.pitch import WINDOW_S, Note, Pitch, detect_pitch, name_note
from tests.conftest import SHARED

FREQUENCIES = [27.5, 30.87, 36.71, 41.2, 55.0, 82.41, 110.0, 146.83, 196.0, 246.94, 329.63, 440.0, 659.26, 1000.0]
SPECTRA = {  # the amplitudes of the partials
    "sine": [1.0],
    "bright": [k**-0.5 for k in range(1, 31)],
    "string": [1 / k for k in range(1, 31)],
    "weak fundamental": [0.02, 1.0, 0.7, 0.5, 0.3, 0.2, 0.1],
}
TAKES = {  # where strings sound alone, from and to in seconds, and how many stretches at least are steady
    "pairs/dafx15/riff_input.flac": (0, 9, 20),
    "pairs/tube-amp/train-dry.flac": (0, 25, 5),
    "train-dry.flac": (42, 50, 15),
}


def cents(frequency_hz: float, expected_hz: float) -> float:
    return float(1200 * np.log2(frequency_hz / expected_hz))


def sound(
    frequency: float, rate: int, spectrum: list[float], stiffness: float = 0.0, seconds: float = WINDOW_S, seed: int = 0
) -> Float32Array:
    """A decaying string with partials of random phases, of which the first is at the frequency."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    audio = np.zeros_like(t)
    for k, amplitude in enumerate(spectrum, 1):
        partial = k * frequency * np.sqrt((1 + stiffness * k * k) / (1 + stiffness))
        phase = rng.uniform(0, 2 * np.pi)
        if partial < 0.45 * rate:
            audio += amplitude * np.exp(-(1 + 0.3 * k) * t) * np.sin(2 * np.pi * partial * t + phase)
    return (0.3 * audio / np.abs(audio).max()).astype(np.float32)


def hear(audio: Float32Array, rate: int) -> Pitch:
    pitch = detect_pitch(audio, rate)
    assert pitch is not None
    return pitch


@pytest.mark.parametrize("stiffness", [0.0, 1e-4, 3e-4])
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_string_is_heard_to_a_cent(rate: int, spectrum: str, stiffness: float) -> None:
    for seed, frequency in enumerate(FREQUENCIES):
        heard = hear(sound(frequency, rate, SPECTRA[spectrum], stiffness, seed=seed), rate)
        assert abs(cents(heard.frequency_hz, frequency)) < (1 if frequency > 30 else 2), frequency
        assert 0.9 <= heard.clarity <= 1


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_no_pitch_between_the_notes_is_an_octave_off(spectrum: str) -> None:
    for seed, frequency in enumerate(np.geomspace(28, 1000, 89)):
        heard = hear(sound(frequency, 48_000, SPECTRA[spectrum], 1e-4, seed=seed), 48_000)
        assert abs(cents(heard.frequency_hz, frequency)) < 2, frequency


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_noise_30_db_below_a_string_moves_it_by_less_than_two_cents(frequency: float) -> None:
    rng = np.random.default_rng(11)
    audio = sound(frequency, 48_000, SPECTRA["string"], 1e-4)
    audio += 0.01 * rng.standard_normal(len(audio)).astype(np.float32)
    assert abs(cents(hear(audio, 48_000).frequency_hz, frequency)) < 2


@pytest.mark.parametrize("frequency", [61.74, 110.0, 329.63])
def test_a_missing_fundamental_is_heard(frequency: float) -> None:
    audio = sound(frequency, 44_100, [0.0, 1.0, 0.8, 0.5, 0.3])
    assert abs(cents(hear(audio, 44_100).frequency_hz, frequency)) < 1


@pytest.mark.parametrize("frequency", [30.87, 41.2, 82.41, 329.63])
def test_a_note_is_heard_100_ms_after_its_onset(frequency: float) -> None:
    rate = 48_000
    rng = np.random.default_rng(7)
    note = sound(frequency, rate, SPECTRA["string"], 1e-4, 0.1)
    attack = rng.standard_normal(len(note)) * np.exp(-np.arange(len(note)) / (0.003 * rate))
    audio = np.concatenate([np.zeros(4801, np.float32), note + 0.1 * attack.astype(np.float32)])
    assert abs(cents(hear(audio, rate).frequency_hz, frequency)) < 3


@pytest.mark.parametrize("frequency", [30.87, 82.41, 196.0])
def test_a_plucked_string_of_the_riff_keeps_its_octave_while_it_decays(frequency: float) -> None:
    rate = 48_000
    audio = pluck(frequency, 1.5, rate, np.random.default_rng(2))
    for end in range(round(0.15 * rate), len(audio), 4799):
        assert abs(cents(hear(audio[:end], rate).frequency_hz, frequency)) < 10


def test_only_the_newest_window_counts() -> None:
    rate = 48_000
    new = sound(82.41, rate, SPECTRA["string"])
    assert detect_pitch(np.concatenate([sound(110, rate, SPECTRA["string"], seconds=0.5), new]), rate) == hear(
        new, rate
    )


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("tilt", [0.0, 0.5, 1.0], ids=["white", "pink", "brown"])
def test_noise_has_no_pitch(tilt: float, rate: int) -> None:
    rng = np.random.default_rng(5)
    frequencies = np.maximum(np.fft.rfftfreq(2 * rate, 1 / rate), 20.0)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(2 * rate)) * frequencies**-tilt).astype(np.float32)
    noise *= 0.3 / np.abs(noise).max()
    frames = round(WINDOW_S * rate)
    for end in range(frames, len(noise), frames // 2):
        assert detect_pitch(noise[:end], rate) is None


@pytest.mark.parametrize("frames", [0, 1, 17, 509, 4320])
def test_silence_and_too_little_audio_have_no_pitch(frames: int) -> None:
    assert detect_pitch(np.zeros(frames, np.float32), 48_000) is None
    assert detect_pitch(np.full(frames, 0.5, np.float32), 48_000) is None
    assert detect_pitch(sound(110, 48_000, [1e-4])[:frames] * np.float32(1e-4), 48_000) is None


def test_audio_that_is_not_finite_has_no_pitch() -> None:
    audio = sound(110, 48_000, SPECTRA["string"])
    audio[3000] = np.nan
    assert detect_pitch(audio, 48_000) is None


def test_audio_that_is_not_mono_and_low_rates_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(509, 2\); expected mono"):
        detect_pitch(np.zeros((509, 2), np.float32), 48_000)
    with pytest.raises(ValueError, match="expected 8000 Hz or more"):
        detect_pitch(np.zeros(509, np.float32), 4000)


@pytest.mark.parametrize(
    ("frequency", "name"),
    [(27.5, "A0"), (30.868, "B0"), (41.203, "E1"), (82.407, "E2"), (92.499, "F#2"), (261.626, "C4"), (440, "A4")],
)
def test_a_note_has_its_name(frequency: float, name: str) -> None:
    assert name_note(frequency).name == name
    assert abs(name_note(frequency).cents) < 0.05


def test_cents_are_from_the_nearest_note_and_follow_the_reference() -> None:
    assert name_note(440 * 2 ** (0.49 / 12)) == Note("A4", pytest.approx(49))
    assert name_note(440 * 2 ** (0.51 / 12)) == Note("A#4", pytest.approx(-49))
    assert name_note(432, reference_hz=432) == Note("A4", 0)
    assert name_note(440, reference_hz=442).cents == pytest.approx(cents(440, 442))
    with pytest.raises(dataclasses.FrozenInstanceError):
        name_note(440).cents = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("frequency", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_frequency_has_no_name(frequency: float) -> None:
    with pytest.raises(ValueError, match="expected a number of Hz above 0"):
        name_note(frequency)
    with pytest.raises(ValueError, match="reference_hz"):
        name_note(440, frequency)


def measure_peak(segment: Float32Array, rate: int, near: float) -> float:
    """The frequency of the highest peak of a long spectrum within 30 cents, in Hz."""
    size = 1 << 19
    spectrum = np.abs(np.fft.rfft(segment * np.hanning(len(segment)), size))
    low, high = (int(near * 2 ** (c / 1200) * size / rate) for c in (-30, 31))
    top = low + int(spectrum[low:high].argmax())
    if top in (low, high - 1):
        return float("nan")  # there is no peak
    left, middle, right = np.log(spectrum[top - 1 : top + 2] + 1e-12)
    return float((top + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / size)


@pytest.mark.parametrize("take", TAKES)
def test_real_strings_are_heard_where_a_long_spectrum_has_their_partials(take: str) -> None:
    path = SHARED / "data" / take
    if not path.exists():
        pytest.skip(f"there is no {take} beside the project")
    begin, end, least = TAKES[take]
    rate = soundfile.info(path).samplerate
    audio = soundfile.read(path, start=begin * rate, stop=end * rate, dtype="float32")[0]
    frames, window = round(0.3 * rate), round(WINDOW_S * rate)
    errors = []
    for start in range(0, len(audio) - frames, frames // 2):
        segment = audio[start : start + frames]
        heard = [detect_pitch(segment[:last], rate) for last in range(window, frames + 1, (frames - window) // 4)]
        pitches = [pitch.frequency_hz for pitch in heard if pitch is not None]
        if len(pitches) < 5 or cents(max(pitches), min(pitches)) > 15:
            continue
        middle = float(np.median(pitches))
        partials = [measure_peak(segment, rate, k * middle) / k for k in (1, 2, 3)]
        if np.ptp([cents(partial, middle) for partial in partials]) < 6:  # else other strings sound with it
            errors.append(cents(middle, partials[0]))
    assert len(errors) >= least
    assert np.median(np.abs(errors)) < 0.5
    assert np.max(np.abs(errors)) < 2  # the first partial of a real string wavers, and the stretch is long
