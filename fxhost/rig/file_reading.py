"""What the tables of a rig file mean: slots become parts, scenes what differs from them."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fxhost.engine.knobs import set_knobs
from fxhost.preset.archive import read_preset
from fxhost.preset.library import find_preset
from fxhost.rig.checked_table import Table
from fxhost.rig.effect import Effect
from fxhost.rig.impulse_response import Response
from fxhost.rig.parts import Cabinet, Gate, Part, Tone, check_setting
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene

MOST_SLOTS, MOST_SCENES = 64, 128
GAIN_DB = 60.0
KEYS = ("name", "input_gain_db", "output_gain_db", "level", "interface_dbu", "oversample", "slot", "scene", "rigs")
SCENE_KEYS = ("name", "on", "off", "input_gain_db", "output_gain_db", "slots")
PARTS: dict[str, type[Part]] = {"gate": Gate, "tone": Tone}
RESPONSE_KEYS = ("file", "level_db", "pan", "polarity", "delay_ms")
SLOT_KEYS = {
    "effect": ("preset", "knobs"),
    "cabinet": ("files", "levels", "trims", "aligns"),
    **{kind: tuple(parameter.name for parameter in part.PARAMETERS) for kind, part in PARTS.items()},
}


@dataclass(frozen=True)
class RigFile:
    """What a rig file says.

    Attributes
    ----------
    path : Path
    name : str
        The file's own, or else the name of the file.
    rig : Rig or None
        None in a set list.
    ids : tuple of str
        Of the slots, in order.
    rigs : tuple of Path
        Of a set list.
    """

    path: Path
    name: str
    rig: Rig | None
    ids: tuple[str, ...] = ()
    rigs: tuple[Path, ...] = ()


class Reader:
    """Reads one file; mistakes go to the problems of its table."""

    def __init__(self, path: Path, top: Table) -> None:
        self.path, self.top, self.problems = path, top, top.problems
        self.tables: dict[str, Table] = {}  # of the slots, by their ids
        self.kinds: dict[str, str] = {}

    def read(self) -> RigFile | None:
        """All of it; whether that is any good, the problems tell."""
        top = self.top
        top.refuse_unknown([*KEYS, "midi"])
        name = top.text("name", self.path.stem)
        if "rigs" in top.data:
            rigs = tuple(self._place(each) for each in top.texts("rigs"))
            for missing in rigs:
                if not missing.is_file():
                    self.problems.add(("rigs",), f"no such file: {missing}")
            return RigFile(self.path, name, None, rigs=rigs) if rigs else None
        gains = [top.number(f"{side}_gain_db", 0.0, -GAIN_DB, GAIN_DB) for side in ("input", "output")]
        base = self._read_slots()
        if not top.data.get("slot"):
            self.problems.add((), "there is no [[slot]]: give at least one")
        on = {name: table.flag("on", True) for name, table in self.tables.items()}
        scenes = [self._read_scene(table, base, on, gains) for table in top.tables("scene")[:MOST_SCENES]]
        dbu = top.number("interface_dbu", 0.0, -GAIN_DB, GAIN_DB) if "interface_dbu" in top.data else None
        level, oversample = top.one_of("level", "raw", ("raw", "normalized")), top.one_of("oversample", 1, (1, 2, 4))
        if self.problems.found:
            return None
        whole = Scene("", tuple(base.values()), tuple(on.values()), *gains)
        rig = Rig(
            list(base.values()),
            input_gain_db=gains[0],
            output_gain_db=gains[1],
            level=level,
            interface_dbu=dbu,
            oversample=oversample,
            scenes=scenes or [whole],
            ids=list(base),
        )
        return RigFile(self.path, name, rig, tuple(base))

    def _place(self, name: str) -> Path:
        return self.path.parent / Path(name).expanduser()

    def _read_slots(self) -> "dict[str, Effect | Part]":
        """The parts by their ids; what has a mistake is left out."""
        base: dict[str, Effect | Part] = {}
        for n, table in enumerate(self.top.tables("slot")[:MOST_SLOTS]):
            default = "effect" if "preset" in table.data or "type" not in table.data else table.data["type"]
            kind = table.one_of("type", default, tuple(SLOT_KEYS))
            name = table.text("id", f"{kind}{n + 1}")
            if name in self.tables:
                self.problems.add((*table.path, "id"), f"two slots have the id {name!r}; give each its own")
            if kind not in SLOT_KEYS:
                continue
            table.refuse_unknown(("id", "type", "on", *SLOT_KEYS[kind]))
            self.tables[name], self.kinds[name] = table, kind
            part = self._make_part(kind, table, table.data)
            if part is not None:
                base[name] = part
        return base

    def _make_part(self, kind: str, table: Table, data: dict[str, Any]) -> "Effect | Part | None":
        """The part of a slot, from its own keys or from those that a scene has changed."""
        merged = Table(data, table.path, self.problems)
        if kind == "effect":
            return self._make_effect(merged)
        if kind == "cabinet":
            return self._make_cabinet(merged)
        part = PARTS[kind]
        settings = {key: value for key, value in data.items() if key in SLOT_KEYS[kind]}
        checked = [
            self.problems.attempt((*table.path, key), partial(check_setting, kind, part.PARAMETERS, key, value))
            for key, value in settings.items()
        ]
        if None in checked:
            return None
        return part(**settings)

    def _make_effect(self, table: Table) -> Effect | None:
        name = table.text("preset")
        if "preset" not in table.data:
            self.problems.add(table.path, 'a slot of an effect needs its preset: preset = "NAME or FILE"')
            return None
        if not name:
            return None
        knobs = table.table("knobs")
        values = {knob: knobs.number(knob, 0.5, 0.0, 1.0) for knob in knobs.data}

        def make() -> Effect:
            here = self._place(name)
            preset = read_preset(here if here.is_file() else find_preset(name))
            return Effect(set_knobs([preset], values)[0] if values else preset)

        effect: Effect | None = self.problems.attempt((*table.path, "preset"), make)
        return effect

    def _make_cabinet(self, table: Table) -> Cabinet | None:
        files = table.data.get("files", [])
        files = [files] if isinstance(files, str | dict) else files
        if not isinstance(files, list) or not files:
            self.problems.add((*table.path, "files"), 'a cabinet needs the files of its responses: files = ["v30.wav"]')
            return None
        responses = [self._read_response(each, table) for each in files]
        flags = {
            key: table.flag(key, default) for key, default in (("levels", True), ("trims", False), ("aligns", False))
        }
        if not all(responses):
            return None
        return Cabinet(*filter(None, responses), **flags)

    def _read_response(self, given: object, table: Table) -> Response | None:
        path = (*table.path, "files")
        inner = Table({"file": given} if isinstance(given, str) else given, path, self.problems)
        inner.refuse_unknown(RESPONSE_KEYS)
        file = self._place(inner.text("file", "none"))
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

    def _read_scene(
        self, table: Table, base: "dict[str, Effect | Part]", on: dict[str, bool], gains: list[float]
    ) -> Scene:
        table.refuse_unknown(SCENE_KEYS)
        is_on, parts = dict(on), dict(base)
        for key, value in (("on", True), ("off", False)):
            for name in table.texts(key):
                if name in is_on:
                    is_on[name] = value
                else:
                    self.problems.add((*table.path, key), self._no_slot(name))
        changes = table.table("slots")
        for name in changes.data:
            change = changes.table(name)
            if name not in self.tables:
                self.problems.add(change.path, self._no_slot(name))
                continue
            kind = self.kinds[name]
            change.refuse_unknown(("on", *SLOT_KEYS[kind]))
            is_on[name] = change.flag("on", is_on[name])
            data = self.tables[name].data | change.data
            if kind == "effect" and "preset" not in change.data:
                data["knobs"] = {**self.tables[name].table("knobs").data, **change.table("knobs").data}
            if set(change.data) - {"on"} and (part := self._make_part(kind, change, data)) is not None:
                parts[name] = part
        scene_gains = [
            table.number(f"{side}_gain_db", gain, -GAIN_DB, GAIN_DB)
            for side, gain in zip(("input", "output"), gains, strict=True)
        ]
        ids = list(base)
        return Scene(
            table.text("name"), tuple(parts[name] for name in ids), tuple(is_on[name] for name in ids), *scene_gains
        )

    def _no_slot(self, name: str) -> str:
        return f"there is no slot {name!r}: there is {', '.join(self.tables)}"
