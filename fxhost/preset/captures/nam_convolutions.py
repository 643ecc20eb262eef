"""The `ConvNet` and the `Linear` of `.nam` files: a plain stack of convolutions, and an impulse response.

A ConvNet's weights lie block by block: W (channels, inputs, 2), and its bias, or with `batchnorm` the running mean, the
running variance, the scale and the bias of that, each (channels,), and ε; after the last block the head's weights
(channels,) and its bias. What a batch normalisation does is put into W and a bias. A Linear's weights are the impulse
response, from what is heard at once to what is heard last, and a bias if it has one.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from fxhost.errors import PresetError
from fxhost.preset.captures.nam_activations import read_activation, write_activation
from fxhost.preset.json_fields import WEIGHT_LIMIT, Fields, take_array

if TYPE_CHECKING:
    from fxhost.networks.wavenet import WaveNet

MOST_BLOCKS = 127  # and one convolution at the end
MOST = 1 << 18  # of anything that is counted; `check_network` is stricter
TAPS = 2  # of a block
PLAYERS = {"auto", "direct", "legacy", "old", "fft", "partitioned_fft", "partitioned-fft"}  # ways to the same sound


def read_convnet(path: Path, model: Fields) -> tuple["WaveNet", Float32Array]:
    """The description and the weights of a ConvNet.

    Raises
    ------
    PresetError
        If it is not as the format has it, or is nothing that fxhost plays.
    """
    from fxhost.networks.wavenet import WaveNet
    from fxhost.networks.wavenet_layers import Head

    config = model.child("config")
    check_channels(config)
    if config.has("groups"):  # they would have to divide the one channel of the audio
        config.integer("groups", 1, 1)
    dilations = config.data.get("dilations")
    if not isinstance(dilations, list) or not 1 <= len(dilations) <= MOST_BLOCKS:
        raise config.refuse("dilations", f"a list of 1 to {MOST_BLOCKS} numbers")
    steps = tuple(config.within({"dilations": step}).integer("dilations", 1, MOST) for step in dilations)
    channels, count = config.integer("channels", 1, MOST), len(steps)
    head = Head((TAPS,) * count + (1,), channels, 1, read_activation(config, "activation"), (*steps, 1))
    network = checked(path, WaveNet((), head=head))
    has_norm = config.boolean("batchnorm")
    sizes = [TAPS * channels * (channels if block else 1) for block in range(count)]
    total = sum(sizes) + count * (4 * channels + 1 if has_norm else channels) + channels + 1
    flat = take_array(f"{path}: weights of a ConvNet", model.data.get("weights"), (total,)).astype(np.float64)
    if has_norm:
        flat = np.concatenate(list(fold_norms(path, flat, sizes, channels)))
    if not np.all(np.abs(flat) <= WEIGHT_LIMIT):
        raise PresetError(f"{path}: the batch normalisation makes a weight beyond ±{WEIGHT_LIMIT:g}")
    return network, np.append(flat, 1.0).astype(np.float32)


def fold_norms(path: Path, flat: NDArray[np.float64], sizes: list[int], channels: int) -> Any:
    """The weights of each block with what its batch normalisation does, and its bias; then those of the head."""
    for size in sizes:
        matrix, flat = flat[:size].reshape(channels, -1), flat[size:]
        mean, variance, scale, bias = flat[: 4 * channels].reshape(4, channels)
        spread = variance + flat[4 * channels]
        if not np.all(spread > 0.0):
            raise PresetError(f"{path}: a batch normalisation has a variance of {spread.min():g}, expected one above 0")
        factor = scale / np.sqrt(spread)
        yield (factor[:, None] * matrix).ravel()
        yield bias - factor * mean
        flat = flat[4 * channels + 1 :]
    yield flat


def read_linear(path: Path, model: Fields) -> tuple["WaveNet", Float32Array]:
    """The description and the weights of an impulse response.

    Raises
    ------
    PresetError
        If it is not as the format has it, or is longer than fxhost plays.
    """
    from fxhost.networks.wavenet import WaveNet
    from fxhost.networks.wavenet_layers import Activation, Head

    config = model.child("config")
    check_channels(config)
    if config.has("implementation") and str(config.data["implementation"]).lower() not in PLAYERS:
        raise config.refuse("implementation", "'auto', 'direct' or 'fft'")
    taps, has_bias = config.integer("receptive_field", 1, MOST), config.boolean("bias")
    network = checked(path, WaveNet((), head=Head((taps,), 1, 1, Activation("Tanh"))))
    flat = take_array(f"{path}: weights of a Linear", model.data.get("weights"), (taps + has_bias,))
    bias = flat[taps] if has_bias else 0.0
    return network, np.array([*flat[:taps][::-1], bias, 1.0], np.float32)


def check_channels(config: Fields) -> None:
    """Refuse more than one channel in or out."""
    for key in ("in_channels", "out_channels"):
        if config.has(key):
            config.integer(key, 1, 1)


def checked(path: Path, network: "WaveNet") -> "WaveNet":
    """A network that can be played.

    Raises
    ------
    PresetError
        If it cannot.
    """
    from fxhost.networks.wavenet_checks import check_network

    try:
        check_network(network)
    except ValueError as err:
        raise PresetError(f"{path}: {err}") from err
    return network


def write_convolutions(network: "WaveNet", flat: Float32Array) -> dict[str, Any]:
    """A network that has only a head as a whole model; its scale is folded into the last weights."""
    head = network.head
    assert head is not None
    weights = flat[:-1].astype(np.float64)
    last = network.head_matrices[-1].size
    weights[-last:] *= float(flat[-1])
    numbers = weights.astype(np.float32).astype(float)
    if network.is_response:
        config: dict[str, Any] = {"receptive_field": head.kernel_sizes[0], "bias": True}
        listed = [*numbers[:-1][::-1].tolist(), float(numbers[-1])]
        return {"version": "0.5.4", "architecture": "Linear", "config": config, "weights": listed}
    config = {
        "channels": head.channels,
        "dilations": list(head.steps[:-1]),
        "batchnorm": False,
        "activation": write_activation(head.activation) if head.activation.numbers else head.activation.name,
    }
    return {"version": "0.5.4", "architecture": "ConvNet", "config": config, "weights": numbers.tolist()}
