"""Three small effects that an installation must be able to learn, trained and judged within two minutes.

* identity: out comes what went in, sample for sample.
* low-pass: one pole at 1 kHz, which takes the network's memory.
* sine out of noise: a tone of 1 kHz beneath noise as strong; the network must become a narrow filter, and no scaled
copy of the input comes close to the target.

The limits leave a slow and busy machine a wide margin; what a training that does not learn scores is far above them.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from fxhost.arrays import Float32Array
from fxhost.errors import TrainingError
from train.fit import fit
from train.network.losses import esr
from train.progress import Progress, Result
from train.settings import Settings
from train.signal import make_signal

__all__ = ["LESSONS", "Lesson", "SelftestRow", "run_selftest"]

SAMPLE_RATE = 48_000
SECONDS = 30.0  # of audio for each effect
MINUTES = 0.45  # of training for each effect
CORNER_HZ = TONE_HZ = 1000.0
NOISE_LEFT = 0.01  # linear
# small batches and a high rate: much is learned in a short time
SETTINGS = Settings(author="fxhost", hidden_size=8, residual=False, batch=32, learning_rate=1e-2)


@dataclass(frozen=True)
class Lesson:
    """An effect to learn.

    Attributes
    ----------
    name, what : str
        What it is called, and what has to be learned, in a few words.
    limit : float
        The ESR that must be reached.
    make_audio : callable
        Returns dry and wet, float32 (frames,) at `SAMPLE_RATE`.
    """

    name: str
    what: str
    limit: float
    make_audio: Callable[[], tuple[Float32Array, Float32Array]]


@dataclass(frozen=True)
class SelftestRow:
    """What became of a lesson.

    Attributes
    ----------
    name, what : str
        As in `Lesson`.
    esr_dry : float
        What the dry signal scores as it is; 0 for the identity.
    esr_after : float
        What the network scores on a stretch that it never saw.
    limit : float
        The ESR that must be reached.
    seconds : float
        The time of the training.
    passed : bool
        Whether `esr_after` is below `limit`.
    """

    name: str
    what: str
    esr_dry: float
    esr_after: float
    limit: float
    seconds: float
    passed: bool


def make_identity() -> tuple[Float32Array, Float32Array]:
    """The test signal, twice."""
    dry = make_signal(SAMPLE_RATE, SECONDS)
    return dry, dry


def make_low_pass() -> tuple[Float32Array, Float32Array]:
    """The test signal, and what one pole at 1 kHz leaves of it."""
    dry = make_signal(SAMPLE_RATE, SECONDS)
    pole = np.exp(-2 * np.pi * CORNER_HZ / SAMPLE_RATE)
    response = (1 - pole) * pole ** np.arange(256)  # what comes later is below −280 dB
    return dry, np.convolve(dry, response)[: len(dry)].astype(np.float32)


def make_noisy_sine() -> tuple[Float32Array, Float32Array]:
    """A sine of slowly varying level with noise of the same power, and the sine with the noise 40 dB down."""
    rng = np.random.default_rng(1000)
    t = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    sine = (0.3 + 0.1 * np.sin(2 * np.pi * 0.7 * t)) * np.sin(2 * np.pi * TONE_HZ * t)
    noise = rng.uniform(-1.0, 1.0, len(t))
    noise *= np.sqrt(np.mean(sine**2) / np.mean(noise**2))
    # what is left of the noise costs an ESR of 1e-4; in a sine alone nothing tells one period from the next, and so no
    # delay could be found
    return (sine + noise).astype(np.float32), (sine + NOISE_LEFT * noise).astype(np.float32)


LESSONS = (
    Lesson("identity", "out comes what went in", 0.01, make_identity),
    Lesson("low-pass", "one pole at 1 kHz", 0.03, make_low_pass),
    Lesson("sine out of noise", "a tone of 1 kHz in noise as strong", 0.2, make_noisy_sine),
)


def run_selftest(
    *,
    minutes_each: float = MINUTES,
    lessons: Sequence[Lesson] = LESSONS,
    report: Callable[[str, Progress], None] = lambda name, progress: None,
) -> list[SelftestRow]:
    """Learn each lesson in a temporary folder, and judge what was learned.

    Parameters
    ----------
    minutes_each : float
        How long to train each, 0.001 to 100000.
    lessons : sequence of Lesson
    report : callable
        Called after every validation with the name of the lesson.

    Returns
    -------
    list of SelftestRow
        One for each lesson, in their order.

    Raises
    ------
    TrainingError
        If the minutes make no sense, or a training came to nothing.
    KeyboardInterrupt
        If Ctrl-C ended a training before its time: half a test proves nothing.
    """
    if not lessons:
        raise TrainingError("there is nothing to learn: got no lesson, expected one or more; leave the lessons out")
    return [_learn(lesson, minutes_each, report) for lesson in lessons]


def _learn(lesson: Lesson, minutes: float, report: Callable[[str, Progress], None]) -> SelftestRow:
    settings = Settings(**{**vars(SETTINGS), "name": lesson.name, "minutes": minutes})
    settings.check()
    dry, wet = lesson.make_audio()
    with tempfile.TemporaryDirectory(prefix="fxhost-selftest-") as folder:
        result = _train(settings, dry, wet, Path(folder), lambda progress: report(lesson.name, progress))
    if result.interrupted or result.esr_test is None:
        raise KeyboardInterrupt
    return SelftestRow(
        name=lesson.name,
        what=lesson.what,
        esr_dry=esr(wet, dry),
        esr_after=result.esr_test,
        limit=lesson.limit,
        seconds=result.seconds,
        passed=result.esr_test < lesson.limit,
    )


def _train(
    settings: Settings, dry: Float32Array, wet: Float32Array, folder: Path, report: Callable[[Progress], None]
) -> Result:
    """Write the pair and train on it, the whole way that a recording goes."""
    paths = folder / "dry.wav", folder / "wet.wav"
    for path, audio in zip(paths, (dry, wet), strict=True):
        soundfile.write(path, audio, SAMPLE_RATE, subtype="FLOAT")
    return fit(settings, [(paths[0], paths[1])], folder / "preset.pt", report=report)
