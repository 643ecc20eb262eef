"""Blends, mixes and volume controls in a rig: what they sum up to, how they are turned, and in rig files."""

import json
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fxhost
from fxhost.arrays import Float32Array, Float64Array
from fxhost.cli.screen_meters import draw_slider
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.engine.rate_accuracy import limit_band
from fxhost.errors import RigError
from fxhost.preset.archive import read_preset
from fxhost.riff import synthesise_riff
from fxhost.rig.blend_slot import BlendSlot, choose_delays
from fxhost.rig.build import build_chain
from fxhost.rig.effect import Effect
from fxhost.rig.file import check_rig_file, load_rig
from fxhost.rig.impulse_response import delay_response
from fxhost.rig.playing import Playing
from fxhost.rig.rig import Rig
from fxhost.stages.gain import Gain
from tests.conftest import RATE, SHARED, assert_one_line, call_fxhost

MakePreset = Callable[..., Path]
AFTER = RATE // 20  # the fade-in of the rack is over


@pytest.fixture
def audio(guitar: Float32Array) -> Float32Array:
    """A second of it, from where it plays."""
    return 0.3 * guitar[4 * RATE : 5 * RATE]


def in_db(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def only(part: object, audio: Float32Array, rate: int = RATE) -> Float64Array:
    """What a part alone makes of audio."""
    return fxhost.Rig([part])(audio, rate).astype(np.float64)  # type: ignore[list-item]


def blend_slot(blend: fxhost.Blend, rate: int = RATE) -> BlendSlot:
    return blend.slot_at(rate)


def write_cabinet(path: Path, delay: float, polarity: int = 1) -> Path:
    """A response without the highest frequencies, later by some frames."""
    rng = np.random.default_rng(3)
    taps = np.convolve(0.3 * rng.standard_normal(300) * 0.97 ** np.arange(300), np.hanning(24))
    response = delay_response(np.pad(taps, (40, 0))[None], delay)[0]
    soundfile.write(path, polarity * response.astype(np.float32), RATE, subtype="FLOAT")
    return path


# --- what it sums up to ----------------------------------------------------------------------------------------------


def test_a_blend_is_the_sum_of_its_branches_times_their_levels(make_preset: MakePreset, audio: Float32Array) -> None:
    first, second = make_preset(1, 8), make_preset(1, 20)
    blend = fxhost.Blend(
        [
            fxhost.Branch([first], level=-3.0),
            fxhost.Branch([second, fxhost.Tone(bass=3.0)], level=2.0, polarity=-1),
            fxhost.Branch(level=-10.0),
        ],
        aligns=False,
    )
    toned = fxhost.Rig([second, fxhost.Tone(bass=3.0)])(audio, RATE).astype(np.float64)
    wanted = in_db(-3.0) * only(first, audio) - in_db(2.0) * toned + in_db(-10.0) * audio
    assert np.abs(only(blend, audio) - wanted)[AFTER:].max() < 2e-6


def test_two_equal_branches_add_up_to_6_db_and_one_turned_over_is_silent(
    make_preset: MakePreset, audio: Float32Array
) -> None:
    one, rig = make_preset(1, 8), [fxhost.Volume(level=-20.0)]
    alone = fxhost.Rig([one, *rig])(audio, RATE)
    for aligns in (True, False):
        doubled = fxhost.Rig([fxhost.Blend([one, one], aligns=aligns), *rig])(audio, RATE)
        assert np.array_equal(doubled, 2 * alone)
        branches = [one, fxhost.Branch([one], polarity=-1)]
        assert not fxhost.Rig([fxhost.Blend(branches, aligns=aligns)])(audio, RATE)[AFTER:].any()


@pytest.mark.parametrize("delay", [0.0, 0.4, 3.25, 17.0, 91.77])
@pytest.mark.parametrize("polarity", [1, -1])
def test_branches_are_aligned_to_a_fraction_of_a_frame(
    delay: float, polarity: int, make_preset: MakePreset, audio: Float32Array, tmp_path: Path
) -> None:
    preset = make_preset(1, 8)
    cabinets = [
        fxhost.Cabinet(write_cabinet(tmp_path / f"{n}.wav", late, sign))
        for n, (late, sign) in enumerate([(0.0, 1), (delay, polarity)])
    ]
    for order in (1, -1):
        blend = fxhost.Blend([[preset, cabinet] for cabinet in cabinets[::order]])
        slot = blend_slot(blend)
        held, latency = slot.held_frames
        assert order * (held[0] - held[1]) == pytest.approx(delay, abs=0.02)
        assert [lane.polarity for lane in slot.lanes] == [1, polarity]
        assert latency == pytest.approx(max(held[0], 0.0)) and min(held) <= 8
        summed, alone = only(blend, audio), fxhost.Rig([preset, cabinets[::order][0]])(audio, RATE)
        size = 1 << 17
        turn = np.exp(-2j * np.pi * held[0] * np.arange(size // 2 + 1) / size)
        wanted = 2 * np.fft.irfft(np.fft.rfft(alone, size) * turn, size)[: len(alone)]
        body = slice(AFTER + 200, None)
        error = np.sum((summed - wanted)[body] ** 2) / np.sum(wanted[body] ** 2)
        assert error < 1e-4


def test_what_is_measured_is_kept_and_the_levels_make_no_difference(
    make_preset: MakePreset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset, cabinet = make_preset(1, 8), fxhost.Cabinet(write_cabinet(tmp_path / "late.wav", 5.5))
    lags = [lane.lag for lane in blend_slot(fxhost.Blend([preset, [preset, cabinet]])).lanes]
    monkeypatch.setattr("fxhost.rig.blend_slot.play_slots", lambda *arguments: pytest.fail("measured again"))
    louder = fxhost.Blend([fxhost.Branch([preset], level=6.0, mute=True), [preset, cabinet]])
    assert [lane.lag for lane in blend_slot(louder).lanes] == lags


def test_branches_that_are_unlike_are_taken_for_as_late_as_their_latency_says(make_preset: MakePreset) -> None:
    preset = make_preset(1, 8)
    slot = blend_slot(fxhost.Blend([preset, [preset, fxhost.Volume(mute=True)]]))
    assert slot.lanes[1].lag.frames == 0.0 and slot.held_frames == ([0.0, 0.0], 0.0)
    assert slot.notes[0].endswith(": branch 1 0.00 ms; branch 2 0.00 ms, unlike the first")


def test_a_branch_without_latency_waits_for_one_that_is_resampled(make_preset: MakePreset, audio: Float32Array) -> None:
    preset = make_preset(1, 8)
    blend = fxhost.Blend([[preset], []], aligns=False)
    rig, alone = (fxhost.Rig([part], oversample=2) for part in (blend, preset))
    late = round(alone.latency(RATE) * RATE)
    assert late > 30 and rig.latency(RATE) == alone.latency(RATE)
    assert fxhost.Rig([fxhost.Blend([[], [preset]], aligns=False)], oversample=2).latency(RATE) == alone.latency(RATE)
    wanted = alone(audio, RATE).astype(np.float64) + np.pad(audio, (late, 0))[: len(audio)]
    assert np.abs(rig(audio, RATE) - wanted)[AFTER + late :].max() < 1e-6


def test_the_latency_of_a_resampled_branch_is_found_by_measurement_too() -> None:
    audio = limit_band(0.5 * synthesise_riff(RATE)[:RATE], RATE, 15_000.0).astype(np.float32)
    rig = fxhost.Rig([fxhost.Blend(["identity", []])], oversample=2)
    [slot] = rig.slots_at(RATE)
    assert isinstance(slot, BlendSlot)
    late = slot.lanes[0].latency_frames
    assert late > 30 and slot.held_frames == ([0.0, late], late)
    wanted = 2 * np.pad(audio, (int(late), 0))[:RATE]
    assert np.abs(rig(audio, RATE) - wanted)[AFTER + int(late) :].max() < 1e-3


@pytest.mark.parametrize(
    ("arrivals", "delays", "held", "latency"),
    [
        ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], 0.0),
        ([0.0, 10.0], [0.0, 0.0], [10.0, 0.0], 10.0),
        ([0.0, 3.25], [0.0, 0.0], [7.25, 4.0], 7.25),
        ([0.0, -3.25], [0.0, 0.0], [4.0, 7.25], 4.0),
        ([0.0, 30.5], [0.0, 0.0], [30.5, 0.0], 30.5),
        ([64.0, 0.0], [0.0, 48.0], [0.0, 112.0], 64.0),
        ([0.0, 0.0004], [0.0, 0.0], [0.0, 0.0], 0.0),
        ([0.0, 0.0], [48.5, 0.0], [48.5, 0.0], 0.0),
    ],
)
def test_only_what_is_early_waits_and_no_longer_than_it_has_to(
    arrivals: list[float], delays: list[float], held: list[float], latency: float
) -> None:
    got = choose_delays(arrivals, delays)
    assert got[0] == pytest.approx(held) and got[1] == pytest.approx(latency)


def test_a_branch_that_shall_be_later_is(make_preset: MakePreset, audio: Float32Array) -> None:
    preset = make_preset(1, 8)
    late = fxhost.Blend([preset, fxhost.Branch([preset], delay_ms=10.0)])
    alone = only(preset, audio)
    wanted = alone + np.pad(alone, (480, 0))[: len(alone)]
    assert np.abs(only(late, audio) - wanted)[AFTER + 480 :].max() < 1e-6


def test_a_pan_makes_it_stereo_and_without_one_it_is_mono(make_preset: MakePreset, audio: Float32Array) -> None:
    first, second = make_preset(1, 8), make_preset(1, 20)
    mono = fxhost.Rig([fxhost.Blend([first, second], aligns=False)])(audio, RATE)
    wide = [fxhost.Branch([first], pan=-1.0), fxhost.Branch([second], pan=0.25, level=-6.0)]
    stereo = fxhost.Rig([fxhost.Blend(wide, aligns=False)])(audio, RATE)
    assert mono.shape == (RATE,) and stereo.shape == (RATE, 2)
    left = only(first, audio) + 0.75 * in_db(-6.0) * only(second, audio)
    assert np.abs(stereo[:, 0] - left)[AFTER:].max() < 1e-6
    assert np.abs(stereo[:, 1] - in_db(-6.0) * only(second, audio))[AFTER:].max() < 1e-6
    centred = fxhost.Rig([fxhost.Blend([first, second], aligns=False, stereo=True)])(audio, RATE)
    assert np.array_equal(centred, np.stack([mono, mono], axis=1))
    with pytest.raises(RigError, match="panned is stereo"):
        fxhost.Blend(wide, stereo=False)


def test_two_inputs_stay_apart_in_every_branch(make_preset: MakePreset, audio: Float32Array) -> None:
    blend = fxhost.Blend([make_preset(1, 8), [make_preset(1, 20), fxhost.Tone(bass=2.0)]], mix=0.5)
    rig, other = fxhost.Rig([blend]), np.ascontiguousarray(audio[::-1])
    rack, _ = rig.rack_of(rig.slots_at(RATE), inputs=2)
    out = np.zeros((RATE, 2), np.float32)
    rack.process(np.stack([audio, other], axis=1), out)
    assert np.array_equal(out[:, 0], rig(audio, RATE))
    assert np.array_equal(out[:, 1], rig(other, RATE))


def test_a_gate_in_a_branch_shuts_that_branch_alone(make_preset: MakePreset) -> None:
    """A network with biases never rests at zero."""
    noise = np.random.default_rng(1).uniform(-1e-3, 1e-3, RATE).astype(np.float32)
    first, second = make_preset(1, 8), make_preset(1, 20)
    blend = fxhost.Blend([[fxhost.Gate(threshold=-50.0), first, fxhost.Tone(bass=1.0)], second], aligns=False)
    assert np.array_equal(fxhost.Rig([blend])(noise, RATE), fxhost.Rig([second])(noise, RATE))


def test_a_blend_in_a_branch_of_a_blend(make_preset: MakePreset, audio: Float32Array) -> None:
    first, second = make_preset(1, 8), make_preset(1, 20)
    inner = fxhost.Blend([fxhost.Branch([first], id="a"), fxhost.Branch([second], level=-6.0, pan=0.5, id="b")])
    blend = fxhost.Blend([fxhost.Branch([inner], level=-3.0, id="in"), fxhost.Branch(mute=True)], aligns=False)
    assert "in.b.level" in [parameter.name for parameter in blend.parameters]
    wanted = in_db(-3.0) * only(inner, audio)
    assert np.abs(only(blend, audio) - wanted)[AFTER:].max() < 1e-6
    louder = blend.set_to({"in.b.level": -60.0, "in.a.pan": -1.0})
    assert np.abs(only(louder, audio)[AFTER:, 1]).max() < 0.01 * np.abs(only(louder, audio)[AFTER:, 0]).max() + 1e-3


@pytest.mark.parametrize("size", [1, 3, 17, 64, 509, 1000])
def test_blocks_of_any_size_give_the_same_samples_to_the_bit(
    size: int, make_preset: MakePreset, audio: Float32Array, tmp_path: Path
) -> None:
    cabinet = fxhost.Cabinet(write_cabinet(tmp_path / "late.wav", 5.5), mix=0.8)
    blend = fxhost.Blend(
        [fxhost.Branch([make_preset(1, 8), cabinet], pan=0.3), [Effect(read_preset(make_preset(1, 20)), 0.5)]], mix=0.7
    )
    rig, short = fxhost.Rig([fxhost.Volume(level=3.0), blend]), audio[: 6 * size + 5000 if size < 64 else RATE]
    stream = rig.stream(RATE)
    played = [stream.process(short[start : start + size]) for start in range(0, len(short), size)]
    assert np.array_equal(np.concatenate(played), rig(short, RATE))
    stream.reset()
    assert np.array_equal(stream.process(short), rig(short, RATE))


def test_what_is_no_number_in_one_branch_is_silenced_and_played_on(
    make_preset: MakePreset, audio: Float32Array
) -> None:
    rig = fxhost.Rig([fxhost.Blend([make_preset(1, 8), fxhost.Branch(level=-6.0)])])
    chain = rig.chain_of(rig.slots_at(RATE))
    bad = Gain(0.0, RATE)
    bad.memory["gain"] = np.nan
    rack = Rack([*chain[:3], bad, *chain[3:]], RATE)
    out = np.ones(512, np.float32)
    rack.process(audio[:512], out)
    assert not out.any() and rack.statistics().bad_samples > 0


# --- what is turned --------------------------------------------------------------------------------------------------


def test_all_that_is_in_a_branch_can_be_turned_under_a_name_of_its_own(make_preset: MakePreset) -> None:
    preset = make_preset(1, 8, 2)
    blend = fxhost.Blend(
        [
            fxhost.Branch([preset, fxhost.Tone(), fxhost.Tone(bass=1.0)], id="amp", pan=0.5),
            [preset, fxhost.Volume()],
        ],
        mix=0.5,
    )
    names = [parameter.name for parameter in blend.parameters]
    own = [f"{one}{what}" for what in ("level", "pan", "mute", "solo") for one in ("amp.", "")]
    assert names[:8] == [name if name.startswith("amp") else f"{name}2" for name in own]
    assert {"amp.knob 1", "amp.tone1.bass", "amp.tone2.bass", "2.knob 1", "2.volume.level", "mix"} <= set(names)
    assert [parameter.name for parameter in blend_slot(blend).parameters] == names
    changed = blend.set_to({"amp.level": -9.0, "amp.tone2.bass": 5.0, "2.knob 1": 0.9, "mix": 0.25, "mute2": 1})
    stands = {parameter.name: parameter.default for parameter in changed.parameters}
    assert [stands[name] for name in ("amp.level", "amp.tone2.bass", "2.knob 1", "mix", "mute2", "amp.tone1.bass")] == [
        *(-9.0, 5.0, 0.9, 0.25, 1.0, 0.0)
    ]
    with pytest.raises(RigError, match=r"did you mean amp\.level"):
        blend.set_to({"amp.levl": 3.0})
    with pytest.raises(RigError, match=r"mute2 = 0\.5; give true or false"):
        blend.set_to({"mute2": 0.5})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("level1", -20.0),
        ("mute2", 1.0),
        ("solo1", 1.0),
        ("pan2", 1.0),
        ("2.knob 1", 1.0),
        ("2.bass", 9.0),
        ("mix", 0.1),
    ],
)
def test_what_is_turned_in_a_stream_glides_to_where_a_fresh_rig_has_it(
    name: str, value: float, make_preset: MakePreset
) -> None:
    blend = fxhost.Blend(
        [make_preset(1, 8), fxhost.Branch([make_preset(1, 8, 2), fxhost.Tone()], pan=0.2)], mix=0.9, aligns=False
    )
    sine = (0.3 * np.sin(2 * np.pi * 110 * np.arange(RATE) / RATE)).astype(np.float32)
    stream = fxhost.Rig([blend]).stream(RATE)
    stream.process(sine)
    stream.knobs[name] = value
    turned = [stream.process(sine[start : start + 64]) for start in range(0, RATE, 64)]
    steps = np.abs(np.diff(np.concatenate(turned), axis=0))
    fresh = fxhost.Rig([blend.set_to({name: value})]).stream(RATE)
    fresh.process(sine)
    wanted = np.diff(fresh.process(sine), axis=0)[-2000:]
    assert np.abs(np.diff(np.concatenate(turned), axis=0)[-2000:] - wanted).max() < 0.01 * np.abs(wanted).max() + 1e-5
    before = np.abs(np.diff(fxhost.Rig([blend])(sine, RATE), axis=0))[AFTER:].max()
    assert steps.max() <= 1.1 * max(before, np.abs(wanted).max())


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_a_mix_of_0_is_the_dry_signal_as_late_as_the_effect_and_1_is_the_effect(
    rate: int, make_preset: MakePreset, audio: Float32Array
) -> None:
    wavenet = SHARED / "captures" / "nam" / "BossWN-nano.nam"
    paths = [make_preset(1, 8), *([wavenet] if wavenet.exists() else [])]  # a WaveNet is resampled
    for path in paths:
        effect = fxhost.load(path)
        late = round(effect.latency(rate) * rate)
        assert (late > 0) == (rate != RATE and path == wavenet)
        wet = effect(audio, rate).astype(np.float64)
        delayed = np.pad(audio, (late, 0))[: len(audio)].astype(np.float64)
        for mix in (0.0, 0.3, 1.0):
            mixed = fxhost.load(path, mix=mix)
            assert mixed.latency(rate) == effect.latency(rate)
            wanted = mix * wet + (1 - mix) * delayed
            assert np.abs(mixed(audio, rate) - wanted)[AFTER + late :].max() < 1e-6
        assert np.array_equal(fxhost.load(path, mix=1.0)(audio, rate), effect(audio, rate))


