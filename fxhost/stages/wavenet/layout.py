"""The memory of a WaveNet: the ring buffers of its layers' past, its weights, and their offsets.

Time is cut into tiles of 16 frames, the same for every block size: a tile that a block fills only in part is computed
again when the next block brings more of it, and gives the same numbers. So a vector holds successive frames of one
channel, always in the same lanes, and every tile begins on a cache line.

A ring holds a row for each channel: as many frames as are needed and a copy of the first tile behind the last one, so
that 16 frames can be read from any place at once. The first two rings are the audio that enters and that leaves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from fxhost.networks.wavenet import WaveNet, entry, layer_matrices, result
from fxhost.networks.wavenet_matrices import Weights
from fxhost.networks.wavenet_rings import TILE, Ring
from fxhost.stages.wavenet.plan import ArrayPlan, HeadPlan, Run, products

RING_WORDS = 4  # of a ring in the table: its place, length, the distance of its rows, and the dilation


@dataclass(frozen=True)
class WaveNetLayout:
    """The offsets of everything in this network's memory, in float32 from its start.

    Attributes
    ----------
    network : WaveNet
    width, registers : int
        Float32 lanes in a vector register, and how many registers there are.
    """

    network: WaveNet
    width: int
    registers: int

    def split(self, rows: int) -> tuple[int, int, int]:
        """How the rows of a product are cut into parts: rows in a part, number of parts, rows left over.

        A quarter of the registers is left for other things.
        """
        most = max(1, 3 * self.registers // 4 // (TILE // self.width))
        size = -(-rows // -(-rows // most))
        return size, rows // size, rows % size

    @cached_property
    def _plan(self) -> tuple[list[Ring], list[ArrayPlan | HeadPlan], int]:
        rings = [Ring(1), Ring(1)]
        plans: list[ArrayPlan | HeadPlan] = []
        at = 0

        def add(network: WaveNet, target: int) -> None:
            nonlocal at
            condition = 0
            if network.condition:
                condition = len(rings)
                rings.append(Ring(network.condition.output_size))
                add(network.condition, condition)
            first = len(rings)  # of the head
            if network.head:
                own = [
                    Ring(matrix.columns, reach, step)
                    for matrix, reach, step in zip(
                        network.head_matrices, network.head.reaches, network.head.steps, strict=True
                    )
                ]
                if not network.arrays:  # the first one hears the audio where it enters
                    rings[0] = own.pop(0)
                rings.extend(own)
            source, head = 0, len(rings)
            rings.extend(Ring(a.summed, a.head_reach, a.head_dilation) for a in network.arrays)
            targets = [*range(head + 1, len(rings)), first if network.head else target]
            for n, a in enumerate(network.arrays):
                start, at = at, at + entry(a).rows * entry(a).columns + a.channels
                ring = filmed = len(rings)
                heard = [Ring(a.channels, layer.reach, layer.dilation) for layer in a.layers]
                if a.film("conv_pre"):  # x enters the sum as it is, and the convolution otherwise
                    rings.extend([Ring(a.channels)] * (len(heard) + 1))
                    filmed = len(rings)
                    rings.extend(heard)
                else:
                    rings.extend([*heard, Ring(a.channels)])
                after = ring + len(heard)
                runs = []
                for layers in a.runs:
                    step = sum(product.size for product in products(a, layers[0]).values())
                    runs.append(Run(layers[0], len(layers), ring, filmed, at, step))
                    ring, filmed, at = ring + len(layers), filmed + len(layers), at + step * len(layers)
                plans.append(ArrayPlan(a, source, condition, head + n, targets[n], start, at, tuple(runs), n == 0))
                at += result(a).rows * (result(a).columns * result(a).taps + 1)
                source = after
            if network.head:
                matrices = network.head_matrices
                starts = list(accumulate((m.rows * (m.columns * m.taps + 1) for m in matrices), initial=at))
                alone = not network.arrays  # then the first ring is that of the audio
                passed = (*((0,) if alone else ()), *range(first, first + len(matrices) - alone), target)
                plans.append(HeadPlan(network.head, tuple(matrices), passed, tuple(starts[:-1]), alone))
                at = starts[-1]

        add(self.network, 1)
        return rings, plans, at

    @property
    def rings(self) -> list[Ring]:
        """All rings."""
        return self._plan[0]

    @property
    def parts(self) -> list[ArrayPlan | HeadPlan]:
        """All arrays of layers and heads in the order in which they play."""
        return self._plan[1]

    @cached_property
    def offsets(self) -> dict[str, int]:
        """The first index of each part; the parts before `table` are what playing changes."""
        arrays = [part.array for part in self.parts if isinstance(part, ArrayPlan)]
        mixed = [a for a in arrays if a.film("input_mixin_post")]
        sizes = {
            "phase": 1,  # int32: frames in the tile that is not full yet
            "positions": len(self.rings),  # int32: where in each ring that tile begins
            "rings": sum(ring.channels * ring.stride for ring in self.rings),
            "table": RING_WORDS * len(self.rings),  # int32
            "activations": TILE * 2 * max((a.activations for a in arrays), default=0),  # and what gates them
            "condition": TILE * max((a.condition_size for a in arrays if a.film("input_mixin_pre")), default=0),
            "mixed": TILE * 2 * max((a.activations for a in mixed), default=0),
            "summed": TILE * max((a.summed for a in arrays if a.film("head1x1_post")), default=0),
            "weights": self._plan[2],
            "end": 0,
        }
        starts = np.concatenate([[0], np.cumsum([-(-size // TILE) * TILE for size in sizes.values()])])
        return {name: int(start) for name, start in zip(sizes, starts, strict=False)}

    def table(self) -> NDArray[np.int32]:
        """The table of rings that the kernel reads, int32 (rings, 4)."""
        sizes = [ring.channels * ring.stride for ring in self.rings]
        places = self.offsets["rings"] + np.concatenate([[0], np.cumsum(sizes)[:-1]])
        rows = [(p, r.length, r.stride, r.dilation) for p, r in zip(places, self.rings, strict=True)]
        return np.array(rows, np.int32)

    def arrange(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """The weights of a network in the order in which the code reads them."""
        arranged = np.concatenate(list(self._arrange(self.network, weights.astype(np.float64))))
        return arranged.astype(np.float32)

    def _arrange(self, network: WaveNet, weights: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        if network.condition:
            count = network.condition.weight_count
            yield from self._arrange(network.condition, weights[:count])
            weights = weights[count:]
        scale, at = weights[-1], 0
        for n, a in enumerate(network.arrays):
            taken = entry(a).read(weights[at:])
            at += entry(a).size
            yield from self._arrange_product(taken)
            for layer in a.layers:
                read = {}
                for name, matrix in layer_matrices(a, layer).items():
                    read[name] = matrix.read(weights[at:])
                    at += matrix.size
                for product in products(a, layer).values():
                    rows = slice(product.start, product.start + product.rows)
                    terms = [Weights(read[term].matrix[rows], read[term].bias[rows]) for term in product.terms]
                    yield from self._arrange_product(*terms)
            taken = result(a).read(weights[at:])
            at += result(a).size
            if n + 1 == len(network.arrays):
                taken = Weights(taken.matrix * scale, taken.bias * scale)
            yield from self._arrange_product(taken)
        for n, matrix in enumerate(network.head_matrices):
            taken = matrix.read(weights[at:])
            if not network.arrays and n + 1 == len(network.head_matrices):
                taken = Weights(taken.matrix * scale, taken.bias * scale)
            yield from self._arrange_product(taken)
            at += matrix.size

    def _arrange_product(self, *terms: Weights) -> Iterator[NDArray[np.float64]]:
        """The weights of Σ terms: part by part tap after tap of each term, column after column, then the biases."""
        count = len(terms[0].bias)
        size, _, _ = self.split(count)
        for start in range(0, count, size):
            rows = slice(start, start + size)
            for term in terms:
                yield term.matrix[rows].transpose(2, 1, 0).ravel()
            yield sum((term.bias[rows] for term in terms), np.zeros(len(terms[0].bias[rows])))
