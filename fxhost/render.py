"""Offline: a recording through a rack, in constant memory, equal to the live output sample for sample."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.engine.rack import Rack
from fxhost.engine.statistics import Statistics
from fxhost.io.recordings import Recording
from fxhost.io.sound_writing import BITS, writing
from fxhost.stages.rate.resampler import convert_in_pieces


@dataclass(frozen=True)
class Encoding:
    """How an output file is written.

    Attributes
    ----------
    bits : {'16', '24', '32f'}, optional
        By default 32-bit float where the format has it.
    quality : float, optional
        Of a lossy format, 0 to 1.
    """

    bits: str | None = None
    quality: float | None = None


PLAIN = Encoding()


def render(
    racks: Sequence[Rack],
    recording: Recording,
    output: Path,
    *,
    overwrite: bool = False,
    encoding: Encoding = PLAIN,
    report: Callable[[int], None] = lambda frames: None,
) -> list[Statistics]:
    """Play a recording through fresh racks, one for each of its channels, into a file.

    Parameters
    ----------
    racks : sequence of Rack
        As many as the recording has channels, at one rate: that of the output. The recording is resampled to it.
    recording : Recording
        The dry audio.
    output : Path
        Appears whole, or not at all if anything fails.
    overwrite : bool
        Whether an existing file may be replaced.
    encoding : Encoding
    report : callable
        Told the number of frames that are done, now and then.

    Returns
    -------
    list of Statistics
        What each rack counted.

    Raises
    ------
    FileError
        If the recording or the output fails.
    EngineError
        If the effect fails.
    """
    rate = round(racks[0].sample_rate)
    subtype = BITS[encoding.bits] if encoding.bits else None
    with writing(
        output,
        rate,
        overwrite=overwrite,
        inputs=[recording.path],
        channels=len(racks),
        subtype=subtype,
        quality=encoding.quality,
    ) as writer:
        for block in _at_rate(recording, rate, len(racks)):
            out = np.empty_like(block)
            for rack, dry, wet in zip(racks, block.T, out.T, strict=True):
                played = np.empty(len(block), np.float32)
                rack.process(np.ascontiguousarray(dry), played)
                rack.check()
                wet[:] = played
            writer.write(out if len(racks) > 1 else out[:, 0])
            report(writer.frames)
    return [rack.statistics() for rack in racks]


def _at_rate(recording: Recording, rate: int, channels: int) -> Iterator[Float32Array]:
    """The recording at a rate, in pieces (frames, channels)."""
    blocks = (block.reshape(len(block), channels) for block in recording.blocks())
    if rate == recording.sample_rate:
        yield from blocks
        return
    sides = itertools.tee(blocks, channels)
    converted = [
        convert_in_pieces((block[:, n] for block in side), recording.sample_rate, rate) for n, side in enumerate(sides)
    ]
    for pieces in zip(*converted, strict=True):
        yield np.stack(pieces, axis=1)
