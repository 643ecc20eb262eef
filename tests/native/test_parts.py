"""The parts of compiled functions: inlined functions, and intrinsics that stand for what numba compiles slowly."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from fxhost.native.blocks import after, clear, copy
from fxhost.native.inlining import PartLibrary, inlined
from fxhost.native.intrinsics import floats_at, larger, smaller, words_at

Pick = Callable[[float, float], float]


@inlined
def add_twice(total: float, step: float) -> float:
    """A part."""
    return total + 2 * step


@inlined
def add_often(total: float, step: float, times: int) -> float:
    """A part with a part in it."""
    for _ in range(times):
        total = add_twice(total, step)
    return total


@njit
def climb(step: float, times: int) -> float:
    """What Python may call."""
    return add_often(1.0, step, times)


@njit
def pick_smaller(a: float, b: float) -> float:
    """`smaller` for Python."""
    return smaller(a, b)


@njit
def pick_larger(a: float, b: float) -> float:
    """`larger` for Python."""
    return larger(a, b)


@njit
def move_floats(target: int, source: int, count: int) -> None:
    """Copy behind the first number, and clear that one."""
    copy(after(floats_at(target), 1), floats_at(source), count)
    clear(floats_at(target), 1)


@njit
def move_words(target: int, source: int, count: int) -> None:
    """The same."""
    copy(after(words_at(target), 1), words_at(source), count)
    clear(words_at(target), 1)


def test_parts_are_compiled_into_what_calls_them_alone() -> None:
    assert climb(0.25, 5) == 1.0 + 5 * 0.5
    for part in (add_twice, add_often):
        (compiled,) = part.overloads.values()
        assert isinstance(compiled.library, PartLibrary)
        assert not compiled.library._codegen._engine.is_symbol_defined(compiled.fndesc.mangled_name)


NUMBERS = (0, -3, 7, 2.5, -0.0, 0.0, math.inf, -math.inf, math.nan)


@pytest.mark.parametrize(("pick", "as_python"), [(pick_smaller, min), (pick_larger, max)])
def test_numbers_are_compared_as_python_does(pick: Pick, as_python: Pick) -> None:
    for a in NUMBERS:
        for b in NUMBERS:
            assert repr(float(pick(a, b))) == repr(float(as_python(a, b))), (a, b)


@pytest.mark.parametrize("count", [0, 1, 3, 17, 64, 509])
@pytest.mark.parametrize(("move", "kind"), [(move_floats, np.float32), (move_words, np.int64)])
def test_blocks_are_copied_and_cleared_up_to_their_end(
    move: Callable[[int, int, int], None], kind: type[np.generic], count: int
) -> None:
    source: NDArray[np.generic] = np.arange(1, 600).astype(kind)
    target: NDArray[np.generic] = np.full(600, -1).astype(kind)
    move(target.ctypes.data, source.ctypes.data, count)
    assert target[0] == 0
    assert target[1 : count + 1].tolist() == source[:count].tolist()
    assert set(target[count + 1 :].tolist()) == {-1}
