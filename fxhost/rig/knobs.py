"""Knobs by name."""

from collections.abc import Callable, Iterator, MutableMapping, Sequence

from fxhost.stages.parameter import Parameter


class Knobs(MutableMapping[str, float]):
    """Knobs by name, each within its range. Names may be written in either case; none can be added or removed.

    Parameters
    ----------
    names : sequence of str
    parameters : sequence of Parameter
        With the range of each.
    values : list of float
        Where they stand; changed in place.
    turned : callable
        Told the index of a knob and its new value.
    """

    def __init__(
        self,
        names: Sequence[str],
        parameters: Sequence[Parameter],
        values: list[float],
        turned: Callable[[int, float], None],
    ) -> None:
        self._names, self._parameters, self._values, self._turned = tuple(names), parameters, values, turned

    def _index(self, name: str) -> int:
        for index, own in enumerate(self._names):
            if own.casefold() == name.casefold():
                return index
        raise KeyError(f"no knob {name!r}: there is {', '.join(self._names) or 'none'}")

    def __getitem__(self, name: str) -> float:
        return self._values[self._index(name)]

    def __setitem__(self, name: str, value: float) -> None:
        index = self._index(name)
        parameter = self._parameters[index]
        if not parameter.lowest <= value <= parameter.highest:
            raise ValueError(f"knob {name}={value}: expected {parameter.describe_range()}")
        self._values[index] = float(value)
        self._turned(index, float(value))

    def __delitem__(self, name: str) -> None:
        raise TypeError("a knob cannot be removed")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"Knobs({', '.join(f'{name}={value:.2f}' for name, value in self.items())})"
