"""The words of messages and help: rules that a machine can hold, over every text that the sources show to a user."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from fxhost.cli.parser import build_parser
from tests.conftest import ROOT

SOURCES = sorted(path for folder in ("fxhost", "train") for path in (ROOT / folder).rglob("*.py"))
# "There is no X" says what is missing; "Y is no X" is not how anybody says that Y is something else.
CLUMSY = re.compile(r"(?<!here )\b(?:is|are) no (?!longer\b|such\b|nearer\b|more\b)")


def flatten(node: ast.AST) -> str | None:
    """A text as it is written, with … for each value in it; None of what is no text."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(flatten(value) or "…" for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return (flatten(left) or "…") + (flatten(right) or "…")
    return None


def raised(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the text of each error that a file makes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
            for text in map(flatten, node.args):
                if text is not None:
                    yield node.lineno, text


def shown(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the text of each string of a file that is not a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and not {id(node)} & (docs | parts):
            text = flatten(node)
            if text is not None:
                yield node.lineno, text


def test_a_text_says_what_is_not_so_with_not() -> None:
    texts = [(path.name, *found) for path in SOURCES for found in shown(path)]
    assert len(texts) > 1000
    assert [found for found in texts if CLUMSY.search(found[2])] == []


def test_an_error_is_one_line_without_a_stop_at_its_end() -> None:
    texts = [(path.name, *found) for path in SOURCES for found in raised(path)]
    assert len(texts) > 300
    assert [found for found in texts if "\n" in found[2] or found[2].endswith((".", "!", " "))] == []


def test_a_help_text_is_a_phrase_that_begins_small() -> None:
    _, commands = build_parser()
    texts = [action.help for command in commands.values() for action in command._actions if action.help]
    assert len(texts) > 100
    assert [
        text for text in texts if text.endswith(".") or not re.match(r"[a-z0-9.]|MIDI|JACK|LSTM|PRESET", text)
    ] == []


def test_the_rules_find_what_they_are_for() -> None:
    assert CLUMSY.search("'x' is no number")
    assert not CLUMSY.search("there is no folder; it is no longer there")
