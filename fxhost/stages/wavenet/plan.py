"""The steps of a WaveNet in order: arrays of layers and heads, their products, and where these lie in memory."""

from dataclasses import dataclass

from fxhost.networks.wavenet import film_sizes, layer_matrices
from fxhost.networks.wavenet_layers import Head, Layer, LayerArray
from fxhost.networks.wavenet_matrices import Matrix


@dataclass(frozen=True)
class Run:
    """Successive layers that differ only in their dilation, and share one piece of code.

    Attributes
    ----------
    layer : Layer
        The first of them.
    count : int
    ring : int
        The number of the first one's ring; those of the others follow, and that of what comes after them.
    filmed : int
        The number of the ring of what the first one's convolution hears; those of the others follow. The same as
        `ring` if there is no film before it.
    weights, step : int
        Where the weights of the first one lie, and how far those of the next one.
    """

    layer: Layer
    count: int
    ring: int
    filmed: int
    weights: int
    step: int


@dataclass(frozen=True)
class ArrayPlan:
    """An array of layers in memory.

    Attributes
    ----------
    array : LayerArray
    source, condition, head, target : int
        The rings of what enters, of the condition, of the sums and of the result.
    entry, result : int
        Where these weights lie.
    runs : tuple of Run
    first : bool
        Whether it is the first of its network.
    """

    array: LayerArray
    source: int
    condition: int
    head: int
    target: int
    entry: int
    result: int
    runs: tuple[Run, ...]
    first: bool


@dataclass(frozen=True)
class HeadPlan:
    """The head of a network in memory.

    Attributes
    ----------
    head : Head
    matrices : tuple of Matrix
        Of its convolutions.
    rings : tuple of int
        The ring of what enters each convolution, and of what leaves the last one.
    weights : tuple of int
        Where those of each convolution lie.
    alone : bool
        Whether the first convolution hears the audio as it is.
    """

    head: Head
    matrices: tuple[Matrix, ...]
    rings: tuple[int, ...]
    weights: tuple[int, ...]
    alone: bool

    @property
    def runs(self) -> list[tuple[int, int]]:
        """The first and the count of successive convolutions that are one piece of code; the last one is by itself."""
        found: list[tuple[int, int]] = []
        last = len(self.matrices) - 1
        for n, matrix in enumerate(self.matrices):
            start, count = found[-1] if found else (0, 0)
            alike = count > 0 and matrix == self.matrices[start] and n < last and not (self.alone and start == 0)
            if alike:
                found[-1] = start, count + 1
            else:
                found.append((n, 1))
        return found


@dataclass(frozen=True)
class Product:
    """A sum of matrices times channels, with one bias.

    Attributes
    ----------
    terms : tuple of str
        The names of the matrices.
    start, rows : int
        Of their rows the first and how many.
    columns : int
        Of all matrices and taps.
    """

    terms: tuple[str, ...]
    start: int
    rows: int
    columns: int

    @property
    def size(self) -> int:
        """How many numbers its weights are."""
        return self.rows * (self.columns + 1)


def products(array: LayerArray, layer: Layer) -> dict[str, Product]:
    """The products of a layer, in the order of memory; the scale and the shift of a FiLM are products of their own."""
    matrices = layer_matrices(array, layer)

    def product(*terms: str, start: int = 0, rows: int = 0) -> Product:
        columns = sum(matrices[term].columns * matrices[term].taps for term in terms)
        return Product(terms, start, rows or matrices[terms[0]].rows, columns)

    found: dict[str, Product] = {}
    if array.film("conv_post") or array.film("input_mixin_post"):
        found |= {"convolution": product("convolution"), "mixin": product("mixin")}
    else:
        found["convolution"] = product("convolution", "mixin")
    found |= {name: product(name) for name in ("layer1x1", "head1x1") if name in matrices}
    sizes = film_sizes(array, layer)
    for film in array.films:
        size = sizes[film.place]
        found[f"{film.place} scale"] = product(film.place, rows=size)
        if film.shift:
            found[f"{film.place} shift"] = product(film.place, start=size, rows=size)
    return found
