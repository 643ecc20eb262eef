"""Containers of `.nam` files: one device in several sizes, for hosts with less time or more.

A quality from 0 to 1 chooses: the smallest model whose `max_value` lies above it plays, and at 1 the largest, as in the
format's own player. Containers may hold containers, which are given the same quality. Of equal sizes the last one is
the largest. An impulse response does not model the whole device, so a network is preferred to it. If a model cannot be
played, the next smaller is taken, or else a larger one, and a note says so. A rate that the model inside tells counts
before that of the container, and where neither tells one, that on which the other models in the container agree.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from fxhost.errors import PresetError
from fxhost.preset.captures.capture import read_rate
from fxhost.preset.json_fields import Fields, show

CONTAINER = "SlimmableContainer"
PLAYED = ("LSTM", "WaveNet", "ConvNet", "Linear")
MOST_SUBMODELS = 16
MOST_NESTED = 4  # containers in each other

T = TypeVar("T")


def play_at_quality(
    model: Fields, play: Callable[[list[Fields]], T], quality: float, around: tuple[Fields, ...] = ()
) -> T:
    """What `play` makes of the model of a quality, or of the nearest that it takes.

    Parameters
    ----------
    model : Fields
        A model or a container.
    play : callable
        Given a model and the containers around it, the outermost first; raises a PresetError where it cannot be played.
    quality : float
        From 0 to 1.
    around : tuple of Fields
        The containers around this one.

    Raises
    ------
    PresetError
        If no model can be played: the error of the one that was wanted.
    """
    kind = model.data.get("architecture")
    if kind != CONTAINER:
        if kind in PLAYED:
            return play([*around, model])
        known = ", ".join(PLAYED)
        raise PresetError(f"{model.where}: architecture is {show(kind)}; of .nam files fxhost plays {known}")
    if len(around) == MOST_NESTED:
        raise PresetError(f"{model.where}: containers are in each other, at most {MOST_NESTED} deep")
    submodels, sizes, ascending = rank_submodels(model)
    chosen = 0 if quality < 1.0 else len(ascending) - 1
    while chosen < len(ascending) - 1 and quality >= sizes[ascending[chosen]]:
        chosen += 1
    ranked = [*ascending[chosen::-1], *ascending[chosen + 1 :]]
    wanted = (
        "the largest model in the container" if chosen == len(ascending) - 1 else f"the model of quality {quality:g}"
    )
    refused: dict[int, PresetError] = {}
    for n in sorted(ranked, key=lambda n: kind_of(submodels[n]) == "Linear"):
        noted = len(model.notes)
        for other in ranked[: ranked.index(n)]:
            reason = str(refused.get(other, "")).removeprefix((*around, model)[0].where).lstrip(": ")
            model.notes.append(
                f"{wanted} is {show(kind_of(submodels[other]))}, "
                f"{show(kind_of(submodels[n]))} plays instead{reason and f': {reason}'}"
            )
        try:
            return play_at_quality(submodels[n].child("model"), play, quality, (*around, model))
        except PresetError as err:
            del model.notes[noted:]
            refused[n] = err
    raise refused[ranked[0]]


def rank_submodels(container: Fields) -> tuple[list[Fields], list[float], list[int]]:
    """The models of a container, the size of each, and their numbers from the smallest to the largest."""
    submodels = container.child("config").children("submodels", 1, MOST_SUBMODELS)
    sizes = [submodel.number("max_value", 0.0, 1e6) for submodel in submodels]
    return submodels, sizes, sorted(range(len(sizes)), key=lambda n: (sizes[n], n))


def list_submodels(model: Fields) -> list[dict[str, Any]]:
    """What a quality chooses from, smallest first: the least quality of each, and its architecture; empty without a
    container. What is in a container that cannot be read is left out.
    """
    if model.data.get("architecture") != CONTAINER:
        return []
    return [{"quality": lowest, "architecture": kind} for lowest, kind in _choices(model, 0.0, 1.0)][:MOST_SUBMODELS]


def _choices(
    model: Fields, lowest: float, highest: float, depth: int = 0, is_largest: bool = True
) -> Iterator[tuple[float, Any]]:
    """The choices from one quality to below another; the largest model is also that of 1."""
    kind = model.data.get("architecture")
    if kind != CONTAINER or depth == MOST_NESTED:
        yield lowest, kind if isinstance(kind, str) and kind in (*PLAYED, CONTAINER) else show(kind)
        return
    try:
        submodels, sizes, ascending = rank_submodels(model)
    except PresetError:
        return
    for n in ascending:
        is_last = n == ascending[-1]
        ends = highest if is_last else min(sizes[n], highest)
        has_room = lowest < ends or (is_last and is_largest)
        if has_room and kind_of(submodels[n]) is not None:
            yield from _choices(submodels[n].child("model"), lowest, ends, depth + 1, is_largest and is_last)
        lowest = max(lowest, ends)


def kind_of(submodel: Fields) -> Any:
    """The architecture of a model in a container; None where there is no model."""
    inside = submodel.data.get("model")
    return inside.get("architecture") if isinstance(inside, dict) else None


def rate_inside(models: list[Fields]) -> int | None:
    """The rate in Hz of the innermost of these that tells one, or else the one of all others in the same containers."""
    known = [rate for model in models if (rate := read_rate(model, "sample_rate")) is not None]
    if known and min(known) != max(known):
        models[0].notes.append(
            f"sample_rate is {known[0]} outside and {known[-1]} in the model that plays, which counts"
        )
    if known or len(models) == 1:
        return known[-1] if known else None
    others = {
        read_rate(Fields(submodel.where, submodel.data["model"]), "sample_rate")
        for container in models[:-1]
        for submodel in container.child("config").children("submodels", 1, MOST_SUBMODELS)
        if kind_of(submodel) is not None
    } - {None}
    if len(others) != 1:
        return None
    [rate] = others
    models[0].notes.append(f"sample_rate is missing in the model that plays, the {rate} Hz of the others count")
    return rate
