"""Containers of `.nam` files: one device in several sizes, for hosts with less time or more. The largest plays.

Containers may hold containers. Of equal sizes the last one counts. An impulse response does not model the whole device,
so a network is preferred to it. If a model cannot be played, the next largest is taken and a note says so. A rate that
the model inside tells counts before that of the container, and where neither tells one, that on which the other models
in the container agree.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from fxhost.errors import PresetError
from fxhost.preset.captures.capture import read_rate
from fxhost.preset.json_fields import Fields, show

CONTAINER = "SlimmableContainer"
PLAYED = ("LSTM", "WaveNet", "ConvNet", "Linear")
MOST_SUBMODELS = 16
MOST_NESTED = 4  # containers in each other

T = TypeVar("T")


def play_largest(model: Fields, play: Callable[[list[Fields]], T], around: tuple[Fields, ...] = ()) -> T:
    """What `play` makes of the largest model that it takes.

    Parameters
    ----------
    model : Fields
        A model or a container.
    play : callable
        Given a model and the containers around it, the outermost first; raises a PresetError where it cannot be played.
    around : tuple of Fields
        The containers around this one.

    Raises
    ------
    PresetError
        If no model can be played: the error of the largest model.
    """
    kind = model.data.get("architecture")
    if kind != CONTAINER:
        if kind in PLAYED:
            return play([*around, model])
        known = ", ".join(PLAYED)
        raise PresetError(f"{model.where}: architecture is {show(kind)}; of .nam files fxhost plays {known}")
    if len(around) == MOST_NESTED:
        raise PresetError(f"{model.where}: containers are in each other, at most {MOST_NESTED} deep")
    submodels = model.child("config").children("submodels", 1, MOST_SUBMODELS)
    sizes = [submodel.number("max_value", 0.0, 1e6) for submodel in submodels]
    ranked = sorted(range(len(sizes)), key=lambda n: (sizes[n], n), reverse=True)
    refused: dict[int, PresetError] = {}
    for n in sorted(ranked, key=lambda n: kind_of(submodels[n]) == "Linear"):
        noted = len(model.notes)
        for larger in ranked[: ranked.index(n)]:
            reason = str(refused.get(larger, "")).removeprefix((*around, model)[0].where).lstrip(": ")
            model.notes.append(
                f"the largest model in the container is {show(kind_of(submodels[larger]))}, "
                f"{show(kind_of(submodels[n]))} plays instead{reason and f': {reason}'}"
            )
        try:
            return play_largest(submodels[n].child("model"), play, (*around, model))
        except PresetError as err:
            del model.notes[noted:]
            refused[n] = err
    raise refused[ranked[0]]


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
