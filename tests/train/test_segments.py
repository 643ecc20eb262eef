"""Placing segments, drawing batches, playing stretches."""

import numpy as np
import pytest
import torch

import train.segments
from fxhost.reference.torchscript import EffectLSTM
from train.network.model import make_model
from train.pairs.stretch import Material, Stretch
from train.segments import Feed, compile_model, measure_esr, place_segments, play_stretch
from train.settings import Settings


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def make(hidden_size: int = 5, layers: int = 1, seed: int = 7) -> EffectLSTM:
    generator = torch.Generator().manual_seed(seed)
    return make_model(layers, hidden_size, residual=False, memory_frames=1000.0, generator=generator)


def noise(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-1, 1, frames).astype(np.float32)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_feed(settings: Settings, seed: int = 1) -> Feed:
    """Two recordings whose samples tell their place, the wet side inverted."""
    first, second = np.arange(1, 2001, dtype=np.float32), np.arange(10001, 10901, dtype=np.float32)
    material = [
        Material(first, -first, (Stretch(100, 1000), Stretch(1200, 2000))),
        Material(second, -second, (Stretch(0, 900),)),
    ]
    return Feed(material, settings, seeded(seed))


@pytest.mark.parametrize("frames", [1, 3, 17, 64, 509])
def test_segments_lie_in_their_stretch_and_over_the_epochs_cover_all_of_it(frames: int) -> None:
    stretch, generator = Stretch(1301, 1301 + 1009), seeded(frames)
    counted = np.zeros(3000, int)
    for _ in range(20):
        starts = place_segments(stretch, frames, generator)
        assert len(starts) == -(-len(stretch) // frames)
        for start in starts:
            assert stretch.start <= start <= stretch.end - frames
            counted[start : start + frames] += 1
    assert counted[stretch.start : stretch.end].min() > 0
    assert counted[stretch.start] + counted[stretch.end - 1] > 4  # the ends are not starved


def test_a_batch_is_full_and_has_the_audio_before_each_segment() -> None:
    feed = make_feed(Settings(batch=7, segment_frames=100, warm_up_frames=30))
    assert feed.per_epoch == 9 + 8 + 9
    seen = set()
    for _ in range(12):
        x, y = feed.draw()
        assert x.shape == (7, 130, 1)
        assert y.shape == (7, 100)
        torch.testing.assert_close(x[:, 30:, 0], -y)
        before = x[:, :30, 0]
        expected = x[:, 30:31, 0] - torch.arange(30.0, 0.0, -1.0)
        torch.testing.assert_close(before, torch.where(before == 0, 0, expected))
        assert (before == 0).sum() == (expected - 10000.0 * (expected > 9000) < 1).sum()  # silence before the beginning
        seen |= set((-y).flatten().int().tolist())
    allowed = {*range(101, 1001), *range(1201, 2001), *range(10001, 10901)}
    assert seen <= allowed
    assert len(seen) > 0.98 * len(allowed)


def test_segments_are_not_longer_than_the_shortest_stretch() -> None:
    feed = make_feed(Settings(batch=2, segment_frames=5000, truncation_frames=100, warm_up_frames=0))
    assert feed.segment_frames == 800
    assert feed.draw()[1].shape == (2, 800)


def test_a_segment_that_is_shortened_is_made_of_whole_windows() -> None:
    feed = make_feed(Settings(batch=2, segment_frames=5000, truncation_frames=300, warm_up_frames=0))
    assert feed.segment_frames == 600
    feed = make_feed(Settings(batch=2, segment_frames=5000, truncation_frames=5000, warm_up_frames=0))
    assert feed.segment_frames == 800


def test_the_order_changes_from_epoch_to_epoch_and_with_the_seed() -> None:
    settings = Settings(batch=26, segment_frames=100, warm_up_frames=0)

    def draw(seed: int) -> list[list[float]]:
        feed = make_feed(settings, seed)
        return [feed.draw()[1][:, 0].tolist() for _ in range(2)]

    assert draw(1) == draw(1)
    assert draw(1)[0] != draw(1)[1]
    assert draw(1)[0] != draw(2)[0]


def test_a_feed_goes_on_from_where_another_was() -> None:
    settings = Settings(batch=7, segment_frames=100, warm_up_frames=0)
    feed, other = make_feed(settings), make_feed(settings, seed=9)
    for _ in range(5):
        feed.draw()
    other.restore(feed.state())
    for _ in range(9):
        assert torch.equal(feed.draw()[1], other.draw()[1])


def play_stretches(
    model: EffectLSTM, audio: np.ndarray, stretches: tuple[Stretch, ...], warm_up_frames: int
) -> list[np.ndarray]:
    stage = compile_model(model)
    return [np.concatenate(list(play_stretch([stage], audio, stretch, warm_up_frames))) for stretch in stretches]


@pytest.mark.parametrize("frames", [1, 509, 9001])
def test_a_stretch_is_played_as_torch_plays_it_to_the_last_sample(frames: int) -> None:
    model, audio = make(layers=2), noise(frames)
    state = torch.zeros(2, 1, 5)
    with torch.inference_mode():
        whole, _, _ = model(torch.from_numpy(audio)[None, :, None], state, state)
    (played,) = play_stretches(model, audio, (Stretch(0, frames),), 0)
    assert played.shape == (frames,)
    np.testing.assert_allclose(played, whole[0, :, 0].numpy(), atol=1e-5)


def test_stretches_of_unlike_length_are_played_as_each_alone() -> None:
    model, audio = make(), noise(9001)
    stretches = (Stretch(0, 1009), Stretch(2000, 7003), Stretch(8000, 9001))
    together = play_stretches(model, audio, stretches, 300)
    for stretch, played in zip(stretches, together, strict=True):
        (alone,) = play_stretches(model, audio, (stretch,), 300)
        assert len(played) == len(stretch)
        np.testing.assert_allclose(played, alone, atol=1e-5)


def test_warming_up_by_all_that_came_before_gives_the_state_of_playing_on() -> None:
    model, audio = make(), noise(3000)
    (whole,) = play_stretches(model, audio, (Stretch(0, 3000),), 0)
    (tail,) = play_stretches(model, audio, (Stretch(2000, 3000),), 2000)
    np.testing.assert_allclose(tail, whole[2000:], atol=1e-5)


@pytest.mark.parametrize("frames", [4097, 5003])
def test_the_last_sample_counts_in_the_esr(frames: int) -> None:
    model, audio = make(), noise(frames)
    stretches = (Stretch(0, frames),)
    (wet,) = play_stretches(model, audio, stretches, 8)
    assert measure_esr(model, [Material(audio, wet, stretches)], 8) == 0.0
    wet = wet.copy()
    wet[-1] += 1.0
    expected = 1.0 / np.sum(wet.astype(float) ** 2)
    assert measure_esr(model, [Material(audio, wet, stretches)], 8) == pytest.approx(expected, rel=1e-5)


def test_the_warm_up_does_not_count_in_the_esr() -> None:
    model, audio = make(), noise(4000)
    (wet,) = play_stretches(model, audio, (Stretch(0, 4000),), 0)
    wet = wet.copy()
    wet[:3000] = 99.0
    assert measure_esr(model, [Material(audio, wet, (Stretch(3000, 4000),))], 3000) < 1e-10


def test_the_esr_is_pooled_over_recordings_and_does_not_depend_on_the_threads_or_the_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make()
    material = [
        Material(noise(frames), 2 * noise(frames + 1)[1:], (Stretch(0, frames // 2), Stretch(frames // 2, frames)))
        for frames in (3001, 5003)
    ]
    errors = powers = 0.0
    for part in material:
        for stretch in part.stretches:
            (played,) = play_stretches(model, part.dry, (stretch,), 8)
            target = part.wet[stretch.start : stretch.end].astype(float)
            errors, powers = errors + np.sum((target - played) ** 2), powers + np.sum(target**2)
    pooled = measure_esr(model, material, 8)
    assert pooled == pytest.approx(errors / powers, rel=1e-9)
    assert measure_esr(model, material, 8, threads=3) == pooled
    monkeypatch.setattr(train.segments, "BLOCK_FRAMES", 509)
    assert measure_esr(model, material, 8) == pytest.approx(pooled, rel=1e-12)
