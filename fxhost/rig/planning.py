"""From the parts of a rig to their places in a stream, one after the other."""

from collections.abc import Sequence
from dataclasses import replace

from fxhost.rig.effect import Effect
from fxhost.rig.part import Part
from fxhost.rig.slot import Planning, Slot


def plan_parts(parts: Sequence[Effect | Part], sample_rate: int, planning: Planning) -> tuple[Slot, ...]:
    """The places of parts that play one after the other. Rate plans that are not known yet are measured.

    Parameters
    ----------
    parts : sequence of Effect or Part
    sample_rate : int
        In Hz.
    planning : Planning
        The level at the input counts until an effect does not tell that of its output; only the last one is normalised.

    Raises
    ------
    EngineError
        If the engine plays presets at their own rate only, and another was asked for; or if the rates have no simple
        ratio.
    AudioError, RigError
        If an impulse response cannot be read.
    """
    last = max((n for n, part in enumerate(parts) if part.effects), default=-1)
    coming_dbu, slots = planning.interface_dbu, []
    for n, part in enumerate(parts):
        level = planning.level if n == last else "raw"
        slots.append(part.slot_at(sample_rate, replace(planning, level=level, interface_dbu=coming_dbu)))
        if part.effects and coming_dbu is not None:
            coming_dbu = part.preset.levels.output_dbu if isinstance(part, Effect) else None
    return tuple(slots)


def name_parts(parts: Sequence[Effect | Part]) -> tuple[str, ...]:
    """Names of parts: the kind of each, with a number where there are several: 'gate', 'effect1', 'effect2'."""
    kinds = [part.KIND for part in parts]
    return tuple(
        kind if kinds.count(kind) == 1 else f"{kind}{kinds[: n + 1].count(kind)}" for n, kind in enumerate(kinds)
    )


def outermost_effects(parts: Sequence[Effect | Part], *, at_end: bool) -> list[Effect]:
    """The effects that hear what comes in, or that are heard at the end; of parallel branches those of each."""
    for part in reversed(parts) if at_end else parts:
        if isinstance(part, Effect):
            return [part]
        if part.effects:
            return [effect for chain in part.chains for effect in outermost_effects(chain, at_end=at_end)]
    return []
