"""Gate, tone and cabinet as parts of a rig: through the commands, from Python, mono and stereo."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fxhost
from fxhost.arrays import Float32Array, Float64Array
from fxhost.rig.impulse_response import Response, blend_responses, delay_response, find_alignment, read_response
from tests.conftest import RATE, SHARED, assert_one_line, call_fxhost

MakePreset = Callable[..., Path]


def make_response(seed: int, taps: int = 700) -> Float64Array:
    rng = np.random.default_rng(seed)
    return 0.2 * rng.standard_normal(taps) * np.exp(-np.arange(taps) / 100)


@pytest.fixture
def audio(guitar: Float32Array) -> Float32Array:
    """A second of it, from where it plays."""
    return guitar[4 * RATE : 5 * RATE]


@pytest.fixture
def cab(tmp_path: Path) -> Path:
    path = tmp_path / "cab.wav"
    soundfile.write(path, make_response(1).astype(np.float32), RATE, subtype="FLOAT")
    return path


@pytest.fixture
def wide_cab(tmp_path: Path) -> Path:
    path = tmp_path / "wide.wav"
    sides = np.stack([make_response(1), make_response(2)], axis=1)
    soundfile.write(path, sides.astype(np.float32), 44_100, subtype="FLOAT")
    return path


def test_a_rig_by_flags_plays_live_as_it_is_rendered_and_as_python_plays_it(
    make_preset: MakePreset, cab: Path, audio: Float32Array, tmp_path: Path
) -> None:
    preset, dry = make_preset(1, 8), tmp_path / "dry.wav"
    soundfile.write(dry, audio, RATE, subtype="FLOAT")
    flags = (preset, "--gate", -52, "--cab", cab, "--eq", "bass=+2 mid=-1 treble=+3")
    live, rendered = tmp_path / "live.wav", tmp_path / "rendered.wav"
    device = ("--device", "virtual", "--block-frames", 509)
    run = call_fxhost("run", *flags, *device, "--input-file", dry, "--output-file", live, "--json")
    assert run.returncode == 0, run.stderr
    done = call_fxhost("render", *flags, dry, rendered)
    assert done.returncode == 0, done.stderr
    tone = fxhost.Tone(bass=2.0, mid=-1.0, treble=3.0)
    rig = fxhost.Rig([fxhost.Gate(threshold=-52.0), preset, fxhost.Cabinet(cab), tone])
    wet = rig(audio, RATE)
    assert np.abs(wet).max() > 1e-3
    for path in (live, rendered):
        assert np.array_equal(soundfile.read(path, dtype="float32")[0], wet)


def test_a_stereo_cabinet_makes_the_output_stereo(
    make_preset: MakePreset, wide_cab: Path, audio: Float32Array, tmp_path: Path
) -> None:
    rig = fxhost.Rig([make_preset(1, 8), fxhost.Cabinet(wide_cab), fxhost.Tone(bass=3.0)])
    wet = rig(audio, RATE)
    assert wet.shape == (RATE, 2)
    assert np.abs(wet[:, 0] - wet[:, 1]).max() > 1e-3
    stream, blocks = rig.stream(RATE), []
    for start in range(0, RATE, 509):
        blocks.append(stream.process(audio[start : start + 509]))
    assert np.array_equal(np.concatenate(blocks), wet)
    both = rig(np.stack([audio, 0 * audio], axis=1), RATE)
    assert np.array_equal(both[:, 0], wet[:, 0])
    dry, live = tmp_path / "dry.wav", tmp_path / "live.wav"
    soundfile.write(dry, audio, RATE, subtype="FLOAT")
    flags = (make_preset(1, 8), "--cab", wide_cab, "--eq", "bass=3")
    run = call_fxhost("run", *flags, "--device", "virtual", "--input-file", dry, "--output-file", live)
    assert run.returncode == 0, run.stderr
    assert np.array_equal(soundfile.read(live, dtype="float32")[0], wet)
    done = call_fxhost("render", *flags, dry, tmp_path / "out.wav")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(soundfile.read(tmp_path / "out.wav", dtype="float32")[0], wet)
    with pytest.raises(fxhost.EngineError, match="one or two channels"):
        rig(np.zeros((100, 3), np.float32), RATE)


def play_stereo(rig: fxhost.Rig, audio: Float32Array, inputs: int, size: int = 509) -> Float32Array:
    """What a rack of the rig makes of one or two inputs, (frames, channels)."""
    rack, _ = rig.rack_of(rig.slots_at(RATE), inputs)
    out = np.empty((len(audio), rack.channels), np.float32)
    for start in range(0, len(audio), size):
        rack.process(np.ascontiguousarray(audio[start : start + size]), out[start : start + size])
    return out


@pytest.mark.parametrize("silent", [0, 1])
def test_of_two_inputs_each_has_a_gate_that_listens_to_it_alone(
    silent: int, make_preset: MakePreset, audio: Float32Array
) -> None:
    rig = fxhost.Rig([fxhost.Gate(threshold=-30.0, hold=5.0, release=10.0), make_preset(1, 8), fxhost.Tone(bass=1.0)])
    sides = np.stack([audio, audio[::-1]], axis=1)
    sides[:, silent] *= np.float32(1e-3)  # −60 dB: never above the threshold
    for size in (64, 509):
        out = play_stereo(rig, sides, inputs=2, size=size)
        for side in (0, 1):
            assert np.array_equal(out[:, side], rig(np.ascontiguousarray(sides[:, side]), RATE))
    assert np.abs(out[:, silent]).max() < 1e-6 < 1e-2 < np.abs(out[:, 1 - silent]).max()


def test_a_gate_before_a_stereo_cabinet_and_an_effect_shuts_both_sides(
    make_preset: MakePreset, wide_cab: Path, audio: Float32Array
) -> None:
    parts = [fxhost.Cabinet(wide_cab), make_preset(1, 8)]
    for rig in ([fxhost.Gate(threshold=-30.0), *parts], [parts[0], fxhost.Gate(threshold=-30.0), parts[1]]):
        quiet = play_stereo(fxhost.Rig(rig), audio * np.float32(1e-3), inputs=1)
        assert quiet.shape == (len(audio), 2)
        assert np.abs(quiet[RATE // 2 :]).max() < 1e-6  # a network with biases never rests at zero
        assert (np.abs(play_stereo(fxhost.Rig(rig), audio, inputs=1)).max(axis=0) > 1e-2).all()


def test_the_gate_listens_to_the_dry_signal_and_shuts_behind_the_effect(make_preset: MakePreset) -> None:
    """A network with biases never rests at zero; the gate silences it though."""
    noise = np.random.default_rng(1).uniform(-1e-3, 1e-3, RATE).astype(np.float32)
    open_rig, shut_rig = ([fxhost.Gate(threshold=db), make_preset(1, 8), fxhost.Tone(bass=1.0)] for db in (-90, -50))
    assert np.abs(fxhost.Rig(open_rig)(noise, RATE)).max() > 1e-5
    assert np.abs(fxhost.Rig(shut_rig)(noise, RATE)).max() == 0.0


def test_a_response_keeps_its_sound_at_another_rate(wide_cab: Path) -> None:
    own, _ = read_response(wide_cab, 44_100)
    other, _ = read_response(wide_cab, RATE)
    frequencies = np.array([100.0, 440.0, 1000.0, 5000.0])

    def spectrum(sides: Float64Array, rate: int) -> Float64Array:
        turns = np.exp(-2j * np.pi * frequencies[:, None] * np.arange(sides.shape[1]) / rate)
        return np.abs(turns @ sides.T)

    assert spectrum(other, RATE) == pytest.approx(spectrum(own, 44_100), rel=0.03)


@pytest.mark.parametrize("delay", [0.0, 3.0, 7.25, 40.5])
@pytest.mark.parametrize("polarity", [1, -1])
def test_two_responses_are_aligned_to_a_fraction_of_a_frame(delay: float, polarity: int) -> None:
    kernel = np.hanning(24)  # without the highest frequencies
    first = np.convolve(make_response(5), kernel)[None]
    second = delay_response(first, delay) * polarity
    lag, sign = find_alignment(second[0], first[0], RATE)
    assert (lag, sign) == (pytest.approx(delay, abs=0.01), polarity)
    back = delay_response(first, lag)[0] * sign
    size = min(len(back), second.shape[1])
    assert np.sum((back[:size] - second[0, :size]) ** 2) < 0.01 * np.sum(second**2)


def test_blended_responses_add_up_when_they_are_aligned(tmp_path: Path) -> None:
    kernel = np.hanning(24)
    first = np.convolve(make_response(5), kernel)
    files = tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(files[0], first.astype(np.float32), RATE, subtype="FLOAT")
    soundfile.write(files[1], -np.pad(first, (30, 0)).astype(np.float32), RATE, subtype="FLOAT")
    pair = [Response(file) for file in files]
    apart, together = (blend_responses(pair, RATE, aligns=aligns) for aligns in (False, True))
    alone = blend_responses(pair[:1], RATE)
    energy = [float(np.sum(blend.sides**2)) for blend in (apart, together, alone)]
    assert energy[1] == pytest.approx(4 * energy[2], rel=0.01)
    assert energy[0] < 0.8 * energy[1]
    assert any("turned over" in note for note in together.notes)
    panned = blend_responses([Response(files[0], pan=-1.0), Response(files[1], pan=1.0)], RATE)
    assert panned.sides.shape[0] == 2


def test_every_response_is_brought_to_the_same_level_unless_told_otherwise(tmp_path: Path) -> None:
    energies = {True: [], False: []}
    for gain in (0.01, 10.0):
        soundfile.write(tmp_path / "cab.wav", (gain * make_response(3)).astype(np.float32), RATE, subtype="FLOAT")
        for levels, found in energies.items():
            found.append(
                float(np.sum(blend_responses([Response(tmp_path / "cab.wav")], RATE, levels=levels).sides ** 2))
            )
    assert energies[True][0] == pytest.approx(energies[True][1], rel=1e-4)
    assert energies[False][1] == pytest.approx(1e6 * energies[False][0], rel=1e-3)


def test_real_cabinets_are_read() -> None:
    folder = SHARED / "data" / "ir"
    if not folder.exists():
        pytest.skip("the impulse responses lie beside the project")
    for path in sorted(folder.rglob("*.wav")):
        blend = blend_responses([Response(path)], RATE, trims=True)
        assert blend.sides.shape[1] > 100, path
        assert 0.01 < np.abs(blend.sides).max() < 10, path


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cab", "none.wav"], "no such audio file"),
        (["--eq", "bas=3"], "did you mean bass?"),
        (["--eq", "bass=40"], "bass = 40 is out of range; give −15 to 15 dB"),
    ],
)
def test_a_mistake_is_one_clear_line(flags: list[str], message: str, make_preset: MakePreset) -> None:
    assert_one_line(call_fxhost("run", make_preset(), "--device", "virtual", "--duration", 0.1, *flags), message)


def test_silence_and_many_channels_are_no_cabinet(tmp_path: Path) -> None:
    for audio, message in ((np.zeros(500), "is silent"), (np.ones((500, 3)), "has 3 channels")):
        soundfile.write(tmp_path / "cab.wav", audio.astype(np.float32), RATE, subtype="FLOAT")
        with pytest.raises(fxhost.RigError, match=message):
            fxhost.Cabinet(tmp_path / "cab.wav").blend_at(RATE)


def test_two_inputs_play_through_the_same_rig_each_on_its_side(
    make_preset: MakePreset, cab: Path, audio: Float32Array, tmp_path: Path
) -> None:
    dry, live, preset = tmp_path / "dry.wav", tmp_path / "live.wav", make_preset(1, 8)
    other = np.ascontiguousarray(audio[::-1])
    soundfile.write(dry, np.stack([audio, other], axis=1), RATE, subtype="FLOAT")
    flags = (preset, "--cab", cab, "--eq", "bass=3")
    options = ("--device", "virtual", "--input-file", dry, "--output-file", live, "--input-channel", "1,2")
    run = call_fxhost("run", *flags, *options)
    assert run.returncode == 0, run.stderr
    rig = fxhost.Rig([preset, fxhost.Cabinet(cab), fxhost.Tone(bass=3.0)])
    played = soundfile.read(live, dtype="float32")[0]
    assert played.shape == (RATE, 2)
    for side, alone in enumerate((audio, other)):
        assert np.array_equal(played[:, side], rig(alone, RATE))
    swapped = call_fxhost("run", *flags, *options[:-1], "2,1", "--force")
    assert swapped.returncode == 0, swapped.stderr
    assert np.array_equal(soundfile.read(live, dtype="float32")[0], played[:, ::-1])
