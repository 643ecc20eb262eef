"""The overrun guard: it switches off what is too slow, names it, and leaves alone whatever only seems slow."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.engine.statistics import Statistics
from fxhost.preset.archive import read_preset
from fxhost.rig import overrun_guard
from fxhost.rig.effect import Effect
from fxhost.rig.overrun_guard import OverrunGuard
from fxhost.rig.parts import Cabinet, Gate
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene
from fxhost.rig.slot import Slot
from fxhost.rig.slot_costs import measure_costs
from tests.conftest import RATE, save_slow_preset
from tests.rig.test_playing import BLOCK, Stand, sine

MakePreset = Callable[..., Path]


def load(path: Path) -> Effect:
    return Effect(read_preset(path))


class Guarded(Stand):
    """A rig on a rack that is fed by hand, with its guard, which looks after each so many blocks; time is played time."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig, sine())
        self.guard = OverrunGuard(self.rack, self.playing, self.notices.append)
        self.now = 0.0

    def play_and_look(self, seconds: float, every: int = 10) -> None:
        for _ in range(round(seconds * RATE / (every * BLOCK))):
            self.play(every)
            self.now += every * BLOCK / RATE
            self.guard.look(self.now)
            if self.guard._measuring is not None:
                self.guard._measuring.join()
            self.playing.follow(False)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_slow_preset(tmp_path_factory.mktemp("slow") / "slow.pt")


def test_the_slot_that_is_too_slow_is_faded_out_and_named_and_its_key_brings_it_back(
    make_preset: MakePreset, slow: Path
) -> None:
    stand = Guarded(Rig([make_preset(1, 8), slow, Gate()]))
    stand.play_and_look(0.8)
    assert stand.playing.sound.is_on == [True, False, True]
    assert len(stand.notices) == 1
    assert stand.notices[0].startswith("2 slow is bypassed: it takes ")
    assert stand.notices[0].endswith("Use a smaller capture; key 2 switches it on again")
    stand.play(60)
    late = stand.rack.statistics().overruns
    stand.play(400)
    assert stand.rack.statistics().overruns - late < 40  # this machine may be busy

    audio = np.concatenate(stand.out)
    assert np.isfinite(audio).all()
    alone = Stand(Rig([make_preset(1, 8), Gate()]), sine())
    alone.play(400)
    assert np.abs(np.diff(audio, axis=0)).max() <= max(
        np.abs(np.diff(np.concatenate(part), axis=0)).max() for part in (stand.out[:100], alone.out)
    )  # no click at the fade

    stand.playing.sound.is_on[1] = True  # as the key does
    stand.play_and_look(0.8)
    assert stand.playing.sound.is_on == [True, False, True]
    assert len(stand.notices) == 2


def test_in_a_rig_with_scenes_the_scene_is_named_that_switches_it_on_again(make_preset: MakePreset, slow: Path) -> None:
    parts = [load(make_preset(1, 8)), load(slow)]
    scenes = [Scene("clean", parts, (True, False)), Scene("loud", parts, (True, True))]
    stand = Guarded(Rig(parts, scenes=scenes))
    stand.playing.choose_scene(1)
    stand.play_and_look(1.0)
    assert stand.playing.sound.is_on == [True, False]
    assert stand.notices[0].endswith("Use a smaller capture; scene 2 switches it on again")


class Delayed(Guarded):
    """A stand whose rack says that some of its blocks came too late."""

    def __init__(self, rig: Rig, share: float) -> None:
        super().__init__(rig)
        self.measured = 0
        count = self.rack.statistics

        def statistics() -> Statistics:
            counted = count()
            return replace(counted, overruns=int(share * counted.blocks))

        self.rack.statistics = statistics  # type: ignore[method-assign]
        measure = self.guard._measure

        def count_and_measure() -> None:
            self.measured += 1
            measure()

        self.guard._measure = count_and_measure  # type: ignore[method-assign]


def test_a_machine_that_is_held_up_costs_no_slot(make_preset: MakePreset) -> None:
    stand = Delayed(Rig([make_preset(1, 8), make_preset(1, 20)]), 1.0)
    stand.play_and_look(3.0)
    assert stand.measured == 1  # and not again for some seconds
    assert (stand.notices, stand.playing.sound.is_on) == ([], [True, True])


def test_single_slow_blocks_are_not_even_looked_into(make_preset: MakePreset) -> None:
    stand = Delayed(Rig([make_preset(1, 8)]), 0.2)
    stand.play_and_look(3.0)
    assert (stand.measured, stand.notices) == (0, [])


def test_what_was_changed_while_it_was_measured_is_left_alone(make_preset: MakePreset, slow: Path) -> None:
    stand = Guarded(Rig([make_preset(1, 8), slow]))
    deadline = time.monotonic() + 60
    while stand.guard._measuring is None and time.monotonic() < deadline:
        stand.play(10)
        stand.now += 10 * BLOCK / RATE
        stand.guard.look(stand.now)
    assert stand.guard._measuring is not None
    stand.playing.sound.is_on[1] = False  # the player was quicker
    stand.guard._measuring.join()
    stand.guard.look(stand.now)
    assert (stand.notices, stand.playing.sound.is_on) == ([], [True, False])


@pytest.mark.parametrize(
    ("oversample", "costs", "in_large_blocks", "told"),
    [
        (1, [0.3, 0.8], 0.5, "80% of the time of a block, and the others 30%. Use --block-frames 512 or a smaller capture;"),
        (1, [0.3, 0.8], 0.7, "80% of the time of a block, and the others 30%. Use a smaller capture;"),
        (2, [0.0, 1.5], 1.4, "150% of the time of a block. Use less than --oversample 2 or a smaller capture;"),
    ],
)  # fmt: skip
def test_it_says_what_would_help(
    oversample: int,
    costs: list[float],
    in_large_blocks: float,
    told: str,
    make_preset: MakePreset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measure(rig: Rig, slots: Sequence[Slot], inputs: int, frames: int, heard: Float32Array) -> list[float]:
        if len(slots) == 2:
            return costs
        return [in_large_blocks if frames == 512 else 0.1]  # what is left is quick

    monkeypatch.setattr(overrun_guard, "measure_costs", measure)
    stand = Delayed(Rig([make_preset(1, 8), make_preset(1, 20)], oversample=oversample), 1.0)
    stand.play_and_look(0.7)
    assert len(stand.notices) == 1
    assert told in stand.notices[0]


def test_costs_are_those_of_each_slot_and_a_stereo_cabinet_doubles_what_follows(
    make_preset: MakePreset, tmp_path: Path
) -> None:
    stereo = np.zeros((256, 2), np.float32)
    stereo[0] = 1.0
    soundfile.write(tmp_path / "stereo.wav", stereo, RATE)
    large = load(make_preset(2, 64))
    rig = Rig([load(make_preset(1, 8)), large, Cabinet(tmp_path / "stereo.wav"), large])
    costs = measure_costs(rig, rig.slots_at(RATE), 1, BLOCK, np.zeros((2, 0), np.float32))
    assert len(costs) == 4
    assert 0 < costs[0] < costs[1] < 1.2 * costs[1] < costs[3]
