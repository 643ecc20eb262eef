"""Dense layers before and after a recurrent network: their description, and their output in float64."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ACTIVATIONS = ("linear", "tanh", "relu", "sigmoid", "elu")


class Dense(NamedTuple):
    """One dense layer: its size, and its activation, one of `ACTIVATIONS`."""

    size: int
    activation: str = "linear"


@dataclass(frozen=True)
class DenseLayers:
    """The dense layers of a network.

    Attributes
    ----------
    before : tuple of Dense
        Between the inputs and the first recurrent layer.
    after : tuple of Dense
        Between the last recurrent layer and the output layer.
    output : str
        The activation of the output layer, which has one sum.
    """

    before: tuple[Dense, ...] = ()
    after: tuple[Dense, ...] = ()
    output: str = "linear"

    def to_text(self) -> str:
        """The layers as text, a literal for the compiled kernel: equal layers give equal texts."""
        return json.dumps([self.before, self.after, self.output])

    def describe(self) -> str:
        """The layers before and after in a word or two, with "…" for the recurrent ones."""
        named = [f"{size} {activation}" for size, activation in (*self.before, *self.after)]
        named.insert(len(self.before), "…")
        return ", ".join([*named, f"1 {self.output}"])

    def as_dict(self) -> dict[str, Any]:
        """As `fxhost.json` holds them."""
        before, after = ([layer._asdict() for layer in layers] for layers in (self.before, self.after))
        return {"before": before, "after": after, "output": self.output}

    def weight_shapes(self, inputs: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """The name and shape of every array of weights, in torch's layout."""
        shapes: dict[str, tuple[int, ...]] = {}
        for place, columns, layers in (("before", inputs, self.before), ("after", hidden_size, self.after)):
            for n, layer in enumerate(layers):
                shapes[f"{place}_weight_{n}"] = (layer.size, columns)
                shapes[f"{place}_bias_{n}"] = (layer.size,)
                columns = layer.size
        return shapes

    def enter(self, weights: Mapping[str, NDArray[Any]], x: NDArray[Any]) -> NDArray[Any]:
        """The input of the first recurrent layer for the network's input x, float64 (..., inputs)."""
        return play(self.before, "before", weights, x)

    def leave(self, weights: Mapping[str, NDArray[Any]], h: NDArray[Any]) -> NDArray[Any]:
        """The output, float64 (...), of h (..., hidden) of the last recurrent layer; without a residual path."""
        given = play(self.after, "after", weights, h)
        sums = given @ weights["head_weight"][0].astype(np.float64) + float(weights["head_bias"][0])
        return np.asarray(activate(self.output, np.asarray(sums)))


NONE = DenseLayers()


def play(layers: tuple[Dense, ...], place: str, weights: Mapping[str, NDArray[Any]], x: NDArray[Any]) -> NDArray[Any]:
    """The output of successive layers for the input x, float64 (..., columns)."""
    for n, layer in enumerate(layers):
        matrix, bias = (weights[f"{place}_{kind}_{n}"].astype(np.float64) for kind in ("weight", "bias"))
        x = activate(layer.activation, x @ matrix.T + bias)
    return x


def activate(name: str, x: NDArray[Any]) -> NDArray[Any]:
    """An activation of each number."""
    match name:
        case "tanh":
            return np.asarray(np.tanh(x))
        case "relu":
            return np.asarray(np.maximum(x, 0.0))
        case "sigmoid":
            return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))
        case "elu":
            return np.asarray(np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0))))
    return x
