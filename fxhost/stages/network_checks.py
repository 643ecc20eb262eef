"""Which WaveNets can be played: what is supported, what has to fit together, and the limits."""

import numpy as np

from fxhost.stages.networks import Layer, LayerArray, Network, layer_matrices
from fxhost.stages.tiles import Ring

MOST_CHANNELS = 128  # of anything in a layer
MOST_TAPS = 64
MOST_LAYERS = 128
MOST_KINDS = 24  # of layers, each compiled by itself
MOST_FRAMES = 1 << 18  # in a receptive field
MOST_NUMBERS = 1 << 22  # of history in all layers

NUMBERS = {"LeakyReLU": 1, "LeakyHardtanh": 4}  # how many numbers an activation takes, if any
ACTIVATIONS = (
    *("Tanh", "Hardtanh", "ReLU", "LeakyReLU", "PReLU", "Sigmoid", "SiLU", "Hardswish", "LeakyHardtanh", "Softsign"),
)
GATINGS = ("none", "gated", "blended")


def check_network(network: Network, *, outputs: int = 1) -> None:
    """Make sure that a network can be played.

    Raises
    ------
    ValueError
        If something is not supported, does not fit together or is beyond the limits, in words.
    """
    arrays, condition_size = network.arrays, 1
    if network.condition:
        condition_size = network.condition.output_size
        check_network(network.condition, outputs=condition_size)
    require(0 < len(arrays) <= MOST_LAYERS, f"it has {len(arrays)} arrays of layers")
    require(network.output_size == outputs, f"it has {network.output_size} outputs, expected {outputs}")
    for n, a in enumerate(arrays):
        before = arrays[n - 1] if n else None
        where = f"array {n + 1}:"
        _check_sizes(a, where)
        entering = before.channels if before else 1
        require(a.input_size == entering, f"{where} input size {a.input_size}, but {entering} channels enter")
        require(
            a.condition_size == condition_size,
            f"{where} condition size {a.condition_size}, but the condition has {condition_size}",
        )
        require(
            before is None or before.head_size == a.summed,
            f"{where} its layers sum {a.summed} channels, but the array before it gives other than that",
        )
        for layer in a.layers:
            _check_layer(a, layer, where)
    kinds = sum(len(array.runs) for array in arrays)
    require(kinds <= MOST_KINDS, f"its layers are of {kinds} kinds, at most {MOST_KINDS}")
    require(network.receptive_field <= MOST_FRAMES, f"it hears {network.receptive_field} frames back")
    rings = (Ring(a.channels, layer.reach) for a in arrays for layer in a.layers)
    history = sum(ring.channels * ring.stride for ring in rings)
    require(history <= MOST_NUMBERS, f"its layers remember {history} numbers, at most {MOST_NUMBERS}")


def _check_sizes(a: LayerArray, where: str) -> None:
    sizes = (a.input_size, a.condition_size, a.channels, a.head_size, a.activations, a.summed)
    for size in sizes:
        require(1 <= size <= MOST_CHANNELS, f"{where} a size of {size}, expected 1 to {MOST_CHANNELS}")
    require(1 <= a.head_kernel_size <= MOST_TAPS, f"{where} {a.head_kernel_size} taps in the head")
    require(1 <= len(a.layers) <= MOST_LAYERS, f"{where} {len(a.layers)} layers, expected 1 to {MOST_LAYERS}")


def _check_layer(a: LayerArray, layer: Layer, where: str) -> None:
    require(1 <= layer.kernel_size <= MOST_TAPS, f"{where} {layer.kernel_size} taps, expected 1 to {MOST_TAPS}")
    require(1 <= layer.dilation <= MOST_FRAMES, f"{where} a dilation of {layer.dilation}")
    require(layer.gating in GATINGS, f"{where} gating {layer.gating!r}, expected one of {', '.join(GATINGS)}")
    for activation in (layer.activation, layer.secondary):
        require(activation.name in ACTIVATIONS, f"{where} activation {activation.name!r} is not supported")
        numbers = a.activations if activation.name == "PReLU" else NUMBERS.get(activation.name, 0)
        require(
            len(activation.numbers) == numbers,
            f"{where} {activation.name} with {len(activation.numbers)} numbers, expected {numbers}",
        )
        require(bool(np.isfinite(activation.numbers).all()), f"{where} {activation.name} with {activation.numbers}")
    for matrix in layer_matrices(a, layer).values():
        require(
            matrix.groups >= 1 and matrix.rows % matrix.groups == 0 and matrix.columns % matrix.groups == 0,
            f"{where} {matrix.groups} groups do not divide {matrix.rows} rows and {matrix.columns} columns",
        )


def require(holds: bool, otherwise: str) -> None:
    """Raise a ValueError with this message if something does not hold."""
    if not holds:
        raise ValueError(f"a WaveNet that cannot be played: {otherwise}")
