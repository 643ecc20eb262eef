"""LLVM vectors for numba: a kernel that uses them keeps its sums in registers on any CPU.

A kernel is an `@intrinsic` whose code generator emits LLVM IR through a `Vectors`; LLVM turns its vectors into what the
CPU has (AVX-512, AVX2, SSE, NEON), and the width is chosen so that one vector is one register.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, config

from fxhost.native.llvm_types import Ptr, Vec, Word


class Tanh(NamedTuple):
    """Coefficients of tanh(x) = x P(x²)/Q(x²) for |x| ≤ limit: a minimax fit, by tests/measure/polynomials.py."""

    limit: float
    p: tuple[float, ...]
    q: tuple[float, ...]


TANH = Tanh(  # error 1.7e-7; in float32 4.4e-7
    7.8,
    (0.999999826586223, 0.12729471755656846, 0.002713965255426857, 7.2959676808482906e-06, -6.386435726888564e-09),
    (1.0, 0.46062664044694995, 0.022924777313736475, 0.0001990123680887406),
)
CLOSE_TANH = Tanh(  # error 1.2e-8; in float32 3.3e-7, and 5e-8 in the mean
    8.5,
    (0.9999999881761344, 0.1341324568725245, 0.0035340254214642204, 2.125102225522881e-05, 1.4269200856783305e-08),
    (1.0, 0.4674656842006405, 0.02602274579113074, 0.0003348862519750131, 8.145111567018088e-07),
)
QUICK_TANH = Tanh(  # error 1.0e-6
    7.0,
    (0.9999989668913836, 0.1232204809209607, 0.0022930828333619473, 3.995843454379761e-06),
    (1.0, 0.456546079010092, 0.021151585968569676, 0.00014398381153986998),
)

# How inline assembly names a vector register.
REGISTER_CONSTRAINTS = {"x86_64": "v", "amd64": "v", "aarch64": "w", "arm64": "w"}

# Coefficients of 2ˣ for |x| ≤ ½: a minimax fit by the same script, relative error 7.5e-8.
POWER = (
    *(1.0000000716548045, 0.6931469670644659, 0.24022119723238947),
    *(0.05550713273688138, 0.009675541367088002, 0.0013276472022352133),
)

FAST = ("contract", "nsz", "arcp")  # a multiply and an add may become one instruction; NaN stays NaN

_FLOAT = ir.FloatType()
_WORD = ir.IntType(64)


def register_lanes() -> tuple[int, int]:
    """How many float32 a vector register holds, and how many such registers there are."""
    if config.CPU_NAME and llvm.get_host_cpu_name() != config.CPU_NAME:
        features: dict[str, bool] = {"avx": config.CPU_NAME in ("haswell", "broadwell", "znver1", "znver2", "znver3")}
    else:
        features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16, 32
    if features.get("avx"):
        return 8, 16
    return 4, 32 if features.get("neon") else 16


class Vectors:
    """Emits vector code at one place of a function.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
    width : int
        Float32 lanes in a vector.
    """

    def __init__(self, builder: Vec, width: int) -> None:
        self.builder = builder
        self.width = width
        self.type = ir.VectorType(_FLOAT, width)

    def pointer(self, address: Ptr) -> Ptr:
        """An int64 address as `float *`."""
        return self.builder.inttoptr(address, _FLOAT.as_pointer())

    def offset(self, pointer: Ptr, *terms: Word) -> Ptr:
        """A pointer moved by a sum of products, in float32; a term is a number, a value, or a pair to be multiplied."""
        for term in terms:
            factors = [self.word(factor) for factor in (term if isinstance(term, tuple) else (term,))]
            step = factors[0] if len(factors) == 1 else self.builder.mul(*factors)
            pointer = self.builder.gep(pointer, [step])
        return pointer

    def word(self, value: Vec) -> Word:
        """A number as an int64 value; a value stays what it is."""
        return ir.Constant(_WORD, value) if isinstance(value, int) else value

    def load(self, pointer: Ptr, index: int = 0, *, aligned: bool = True) -> Vec:
        """The vector at `pointer[index]`."""
        value = self.builder.load(self.builder.bitcast(self.offset(pointer, index), self.type.as_pointer()))
        value.align = 4 * self.width if aligned else 4
        return value

    def store(self, value: Vec, pointer: Ptr, index: int = 0) -> None:
        """Write an aligned vector to `pointer[index]`."""
        target = self.builder.bitcast(self.offset(pointer, index), self.type.as_pointer())
        self.builder.store(value, target).align = 4 * self.width

    def load_scalar(self, pointer: Ptr, index: int = 0) -> Vec:
        """The number at `pointer[index]`."""
        return self.builder.load(self.offset(pointer, index))

    def store_scalar(self, value: Vec, pointer: Ptr, index: int = 0) -> None:
        """Write a number to `pointer[index]`."""
        self.builder.store(value, self.offset(pointer, index))

    def load_word(self, pointer: Ptr) -> Word:
        """The int32 at a pointer, as an int64."""
        value = self.builder.load(self.builder.bitcast(pointer, ir.IntType(32).as_pointer()))
        return self.builder.sext(value, _WORD)

    def store_word(self, value: Vec, pointer: Ptr) -> None:
        """Write an int64 that fits to a pointer, as an int32."""
        number = ir.IntType(32)
        self.builder.store(self.builder.trunc(value, number), self.builder.bitcast(pointer, number.as_pointer()))

    def sum_lanes(self, value: Vec) -> Vec:
        """The sum of all lanes, a number: halves are added until one lane is left."""
        lanes = self.width
        while lanes > 1:
            lanes //= 2
            low, high = (
                self.builder.shuffle_vector(
                    value, value, ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(start, start + lanes)))
                )
                for start in (0, lanes)
            )
            value = self.add(low, high)
        return self.first(value)

    def prefetch(self, pointer: Ptr, index: Word = 0) -> None:
        """Prefetch the cache line of `pointer[index]`."""
        byte = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        read, keep, data = (ir.Constant(number, value) for value in (0, 3, 1))
        self.builder.call(function, [self.builder.bitcast(self.offset(pointer, index), byte), read, keep, data])

    def broadcast(self, pointer: Ptr, index: Word = 0) -> Vec:
        """The number at `pointer[index]` in every lane."""
        return self.fill(self.builder.load(self.offset(pointer, index)))

    def first(self, value: Vec) -> Vec:
        """The number in the first lane."""
        return self.builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    def fill(self, number: Word) -> Vec:
        """A number in every lane."""
        undefined = ir.Constant(self.type, ir.Undefined)
        lane = ir.IntType(32)
        one = self.builder.insert_element(undefined, number, ir.Constant(lane, 0))
        return self.builder.shuffle_vector(
            one, undefined, ir.Constant(ir.VectorType(lane, self.width), [0] * self.width)
        )

    def part(self, value: Vec, start: int, lanes: int) -> Vec:
        """Some lanes of a vector, from `start` on."""
        return self.builder.shuffle_vector(value, value, self._lanes(range(start, start + lanes)))

    def spread(self, value: Vec, lane: int) -> Vec:
        """One lane of a vector, of any width, in every lane."""
        return self.builder.shuffle_vector(value, value, self._lanes([lane] * self.width))

    @staticmethod
    def _lanes(lanes: Sequence[int]) -> Vec:
        return ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))

    def constant(self, value: float) -> Vec:
        """A number in every lane."""
        return ir.Constant(self.type, [ir.Constant(_FLOAT, value)] * self.width)

    def multiply(self, *factors: Vec) -> Vec:
        """The product."""
        product = factors[0]
        for factor in factors[1:]:
            product = self.builder.fmul(product, factor, flags=FAST)
        return product

    def add(self, a: Vec, b: Vec) -> Vec:
        """A + b."""
        return self.builder.fadd(a, b, flags=FAST)

    def subtract(self, a: Vec, b: Vec) -> Vec:
        """A − b."""
        return self.builder.fsub(a, b, flags=FAST)

    def divide(self, a: Vec, b: Vec) -> Vec:
        """A / b."""
        return self.builder.fdiv(a, b, flags=FAST)

    def multiply_add(self, a: Vec, b: Vec, c: Vec) -> Vec:
        """A b + c, in one instruction where the CPU has it."""
        return self.add(self.multiply(a, b), c)

    def polynomial(self, z: Vec, coefficients: Sequence[float], *, short: bool = False) -> Vec:
        """Σ coefficients[n] zⁿ by Horner's rule; if `short`, in fewer steps after each other but one more operation."""
        first, second, *rest = map(self.constant, coefficients)
        total = rest[-1]
        for coefficient in rest[-2::-1]:
            total = self.multiply_add(total, z, coefficient)
        if short:
            return self.multiply_add(self.multiply(z, z), total, self.multiply_add(z, second, first))
        return self.multiply_add(self.multiply_add(total, z, second), z, first)

    def power_of_two(self, x: Vec, *, short: bool = False) -> Vec:
        """2ˣ to a relative error of 1.4e-7, x taken as −25 to 25; NaN stays NaN. `short` as in `polynomial`."""
        x = self.clamp(x, 25.0)
        magic = self.constant(1.5 * 2**23 + 127)  # the lowest bits of the sum are the whole part of x, biased by 127
        turned = self.add(x, magic)
        fraction = self.subtract(x, self.subtract(turned, magic))
        words = ir.VectorType(ir.IntType(32), self.width)
        bits = self.builder.shl(self.builder.bitcast(turned, words), ir.Constant(words, [23] * self.width))
        return self.multiply(self.builder.bitcast(bits, self.type), self.polynomial(fraction, POWER, short=short))

    def clamp(self, x: Vec, limit: float) -> Vec:
        """`x`, or the limit of its sign if it is beyond it; NaN stays NaN."""
        for bound, comparison in ((self.constant(limit), "<"), (self.constant(-limit), ">")):
            x = self.builder.select(self.builder.fcmp_unordered(comparison, x, bound), x, bound)
        return x

    def tanh_ratio(self, x: Vec, tanh: Tanh = TANH, *, short: bool = False) -> tuple[Vec, Vec]:
        """Numerator and denominator of tanh(x), so that several can share one division; `short` as in `polynomial`."""
        x = self.clamp(x, tanh.limit)
        z = self.multiply(x, x)
        p, q = (self.polynomial(z, coefficients, short=short) for coefficients in (tanh.p, tanh.q))
        return self.multiply(x, p), q

    def activate_gates(self, sums: Sequence[Vec], tanh: Tanh = TANH) -> tuple[Vec, Vec, Vec, Vec]:
        """The gates i, f, g, o of an LSTM, with one division for all four.

        The sums are those of i and f times −log₂ e, of g, and half that of o.
        """
        one, half = self.constant(1.0), self.constant(0.5)
        q_i, q_f = (self.add(self.power_of_two(total), one) for total in sums[:2])
        (p_g, q_g), (p_o, q_o) = (self.tanh_ratio(total, tanh) for total in sums[2:])
        q_if, q_go = self.multiply(q_i, q_f), self.multiply(q_g, q_o)
        inverse = self.divide(one, self.multiply(q_if, q_go))  # the product of all four is below 1e20
        inverse_if, inverse_go = self.multiply(inverse, q_go), self.multiply(inverse, q_if)
        return (
            self.multiply(q_f, inverse_if),
            self.multiply(q_i, inverse_if),
            self.multiply(p_g, q_o, inverse_go),
            self.multiply_add(self.multiply(p_o, q_g, inverse_go), half, half),
        )

    def pin(self, values: Sequence[Vec]) -> list[Vec]:
        """The same values, computed before what uses them from here on: left alone, LLVM reorders and spills them."""
        register = REGISTER_CONSTRAINTS.get(llvm.get_process_triple().split("-")[0])
        if register is None:
            return list(values)
        kind = ir.LiteralStructType([value.type for value in values])
        constraints = [f"={register}" for _ in values] + [str(n) for n in range(len(values))]
        nothing = ir.InlineAsm(
            ir.FunctionType(kind if len(values) > 1 else kind.elements[0], kind.elements),
            "",
            ",".join(constraints),
            side_effect=True,
        )
        result = self.builder.call(nothing, values)
        return [self.builder.extract_value(result, n) for n in range(len(values))] if len(values) > 1 else [result]

    def variable(self, value: Vec) -> Ptr:
        """A vector that changes in a loop; LLVM keeps it in a register."""
        slot = cgutils.alloca_once(self.builder, self.type)
        self.builder.store(value, slot)
        return slot

    def get(self, variable: Ptr) -> Vec:
        """The value of a variable."""
        return self.builder.load(variable)

    def set(self, variable: Ptr, value: Vec) -> None:
        """Change a variable."""
        self.builder.store(value, variable)

    @contextmanager
    def repeat(self, count: Word) -> Iterator[Word]:
        """A loop: yields its index, from 0."""
        with cgutils.for_range(self.builder, self.word(count)) as loop:
            yield loop.index
