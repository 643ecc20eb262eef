"""The test signal: what a guitar does, and more, to be played through a device and recorded.

Two things are kept apart. `plan_signal` is the score: pieces of eight kinds, each with its place and its level.
`make_signal` plays it. The score is cut as `train.pairs.splits.split_pair` cuts a recording: each part opens with one
long piece, which lies in training, and goes on in rounds. Every round holds every kind in the same order, at levels
drawn over the whole range, and is shorter than the stretch of a part that is held out: wherever that lies in the
rounds, every kind is in it.

Audio is float64 `(frames,)` while it is made, with a peak of about 1 that `make_signal` brings to the level of the
piece. The score is the same at every sample rate; noise, and the force of a pick within a chord, are not. Random
numbers are uniform ones, whose stream numpy changes least from version to version.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from fxhost.errors import AudioError, TrainingError
from fxhost.io.files import check_output
from fxhost.io.sound_writing import writing
from fxhost.preset.effect import SAMPLE_RATES
from train.pairs.splits import HELD_OUT, MAX_PARTS, PART_S

__all__ = ["KINDS", "Piece", "make_signal", "plan_signal", "write_signal"]

Audio = NDArray[np.float64]
Curve = NDArray[np.floating[Any]] | float

SECONDS = 180.0
LENGTHS_S = (5.0, 1200.0)
PEAK_DB = -1.0
RANGE_DB = 59.0  # the quietest piece lies this far below the peak
STRINGS_LOUDER = 2.0  # above 1 puts more of them near the top; a sine as loud as a string has many times its power
SEED = 1965
STEP = 2.0**-23  # of 24 bits: what is made is what a 24-bit file holds

# The share of a round that each kind takes, in its order. Most of it is strings: that is what will be played.
KINDS = {
    "note": 0.30,
    "sweep": 0.08,
    "steps": 0.08,
    "strum": 0.30,
    "noise": 0.05,
    "silence": 0.04,
    "bursts": 0.06,
    "tremolo": 0.05,
    "two tones": 0.04,
}
STRINGS = ("note", "strum")
ROUND_SHARE = 0.88 * HELD_OUT  # of a part; less than is held out, so that a blip may take some of the last one
LONGEST_ROUND_S = 2.5
LONG_SHARE, LONGEST_S, REST_S = 0.14, 3.5, 0.3  # of a part: the piece that opens it, and the silence after it
LONG = (("strum", 0), ("sweep", 1), ("note", 0), ("steps", 2), ("noise", 0), ("note", 1), ("strum", 3), ("tremolo", 1))
STEADY_DB = 9.0  # by which a long piece that does not die away is quieter, or it would outweigh the rest of its part
LEAD_S, BLIP_S = 0.2, 0.001  # silence with a blip in its middle, first and last: two recordings can be laid over it

LOWEST_HZ, HIGHEST_HZ = 20.0, 20_000.0
NYQUIST_SHARE = 0.45  # nothing is made above this share of the sample rate
DARK_HZ = 2000.0  # above it a guitar's spectrum falls; were the rest as bright, the pooled error would be all treble
LOWEST_NOTE, NOTES = 23, 66  # MIDI: from the B string of a bass (31 Hz) over 5½ octaves to E6 (1.3 kHz)
GOLDEN = 0.6180339887498949  # its multiples, modulo 1, fill the range evenly however many there are
MOST_PARTIALS = 80
FADE_S = 0.002
CACHED_FRAMES = 4096


@dataclass(frozen=True)
class Piece:
    """One piece of the score.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    turn : int
        How many of its kind came before it; chooses the articulation, the pitch, the direction.
    start_s, end_s : float
        Its place in seconds.
    level : float
        Its peak, linear; 0 for silence.
    """

    kind: str
    turn: int
    start_s: float
    end_s: float
    level: float


def plan_signal(seconds: float = SECONDS) -> list[Piece]:
    """The score of a test signal.

    Parameters
    ----------
    seconds : float
        Its length, 5 to 1200.

    Returns
    -------
    list of Piece
        In order, without overlap. What lies between them is silent.

    Raises
    ------
    TrainingError
        If the length is out of range.
    """
    if not LENGTHS_S[0] <= seconds <= LENGTHS_S[1]:
        raise TrainingError(
            f"the length of the test signal is out of range: got {seconds:g} s, expected "
            f"{LENGTHS_S[0]:g} to {LENGTHS_S[1]:g} s; {SECONDS:g} s suits most devices"
        )
    rng = np.random.default_rng(SEED)
    parts = min(max(1, round(seconds / PART_S)), MAX_PARTS)
    part_s = seconds / parts
    long_s = min(LONGEST_S, LONG_SHARE * part_s)
    pieces: list[Piece] = []
    turn = 0
    for part in range(parts):
        start, end = part * part_s, (part + 1) * part_s - LEAD_S * (part == parts - 1)
        kind, articulation = LONG[part]
        opening = start + LEAD_S * (part == 0)
        level = 10 ** ((PEAK_DB - (0.0 if kind in STRINGS else STEADY_DB)) / 20)
        pieces.append(Piece(kind, articulation, opening, start + long_s - REST_S, level))
        rounds = int(np.ceil((end - start - long_s) / min(LONGEST_ROUND_S, ROUND_SHARE * part_s)))
        bounds = np.linspace(start + long_s, end, rounds + 1)
        for round_start, round_end in pairwise(bounds.tolist()):
            pieces += _plan_round(turn, round_start, round_end, rng)
            turn += 1
    return pieces


def _plan_round(turn: int, start: float, end: float, rng: np.random.Generator) -> list[Piece]:
    count = len(KINDS)  # one of them is silence, which leaves another range out in each round
    places = (np.argsort(rng.random(count)) + rng.random(count)) / count  # one in each of as many equal ranges
    places **= [STRINGS_LOUDER if kind in STRINGS else 1.0 for kind in KINDS]
    levels = 10 ** ((PEAK_DB - RANGE_DB * places) / 20)
    bounds = start + (end - start) * np.cumsum([0.0, *KINDS.values()]) / sum(KINDS.values())
    return [
        Piece(kind, turn, *edges, level=0.0 if kind == "silence" else float(level))
        for kind, edges, level in zip(KINDS, pairwise(bounds.tolist()), levels, strict=True)
    ]


def make_signal(sample_rate: int, seconds: float = SECONDS) -> Float32Array:
    """A test signal with a peak of −1 dB, the same at every call.

    Parameters
    ----------
    sample_rate : int
        8000 to 384000, in Hz.
    seconds : float
        Its length, 5 to 1200.

    Returns
    -------
    float32 (frames,)
        Full scale ±1, in steps of 2⁻²³, so that a 24-bit file holds it exactly.

    Raises
    ------
    TrainingError
        If the sample rate or the length is out of range.
    """
    if not SAMPLE_RATES[0] <= sample_rate <= SAMPLE_RATES[1] or sample_rate != int(sample_rate):
        raise TrainingError(
            f"the sample rate of the test signal is out of range: got {sample_rate} Hz, expected a whole number from "
            f"{SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz; take that of your sound device, mostly 48000 Hz"
        )
    pieces = plan_signal(seconds)
    out = np.zeros(round(seconds * sample_rate))
    for number, piece in enumerate(pieces):
        start, end = round(piece.start_s * sample_rate), round(piece.end_s * sample_rate)
        if not piece.level:
            continue
        audio = PLAYERS[piece.kind](piece.turn, end - start, sample_rate, np.random.default_rng([SEED, number]))
        fade = np.minimum(1.0, np.arange(1, len(audio) + 1) / (FADE_S * sample_rate))
        audio *= fade * fade[::-1]
        out[start:end] = audio * (piece.level / np.abs(audio).max())
    peak = 10 ** (PEAK_DB / 20)
    blip = peak * np.hanning(round(BLIP_S * sample_rate))
    for middle in (LEAD_S / 2, seconds - LEAD_S / 2):
        at = round(middle * sample_rate)
        out[at : at + len(blip)] = blip
    return (np.round(out / STEP) * STEP).astype(np.float32)


def write_signal(path: Path, sample_rate: int = 48_000, *, seconds: float = SECONDS, overwrite: bool = False) -> None:
    """Write a test signal as a mono 24-bit file, whole or not at all.

    Parameters
    ----------
    path : Path
        Ends in .wav, .flac or .aiff.
    sample_rate : int
        8000 to 384000, in Hz.
    seconds : float
        Its length, 5 to 1200.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    AudioError
        If the ending says no format that has 24 bits, or if that format refuses the sample rate.
    FileError
        If the file exists and may not be replaced, or cannot be written.
    TrainingError
        If the sample rate or the length is out of range.
    """
    if path.suffix.lower() not in (".wav", ".flac", ".aiff"):
        raise AudioError(f"{path} has no ending of a 24-bit format: expected .wav, .flac or .aiff; take one of them")
    check_output(path, overwrite=overwrite)
    audio = make_signal(sample_rate, seconds)
    # as integers, because libsndfile scales floats by 2²³ − 1 and would move every sample a little
    samples = (audio * 2.0**31).astype(np.int32)
    with writing(path, sample_rate, overwrite=overwrite, subtype="PCM_24") as writer:
        writer.write(samples)


# --- strings


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
