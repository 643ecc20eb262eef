"""A device that comes back at another sample rate: the rig, its loop and its recordings go on."""

import ctypes
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.arrays import Float32Array
from fxhost.engine.rack import Rack
from fxhost.errors import DeviceError
from fxhost.io.sources import convert_source
from fxhost.io.stream_options import Options
from fxhost.preset.archive import read_preset
from fxhost.rig.blend import Blend, Branch
from fxhost.rig.effect import Effect
from fxhost.rig.howl_guard import HowlGuard
from fxhost.rig.parts import Cabinet, Gate, Tone
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene
from fxhost.session import Session
from fxhost.stages.looper.stage import Looper
from tests.conftest import RATE
from tests.rig.test_take import play_again

MakePreset = Callable[..., Path]
SIZES = (64, 1, 509, 700, 17)


@pytest.fixture
def dry(guitar: Float32Array) -> Float32Array:
    return np.ascontiguousarray(0.3 * guitar[4 * RATE : 9 * RATE])


@pytest.fixture
def rig(make_preset: MakePreset, tmp_path: Path) -> Rig:
    response = np.random.default_rng(3).standard_normal(3000) * np.exp(-np.arange(3000) / 300)
    soundfile.write(tmp_path / "cab.wav", (0.2 * response).astype(np.float32), RATE, subtype="FLOAT")
    one, two = (Effect(read_preset(make_preset(1, size))) for size in (8, 20))
    parts = [
        Gate(threshold=-50),
        one,
        Blend([Branch([two]), Branch([one])]),
        Tone(bass=3),
        Cabinet(tmp_path / "cab.wav"),
    ]
    on = (True,) * len(parts)
    return Rig(
        parts,
        scenes=[Scene("clean", parts, on), Scene("lead", parts, (True, True, False, True, True), 2.0, -3.0)],
    )


def make_session(rig: Rig, dry: Float32Array, folder: Path, **options: object) -> tuple[Session, list[str]]:
    """A session on the virtual device, which nobody has started, fed from a file."""
    notices: list[str] = []
    soundfile.write(folder / "dry.wav", dry, RATE, subtype="FLOAT")
    chosen = Options("virtual", "virtual", input_file=folder / "dry.wav", **options)  # type: ignore[arg-type]
    session = Session(rig, chosen, notices.append)
    session.recordings.open([])
    return session, notices


def play(rack: Rack, frames: int, sizes: Sequence[int] = SIZES) -> Float32Array:
    """What comes out of a rack with a source."""
    out, at, turn = np.full(frames, np.nan, np.float32), 0, 0
    while at < frames:
        end = min(frames, at + sizes[turn % len(sizes)])
        rack.process(np.zeros(end - at, np.float32), out[at:end])
        at, turn = end, turn + 1
    return out


def come_back(session: Session, rate: int) -> None:
    """What a stream does that is opened again at another rate."""
    session._follow_rate(rate)
    session.rack.connect(in_channels=0, in_channel=0, out_channels=1)


@pytest.mark.parametrize("rate", [44_100, 88_200, 96_000, 22_050])
def test_after_the_change_it_plays_what_a_fresh_rack_plays_at_that_rate(
    rate: int, rig: Rig, dry: Float32Array, tmp_path: Path
) -> None:
    session, _ = make_session(rig, dry, tmp_path)
    play(session.rack, RATE)
    session.playing.choose_scene(1)
    session.playing.follow(False)
    play(session.rack, 200)  # in the middle of the crossfade
    assert session.rack.is_crossfading
    come_back(session, rate)
    assert (session.sample_rate, session.playing.scene_index, session.rack.is_crossfading) == (rate, 1, False)

    scene = rig.scenes[1]
    rest = convert_source([dry], RATE, rate)[round((RATE + 200) * rate / RATE) :]
    on = [slot for slot, is_on in zip(rig.slots_at(rate, scene), scene.is_on, strict=True) if is_on]
    fresh = Rack(rig.chain_of(on), rate, input_gain_db=2.0, output_gain_db=-3.0, source=rest)
    fresh.connect(in_channels=0, in_channel=0, out_channels=1)
    assert np.array_equal(play(session.rack, len(rest)), play(fresh, len(rest), (4096,)))
    assert session.rack.has_finished


