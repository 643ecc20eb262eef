"""Variants of a recurrent kernel. Which is the fastest depends on the CPU; a trial finds it once for each size.

What was found is kept on disk, because the ways differ in the order of their sums, and so in the last bit of what
they put out: a preset sounds the same to the bit at each start. Where nothing can be kept, the first is taken untried.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba.core.registry import cpu_target

from fxhost.native import tuning_cache
from fxhost.native.vectors import register_lanes
from fxhost.stages.base import Stage

TRIAL_ROUNDS = 20
TRIAL_FRAMES = 512
MOST_TRIED = 48  # hidden units; the code of larger networks takes long to compile
WORTHWHILE = 0.97  # of the time of the first way: what another one must stay below to be preferred

Sizes = tuple[str, int, int, int, bool]  # cell, layers, hidden size, inputs, residual


class Variant(NamedTuple):
    """A way to compile a network.

    Attributes
    ----------
    width : int
        Float32 lanes in a vector.
    widest : int
        Lanes of the widest group of units: `width` or half of it.
    registers : int
        How many vectors the CPU holds.
    short : bool
        Whether polynomials take fewer steps after each other, and more in all.
    """

    width: int
    widest: int
    registers: int
    short: bool


_chosen: dict[Sizes, Variant] = {}


def list_variants(layers: int, hidden_size: int) -> list[Variant]:
    """The variants that may be the fastest for a network, the most likely first."""
    width, registers = register_lanes()
    whole = Variant(width, width, registers, short=True)
    halves = whole._replace(widest=width // 2)  # of which one is updated while the other is summed
    narrow = halves._replace(width=width // 2)
    if hidden_size > width:  # such a network is busy enough; the others mostly wait for their own results
        ways = [whole, narrow] if hidden_size <= MOST_TRIED else [whole]
        return [way._replace(short=False) for way in ways if way.width >= 8 or way == whole]
    if width < 16:
        return [whole, whole._replace(short=False)]
    if hidden_size <= width // 2:
        return [halves, narrow]
    return [halves, whole, narrow] if layers == 1 else [whole, halves, narrow]


def choose_variant(network: Sizes, make: Callable[..., Stage]) -> Variant:
    """The fastest variant on this CPU, from an earlier trial or from one now.

    Parameters
    ----------
    network : Sizes
    make : callable
        Gives the stage for a `variant`.
    """
    if network not in _chosen:
        _chosen[network] = _recall_or_try(network, make)
    return _chosen[network]


def _recall_or_try(network: Sizes, make: Callable[..., Stage]) -> Variant:
    variants = list_variants(*network[1:3])
    if tuning_cache.store_folder() is None or len(variants) == 1:
        return variants[0]
    cpu = cpu_target.target_context.codegen().magic_tuple()
    key = f"variant {network} {cpu} {[tuple(variant) for variant in variants]}"
    number = (tuning_cache.recall(key) or {}).get("fastest")
    if type(number) is not int or not 0 <= number < len(variants):
        tuning_cache.forget(key)
        found = find_fastest([make(variant=variant) for variant in variants])
        number = tuning_cache.keep(key, {"fastest": found})["fastest"]
    return variants[number]


def find_fastest(stages: Sequence[Stage]) -> int:
    """Which stage plays noise the fastest: the first one, unless another is faster by more than chance."""
    noise = np.random.default_rng(0).uniform(-1, 1, TRIAL_FRAMES).astype(np.float32)
    times: Any = np.empty((TRIAL_ROUNDS, len(stages)))
    for row in times:
        for k, stage in enumerate(stages):
            block = noise.copy()
            start = time.perf_counter()
            stage.process(block)
            row[k] = time.perf_counter() - start
    least = times.min(axis=0)
    best = int(least.argmin())
    return best if least[best] < WORTHWHILE * least[0] else 0
