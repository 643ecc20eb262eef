"""The models in a container, as `fxhost info` tells them: which quality plays which, and how long a block takes."""

from typing import Any

from fxhost.bench.blocks import time_blocks
from fxhost.cli.console import make_table
from fxhost.errors import FxhostError
from fxhost.io.streams import VIRTUAL_BLOCK_FRAMES
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.riff import synthesise_riff
from fxhost.rig.slot import slots_at_own_rate

MEASURED_S = 0.2
NO_WEIGHTS = ("h0", "c0", "bias_hh")  # the state, and of two biases that count as one the one that is zero


def measure_models(preset: Preset) -> list[dict[str, Any]]:
    """The models of the container that a preset was read from, for JSON, smallest first; empty without a container.

    Each has the least quality that plays it, and its network, how many weights it has, and the median time of a block
    of 64 frames in µs; or the reason why it cannot be played.
    """
    models = []
    for listed in preset.metadata.get("submodels", ()):
        model = dict(listed)
        try:
            chosen = read_preset(preset.path, listed["quality"])
            rate, frames = chosen.sample_rate, VIRTUAL_BLOCK_FRAMES
            timing = time_blocks(
                slots_at_own_rate([chosen]), "compiled", frames, synthesise_riff(rate), seconds=MEASURED_S
            )
        except FxhostError as err:
            models.append({**model, "refused": str(err)})
            continue
        model["network"] = chosen.architecture.label
        model["weights"] = sum(array.size for name, array in chosen.weights.items() if not name.startswith(NO_WEIGHTS))
        model["block_us"], model["load"] = timing.spread.p50_us, timing.spread.p50_us / timing.budget_us
        models.append(model)
    return models


def tabulate_models(models: list[dict[str, Any]], quality: float | None) -> Any:
    """A row for each model; an arrow marks the one that a quality plays."""
    table = make_table("", "quality", "network", "weights", f"block of {VIRTUAL_BLOCK_FRAMES}", "load")
    playing = max((n for n, model in enumerate(models) if model["quality"] <= (quality or 0.0)), default=0)
    for n, model in enumerate(models):
        if n + 1 < len(models):
            meant = f"{model['quality']:g} to below {models[n + 1]['quality']:g}"
        else:
            meant = f"{model['quality']:g} to 1" if model["quality"] < 1 else "1"
        mark = "→" if n == playing else ""
        if "refused" in model:
            table.add_row(mark, meant, f"cannot be played: {model['refused']}", "", "", "")
            continue
        time, load = f"{model['block_us']:.1f} µs", f"{model['load']:.1%}"
        table.add_row(mark, meant, model["network"], str(model["weights"]), time, load)
    return table
