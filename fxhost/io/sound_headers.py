"""What the header of an audio file says of its length, beside what is really there.

A recorder that loses its power leaves a header that was never finished, one that writes into a pipe cannot know the
length, and a copy that is interrupted leaves less than the header says. Decoders trust the header: they read no audio
from a file with an unfinished header, and silently less from an incomplete copy. Read here are the chunks of WAV (RIFF,
RIFX, RF64, BW64), AIFF, CAF and W64 up to the one that holds the audio, and the last page of Ogg.
"""

import io
import struct
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = 0x7FFF_0000  # what is written for a length that is not known yet begins here, or is 0
MOST_CHUNKS = 1000  # before the audio
LEAST_REST = 4096  # bytes after the audio: what is less and no chunk is a tag or rubbish
TAIL_BYTES = 1 << 16  # where the last page of an Ogg file, and the chunks after audio without a length, are looked for
OGG_END = 4  # the flag of the last page
TAIL_CHUNKS = (
    b"LIST",
    b"id3 ",
    b"ID3 ",
    b"bext",
    b"iXML",
    b"cue ",
    b"smpl",
    b"acid",
    b"_PMX",
    b"JUNK",
    b"junk",
    b"PAD ",
)

Patch = tuple[int, bytes]  # where other bytes are to be read, and which


@dataclass(frozen=True)
class HeaderLayout:
    """How the chunks of a format lie: where the first is, how long a name is, how a length is written."""

    first: int
    name_bytes: int
    length: str  # of `struct`
    audio: bytes  # the name of the chunk that holds the audio
    alignment: int
    counts_itself: bool = False  # whether a length includes name and length

    @property
    def head_bytes(self) -> int:
        """Of a chunk: its name and its length."""
        return self.name_bytes + struct.calcsize(self.length)


