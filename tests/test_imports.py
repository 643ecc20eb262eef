"""Who may import whom: what the design of the house allows, read from the sources."""

import ast
import sys
from pathlib import Path

import pytest
from conftest import ROOT

# module → the modules of ours that it may import at its top; below them anything of the same row's meaning
STAGE_PARTS = [
    *("cells", "dense", "layerwise", "layout", "lstm", "nested", "variants"),
    *("activations", "convolutions", "network_checks", "layers", "matrices", "networks", "parts", "rings", "tiles"),
]
OWN = ("fxhost", *(f"fxhost.{part}" for part in ("caching", "errors", "measured", "native", "stages", "vectors")))
STAGES = {*OWN, *(f"fxhost.stages.{part}" for part in STAGE_PARTS)}
ALLOWED: dict[str, set[str]] = {
    "escaping": set(),
    "errors": {"escaping"},
    "files": {"errors"},
    "dense": set(),
    "effect": {"dense"},
    "fields": {"errors"},
    "parsing": {"errors"},
    "settling": {"effect"},
    "resting": {"", "effect", "engine", "stages"},
    "preset": {"dense", "descriptions", "effect", "errors", "fields", "formats", "parsing", "settling"},
    "descriptions": {"errors", "fields"},
    "modules": {"dense", "effect", "modules_wavenet"},
    "modules_wavenet": {"effect", "stages"},
    "riff": {"preset"},
    "members": {"", "dense", "errors", "preset"},
    "recurrence": {"effect", "settling"},
    "scripting": {"effect"},
    "trusted": set(),
    "waiting": set(),
    "interruption": set(),
    "caching": {"trusted", "waiting"},
    "native": {"caching"},
    "vectors": set(),
    "headers": set(),
    "decoders": set(),
    "audio": {"decoders", "errors", "files", "headers", "preset"},
    "channels": {"audio", "errors"},
    "sound_writing": {"errors", "files", "preset"},
    "callback": {"caching", "native", "stages"},
    "rack": {"callback", "errors", "native", "stages"},
    "realtime": set(),
    "plans": {"stages"},
    "fidelity": set(),
    "stability": {"preset"},
    "measured": {"caching", "trusted"},
    "choosing": {
        "",
        "caching",
        "engine",
        "errors",
        "fidelity",
        "measured",
        "plans",
        "preset",
        "riff",
        "stability",
        "stages",
        "waiting",
    },
    "offsets": {"preset", "riff", "stages"},
    "engine": {"levels", "offsets", "plans", "preset", "stages"},
    "levels": {"effect"},
    "knobs": {"effect", "errors", "settling", "stages"},
    "exchange": {
        *("engine", "errors", "files", "formats", "levels", "members", "preset", "recurrence", "riff", "scripting"),
        "surroundings",
    },
    "exchanging": {"errors", "escaping", "exchange", "interruption", "preset", "waiting", "words"},
    "torchscript": {"errors", "files", "levels", "members", "modules", "preset", "riff", "stages"},
    "deadlines": set(),
    "jack": {"deadlines"},
    "latency": set(),
    "roundtrips": {"errors", "files"},
    "suspending": set(),
    "devices": {"deadlines", "errors", "jack", "latency"},
    "stream": {"callback", "latency", "rack"},
    "portaudio": {"", "deadlines", "devices", "errors", "jack", "latency", "rack", "roundtrips"},
    "summary": {"errors", "rack", "realtime", "stream"},
    "watching": {"errors", "jack", "rack", "realtime", "stream", "suspending"},
    "render": {"audio", "rack", "sound_writing"},
    "keys": set(),
    "rows": {"escaping"},
    "meters": set(),
    "live": {"keys", "knobs", "meters", "plans", "rack", "realtime", "rows", "stream"},
    "session": {
        "audio",
        "channels",
        "choosing",
        "devices",
        "engine",
        "errors",
        "knobs",
        "levels",
        "plans",
        "portaudio",
        "preset",
        "rack",
        "realtime",
        "riff",
        "sound_writing",
        "stages",
        "stream",
        "summary",
        "suspending",
        "watching",
    },
    "arguments": {"", "escaping"},
    "consoles": {"escaping"},
    "window": {"keys", "live", "suspending"},
    "words": {"escaping", "waiting"},
    "timing": {"caching", "callback", "native", "rack", "stages"},
    "bench": {"", "engine", "plans", "preset", "timing"},
    "jitter": {"bench", "errors", "preset", "session", "summary", "timing"},
    "loopback": {"bench", "devices", "errors", "portaudio", "preset", "roundtrips", "session", "stages", "stream"},
    "limits": {"bench", "jitter", "preset", "session", "stream"},
    "tables": {"bench", "jitter", "limits", "live", "loopback", "preset", "timing", "words"},
    "benching": {
        "bench",
        "choosing",
        "errors",
        "jitter",
        "limits",
        "loopback",
        "preset",
        "riff",
        "session",
        "stream",
        "tables",
        "words",
    },
    "training": {"errors", "preset", "words"},
    "surroundings": {"errors"},
    "commands": {"arguments", "errors", "surroundings", "words"},
}
HEAVY = {
    "torch": {"modules", "modules_wavenet", "torchscript"},
    "sounddevice": set(),
    "rich": {"benching", "window", "consoles", "live", "meters", "rows", "tables"},
    "soundfile": {"audio", "sound_writing"},
}


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


