"""The bindings of the rigs that play, and where what is learned goes."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fxhost.cli.midi import MidiRemote
from fxhost.cli.reading_rigs import save_rig
from fxhost.control.commands import SetKnob, SetSlot, StepRig, StepScene
from fxhost.errors import RigError
from fxhost.io.stream_options import Options
from fxhost.rig.file import load_rig, read_rig_file
from fxhost.rig.set_list import Entry, SetList
from fxhost.session import Session
from tests.conftest import call_fxhost

CC = 0xB0
RIG = """\
[[slot]]
id = "amp"
preset = "{preset}"

[[slot]]
id = "{name}"
type = "tone"

[[midi]]
controller = 1
action = "{action}"
"""


class Ports:
    """Ports that say what a test puts in."""

    def __init__(self) -> None:
        self.names, self.waiting = ["scripted"], list[list[int]]()

    def read(self) -> list[list[int]]:
        messages, self.waiting = self.waiting, []
        return messages


def write_rigs(folder: Path, preset: Path) -> Path:
    """A set list of two rigs, which differ in the name of their tone controls and in what controller 1 does."""
    for name, action in (("first", "next_scene"), ("second", "previous_scene")):
        (folder / f"{name}.toml").write_text(RIG.format(preset=preset, name=name, action=action))
    path = folder / "set.toml"
    path.write_text("rigs = ['first.toml', 'second.toml']\n[[midi]]\ncontroller = 2\naction = 'next_rig'\n")
    return path


def make_session(path: Path) -> Session:
    read = read_rig_file(path)
    if read.rig is not None:
        return Session(read.rig, Options(output_device="virtual"), notice=print)
    entries = [Entry(each.stem, lambda each=each: load_rig(each), each) for each in read.rigs]  # type: ignore[misc]
    set_list = SetList(entries)
    return Session(set_list.current.make(), Options(output_device="virtual"), notice=print, set_list=set_list)


def make_remote(path: Path) -> tuple[MidiRemote, Session, Any]:
    session, ports = make_session(path), Ports()
    return MidiRemote(ports, path, session), session, ports  # type: ignore[arg-type]


def step_rig(session: Session) -> None:
    """Play the next rig of the set list."""
    assert session.set_list is not None
    session.playing.rig = session.set_list.step(1).make()
    session.playing.sounds = session.playing._make_sounds(session.playing.rig)
    session.playing.sound = session.playing.sounds[0]


def press_learn(remote: MidiRemote, session: Session, chosen: int) -> list[str]:
    """Press the key that learns with a knob chosen; what the screen notes."""
    session.knobs.chosen = chosen
    notes: list[str] = []
    remote.learn(SimpleNamespace(wants_learn=True, learned=None, note=notes.append))  # type: ignore[arg-type]
    return notes


def test_each_rig_of_a_set_list_has_its_own_bindings_beside_those_of_the_list(
    make_preset: Callable[..., Path], tmp_path: Path
) -> None:
    remote, session, ports = make_remote(write_rigs(tmp_path, make_preset(1, 8)))
    pressed = [[CC, 1, 127], [CC, 2, 127], [CC, 103, 127], [0xC0, 1]]
    ports.waiting = pressed
    assert remote.poll() == [StepScene(1), StepRig(1), SetSlot(1, True), StepRig(1)]
    step_rig(session)
    ports.waiting = pressed
    assert remote.poll() == [StepScene(-1), StepRig(1), SetSlot(1, True), StepRig(0)]


def test_what_is_learned_goes_into_the_file_of_the_rig_that_played(
    make_preset: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_rigs(tmp_path, make_preset(1, 8))
    list_before, first_before = path.read_text(), (tmp_path / "first.toml").read_text()
    remote, session, ports = make_remote(path)
    step_rig(session)
    remote.poll()
    assert press_learn(remote, session, 0) == ["MIDI: move a controller for bass"]
    ports.waiting = [[CC, 1, 0]]
    assert remote.poll() == [SetKnob(1, 0, 0.0)]
    step_rig(session)  # back to the first, and once more to the second: it is still known
    ports.waiting = [[CC, 1, 127]]
    assert remote.poll() == [StepScene(1)]
    step_rig(session)
    ports.waiting = [[CC, 1, 127]]
    assert remote.poll() == [SetKnob(1, 0, 1.0)]
    remote.keep_learned()
    assert path.read_text() == list_before
    assert (tmp_path / "first.toml").read_text() == first_before
    learned = tomllib.loads((tmp_path / "second.toml").read_text())["midi"]
    assert learned == [{"controller": 1, "channel": 1, "knob": "second.bass"}]  # in place of what it met
    assert "wrote 1 MIDI binding into" in capsys.readouterr().out
    assert "without a mistake" in call_fxhost("rig", "check", path).stdout


def test_the_key_pressed_again_learns_nothing(make_preset: Callable[..., Path], tmp_path: Path) -> None:
    write_rigs(tmp_path, make_preset(1, 8))
    remote, session, ports = make_remote(tmp_path / "first.toml")
    press_learn(remote, session, 0)
    assert press_learn(remote, session, 0) == ["MIDI: nothing is learned"]
    ports.waiting = [[CC, 30, 0]]
    assert remote.poll() == []


def test_a_saved_rig_keeps_its_bindings_and_what_was_learned(make_preset: Callable[..., Path], tmp_path: Path) -> None:
    write_rigs(tmp_path, make_preset(1, 8))
    remote, session, ports = make_remote(tmp_path / "first.toml")
    press_learn(remote, session, 0)
    ports.waiting = [[CC, 30, 0]]
    remote.poll()
    save_rig(session, tmp_path / "saved.toml", overwrite=False, midi=remote)
    saved = tomllib.loads((tmp_path / "saved.toml").read_text())
    assert saved["midi"] == [
        {"controller": 1, "action": "next_scene"},
        {"controller": 30, "channel": 1, "knob": "first.bass"},
    ]
    assert "without a mistake" in call_fxhost("rig", "check", tmp_path / "saved.toml").stdout


def test_a_mistake_refuses_the_first_rig_and_leaves_out_the_bindings_of_a_later_one(
    make_preset: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_rigs(tmp_path, make_preset(1, 8))
    second = tmp_path / "second.toml"
    second.write_text(second.read_text().replace("previous_scene", "fly"))
    remote, session, ports = make_remote(path)
    step_rig(session)
    ports.waiting = [[CC, 1, 127], [CC, 103, 127]]
    assert remote.poll() == [SetSlot(1, True)]
    assert "there is no action 'fly'" in capsys.readouterr().err
    with pytest.raises(RigError, match="there is no action 'fly'"):
        make_remote(second)