WAV = HeaderLayout(12, 4, "<I", b"data", 2)
LAYOUTS = {
    b"RIFF": WAV,
    b"RF64": WAV,
    b"BW64": WAV,
    b"RIFX": HeaderLayout(12, 4, ">I", b"data", 2),
    b"FORM": HeaderLayout(12, 4, ">I", b"SSND", 2),
    b"caff": HeaderLayout(8, 4, ">q", b"data", 1),
    b"riff": HeaderLayout(40, 16, "<q", b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", 8, counts_itself=True),
}


@dataclass(frozen=True)
class Header:
    """What is odd about a file's header.

    Attributes
    ----------
    said_bytes : int or None
        The length of the audio that it tells, 0 if it was never finished; None if a length was not to be known.
    there_bytes : int
        The length of the audio in the file; 0 if the file only lacks its last page.
    patches : tuple of (int, bytes)
        What to read in place of the file's own bytes, for a header that is right.
    """

    said_bytes: int | None
    there_bytes: int
    patches: tuple[Patch, ...] = ()

    def describe(self, seconds: float) -> str:
        """What to tell of a file in which so many seconds are there; empty if nothing."""
        if not self.there_bytes:
            return f"is cut off: its end is missing, and the {seconds:.2f} s that are there are used"
        if self.said_bytes is None:
            return ""
        if not self.said_bytes:
            return f"has a header that was never finished: all {seconds:.2f} s that are there are used"
        said = f"{seconds * self.said_bytes / self.there_bytes:.2f} s"
        if said == f"{seconds:.2f} s":
            return ""
        if self.said_bytes > self.there_bytes:
            return f"is cut off: its header tells {said}, and the {seconds:.2f} s that are there are used"
        return f"has a header that tells {said}: all {seconds:.2f} s that are there are used"


@dataclass(frozen=True)
class Audio:
    """Where the audio begins, its length in bytes by the header, and where and how that is written.

    What is written is the length and `own_bytes`.
    """

    begin: int
    said: int
    length_at: int
    length: str  # of `struct`
    own_bytes: int

    def patch(self, there: int) -> tuple[Patch, ...]:
        """The bytes that write another length into the header; a length that does not fit is written as the largest
        number, which means "to the end of the file".
        """
        highest = (1 << 8 * struct.calcsize(self.length) - self.length.endswith("q")) - 1
        return ((self.length_at, struct.pack(self.length, min(there + self.own_bytes, highest))),)

    @property
    def is_known(self) -> bool:
        """Whether the header tells a length that can be meant."""
        return 0 < self.said < UNKNOWN << (32 if struct.calcsize(self.length) == 8 else 0)


def read_header(path: Path) -> Header | None:
    """What is odd about the header of an audio file; None where nothing is, or its format is another.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        size = file.seek(0, io.SEEK_END)
        if magic == b"OggS":
            return _check_last_page(file, size)
        layout = LAYOUTS.get(magic)
        if layout is None:
            return None
        try:
            return _check_chunks(file, size, layout)
        except struct.error:  # the file ends within a head: the decoder has words for that
            return None


class Patched(io.FileIO):
    """A file some of whose bytes are read as others."""

    def __init__(self, path: Path, patches: tuple[Patch, ...]) -> None:
        super().__init__(path)
        self._patches = patches

    def readinto(self, buffer: object) -> int:
        """Fill the buffer as far as the file goes; the number of bytes."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # typeshed has the type for itself
        start = self.tell()
        count = super().readinto(view)
        for at, patch in self._patches:
            first, last = max(at, start), min(at + len(patch), start + count)
            if first < last:
                view[first - start : last - start] = patch[first - at : last - at]
        return count


def _check_chunks(file: io.BufferedReader, size: int, layout: HeaderLayout) -> Header | None:
    """The header of a file made of chunks."""
    audio = _find_audio(file, size, layout)
    if audio is None:
        return None
    there = size - audio.begin
    if not audio.is_known:
        if _are_chunks(file, audio.begin, size, layout):
            return None  # there is nothing
        there = _cut_tail(file, audio.begin, size, layout) - audio.begin
        finished = audio.said > 0 or audio.said == -1  # CAF's word for a length that is not known
        return Header(None if finished else 0, there, audio.patch(there))
    if audio.said > there:
        return Header(audio.said, there)
    after = audio.begin + audio.said
    padded = after + -audio.said % layout.alignment  # which not all writers do
    if size - after < LEAST_REST or any(_are_chunks(file, at, size, layout) for at in (padded, after)):
        return None
    return Header(audio.said, there, audio.patch(there))


def _find_audio(file: io.BufferedReader, size: int, layout: HeaderLayout) -> Audio | None:
    """The chunk that holds the audio; None if there is none."""
    at = layout.first
    own = layout.head_bytes if layout.counts_itself else 0
    wide: tuple[int, int] | None = None  # RF64: the long length of the audio, and where it stands
    for _ in range(MOST_CHUNKS):
        file.seek(at)
        head = file.read(layout.head_bytes)
        name, (length,) = head[: layout.name_bytes], struct.unpack_from(layout.length, head, layout.name_bytes)
        begin, length = at + layout.head_bytes, length - own
        if name == layout.audio:
            if wide and length == 0xFFFF_FFFF:
                return Audio(begin, *wide, "<Q", 0)
            return Audio(begin, length, at + layout.name_bytes, layout.length, own)
        if name == b"ds64":
            wide = struct.unpack("<8xQ", file.read(16))[0], at + 16
        at = begin + length + -length % layout.alignment
        if length < 0 or at >= size:
            return None
    return None


def _are_chunks(file: io.BufferedReader, at: int, size: int, layout: HeaderLayout) -> bool:
    """Whether what stands from `at` on to the end of the file is made of chunks, or nothing."""
    for _ in range(MOST_CHUNKS):
        if at >= size - 1:
            return True
        file.seek(at)
        head = file.read(layout.head_bytes)
        if len(head) < layout.head_bytes or not all(32 <= code < 127 for code in head[:4]):
            return False
        length = struct.unpack_from(layout.length, head, layout.name_bytes)[0]
        length -= layout.head_bytes if layout.counts_itself else 0
        at += layout.head_bytes + length + -length % layout.alignment
        if length < 0 or at > size + 1:
            return False
    return False


def _cut_tail(file: io.BufferedReader, begin: int, size: int, layout: HeaderLayout) -> int:
    """The end of audio whose length the header does not give: the first known chunk after which the file holds only
    valid chunks, or else the end of the file.
    """
    first = max(begin, size - TAIL_BYTES)
    file.seek(first)
    tail = file.read()
    places = sorted(first + n for name in TAIL_CHUNKS for n in _find_all(tail, name))
    return next((at for at in places if (at - begin) % 2 == 0 and _are_chunks(file, at, size, layout)), size)


def _find_all(text: bytes, name: bytes) -> list[int]:
    places, at = [], text.find(name)
    while at >= 0:
        places.append(at)
        at = text.find(name, at + 1)
    return places


def _check_last_page(file: io.BufferedReader, size: int) -> Header | None:
    """Whether an Ogg file lacks its last page."""
    file.seek(max(0, size - 2 * TAIL_BYTES))
    tail = file.read()
    last = tail.rfind(b"OggS")
    if last >= 0 and len(tail) - last > 5 and tail[last + 5] & OGG_END:
        return None
    return Header(None, 0)