def test_every_module_of_the_host_has_its_place() -> None:
    modules = {path.stem for path in (ROOT / "fxhost").glob("*.py")} - {"__init__"}
    assert modules == set(ALLOWED)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_module_imports_only_what_lies_below_it(name: str) -> None:
    imports = top_imports(ROOT / "fxhost" / f"{name}.py")
    ours = {
        "" if module == "fxhost" else module.split(".")[1] for module in imports if module.split(".")[0] == "fxhost"
    }
    assert ours <= ALLOWED[name]


@pytest.mark.parametrize("path", sorted((ROOT / "fxhost" / "stages").glob("*.py")), ids=lambda path: path.stem)
def test_a_stage_knows_nothing_of_the_rest(path: Path) -> None:
    outside = {"numba", "numba.core.registry", "numba.extending", "numpy", "numpy.typing"}
    assert {name for name in all_imports(path) if name.split(".")[0] not in sys.stdlib_module_names} <= STAGES | outside


@pytest.mark.parametrize("path", sorted((ROOT / "fxhost" / "formats").glob("*.py")), ids=lambda path: path.stem)
def test_a_format_knows_nothing_of_engines(path: Path) -> None:
    allowed = {"fxhost.formats", *(f"fxhost.formats.{other.stem}" for other in path.parent.glob("*.py"))}
    allowed |= {
        "numpy",
        "numpy.typing",
        *(f"fxhost.{name}" for name in ("dense", "effect", "errors", "fields", "levels", "parsing")),
    }
    assert {name for name in top_imports(path) if name.split(".")[0] not in sys.stdlib_module_names} <= allowed


@pytest.mark.parametrize("library", HEAVY)
def test_a_heavy_library_is_imported_only_where_it_is_needed(library: str) -> None:
    users = {
        path.stem
        for path in (ROOT / "fxhost").rglob("*.py")
        if any(module.split(".")[0] == library for module in top_imports(path))
    }
    assert users == HEAVY[library]


def test_the_outermost_place_imports_nothing_before_it_can_tell_how_that_failed() -> None:
    assert top_imports(ROOT / "fxhost" / "cli" / "__init__.py") == set()
    own = {"fxhost.cli.refusals", "fxhost.cli.streams", "fxhost.errors", "fxhost.surroundings", "fxhost.words"}
    for path in (ROOT / "fxhost" / "cli").glob("[!_]*.py"):
        assert {name for name in top_imports(path) if name.split(".")[0] not in sys.stdlib_module_names} <= own


def test_only_the_command_line_knows_the_trainer() -> None:
    users = {
        path.stem
        for path in (ROOT / "fxhost").rglob("*.py")
        if any(module.split(".")[0] == "train" for module in all_imports(path))
    }
    assert users == {"training"}


def test_nothing_is_printed_but_through_the_one_place_that_escapes_it() -> None:
    printing = {
        path.stem
        for path in [*(ROOT / "fxhost").rglob("*.py"), *(ROOT / "train").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing == {"words"}
