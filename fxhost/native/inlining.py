"""Functions that become part of whatever compiled function calls them, and are not compiled by themselves.

numba optimises each function that it compiles, turns it into machine code, and then compiles what calls it. Where every
call is inlined, nobody ever runs that machine code; without it the first start of fxhost takes a second less.
"""

from typing import Any

from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder

# Passes for what a part has not: comprehensions, array expressions, `raise`, calls that numba itself inlines.
SKIPPED = {
    *("generic_rewrites", "nopython_rewrites", "inline_closure_likes", "inline_inlinables", "inline_overloads"),
    *("dead_branch_prune", "nopython_supported_feature_validation"),
}


class PartLibrary(JITCodeLibrary):  # type: ignore[misc]  # numba has no types
    """The LLVM code of a function as numba emits it: to be linked into another library, which optimises it there."""

    @property
    def codegen(self) -> Any:
        """Itself, because of what numba asks for here a part has nothing."""
        return self

    def set_env(self, name: str, environment: object) -> None:
        """Keep no objects of Python: a part has no machine code that could use them."""

    def get_pointer_to_function(self, name: str) -> int:
        """0: there is no machine code."""
        return 0

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class PartCompiler(Compiler):  # type: ignore[misc]
    """numba's compiler, but into a `PartLibrary`."""

    def __init__(self, typing_context: Any, target_context: Any, library: Any, *others: Any) -> None:
        library = PartLibrary(target_context.codegen(), "part")
        super().__init__(typing_context, target_context, library, *others)

    def define_pipelines(self) -> list[Any]:
        """The passes of numba without those that would find nothing."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [each for each in manager.passes if each[0].name() not in SKIPPED]
        manager.finalize()
        return [manager]


def inlined(function: Any) -> Any:
    """The decorator that makes a function a part of the compiled functions that call it. A call from Python crashes."""
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": PartCompiler}
    return njit(error_model="numpy", forceinline=True, **options)(function)
