"""WaveNets as `.nam` files have them: what `fxhost.preset.captures.nam_wavenet` reads."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fxhost.arrays import Float32Array
from fxhost.preset.captures.nam_activations import write_activation
from fxhost.preset.captures.nam_convolutions import write_convolutions
from fxhost.preset.captures.nam_wavenet import FILM_ENDING, FILM_PLACES

if TYPE_CHECKING:
    from fxhost.networks.wavenet import WaveNet
    from fxhost.networks.wavenet_layers import Film, Head, LayerArray


def write_network(network: "WaveNet", flat: Float32Array) -> dict[str, Any]:
    """A WaveNet as a whole model, with the keys of version 0.5 if they are enough for it, else with those of 0.7."""
    head = None if network.head is None else write_head(network.head)
    config: dict[str, Any] = {"layers": [write_array(array) for array in network.arrays], "head": head}
    count = 0 if network.condition is None else network.condition.weight_count
    if network.condition is not None:
        writer = write_network if network.condition.arrays else write_convolutions
        config["condition_dsp"] = writer(network.condition, flat[:count])
    is_old = network.condition is None and head is None and all("kernel_size" in array for array in config["layers"])
    config["head_scale"] = float(flat[-1])
    weights = flat[count:].astype(float).tolist()
    return {"version": "0.5.4" if is_old else "0.7.0", "architecture": "WaveNet", "config": config, "weights": weights}


def write_array(array: "LayerArray") -> dict[str, Any]:
    """One array of layers."""
    first = array.layers[0]
    sizes: dict[str, Any] = {
        "input_size": array.input_size,
        "condition_size": array.condition_size,
        "channels": array.channels,
        "dilations": [layer.dilation for layer in array.layers],
    }
    alike = all(replace(layer, dilation=first.dilation) == first for layer in array.layers)
    usual = replace(
        array, layers=(), head_kernel_size=1, bottleneck=0, layer1x1=True, layer1x1_groups=1, head1x1_size=0,
        head1x1_groups=1, groups_input=1, groups_input_mixin=1, head_dilation=1, films=(),
    )  # fmt: skip
    is_plain = replace(array, layers=()) == usual and first.activation.numbers == ()
    if alike and is_plain and first.gating != "blended" and first.secondary.name == "Sigmoid":
        head = {"head_size": array.head_size, "head_bias": array.head_bias}
        kind = {"kernel_size": first.kernel_size, "activation": first.activation.name}
        return {**sizes, **head, **kind, "gated": first.gating == "gated"}
    result = {"out_channels": array.head_size, "kernel_size": array.head_kernel_size, "bias": array.head_bias}
    return {
        **sizes,
        "head": result | ({} if array.head_dilation == 1 else {"head_dilation": array.head_dilation}),
        "kernel_sizes": [layer.kernel_size for layer in array.layers],
        "activation": [write_activation(layer.activation) for layer in array.layers],
        "gating_mode": [layer.gating for layer in array.layers],
        "secondary_activation": [
            None if layer.gating == "none" else write_activation(layer.secondary) for layer in array.layers
        ],
        "bottleneck": array.activations,
        "groups_input": array.groups_input,
        "groups_input_mixin": array.groups_input_mixin,
        "layer1x1": {"active": array.layer1x1, "groups": array.layer1x1_groups},
        "head1x1": {
            "active": array.head1x1_size > 0,
            "out_channels": array.head1x1_size or 1,
            "groups": array.head1x1_groups,
        },
        **{place + FILM_ENDING: write_film(array.film(place)) for place in FILM_PLACES},
    }


def write_film(film: "Film | None") -> dict[str, Any]:
    """A FiLM as JSON; inactive if there is none."""
    if film is None:
        return {"active": False, "shift": True, "groups": 1}
    return {"active": True, "shift": film.shift, "groups": film.groups}


def write_head(head: "Head") -> dict[str, Any]:
    """The head of a network."""
    return {
        "channels": head.channels,
        "activation": write_activation(head.activation),
        "out_channels": head.output_size,
        "kernel_sizes": list(head.kernel_sizes),
    }
