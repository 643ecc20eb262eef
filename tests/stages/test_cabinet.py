"""The cabinet against a convolution in float64, in blocks of any size, and how its work is spread."""

import numpy as np
import pytest

from fxhost.arrays import Float32Array, Float64Array
from fxhost.stages.cabinet.partitions import TICK, make_level
from fxhost.stages.cabinet.stage import DIRECT, SIZES, Cabinet

LENGTHS = [1, 7, DIRECT, DIRECT + 1, 700, 4096, 2 * SIZES[1], 2 * SIZES[1] + 1, 48_000, 96_000]
BLOCKS = (1, 3, 17, 64, 509, 512)


def make_response(taps: int) -> Float64Array:
    rng = np.random.default_rng(taps)
    response = rng.standard_normal(taps) * np.exp(-4.0 * np.arange(taps) / taps)
    return response / np.sqrt(np.sum(response**2))


def convolve(audio: Float32Array, response: Float64Array) -> Float64Array:
    size = 1 << int(np.ceil(np.log2(len(audio) + len(response))))
    spectrum = np.fft.rfft(audio.astype(np.float64), size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(audio)]


@pytest.mark.parametrize("taps", LENGTHS)
def test_a_response_of_any_length_is_played_as_a_convolution_without_latency(taps: int, guitar: Float32Array) -> None:
    audio, response = guitar[200_000:260_000], make_response(taps)
    played = audio.copy()
    Cabinet(response).process(played)
    wanted = convolve(audio, response)
    assert np.abs(wanted).max() > 0.1
    assert np.abs(played - wanted).max() < 1e-6


@pytest.mark.parametrize("taps", [DIRECT, 5000, 20_000])
def test_blocks_of_any_size_give_the_same_samples_to_the_bit_also_after_a_reset(
    taps: int, guitar: Float32Array
) -> None:
    audio, cabinet = guitar[200_000:240_000], Cabinet(make_response(taps))
    whole = audio.copy()
    cabinet.process(whole)
    cabinet.reset()
    pieces, rng, at = audio.copy(), np.random.default_rng(3), 0
    while at < len(pieces):
        frames = int(rng.choice(BLOCKS))
        cabinet.process(pieces[at : at + frames])
        at += frames
    assert np.array_equal(pieces, whole)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("partitions", [1, 10])
def test_the_work_on_a_partition_is_spread_evenly_over_its_ticks(size: int, partitions: int) -> None:
    level = make_level(np.ones(size * partitions), size)
    header = level[:128].view(np.int64)
    steps = level[header[3] :][: 40 * header[2]].view(np.int64).reshape(-1, 5)
    assert list(steps[:, 4]) == sorted(steps[:, 4])
    assert (steps[0, 4], steps[-1, 4]) == (1, size // TICK)
    work = np.bincount(steps[:, 4], steps[:, 3] - steps[:, 2])[1:]  # bins and butterflies of each tick
    assert work.max() <= work.mean() + 2 * 512
