"""A dry recording and what an effect made of it."""

from dataclasses import dataclass, field
from typing import Any

from fxhost.arrays import Float32Array
from train.pairs.stretch import Stretch


@dataclass(frozen=True)
class Pair:
    """A dry recording and what an effect made of it.

    Attributes
    ----------
    dry, wet : float32 (frames,)
    sample_rate : int
        In Hz.
    dry_sha256, wet_sha256 : str
        Of the files.
    notes : tuple of str
        What is odd about the recordings but does not stop the training.
    delay_frames : float
        How many frames late the wet side was before they were taken out; negative if it was early.
    gaps : tuple of Stretch
        What belongs to no stretch: around places where frames were lost or doubled.
    findings : dict
        Everything that was measured, JSON-able; see `train.pairs.check.format_findings` for what people read.
    """

    dry: Float32Array
    wet: Float32Array
    sample_rate: int
    dry_sha256: str
    wet_sha256: str
    notes: tuple[str, ...]
    delay_frames: float = 0.0
    gaps: tuple[Stretch, ...] = ()
    findings: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return len(self.dry) / self.sample_rate
