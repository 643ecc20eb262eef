"""Scenes: the sounds of one rig, each a list of parts with some of them off, and gains of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fxhost.rig.effect import Effect
    from fxhost.rig.part import Part


@dataclass(frozen=True)
class Scene:
    """One sound of a rig.

    Attributes
    ----------
    name : str
    parts : sequence of Effect or Part
        As many as the rig has; a part may be another one than in other scenes.
    is_on : tuple of bool
        For each part whether it is heard.
    input_gain_db, output_gain_db : float
    """

    name: str
    parts: "Sequence[Effect | Part]"
    is_on: tuple[bool, ...]
    input_gain_db: float = 0.0
    output_gain_db: float = 0.0
