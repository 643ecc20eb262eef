"""A container of models in a rig: each scene may play another of them, and a mistake is told with its line."""

from pathlib import Path

import numpy as np
import pytest

import fxhost
from fxhost.rig.file import check_rig_file, load_rig
from fxhost.rig.file_writing import format_rig
from tests.conftest import RATE, call_fxhost
from tests.foreign import make_nam, write
from tests.rig.test_playing import Stand, sine

# The first two have the same sizes, so that only the quality tells them apart.
MODELS = [(0.3, make_nam(hidden=3, seed=5)), (0.6, make_nam(hidden=3, seed=6)), (1.0, make_nam(hidden=4))]
RIG = """\
[[slot]]
id = "amp"
preset = "amp.nam"
quality = 0.5

[[scene]]
name = "middle"

[[scene]]
name = "light"
slots.amp.quality = "low"

[[scene]]
name = "full"
slots.amp = { quality = 1 }

[[scene]]
name = "other"
slots.amp.preset = "ts-overdrive"
"""


@pytest.fixture
def rig_file(tmp_path: Path) -> Path:
    submodels = [{"max_value": size, "model": model} for size, model in MODELS]
    write(
        tmp_path / "amp.nam", make_nam(architecture="SlimmableContainer", config={"submodels": submodels}, weights=[])
    )
    path = tmp_path / "rig.toml"
    path.write_text(RIG)
    return path


def test_each_scene_plays_the_model_of_its_quality(rig_file: Path) -> None:
    rig, audio = load_rig(rig_file), sine(0.1)
    played = [rig.in_scene(scene)(audio, RATE) for scene in rig.scenes[:3]]
    amp = rig_file.with_name("amp.nam")
    for wet, quality in zip(played, (0.5, 0.0, 1.0), strict=True):
        assert np.array_equal(wet, fxhost.load(amp, quality=quality)(audio, RATE))
    assert not np.array_equal(played[0], played[1])
    assert rig.scenes[3].parts[0].name == fxhost.load("ts-overdrive").name
    assert "quality 0.5" in call_fxhost("rig", "show", rig_file).stdout


def test_a_change_of_quality_while_it_plays_is_a_crossfade_to_the_other_model(rig_file: Path) -> None:
    stand, light = (
        Stand(load_rig(rig_file), sine()),
        Stand(fxhost.Rig([fxhost.load(rig_file.with_name("amp.nam"), quality=0)]), sine()),
    )
    for each in (stand, light):
        each.play(200)
    stand.playing.choose_scene(1)
    assert stand.playing.follow(False), "models of the same sizes are told apart"
    assert stand.rack.is_crossfading
    for each in (stand, light):
        each.play(100)
    assert (
        np.abs(np.concatenate(stand.out[-20:]) - np.concatenate(light.out[-20:])).max() < 1e-3
    )  # the longer it may warm up, the less
    step = float(np.abs(np.diff(np.concatenate(stand.out)[50 * 64 :], axis=0)).max())
    own = float(np.abs(np.diff(np.concatenate(light.out)[50 * 64 :], axis=0)).max())
    assert step < max(own, float(np.abs(np.diff(np.concatenate(stand.out[50:200]), axis=0)).max())) + 1e-3


def test_what_plays_is_written_with_its_quality(rig_file: Path) -> None:
    rig = load_rig(rig_file)
    text = format_rig(rig.in_scene(rig.scenes[1]), [[]], [True], (0.0, 0.0), rig_file.parent)
    assert 'preset = "amp.nam"\nquality = 0\n' in text
    assert "quality" not in format_rig(rig.in_scene(rig.scenes[2]), [[]], [True], (0.0, 0.0), rig_file.parent)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("quality = 0.5", "quality = 2", 4, "quality is 2; expected a number from 0 to 1, low or high"),
        ("quality = 0.5", "quality = true", 4, "quality is True; expected a number from 0 to 1"),
        ('quality = "low"', 'quality = "lo"', 11, "quality is 'lo'; expected a number from 0 to 1, low or high"),
        (
            'preset = "amp.nam"',
            'preset = "ts-overdrive"',
            4,
            "holds a single model, of one quality; leave out the quality",
        ),
        ("quality = 0.5", "qualty = 0.5", 4, "did you mean quality?"),
    ],
)
def test_a_mistake_is_told_with_its_line(old: str, new: str, line: int, message: str, rig_file: Path) -> None:
    rig_file.write_text(RIG.replace(old, new, 1))
    _, problems = check_rig_file(rig_file)
    assert (line, True) in [(problem.line, message in problem.text) for problem in problems]
