"""The activations of `.nam` files: a name, or an object with a name and numbers. Every number counts or is refused.

The format's own player leaves some of them out that its trainer writes: the limits of `Hardtanh` (which is also how the
trainer writes torch's ReLU6), and `Softsigmoid` altogether. Here they play as they were trained.
"""

from typing import TYPE_CHECKING, Any

from fxhost.errors import PresetError
from fxhost.preset.json_fields import Fields, show, take_array

if TYPE_CHECKING:
    from fxhost.networks.wavenet_layers import Activation

MOST_SLOPE = 1e6
MOST_SLOPES = 128  # of a PReLU, one for each channel
NUMBERS: dict[str, dict[str, Any]] = {  # what an activation may be given, and what is usual
    "LeakyReLU": {"negative_slope": 0.01},
    "LeakyHardtanh": {"min_val": -1.0, "max_val": 1.0, "min_slope": 0.01, "max_slope": 0.01},
    "Hardtanh": {"min_val": -1.0, "max_val": 1.0},
    "PReLU": {"negative_slope": 0.01, "negative_slopes": None},
}
SAME = {"LeakyHardTanh": "LeakyHardtanh"}  # other spellings


def read_activation(fields: Fields, key: str) -> "Activation":
    """An activation: its name, or an object with its name and its numbers.

    Raises
    ------
    PresetError
        If it is neither, or has a number that such an activation does not take.
    """
    if not isinstance(fields.data.get(key), dict):
        name, numbers = fields.text(key), Fields(fields.where, {})
    else:
        numbers = fields.child(key)
        name = numbers.text("type" if numbers.has("type") else "name")
    name = SAME.get(name, name)
    usual = NUMBERS.get(name, {})
    for number in numbers.data:
        if number not in ("type", "name", *usual) and numbers.has(number):
            raise PresetError(
                f"{fields.where}: the activation {show(name)} has {show(number)}, which fxhost does not know of it"
            )
    return make_activation(name, numbers, usual)


def make_activation(name: str, numbers: Fields, usual: dict[str, Any]) -> "Activation":
    """An activation with its numbers, in its simplest equal form."""
    from fxhost.networks.wavenet_layers import Activation

    def take(number: str) -> float:
        return numbers.number(number, -MOST_SLOPE, MOST_SLOPE) if numbers.has(number) else float(usual[number])

    if name == "PReLU":
        if not numbers.has("negative_slopes"):
            return Activation("LeakyReLU", (take("negative_slope"),))  # one slope for all channels
        if numbers.has("negative_slope"):
            raise PresetError(f"{numbers.where}: a PReLU has negative_slope and negative_slopes, expected one of them")
        slopes = numbers.data["negative_slopes"]
        if not isinstance(slopes, list) or not 1 <= len(slopes) <= MOST_SLOPES:
            raise numbers.refuse("negative_slopes", f"a list of 1 to {MOST_SLOPES} numbers")
        array = take_array(f"{numbers.where}: negative_slopes", slopes, (len(slopes),))
        taken = tuple(float(slope) for slope in array)
        return Activation("LeakyReLU", taken) if len(taken) == 1 else Activation(name, taken)
    if name == "Hardtanh":
        low, high = take("min_val"), take("max_val")
        if low > high:
            raise numbers.refuse("min_val", f"at most max_val, which is {high:g}")
        return Activation(name) if (low, high) == (-1.0, 1.0) else Activation("LeakyHardtanh", (low, high, 0.0, 0.0))
    return Activation(name, tuple(take(number) for number in usual))


def write_activation(activation: "Activation") -> dict[str, Any]:
    """An activation with its numbers under their names."""
    if activation.name == "PReLU":
        return {"type": activation.name, "negative_slopes": list(activation.numbers)}
    names = NUMBERS.get(activation.name, {}) if activation.numbers else {}
    return {"type": activation.name, **dict(zip(names, activation.numbers, strict=True))}
