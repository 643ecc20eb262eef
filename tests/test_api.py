"""The public names of fxhost: what they play equals `fxhost render`, and nothing is printed."""

import doctest
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fxhost
from fxhost.arrays import Float32Array
from fxhost.io import stream_watch
from tests.conftest import RATE, ROOT, run_fxhost

MakePreset = Callable[..., Path]


def rendered(tmp_path: Path, audio: Float32Array, rate: int, *arguments: object) -> Float32Array:
    dry, wet = tmp_path / "dry.wav", tmp_path / "wet.wav"
    soundfile.write(dry, audio, rate, subtype="FLOAT")
    done = run_fxhost("render", *arguments[:-1], dry, wet, *arguments[-1], "--force", "--json")
    assert done.returncode == 0, done.stderr
    return soundfile.read(wet, dtype="float32")[0]


def test_every_public_name_is_there_and_importing_them_is_light() -> None:
    assert fxhost.__all__ == sorted(fxhost.__all__)
    for name in fxhost.__all__:
        assert getattr(fxhost, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Amp'"):
        fxhost.Amp  # noqa: B018
    code = "import sys, fxhost; print(sorted({'numpy', 'numba', 'torch', 'rich', 'sounddevice'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"
    assert (ROOT / "fxhost" / "py.typed").is_file()


@pytest.mark.parametrize("rate", [RATE, 2 * RATE, 44_100])
def test_an_effect_equals_render_to_the_bit(
    rate: int, make_preset: MakePreset, guitar: Float32Array, tmp_path: Path
) -> None:
    path, audio = make_preset(1, 8), guitar[:4801]
    effect = fxhost.load(path)
    assert np.array_equal(effect(audio, rate), rendered(tmp_path, audio, rate, path, []))
    both = effect(np.stack([audio, -audio], axis=1), rate)
    assert np.array_equal(both[:, 0], effect(audio, rate))
    assert np.array_equal(both[:, 1], effect(-audio, rate))
    assert (effect.latency(rate) > 0) == (rate == 44_100 and effect.latency(rate) > 0)


def test_a_rig_with_gains_and_knobs_equals_render_to_the_bit(
    make_preset: MakePreset, guitar: Float32Array, tmp_path: Path
) -> None:
    first, second = make_preset(1, 8, 3), make_preset(1, 8, 2)
    rig = fxhost.Rig([first, fxhost.load(second)], input_gain_db=3.0, output_gain_db=-2.0)
    assert [list(effect.knobs) for effect in rig] == [["knob 1", "knob 2"], ["knob 1"]]
    rig[0].knobs["Knob 2"] = 0.9
    rig[1].knobs["knob 1"] = 0.1
    options = ["--knob", "knob 2=0.9", "--knob", "2.knob 1=0.1", "--input-gain-db", "3", "--output-gain-db", "-2"]
    audio = guitar[:4801]
    assert np.array_equal(rig(audio, RATE), rendered(tmp_path, audio, RATE, first, second, options))


@pytest.mark.parametrize("size", [1, 3, 17, 64, 509])
def test_a_stream_gives_the_same_samples_in_blocks_of_any_size(
    size: int, make_preset: MakePreset, guitar: Float32Array
) -> None:
    effect, audio = fxhost.load(make_preset(1, 8)), guitar[:3001]
    stream = effect.stream(RATE)
    played = np.concatenate([stream.process(audio[start : start + size]) for start in range(0, len(audio), size)])
    assert np.array_equal(played, effect(audio, RATE))
    stream.reset()
    assert np.array_equal(stream.process(audio), played)
    assert stream.process(audio[:0]).shape == (0,)


def test_streams_in_several_threads_keep_their_own_state(make_preset: MakePreset, guitar: Float32Array) -> None:
    effect = fxhost.load(make_preset(2, 8))
    parts = [guitar[n * 1000 : n * 1000 + 20_000] for n in range(4)]
    expected = [effect(part, RATE) for part in parts]
    got: list[Float32Array] = [np.zeros(0, np.float32)] * len(parts)

    def play(n: int) -> None:
        stream = effect.stream(RATE)
        got[n] = np.concatenate([stream.process(parts[n][start : start + 61]) for start in range(0, 20_000, 61)])

    threads = [threading.Thread(target=play, args=(n,)) for n in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))


def test_a_knob_turned_in_a_stream_glides_to_where_the_effect_has_it(
    make_preset: MakePreset, guitar: Float32Array
) -> None:
    effect = fxhost.load(make_preset(1, 8, 2))
    stream = effect.stream(RATE)
    stream.knobs["knob 1"] = 1.0
    played = stream.process(guitar[: 2 * RATE])
    effect.knobs["knob 1"] = 1.0
    apart = played - effect(guitar[: 2 * RATE], RATE)
    assert np.abs(np.diff(apart[RATE:])).max() < 1e-4  # but for what the DC blocker has still to forget
    untouched = fxhost.load(effect.path)(guitar[: 2 * RATE], RATE)
    assert np.abs(np.diff((played - untouched)[RATE:])).max() > 1e-3


