"""What the tables of a rig file mean: slots become parts, scenes what differs from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxhost.rig.blend import Blend
from fxhost.rig.checked_table import Table
from fxhost.rig.effect import Effect
from fxhost.rig.part import Part
from fxhost.rig.part_reading import GAIN_DB, MOST_SLOTS, SLOT_KEYS, PartReader, flatten, kind_of
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene

MOST_SCENES = 128
KEYS = ("name", "input_gain_db", "output_gain_db", "level", "interface_dbu", "oversample", "slot", "scene", "rigs")
SCENE_KEYS = ("name", "on", "off", "input_gain_db", "output_gain_db", "slots")


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
        self.parts = PartReader(path.parent, top.problems)
        self.tables: dict[str, Table] = {}  # of the slots, by their ids
        self.kinds: dict[str, str] = {}

    def read(self) -> RigFile | None:
        """All of it; whether that is any good, the problems tell."""
        top = self.top
        top.refuse_unknown([*KEYS, "midi"])
        name = top.text("name", self.path.stem)
        if "rigs" in top.data:
            rigs = tuple(self.parts.place(each) for each in top.texts("rigs"))
            for missing in rigs:
                if not missing.is_file():
                    self.problems.add(("rigs",), f"no such file: {missing}")
            return RigFile(self.path, name, None, rigs=rigs) if rigs else None
        gains = [top.number(f"{side}_gain_db", 0.0, -GAIN_DB, GAIN_DB) for side in ("input", "output")]
        base = self._read_slots()
        if not top.data.get("slot"):
            self.problems.add((), "there is no [[slot]]; give at least one")
        on = {name: table.flag("on", True) for name, table in self.tables.items()}
        scenes = [self._read_scene(table, base, on, gains) for table in top.tables("scene", MOST_SCENES)]
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
        rig.path = self.path
        return RigFile(self.path, name, rig, tuple(base))

    def _read_slots(self) -> "dict[str, Effect | Part]":
        """The parts by their ids; what has a mistake is left out."""
        base: dict[str, Effect | Part] = {}
        for n, table in enumerate(self.top.tables("slot", MOST_SLOTS)):
            kind = kind_of(table)
            name = table.text("id", f"{kind}{n + 1}")
            if name in self.tables:
                self.problems.add((*table.path, "id"), f"two slots have the id {name!r}; give each its own")
            if kind not in SLOT_KEYS:
                continue
            table.refuse_unknown(("id", "type", "on", *SLOT_KEYS[kind]))
            self.tables[name], self.kinds[name] = table, kind
            table.data = self._offered(kind, name) | table.data
            part = self.parts.read(kind, table)
            if part is not None:
                base[name] = part
        return base

    def _offered(self, kind: str, name: str) -> dict[str, Any]:
        """The keys that a slot has in every scene because one of them needs them."""
        scenes = self.top.data.get("scene")
        changes: list[Any] = [
            scene["slots"].get(name)
            for scene in (scenes if isinstance(scenes, list) else [])
            if isinstance(scene, dict) and isinstance(scene.get("slots"), dict)
        ]
        turned = [each for change in changes if isinstance(change, dict) for each in flatten(change)]
        offered: dict[str, Any] = {}
        if "mix" in SLOT_KEYS[kind] and any(path == ("mix",) for path, _ in turned):
            offered["mix"] = 1.0
        if kind == "blend" and any(path[-1].rstrip("0123456789") == "pan" and value for path, value in turned):
            offered["stereo"] = True
        return offered

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
            is_on[name] = change.flag("on", is_on[name])
            if (part := self._change(kind, name, change, base.get(name))) is not None:
                parts[name] = part
        scene_gains = [
            table.number(f"{side}_gain_db", gain, -GAIN_DB, GAIN_DB)
            for side, gain in zip(("input", "output"), gains, strict=True)
        ]
        ids = list(base)
        return Scene(
            table.text("name"), tuple(parts[name] for name in ids), tuple(is_on[name] for name in ids), *scene_gains
        )

    def _change(self, kind: str, name: str, change: Table, base: "Effect | Part | None") -> "Effect | Part | None":
        """The part of a slot in a scene; None where it is that of the slot, or there is a mistake."""
        data = self.tables[name].data | change.data
        if kind == "blend":
            blend = base if isinstance(base, Blend) else None
            return self.parts.change_blend(blend, change, data) if set(change.data) - {"on"} else None
        change.refuse_unknown(("on", *SLOT_KEYS[kind]))
        if kind == "effect":  # another preset has other knobs and other qualities
            kept = {} if "preset" in change.data else self.tables[name].table("knobs").data
            if "preset" in change.data and "quality" not in change.data:
                data.pop("quality", None)
            data["knobs"] = {**kept, **change.table("knobs").data}
        return self.parts.read(kind, change, data) if set(change.data) - {"on"} else None

    def _no_slot(self, name: str) -> str:
        return f"there is no slot {name!r}: there is {', '.join(self.tables)}"
