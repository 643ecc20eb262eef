"""A DC blocker stands where there is an offset to block, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fxhost.engine.dc_offset import carries_offset
from fxhost.preset.archive import read_preset
from fxhost.reference.modules import architecture_of
from fxhost.reference.preset_writer import save_preset
from fxhost.reference.torchscript import EffectLSTM, Knob, settle
from fxhost.riff import synthesise_riff
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from fxhost.stages.base import Stage
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.gain import Gain
from tests.conftest import RATE, make_module

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.\w+` is (deprecated|not supported):DeprecationWarning")


def make_wire(inputs: int = 1) -> EffectLSTM:
    """Out comes what goes in: all weights are zero but for the residual path."""
    module = EffectLSTM(1, 4, inputs, residual=True)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    return module


def build(tmp_path: Path, module: EffectLSTM, engine: str = "compiled") -> list[Stage]:
    path = tmp_path / "some.pt"
    knobs = [Knob("tone", 0.5)] * (module.lstm.input_size - 1)
    save_preset(path, module, name="some", sample_rate=RATE, knobs=knobs)
    return build_chain(slots_at_own_rate([read_preset(path)]), engine)


def has_blocker(chain: list[Stage]) -> bool:
    return any(isinstance(stage, DcBlocker) for stage in chain)


@pytest.mark.parametrize("engine", ["compiled", "torchscript"])
def test_a_wire_is_played_to_the_bit(engine: str, tmp_path: Path) -> None:
    riff = synthesise_riff(RATE)[:4801]
    chain, out = build(tmp_path, make_wire(), engine), riff.copy()
    for stage in chain:
        stage.process(out)
    np.testing.assert_array_equal(out, riff)


@pytest.mark.parametrize("engine", ["compiled", "torchscript"])
def test_an_offset_on_silence_is_blocked(engine: str, tmp_path: Path) -> None:
    module = make_wire()
    with torch.no_grad():
        module.head.bias.fill_(2e-3)
    chain, out = build(tmp_path, module, engine), np.zeros(509, np.float32)
    for stage in chain:
        stage.process(out)
    assert has_blocker(chain)
    assert np.abs(out).max() < 1e-6


def test_an_offset_that_comes_with_the_signal_is_blocked(tmp_path: Path) -> None:
    module = make_module(1, 4)
    with torch.no_grad():
        module.head.weight.mul_(10.0)
    h, _, _ = settle(module, architecture_of(module), RATE, ())
    with torch.no_grad():
        module.head.bias.copy_(-module.head.weight @ torch.from_numpy(h[-1]))
    chain, out = build(tmp_path, module), np.zeros(509, np.float32)
    chain[0].process(out)
    assert np.abs(out).max() < 1e-5
    assert has_blocker(chain)


def test_an_offset_that_a_knob_could_bring_is_blocked(tmp_path: Path) -> None:
    assert has_blocker(build(tmp_path, make_wire(inputs=2)))


@pytest.mark.parametrize(("gain_db", "carries"), [(6.0, False), (20.0, True)])
def test_the_offset_of_an_interface_is_not_amplified_unblocked(gain_db: float, carries: bool) -> None:
    assert carries_offset(Gain(gain_db, RATE), RATE) == carries