def test_a_mix_out_of_range_or_beside_a_knob_of_that_name_is_refused(make_preset: MakePreset) -> None:
    with pytest.raises(RigError, match="mix = 3 is out of range; give 0 to 1"):
        fxhost.load(make_preset(1, 8), mix=3)
    preset = read_preset(make_preset(1, 8, 2))
    with pytest.raises(RigError, match="has a knob 'mix' of its own"):
        Effect(replace(preset, knobs=(replace(preset.knobs[0], name="Mix"),)), mix=0.5)


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ([fxhost.Branch()], "a blend has 1 branches; give 2 to 16"),
        ([fxhost.Branch()] * 17, "a blend has 17 branches"),
        ([fxhost.Branch(id="a"), fxhost.Branch(id="A")], r"two parameters of a blend are called 'a\.level'"),
    ],
)
def test_what_cannot_be_blended_is_told(branches: list[fxhost.Branch], message: str) -> None:
    with pytest.raises(RigError, match=message):
        fxhost.Blend(branches)
    for wrong, told in (
        ({"level": 20.0}, "level = 20"),
        ({"polarity": 2}, "polarity"),
        ({"delay_ms": -1.0}, "delay_ms"),
    ):
        with pytest.raises(RigError, match=told):
            fxhost.Branch(**wrong)  # type: ignore[arg-type]


