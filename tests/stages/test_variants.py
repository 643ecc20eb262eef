"""The ways to compile a network: all are right, and the trial takes the fastest and keeps to it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import carray

from fxhost.arrays import Float32Array, aligned_zeros
from fxhost.native import tuning_cache
from fxhost.native.vectors import register_lanes
from fxhost.reference.torchscript import named_weights, play_module
from fxhost.stages.base import Stage, first_words, stage_function
from fxhost.stages.recurrent import variants
from fxhost.stages.recurrent.stage import RecurrentStage
from fxhost.stages.recurrent.variants import Variant, choose_variant, find_fastest, list_variants
from tests.conftest import RATE, make_module

WORK = np.dtype([("turns", "i8"), ("sum", "f8")], align=True)
NETWORK = ("lstm", 1, 7, 1, False)


@stage_function(WORK)
def work_block(state, block, frames):  # type: ignore[no-untyped-def]
    """Take as long as `turns` says."""
    s, x = carray(state, (1,))[0], carray(block, (frames,))
    for _ in range(s.turns):
        for n in range(frames):
            s.sum += x[n] * s.sum + 1.0


def make_worker(turns: int) -> Stage:
    memory = aligned_zeros(1, WORK)
    memory["turns"] = turns
    return Stage(work_block.address, memory, first_words(memory, memory.nbytes), work_block)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of our own."""
    monkeypatch.setattr(tuning_cache, "store_folder", lambda: tmp_path)
    monkeypatch.setattr(variants, "_chosen", {})
    return tmp_path


def make_worker_for(tried: list[Variant], slowest: int, variant: Variant) -> Stage:
    """A stage that takes the longer the nearer the variant is to `slowest` in the list."""
    tried.append(variant)
    place = list_variants(1, 7).index(variant)
    return make_worker(1 if place != slowest else 40)


@pytest.mark.parametrize(
    ("layers", "hidden_size"), [(1, 1), (1, 6), (1, 8), (1, 13), (1, 16), (1, 23), (1, 40), (2, 7), (2, 16), (3, 20)]
)
def test_every_way_agrees_with_float64(layers: int, hidden_size: int, guitar: Float32Array) -> None:
    module = make_module(layers, hidden_size, 1, True)
    state = np.full((layers, hidden_size), 0.1, np.float32)
    weights = named_weights(module) | {"h0": state, "c0": state}
    audio = guitar[:RATE]
    start = state.astype(float)
    truth, _, _ = play_module(module.double(), audio[:, None].astype(float), start, start)
    sizes: dict[str, Any] = {"layers": layers, "hidden_size": hidden_size, "inputs": 1, "residual": True}
    for variant in list_variants(layers, hidden_size):
        out = audio.copy()
        RecurrentStage(weights, **sizes, sample_rate=RATE, variant=variant).process(out)
        error = np.abs(out - truth).max()
        print(f"{layers} × {hidden_size}, {variant}: {error:.1e}")
        assert error <= 5e-7


def test_the_fastest_is_found_and_the_first_kept_when_none_is() -> None:
    assert find_fastest([make_worker(40), make_worker(1), make_worker(20)]) == 1
    assert find_fastest([make_worker(20), make_worker(21)]) == 0


@pytest.mark.skipif(len(list_variants(1, 7)) < 2, reason="there is only one way on this CPU")
def test_what_the_trial_found_is_taken_again_without_a_trial(store: Path) -> None:
    tried: list[Variant] = []
    ways = list_variants(1, 7)
    assert choose_variant(NETWORK, partial(make_worker_for, tried, 0)) == ways[1]
    assert tried == ways
    [file] = store.iterdir()
    kept = file.read_text()
    assert json.loads(kept) == {"fastest": 1}
    for content, trials in ((kept, 1), ('{"fastest": 9}', 2), ('{"fastest": true}', 3), ("{}", 4), ('{"fas', 5)):
        file.write_text(content)
        variants._chosen.clear()
        assert choose_variant(NETWORK, partial(make_worker_for, tried, 0)) == ways[1]
        assert len(tried) == trials * len(ways)
        assert file.read_text() == kept


def test_where_nothing_can_be_kept_the_first_way_is_taken_untried(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning_cache, "store_folder", lambda: None)
    tried: list[Variant] = []
    assert choose_variant(NETWORK, partial(make_worker_for, tried, 0)) == list_variants(1, 7)[0]
    assert not tried


def test_within_a_process_the_way_stays_even_if_the_store_is_lost(store: Path) -> None:
    tried: list[Variant] = []
    chosen = choose_variant(NETWORK, partial(make_worker_for, tried, 0))
    next(store.iterdir()).unlink()
    assert choose_variant(NETWORK, partial(make_worker_for, tried, 1)) == chosen
    assert len(tried) == len(list_variants(1, 7))


@pytest.mark.parametrize("lanes", [(4, 16), (4, 32), (8, 16), (16, 32)], ids=str)
def test_no_way_is_listed_twice(lanes: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "register_lanes", lambda: lanes)
    for layers in (1, 2):
        for hidden_size in range(1, 129):
            ways = list_variants(layers, hidden_size)
            assert len(set(ways)) == len(ways) >= 1
            assert all(4 <= way.widest <= way.width <= lanes[0] for way in ways)
    assert register_lanes()[0] in (4, 8, 16)
