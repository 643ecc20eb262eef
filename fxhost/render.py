"""Offline: a recording through a rack, in constant memory, equal to the live output sample for sample."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fxhost.engine.rack import Rack
from fxhost.engine.statistics import Statistics
from fxhost.io.recordings import Recording
from fxhost.io.sound_writing import writing


def render(
    rack: Rack,
    recording: Recording,
    output: Path,
    *,
    overwrite: bool = False,
    report: Callable[[int], None] = lambda frames: None,
) -> Statistics:
    """Play a recording through a fresh rack into a file.

    Parameters
    ----------
    rack : Rack
        At the recording's rate.
    recording : Recording
        The dry audio.
    output : Path
        Appears whole, or not at all if anything fails.
    overwrite : bool
        Whether an existing file may be replaced.
    report : callable
        Told the number of frames that are done, now and then.

    Returns
    -------
    Statistics
        What the rack counted.

    Raises
    ------
    FileError
        If the recording or the output fails.
    EngineError
        If the effect fails.
    """
    with writing(output, recording.sample_rate, overwrite=overwrite, inputs=[recording.path]) as writer:
        for block in recording.blocks():
            out = np.empty_like(block)
            rack.process(block, out)
            rack.check()
            writer.write(out)
            report(writer.frames)
    return rack.statistics()