def test_knobs_levels_switches_and_counters_stay(rig: Rig, dry: Float32Array, tmp_path: Path) -> None:
    session, _ = make_session(rig, dry, tmp_path)
    rack, knobs = session.rack, session.knobs
    play(rack, RATE)
    bass = knobs.names.index("bass")
    knobs.set(bass, -6.0)
    rack.input_gain_db, rack.output_gain_db = 4.0, -20.0  # neither of them has reached the audio thread yet
    rack.is_bypassed = rack.is_muted = True
    is_on = session.playing.sound.is_on
    is_on[4] = False
    come_back(session, 44_100)
    assert session.knobs is knobs and session.playing.sound.is_on is is_on
    n, k = knobs.places[bass]
    assert knobs.values[n][k] == -6.0
    address = session.playing.change.chain.turned[3][0].parameter_address(k)
    assert address is not None and ctypes.c_float.from_address(address).value == -6.0
    assert session.playing.change.is_on == (True, True, True, True, False)
    assert not session.playing.follow(False)  # it is in the chain already
    assert (rack.input_gain_db, rack.output_gain_db, rack.is_bypassed, rack.is_muted) == (4.0, -20.0, True, True)
    assert np.abs(play(rack, 2000)).max() == 0.0
    rack.is_muted = False
    out = play(rack, 44_100)[22_050:]
    rest = convert_source([dry], RATE, 44_100)[44_100 + 2000 :][22_050:44_100]
    assert np.abs(out - 10 ** (-16 / 20) * rest).max() < 1e-6  # the bypass is that of both gains
    statistics = rack.statistics()
    assert statistics.frames == RATE + 2000 + 44_100
    assert statistics.audio_s == pytest.approx(1.0 + 46_100 / 44_100)


def test_a_rate_that_cannot_be_played_leaves_everything_as_it_was(
    make_preset: MakePreset, dry: Float32Array, tmp_path: Path
) -> None:
    rig = Rig([Effect(read_preset(make_preset(1, 8)))], engine="torchscript")
    session, notices = make_session(rig, dry, tmp_path)
    chain = session.playing.change.chain
    for _ in range(3):  # looked for again and again, told once
        with pytest.raises(DeviceError, match="plays a preset at its own rate only"):
            come_back(session, 44_100)
    assert len(notices) == 1
    assert notices[0].startswith("the device is back at 44100 Hz, where the rig cannot play: the TorchScript engine")
    assert (session.sample_rate, session.rack.sample_rate) == (RATE, RATE)
    assert session.playing.change.chain is chain


def test_a_rig_that_is_loaded_meanwhile_gets_the_new_rate(
    rig: Rig, make_preset: MakePreset, dry: Float32Array, tmp_path: Path
) -> None:
    session, notices = make_session(rig, dry, tmp_path)
    other = Rig([Effect(read_preset(make_preset(1, 24)))])
    session.playing.load(lambda: other, "other")
    deadline = time.monotonic() + 20
    while session.playing._loaded is None and time.monotonic() < deadline:
        time.sleep(0.01)
    come_back(session, 44_100)
    while session.rig is not other and time.monotonic() < deadline:
        session.playing.follow(False)
        play(session.rack, 64)
        time.sleep(0.001)
    assert session.rig is other and notices == []
    assert [slot.sample_rate for slot in session.slots] == [44_100]


