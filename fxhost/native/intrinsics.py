"""Intrinsics that numba lacks: calls by address, atomic words, views of raw memory, a clock, floating-point modes.

Everything here compiles to a few instructions; nothing allocates, locks, raises or touches Python. Addresses are int64.
"""

import ctypes
import sys
import time
from collections.abc import Sequence
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fxhost.native.code_cache import cached_njit
from fxhost.native.inlining import inlined
from fxhost.native.llvm_types import Builder, NumbaType, Signature, TargetContext, TypingContext, Word

_WORD = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_TRIPLE = llvm.get_process_triple().split("-")[0]
_ARCHITECTURE = {"amd64": "x86_64", "arm64": "aarch64"}.get(_TRIPLE, _TRIPLE)

# The bits of `float_mode` that make denormal numbers zero, as operands and as results: many CPUs take a hundred times
# as long for them. 0 where the CPU is unknown, and then nothing is changed.
FLUSH_DENORMALS = {"x86_64": 0x8040, "aarch64": 1 << 24}.get(_ARCHITECTURE, 0)  # FTZ and DAZ; FZ

# How Linux is asked for the number of the calling thread: instruction, constraints, number of the call.
_GETTID = {
    "x86_64": ("syscall", "={rax},{rax},~{rcx},~{r11},~{memory}", 186),
    "aarch64": ("svc #0", "={x0},{x8},~{memory}", 178),
}
llvm.initialize_native_asmparser()  # for that instruction


@intrinsic
def call_stage(typing_context: TypingContext, function: int, state: int, block: int, frames: int) -> Any:
    """Call `void function(state*, float* block, int64 frames)` through its address."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        function_type = ir.FunctionType(ir.VoidType(), [_BYTES, _BYTES, _WORD])
        target = builder.inttoptr(arguments[0], function_type.as_pointer())
        state_pointer, block_pointer = (builder.inttoptr(address, _BYTES) for address in arguments[1:3])
        builder.call(target, [state_pointer, block_pointer, arguments[3]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def call_callback(
    typing_context: TypingContext,
    function: int,
    data: NumbaType,
    output: NumbaType,
    frames: NumbaType,
    time_info: NumbaType,
    flags: NumbaType,
    user_data: int,
) -> Any:
    """Call a `PaStreamCallback` through its address; return its answer."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        passed = [*arguments[1:6], builder.inttoptr(arguments[6], _BYTES)]
        function_type = ir.FunctionType(ir.IntType(32), [argument.type for argument in passed])
        return builder.call(builder.inttoptr(arguments[0], function_type.as_pointer()), passed)

    return types.intc(types.int64, data, output, frames, time_info, flags, types.int64), generate


@intrinsic
def load_acquire(typing_context: TypingContext, address: int) -> Any:
    """The word at an address, ordered before everything that follows."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        return builder.load_atomic(builder.inttoptr(arguments[0], _WORD.as_pointer()), "acquire", 8)

    return types.int64(types.int64), generate


@intrinsic
def store_release(typing_context: TypingContext, address: int, value: int) -> Any:
    """Write a word to an address, ordered after everything that came before."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        pointer = builder.inttoptr(arguments[0], _WORD.as_pointer())
        builder.store_atomic(arguments[1], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def fetch_add(typing_context: TypingContext, address: int, value: int) -> Any:
    """Add to the word at an address in one step, whoever else does; return what it was."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        pointer = builder.inttoptr(arguments[0], _WORD.as_pointer())
        return builder.atomic_rmw("add", pointer, arguments[1], "acq_rel")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def words_at(typing_context: TypingContext, address: int) -> Any:
    """An address as `int64 *`."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        return builder.inttoptr(arguments[0], _WORD.as_pointer())

    return types.CPointer(types.int64)(types.int64), generate


@intrinsic
def floats_at(typing_context: TypingContext, address: int) -> Any:
    """An address as `float *`."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        return builder.inttoptr(arguments[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(types.int64), generate


@intrinsic
def doubles_at(typing_context: TypingContext, address: int) -> Any:
    """An address as `double *`."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        return builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())

    return types.CPointer(types.float64)(types.int64), generate


@intrinsic
def record_at(typing_context: TypingContext, pointer: NumbaType) -> Any:
    """The record that a C pointer points to."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        return builder.bitcast(arguments[0], context.get_value_type(pointer.dtype))

    return pointer.dtype(pointer), generate


def _choose(typing_context: TypingContext, comparison: str, first: NumbaType, second: NumbaType) -> Any:
    """The second number if it compares so with the first one, else the first, as Python's own `min` and `max`."""
    kind = typing_context.unify_types(first, second)

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        a, b = (context.cast(builder, value, of, kind) for value, of in zip(arguments, (first, second), strict=True))
        compare = builder.fcmp_ordered if isinstance(kind, types.Float) else builder.icmp_signed
        return builder.select(compare(comparison, b, a), b, a)

    return kind(first, second), generate


@intrinsic
def smaller(typing_context: TypingContext, first: float, second: float) -> Any:
    """The smaller of two numbers, as `min`, which costs numba more to compile."""
    return _choose(typing_context, "<", first, second)


@intrinsic
def larger(typing_context: TypingContext, first: float, second: float) -> Any:
    """The larger of two numbers, as `max`."""
    return _choose(typing_context, ">", first, second)


@intrinsic
def address_of(typing_context: TypingContext, pointer: NumbaType) -> Any:
    """A C pointer as an address."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        return builder.ptrtoint(arguments[0], _WORD)

    return types.int64(pointer), generate


@intrinsic
def float_mode(typing_context: TypingContext) -> Any:
    """The register that holds this thread's floating-point modes (MXCSR, FPCR)."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        if _ARCHITECTURE == "x86_64":
            slot = cgutils.alloca_once(builder, ir.IntType(32))
            _call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), builder.bitcast(slot, _BYTES))
            return builder.zext(builder.load(slot), _WORD)
        if _ARCHITECTURE == "aarch64":
            return _call(builder, "llvm.aarch64.get.fpcr", _WORD)
        return ir.Constant(_WORD, 0)

    return types.int64(), generate


