"""Stretches of recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fxhost.arrays import Float32Array


@dataclass(frozen=True)
class Stretch:
    """Frames `start` to `end` (not included) of a recording."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


class Material(NamedTuple):
    """Stretches of a dry recording (frames,) and of its wet counterpart."""

    dry: Float32Array
    wet: Float32Array
    stretches: Sequence[Stretch]
