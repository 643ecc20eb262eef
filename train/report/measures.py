"""What a training report measures: the difference between target and model, and the preset on signals made for it.

Audio is float32 `(frames,)`; levels are in dB, 0 dB being an amplitude or an RMS of 1.0. *Test audio* is the test
stretches of the recording, one after the other. A function that plays (`Play`) starts from the settled state every
time, returns as many frames as it is given, and leaves its argument as it is.
"""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array, from_db, to_db
from fxhost.stages.base import Stage
from train.pairs.stretch import Stretch

Float64Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Play = Callable[[Float32Array], Float32Array]

WINDOW_S = 0.04
LOUD_ENOUGH = 0.01  # of the mean power: a window below it has no ESR of its own, or silence would be the worst place
BAND_DB = 6
BANDS = 11  # the last one holds everything below −60 dB
POINTS = 240  # over the test audio
TONE_S, SETTLE_S = 0.7, 0.3
KAISER_BETA, LOBE_BINS = 20.0, 8  # side lobes 190 dB below a main lobe that reaches 7 bins to either side
SWEEP_S, SWEEP_HZ, SWEEP_LEVEL_DB = 6.0, (20.0, 20_000.0), -6.0
TAIL_S, TAIL_WINDOW_S, QUIET_DB = 4.0, 0.01, -90.0
LOAD_FRAMES, LOAD_BLOCKS, LOAD_WARM_UP = 64, 4000, 200


# --- target and model ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Windows:
    """The test audio in windows of 40 ms; the last one of a stretch also takes the rest of it.

    Attributes
    ----------
    starts : int64 (windows,)
        The first frame of each, in the test audio.
    frames : int64 (windows,)
    seconds : float64 (windows,)
        Where each begins in the recording.
    signal, error : float64 (windows,)
        The energy of the target, and that of its difference from the model.
    """

    starts: Indices
    frames: Indices
    seconds: Float64Array
    signal: Float64Array
    error: Float64Array

    @property
    def is_loud(self) -> NDArray[np.bool_]:
        """Whether the target is loud enough for an ESR of the window alone to mean something."""
        loud: NDArray[np.bool_] = self.signal / self.frames >= LOUD_ENOUGH * self.signal.sum() / self.frames.sum()
        return loud


@dataclass(frozen=True)
class Band:
    """The windows in which the target has a level of so many dB: their share of the time (0 to 1) and pooled ESR."""

    name: str
    share: float
    esr: float


def cut_windows(target: Float32Array, model: Float32Array, stretches: Sequence[Stretch], sample_rate: int) -> Windows:
    """Windows over the test audio, so that none reaches from one stretch into the next.

    Parameters
    ----------
    target, model : float32 (frames of all stretches,)
    stretches : sequence of Stretch
    sample_rate : int
        In Hz.

    Returns
    -------
    Windows
        Together they hold every frame once.
    """
    frames = round(WINDOW_S * sample_rate)
    inside = [np.arange(0, max(1, len(s) - frames + 1), frames) for s in stretches]
    offsets = np.cumsum([0, *(len(s) for s in stretches)])
    starts = np.concatenate([first + offset for first, offset in zip(inside, offsets, strict=False)])
    y = target.astype(np.float64)
    return Windows(
        starts=starts,
        frames=np.diff(starts, append=len(target)),
        seconds=np.concatenate([(first + s.start) / sample_rate for first, s in zip(inside, stretches, strict=True)]),
        signal=np.add.reduceat(y**2, starts),
        error=np.add.reduceat((y - model) ** 2, starts),
    )


