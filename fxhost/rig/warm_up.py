"""Warming up: a chain that shall come in plays what was heard last, so that its networks know where they are."""

import time

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.engine.rack import Rack
from fxhost.rig.build import Chain
from fxhost.stages.base import PLANE

WARM_S = 1.0  # of what was heard last, at most
WARM_WAIT_S = 0.012  # for which the change waits, at most


def warm_up(chain: Chain, rack: Rack, sample_rate: int, heard_from: int = 0) -> list[tuple[int, int]]:
    """Play what was heard last through a chain that nobody hears yet: a second, or as much as fits into 12 ms.

    Parameters
    ----------
    chain : Chain
        In its initial state.
    rack : Rack
        That heard it.
    sample_rate : int
        In Hz.
    heard_from : int
        The first frame that may be played.

    Returns
    -------
    list of (int, int)
        Which frames were played: from the first to before the second.
    """

    def choose(frames: int) -> tuple[int, int]:
        first, end = rack.last_heard_frames(frames)
        return max(first, min(heard_from, end)), end

    first, end = choose(round(WARM_S * sample_rate))
    timed = first, min(first + PLANE, end)
    began = time.perf_counter()
    play_through(chain, rack.heard_between(*timed))
    took = max(time.perf_counter() - began, 1e-6)
    frames = min(round(WARM_S * sample_rate), int((WARM_WAIT_S - took) / took) * PLANE)
    if frames <= 0:
        return [timed]
    rest = choose(frames)
    play_through(chain, rack.heard_between(*rest))
    return [timed, rest]


def play_through(chain: Chain, audio: Float32Array) -> None:
    """Play float32 (2, frames) through a chain that nobody hears."""
    block = np.zeros((2, PLANE), np.float32)
    for first in range(0, audio.shape[1], PLANE):
        piece = audio[:, first : first + PLANE]
        block[:, : piece.shape[1]] = piece
        for stage in chain:
            stage.process_at(block.ctypes.data + 4 * PLANE * stage.channel, piece.shape[1])