def test_two_knobs_of_one_name_are_told_apart(make_preset: MakePreset) -> None:
    stream = fxhost.Rig([make_preset(1, 8, 2), make_preset(1, 8, 3)]).stream(RATE)
    assert list(stream.knobs) == ["1.knob 1", "2.knob 1", "knob 2"]
    with pytest.raises(KeyError, match=r"no knob 'drive': there is 1\.knob 1, 2\.knob 1, knob 2"):
        stream.knobs["drive"] = 0.5
    with pytest.raises(ValueError, match=r"knob knob 2=1\.5: expected 0 to 1"):
        stream.knobs["knob 2"] = 1.5


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (lambda: fxhost.load("no-such-amp"), fxhost.PresetError, "no-such-amp"),
        (lambda: fxhost.Rig([]), fxhost.PresetError, "at least one effect"),
        (lambda: fxhost.Rig("identity"), fxhost.PresetError, "a list of at least one"),  # type: ignore[arg-type]
        (lambda: fxhost.load("identity").stream(RATE, 0), ValueError, "0 channels"),
        (lambda: fxhost.load("identity").stream(RATE).process(np.zeros((4, 2))), fxhost.EngineError, r"\(4, 2\)"),
        (lambda: fxhost.train(np.zeros(9), np.zeros(9)), fxhost.AudioError, "sample_rate"),
    ],
)
def test_what_cannot_be_is_told(attempt: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        attempt()


def test_live_on_the_virtual_device(make_preset: MakePreset, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    preset, out = make_preset(1, 8, 2), tmp_path / "out.wav"
    with fxhost.play(preset, device="virtual", output_file=out, duration=0.4) as live:
        live.knobs["knob 1"] = 0.7
        live.output_gain_db = -3.0
        assert live.wait(20)
        assert live.statistics.blocks > 10 and live.device == "virtual"
    assert live.summary is not None and live.summary.error is None
    assert live.knobs["knob 1"] == 0.7
    assert soundfile.info(out).frames == round(0.4 * RATE)
    assert capfd.readouterr() == ("", "")


def test_a_device_that_does_not_exist_is_an_error_of_ours(make_preset: MakePreset) -> None:
    with pytest.raises(fxhost.DeviceError):
        fxhost.play(make_preset(1, 8), device="no such device")


def test_a_device_that_went_away_is_waited_for_as_long_as_was_asked(
    make_preset: MakePreset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_watch, "PROVEN_S", 0.1)
    preset, gone, waited_s = make_preset(1, 8), threading.Event(), 0.0

    def reopen() -> None:
        raise fxhost.DeviceError("it is not there")

    with pytest.raises(fxhost.DeviceError, match="went away"), fxhost.play(preset, "virtual", patience=0.5) as live:
        stream = live._session.stream
        monkeypatch.setattr(stream, "has_stopped", gone.is_set)
        monkeypatch.setattr(stream, "reopen", reopen)
        time.sleep(0.3)
        gone.set()
        went = time.monotonic()
        assert live.wait(20)
        waited_s = time.monotonic() - went
    assert 0.5 < waited_s < 5.0  # the usual patience is a minute
    assert live.summary is not None and "went away" in str(live.summary.error)
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="patience"):
            fxhost.play(preset, "virtual", patience=wrong)


def test_an_effect_is_learned_from_arrays(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    dry = np.random.default_rng(0).uniform(-0.5, 0.5, 8 * 8000).astype(np.float32)
    seen: list[float] = []
    result = fxhost.train(
        dry, np.tanh(3 * dry), 8000, epochs=2, hidden_size=4, output=tmp_path / "a.pt",
        progress=lambda progress: seen.append(progress.esr_best),
    )  # fmt: skip
    assert seen and result.esr_test is not None and result.esr_test < 1.0
    assert result.effect.sample_rate == 8000 and (tmp_path / "a.pt").is_file()
    assert result.effect.esr == pytest.approx(result.esr_test)
    assert capfd.readouterr().out == ""


def test_a_notebook_shows_an_effect_without_trusting_its_name(make_preset: MakePreset) -> None:
    effect = fxhost.load(make_preset(1, 8, 2))
    page = effect._repr_html_()
    assert "LSTM 1×8" in page and "knob 1" in page and 'src="data:audio/wav;base64,UklGR' in page
    object.__setattr__(effect._preset, "name", "<script>alert(1)</script>")
    assert "<script>" not in effect._repr_html_()


def test_metadata_is_what_info_tells() -> None:
    effect = fxhost.load("ts-overdrive")
    told = json.loads(run_fxhost("info", "ts-overdrive", "--json").stdout)
    assert dict(effect.metadata) == told
    assert (effect.name, effect.sample_rate, effect.esr) == (told["name"], 48_000, told["training"]["esr_test"])
    assert repr(effect).startswith("Effect('a diode overdrive pedal'")


def test_the_examples_in_the_docstrings_work() -> None:
    for home in sorted(set(fxhost._HOMES.values()) - {"fxhost.errors", "fxhost.io.devices", "fxhost.rig.knobs"}):
        results = doctest.testmod(import_module(home))
        assert results.attempted > 0 and results.failed == 0, home
