"""How a collection of presets plays at the usual sample rates: how many go which way, and how true.

    python -m tests.measure.rates FILE_OR_FOLDER…

A folder is searched for everything that can be played. For each rate: how many presets play at their own rate, on
interleaved states, on interpolated ones, or resampled; the least, the middle and the largest ESR of each way; and which
are resampled.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from fxhost.cli.console import make_console, make_table
from fxhost.engine.rate_choice import USUAL_RATES, choose_plan
from fxhost.engine.rate_plan import Plan
from fxhost.errors import FxhostError
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset


def read_all(names: list[str]) -> list[Preset]:
    """The presets of these files and folders; what cannot be read is told."""
    paths = [Path(name) for name in names]
    files = [file for path in paths for file in (sorted(path.rglob("*.*")) if path.is_dir() else [path])]
    presets = []
    for file in files:
        try:
            presets.append(read_preset(file))
        except FxhostError as err:
            print(err)
    return presets


def name_way(plan: Plan) -> str:
    """The way of a plan, the same word for all of its kind."""
    if plan.is_own:
        return "own rate"
    return "resampled" if plan.is_resampled else "interpolated" if plan.order else "interleaved"


def main() -> None:
    """Measure and print."""
    presets = read_all(sys.argv[1:])
    print(f"{len(presets)} presets")
    table = make_table("rate", "way", "presets", "least ESR", "median", "largest")
    resampled = defaultdict(list)
    for rate in USUAL_RATES:
        ways = defaultdict(list)
        for preset in presets:
            plan = choose_plan(preset, rate)
            ways[name_way(plan)].append(plan.esr)
            if plan.is_resampled:
                resampled[rate].append(preset.path.stem)
        for way, figures in ways.items():
            known = [esr for esr in figures if esr is not None]
            spread = [f"{f(known):.1e}" for f in (np.min, np.median, np.max)] if known else ["–"] * 3
            table.add_row(f"{rate} Hz", way, str(len(figures)), *spread)
    make_console().print(table)
    for rate, names in resampled.items():
        print(f"resampled at {rate} Hz: {', '.join(names)}")


if __name__ == "__main__":
    main()
