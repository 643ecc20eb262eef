"""The channel of a recording that is used, and what is said of the choice."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxhost.cli import main
from fxhost.errors import AudioError
from fxhost.io.channels import choose_channel, parse_channel, parse_channels
from fxhost.io.stream_options import Options
from fxhost.preset.archive import read_preset
from fxhost.rig.rig import Rig
from fxhost.session import Session
from train.pairs.read import read_pair
from train.pairs.sides import read_sides

MakePreset = Callable[..., Path]

RATE = 8000
FRAMES = 4 * RATE + 17

DRY = np.random.default_rng(3).uniform(-0.5, 0.5, FRAMES).astype(np.float32)
WET = np.tanh(2 * DRY).astype(np.float32)
HISS = np.random.default_rng(4).standard_normal(FRAMES).astype(np.float32)
LATE = np.concatenate([np.zeros(3, np.float32), WET[:-3]])
NOTHING = np.zeros(FRAMES, np.float32)


def write(path: Path, *channels: np.ndarray) -> Path:
    soundfile.write(path, np.stack(channels, axis=1), RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize(("left", "right", "used", "words"), [
    (WET, NOTHING, 0, "its left channel is used, the right one is silent"),
    (NOTHING, WET, 1, "its right channel is used, the left one is silent"),
    (0.01 + NOTHING, WET, 1, "its right channel is used, the left one is silent"),
    (WET, 1e-3 * HISS, 0, "its left channel is used, the right one is 5. dB quieter"),
    (WET, WET, 0, "with the same signal on both channels: the left one is used"),
    (WET, WET + 10 ** (-65 / 20) * HISS, 0, "with the same signal on both channels: the left one is used"),
    (0.5 * WET, WET, 1, r"its right channel is used, the left one is the same 6\.0 dB quieter"),
    (WET, -WET, 0, r"its left channel is used, the right one is the same inverted \(--channel right takes that\)"),
    (WET, -0.5 * WET, 0, r"the right one is the same inverted and 6\.0 dB quieter"),
    (WET, 0.5 * LATE, 0, r"the right one is another signal, 6\.0 dB quieter \(--channel right takes that\)"),
    (WET, LATE, 0, r"the right one is another signal, as loud \(--channel right takes that\)"),
])  # fmt: skip
def test_of_two_channels_the_louder_is_used_and_the_other_described(
    left: np.ndarray, right: np.ndarray, used: int, words: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "wet.wav", left, right)
    choice = choose_channel(path)
    assert choice.channel == used
    assert re.search(words, choice.note)
    for wanted in (0, 1):
        assert choose_channel(path, wanted) == type(choice)(wanted)


@pytest.mark.parametrize(("channels", "used", "words"), [
    ([NOTHING, NOTHING, WET, NOTHING, NOTHING, NOTHING], 2, "has 6 channels: channel 3 is used, the others are silent"),
    ([WET, 0.5 * LATE, 0.1 * DRY], 0, r"channel 1 is used, the loudest by 6\.0 dB \(--channel N takes another\)"),
    ([WET, WET, WET, WET], 0, "all others are the same"),
    ([WET, 1e-3 * HISS, NOTHING], 0, "the others are 40 dB quieter or more"),
])  # fmt: skip
def test_of_many_channels_the_loudest_is_used(
    channels: list[np.ndarray], used: int, words: str, tmp_path: Path
) -> None:
    choice = choose_channel(write(tmp_path / "wet.wav", *channels))
    assert choice.channel == used
    assert re.search(words, choice.note)


def test_a_mono_file_leaves_no_choice_and_no_note(tmp_path: Path) -> None:
    path = write(tmp_path / "wet.wav", WET)
    assert (choose_channel(path).channel, choose_channel(path).note) == (0, "")
    with pytest.raises(AudioError, match=r"wet\.wav has no channel 2, but 1 channel only; leave out the choice"):
        choose_channel(path, 1)


@pytest.mark.parametrize(("text", "channel"), [("left", 0), ("Right", 1), ("1", 0), ("12", 11), ("auto", None)])
def test_a_channel_is_a_word_or_a_number_from_one(text: str, channel: int | None) -> None:
    assert parse_channel(text) == channel
    assert parse_channels(f"{text},2") == (channel, 1)
    assert parse_channels(text) == (channel, channel)


@pytest.mark.parametrize("text", ["0", "-1", "257", "middle", "", "1.5", "²", "1,2,3", "left,"])
def test_what_is_no_channel_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        parse_channels(text)


@pytest.mark.parametrize(("channel", "dry_used", "wet_used"), [
    ("auto", 0, 0), ("right", 0, 1), ("left,right", 0, 1), ("auto,2", 0, 1),
])  # fmt: skip
def test_a_channel_that_is_asked_for_is_that_of_the_sides_that_have_several(
    channel: str, dry_used: int, wet_used: int, tmp_path: Path
) -> None:
    dry, wet = write(tmp_path / "dry.wav", DRY), write(tmp_path / "wet.wav", WET, 0.5 * LATE)
    x, y = read_sides(dry, wet, channel)
    assert (x.channel, y.channel) == (dry_used, wet_used)
    np.testing.assert_array_equal(y.audio, 0.5 * LATE if wet_used else WET)


@pytest.mark.parametrize("channel", ["right,right", "2,1", "left,3"])
def test_a_channel_that_a_side_has_not_is_refused(channel: str, tmp_path: Path) -> None:
    dry, wet = write(tmp_path / "dry.wav", DRY), write(tmp_path / "wet.wav", WET, LATE)
    with pytest.raises(AudioError, match="has no channel"):
        read_sides(dry, wet, channel)


def test_one_file_with_dry_left_and_wet_right_is_a_pair(tmp_path: Path) -> None:
    both = write(tmp_path / "both.wav", DRY, WET)
    pair = read_pair(both, both)
    np.testing.assert_array_equal(pair.dry, DRY)
    np.testing.assert_array_equal(pair.wet, WET)
    assert [pair.findings[side]["channel"] for side in ("dry", "wet")] == [0, 1]
    assert any("both.wav is taken for both sides: dry is its left channel, wet its right" in n for n in pair.notes)
    turned = read_pair(both, both, channel="right,left", force=True)
    np.testing.assert_array_equal(turned.dry, WET)


def test_one_file_of_many_channels_is_a_pair_if_two_have_sound(tmp_path: Path) -> None:
    both = write(tmp_path / "both.wav", NOTHING, DRY, NOTHING, WET)
    assert [source.channel for source in read_sides(both, both)] == [1, 3]
    for channels in ((DRY, WET, LATE), (DRY, NOTHING)):
        write(both, *channels)
        with pytest.raises(AudioError, match=r"both\.wav is given as both sides, but . of its . channels have sound"):
            read_sides(both, both)


def test_render_and_an_input_file_take_the_channel_that_is_named(tmp_path: Path, make_preset: MakePreset) -> None:
    preset, out = str(make_preset(rate=RATE)), tmp_path / "out.wav"
    both = write(tmp_path / "both.wav", 0.5 * LATE, WET)
    rendered = []
    for words in (["--channel", "2"], ["--channel", "left"], ["--input-channel", "1"]):
        assert main(["render", preset, str(both), str(out), "--force", *words]) == 0
        rendered.append(soundfile.read(out)[0])
    np.testing.assert_array_equal(rendered[1], rendered[2])
    assert np.abs(rendered[0] - rendered[1]).max() > 0.01
    notes: list[str] = []
    options = Options(input_device="virtual", input_file=both)
    session = Session(Rig((read_preset(Path(preset)),)), options, notice=notes.append)
    assert ["its right channel is used" in note for note in notes] == [True]
    del session
