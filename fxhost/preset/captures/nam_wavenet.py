"""The WaveNets of `.nam` files: a description of the network from their config, and its weights.

The keys of 0.5 and those of 0.6 and 0.7 are both read: `head_size` or `head`, `gated` or `gating_mode`, one value for
all layers or a list. Another network that makes the condition comes as a whole model inside.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import PresetError
from fxhost.preset.captures.nam_activations import read_activation
from fxhost.preset.captures.nam_convolutions import read_convnet, read_linear
from fxhost.preset.json_fields import Fields, show, take_array

if TYPE_CHECKING:
    from fxhost.networks.wavenet import WaveNet
    from fxhost.networks.wavenet_layers import Activation, Film, Head, LayerArray

MOST_ARRAYS = 16
MOST_LAYERS = 128  # of an array
MOST = 1 << 18  # of anything that is counted; `check_network` is stricter
MOST_NESTED = 3  # networks that make each other's condition
FILM_PLACES = (  # as `fxhost.networks.wavenet` has them, which is not imported before a WaveNet is read
    *("conv_pre", "conv_post", "input_mixin_pre", "input_mixin_post"),
    *("activation_pre", "activation_post", "layer1x1_post", "head1x1_post"),
)
FILM_ENDING = "_film"
OTHERS = {"ConvNet": read_convnet, "Linear": read_linear}  # networks that may make a condition

T = TypeVar("T")


def read_wavenet(path: Path, model: Fields, nested: int = 1) -> tuple["WaveNet", Float32Array]:
    """The description and the weights of a WaveNet.

    Parameters
    ----------
    path : Path
        For messages.
    model : Fields
        The object that holds `config` and `weights`.
    nested : int
        How many networks this is inside of, with itself.

    Raises
    ------
    PresetError
        If it is not as the format has it, or is nothing that fxhost plays.
    """
    from fxhost.networks.wavenet import WaveNet
    from fxhost.networks.wavenet_checks import check_network

    config = model.child("config")
    condition, first = None, np.zeros(0, np.float32)
    if config.has("condition_dsp"):
        inner = config.child("condition_dsp")
        kind = inner.data.get("architecture")
        if nested == MOST_NESTED or kind not in ("WaveNet", *OTHERS):
            raise PresetError(
                f"{path}: the condition is made by {show(kind)}; fxhost plays WaveNet, ConvNet and Linear there, "
                f"{MOST_NESTED} deep"
            )
        condition, first = OTHERS[kind](path, inner) if kind in OTHERS else read_wavenet(path, inner, nested + 1)
    arrays = tuple(read_array(array) for array in config.children("layers", 1, MOST_ARRAYS))
    head = read_head(config.child("head"), arrays[-1].head_size) if config.has("head") else None
    network = WaveNet(arrays, condition, head)
    if nested == 1:
        try:
            check_network(network)
        except ValueError as err:
            raise PresetError(f"{path}: {err}") from err
    count = network.weight_count - len(first)
    own = take_array(f"{path}: weights of a WaveNet", model.data.get("weights"), (count,))
    return network, np.concatenate([first, own])


def read_array(fields: Fields) -> "LayerArray":
    """One array of layers."""
    from fxhost.networks.wavenet_layers import Layer, LayerArray

    dilations = fields.data.get("dilations")
    if not isinstance(dilations, list) or not 1 <= len(dilations) <= MOST_LAYERS:
        raise fields.refuse("dilations", f"a list of 1 to {MOST_LAYERS} numbers")
    count = len(dilations)
    kernel_key = "kernel_sizes" if fields.has("kernel_sizes") else "kernel_size"
    if fields.has("gating_mode"):
        gatings = per_layer(fields, "gating_mode", count, read_gating)
    else:
        is_gated = fields.has("gated") and fields.boolean("gated")
        gatings = ["gated" if is_gated else "none"] * count
    layers = zip(
        per_layer(fields, kernel_key, count, read_count),
        per_layer(fields, "dilations", count, read_count),
        per_layer(fields, "activation", count, read_activation),
        gatings,
        per_layer(fields, "secondary_activation", count, read_secondary),
        strict=True,
    )
    head_size, head_taps, head_bias, head_dilation = read_result(fields)
    one, extra = (fields.child(key) if fields.has(key) else None for key in ("layer1x1", "head1x1"))
    has_one = one is None or one.boolean("active")
    has_extra = extra is not None and extra.boolean("active")
    return LayerArray(
        tuple(Layer(*layer) for layer in layers),
        input_size=fields.integer("input_size", 1, MOST),
        condition_size=fields.integer("condition_size", 1, MOST),
        channels=fields.integer("channels", 1, MOST),
        head_size=head_size,
        head_kernel_size=head_taps,
        head_bias=head_bias,
        bottleneck=optional_count(fields, "bottleneck", 0),
        groups_input=optional_count(fields, "groups_input"),
        groups_input_mixin=optional_count(fields, "groups_input_mixin"),
        layer1x1=has_one,
        layer1x1_groups=optional_count(one, "groups") if one is not None and has_one else 1,
        head1x1_size=extra.integer("out_channels", 1, MOST) if extra is not None and has_extra else 0,
        head1x1_groups=optional_count(extra, "groups") if extra is not None and has_extra else 1,
        head_dilation=head_dilation,
        films=tuple(film for place in FILM_PLACES if (film := read_film(fields, place))),
    )


def read_film(fields: Fields, place: str) -> "Film | None":
    """The FiLM at a place of an array's layers, if there is one."""
    from fxhost.networks.wavenet_layers import Film

    key = place + FILM_ENDING
    if fields.data.get(key) is None or fields.data[key] is False:
        return None
    film = fields.child(key)
    if film.has("active") and not film.boolean("active"):
        return None
    return Film(place, film.boolean("shift") if film.has("shift") else True, optional_count(film, "groups"))