def test_levels_are_calibrated_and_normalised_in_every_branch(make_preset: MakePreset) -> None:
    def with_levels(size: int, **levels: float | None) -> Effect:
        preset = read_preset(make_preset(1, size))
        return Effect(replace(preset, levels=replace(preset.levels, **levels)))

    first, loud = with_levels(8, input_dbu=12.0, output_dbu=3.0), with_levels(20, input_dbu=6.0, loudness_db=-10.0)
    unknown = with_levels(24, loudness_db=None)
    rig = fxhost.Rig([first, fxhost.Blend([loud, unknown]), fxhost.Volume()], level="normalized", interface_dbu=10.0)
    gains = [effect.gains for slot in rig.slots_at(RATE) for effect in slot.effects]
    assert [(each.input_db, each.output_db) for each in gains] == [(-2.0, 0.0), (-3.0, -8.0), (0.0, 0.0)]
    assert rig.notes == [f"{unknown.name} does not tell its loudness; it is played as it is"]
    assert [effect.name for effect in rig.effects] == [first.name, loud.name, unknown.name]


# --- in rig files ----------------------------------------------------------------------------------------------------

RIG = """\
[[slot]]
id = "drive"
preset = "ts-overdrive"

[[slot]]
id = "amps"
type = "blend"
mix = 0.9
branches = [
  { id = "clean", preset = "amp.pt", level = -3 },
  { slots = [
      { preset = "ts-overdrive", mix = 0.5 },
      { type = "tone", bass = 2 },
    ], delay_ms = 0.5 },
]

[[slot]]
id = "boost"
type = "volume"
level = 3

[[scene]]
name = "Both"

[[scene]]
name = "Clean"
slots.amps = { level2 = -40, clean.mute = false, "2.bass" = 5 }
slots.drive = { mix = 0.25 }
slots.boost = { mute = true }

[[scene]]
name = "Other"
slots.amps = { branches = [{ preset = "rc-lowpass" }, { slots = [] }], mute1 = true }
"""


