"""Placing segments, drawing batches, playing stretches."""

import itertools

import numpy as np
import pytest
import torch

from fxhost.errors import TrainingError
from fxhost.torchscript import EffectLSTM
from train.model import make_model
from train.pair import Stretch
from train.segments import draw_batches, measure_esr, place_segments, play_stretches
from train.settings import Settings


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def make(hidden_size: int = 5, layers: int = 1, seed: int = 7) -> EffectLSTM:
    return make_model(layers, hidden_size, residual=False, generator=torch.Generator().manual_seed(seed))


def noise(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-1, 1, frames).astype(np.float32)


@pytest.mark.parametrize("segment_frames", [1, 3, 17, 64, 509])
def test_segments_cover_the_training_stretches_and_nothing_else(segment_frames: int) -> None:
    stretches = (Stretch(0, 1000), Stretch(1301, 1301 + 509), Stretch(5000, 7003))
    counted = np.zeros(8000, int)
    for start in place_segments(stretches, segment_frames):
        counted[start : start + segment_frames] += 1
    inside = np.zeros(8000, bool)
    for stretch in stretches:
        inside[stretch.start : stretch.end] = True
    np.testing.assert_array_equal(counted > 0, inside)
    assert counted.max() <= 2


def test_segments_longer_than_every_stretch_are_refused() -> None:
    with pytest.raises(TrainingError, match="segment_frames is 509"):
        place_segments((Stretch(0, 508),), 509)


def test_an_epoch_has_every_segment_once_with_the_audio_before_it() -> None:
    audio = np.arange(1, 2001, dtype=np.float32)
    starts = place_segments((Stretch(100, 1000), Stretch(1200, 2000)), 100)
    settings = Settings(batch=4, segment_frames=100, warm_up_frames=30)
    seen: list[float] = []
    for x, y, ends_epoch in draw_batches(audio, -audio, starts, settings, torch.Generator().manual_seed(1)):
        assert x.shape == (len(y), 130, 1)
        torch.testing.assert_close(x[:, 30:, 0], -y)
        torch.testing.assert_close(x[:, :30, 0], x[:, 30:31, 0] - torch.arange(30.0, 0.0, -1.0))
        seen += y[:, 0].tolist()
        if ends_epoch:
            break
    assert sorted(-first for first in seen) == [start + 1 for start in starts]


def test_the_order_changes_from_epoch_to_epoch_and_with_the_seed() -> None:
    audio = np.arange(3000, dtype=np.float32)
    starts = place_segments((Stretch(0, 3000),), 100)
    settings = Settings(batch=30, segment_frames=100, warm_up_frames=0)

    def draw(seed: int) -> list[list[float]]:
        batches = draw_batches(audio, audio, starts, settings, torch.Generator().manual_seed(seed))
        return [y[:, 0].tolist() for _, y, _ in itertools.islice(batches, 2)]

    assert draw(1) == draw(1)
    assert draw(1)[0] != draw(1)[1]
    assert draw(1)[0] != draw(2)[0]


@pytest.mark.parametrize("frames", [1, 509, 9001])
def test_a_stretch_is_played_as_torch_plays_it_to_the_last_sample(frames: int) -> None:
    model, audio = make(layers=2), noise(frames)
    state = torch.zeros(2, 1, 5)
    with torch.inference_mode():
        whole, _, _ = model(torch.from_numpy(audio)[None, :, None], state, state)
    (played,) = play_stretches(model, audio, (Stretch(0, frames),), 0)
    assert played.shape == (frames,)
    np.testing.assert_allclose(played, whole[0, :, 0].numpy(), atol=1e-6)


def test_stretches_of_unlike_length_are_played_as_each_alone() -> None:
    model, audio = make(), noise(9001)
    stretches = (Stretch(0, 1009), Stretch(2000, 7003), Stretch(8000, 9001))
    together = play_stretches(model, audio, stretches, 300)
    for stretch, played in zip(stretches, together, strict=True):
        (alone,) = play_stretches(model, audio, (stretch,), 300)
        assert len(played) == len(stretch)
        np.testing.assert_allclose(played, alone, atol=1e-6)


def test_warming_up_by_all_that_came_before_gives_the_state_of_playing_on() -> None:
    model, audio = make(), noise(3000)
    (whole,) = play_stretches(model, audio, (Stretch(0, 3000),), 0)
    (tail,) = play_stretches(model, audio, (Stretch(2000, 3000),), 2000)
    np.testing.assert_allclose(tail, whole[2000:], atol=1e-6)


@pytest.mark.parametrize("frames", [4097, 5003])
def test_the_last_sample_counts_in_the_esr(frames: int) -> None:
    model, audio = make(), noise(frames)
    stretches = (Stretch(0, frames),)
    (wet,) = play_stretches(model, audio, stretches, 8)
    assert measure_esr(model, audio, wet, stretches, 8) == 0.0
    wet = wet.copy()
    wet[-1] += 1.0
    expected = 1.0 / np.sum(wet.astype(float) ** 2)
    assert measure_esr(model, audio, wet, stretches, 8) == pytest.approx(expected, rel=1e-5)


def test_the_warm_up_does_not_count_in_the_esr() -> None:
    model, audio = make(), noise(4000)
    (wet,) = play_stretches(model, audio, (Stretch(0, 4000),), 0)
    wet = wet.copy()
    wet[:3000] = 99.0
    assert measure_esr(model, audio, wet, (Stretch(3000, 4000),), 3000) < 1e-10