def test_recordings_end_whole_and_go_on_in_other_files(rig: Rig, dry: Float32Array, tmp_path: Path) -> None:
    out, take = tmp_path / "out.wav", tmp_path / "gig.wav"
    session, notices = make_session(rig, dry, tmp_path, output_file=out, record_file=take)
    heard = []
    for rate in (RATE, 44_100, RATE):
        if rate != session.sample_rate:
            come_back(session, rate)
        for _ in range(20):
            heard.append(play(session.rack, rate // 20))
            session.recordings.poll()
            session.playing.follow(False)
    session.recordings.close()
    for n, (name, rate) in enumerate([("out.wav", RATE), ("out-2.wav", 44_100), ("out-3.wav", RATE)]):
        written, written_rate = soundfile.read(tmp_path / name, dtype="float32")
        assert written_rate == rate
        assert np.array_equal(written, np.concatenate(heard[20 * n : 20 * n + 20]))
    for name in ("gig.wav", "gig-2.wav", "gig-3.wav"):
        wet, again, exact_from = play_again(tmp_path / name)
        assert exact_from < len(wet)
        assert np.array_equal(wet[exact_from:], again[exact_from:])
    assert [notice for notice in notices if "goes on" in notice] == [
        f"the {what} goes on in {tmp_path / stem}-{n}.wav" for n in (2, 3) for what, stem in (("recording", "out"), ("take", "gig"))
    ]  # fmt: skip


def sine(frames: int, rate: int, hz: float = 441.0) -> Float32Array:
    return (0.2 * np.sin(2 * np.pi * hz * np.arange(frames) / rate)).astype(np.float32)


def feed(rack: Rack, audio: Float32Array) -> Float32Array:
    out = np.full_like(audio, np.nan)
    for at in range(0, len(audio), 64):
        rack.process(audio[at : at + 64], out[at : at + 64])
    return out


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_a_loop_plays_on_at_its_place_with_its_overdub(rate: int) -> None:
    looper = Looper(RATE, 1, 3.0)
    rack = Rack([], RATE, looper=looper)
    feed(rack, sine(RATE, RATE))
    silence = np.zeros(2 * rate, np.float32)
    for audio in (sine(RATE, RATE), silence[:RATE], sine(RATE, RATE, 882.0)):  # a loop of a second, and an overdub
        looper.give("record")
        feed(rack, audio)
    looper.give("record")
    feed(rack, silence[: RATE // 2])  # it stands in the middle
    before = looper.status()
    rack.change_rate(rate, [])
    rack.connect(in_channels=1, in_channel=0, out_channels=1)
    assert looper.status() == before
    inner = slice(rate // 190, -rate // 190)  # but for the seams of 5 ms
    both = sine(rate, rate) + sine(rate, rate, 882.0)
    assert np.abs(feed(rack, silence)[rate // 2 : -rate // 2] - both)[inner].max() < 1e-3
    looper.give("undo")
    feed(rack, silence)
    assert np.abs(feed(rack, silence)[rate // 2 : -rate // 2] - sine(rate, rate))[inner].max() < 1e-3


def test_a_loop_that_is_being_recorded_goes_on() -> None:
    looper = Looper(RATE, 2, 3.0)
    rack = Rack([], RATE, looper=looper, channels=2)
    rack.connect(in_channels=1, in_channel=0, out_channels=1)
    looper.give("record")
    feed(rack, sine(RATE, RATE))
    rack.change_rate(44_100, [])
    rack.connect(in_channels=1, in_channel=0, out_channels=1)
    feed(rack, sine(44_100, 44_100))
    assert looper.status().state == "recording"
    looper.give("record")
    out = feed(rack, np.zeros(4 * 44_100, np.float32))[2 * 44_100 :]
    assert looper.status().length_s == pytest.approx(2.0)
    inner = np.r_[300:43_800, 44_400:87_900]
    assert np.abs(out[inner] - sine(2 * 44_100, 44_100)[inner]).max() < 2e-3


def test_the_howl_guard_lets_go_at_another_rate(dry: Float32Array) -> None:
    notices: list[str] = []
    rack = Rack([], RATE)
    guard = HowlGuard(rack, notices.append)
    howl = (np.geomspace(0.01, 0.9, 2 * RATE) * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)).astype(
        np.float32
    )
    for at in range(0, len(howl), 2400):
        feed(rack, howl[at : at + 2400])
        guard.look(0.0)
    assert rack.is_cut and len(notices) == 1
    rack.change_rate(96_000, [])
    for at in range(0, len(dry), 4800):
        feed(rack, dry[at : at + 4800])
        guard.look(0.0)
    assert not rack.is_cut and len(notices) == 1
