"""Changes of scene, slot and rig while it plays: without a click, the last wish wins, and a failure leaves the old sound."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fxhost.arrays import Float32Array
from fxhost.control.commands import Controls, ToggleMute, ToggleTuner
from fxhost.engine.rack import Rack
from fxhost.errors import RigError
from fxhost.preset.archive import read_preset
from fxhost.rig.effect import Effect
from fxhost.rig.parts import Tone
from fxhost.rig.playing import Playing
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene
from fxhost.rig.tuner import Tuner
from tests.conftest import RATE

MakePreset = Callable[..., Path]
BLOCK = 64


class Stand:
    """A rig on a rack that is fed by hand."""

    def __init__(self, rig: Rig, audio: Float32Array) -> None:
        self.notices: list[str] = []
        self.playing = Playing(rig, RATE, self.notices.append)
        scene = self.playing.sound.scene
        gains = {"input_gain_db": scene.input_gain_db, "output_gain_db": scene.output_gain_db}
        self.rack = Rack(self.playing.sound.chain(), RATE, channels=self.playing.channels, **gains)
        self.playing.start(self.rack)
        self.audio, self.at, self.out = audio, 0, []

    def play(self, blocks: int) -> None:
        for _ in range(blocks):
            block = self.audio[np.arange(self.at, self.at + BLOCK) % len(self.audio)]
            out = np.zeros((BLOCK, self.rack.channels), np.float32)
            self.rack.process(np.ascontiguousarray(block), out)
            self.out.append(out)
            self.at += BLOCK

    def change(self, patience: int = 100) -> int:
        """Play until the change has been made; return how many blocks that took."""
        for blocks in range(patience):
            if self.playing.follow(False):
                return blocks
            self.play(1)
        raise AssertionError("no change came")


@pytest.fixture
def scenes(make_preset: MakePreset) -> Rig:
    one, two, three = (Effect(read_preset(make_preset(1, size))) for size in (8, 20, 24))
    bright, dark = Tone(treble=6.0), Tone(treble=-12.0, bass=6.0)
    return Rig(
        [one, bright],
        scenes=[
            Scene("first", [one, bright], (True, True)),
            Scene("second", [two, bright], (True, True), output_gain_db=3.0),
            Scene("third", [three, dark], (True, True)),
            Scene("dark", [one, dark], (True, True)),
            Scene("off", [one, bright], (False, True), input_gain_db=-3.0),
        ],
    )


def sine(seconds: float = 1.0) -> Float32Array:
    return (0.3 * np.sin(2 * np.pi * 110 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def steps_of(blocks: list[Float32Array]) -> Float32Array:
    """The differences between samples, which a DC blocker's slow mean leaves alone."""
    return np.diff(np.concatenate(blocks), axis=0)


def largest_step(audio: Float32Array) -> float:
    return float(np.abs(np.diff(audio, axis=0)).max())


