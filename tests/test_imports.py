"""Who may import whom: what the design of the house allows, read from the sources."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {
    "torch": {"reference.modules", "reference.modules_wavenet", "reference.preset_writer", "reference.torchscript"},
    "sounddevice": set(),
    "rich": {
        *(
            "cli.bench",
            "cli.bench_tables",
            "cli.capture_screen",
            "cli.plain_console",
            "cli.screen",
            "cli.screen_meters",
        ),
        *("cli.screen_rows", "cli.screen_details", "cli.screen_loops", "cli.window"),
    },
    "soundfile": {"io.recordings", "io.sound_comparison", "io.sound_writing", "rig.notebook", "training"},
}


def name_of(path: Path) -> str:
    """The dotted name of a module of the host, below fxhost."""
    return ".".join(path.relative_to(ROOT / "fxhost").with_suffix("").parts)


def top_imports(path: Path) -> set[str]:
    """The modules that a file imports when it is imported; not those for type checkers only."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            found.add(node.module or "")
    return found


def all_imports(path: Path) -> set[str]:
    """The modules that a file imports anywhere."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_every_room_imports_only_from_the_rooms_below_it() -> None:
    done = subprocess.run(
        [shutil.which("lint-imports") or "lint-imports", "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", HEAVY)
def test_a_heavy_library_is_imported_only_where_it_is_needed(library: str) -> None:
    users = {
        name_of(path)
        for path in (ROOT / "fxhost").rglob("*.py")
        if any(module.split(".")[0] == library for module in top_imports(path))
    }
    assert users == HEAVY[library]


def test_the_outermost_place_imports_nothing_before_it_can_tell_how_that_failed() -> None:
    assert top_imports(ROOT / "fxhost" / "cli" / "__init__.py") == set()
    own = {"fxhost.cli.refusals", "fxhost.cli.standard_streams", "fxhost.errors", "fxhost.io.environment"}
    for name in ("ending", "refusals", "standard_streams"):
        imports = top_imports(ROOT / "fxhost" / "cli" / f"{name}.py")
        assert {module for module in imports if module.split(".")[0] not in sys.stdlib_module_names} <= {
            *own,
            "fxhost.cli.console",
        }


def test_only_the_command_line_knows_the_trainer() -> None:
    users = {
        name_of(path)
        for path in (ROOT / "fxhost").rglob("*.py")
        if any(module.split(".")[0] == "train" for module in all_imports(path))
    }
    assert users == {"cli.capture", "cli.train", "cli.train_output", "cli.train_search", "training"}


def test_nothing_is_printed_but_through_the_one_place_that_escapes_it() -> None:
    printing = {
        path.stem
        for path in [*(ROOT / "fxhost").rglob("*.py"), *(ROOT / "train").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing == {"console"}
