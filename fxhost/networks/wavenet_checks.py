"""Which WaveNets can be played: what is supported, what has to fit together, and the limits."""

import numpy as np

from fxhost.networks.wavenet import WaveNet, layer_matrices
from fxhost.networks.wavenet_layers import FILM_PLACES, Activation, Layer, LayerArray
from fxhost.networks.wavenet_rings import Ring

MOST_CHANNELS = 128  # of anything in a layer
MOST_TAPS = 64
MOST_RESPONSE = 1 << 16  # taps of an impulse response
MOST_LAYERS = 128
MOST_KINDS = 24  # of layers, each compiled by itself
MOST_FRAMES = 1 << 18  # in a receptive field
MOST_NUMBERS = 1 << 22  # of history in all layers

NUMBERS = {"LeakyReLU": 1, "LeakyHardtanh": 4}  # how many numbers an activation takes, if any
ACTIVATIONS = (
    *("Tanh", "Hardtanh", "ReLU", "LeakyReLU", "PReLU", "Sigmoid", "SiLU", "Hardswish", "LeakyHardtanh", "Softsign"),
    *("Softsigmoid", "Fasttanh"),
)
GATINGS = ("none", "gated", "blended")


def check_network(network: WaveNet, *, outputs: int = 1) -> None:
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
    require(0 < len(arrays) <= MOST_LAYERS or bool(network.head), f"it has {len(arrays)} arrays of layers")
    require(bool(arrays) or network.condition is None, "it has a condition and no arrays of layers")
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
    if network.head:
        _check_head(network)
    kinds = sum(len(array.runs) for array in arrays)
    require(kinds <= MOST_KINDS, f"its layers are of {kinds} kinds, at most {MOST_KINDS}")
    require(network.receptive_field <= MOST_FRAMES, f"it hears {network.receptive_field} frames back")
    rings = [Ring(a.channels, layer.reach) for a in arrays for layer in a.layers]
    rings += [Ring(a.summed, a.head_reach) for a in arrays]
    reaches = network.head.reaches if network.head else []
    rings += [Ring(matrix.columns, reach) for matrix, reach in zip(network.head_matrices, reaches, strict=True)]
    history = sum(ring.channels * ring.stride for ring in rings)
    require(history <= MOST_NUMBERS, f"its layers remember {history} numbers, at most {MOST_NUMBERS}")


def _check_sizes(a: LayerArray, where: str) -> None:
    sizes = (a.input_size, a.condition_size, a.channels, a.head_size, a.activations, a.summed)
    for size in sizes:
        require(1 <= size <= MOST_CHANNELS, f"{where} a size of {size}, expected 1 to {MOST_CHANNELS}")
    require(1 <= a.head_kernel_size <= MOST_TAPS, f"{where} {a.head_kernel_size} taps in the head")
    require(1 <= a.head_dilation <= MOST_FRAMES, f"{where} a dilation of {a.head_dilation} in the head")
    require(1 <= len(a.layers) <= MOST_LAYERS, f"{where} {len(a.layers)} layers, expected 1 to {MOST_LAYERS}")
    places = [film.place for film in a.films]
    require(places == [place for place in FILM_PLACES if place in places], f"{where} films at {', '.join(places)}")
    for place, holds in (("layer1x1_post", a.layer1x1), ("head1x1_post", a.head1x1_size > 0)):
        require(
            holds or place not in places, f"{where} {place} has a film, but there is no {place.removesuffix('_post')}"
        )


def _check_head(network: WaveNet) -> None:
    head, where = network.head, "its head:" if network.arrays else "its convolutions:"
    assert head is not None
    count = len(head.kernel_sizes)
    require(1 <= count <= MOST_LAYERS, f"{where} {count} convolutions")
    require(len(head.steps) == count, f"{where} {len(head.steps)} dilations for {count} convolutions")
    most = MOST_RESPONSE if network.is_response else MOST_TAPS
    for n, (matrix, step) in enumerate(zip(network.head_matrices, head.steps, strict=True)):
        require(1 <= matrix.taps <= most, f"{where} {matrix.taps} taps, expected 1 to {most}")
        require(1 <= step <= MOST_FRAMES, f"{where} a dilation of {step}")
        for size in (matrix.rows, matrix.columns):
            require(1 <= size <= MOST_CHANNELS, f"{where} a size of {size}, expected 1 to {MOST_CHANNELS}")
        if n or network.arrays:
            _check_activation(head.activation, matrix.columns, where)


def _check_layer(a: LayerArray, layer: Layer, where: str) -> None:
    require(1 <= layer.kernel_size <= MOST_TAPS, f"{where} {layer.kernel_size} taps, expected 1 to {MOST_TAPS}")
    require(1 <= layer.dilation <= MOST_FRAMES, f"{where} a dilation of {layer.dilation}")
    require(layer.gating in GATINGS, f"{where} gating {layer.gating!r}, expected one of {', '.join(GATINGS)}")
    for activation in (layer.activation, layer.secondary):
        _check_activation(activation, a.activations, where)
    for matrix in layer_matrices(a, layer).values():
        require(
            matrix.groups >= 1 and matrix.rows % matrix.groups == 0 and matrix.columns % matrix.groups == 0,
            f"{where} {matrix.groups} groups do not divide {matrix.rows} rows and {matrix.columns} columns",
        )


def _check_activation(activation: Activation, channels: int, where: str) -> None:
    require(activation.name in ACTIVATIONS, f"{where} activation {activation.name!r} is not supported")
    numbers = channels if activation.name == "PReLU" else NUMBERS.get(activation.name, 0)
    require(
        len(activation.numbers) == numbers,
        f"{where} {activation.name} with {len(activation.numbers)} numbers, expected {numbers}",
    )
    require(bool(np.isfinite(activation.numbers).all()), f"{where} {activation.name} with {activation.numbers}")


def require(holds: bool, otherwise: str) -> None:
    """Raise a ValueError with this message if something does not hold."""
    if not holds:
        raise ValueError(f"a network that cannot be played: {otherwise}")
