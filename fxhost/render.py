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
    """Play a recording through fresh racks into a file.

    Parameters
    ----------
    racks : sequence of Rack
        One for each channel of the recording, or one that puts out two channels; at the rate of the output. The
        recording is resampled to it.
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
    is_stereo = racks[0].channels == 2
    inputs = racks[0].inputs if is_stereo else len(racks)
    with writing(
        output,
        rate,
        overwrite=overwrite,
        inputs=[recording.path],
        channels=2 if is_stereo else len(racks),
        subtype=subtype,
        quality=encoding.quality,
    ) as writer:
        for block in _at_rate(recording, rate, inputs):
            if is_stereo:
                out = np.empty((len(block), 2), np.float32)
                racks[0].process(np.ascontiguousarray(block), out)
                racks[0].check()
            else:
                out = np.empty_like(block)
                for rack, dry, wet in zip(racks, block.T, out.T, strict=True):
                    played = np.empty(len(block), np.float32)
                    rack.process(np.ascontiguousarray(dry), played)
                    rack.check()
                    wet[:] = played
            writer.write(out if out.shape[1] > 1 else out[:, 0])
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
