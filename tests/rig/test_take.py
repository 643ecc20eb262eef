"""Takes: what was recorded can be played again to the bit, whatever was done meanwhile."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.cli import main
from fxhost.control.commands import (
    Command,
    Controls,
    Loop,
    Reset,
    SetGain,
    SetKnob,
    ToggleBypass,
    ToggleMute,
    ToggleSlot,
    ToggleTake,
)
from fxhost.engine.rack import Rack
from fxhost.errors import FileError
from fxhost.io.recorder import Recorder
from fxhost.io.sound_writing import writing
from fxhost.io.stream_options import Options
from fxhost.preset.archive import read_preset
from fxhost.rig.blend import Blend, Branch
from fxhost.rig.effect import Effect
from fxhost.rig.parts import Cabinet, Gate, Tone, Volume
from fxhost.rig.playing import Playing
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene
from fxhost.rig.take import TakeRecording
from fxhost.session import Session
from fxhost.stages.looper.stage import Looper
from tests.conftest import RATE

MakePreset = Callable[..., Path]


class Stage:
    """A rig that is fed by hand in blocks of odd sizes, while it is played with at random."""

    def __init__(self, rig: Rig, audio: Float32Array, seed: int, *, loops: bool = False) -> None:
        self.random = np.random.default_rng(seed)
        self.inputs = audio.shape[1]
        self.notices: list[str] = []
        self.playing = Playing(rig, RATE, self.notices.append, self.inputs)
        scene = self.playing.sound.scene
        self.rack = Rack(
            self.playing.first_chain(),
            RATE,
            input_gain_db=scene.input_gain_db,
            output_gain_db=scene.output_gain_db,
            inputs=self.inputs,
            channels=self.playing.channels,
            looper=Looper(RATE, max(self.inputs, self.playing.channels)) if loops else None,
        )
        self.playing.start(self.rack)
        self.controls = Controls(self.rack, self.playing.sound.knobs, len(rig))
        self.recorder = Recorder(self.rack.tape, self.notices.append)
        self.audio, self.at, self.take = audio, 0, None

    def follow(self) -> None:
        playing = self.playing
        self.controls.follow(playing.sound.knobs, playing.sound.is_on, playing.scene_index, len(playing.sounds))

    def begin(self, path: Path, subtype: str | None = None) -> None:
        self.take = TakeRecording(path, self.rack, self.playing, self.recorder, subtype=subtype)

    def end(self) -> None:
        self.take.close()
        self.recorder.close()

    def play(self, polls: int, act: Callable[["Stage"], None] = lambda stage: None) -> None:
        for _ in range(polls):
            for frames in self.random.integers(1, 700, 3):
                block = self.audio[np.arange(self.at, self.at + frames) % len(self.audio)]
                self.rack.process(np.ascontiguousarray(block), np.zeros((frames, self.rack.channels), np.float32))
                self.at += frames
            self.rack.check()
            if self.take is not None:
                self.take.poll()
            act(self)
            before = self.playing.sound
            if self.playing.follow(self.controls.wants_reset):
                self.controls.wants_reset = False
            if self.playing.sound is not before:
                self.follow()


def fiddle(stage: Stage) -> None:
    """Do something now and then, as a player would."""
    random, slots = stage.random, len(stage.playing.sound.slots)
    if random.random() > 0.4:
        return
    slot = int(random.integers(slots))
    knobs = max(1, len(stage.playing.sound.slots[slot].parameters))
    commands: list[Command] = [
        ToggleSlot(slot),
        *(SetKnob(slot, int(random.integers(knobs)), float(random.random())) for _ in range(3)),
        SetGain("input", float(random.uniform(-12, 12))),
        SetGain("output", float(random.uniform(-12, 12))),
        ToggleBypass(),
        ToggleMute(),
        Reset(),
    ]
    stage.controls.apply(commands[int(random.integers(len(commands)))])
    if random.random() < 0.3:
        stage.playing.choose_scene(int(random.integers(stage.playing.scenes)))
    if random.random() < 0.05:  # a device that comes back
        stage.rack.connect(in_channels=stage.inputs, in_channel=0, out_channels=stage.rack.channels,
                           right_in_channel=stage.inputs - 1)  # fmt: skip


def fiddle_with_loops(stage: Stage) -> None:
    """The same, and use the looper."""
    fiddle(stage)
    if stage.random.random() < 0.3:
        action = str(stage.random.choice(["record", "play", "undo", "clear"], p=[0.6, 0.1, 0.25, 0.05]))
        stage.controls.apply(Loop(action))  # type: ignore[arg-type]
        stage.controls.apply(SetGain("loop", float(stage.random.uniform(-12, 0))))


@pytest.fixture
def dry(guitar: Float32Array) -> Float32Array:
    return np.stack([guitar, np.roll(guitar, 4321)], axis=1)


def make_response(folder: Path, channels: int) -> Path:
    random = np.random.default_rng(5)
    taps = random.normal(size=(6000, channels)) * np.exp(-np.arange(6000) / 900)[:, None]
    soundfile.write(folder / f"cab{channels}.wav", taps.astype(np.float32), RATE, "FLOAT")
    return folder / f"cab{channels}.wav"


def make_rig(make_preset: MakePreset, folder: Path, sides: int) -> Rig:
    one, two = (Effect(read_preset(make_preset(1, size))) for size in (8, 12))
    knobbed = Effect(read_preset(make_preset(1, 9, 3)))
    gate, tone, cabinet = Gate(threshold=-50.3), Tone(bass=1 / 3), Cabinet(make_response(folder, sides))
    return Rig(
        [gate, one, knobbed, tone, cabinet],
        ids=["gate", "a pre", "amp", "tone", "cab"],
        scenes=[
            Scene("first", [gate, one, knobbed, tone, cabinet], (True,) * 5),
            Scene(
                'the "second"', [gate, two, knobbed, Tone(treble=-7.7), cabinet], (True, True, False, True, True), 3.1
            ),
            Scene("third", [gate, one, knobbed, Tone(mid=2.0), cabinet], (True, True, True, True, False), -2.0, 5.5),
        ],
    )


def play_again(path: Path) -> tuple[Float32Array, Float32Array, int]:
    """The output as it was recorded and as it was played again, and from which frame on they are equal."""
    take = path.with_suffix(".take")
    again = path.with_name("again.wav")
    assert main(["render", str(take), str(again), "--force"]) == 0
    wet, _ = soundfile.read(path, dtype="float32", always_2d=True)
    replayed, _ = soundfile.read(again, dtype="float32", always_2d=True)
    return wet, replayed, json.loads(take.read_text())["exact_from"]


@pytest.mark.parametrize(("inputs", "sides"), [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_take_is_played_again_to_the_bit(
    seed: int, is_late: bool, inputs: int, sides: int, dry: Float32Array, make_preset: MakePreset, tmp_path: Path
) -> None:
    rig = make_rig(make_preset, tmp_path, sides)
    stage = Stage(rig, 0.5 * dry[:, :inputs], seed)
    if is_late:
        stage.play(60, fiddle)
    stage.begin(tmp_path / "gig.wav")
    stage.play(150, fiddle)
    stage.end()
    assert not stage.notices
    wet, again, exact_from = play_again(tmp_path / "gig.wav")
    assert wet.shape == again.shape
    assert exact_from == 0 if not is_late else RATE // 100 < exact_from < 1.5 * RATE
    differing = np.flatnonzero(np.any(wet[exact_from:] != again[exact_from:], axis=1))
    assert not len(differing), f"the first of {len(differing)} at {differing[0]}, exact from {exact_from}"
    assert np.abs(wet[exact_from:]).max() > 0.05
    kinds = {event[0] for event in json.loads((tmp_path / "gig.take").read_text())["events"]}
    assert {"chain", "knob", "level"} <= kinds


@pytest.mark.parametrize(
    ("name", "subtype", "told"),
    [
        ("gig.wav", None, "equal to gig.wav to the bit"),
        ("gig.wav", "PCM_16", "equal to gig.wav but for its rounding to 16 bits"),
        ("gig.flac", None, "equal to gig.flac but for its rounding to 24 bits"),
        ("gig.flac", "PCM_16", "equal to gig.flac but for its rounding to 16 bits"),
    ],
)
def test_bits_round_the_output_of_a_take_and_never_its_input(
    name: str, subtype: str | None, told: str, dry: Float32Array, make_preset: MakePreset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    converted = (np.rint(0.9 * dry[:, :1] / np.abs(dry).max() * 2**23) / 2**23).astype(np.float32)  # 24 bits, loud
    stage = Stage(Rig([Effect(read_preset(make_preset(1, 8)))]), converted, 3)
    stage.begin(tmp_path / name, subtype)
    stage.play(20)
    stage.end()
    kept, _ = soundfile.read(tmp_path / f"gig.dry{Path(name).suffix}", dtype="float32", always_2d=True)
    assert np.array_equal(kept, converted[: len(kept)])
    again = tmp_path / "again.wav"
    assert main(["render", str(tmp_path / "gig.take"), str(again)]) == 0
    assert capsys.readouterr().out.endswith(f" Hz; {told}\n")
    soundfile.write(tmp_path / f"gig.dry{Path(name).suffix}", 0.9 * kept, RATE)
    assert main(["render", str(tmp_path / "gig.take"), str(again), "--force"]) == 0
    assert f" off from {name} by up to −" in capsys.readouterr().out
    (tmp_path / name).unlink()
    assert main(["render", str(tmp_path / "gig.take"), str(again), "--force"]) == 0
    assert f"not compared with {name}" in capsys.readouterr().out


@pytest.mark.parametrize(("inputs", "sides", "seed"), [(1, 1, 0), (1, 2, 1), (2, 1, 2)])
def test_a_take_with_loops_is_played_again_to_the_bit(
    inputs: int, sides: int, seed: int, dry: Float32Array, make_preset: MakePreset, tmp_path: Path
) -> None:
    stage = Stage(make_rig(make_preset, tmp_path, sides), 0.2 * dry[:, :inputs], seed, loops=True)
    stage.begin(tmp_path / "gig.wav")
    stage.play(200, fiddle_with_loops)
    stage.end()
    wet, again, exact_from = play_again(tmp_path / "gig.wav")
    assert np.array_equal(wet, again) and exact_from == 0
    events = json.loads((tmp_path / "gig.take").read_text())["events"]
    assert {event[2] for event in events if event[0] == "loop"} >= {"record", "undo"}
    assert any(event[0] == "level" and event[2] == "loop" for event in events)


@pytest.mark.parametrize(
    ("before", "meanwhile", "is_refused"),
    [
        ("", "record", True),  # what is recorded before the fresh chain is heard
        ("record record", "", True),
        ("record record clear", "", False),
        ("record record clear", "undo", True),
        ("", "", False),
    ],
)
def test_a_take_with_an_older_loop_says_that_it_cannot_be_played_again(
    before: str, meanwhile: str, is_refused: bool, dry: Float32Array, make_preset: MakePreset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    stage = Stage(Rig([make_preset(1, 8)]), dry[:, :1], 0, loops=True)
    stage.play(3)
    for action in before.split():
        stage.controls.apply(Loop(action))  # type: ignore[arg-type]
        stage.play(12)
    stage.begin(tmp_path / "gig.wav")
    stage.play(2)
    for action in meanwhile.split():
        stage.controls.apply(Loop(action))  # type: ignore[arg-type]
    stage.play(100)
    for action in ("clear", "record", "record"):
        stage.controls.apply(Loop(action))  # type: ignore[arg-type]
        stage.play(12)
    stage.end()
    if is_refused:
        assert main(["render", str(tmp_path / "gig.take"), str(tmp_path / "again.wav")]) == 1
        assert "render its gig.dry.wav" in capsys.readouterr().err
    else:
        wet, again, exact_from = play_again(tmp_path / "gig.wav")
        assert np.array_equal(wet[exact_from:], again[exact_from:])


@pytest.mark.parametrize("inputs", [1, 2])
def test_a_take_of_blends_mixes_and_volumes_is_played_again_to_the_bit(
    inputs: int, dry: Float32Array, make_preset: MakePreset, tmp_path: Path
) -> None:
    one, two = (Effect(read_preset(make_preset(1, size))) for size in (8, 12))
    mixed = Effect(read_preset(make_preset(1, 9, 3)), mix=1 / 3)
    clean = Branch([one, Tone(bass=2.7)], level=-3.3, pan=-0.3, id="clean")
    blend = Blend([clean, Branch([mixed, Volume()], delay_ms=1.7)], mix=0.8)
    other = Blend([Branch([two], solo=True), Branch()], stereo=True, mix=1.0).set_to({"level1": -1.1})
    volume = Volume(level=-1 / 7)
    turned = blend.set_to({"clean.level": -9.1, "2.volume.level": 2.2, "mute2": 1.0, "mix": 0.1})
    rig = Rig(
        [mixed, blend, volume],
        ids=["amp", "both amps", "boost"],
        scenes=[
            Scene("first", [mixed, blend, volume], (True,) * 3),
            Scene("turned", [mixed.set_to({"mix": 0.9}), turned, Volume(mute=True)], (True,) * 3),
            Scene("other", [Effect(one.preset, mix=1.0), other, volume], (True, True, False)),
        ],
    )
    stage = Stage(rig, 0.3 * dry[:, :inputs], 7)
    stage.begin(tmp_path / "gig.wav")
    stage.play(200, fiddle)
    stage.end()
    wet, again, exact_from = play_again(tmp_path / "gig.wav")
    assert exact_from == 0
    differing = np.flatnonzero(np.any(wet != again, axis=1))
    assert not len(differing), f"the first of {len(differing)} at {differing[0]}"
    scenes = {event[3] for event in json.loads((tmp_path / "gig.take").read_text())["events"] if event[0] == "chain"}
    assert scenes == {0, 1, 2} and np.abs(wet).max() > 0.05


def test_a_take_of_a_set_list_keeps_every_rig(dry: Float32Array, make_preset: MakePreset, tmp_path: Path) -> None:
    rigs = [Rig([make_preset(1, size)]) for size in (8, 12, 9)]
    stage = Stage(rigs[0], dry[:, :1], 3)
    stage.begin(tmp_path / "gig.wav")
    for rig in (rigs[1], rigs[2], rigs[1]):
        stage.play(10)
        stage.playing.load(lambda rig=rig: rig, "next")
        deadline = time.monotonic() + 30
        while stage.playing.rig is not rig and time.monotonic() < deadline:
            stage.play(1)
    stage.play(20)
    stage.end()
    wet, again, _ = play_again(tmp_path / "gig.wav")
    assert np.array_equal(wet, again)
    assert [(tmp_path / f"gig.rig{n}.toml").exists() for n in ("", 2, 3, 4)] == [True, True, True, False]


def test_a_session_records_takes_at_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    notices: list[str] = []
    options = Options("virtual", "virtual", duration_s=3.0, output_file=tmp_path / "all.wav")
    session = Session(Rig(["ts-overdrive"]), options, notices.append)
    due = [0.3, 1.6, 1.8]  # seconds at which a take is begun, ended, begun

    def act() -> list[Command]:
        played_s = session.rack.frames / RATE
        if due and played_s > due[0]:
            return [ToggleTake()] * (due.pop(0) > 0)
        return [SetGain("output", -float(int(20 * played_s) % 7))]

    assert session.play(act).error is None
    takes = sorted(tmp_path.glob("take-*.take"))
    assert len(takes) == 2
    assert sum("plays it again" in notice for notice in notices) == 2
    whole, _ = soundfile.read(tmp_path / "all.wav", dtype="float32")
    assert 2 * RATE < len(whole) <= 3 * RATE  # a virtual device that is held up skips blocks
    for take in takes:
        wet, again, exact_from = play_again(take.with_suffix(".wav"))
        assert exact_from < len(wet)
        assert np.array_equal(wet[exact_from:], again[exact_from:])
        start = np.flatnonzero(np.lib.stride_tricks.sliding_window_view(whole, 64)[:, 0] == wet[0, 0])
        length = min(20_000, len(wet))
        assert any(np.array_equal(whole[at : at + length], wet[:length, 0]) for at in start)  # the take is a part


def test_a_damaged_take_is_refused_in_a_line(
    dry: Float32Array, make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(Rig([make_preset(1, 8)]), dry[:, :1], 0)
    stage.begin(tmp_path / "gig.wav")
    stage.play(10)
    stage.end()
    take = tmp_path / "gig.take"
    good = json.loads(take.read_text())
    wrong = [
        "not JSON",
        json.dumps([]),
        json.dumps({}),
        json.dumps(good | {"fxhost_take": 2}),
        json.dumps(good | {"inputs": 7}),
        json.dumps(good | {"frames": 12.5}),
        json.dumps(good | {"frames": good["frames"] + 1}),
        json.dumps(good | {"events": [["knob", 5, 9, 0, 0, 0, 0.5]]}),
        json.dumps(good | {"events": [["nonsense", 5]]}),
        json.dumps(good | {"events": [["loop", 5, "record"]]}),
        json.dumps(good | {"levels": good["levels"] | {"loop": 1.0}, "events": [["loop", 5, "stop"]]}),
        json.dumps(good | {"has_old_loop": True}),
        json.dumps(good | {"events": [["level", 5, "volume", 1.0]]}),
        json.dumps(good | {"events": [["level", 9, "bypass", 1.0], ["level", 5, "bypass", 1.0]]}),
        json.dumps(good | {"events": [["chain", 5, 3, 0, [True], [[]], []]]}),
        json.dumps(good | {"events": [["chain", 5, 0, 0, [True, False], [[]], []]]}),
        json.dumps(good | {"rigs": ["none.toml"]}),
        json.dumps(good | {"rigs": []}),
        json.dumps(good | {"dry": "none.wav"}),
        json.dumps(good | {"lost_frames": 4}),
        json.dumps(good | {"state": good["state"] | {"words": [1]}}),
        json.dumps(good | {"levels": {}}),
        json.dumps(good | {"levels": good["levels"] | {"bypass": "loud"}}),
        json.dumps(good | {"events": [["chain", 500, 0, 0, [True], [[]], [[0, 10**12]]]]}),
        json.dumps(good | {"events": [["level", 5, "bypass", None]]}),
    ]
    for text in wrong:
        take.write_text(text)
        assert main(["render", str(take), str(tmp_path / "again.wav")]) == 1, text
        assert capsys.readouterr().err.count("\n") == 1, text
        assert not (tmp_path / "again.wav").exists()


def test_a_take_overwrites_nothing(dry: Float32Array, make_preset: MakePreset, tmp_path: Path) -> None:
    (tmp_path / "gig.dry.wav").write_bytes(b"precious")
    stage = Stage(Rig([make_preset(1, 8)]), dry[:, :1], 0)
    with pytest.raises(FileError, match=r"gig\.dry\.wav exists already"):
        stage.begin(tmp_path / "gig.wav")
    assert (tmp_path / "gig.dry.wav").read_bytes() == b"precious"


def test_a_take_in_a_lossy_format_is_refused(dry: Float32Array, make_preset: MakePreset, tmp_path: Path) -> None:
    stage = Stage(Rig([make_preset(1, 8)]), dry[:, :1], 0)
    with pytest.raises(FileError, match=r"end its name in \.wav"):
        stage.begin(tmp_path / "gig.mp3")


def test_a_live_wav_file_is_plain_wav_and_may_grow(tmp_path: Path) -> None:
    with writing(tmp_path / "gig.wav", RATE, overwrite=False, channels=2, is_live=True) as writer:
        writer.write(np.ones((1000, 2), np.float32))
    data = (tmp_path / "gig.wav").read_bytes()
    assert data[:4] == b"RIFF"
    assert data[12:16] == b"JUNK"  # has room for the sizes of RF64
    assert np.array_equal(soundfile.read(tmp_path / "gig.wav")[0], np.ones((1000, 2)))
