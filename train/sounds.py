"""The sounds of the test signal: strings, sweeps, noise and bursts, float64 (frames,) with a peak of about 1."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float64]
Curve = NDArray[np.floating[Any]] | float

LOWEST_HZ, HIGHEST_HZ = 20.0, 20_000.0
NYQUIST_SHARE = 0.45  # nothing is made above this share of the sample rate
DARK_HZ = 2000.0  # above it a guitar's spectrum falls; were the rest as bright, the pooled error would be all treble
LOWEST_NOTE, NOTES = 23, 66  # MIDI: from the B string of a bass (31 Hz) over 5½ octaves to E6 (1.3 kHz)
GOLDEN = 0.6180339887498949  # its multiples, modulo 1, fill the range evenly however many there are
MOST_PARTIALS = 80
FADE_S = 0.002
CACHED_FRAMES = 4096


def pluck_string(
    pitch: Audio, sample_rate: int, rng: np.random.Generator, *, ring_s: float = 1.2, muffle: float = 6.0
) -> Audio:
    """One plucked string along a curve of pitch, as a sum of decaying partials.

    Parameters
    ----------
    pitch : float64 (frames,)
        The fundamental at each frame, in Hz.
    sample_rate : int
        In Hz.
    rng : numpy.random.Generator
    ring_s : float
        The time in which the fundamental falls to 1/e.
    muffle : float
        How much faster each further partial decays, in 1/s: 6 for an open string, 60 and more under the palm.

    Returns
    -------
    float64 (frames,)
        Peak about 1.

    Notes
    -----
    Partial k is Im(wᵏ) with w = exp(iφ − muffle·t), so that the sum over k is a polynomial in w and Horner's rule
    needs no sine for it. Its amplitude sin(πkp)/kˢ is that of a string plucked at the share p of its length. A pickup
    hears the speed of the string, not its place: hence the difference, which also leaves no offset.
    """
    place, slope, noise = rng.random(3) * (0.3, 0.8, 0.3) + (0.07, 1.9, 0.05)
    t = np.arange(len(pitch)) / sample_rate
    sharp = 1.0 + 0.004 * np.exp(-t / 0.04)  # a string that swings wide is a little tighter
    phase = 2 * np.pi * np.cumsum(pitch * sharp) / sample_rate
    highest = min(HIGHEST_HZ, NYQUIST_SHARE * sample_rate)
    partials = max(1, min(MOST_PARTIALS, int(highest / (1.004 * pitch.max()))))
    k = np.arange(1, partials + 1)
    amplitudes = np.sin(np.pi * k * place) / k**slope
    out = np.empty(len(pitch))
    for start in range(0, len(pitch), CACHED_FRAMES):
        here = slice(start, start + CACHED_FRAMES)
        w = np.exp(1j * phase[here] - muffle * t[here])
        total = np.zeros_like(w)
        for amplitude in amplitudes[::-1]:
            total += amplitude
            total *= w
        out[here] = total.imag
    out = np.diff(out * np.exp(-t / ring_s), prepend=0.0)
    out /= np.abs(out).max()
    scratch = rng.random(round(0.02 * sample_rate))[: len(out)] - 0.5  # of the pick on the string
    out[: len(scratch)] += noise * scratch * np.exp(-t[: len(scratch)] / 0.003)
    return out


def play_note(turn: int, frames: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """A single note: plain, bent with vibrato, slid, hammered on and pulled off, or muted with the palm."""
    t = np.linspace(0.0, 1.0, frames)
    direction = 1 if turn % 2 else -1
    by_articulation = (
        np.zeros(frames),
        2 * np.clip((t - 0.2) / 0.3, 0, 1) + 0.3 * np.sin(2 * np.pi * 5.5 * frames / sample_rate * t) * (t > 0.5),
        direction * 5 * np.clip((t - 0.3) / 0.4, 0, 1),
        2.0 * ((t > 0.3) & (t < 0.65)),
        np.zeros(frames),
    )
    articulation = turn % len(by_articulation)
    muted = articulation == len(by_articulation) - 1
    pitch = _pitch(LOWEST_NOTE + NOTES * (turn * GOLDEN % 1) + by_articulation[articulation])
    ring_s, muffle = (0.15, 60.0) if muted else (0.4 + 2 * rng.random(), 3 + 12 * rng.random())
    return pluck_string(pitch, sample_rate, rng, ring_s=ring_s, muffle=muffle)


# Semitones above the lowest note of what is played together, and the eighths of the piece at which each is plucked
CHORDS = ((0, 7, 12, 16, 19, 24), (0, 7, 12), (0, 3, 7, 12, 15), (0, 4, 10, 15), (0, 5), (0, 7, 12, 15, 19, 24))


def play_strum(turn: int, frames: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """Several notes: a chord, chugs under the palm, fast picking, or a broken chord that rings on."""
    chord = CHORDS[turn // 4 % len(CHORDS)]
    root = 28 + 24 * (turn * GOLDEN % 1)  # MIDI: from the low E of a bass to the 12th fret of a guitar
    eighth = frames // 8
    ring_s, muffle, late = 1.8, 5.0, round(0.009 * sample_rate)
    style = turn % 4
    if style == 0:
        plucks = [(number * late, note) for number, note in enumerate(chord)]
    elif style == 1:
        plucks = [
            (2 * beat * eighth + number * late // 4, note) for beat in range(4) for number, note in enumerate(chord[:3])
        ]
        ring_s, muffle = 0.12, 50.0
    elif style == 2:
        plucks = [(beat * eighth, 12 + chord[beat // 2 % len(chord)]) for beat in range(8)]
        ring_s = 0.3
    else:
        plucks = [(number * eighth, note) for number, note in enumerate(chord)]
    out = np.zeros(frames)
    for start, note in plucks:
        end = frames if style in (0, 3) else min(frames, start + 2 * eighth)
        pitch = np.full(end - start, _pitch(root + note))
        force = 0.7 + 0.3 * rng.random()
        out[start:end] += force * pluck_string(pitch, sample_rate, rng, ring_s=ring_s, muffle=muffle)
    return out


# --- sines


def play_sweep(turn: int, frames: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """A sine from the lowest frequency to the highest, each octave in the same time; every second one falls.

    Its level falls by 6 dB an octave above 2 kHz.
    """
    octaves = np.linspace(0.0, 1.0, frames)
    highest = min(HIGHEST_HZ, NYQUIST_SHARE * sample_rate)
    pitch = LOWEST_HZ * (highest / LOWEST_HZ) ** (octaves if turn % 2 else octaves[::-1])
    return np.sin(_phase(pitch, sample_rate)) * _darken(pitch)


def play_steps(turn: int, frames: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """A steady tone whose level jumps five times: what a gate and a compressor react to, and what moves a bias."""
    order = np.argsort(rng.random(5))
    gains = 10 ** (-10.0 * order / 20)
    return _tone(30.0, 2500.0, turn * GOLDEN % 1, frames, sample_rate) * gains[np.arange(frames) * 5 // frames]


def play_bursts(turn: int, frames: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """Four short bursts of sines of any frequency, with silence between them."""
    out = np.zeros(frames)
    quarter = frames // 4
    for number in range(4):
        place, share, level = rng.random(3)
        length = round(quarter * (0.2 + 0.6 * share))
        burst = _tone(40.0, 10_000.0, place, length, sample_rate) * np.sqrt(np.hanning(length))
        loudness = 10 ** (-level) * _darken(40.0 * 250**place)  # down to −20 dB, and less where it is bright
        out[number * quarter : number * quarter + length] = burst * loudness
    return out


def play_two_tones(turn: int, frames: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """Two sines at once, for what bends makes of them together; equally loud, or the upper one a quarter."""
    place, interval = rng.random(2)
    low = 60.0 * 50 ** (0.8 * place)
    high = low * (1.03 + interval)
    sines = (np.sin(_phase(np.full(frames, pitch), sample_rate)) for pitch in (low, high))
    return next(sines) + (0.25 if turn % 2 else 1.0) * next(sines)


def play_tremolo(turn: int, frames: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """A tone whose level swings between all and nothing, faster and faster."""
    swing = 3.0 * 100 ** np.linspace(0.0, 1.0, frames)
    return _tone(80.0, 2500.0, turn * GOLDEN % 1, frames, sample_rate) * (
        0.5 - 0.5 * np.cos(_phase(swing, sample_rate))
    )


def play_noise(turn: int, frames: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """Pink, dark or white noise in turn, in four bursts, each at a level of its own."""
    gains = 10 ** (-6.0 * np.argsort(rng.random(4)) / 20)
    noise = 2 * rng.random(frames) - 1
    frequency = np.fft.rfftfreq(frames, 1 / sample_rate)
    pink = (frequency > LOWEST_HZ) / np.sqrt(np.maximum(frequency, LOWEST_HZ))  # −3 dB an octave
    shape = (pink, _darken(frequency), np.ones_like(frequency))[turn % 3]
    noise = np.fft.irfft(np.fft.rfft(noise) * shape, frames)
    position = np.arange(frames) * 4 / frames
    gated: Audio = noise * gains[position.astype(int)] * (position % 1 < 0.9)
    return gated


PLAYERS: dict[str, Callable[[int, int, int, np.random.Generator], Audio]] = {
    "note": play_note,
    "strum": play_strum,
    "sweep": play_sweep,
    "steps": play_steps,
    "bursts": play_bursts,
    "two tones": play_two_tones,
    "tremolo": play_tremolo,
    "noise": play_noise,
}


def _pitch(midi: Curve) -> Audio:
    return np.asarray(440.0 * 2.0 ** ((np.asarray(midi) - 69) / 12), np.float64)


def _darken(frequency: Curve) -> Audio:
    """The level at a frequency in Hz behind one pole at `DARK_HZ`, linear."""
    return np.asarray(1 / np.sqrt(1 + (np.asarray(frequency) / DARK_HZ) ** 2), np.float64)


def _phase(pitch: Audio, sample_rate: int) -> Audio:
    """The phase in radians of a sine along a curve of frequency in Hz."""
    return np.asarray(2 * np.pi * np.cumsum(pitch) / sample_rate)


def _tone(lowest: float, highest: float, place: float, frames: int, sample_rate: int) -> Audio:
    """A sine whose frequency lies at `place`, 0 to 1, between two, by octaves."""
    highest = min(highest, NYQUIST_SHARE * sample_rate)
    return np.sin(_phase(np.full(frames, lowest * (highest / lowest) ** place), sample_rate))
