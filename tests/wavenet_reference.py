"""A WaveNet of a `.nam` file in float64 numpy, whole signals at once, and what makes such files' contents at random.

Written from the description of the format alone: it shares nothing with the engine that it is held against, but for
`describe`, which says to the engine what a file says.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxhost.networks.wavenet import WaveNet
from fxhost.networks.wavenet_layers import Activation, Film, Head, Layer, LayerArray

# In the order of their weights, which come last of a layer.
FILMS = (
    *("conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film"),
    *("activation_pre_film", "activation_post_film", "layer1x1_post_film", "head1x1_post_film"),
)

Signal = NDArray[Any]  # (channels, frames)
Model = dict[str, Any]


class Weights:
    """Takes matrices from the front of a flat list."""

    def __init__(self, values: list[float], dtype: Any) -> None:
        self.values, self.at = np.array(values, np.float32).astype(dtype), 0

    def take(self, *shape: int) -> NDArray[Any]:
        count = int(np.prod(shape))
        found = self.values[self.at : self.at + count]
        assert len(found) == count, "too few weights"
        self.at += count
        return found.reshape(shape)

    def convolution(self, out: int, into: int, taps: int = 1, *, groups: int = 1, dilation: int = 1, bias: bool) -> Any:
        w = self.take(out, into // groups, taps)
        b = self.take(out) if bias else np.zeros(out, w.dtype)

        def apply(x: Signal) -> Signal:
            y = np.repeat(b[:, None], x.shape[1], axis=1)
            for k in range(taps):
                shift = (taps - 1 - k) * dilation
                past = np.concatenate([np.zeros((into, shift), x.dtype), x], axis=1)[:, : x.shape[1]]
                for g in range(groups):
                    rows = slice(g * out // groups, (g + 1) * out // groups)
                    y[rows] += w[rows, :, k] @ past[g * into // groups : (g + 1) * into // groups]
            return y

        return apply

    def film(self, spec: Any, condition: Signal, size: int) -> Any:
        """What multiplies `size` channels by one half of a convolution of the condition, and adds the other half."""
        if not is_active(spec):
            return lambda x: x
        shift = spec.get("shift", True)
        made = self.convolution(size * (1 + shift), len(condition), groups=spec.get("groups", 1), bias=True)(condition)
        return lambda x: x * made[:size] + (made[size:] if shift else 0.0)


def is_active(film: Any) -> bool:
    return isinstance(film, dict) and bool(film.get("active", True))


def logistic(x: Signal) -> Signal:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def activation(spec: Any) -> Callable[[Signal], Signal]:
    fields = {"type": spec} if isinstance(spec, str) else spec
    slope = fields.get("negative_slope", 0.01)
    slopes = np.array(fields.get("negative_slopes", [slope]))[:, None]
    low, high = fields.get("min_val", -1.0), fields.get("max_val", 1.0)
    below, above = fields.get("min_slope", 0.01), fields.get("max_slope", 0.01)
    return {
        "Tanh": np.tanh,
        "Hardtanh": lambda x: np.clip(x, low, high),
        "ReLU": lambda x: np.maximum(x, 0),
        "LeakyReLU": lambda x: np.where(x > 0, x, slope * x),
        "PReLU": lambda x: np.where(x > 0, x, slopes * x),
        "Sigmoid": logistic,
        "SiLU": lambda x: x * logistic(x),
        "Hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
        "LeakyHardtanh": lambda x: (
            np.clip(x, low, high) + below * np.minimum(x - low, 0) + above * np.maximum(x - high, 0)
        ),
        "LeakyHardTanh": lambda x: activation({**fields, "type": "LeakyHardtanh"})(x),
        "Softsign": lambda x: x / (1 + np.abs(x)),
        "Softsigmoid": lambda x: 0.5 + 0.5 * x / (1 + np.abs(x)),
        "Fasttanh": fast_tanh,
    }[fields["type"]]


def fast_tanh(x: Signal) -> Signal:
    """The rational function that Neural Amp Modeler takes for tanh."""
    a, x2 = np.abs(x), x * x
    over = x * (2.45550750702956 + 2.45550750702956 * a + (0.893229853513558 + 0.821226666969744 * a) * x2)
    return over / (2.44506634652299 + (2.44506634652299 + x2) * np.abs(x + 0.814642734961073 * x * a))


def per_layer(value: Any, count: int) -> list[Any]:
    return value if isinstance(value, list) else [value] * count


def gating_of(array: Model) -> list[str]:
    return per_layer(array.get("gating_mode", "gated" if array.get("gated") else "none"), len(array["dilations"]))


def kernels_of(array: Model) -> list[int]:
    return per_layer(array.get("kernel_sizes", array.get("kernel_size")), len(array["dilations"]))


def head_of(array: Model) -> tuple[int, int, bool, int]:
    head = array.get("head")
    if head:
        return head["out_channels"], head["kernel_size"], head["bias"], head.get("head_dilation", 1)
    return array["head_size"], 1, array["head_bias"], 1


def receptive_field(model: Model) -> int:
    config = model["config"]
    own = sum(
        sum((k - 1) * d for k, d in zip(kernels_of(a), a["dilations"], strict=True)) + head_of(a)[1] * head_of(a)[3]
        for a in config["layers"]
    )
    own += sum(config["head"]["kernel_sizes"]) if config.get("head") else 0
    return own + (receptive_field(config["condition_dsp"]) if config.get("condition_dsp") else 0)


def play(
    model: Model,
    audio: NDArray[Any],
    dtype: Any = float,
    condition: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
) -> NDArray[Any]:
    """What a model makes of float (frames,) after silence, in float64 or in another type; `condition` is made so."""
    before = 5000 if condition else receptive_field(model)
    padded = np.concatenate([np.zeros(before), audio]).astype(dtype)
    return run(model, padded[None], condition and condition(padded)[None])[0, before:]


def run(model: Model, audio: Signal, condition: Signal | None = None) -> Signal:
    config, weights = model["config"], Weights(model["weights"], audio.dtype)
    if condition is None:
        condition = run(config["condition_dsp"], audio) if config.get("condition_dsp") else audio
    x, head_sum = audio, None
    for array in config["layers"]:
        channels, inner = array["channels"], array.get("bottleneck") or array["channels"]
        count = len(array["dilations"])
        one, extra = array.get("layer1x1", {"active": True}), array.get("head1x1", {"active": False})
        x = weights.convolution(channels, array["input_size"], bias=False)(x)
        specs = zip(
            kernels_of(array),
            array["dilations"],
            per_layer(array["activation"], count),
            gating_of(array),
            per_layer(array.get("secondary_activation") or "Sigmoid", count),
            strict=True,
        )
        for kernel, dilation, primary, gating, secondary in specs:
            rows = inner if gating == "none" else 2 * inner
            width = array["condition_size"]
            groups = array.get("groups_input", 1)
            convolve = weights.convolution(rows, channels, kernel, groups=groups, dilation=dilation, bias=True)
            mix = weights.convolution(rows, width, groups=array.get("groups_input_mixin", 1), bias=False)
            pass_on = collect = None
            if one["active"]:
                pass_on = weights.convolution(channels, inner, groups=one.get("groups", 1), bias=True)
            if extra["active"]:
                collect = weights.convolution(extra["out_channels"], inner, groups=extra.get("groups", 1), bias=True)
            sizes = channels, rows, width, rows, rows, inner, channels, extra.get("out_channels", 0)
            before, after, mix_before, mix_after, activation_before, activation_after, passed, collected = (
                weights.film(array.get(key), condition, size) for key, size in zip(FILMS, sizes, strict=True)
            )
            z = activation_before(after(convolve(before(x))) + mix_after(mix(mix_before(condition))))
            a = activation(primary)(z[:inner])
            if gating != "none":
                gate = activation(secondary)(z[inner:])
                a = gate * a + (0.0 if gating == "gated" else (1 - gate) * z[:inner])
            a = activation_after(a)
            if pass_on:
                x = x + passed(pass_on(a))
            if collect:
                a = collected(collect(a))
            head_sum = a if head_sum is None else head_sum + a
        size, taps, bias, apart = head_of(array)
        head_sum = weights.convolution(size, len(head_sum), taps, dilation=apart, bias=bias)(head_sum)
    head = config.get("head") or {"kernel_sizes": []}
    convolutions, into = [], size
    for n, taps in enumerate(head["kernel_sizes"]):
        size = head["out_channels"] if n + 1 == len(head["kernel_sizes"]) else head["channels"]
        convolutions.append(weights.convolution(size, into, taps, bias=True))
        into = size
    y = weights.take(1)[0] * head_sum
    assert weights.at == len(weights.values), "too many weights"
    for convolve in convolutions:
        y = convolve(activation(head["activation"])(y))
    return y


def describe(model: Model) -> tuple[WaveNet, NDArray[np.float32]]:
    """The same for the engine: the description of the network, and its weights."""
    config = model["config"]
    weights = np.array(model["weights"], np.float32)
    condition = None
    if config.get("condition_dsp"):
        condition, first = describe(config["condition_dsp"])
        weights = np.concatenate([first, weights])
    arrays = []
    for array in config["layers"]:
        count = len(array["dilations"])
        layers = tuple(
            Layer(kernel, dilation, describe_activation(primary), gating, describe_activation(secondary))
            for kernel, dilation, primary, gating, secondary in zip(
                kernels_of(array),
                array["dilations"],
                per_layer(array["activation"], count),
                gating_of(array),
                per_layer(array.get("secondary_activation") or "Sigmoid", count),
                strict=True,
            )
        )
        size, taps, bias, apart = head_of(array)
        one, extra = array.get("layer1x1", {"active": True}), array.get("head1x1", {"active": False})
        arrays.append(
            LayerArray(
                layers,
                input_size=array["input_size"],
                condition_size=array["condition_size"],
                channels=array["channels"],
                head_size=size,
                head_kernel_size=taps,
                head_bias=bias,
                head_dilation=apart,
                bottleneck=array.get("bottleneck") or 0,
                groups_input=array.get("groups_input", 1),
                groups_input_mixin=array.get("groups_input_mixin", 1),
                layer1x1=one["active"],
                layer1x1_groups=one.get("groups", 1),
                head1x1_size=extra["out_channels"] if extra["active"] else 0,
                head1x1_groups=extra.get("groups", 1),
                films=tuple(
                    Film(key.removesuffix("_film"), array[key].get("shift", True), array[key].get("groups", 1))
                    for key in FILMS
                    if is_active(array.get(key))
                ),
            )
        )
    head = None
    if spec := config.get("head"):
        kind = describe_activation(spec["activation"])
        head = Head(tuple(spec["kernel_sizes"]), spec["channels"], spec["out_channels"], kind)
    return WaveNet(tuple(arrays), condition, head), weights


def describe_activation(spec: Any) -> Activation:
    fields = {"type": spec or "Sigmoid"} if not isinstance(spec, dict) else spec
    numbers: list[float] = {
        "LeakyReLU": [fields.get("negative_slope", 0.01)],
        "PReLU": fields.get("negative_slopes", []),
        "LeakyHardtanh": [
            *(fields.get("min_val", -1.0), fields.get("max_val", 1.0)),
            *(fields.get("min_slope", 0.01), fields.get("max_slope", 0.01)),
        ],
    }.get(fields["type"], [])
    return Activation(fields["type"], tuple(numbers))


def random_model(
    layers: list[Model], *, seed: int, condition: Model | None = None, head: Model | None = None, size: float = 0.4
) -> Model:
    """A model of these arrays of layers, with weights between −size and size."""
    rng = np.random.default_rng(seed)
    model: Model = {"config": {"layers": layers, "condition_dsp": condition, "head": head}, "weights": []}
    network, _ = describe(model)
    count = network.weight_count - (network.condition.weight_count if network.condition else 0)
    model["weights"] = rng.uniform(-size, size, count).astype(np.float32).tolist()
    return model


def array(channels: int, dilations: list[int], head_size: int = 1, **fields: Any) -> Model:
    """An array of layers as files describe it."""
    usual = {"input_size": 1, "condition_size": 1, "kernel_size": 3, "activation": "Tanh", "head_bias": True}
    return usual | {"channels": channels, "dilations": dilations, "head_size": head_size} | fields
