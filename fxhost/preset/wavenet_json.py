"""A WaveNet's description in `fxhost.json`, read with care: what `WaveNet.to_text` writes."""

from typing import TYPE_CHECKING, Any

from fxhost.errors import PresetError
from fxhost.preset.json_fields import WEIGHT_LIMIT, Fields, show

if TYPE_CHECKING:
    from fxhost.networks.wavenet import WaveNet
    from fxhost.networks.wavenet_layers import Activation, Film, Head

MOST = 1 << 18  # of anything that is counted; `check_network` is stricter
MOST_ARRAYS = 16
MOST_LAYERS = 128
MOST_NESTED = 3
MOST_FILMS = 8  # in a layer
SIZES = (
    *("input_size", "condition_size", "channels", "head_size", "head_kernel_size"),
    *("groups_input", "groups_input_mixin", "layer1x1_groups", "head1x1_groups"),
)


def read_description(fields: Fields, nested: int = 1) -> "WaveNet":
    """The network that an object describes.

    Raises
    ------
    PresetError
        If it describes none, or one that fxhost does not play.
    """
    from fxhost.networks.wavenet import WaveNet
    from fxhost.networks.wavenet_checks import check_network
    from fxhost.networks.wavenet_layers import Layer, LayerArray

    arrays = []
    for array in fields.children("arrays", 0 if fields.has("head") else 1, MOST_ARRAYS):
        layers = tuple(
            Layer(
                layer.integer("kernel_size", 1, MOST),
                layer.integer("dilation", 1, MOST),
                read_activation(layer.child("activation")),
                layer.text("gating"),
                read_activation(layer.child("secondary")),
            )
            for layer in array.children("layers", 1, MOST_LAYERS)
        )
        sizes = {name: array.integer(name, 1, MOST) for name in SIZES}
        arrays.append(
            LayerArray(
                layers,
                **sizes,
                head_bias=array.boolean("head_bias"),
                bottleneck=array.integer("bottleneck", 0, MOST),
                layer1x1=array.boolean("layer1x1"),
                head1x1_size=array.integer("head1x1_size", 0, MOST),
                # presets from before there were these are read as well
                head_dilation=array.integer("head_dilation", 1, MOST) if array.has("head_dilation") else 1,
                films=read_films(array) if array.has("films") else (),
            )
        )
    if fields.has("condition") and nested == MOST_NESTED:
        raise fields.refuse("condition", f"at most {MOST_NESTED} networks in each other")
    condition = read_description(fields.child("condition"), nested + 1) if fields.has("condition") else None
    network = WaveNet(tuple(arrays), condition, read_head(fields.child("head")) if fields.has("head") else None)
    if nested == 1:
        try:
            check_network(network)
        except ValueError as err:
            raise PresetError(f"{fields.where}: {err}") from err
    return network


def read_films(fields: Fields) -> "tuple[Film, ...]":
    """The films of an array's layers."""
    from fxhost.networks.wavenet_layers import Film

    return tuple(
        Film(film.text("place"), film.boolean("shift"), film.integer("groups", 1, MOST))
        for film in fields.children("films", 0, MOST_FILMS)
    )


def read_head(fields: Fields) -> "Head":
    """The head of a network."""
    from fxhost.networks.wavenet_layers import Head

    kernel_sizes, dilations = fields.data.get("kernel_sizes"), fields.data.get("dilations") or []
    if not isinstance(kernel_sizes, list) or not 1 <= len(kernel_sizes) <= MOST_LAYERS:
        raise fields.refuse("kernel_sizes", f"a list of 1 to {MOST_LAYERS} numbers")
    if not isinstance(dilations, list) or len(dilations) not in (0, len(kernel_sizes)):
        raise fields.refuse("dilations", f"a list of {len(kernel_sizes)} numbers")

    def counts(key: str, values: list[Any]) -> tuple[int, ...]:
        return tuple(fields.within({key: value}).integer(key, 1, MOST) for value in values)

    return Head(
        counts("kernel_sizes", kernel_sizes),
        channels=fields.integer("channels", 1, MOST),
        output_size=fields.integer("output_size", 1, MOST),
        activation=read_activation(fields.child("activation")),
        dilations=counts("dilations", dilations),
    )


def read_activation(fields: Fields) -> "Activation":
    """An activation with its numbers."""
    from fxhost.networks.wavenet_layers import Activation

    numbers = fields.data.get("numbers")
    if not isinstance(numbers, list) or len(numbers) > MOST_LAYERS:
        raise PresetError(f"{fields.where}: numbers of an activation is {show(numbers)}, expected a list of numbers")
    each = [fields.within({"numbers": number}) for number in numbers]
    limit = WEIGHT_LIMIT
    return Activation(fields.text("name"), tuple(number.number("numbers", -limit, limit) for number in each))