@intrinsic
def set_float_mode(typing_context: TypingContext, mode: int) -> Any:
    """Set what `float_mode` reads, for this thread."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        if _ARCHITECTURE == "x86_64":
            slot = cgutils.alloca_once_value(builder, builder.trunc(arguments[0], ir.IntType(32)))
            _call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), builder.bitcast(slot, _BYTES))
        elif _ARCHITECTURE == "aarch64":
            _call(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _call(builder: Builder, name: str, result: NumbaType, *arguments: Word) -> Word:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


@intrinsic
def thread_number(typing_context: TypingContext) -> Any:
    """The number of the calling thread (`threading.get_native_id`); 0 where the system is not Linux."""

    def generate(context: TargetContext, builder: Builder, signature: Signature, arguments: Sequence[Word]) -> Word:
        if sys.platform != "linux" or _ARCHITECTURE not in _GETTID:
            return ir.Constant(_WORD, 0)
        instruction, constraints, call = _GETTID[_ARCHITECTURE]
        asm = ir.InlineAsm(ir.FunctionType(_WORD, [_WORD]), instruction, constraints, side_effect=True)
        return builder.call(asm, [ir.Constant(_WORD, call)])

    return types.int64(), generate


@cached_njit(types.void(types.int64, types.int64))
def publish(address: int, value: int) -> None:
    """`store_release` for Python, which has no other way to order its writes."""
    store_release(address, value)


if sys.platform == "win32":
    _read_ticks = types.ExternalFunction("QueryPerformanceCounter", types.int32(types.CPointer(types.int64)))
    _frequency = ctypes.c_int64()
    ctypes.WinDLL("kernel32").QueryPerformanceFrequency(ctypes.byref(_frequency))
    NS_PER_TICK = 1e9 / _frequency.value

    @inlined
    def now_ns(scratch: NumbaType) -> int:
        """The time of `time.perf_counter_ns`; `scratch` points to two int64 that the call may overwrite."""
        _read_ticks(scratch)
        return int(scratch[0] * NS_PER_TICK)

    # let another thread have this core, if one wants it: not for the audio thread
    yield_core = types.ExternalFunction("SwitchToThread", types.int32())

else:
    _read_clock = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.CPointer(types.int64)))
    # the clock of time.perf_counter: macOS counts from another beginning than CLOCK_MONOTONIC there
    _CLOCK = getattr(time, "CLOCK_UPTIME_RAW", time.CLOCK_MONOTONIC)

    @inlined
    def now_ns(scratch: NumbaType) -> int:
        """The time of `time.perf_counter_ns`; `scratch` points to two int64 that the call may overwrite."""
        _read_clock(_CLOCK, scratch)
        return scratch[0] * 1_000_000_000 + scratch[1]  # type: ignore[no-any-return]

    # let another thread have this core, if one wants it: not for the audio thread
    yield_core = types.ExternalFunction("sched_yield", types.int32())
