"""Commands that change a rig while it plays on the virtual device."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.control.commands import Command, Controls, Quit, Reset, ResetGains, SetKnob, StepGain, ToggleSlot
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.io.stream_options import Options
from fxhost.io.streams import VIRTUAL
from fxhost.preset.archive import read_preset
from fxhost.rig.build import build_chain
from fxhost.rig.parts import Tone
from fxhost.rig.rig import Rig
from fxhost.session import Session
from tests.conftest import RATE

MakePreset = Callable[..., Path]
FREQUENCY = 220.0


@pytest.mark.parametrize("command", [ToggleSlot(0), Reset()], ids=["off", "reset"])
def test_an_effect_is_switched_off_and_anew_without_a_click(
    make_preset: MakePreset, tmp_path: Path, command: Command
) -> None:
    sine = 0.25 * np.sin(2 * np.pi * FREQUENCY * np.arange(2 * RATE) / RATE)
    soundfile.write(tmp_path / "sine.wav", sine, RATE, subtype="FLOAT")
    options = Options(VIRTUAL, VIRTUAL, input_file=tmp_path / "sine.wav", output_file=tmp_path / "out.wav")
    session = Session(Rig((read_preset(make_preset(1, 8)),)), options, notice=lambda line: None)
    started, given = time.monotonic(), []

    def poll() -> Sequence[Command]:
        if not given and time.monotonic() - started > 0.7:
            given.append(command)
            return [command]
        return []

    session.play(poll)
    assert given
    played, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    settled = played[RATE // 4 :]
    before = np.abs(np.diff(played[RATE // 4 : RATE // 2])).max()
    dry = np.abs(np.diff(sine)).max()
    assert np.abs(np.diff(settled)).max() < 1.1 * max(before, dry)
    end = slice(-RATE // 10, None)
    if command == Reset():
        whole = played[RATE // 4 : RATE // 2]
        assert np.abs(played[end]).max() == pytest.approx(np.abs(whole).max(), rel=0.1)
    else:  # an empty chain: what comes in goes out
        assert np.abs(played[end] - sine[: len(played)][end]).max() < 1e-6


def test_the_gains_go_back_to_what_the_run_began_with() -> None:
    rack = Rack([], RATE, input_gain_db=3.0, output_gain_db=-6.0)
    controls = Controls(rack, KnobBoard(()), slots=0)
    for command in (StepGain("input", 2), StepGain("output", -100), ToggleSlot(3)):
        controls.apply(command)
    assert (rack.input_gain_db, rack.output_gain_db) == pytest.approx((5.0, -40.0))
    controls.apply(ResetGains())
    assert (rack.input_gain_db, rack.output_gain_db, controls.wants_quit) == (
        pytest.approx(3.0),
        pytest.approx(-6.0),
        False,
    )
    controls.apply(Quit())
    assert controls.wants_quit


def test_a_knob_is_set_to_a_place_on_its_way_in_its_own_unit() -> None:
    tone = Tone(bass=-3.0).slot_at(RATE)
    knobs = KnobBoard([tone])
    chain = build_chain([tone])
    knobs.attach(chain.turned)
    controls = Controls(Rack(chain, RATE), knobs, slots=1)
    high_cut = [parameter.name for parameter in tone.parameters].index("high_cut")
    controls.apply(SetKnob(0, 0, 1.0))
    controls.apply(SetKnob(0, high_cut, 0.5))
    controls.apply(SetKnob(3, 0, 0.5))
    assert knobs.values[0][0] == 15.0
    assert knobs.values[0][high_cut] == pytest.approx((1000.0 * 20_000.0) ** 0.5)
    assert chain[0].memory["targets"][0][0] == 15.0
