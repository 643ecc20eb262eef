"""What each slot of a rack costs: the CPU time that its stages take for a block, measured beside the audio thread."""

import time
from collections.abc import Sequence

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.rig.rig import Rig
from fxhost.rig.slot import Slot

LEAST_FRAMES = 4096  # to play: a cabinet spreads its work over so many
MOST_CPU_S = 0.06  # for one of the tries; what is far too slow shows at once
TRIES = 3  # of which the quickest counts: the others were held up


def measure_costs(rig: Rig, slots: Sequence[Slot], inputs: int, block_frames: int, heard: Float32Array) -> list[float]:
    """The CPU time that each slot takes for a block, divided by the duration of the block.

    It is the time of this thread while it computes, so that it does not grow where other programs take the CPU.

    Parameters
    ----------
    rig : Rig
        Whose engine plays them.
    slots : sequence of Slot
    inputs : {1, 2}
        Channels that go into the first slot.
    block_frames : int
    heard : float32 (2, frames)
        What to play, again and again.

    Returns
    -------
    list of float
        As many as there are slots; 1 is all the time that there is.
    """
    costs = []
    for slot in slots:
        rack, chain = rig.rack_of([slot], inputs)
        block = np.zeros((block_frames, inputs), np.float32)
        if heard.size:
            block[:] = np.resize(heard[:inputs], (inputs, block_frames)).T
        out = np.zeros((block_frames, rack.channels), np.float32)
        rack.process(block, out)  # fetches its memory
        tries = []
        for _ in range(TRIES):
            blocks, began = 0, time.thread_time()
            while (spent_s := time.thread_time() - began) < MOST_CPU_S and blocks * block_frames < LEAST_FRAMES:
                rack.process(block, out)
                blocks += 1
            tries.append(spent_s * slot.sample_rate / (blocks * block_frames))
        costs.append(min(tries))
        inputs = 2 if any(stage.makes_stereo for stage in chain) else inputs
    return costs