@pytest.fixture
def rig_file(make_preset: MakePreset, tmp_path: Path) -> Path:
    (tmp_path / "amp.pt").write_bytes(make_preset(1, 8, 2).read_bytes())
    path = tmp_path / "gig.toml"
    path.write_text(RIG)
    return path


def stands(part: object) -> dict[str, float]:
    return {each.name: each.default for each in part.parameters}  # type: ignore[attr-defined]


def test_a_rig_file_tells_branches_mixes_and_volumes_and_scenes_change_them(rig_file: Path) -> None:
    both, clean, other = load_rig(rig_file).scenes
    assert stands(both.parts[0]) == {"mix": 1.0}  # a scene turns it
    assert stands(clean.parts[0]) == {"mix": 0.25}
    blend = stands(both.parts[1])
    assert (blend["clean.level"], blend["level2"], blend["2.bass"], blend["mix"]) == (-3.0, 0.0, 2.0, 0.9)
    assert blend["2.mix"] == 0.5
    changed = stands(clean.parts[1])
    assert {name for name in blend if changed[name] != blend[name]} == {"level2", "2.bass"}
    assert stands(clean.parts[2]) == {"level": 3.0, "mute": 1.0}
    assert stands(other.parts[1])["mute1"] == 1.0 and stands(other.parts[1])["mix"] == 0.9
    assert other.parts[1].effects[0].path.stem == "rc-lowpass"


