"""Impulse responses of cabinets: read from sound files, at the rate of a stream, one or two blended."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxhost.arrays import Float64Array, from_db
from fxhost.engine.alignment import find_peak
from fxhost.errors import RigError
from fxhost.io.recordings import Recording
from fxhost.stages.rate.resampler import convert

LONGEST_S = 2.0
SILENCE = 1e-3  # of the peak (−60 dB): what comes before it is leading silence
MUSIC_HZ = (80.0, 5000.0)  # where the level of a response is judged
ALIGN_S = 5e-3  # how far apart they may be


@dataclass(frozen=True)
class Response:
    """One impulse response of a cabinet.

    Attributes
    ----------
    file : str or Path
        Any sound file; up to 2 s of it are used. A stereo one makes the rig stereo.
    level_db : float
        In the blend, in dB.
    pan : float
        −1 is left, 0 the middle, 1 right; other than 0 makes the rig stereo.
    polarity : {1, −1}
    delay_ms : float
        0 or more.

    Examples
    --------
    >>> import fxhost
    >>> fxhost.Response("v30.wav", pan=-1.0).polarity
    1
    """

    file: str | Path
    level_db: float = 0.0
    pan: float = 0.0
    polarity: int = 1
    delay_ms: float = 0.0


@dataclass(frozen=True)
class BlendedResponse:
    """What a cabinet plays.

    Attributes
    ----------
    sides : float64 (1 or 2, taps)
        Of mono, or of the left and the right side.
    notes : list of str
        What was done to the files, a line each.
    """

    sides: Float64Array
    notes: list[str]


def read_response(path: Path, sample_rate: int, trims: bool = False) -> tuple[Float64Array, list[str]]:
    """A response at the rate of a stream.

    Parameters
    ----------
    path : Path
    sample_rate : int
        In Hz.
    trims : bool
        Whether leading silence is cut off.

    Returns
    -------
    response : float64 (1 or 2, taps)
    notes : list of str

    Raises
    ------
    AudioError
        If the file cannot be read.
    RigError
        If it is silent or has more than two channels.
    EngineError
        If the rates have no simple ratio.
    """
    with Recording(path) as recording:
        own_rate, audio = recording.sample_rate, recording.read()
    audio = audio.reshape(len(audio), -1).T
    if len(audio) > 2:
        raise RigError(f"{path} has {len(audio)} channels; an impulse response has one or two; export it so")
    if not np.abs(audio).max() > 0.0:
        raise RigError(f"{path} is silent, so that nothing would be heard; choose another impulse response")
    notes = []
    if audio.shape[1] > LONGEST_S * own_rate:
        notes.append(f"{path.name}: the first {LONGEST_S:g} s of {audio.shape[1] / own_rate:.1f} s are used")
        audio = audio[:, : round(LONGEST_S * own_rate)]
    if trims:
        loud = np.abs(audio).max(axis=0) >= SILENCE * np.abs(audio).max()
        first = int(loud.argmax())
        notes.append(f"{path.name}: {1000 * first / own_rate:.2f} ms of leading silence were cut off")
        audio = audio[:, first:]
    sides = [convert(np.ascontiguousarray(side), own_rate, sample_rate) for side in audio]
    return np.asarray(sides, np.float64) * own_rate / sample_rate, notes


def music_gain(sides: Float64Array, sample_rate: int) -> float:
    """The gain of a response to music: the root mean square of its spectrum over 80 Hz to 5 kHz, by octaves.

    Parameters
    ----------
    sides : float64 (sides, taps)
    sample_rate : int
        In Hz.
    """
    size = 1 << max(12, int(np.ceil(np.log2(sides.shape[1]))))
    frequencies = np.fft.rfftfreq(size, 1.0 / sample_rate)[1:]
    power = np.mean(np.abs(np.fft.rfft(sides, size)[:, 1:]) ** 2, axis=0)
    weight = ((frequencies >= MUSIC_HZ[0]) & (frequencies <= MUSIC_HZ[1])) / frequencies
    return float(np.sqrt(np.sum(weight * power) / np.sum(weight)))


def find_alignment(first: Float64Array, second: Float64Array, sample_rate: int) -> tuple[float, int]:
    """How much later the first response is than the second, in frames, and their relative polarity.

    Delayed by so much, and multiplied by the polarity, the second one adds up with the first instead of cancelling.

    Parameters
    ----------
    first, second : float64 (taps,)
    sample_rate : int
        In Hz.
    """
    size = 1 << int(np.ceil(np.log2(len(first) + len(second))))
    cross = np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size))
    lag, height = find_peak(cross, size, 0, min(round(ALIGN_S * sample_rate), size // 2 - 1))
    return lag, 1 if height > 0 else -1


def delay_response(response: Float64Array, frames: float) -> Float64Array:
    """A response (sides, taps) that begins later by 0 or more frames, also by parts of one."""
    whole, part = int(np.floor(frames)), frames % 1.0
    moved = np.pad(response, ((0, 0), (whole, 1)))
    if part:
        size = 2 * moved.shape[1]
        turn = np.exp(-2j * np.pi * part * np.arange(size // 2 + 1) / size)
        moved = np.fft.irfft(np.fft.rfft(moved, size) * turn, size)[:, : moved.shape[1]]
    return moved


def blend_responses(
    responses: Sequence[Response], sample_rate: int, *, levels: bool = True, trims: bool = False, aligns: bool = False
) -> BlendedResponse:
    """One or more responses as one.

    Parameters
    ----------
    responses : sequence of Response
        At least one.
    sample_rate : int
        In Hz.
    levels : bool
        Whether each is brought to a gain of 0 dB over music first.
    trims, aligns : bool
        Whether leading silence is cut off; whether each is delayed and turned over so that it adds up with the first.

    Raises
    ------
    FxhostError
        As for `read_response`.
    """
    notes: list[str] = []
    parts: list[Float64Array] = []
    delays: list[float] = []
    for response in responses:
        sides, said = read_response(Path(response.file), sample_rate, trims)
        notes += said
        if levels:
            sides = sides / music_gain(sides, sample_rate)
        delay = response.delay_ms * 1e-3 * sample_rate
        polarity = response.polarity
        if aligns and parts:
            lag, sign = find_alignment(parts[0].mean(axis=0), sides.mean(axis=0), sample_rate)
            delay, polarity = delay + lag, polarity * sign
            turned = ", turned over" if sign < 0 else ""
            notes.append(f"{Path(response.file).name}: delayed by {1000 * lag / sample_rate:+.2f} ms{turned}")
        pan = np.array([min(1.0, 1.0 - response.pan), min(1.0, 1.0 + response.pan)])[:, None]
        if response.pan:
            sides = np.broadcast_to(sides, (2, sides.shape[1])) * pan
        parts.append(sides * from_db(response.level_db) * polarity)
        delays.append(delay)
    earliest = min(0.0, *delays)
    moved = [
        delay_response(sides, delay - earliest) if delay != earliest else sides
        for sides, delay in zip(parts, delays, strict=True)
    ]
    total = np.zeros((max(map(len, moved)), max(sides.shape[1] for sides in moved)))
    for sides in moved:
        total[:, : sides.shape[1]] += sides
    return BlendedResponse(total, notes)
