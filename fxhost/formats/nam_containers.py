"""Containers of `.nam` files: one device in several sizes, for hosts with less time or more. The largest plays.

Containers may hold containers. Of equal sizes the last one counts. An impulse response is no copy of a device at all,
so that a network plays where there is one. A rate that the model inside tells counts before that of the container.
"""

from fxhost.errors import PresetError
from fxhost.fields import Fields, show
from fxhost.formats.capture import read_rate

CONTAINER = "SlimmableContainer"
PLAYED = ("LSTM", "WaveNet", "ConvNet", "Linear")
MOST_SUBMODELS = 16
MOST_NESTED = 4  # containers in each other


def open_containers(model: Fields, nested: int = 0) -> list[Fields]:
    """The model that plays and the containers around it, the outermost first.

    Raises
    ------
    PresetError
        If there is none that fxhost plays.
    """
    kind = model.data.get("architecture")
    if kind != CONTAINER:
        if kind in PLAYED:
            return [model]
        known = ", ".join(PLAYED)
        raise PresetError(f"{model.where}: architecture is {show(kind)}; of .nam files fxhost plays {known}")
    if nested == MOST_NESTED:
        raise PresetError(f"{model.where}: containers are in each other, at most {MOST_NESTED} deep")
    submodels = model.child("config").children("submodels", 1, MOST_SUBMODELS)
    sizes = [submodel.number("max_value", 0.0, 1e6) for submodel in submodels]
    order = sorted(range(len(sizes)), key=lambda n: (sizes[n], n), reverse=True)
    models = [submodels[n].child("model") for n in order]
    kinds = [one.data.get("architecture") for one in models]
    best = next((n for n, one in enumerate(kinds) if one in (*PLAYED[:3], CONTAINER)), None)
    if best is None:
        best = kinds.index("Linear") if "Linear" in kinds else 0
    for skipped in kinds[:best]:
        model.notes.append(f"the largest model in the container is {show(skipped)}, {show(kinds[best])} plays instead")
    return [model, *open_containers(models[best], nested + 1)]


def rate_inside(models: list[Fields]) -> int | None:
    """The rate in Hz of the innermost of these that tells one."""
    known = [rate for model in models if (rate := read_rate(model, "sample_rate")) is not None]
    if known and min(known) != max(known):
        models[0].notes.append(
            f"sample_rate is {known[0]} outside and {known[-1]} in the model that plays, which counts"
        )
    return known[-1] if known else None
