"""Learning an effect from Python: two recordings in, an effect out."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
from numpy.typing import ArrayLike

from fxhost.errors import AudioError
from fxhost.rig.effect import Effect, load

if TYPE_CHECKING:
    from train.progress import Progress


@dataclass(frozen=True)
class Trained:
    """What came out of a training.

    Attributes
    ----------
    effect : Effect
    esr_validation : float
        The error-to-signal ratio on stretches that chose among the states of the training.
    esr_test : float or None
        On stretches that the training never saw; None if it was interrupted.
    epochs : int
        Passes over the recordings.
    seconds : float
        From the first update to the last.
    notes : tuple of str
        What is odd about the recordings or the effect.
    """

    effect: Effect
    esr_validation: float
    esr_test: float | None
    epochs: int
    seconds: float
    notes: tuple[str, ...]


def train(
    dry: ArrayLike | str | Path,
    wet: ArrayLike | str | Path,
    sample_rate: int | None = None,
    *,
    minutes: float | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: "Callable[[Progress], None]" = lambda progress: None,
    **settings: Any,
) -> Trained:
    """Learn an effect from a dry recording and the same recording through the effect, as `fxhost train` does.

    Parameters
    ----------
    dry, wet : float32 (frames,), str or Path
        Both as arrays or both as files. At least some seconds; one to three minutes are good.
    sample_rate : int, optional
        Of arrays, in Hz; files tell their own.
    minutes : float, optional
        How long to train; by default ten, unless `epochs` says otherwise.
    output : str or Path, optional
        The `.pt` file to write. Without it the preset is kept in a temporary folder until the program ends.
    overwrite : bool
        Whether an existing output may be replaced.
    progress : callable
        Told a `Progress` after each validation: epoch, seconds left, the best ESR so far.
    **settings
        As in `train.settings.Settings`: hidden_size, layers, epochs, seed, name, …

    Raises
    ------
    AudioError
        If the recordings cannot be used.
    TrainingError
        If the recordings do not belong together, a setting is wrong, or nothing was learned.
    FileError
        If the output cannot be written.

    Examples
    --------
    >>> import numpy as np, fxhost
    >>> dry = np.random.default_rng(0).uniform(-0.5, 0.5, 8 * 8000).astype(np.float32)
    >>> result = fxhost.train(dry, np.tanh(3 * dry), 8000, epochs=1, hidden_size=4)
    >>> result.effect.architecture
    'LSTM 1×4'
    """
    from train.fit import fit
    from train.settings import Settings

    folder = _temporary_folder()
    paths = [_as_file(side, sample_rate, folder / f"{name}.wav") for name, side in (("dry", dry), ("wet", wet))]
    target = folder / "effect.pt" if output is None else Path(output)
    settings.setdefault("name", target.stem)
    result = fit(
        Settings(minutes=minutes, **settings), [(paths[0], paths[1])], target, overwrite=overwrite, report=progress
    )
    return Trained(
        load(result.preset), result.esr_validation, result.esr_test, result.epochs, result.seconds, result.notes
    )


_folders: list[tempfile.TemporaryDirectory[str]] = []  # they go when the program ends


def _temporary_folder() -> Path:
    _folders.append(tempfile.TemporaryDirectory(prefix="fxhost-"))
    return Path(_folders[-1].name)


def _as_file(side: ArrayLike | str | Path, sample_rate: int | None, path: Path) -> Path:
    if isinstance(side, str | Path):
        return Path(side)
    audio = np.asarray(side, np.float32)
    if sample_rate is None:
        raise AudioError("arrays have no sample rate of their own; give sample_rate")
    if audio.ndim != 1:
        raise AudioError(f"a recording of shape {audio.shape}; expected (frames,)")
    soundfile.write(path, audio, sample_rate, subtype="FLOAT")
    return path
