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
from train.sounds import FADE_S, PLAYERS

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
            f"the length of the test signal is out of range: {seconds:g} s; give "
            f"{LENGTHS_S[0]:g} to {LENGTHS_S[1]:g} s, of which {SECONDS:g} s suits most devices"
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
            f"the sample rate of the test signal is out of range: {sample_rate} Hz; give a whole number from "
            f"{SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz, best that of your sound device, mostly 48000 Hz"
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
        raise AudioError(
            f"{path} does not end in .wav, .flac or .aiff, the formats of the test signal; end its name so"
        )
    check_output(path, overwrite=overwrite)
    audio = make_signal(sample_rate, seconds)
    # as integers, because libsndfile scales floats by 2²³ − 1 and would move every sample a little
    samples = (audio * 2.0**31).astype(np.int32)
    with writing(path, sample_rate, overwrite=overwrite, subtype="PCM_24") as writer:
        writer.write(samples)


# --- strings