def test_random_changes_of_scene_make_no_step_beyond_those_of_the_scenes_themselves(scenes: Rig) -> None:
    own = []
    for index in range(5):
        alone = Stand(scenes, sine())
        if index:
            alone.playing.choose_scene(index)
            alone.playing.follow(False)
        alone.play(RATE // BLOCK)
        own.append(largest_step(np.concatenate(alone.out)[RATE // 2 :]))
    stand, rng = Stand(scenes, sine()), np.random.default_rng(4)
    stand.play(200)
    played = []
    for _ in range(100):
        stand.playing.choose_scene(int(rng.integers(5)))
        for _ in range(int(rng.integers(1, 60))):
            stand.playing.follow(False)
            stand.play(1)
        played.append(stand.playing.scene_index)
    audio = np.concatenate(stand.out)[100 * BLOCK :]
    assert set(played) == set(range(5))
    assert np.isfinite(audio).all()
    assert largest_step(audio) <= max(own) + 1e-3


def test_a_scene_that_differs_in_knobs_alone_glides_in_the_chain_that_plays(scenes: Rig) -> None:
    stand = Stand(scenes, sine())
    stand.play(100)
    stand.playing.choose_scene(3)
    assert not stand.playing.follow(False)
    assert stand.playing.scene_index == 3
    stand.play(RATE // BLOCK)
    fresh = Stand(Rig([*scenes.scenes[3].parts]), sine())
    fresh.play(len(stand.out))
    wanted = steps_of(fresh.out[-20:])
    assert np.abs(steps_of(stand.out[-20:]) - wanted).max() < 0.01 * np.abs(wanted).max()
    bass = [parameter.name for parameter in stand.playing.sound.knobs.parameters].index("bass")
    stand.playing.sound.knobs.set(bass, -15.0)
    stand.play(RATE // BLOCK)
    assert np.abs(steps_of(stand.out[-20:]) - wanted).max() > 0.1 * np.abs(wanted).max()
    stand.playing.choose_scene(3)  # once more: as the scene says
    stand.playing.follow(False)
    stand.play(RATE // BLOCK)
    assert np.abs(steps_of(stand.out[-20:]) - wanted).max() < 0.01 * np.abs(wanted).max()


def test_a_chain_that_comes_in_has_heard_the_last_second(scenes: Rig) -> None:
    stand, fresh = Stand(scenes, sine()), Stand(Rig([*scenes.scenes[1].parts], output_gain_db=3.0), sine())
    stand.play(RATE // BLOCK)
    fresh.play(RATE // BLOCK)
    stand.playing.choose_scene(1)
    stand.change()
    stand.play(40)  # the fade is over after 30 ms
    fresh.play(40)
    wanted = steps_of(fresh.out[-10:])
    assert np.abs(steps_of(stand.out[-10:]) - wanted).max() < 0.05 * np.abs(wanted).max()


def test_another_rig_is_loaded_beside_and_the_last_wish_wins(scenes: Rig, make_preset: MakePreset) -> None:
    stand, gate = Stand(scenes, sine()), threading.Event()
    stand.play(50)

    def slowly() -> Rig:
        gate.wait(10)
        return Rig([make_preset(1, 24)])

    stand.playing.load(slowly, "slow")
    stand.playing.load(lambda: Rig([make_preset(1, 20)]), "quick")
    stand.play(10)
    deadline = time.monotonic() + 20
    while stand.playing.rig is scenes and time.monotonic() < deadline:
        stand.playing.follow(False)
        stand.play(1)
        time.sleep(0.002)
    gate.set()
    for _ in range(100):
        stand.playing.follow(False)
        stand.play(1)
        time.sleep(0.001)
    assert [effect.preset.recurrent.hidden_size for effect in stand.playing.rig.effects] == [20]
    assert stand.notices == []


def test_a_rig_that_cannot_be_loaded_leaves_the_old_one_and_says_why(scenes: Rig) -> None:
    stand = Stand(scenes, sine())
    stand.play(50)

    def fail() -> Rig:
        raise RigError("the file is damaged")

    stand.playing.load(fail, "broken")
    deadline = time.monotonic() + 10
    while not stand.notices and time.monotonic() < deadline:
        stand.playing.follow(False)
        stand.play(1)
    assert stand.notices == ["cannot change to broken: the file is damaged. The sound stays as it is"]
    assert stand.playing.rig is scenes


def test_a_change_waits_for_the_fade_before_it_and_scenes_that_do_not_exist_are_left_alone(scenes: Rig) -> None:
    stand = Stand(scenes, sine())
    stand.play(50)
    stand.playing.choose_scene(1)
    assert stand.change() == 0
    stand.play(1)
    stand.playing.choose_scene(2)
    assert 15 <= stand.change() <= 30  # blocks of 1.3 ms until the fade of 30 ms is over
    stand.playing.choose_scene(9)
    stand.playing.choose_scene(-1)
    stand.play(40)
    assert not stand.playing.follow(False)
    assert stand.playing.scene_index == 2


@pytest.mark.parametrize(("frequency", "name", "cents"), [(30.87, "B0", 0.0), (82.41, "E2", 0.0), (110.5, "A2", 7.85)])
def test_the_tuner_names_the_note_within_a_tenth_of_a_second(
    scenes: Rig, frequency: float, name: str, cents: float
) -> None:
    t = np.arange(2 * RATE) / RATE
    string = sum(np.sin(2 * np.pi * frequency * k * t) / k for k in range(1, 6))
    stand = Stand(scenes, np.concatenate([np.zeros(RATE), 0.1 * string]).astype(np.float32))
    tuner = Tuner(stand.rack)
    stand.play(RATE // BLOCK)
    assert tuner.read(0.0) is None
    stand.play(round(0.1 * RATE / BLOCK))
    note = tuner.read(0.1)
    assert note is not None and note.name == name
    assert note.cents == pytest.approx(cents, abs=1.0)


def test_the_tuner_mutes_and_leaves_what_was_muted_before(scenes: Rig) -> None:
    stand = Stand(scenes, sine())
    controls = Controls(stand.rack, stand.playing.sound.knobs, 2)
    for command, muted in ((ToggleTuner(), True), (ToggleTuner(), False), (ToggleMute(), True)):
        controls.apply(command)
        assert stand.rack.is_muted is muted
    controls.apply(ToggleTuner())
    controls.apply(ToggleTuner())
    assert stand.rack.is_muted