def find_places(windows: Windows) -> tuple[int, int]:
    """The loud windows with the highest and with the median ESR."""
    loud = np.flatnonzero(windows.is_loud)
    order = loud[np.argsort(windows.error[loud] / windows.signal[loud], kind="stable")]
    return int(order[-1]), int(order[(len(order) - 1) // 2])


def measure_bands(windows: Windows) -> list[Band]:
    """The ESR by the level of the target, from loud to soft; bands that do not occur are left out.

    A window's level is its RMS. The ESR of digital silence is infinite, or 0 where the model is silent too.
    """
    levels = 10 * np.log10(np.maximum(windows.signal / windows.frames, 1e-30))
    index = np.clip(np.floor(-levels / BAND_DB), 0, BANDS - 1)
    bands = []
    for n in range(BANDS):
        chosen = index == n
        if not chosen.any():
            continue
        name = f"−{BAND_DB * (n + 1)} to −{BAND_DB * n}"
        name = f"above −{BAND_DB}" if n == 0 else f"below −{BAND_DB * n}" if n == BANDS - 1 else name
        signal, error = float(windows.signal[chosen].sum()), float(windows.error[chosen].sum())
        share = float(windows.frames[chosen].sum() / windows.frames.sum())
        bands.append(Band(name, share, error / signal if signal else np.inf if error else 0.0))
    return bands


def follow_time(windows: Windows, sample_rate: int) -> tuple[Float64Array, Float64Array, Float64Array]:
    """The ESR and the level of the target over the test audio.

    Returns
    -------
    seconds, esrs, levels_db : float64 (at most POINTS,)
        The ESR is NaN where the target is too soft for one.
    """
    firsts = np.arange(0, len(windows.starts), -(-len(windows.starts) // POINTS))
    signal, error, frames = (
        np.add.reduceat(values, firsts) for values in (windows.signal, windows.error, windows.frames)
    )
    seconds = windows.starts[firsts] / sample_rate
    joined = Windows(firsts, frames, seconds, signal, error)
    esrs = np.where(joined.is_loud, error / np.maximum(signal, 1e-30), np.nan)
    return seconds, esrs, 10 * np.log10(np.maximum(signal / frames, 1e-30))


def find_loudest(audio: Float32Array, frames: int) -> int:
    """Where the `frames` frames with the most energy begin; 0 where there are no more than that."""
    energy = np.cumsum(np.concatenate([[0.0], np.square(audio, dtype=np.float64)]))  # before each frame
    return int(np.argmax(energy[frames:] - energy[:-frames])) if len(audio) > frames else 0


# --- signals made for the preset -------------------------------------------------------------------------------------


def measure_tone(play: Play, frequency: float, level_db: float, sample_rate: int) -> tuple[Float64Array, int]:
    """The spectrum of the answer to a sine, when the sine has been there for 0.3 s.

    Parameters
    ----------
    play : callable
    frequency, level_db : float
        Of the sine, in Hz (moved by less than one bin) and of its peak in dB.
    sample_rate : int
        In Hz.

    Returns
    -------
    amplitudes : float64 (bins,)
        Peak amplitudes, 1.0 being full scale.
    tone : int
        The bin of the sine, an odd one: the number of frames is a power of two, so that what is folded back at half
        the sample rate falls beside the harmonics and not on them.
    """
    frames = 1 << round(np.log2(TONE_S * sample_rate))
    tone = 2 * int(frequency * frames / sample_rate / 2) + 1
    n = np.arange(-round(SETTLE_S * sample_rate), frames)
    sine = from_db(level_db) * np.sin(2 * np.pi / frames * (tone * n % frames))
    answer = play(sine.astype(np.float32))[-frames:].astype(np.float64)
    window = np.kaiser(frames, KAISER_BETA)
    return 2 / window.sum() * np.abs(np.fft.rfft(answer * window)), tone


def measure_harmonics(play: Play, frequency: float, level_db: float, sample_rate: int, count: int = 10) -> Float64Array:
    """The levels of the harmonics 1 to `count` of the answer to a sine, float64 (count,) in dB; NaN above the band."""
    amplitudes, tone = measure_tone(play, frequency, level_db, sample_rate)
    bins = tone * np.arange(1, count + 1)
    inside = bins < len(amplitudes) - 1
    levels = np.full(count, np.nan)
    levels[inside] = 20 * np.log10(np.maximum(amplitudes[bins[inside]], 1e-10))
    return levels


def measure_aliasing(play: Play, frequency: float, sample_rate: int) -> tuple[float, float]:
    """The strongest component that is no harmonic, in the answer to a sine at full scale.

    Returns
    -------
    level_db : float
        Relative to the sine in the answer.
    frequency : float
        Where it lies, in Hz.
    """
    amplitudes, tone = measure_tone(play, frequency, 0.0, sample_rate)
    at_sine = float(amplitudes[tone])
    for harmonic in range(0, len(amplitudes), tone):  # from DC up
        amplitudes[max(0, harmonic - LOBE_BINS) : harmonic + LOBE_BINS + 1] = 0.0
    strongest = int(np.argmax(amplitudes))
    frequency_step = sample_rate / 2 / (len(amplitudes) - 1)
    return to_db(float(amplitudes[strongest])) - to_db(at_sine), strongest * frequency_step


def make_sweep(sample_rate: int) -> tuple[Float32Array, Float64Array]:
    """A sine that rises exponentially, and the frequency in Hz that it has at each frame.

    Returns
    -------
    sweep : float32 (frames,)
        6 s at −6 dB, from 20 Hz to 20 kHz or just below half the sample rate.
    frequency : float64 (frames,)
    """
    lowest, highest = SWEEP_HZ[0], min(SWEEP_HZ[1], 0.49 * sample_rate)
    frames = round(SWEEP_S * sample_rate)
    octaves = np.log(highest / lowest)
    frequency = lowest * np.exp(octaves * np.arange(frames) / frames)
    phase = 2 * np.pi * SWEEP_S / octaves * (frequency - lowest)
    return (from_db(SWEEP_LEVEL_DB) * np.sin(phase)).astype(np.float32), frequency


@dataclass(frozen=True)
class Silence:
    """What comes out when nothing goes in.

    Attributes
    ----------
    dc : float
        The mean of the output, linear.
    noise_db : float
        The RMS of what is left without it.
    tail_seconds, tail_db : float64 (windows of 10 ms,)
        The RMS in the silence after loud playing, without the DC.
    quiet_s : float or None
        From when on that stays below −90 dB; None where it does not come to it.
    """

    dc: float
    noise_db: float
    tail_seconds: Float64Array
    tail_db: Float64Array
    quiet_s: float | None


def measure_silence(play: Play, loud: Float32Array, sample_rate: int) -> Silence:
    """The output in a second of silence, and in 4 s of silence after `loud`, float32 (frames,)."""
    rest = play(np.zeros(sample_rate, np.float32)).astype(np.float64)
    dc = float(rest.mean())
    frames = round(TAIL_WINDOW_S * sample_rate)
    count = round(TAIL_S / TAIL_WINDOW_S)
    silence = np.zeros(count * frames, np.float32)
    tail = play(np.concatenate([loud, silence]))[len(loud) :].astype(np.float64) - dc
    levels = 10 * np.log10(np.maximum(np.mean(tail.reshape(count, frames) ** 2, axis=1), 1e-20))
    last_heard = int(np.flatnonzero(levels > QUIET_DB).max(initial=-1))
    return Silence(
        dc=dc,
        noise_db=to_db(float(np.sqrt(np.mean((rest - dc) ** 2)))),
        tail_seconds=np.arange(count, dtype=np.float64) * TAIL_WINDOW_S,
        tail_db=levels,
        quiet_s=None if last_heard == count - 1 else (last_heard + 1) * TAIL_WINDOW_S,
    )


def measure_load(stage: Stage, audio: Float32Array) -> dict[str, float]:
    """How long the stage takes for a block of 64 frames, in µs: p50, p99 and max. The call from Python is included."""
    blocks = np.resize(audio, (LOAD_WARM_UP + LOAD_BLOCKS, LOAD_FRAMES)).astype(np.float32)
    times = []
    for block in blocks:
        began = time.perf_counter_ns()
        stage.process(block)
        times.append(1e-3 * (time.perf_counter_ns() - began))
    p50, p99, longest = np.percentile(times[LOAD_WARM_UP:], (50, 99, 100))
    return {"p50": float(p50), "p99": float(p99), "max": float(longest)}


def name_processor() -> str:
    """What this machine's processor calls itself."""
    listing = Path("/proc/cpuinfo")  # of Linux, where platform knows only the architecture
    if listing.exists():
        for line in listing.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
