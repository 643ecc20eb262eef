"""The size of the ring buffers in which the layers of a WaveNet keep their past."""

from dataclasses import dataclass

TILE = 16  # frames that are computed together
CHUNK = 64  # frames that go through a layer before the next one


@dataclass(frozen=True)
class Ring:
    """A ring buffer: its number of rows, how many past frames it keeps, and the dilation."""

    channels: int
    reach: int = 0
    dilation: int = 0

    @property
    def length(self) -> int:
        """Frames in a row before they repeat."""
        return -(-self.reach // TILE) * TILE + CHUNK

    @property
    def stride(self) -> int:
        """From row to row, an odd number of cache lines: an even one would crowd a few sets of the cache."""
        return (self.length // TILE + 1 | 1) * TILE
