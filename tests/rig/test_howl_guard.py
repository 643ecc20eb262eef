"""The howl guard: it hears feedback through a real rack and turns it down, and takes no music for feedback."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array, to_db
from fxhost.engine.rack import Rack
from fxhost.rig.howl_guard import HowlGuard
from fxhost.rig.rig import Rig
from tests.conftest import RATE, SHARED

BLOCK = 64
LOOK_BLOCKS = 37  # about 20 times a second
RECORDINGS = sorted(
    path for path in (SHARED / "data").rglob("*") if path.suffix in (".flac", ".wav") and "ir" not in path.parts
)


class Room:
    """A rack whose output comes back to its input: late, at one resonance, and so loud.

    Parameters
    ----------
    rack : Rack
    frequency_hz, q : float
        Of the resonance.
    delay_s, gain : float
        Of the way from the loudspeaker to the input.
    """

    def __init__(self, rack: Rack, frequency_hz: float, q: float, delay_s: float, gain: float) -> None:
        self.rack, self.gain = rack, gain
        self.notices: list[str] = []
        self.guard = HowlGuard(rack, self.notices.append)
        self._delay = [0.0] * round(delay_s * RATE)
        w = 2 * math.pi * frequency_hz / RATE
        alpha = math.sin(w) / (2 * q)
        self._band = alpha / (1 + alpha), 2 * math.cos(w) / (1 + alpha), (1 - alpha) / (1 + alpha)
        self._past = [0.0] * 4
        self.blocks = 0

    def play(self, dry: Float32Array) -> Iterator[float]:
        """Play and listen block by block; yields the peak of each output block."""
        b, a1, a2 = self._band
        x1, x2, y1, y2 = self._past
        for first in range(0, len(dry) - BLOCK + 1, BLOCK):
            block, out = dry[first : first + BLOCK].copy(), np.zeros(BLOCK, np.float32)
            for n in range(BLOCK):
                x = self._delay[n]
                y = b * (x - x2) + a1 * y1 - a2 * y2
                x1, x2, y1, y2 = x, x1, y, y1
                block[n] += self.gain * y
            self.rack.process(block, out)
            self._delay = self._delay[BLOCK:] + out.tolist()
            self.blocks += 1
            if self.blocks % LOOK_BLOCKS == 0:
                self.guard.look(0.0)
            yield float(np.abs(out).max())
        self._past = [x1, x2, y1, y2]


def noise(seconds: float, level_db: float = -80.0) -> Float32Array:
    return (10 ** (level_db / 20) * np.random.default_rng(3).standard_normal(round(seconds * RATE))).astype(np.float32)


def small_signal_gain(rig: Rig, frequency_hz: float) -> float:
    sine = np.sin(2 * np.pi * frequency_hz * np.arange(RATE // 2) / RATE)
    return float(np.std(rig((1e-3 * sine).astype(np.float32), RATE)[RATE // 4 :]) / (1e-3 * np.std(sine)))


@pytest.mark.parametrize(
    ("frequency_hz", "q", "delay_s", "gain", "preset"),
    [
        (180.0, 5.0, 0.03, 1.5, ""),
        (420.0, 10.0, 0.02, 2.0, ""),
        (700.0, 12.0, 0.01, 1.15, ""),
        (2540.0, 15.0, 0.006, 2.2, ""),
        (3000.0, 8.0, 0.015, 1.3, ""),
        (3670.0, 9.1, 0.0061, 1.2, ""),  # two modes that howl in turn
        (398.0, 4.4, 0.026, 2.1, "ts-overdrive"),
        (475.0, 19.0, 0.0115, 2.3, "ts-overdrive"),
    ],
)
def test_feedback_is_turned_down_in_time_told_once_and_let_go_when_it_is_over(
    frequency_hz: float, q: float, delay_s: float, gain: float, preset: str
) -> None:
    if preset:
        rig = Rig([preset])
        rack, gain = rig.rack_of(rig.slots_at(RATE))[0], gain / small_signal_gain(rig, frequency_hz)
    else:
        rack = Rack([], RATE)
    room = Room(rack, frequency_hz, q, delay_s, gain)
    loud_at = cut_at = None
    peaks = []
    for n, peak in enumerate(room.play(noise(4.0))):
        peaks.append(peak)
        if loud_at is None and peak >= 10 ** (-12 / 20):
            loud_at = n * BLOCK / RATE
        if cut_at is None and rack.is_cut:
            cut_at = n * BLOCK / RATE
        if cut_at is not None and n * BLOCK / RATE > cut_at + 0.5:
            break
    assert cut_at is not None
    assert loud_at is None or cut_at < max(loud_at, 0.06) + 0.4  # the very first spectrum needs as long
    assert len(room.notices) == 1
    assert float(room.notices[0].split()[2]) == pytest.approx(frequency_hz, rel=0.03, abs=60.0)
    faded = peaks[round((cut_at + 0.1) * RATE / BLOCK) :]
    assert max(faded) <= 0.03  # −40 dB of what came to the limiter
    room.gain = 0.0  # the player has turned away
    began = room.blocks
    for _ in room.play(noise(2.5)):
        if not rack.is_cut:
            break
    assert 0.4 < (room.blocks - began) * BLOCK / RATE < 2.2  # a second after it was gone, of which half is over
    assert len(room.notices) == 1


def test_feedback_that_comes_again_is_turned_down_again() -> None:
    rack = Rack([], RATE)
    room = Room(rack, 700.0, 12.0, 0.01, 1.4)
    for _ in room.play(noise(6.0)):
        pass
    assert len(room.notices) > 1


def test_a_howl_under_loud_playing_is_heard(guitar: Float32Array) -> None:
    room = Room(Rack([], RATE), 2000.0, 13.0, 0.02, 1.6)
    for _ in room.play((0.3 * guitar[: 3 * RATE] + noise(3.0)).astype(np.float32)):
        if room.notices:
            break
    assert len(room.notices) == 1


def alarms_in(audio: Float32Array, sample_rate: int) -> list[str]:
    """What the guard says where a recording goes through a rack at full scale, and nothing comes back."""
    rack, notices = Rack([], sample_rate), list[str]()
    guard = HowlGuard(rack, notices.append)
    audio = np.ascontiguousarray(audio / max(float(np.abs(audio).max()), 1e-9), np.float32)
    step = round(0.05 * sample_rate)
    for first in range(0, len(audio), step):
        block = audio[first : first + step]
        rack.process(block, np.zeros_like(block))
        guard.look(0.0)
    return notices


def string(frequency_hz: np.ndarray | float, seconds: float, decay_s: float, partials: int = 6) -> Float32Array:
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency_hz, t.shape)) / RATE
    return sum(np.sin(k * phase) * np.exp(-t * k / decay_s) / k**1.5 for k in range(1, partials))


@pytest.mark.parametrize("kind", ["sustained", "bend", "swell", "tremolo", "harmonic"])
def test_music_is_no_feedback(kind: str) -> None:
    t = np.arange(3 * RATE) / RATE
    if kind == "sustained":
        audio = string(110.0, 3.0, 8.0)
    elif kind == "bend":
        audio = string(330.0 * 2 ** (np.clip(t - 0.3, 0, 0.5) * 2 / 6), 3.0, 4.0)
    elif kind == "swell":  # a chord with the volume knob
        audio = sum(string(f, 3.0, 10.0) for f in (110.0, 164.8, 220.0, 277.2)) * np.minimum(t, 1.0)
    elif kind == "tremolo":
        audio = string(440.0, 3.0, 3.0) * (0.6 + 0.4 * np.sin(2 * np.pi * 5 * t))
    else:
        audio = string(660.0, 3.0, 4.0, partials=2)  # a flageolet: one partial alone, which fades
    assert alarms_in(np.concatenate([np.zeros(RATE // 2), audio]).astype(np.float32), RATE) == []


@pytest.mark.parametrize("path", RECORDINGS or [None], ids=lambda path: path.stem if path else "none")
def test_no_recording_is_taken_for_feedback(path: Path | None) -> None:
    if path is None:
        pytest.skip("needs the recordings beside the project")
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    for channel in audio.T:
        assert alarms_in(channel, rate) == []


def test_a_cut_goes_with_gain_and_mute() -> None:
    rack = Rack([], RATE, output_gain_db=12.0)
    rack.is_cut = True
    assert to_db(float(rack._output_gain.memory["target"][0])) == pytest.approx(-40.0)
    rack.output_gain_db = -6.0
    assert to_db(float(rack._output_gain.memory["target"][0])) == pytest.approx(-46.0)
    rack.is_muted = True
    assert rack._output_gain.memory["target"][0] == 0.0
    rack.is_muted = rack.is_cut = False
    assert rack._output_gain.gain_db == pytest.approx(-6.0)


@pytest.mark.parametrize("rate", [44_100, 96_000, 192_000])
def test_it_hears_at_any_rate_and_after_a_gap(rate: int) -> None:
    rack, notices = Rack([], rate), list[str]()
    guard = HowlGuard(rack, notices.append)
    t = np.arange(rate) / rate
    howl = (1e-4 * np.exp(10 * t) * np.sin(2 * np.pi * 900 * t)).clip(-1, 1).astype(np.float32)
    silence = np.zeros(rate, np.float32)
    rack.process(silence, silence.copy())  # nobody has looked for a second
    guard.look(0.0)
    for first in range(0, rate, rate // 25):
        block = howl[first : first + rate // 25]
        rack.process(block, np.zeros_like(block))
        guard.look(0.0)
    assert len(notices) == 1