def read_result(fields: Fields) -> tuple[int, int, bool, int]:
    """The channels, taps, bias and dilation of an array's head rechannel convolution."""
    if fields.has("head"):
        head = fields.child("head")
        sizes = head.integer("out_channels", 1, MOST), head.integer("kernel_size", 1, MOST)
        return *sizes, head.boolean("bias"), optional_count(head, "head_dilation")
    return fields.integer("head_size", 1, MOST), 1, fields.boolean("head_bias"), 1


def read_head(fields: Fields, entering: int) -> "Head":
    """The head of a network with a given number of input channels."""
    from fxhost.networks.wavenet_layers import Head

    if fields.has("in_channels"):
        fields.integer("in_channels", entering, entering)
    kernel_sizes = fields.data.get("kernel_sizes")
    if not isinstance(kernel_sizes, list) or not 1 <= len(kernel_sizes) <= MOST_LAYERS:
        raise fields.refuse("kernel_sizes", f"a list of 1 to {MOST_LAYERS} numbers")
    return Head(
        tuple(per_layer(fields, "kernel_sizes", len(kernel_sizes), read_count)),
        channels=fields.integer("channels", 1, MOST),
        output_size=fields.integer("out_channels", 1, MOST),
        activation=read_activation(fields, "activation"),
    )


def optional_count(fields: Fields, key: str, otherwise: int = 1) -> int:
    """A count, where there is one."""
    return fields.integer(key, 1, MOST) if fields.has(key) else otherwise


def per_layer(fields: Fields, key: str, count: int, read: Callable[[Fields, str], T]) -> list[T]:
    """A value for each layer, from a list of as many or one for all."""
    value = fields.data.get(key)
    if not isinstance(value, list):
        return [read(fields, key)] * count
    if len(value) != count:
        raise fields.refuse(key, f"one value or a list of {count}, as many as there are dilations")
    return [read(fields.within({key: entry}), key) for entry in value]


def read_count(fields: Fields, key: str) -> int:
    """A count of one or more."""
    return fields.integer(key, 1, MOST)


def read_gating(fields: Fields, key: str) -> str:
    """How a layer is gated."""
    value = fields.text(key).lower()
    if value not in ("none", "gated", "blended"):
        raise fields.refuse(key, "'none', 'gated' or 'blended'")
    return value


def read_secondary(fields: Fields, key: str) -> "Activation":
    """The activation of the gates, which may be left out."""
    from fxhost.networks.wavenet_layers import Activation

    return read_activation(fields, key) if fields.has(key) and fields.data[key] != "" else Activation("Sigmoid")
