"""The code that LLVM makes of the kernels for 64-bit Arm, which no machine here can run: what it is made of."""

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

from fxhost.native.vectors import Vectors
from fxhost.stages.recurrent.emitter import emit_block
from fxhost.stages.recurrent.layout import RecurrentLayout

TRIPLE = "aarch64-unknown-linux-gnu"
WIDTH, REGISTERS = 4, 32  # of NEON


def assemble(layers: int, hidden_size: int, cell: str) -> list[str]:
    """The instructions of a kernel, as Linux on such a CPU would run them."""
    module, word = ir.Module(), ir.IntType(64)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [word] * 3), "play")
    builder = ir.IRBuilder(function.append_basic_block())
    sizes = RecurrentLayout(layers, hidden_size, 1, WIDTH, WIDTH)
    emit_block(Vectors(builder, WIDTH), sizes, list(function.args), cell, 0, REGISTERS, hidden_size <= WIDTH)
    builder.ret_void()
    machine = llvm.Target.from_triple(TRIPLE).create_target_machine(cpu="cortex-a72", opt=3)
    parsed = llvm.parse_assembly(str(module))
    parsed.triple, parsed.data_layout = TRIPLE, str(machine.target_data)
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(parsed, passes)
    lines = machine.emit_assembly(parsed).splitlines()
    return [line.strip() for line in lines if line.startswith("\t") and not line.startswith("\t.")]


@pytest.fixture(scope="module", autouse=True)
def targets() -> None:
    """All that this LLVM has."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        llvm.Target.from_triple(TRIPLE)
    except RuntimeError:
        pytest.skip("this LLVM has no such target")


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize(("layers", "hidden_size"), [(1, 8), (1, 16), (2, 16)])
def test_all_products_are_vectors_and_nothing_is_called(
    layers: int, hidden_size: int, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llvm, "get_process_triple", lambda: TRIPLE)
    code = assemble(layers, hidden_size, cell)
    operations = [line.split()[0] for line in code]
    sums = 4 if cell == "lstm" else 3
    columns = layers * hidden_size + (layers - 1) * hidden_size
    products = sums * hidden_size // WIDTH * columns  # but for the inputs' and the activations'
    vectors = sum(line.startswith("fmla\tv") for line in code)
    print(f"{cell} {layers} × {hidden_size}: {len(code)} instructions, {vectors} vector multiply-adds")
    assert vectors >= products
    assert not {"bl", "blr"} & set(operations)
    assert "fmadd" not in operations
