"""The recording that plays instead of an input."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.io.channels import choose_channel
from fxhost.io.recordings import Recording
from fxhost.stages.rate.resampler import convert


def read_source(
    path: Path | None, channels: Sequence[int | None], notice: Callable[[str], None]
) -> tuple[list[Float32Array] | None, int]:
    """The wanted channels of a recording, each float32 (frames,), and its sample rate in Hz; None and 0 without one.

    Parameters
    ----------
    path : Path or None
    channels : sequence of int or None
        From 0; None is the one that carries the signal.
    notice : callable
        Told in one line what is odd about the file, and where there was a choice.

    Raises
    ------
    AudioError
        If the file cannot be read, or has no such channel.
    """
    if path is None:
        return None, 0
    sides: list[Float32Array] = []
    rate = 0
    for wanted in channels:
        choice = choose_channel(path, wanted)
        with Recording(path, channel=choice.channel) as recording:
            for note in filter(None, (recording.note if not sides else "", choice.note)):
                notice(f"note: {note}")
            sides.append(recording.read())
            rate = recording.sample_rate
    return sides, rate


def convert_source(sides: Sequence[Float32Array], old_rate: int, new_rate: int) -> Float32Array:
    """Those channels at another rate in Hz: float32 (frames,), or of two (frames, 2).

    Raises
    ------
    EngineError
        If the rates have no simple ratio.
    """
    converted = [convert(np.ascontiguousarray(side), old_rate, new_rate) for side in sides]
    return converted[0] if len(converted) == 1 else np.stack(converted, axis=1)
