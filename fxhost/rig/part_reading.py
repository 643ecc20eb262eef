"""What the table of a slot means: an effect or another part, also in the branches of a blend."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fxhost.engine.knobs import set_knobs
from fxhost.preset.archive import read_preset
from fxhost.preset.library import find_preset
from fxhost.preset.quality import HIGHEST, read_quality, require_models
from fxhost.rig.blend import LONGEST_MS, Blend, Branch
from fxhost.rig.checked_table import Problems, Table
from fxhost.rig.effect import Effect
from fxhost.rig.impulse_response import Response
from fxhost.rig.part import Part, check_setting
from fxhost.rig.parts import Cabinet, Gate, Tone, Volume
from fxhost.stages.parallel.stages import BRANCH

MOST_SLOTS = 64
GAIN_DB = 60.0
PARTS: dict[str, type[Part]] = {"gate": Gate, "tone": Tone, "volume": Volume}
RESPONSE_KEYS = ("file", "level_db", "pan", "polarity", "delay_ms")
SLOT_KEYS = {
    "effect": ("preset", "quality", "knobs", "mix"),
    "blend": ("branches", "branch", "aligns", "stereo", "mix"),
    "cabinet": ("files", "levels", "trims", "aligns", "mix"),
    **{kind: tuple(parameter.name for parameter in part.PARAMETERS) for kind, part in PARTS.items()},
}
SETTINGS = tuple(parameter.name for parameter in BRANCH)
BRANCH_KEYS = ("id", *SLOT_KEYS["effect"], "slots", "slot", *SETTINGS, "polarity", "delay_ms")
STRUCTURE = ("branches", "branch", "aligns", "stereo")  # keys of a blend that make another one of it


def kind_of(table: Table) -> str:
    """The kind of a slot; one that does not exist is a mistake."""
    default = "effect" if "preset" in table.data or "type" not in table.data else table.data["type"]
    return str(table.one_of("type", default, tuple(SLOT_KEYS)))


def flatten(data: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values in nested tables, each with the keys that lead to it."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flatten(value, (*path, key))
        else:
            yield (*path, key), value


class PartReader:
    """Makes parts of tables; mistakes go to the problems.

    Parameters
    ----------
    folder : Path
        What paths are relative to.
    problems : Problems
    """

    def __init__(self, folder: Path, problems: Problems) -> None:
        self.folder, self.problems = folder, problems

    def place(self, name: str) -> Path:
        """Where a file lies."""
        return self.folder / Path(name).expanduser()

    def read(self, kind: str, table: Table, data: dict[str, Any] | None = None) -> Effect | Part | None:
        """The part of a slot; None where it has a mistake.

        Parameters
        ----------
        kind : str
        table : Table
        data : dict, optional
            The keys that count instead of its own, because a scene has changed some.
        """
        merged = table if data is None else Table(data, table.path, self.problems)
        special: dict[str, Callable[[Table], Effect | Part | None]] = {
            "effect": self._read_effect,
            "cabinet": self._read_cabinet,
            "blend": self._read_blend,
        }
        if kind in special:
            return special[kind](merged)
        part = PARTS[kind]
        settings = {key: value for key, value in merged.data.items() if key in SLOT_KEYS[kind]}
        checked = [
            self.problems.attempt((*table.path, key), partial(check_setting, kind, part.PARAMETERS, key, value))
            for key, value in settings.items()
        ]
        return None if None in checked else part(**settings)

    def change_blend(self, blend: Blend | None, change: Table, data: dict[str, Any]) -> Blend | None:
        """A blend in a scene; None where there is a mistake.

        Parameters
        ----------
        blend : Blend or None
            That of the slot.
        change : Table
            What the scene changes: parameters by their names, or keys of the slot.
        data : dict
            All keys of the slot in this scene.
        """
        changed = set(change.data) & set(STRUCTURE)
        if changed & {"branches", "branch"}:
            data = {key: value for key, value in data.items() if key not in ("branches", "branch") or key in changed}
        if changed:
            blend = self._read_blend(Table(data, change.path, self.problems))
        if blend is None:
            return None
        turned = {key: value for key, value in change.data.items() if key not in ("on", *STRUCTURE)}
        names = {".".join(path): path for path, _ in flatten(turned)}
        values = {".".join(path): value for path, value in flatten(turned)}
        known = [parameter.name for parameter in blend.parameters]
        Table(values, change.path, self.problems).refuse_unknown((*known, *STRUCTURE), names)
        checked = {
            name: self.problems.attempt(
                (*change.path, *names[name]), partial(check_setting, "blend", blend.parameters, name, value)
            )
            for name, value in values.items()
            if name in known
        }
        return None if None in checked.values() else blend.set_to(checked)

    def _read_effect(self, table: Table) -> Effect | None:
        name = table.text("preset")
        if "preset" not in table.data:
            self.problems.add(table.path, 'a slot of an effect needs its preset: preset = "NAME or FILE"')
            return None
        knobs = table.table("knobs")
        values = {knob: knobs.number(knob, 0.5, 0.0, 1.0) for knob in knobs.data}
        mix = table.number("mix", 1.0, 0.0, 1.0) if "mix" in table.data else None
        quality = self._read_quality(table)
        if not name:
            return None

        def make() -> Effect:
            here = self.place(name)
            preset = read_preset(here if here.is_file() else find_preset(name), quality)
            if "quality" in table.data:
                self.problems.attempt((*table.path, "quality"), lambda: require_models([preset]))
            return Effect(set_knobs([preset], values)[0] if values else preset, mix)

        effect: Effect | None = self.problems.attempt((*table.path, "preset"), make)
        return effect

    def _read_quality(self, table: Table) -> float:
        given = table.data.get("quality", HIGHEST)
        quality = self.problems.attempt((*table.path, "quality"), lambda: read_quality(given))
        return HIGHEST if quality is None else float(quality)

    def _read_cabinet(self, table: Table) -> Cabinet | None:
        files = table.data.get("files", [])
        files = [files] if isinstance(files, str | dict) else files
        if not isinstance(files, list) or not files:
            self.problems.add((*table.path, "files"), 'a cabinet needs the files of its responses: files = ["v30.wav"]')
            return None
        responses = [self._read_response(each, (*table.path, "files", n)) for n, each in enumerate(files)]
        flags = {
            key: table.flag(key, default) for key, default in (("levels", True), ("trims", False), ("aligns", False))
        }
        mix = table.number("mix", 1.0, 0.0, 1.0) if "mix" in table.data else None
        if not all(responses):
            return None
        return Cabinet(*filter(None, responses), **flags, mix=mix)

    def _read_response(self, given: object, path: tuple[str | int, ...]) -> Response | None:
        inner = Table({"file": given} if isinstance(given, str) else given, path, self.problems)
        inner.refuse_unknown(RESPONSE_KEYS)
        file = self.place(inner.text("file", "none"))
        if not file.is_file():
            self.problems.add(path, f"no such file: {file}")
            return None
        return Response(
            file,
            level_db=inner.number("level_db", 0.0, -GAIN_DB, GAIN_DB),
            pan=inner.number("pan", 0.0, -1.0, 1.0),
            polarity=inner.one_of("polarity", 1, (1, -1)),
            delay_ms=inner.number("delay_ms", 0.0, 0.0, 100.0),
        )

    def _read_blend(self, table: Table) -> Blend | None:
        if "branches" in table.data and "branch" in table.data:
            self.problems.add((*table.path, "branches"), "a blend has branches or [[slot.branch]] tables, not both")
            return None
        key = "branches" if "branches" in table.data else "branch"
        branches = [self._read_branch(each) for each in table.tables(key, MOST_SLOTS)]
        flags: dict[str, Any] = {"aligns": table.flag("aligns", True)}
        if "stereo" in table.data:
            flags["stereo"] = table.flag("stereo", False)
        if "mix" in table.data:
            flags["mix"] = table.number("mix", 1.0, 0.0, 1.0)
        made = [branch for branch in branches if branch is not None]
        if len(made) < len(branches):
            return None
        blend: Blend | None = self.problems.attempt(table.path, lambda: Blend(made, **flags))
        return blend

    def _read_branch(self, table: Table) -> Branch | None:
        before = len(self.problems.found)
        table.refuse_unknown(BRANCH_KEYS)
        settings = {
            name: self.problems.attempt(
                (*table.path, name), partial(check_setting, "a branch", BRANCH, name, table.data[name])
            )
            for name in SETTINGS
            if name in table.data
        }
        polarity, delay_ms = table.one_of("polarity", 1, (1, -1)), table.number("delay_ms", 0.0, 0.0, LONGEST_MS)
        name, given = table.text("id"), [key for key in ("preset", "slots", "slot") if key in table.data]
        parts: list[Effect | Part | None] = []
        ids: list[str] = []
        if len(given) != 1:
            self.problems.add(
                table.path,
                "a branch needs a preset, or the slots that play in it; slots = [] is the dry signal"
                if not given
                else f"a branch has {' or '.join(given)}, not both",
            )
        elif given == ["preset"]:
            parts, ids = [self._read_effect(table)], ["effect"]
        else:
            parts, ids = self._read_chain(table.tables(given[0], MOST_SLOTS))
        if len(self.problems.found) > before:
            return None
        options = {**settings, "polarity": polarity, "delay_ms": delay_ms, "id": name, "ids": ids}
        made = [part for part in parts if part is not None]
        branch: Branch | None = self.problems.attempt(table.path, lambda: Branch(made, **options))
        return branch

    def _read_chain(self, tables: list[Table]) -> tuple[list[Effect | Part | None], list[str]]:
        """The parts of a branch, and their ids."""
        parts, ids = [], list[str]()
        kinds = [kind_of(table) for table in tables]
        for n, (table, kind) in enumerate(zip(tables, kinds, strict=True)):
            if kind not in SLOT_KEYS:
                continue
            table.refuse_unknown(("id", "type", *SLOT_KEYS[kind]))
            several = f"{kinds[: n + 1].count(kind)}" if kinds.count(kind) > 1 else ""
            ids.append(table.text("id", f"{kind}{several}"))
            if ids[-1] in ids[:-1]:
                self.problems.add((*table.path, "id"), f"two slots have the id {ids[-1]!r}; give each its own")
            parts.append(self.read(kind, table))
        return parts, ids
