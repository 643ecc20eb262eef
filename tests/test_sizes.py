"""How long functions and modules may be: what no linter counts."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCES = sorted([*(ROOT / "fxhost").rglob("*.py"), *(ROOT / "train").rglob("*.py")])
MOST_LINES = 300  # of a module
MOST_FUNCTION_LINES = 80  # of a function, without its docstring


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_and_functions_are_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MOST_LINES
    lengths = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            docstring = (ast.get_docstring(node) or "").count("\n") + 1
            lengths[node.name] = (node.end_lineno or 0) - node.lineno + 1 - docstring
    assert {name: length for name, length in lengths.items() if length > MOST_FUNCTION_LINES} == {}
