"""The emitter's view of the rings: tiles of their rows read and written, and the frames before a tile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fxhost.native.llvm_types import Ptr, Vec, Word
from fxhost.native.vectors import Vectors
from fxhost.networks.wavenet_rings import TILE
from fxhost.stages.wavenet.layout import RING_WORDS, WaveNetLayout


@dataclass(frozen=True)
class Rows:
    """A tile of each of several channels.

    Attributes
    ----------
    first : float pointer
        The first channel's.
    stride : LLVM value or int
        From one channel to the next, in float32.
    aligned : bool
        Whether the tiles begin on a cache line.
    """

    first: Word
    stride: Word
    aligned: bool = True


@dataclass(frozen=True)
class Term:
    """One input of a sum of products: its channels, and the rows that each tap reads."""

    columns: int
    taps: int
    rows: Callable[[Vec], Rows]


@dataclass(frozen=True)
class RingState:
    """A ring while a chunk plays, as LLVM values: its rows, their length and distance, the dilation, the position."""

    first: Word
    length: Word
    stride: Word
    dilation: Word
    position: Word


class Rings:
    """Emits loads and stores between ring buffers and registers.

    Parameters
    ----------
    v : Vectors
    layout : WaveNetLayout
    state : float pointer
        The memory.
    """

    def __init__(self, v: Vectors, layout: WaveNetLayout, state: Ptr) -> None:
        self.v, self.builder, self.layout, self.state = v, v.builder, layout, state
        self.at = layout.offsets
        self.vectors = range(TILE // v.width)  # of a tile

    def advance(self, frames: Word) -> None:
        """Advance the position of all rings."""
        b = self.builder
        with self.v.repeat(len(self.layout.rings)) as number:
            ring = self.ring(number)
            moved = b.add(ring.position, frames)
            self.store_word(self.wrapped(moved, ring), self.at["positions"], number)

    def wrapped(self, place: Word, ring: RingState) -> Word:
        """A place modulo the length of its ring."""
        b = self.builder
        return b.select(b.icmp_signed(">=", place, ring.length), b.sub(place, ring.length), place)

    def load_word(self, index: int, *terms: Word) -> Word:
        """The int32 at this index of the memory."""
        return self.v.load_word(self.v.offset(self.state, index, *terms))

    def store_word(self, value: Vec, index: int, *terms: Word) -> None:
        """Write an int32 to this index of the memory."""
        self.v.store_word(value, self.v.offset(self.state, index, *terms))

    def ring(self, number: Word) -> RingState:
        """A ring as it is now."""
        place, length, stride, dilation = (
            self.load_word(self.at["table"] + field, (number, RING_WORDS)) for field in range(RING_WORDS)
        )
        position = self.load_word(self.at["positions"], number)
        return RingState(self.v.offset(self.state, place), length, stride, dilation, position)

    def place(self, ring: RingState, tile: Word) -> Word:
        """Where in a ring a tile of this chunk begins."""
        return self.wrapped(self.builder.add(ring.position, self.builder.mul(tile, self.v.word(TILE))), ring)

    def rows(self, ring: RingState, tile: Word) -> Rows:
        """A tile of this chunk."""
        return Rows(self.v.offset(ring.first, self.place(ring, tile)), ring.stride)

    def history(self, ring: RingState, tile: Word, columns: int, taps: int) -> Term:
        """A tile of this chunk and the frames that a convolution takes before it."""
        b, place = self.builder, self.place(ring, tile)

        def rows(tap: Word) -> Rows:
            if isinstance(tap, int):
                if tap == taps - 1:
                    return Rows(self.v.offset(ring.first, place), ring.stride)
                tap = self.v.word(tap)
            start = b.sub(place, b.mul(b.sub(self.v.word(taps - 1), tap), ring.dilation))
            start = b.select(b.icmp_signed("<", start, self.v.word(0)), b.add(start, ring.length), start)
            return Rows(self.v.offset(ring.first, start), ring.stride, aligned=False)

        return Term(columns, taps, rows)

    def mirror(self, ring: RingState, tile: Word, channels: int) -> None:
        """Write the first tile of a ring behind its last one, if it is the tile that plays."""
        b, v = self.builder, self.v
        with (
            b.if_then(b.icmp_signed("==", self.place(ring, tile), self.v.word(0)), likely=False),
            v.repeat(channels) as row,
        ):
            start = v.offset(ring.first, (row, ring.stride))
            copy = v.offset(start, ring.length)
            for n in self.vectors:
                v.store(v.load(start, n * v.width), copy, n * v.width)

    def load(self, rows: Rows, row: Word) -> list[Vec]:
        """The tile of one channel."""
        v = self.v
        start = v.offset(rows.first, (row, rows.stride))
        return [v.load(start, n * v.width, aligned=rows.aligned) for n in self.vectors]

    def store(self, values: Sequence[Vec], rows: Rows, row: Word) -> None:
        """Write the tile of one channel."""
        start = self.v.offset(rows.first, (row, rows.stride))
        for n, value in zip(self.vectors, values, strict=True):
            self.v.store(value, start, n * self.v.width)

    def add(self, a: Sequence[Vec], b: Sequence[Vec]) -> list[Vec]:
        """The sum of two tiles."""
        return [self.v.add(x, y) for x, y in zip(a, b, strict=True)]
