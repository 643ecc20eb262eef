"""The looper and the song under control: commands, keys, MIDI, the screen, and a session in which the rig changes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fxhost
from fxhost.cli.key_commands import KEY_COMMANDS
from fxhost.cli.keys import Presses
from fxhost.cli.screen import NOTE_S, Picture, Screen
from fxhost.control.commands import (
    ChooseScene,
    Command,
    Controls,
    Loop,
    Quit,
    Reset,
    SetGain,
    StepGain,
    StepRig,
    ToggleMute,
    TogglePlayAlong,
)
from fxhost.control.midi_map import ACTIONS, VOLUMES, Binding, translate
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.io.realtime import LockedMemory
from fxhost.io.stream_options import Options
from fxhost.io.streams import VIRTUAL, VirtualStream
from fxhost.rig.parts import Tone
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene
from fxhost.rig.set_list import Entry, SetList
from fxhost.session import POLL_S, Session
from fxhost.stages.looper.stage import Looper, LoopStatus
from fxhost.stages.play_along import PlayAlong
from tests.conftest import RATE


@pytest.fixture
def rack() -> Rack:
    song = PlayAlong(np.full((90 * RATE, 2), 0.1, np.float32), RATE, -6.0, "song.wav")
    return Rack([], RATE, looper=Looper(RATE, 1, 10.0), play_along=song)


def controls_of(rack: Rack) -> Controls:
    return Controls(rack, KnobBoard(()), slots=0)


def play(rack: Rack, seconds: float) -> None:
    frames = round(seconds * RATE)
    rack.process(np.full(frames, 0.2, np.float32), np.zeros(frames, np.float32))


def test_commands_work_the_looper_and_the_song(rack: Rack) -> None:
    controls, looper, song = controls_of(rack), rack.looper, rack.play_along
    assert looper is not None and song is not None
    states = []
    for action in ("record", "record", "record", "record", "play", "play", "clear", "undo"):
        controls.apply(Loop(action))  # type: ignore[arg-type]
        play(rack, 0.5)
        states.append(looper.status().state)
    assert states == ["recording", "playing", "overdubbing", "playing", "stopped", "playing", "empty", "stopped"]
    assert looper.status().has_overdub
    for command in (SetGain("loop", -12.4), StepGain("loop", 1), SetGain("play_along", 99.0), TogglePlayAlong()):
        controls.apply(command)
    assert (looper.level_db, song.level_db, song.is_on) == (-11.0, 40.0, False)
    play(rack, 0.5)
    assert looper.memory["level_target"][0] == pytest.approx(10 ** (-11 / 20))
    assert song.memory["level"][0] == pytest.approx(100.0)
    assert song.position_s == 0.0
    controls.apply(TogglePlayAlong())
    play(rack, 0.5)
    assert song.position_s == 0.5


def test_where_there_is_none_commands_are_left_alone() -> None:
    rack = Rack([], RATE)
    controls = controls_of(rack)
    for command in (Loop("record"), TogglePlayAlong(), StepGain("loop", 1), SetGain("play_along", 0.0), ToggleMute()):
        controls.apply(command)
    assert (rack.input_gain_db, rack.output_gain_db, rack.is_muted) == (0.0, 0.0, True)


def test_midi_works_them() -> None:
    sounding = type("Sounding", (), {"ids": (), "parameters": [], "scenes": 1})()
    controllers = [[0xB0, number, 127] for number in (80, 81, 82, 83, 85)]
    actions = [Loop("record"), Loop("play"), Loop("undo"), Loop("clear"), TogglePlayAlong()]
    assert translate(controllers, [], sounding) == actions
    assert translate([[0xB0, 80, 0]], [], sounding) == []  # the switch is let go
    bindings = [Binding("note", 60, action="loop_record"), Binding("controller", 1, action="loop_volume")]
    assert translate([[0x90, 60, 1], [0xB0, 1, 127]], [bindings], sounding) == [Loop("record"), SetGain("loop", 12.0)]
    assert {"loop_record", "loop_play", "loop_undo", "loop_clear", "play_along"} <= set(ACTIONS)
    assert {"loop_volume", "play_along_volume"} <= set(VOLUMES)


@pytest.mark.parametrize("delay_s", [0.25, 0.5])
def test_a_held_space_bar_neither_goes_on_recording_nor_is_taken_back(delay_s: float) -> None:
    presses, acts = Presses(), []
    presses.take("", 0.0)
    times = [0.0, *(delay_s + n / 30 for n in range(40))]
    for look in range(1, 500):
        now = look * 0.005
        typed = " " * sum(now - 0.005 < 0.1 + at <= now for at in times)
        acts += presses.take(typed, now)
    assert acts == [" ", " "]  # the first repeat cannot be told from a second tap


def test_taps_on_the_looper_keys_all_count() -> None:
    presses, acts = Presses(), []
    presses.take("", 0.0)
    for n, key in enumerate("  su ca<}"):
        acts += presses.take(key, 0.2 * (n + 1))
    assert "".join(acts) == "  su ca<}"
    assert [KEY_COMMANDS[key] for key in " suca"] == [
        *(Loop(action) for action in ("record", "play", "undo", "clear")),  # type: ignore[arg-type]
        TogglePlayAlong(),
    ]


def make_screen(rack: Rack) -> Screen:
    return Screen((), "compiled", rack, VirtualStream(rack, sample_rate=RATE), LockedMemory(0, 0))


@pytest.mark.parametrize(("width", "height"), [(40, 10), (60, 15), (80, 24), (120, 40)])
def test_the_screen_has_a_row_for_each(rack: Rack, width: int, height: int) -> None:
    controls, screen = controls_of(rack), make_screen(rack)

    def row(label: str) -> str:
        lines = [line.plain for line in Picture(screen, 0.0).lines(width, height)]
        assert max(map(len, lines)) <= width and len(lines) <= height
        [found] = [line for line in lines if line.startswith(label)]
        return found

    play(rack, 63.0)
    assert "– empty" in row("loop")
    assert "▶ song.wav" in row("song") and "−6.0" in row("song") and "1:03" in row("song")
    for action, seconds, wanted in (
        ("record", 2.0, ["● recording", "0:02.0"]),
        ("record", 1.0, ["▶ playing", "0:01.0 / 0:02.0"]),
        ("record", 0.5, ["● overdubbing", "0:01.5 / 0:02.0"]),
        ("undo", 0.5, ["▶ playing", "0:00.0 / 0:02.0"]),
        ("play", 0.5, ["■ stopped", "0:00.0 / 0:02.0"]),
        ("clear", 0.5, ["– empty"]),
    ):
        controls.apply(Loop(action))  # type: ignore[arg-type]
        play(rack, seconds)
        shown = row("loop").replace("/", " / ").replace("  /  ", " / ")  # a narrow one has no blanks there
        assert [part for part in wanted if part not in shown] == [], shown
        if width >= 60 and action in ("undo", "play"):
            assert "undone" in row("loop")
    keys = "\n".join(line.plain for line in Picture(screen, 0.0).lines(120, 40))
    assert all(key in keys for key in ("space record/overdub", "u undo", "a song"))


def test_the_screen_says_how_to_get_what_is_not_there() -> None:
    screen = make_screen(Rack([], RATE))
    for key, told in ((" ", "--looper"), ("a", "--play-along FILE")):
        screen.press(key)
        lines = [line.plain for line in Picture(screen, screen._noted_at + NOTE_S / 2).lines(80, 24)]
        assert any(told in line for line in lines)
    assert not any(line.startswith(("loop", "song")) for line in lines)


def test_a_loop_plays_on_through_scenes_rigs_and_resets(tmp_path: Path) -> None:
    flat, bright = Tone(), Tone(treble=6.0)
    first = Rig([flat], scenes=[Scene("a", [flat], (True,)), Scene("b", [bright], (True,))])
    set_list = SetList([Entry("one", lambda: first), Entry("two", lambda: Rig([Tone(bass=3.0)]))])
    soundfile.write(tmp_path / "song.wav", np.full((1000, 2), 0.1), 44_100)
    options = Options(VIRTUAL, VIRTUAL, looper=True, play_along=tmp_path / "song.wav", play_along_level_db=-3.0)
    session = Session(first, options, notice=print, set_list=set_list)
    looper, song = session.rack.looper, session.rack.play_along
    assert looper is not None and song is not None and song.level_db == -3.0
    polls, looks, seen = 0, 0, []
    waiting: list[tuple[Command, Callable[[], bool]]] = [
        (Loop("record"), lambda: looper.status().length_s > 0.3),
        (Loop("record"), lambda: looper.status().state == "playing"),
        (ChooseScene(1), lambda: session.playing.scene_index == 1),
        (StepRig(1), lambda: session.rig is not first),
        (Reset(), lambda: not session.controls.wants_reset),
        (Quit(), lambda: True),
    ]
    goes_on: Callable[[], bool] = lambda: True  # noqa: E731

    def look() -> Sequence[Command]:
        nonlocal looks, goes_on
        looks += 1
        if not waiting or not goes_on():
            return []
        seen.append(looper.status().length_s)
        command, goes_on = waiting.pop(0)
        return [command]

    def poll() -> Sequence[Command]:
        nonlocal polls
        polls += 1
        assert polls * POLL_S < 60
        return []

    summary = session.play(poll, on_look=look)
    assert summary.error is None and not waiting
    assert looks > 5 * (polls - 1)
    assert looper.status().state == "playing"
    assert set(seen[3:]) == {looper.status().length_s}


def test_a_looper_is_used_from_python() -> None:
    with fxhost.play("ts-overdrive", device="virtual", looper=True) as live:
        live.loop("record")
        deadline = time.monotonic() + 20
        while live.loop_status == LoopStatus("empty", 0.0, 0.0, False, False) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert live.loop_status is not None and live.loop_status.state == "recording"
        with pytest.raises(ValueError, match="record, play, undo, clear"):
            live.loop("stop")  # type: ignore[arg-type]
    with fxhost.play("ts-overdrive", device="virtual") as live:
        assert live.loop_status is None
        with pytest.raises(ValueError, match="looper=True"):
            live.loop("record")