def test_scenes_that_differ_in_what_is_turned_alone_glide(rig_file: Path, audio: Float32Array) -> None:
    rig = load_rig(rig_file)
    playing = Playing(rig, RATE, pytest.fail)
    rack = Rack(playing.sound.chain(), RATE)
    playing.start(rack)
    rack.process(audio[:4096], np.zeros(4096, np.float32))
    playing.choose_scene(1)
    assert not playing.follow(False) and playing.scene_index == 1
    out = np.zeros(RATE // 2, np.float32)
    rack.process(audio[: RATE // 2], out)
    assert not out[-100:].any()  # its volume is muted
    playing.choose_scene(2)
    assert playing.follow(False)  # other branches are faded to


def test_live_equals_render_and_python_to_the_bit_in_every_scene(
    rig_file: Path, audio: Float32Array, tmp_path: Path
) -> None:
    text = rig_file.read_text().replace("level = -3", "level = -3, pan = -0.5").replace("mute = true", "level = -3")
    rig_file.write_text(text)
    dry = tmp_path / "dry.wav"
    soundfile.write(dry, audio, RATE, subtype="FLOAT")
    rig = load_rig(rig_file)
    for number, scene in enumerate(rig.scenes, 1):
        wet = rig.in_scene(scene)(audio, RATE)
        rendered = tmp_path / f"{number}.wav"
        done = call_fxhost("render", rig_file, dry, rendered, "--scene", number)
        assert done.returncode == 0, done.stderr
        assert np.array_equal(soundfile.read(rendered, dtype="float32")[0], wet)
        assert np.abs(wet[AFTER:]).max() > 1e-3
    live = tmp_path / "live.wav"
    run = call_fxhost("run", rig_file, "--device", "virtual", "--input-file", dry, "--output-file", live, "--json")
    assert run.returncode == 0, run.stderr
    assert np.array_equal(soundfile.read(live, dtype="float32")[0], rig.in_scene(rig.scenes[0])(audio, RATE))
    told = json.loads(run.stdout)
    assert [slot["kind"] for slot in told["slots"]] == ["effect", "blend", "volume"]
    assert len(told["presets"]) == len(told["rates"]) == 3


def test_what_stands_is_saved_and_plays_the_same(rig_file: Path, audio: Float32Array, tmp_path: Path) -> None:
    saved = tmp_path / "deep" / "saved.toml"
    saved.parent.mkdir()
    done = call_fxhost("run", rig_file, "--device", "virtual", "--duration", 0.1, "--save", saved)
    assert done.returncode == 0, done.stderr
    content = tomllib.loads(saved.read_text())["slot"]
    assert content[1]["branch"][0] == {"id": "clean", "level": -3, "preset": "../amp.pt", "knobs": {"knob 1": 0.25}}
    assert content[2] == {"id": "boost", "type": "volume", "level": 3}
    again, rig = load_rig(saved), load_rig(rig_file)
    assert [stands(part) for part in again.parts] == [stands(part) for part in rig.scenes[0].parts]
    assert np.array_equal(again(audio, RATE), rig.in_scene(rig.scenes[0])(audio, RATE))


def test_tables_of_branches_say_the_same_as_inline_ones(rig_file: Path, tmp_path: Path) -> None:
    start, end = RIG.index("branches = ["), RIG.index('[[slot]]\nid = "boost"')
    tables = """
[[slot.branch]]
id = "clean"
preset = "amp.pt"
level = -3

[[slot.branch]]
delay_ms = 0.5

[[slot.branch.slot]]
preset = "ts-overdrive"
mix = 0.5

[[slot.branch.slot]]
type = "tone"
bass = 2

"""
    other = tmp_path / "other.toml"
    other.write_text(RIG[:start] + tables + RIG[end:])
    one, two = load_rig(rig_file), load_rig(other)
    for first, second in zip(one.scenes, two.scenes, strict=True):
        assert [stands(part) for part in first.parts] == [stands(part) for part in second.parts]


def test_a_blend_is_drawn_with_its_branches_beside_each_other(rig_file: Path) -> None:
    shown = call_fxhost("rig", "show", rig_file).stdout
    for line in (
        "    ▼ drive  a diode overdrive pedal, mix 1.00",
        "    ▼ amps   blend, mix 0.90",
        "    ├─┬ clean  level −3.0 dB",
        "    ├─┬ 2  delay 0.5 ms",
        "    │ ▼ effect  a diode overdrive pedal, mix 0.50",
        "    │ ▼ tone    bass +2.0 dB",
        "    ├─┬ 2  level −40.0 dB, delay 0.5 ms",
        "    │ │ the dry signal",
        "    ├─┘",
        "    ▼ boost  level +3.0 dB, mute on",
    ):
        assert f"{line}\n" in shown, line


MISTAKES = """\
[[slot]]
type = "blend"
id = "amps"
align = false
branches = [
  { preset = "ts-overdrive", levl = -3 },
  { slots = [
      { preset = "ts-overdriv" },
      { type = "tone", bass = 200 },
    ], pan = 3 },
  { preset = "ts-overdrive", slots = [] },
  { level = -3 },
]

[[slot]]
type = "blend"
[[slot.branch]]
slots = []
delay_ms = 900
[[slot.branch]]
preset = "ts-overdrive"
mute = 3
[[slot.branch.slott]]

[[slot]]
type = "volume"
level = 20
mix = 0.5

[[slot]]
preset = "ts-overdrive"
mix = 1.5

[[slot]]
type = "blend"
id = "ok"
branches = [{ slots = [] }, { slots = [] }]

[[slot]]
type = "blend"
branches = [{ slots = [] }]

[[scene]]
slots.ok = { levl1 = 3, level2 = 30, mute1 = 2 }
"""


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(MISTAKES)
    read, problems = check_rig_file(path)
    assert read is None
    told = {f"{problem.line}: {problem.text}" for problem in problems}
    expected = {
        "4: unknown key 'align': did you mean aligns?",
        "6: unknown key 'levl': did you mean level?",
        "8: no such preset: ts-overdriv; did you mean ts-overdrive?",
        "9: tone: bass = 200 is out of range; give −15 to 15 dB",
        "10: a branch: pan = 3 is out of range; give −1 to 1",
        "11: a branch has preset or slots, not both",
        "12: a branch needs a preset, or the slots that play in it; slots = [] is the dry signal",
        "19: delay_ms is 900; expected a number from 0 to 100",
        "22: a branch: mute = 3; give true or false",
        "23: unknown key 'slott': did you mean slots?",
        "27: volume: level = 20 is out of range; give −60 to 12 dB",
        "28: unknown key 'mix': there is id, type, on, level, mute",
        "32: mix is 1.5; expected a number from 0 to 1",
        "39: a blend has 1 branches; give 2 to 16",
        "44: unknown key 'levl1': did you mean level1?",
        "44: blend: level2 = 30 is out of range; give −60 to 12 dB",
        "44: blend: mute1 = 2; give true or false",
    }
    assert expected - told == set()
    assert_one_line(call_fxhost("run", path, "--device", "virtual"), "line 4: unknown key 'align'")


def test_arrays_that_are_nested_beyond_measure_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    blends = "{ type = 'blend', branches = [{ slots = [" * 200 + "]}]}" * 200
    for text in (f"a = {'[' * 5000}{']' * 5000}\n", f"slot = [{blends}]\n", f"[[slot]]\nmix = {'1' * 4000}.0\n"):
        path.write_text(text)
        read, problems = check_rig_file(path)
        assert read is None and problems


def test_switches_and_levels_of_branches_are_shown_and_turned_by_keys(make_preset: MakePreset) -> None:
    slots = fxhost.Rig([fxhost.Blend([make_preset(1, 8), []]), fxhost.Volume()]).slots_at(RATE)
    board = KnobBoard(slots)
    board.attach(build_chain(slots).turned)
    names = ["level1", "level2", "mute1", "mute2", "solo1", "solo2", "level", "mute"]
    assert board.names == names
    mute = names.index("mute2")
    n, k = board.places[mute]
    board.chosen = mute
    shown = []
    for steps in (1, 1, -1):
        board.turn(steps)
        shown.append(draw_slider("mute2", board.parameters[mute], board.values[n][k], True).plain)
    assert shown == ["▸mute2 on", "▸mute2 on", "▸mute2 off"]
    for position, value in ((0.49, 0.0), (0.5, 1.0)):
        board.set_position(n, k, position)
        assert board.values[n][k] == value == board.parameters[mute].position_of(value)


def test_a_pan_in_any_scene_makes_the_blend_stereo_in_all(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    slot = '[[slot]]\nid = "b"\ntype = "blend"\nbranches = [{ slots = [] }, { id = "wet", preset = "ts-overdrive" }]\n'
    path.write_text(f"{slot}[[scene]]\n[[scene]]\nslots.b.wet.pan = 0.5\n")
    first, second = load_rig(path).scenes
    assert stands(first.parts[0])["wet.pan"] == 0.0 and stands(second.parts[0])["wet.pan"] == 0.5
    keys = [[slot.key for slot in load_rig(path).slots_at(RATE, scene)] for scene in load_rig(path).scenes]
    assert keys[0] == keys[1]
    path.write_text(f"{slot}[[scene]]\nslots.b.wet.pan = 0.0\n")
    assert "unknown key 'wet.pan'" in check_rig_file(path)[1][0].text


def test_a_blend_is_turned_from_python_while_it_plays(rig_file: Path) -> None:
    with fxhost.play(load_rig(rig_file), device="virtual") as live:
        live.knobs["clean.level"] = -12.0
        live.knobs["mute2"] = 1.0
        assert live.knobs["clean.level"] == -12.0
        live.choose_scene("clean")
        deadline = time.monotonic() + 10
        while live.knobs["level2"] != -40.0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (live.knobs["level2"], live.knobs["mute2"], live.knobs["1.mix"]) == (-40.0, 0.0, 0.25)
        with pytest.raises(ValueError, match="expected −60 to 12 dB"):
            live.knobs["clean.level"] = 40.0


def test_a_slot_that_sets_no_mix_has_none_and_stays_as_it_was(make_preset: MakePreset) -> None:
    rig = Rig([make_preset(1, 8), fxhost.Tone()])
    assert [len(slot.build("compiled", 1).stages) for slot in rig.slots_at(RATE)] in ([1, 1], [2, 1])
    assert "mix" not in stands(rig.parts[0])
