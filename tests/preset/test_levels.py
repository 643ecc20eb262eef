"""Knobs and levels: what stands where, and what is asked for but not known."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fxhost.engine.calibration import Gains, choose_gains, describe_unknown_levels
from fxhost.engine.knobs import KnobBoard, set_knobs
from fxhost.errors import PresetError
from fxhost.preset import network_stage
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from fxhost.stages.base import Stage
from fxhost.stages.dc_blocker import DcBlocker
from tests.foreign import make_aidax, make_nam, make_proteus, write
from tests.preset.test_formats import excite, play


def read_nam(folder: Path, **metadata: float | None) -> Preset:
    return read_preset(write(folder / "a.nam", make_nam(metadata={"name": "x", **metadata})))


def networks_of(chain: list[Stage]) -> list[Stage]:
    """The chain without DC blockers, which take long to forget."""
    return [stage for stage in chain if not isinstance(stage, DcBlocker)]


def test_raw_levels_are_those_of_the_file(tmp_path: Path) -> None:
    preset = read_nam(tmp_path, loudness=-30.0, input_level_dbu=18.0, output_level_dbu=12.0)
    assert choose_gains([preset]) == [Gains(0.0, 0.0)]
    gained = read_preset(write(tmp_path / "a.json", make_aidax(in_gain=3.0, out_gain=-91.0)))
    assert choose_gains([gained]) == [Gains(3.0, -math.inf)]


def test_the_last_preset_of_a_chain_is_normalised(tmp_path: Path) -> None:
    soft, loud = read_nam(tmp_path, loudness=-30.0), read_nam(tmp_path, loudness=-10.0)
    assert choose_gains([loud, soft], "normalized") == [Gains(0.0, 0.0), Gains(0.0, 12.0)]
    unknown = read_nam(tmp_path, loudness=None)
    assert choose_gains([unknown], "normalized") == [Gains(0.0, 0.0)]
    assert describe_unknown_levels([unknown], [unknown], "normalized", None) == [
        "x does not tell its loudness; it is played as it is"
    ]
    assert describe_unknown_levels([soft], [soft], "normalized", 12.0) == [
        "x does not tell its input level; it is played uncalibrated"
    ]


def test_calibration_gives_each_preset_the_level_it_was_made_with(tmp_path: Path) -> None:
    first = read_nam(tmp_path, input_level_dbu=18.0, output_level_dbu=10.0)
    second = read_nam(tmp_path, input_level_dbu=12.0)
    third = read_nam(tmp_path, input_level_dbu=12.0)
    gains = choose_gains([first, second, third], interface_dbu=13.0)
    assert gains == [Gains(-5.0, 0.0), Gains(-2.0, 0.0), Gains(0.0, 0.0)]


def test_a_normalised_capture_is_louder_by_that(tmp_path: Path) -> None:
    preset = read_nam(tmp_path, loudness=-24.0)
    x = 0.1 * excite(2).astype(np.float32)
    raw, normal = x.copy(), x.copy()
    for out, gains in ((raw, choose_gains([preset])), (normal, choose_gains([preset], "normalized"))):
        for stage in build_chain([replace(slot, gains=gains[0]) for slot in slots_at_own_rate([preset])]):
            stage.process(out)
    assert np.abs(normal - raw * 10 ** (6 / 20)).max() < 1e-6


def test_a_knob_is_set_by_name_in_any_case(tmp_path: Path) -> None:
    preset = read_preset(write(tmp_path / "a.json", make_proteus(inputs=3)))
    [turned] = set_knobs([preset], {"KNOB2": 0.9})
    assert [knob.default for knob in turned.knobs] == [0.5, 0.9]
    assert np.abs(play(turned, np.zeros(480)) - turned.silent_output).max() < 1e-6
    with pytest.raises(PresetError, match="no knob 'gain': there is knob1, knob2"):
        set_knobs([preset], {"gain": 0.5})
    with pytest.raises(PresetError, match="no knob 'gain': what plays has no knobs"):
        set_knobs([read_nam(tmp_path)], {"gain": 0.5})


@pytest.mark.parametrize("name", ["compiled", "torchscript"])
def test_a_board_turns_the_knobs_of_the_stages(name: str, tmp_path: Path) -> None:
    plain = read_nam(tmp_path)
    preset = read_preset(write(tmp_path / "a.json", make_proteus(inputs=2)))
    two = read_preset(write(tmp_path / "b.json", make_proteus(inputs=3, seed=9)))
    board = KnobBoard([plain, preset, two])
    assert board.places == [(1, 0), (2, 0), (2, 1)]
    chain = networks_of(build_chain(slots_at_own_rate([plain, preset, two]), name))
    board.attach([[stage] for stage in chain])
    for _ in range(2):
        board.choose_next()
    board.turn(3)
    assert (board.names, board.chosen) == (["knob", "knob1", "knob2"], 2)
    assert [value for values in board.values for value in values] == pytest.approx([0.5, 0.5, 0.65])
    [_, *moved] = set_knobs([plain, preset, two], {"knob2": 0.65})
    expected = networks_of(build_chain(slots_at_own_rate([plain, *moved]), name))
    fresh = networks_of(build_chain(slots_at_own_rate([plain, preset, two]), name))  # as after a reset
    board.attach([[stage] for stage in fresh])
    x = excite(3, 48_000).astype(np.float32)  # long enough for the glide to be forgotten
    got, again = x.copy(), x.copy()
    for stages, out in ((chain, got), (fresh, again), (expected, x)):
        for start in range(0, len(out), 480):
            for stage in stages:
                stage.process(out[start : start + 480])
    assert np.abs(got - x)[-480:].max() < 1e-5
    assert np.abs(again - x)[-480:].max() < 1e-5
    board.turn(100)
    assert board.values == [[], [0.5], [0.5, 1.0]]


def test_a_turned_knob_glides(tmp_path: Path) -> None:
    preset = read_preset(write(tmp_path / "a.json", make_proteus(inputs=2, hidden=4)))
    stage = network_stage.compiled_stage(preset)
    stage.set_parameter(0, 1.0)
    out = np.zeros(4800, np.float32)
    stage.process(out)
    assert np.abs(np.diff(out)).max() < 0.05 * np.abs(out[-1] - out[0])


def test_a_board_without_knobs_does_nothing(tmp_path: Path) -> None:
    board = KnobBoard([read_nam(tmp_path)])
    board.attach(build_chain(slots_at_own_rate(board.slots)).turned)
    board.choose_next()
    board.turn(1)
    assert (board.places, board.names) == ([], [])
