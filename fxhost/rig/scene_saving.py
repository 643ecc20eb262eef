"""What was turned and switched in the scene that plays goes back into its rig file; nothing else there changes."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from fxhost.errors import RigError
from fxhost.rig.blend import Blend
from fxhost.rig.blend_slot import OWN, WHOLE
from fxhost.rig.effect import Effect
from fxhost.rig.part import Part
from fxhost.rig.part_reading import flatten
from fxhost.rig.playing import Playing
from fxhost.rig.toml_editing import change_text
from fxhost.rig.toml_lines import Place
from fxhost.stages.parallel.stages import BRANCH, MIX

Change = tuple[Place, Any]


def save_scene(text: str, playing: Playing, gains_db: tuple[float, float]) -> tuple[str, list[str]]:
    """The text of a rig file with its scene as it plays now.

    In a file without scenes the slots and the gains themselves change.

    Parameters
    ----------
    text : str
        Of the file as it is now.
    playing : Playing
    gains_db : (float, float)
        Of input and output.

    Returns
    -------
    text : str
    told : list of str
        What has changed, in words; empty if nothing has.

    Raises
    ------
    RigError
        If the file has other slots or scenes by now, or is written in a way that cannot be changed.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise RigError(f"it cannot be read as TOML any more: {err}; mend it") from err
    writer = _Writer(content, playing)
    writer.write_gains(gains_db)
    for n in range(len(playing.ids)):
        writer.write_slot(n)
    return (change_text(text, writer.changes) if writer.changes else text), writer.told


class _Writer:
    """Collects the changes to a file, and tells them in words."""

    def __init__(self, content: dict[str, Any], playing: Playing) -> None:
        self.content, self.playing, self.sound = content, playing, playing.sound
        self.changes: list[Change] = []
        self.told: list[str] = []
        scenes, number = content.get("scene", []), playing.scene_index
        names = [scene.get("name", "") for scene in scenes] if scenes else [""]
        slots = content.get("slot", [])
        ids = [slot.get("id", own) for slot, own in zip(slots, playing.ids, strict=False)]
        playing_names = [sound.scene.name for sound in playing.sounds]
        if (names, ids, len(slots)) != (playing_names, list(playing.ids), len(ids)):
            raise RigError("it has other slots or scenes by now than what plays; play it anew before you save")
        self.scene: dict[str, Any] | None = scenes[number] if scenes else None
        self.place: Place = ("scene", number) if scenes else ()

    def write_gains(self, gains_db: tuple[float, float]) -> None:
        """The gains that have been turned."""
        before = self.sound.scene.input_gain_db, self.sound.scene.output_gain_db
        for side, gain_db, saved_db in zip(("input", "output"), gains_db, before, strict=True):
            if gain_db != saved_db:
                self.changes.append(((*self.place, f"{side}_gain_db"), _round(gain_db)))
                self.told.append(f"{side} {gain_db:+.1f} dB".replace("-", "−"))

    def write_slot(self, n: int) -> None:
        """What has been turned and switched of a slot."""
        name, slot, sound = self.playing.ids[n], self.sound.slots[n], self.sound
        own = self.content["slot"][n] if self.scene is None else self.scene.get("slots", {}).get(name)
        place: Place = ("slot", n) if self.scene is None else (*self.place, "slots", name)
        settings: dict[Any, Any] = {}
        for k, parameter in enumerate(slot.parameters):
            value = sound.knobs.values[n][k]
            if value != sound.saved[n][k]:
                written = bool(value) if parameter.taper == "switch" else _round(value)
                self._put(settings, self._path(n, k, own or {}), written)
                self.told.append(f"{name} {parameter.name} {parameter.format(value)}")
        self._add(place, own, settings)
        if sound.is_on[n] != sound.scene.is_on[n]:
            self.told.append(f"{name} {'on' if sound.is_on[n] else 'off'}")
            if self.scene is None or "on" in (own or {}):
                self._add(place, own, {"on": sound.is_on[n]})
            else:
                self._write_lists(name, sound.is_on[n], self.content["slot"][n].get("on", True))

    def _path(self, n: int, k: int, own: dict[str, Any]) -> Place:
        """Where a parameter stands in the table of a slot, or in what a scene changes of it."""
        part, base = self.sound.scene.parts[n], self.content["slot"][n]
        if not isinstance(part, Blend):
            knobs = {**base.get("knobs", {}), **own.get("knobs", {})}
            return _path_in_part(part, k, knobs)
        if self.scene is None:
            return _path_in_blend(part, k, base)
        name = part.parameters[k].name
        known = {".".join(path): path for path, _ in flatten(own)}
        return known.get(name, tuple(name.split(".")))

    @staticmethod
    def _put(settings: dict[Any, Any], path: Place, value: Any) -> None:
        for part in path[:-1]:
            settings = settings.setdefault(part, {})
        settings[path[-1]] = value

    def _add(self, place: Place, own: Any, settings: Mapping[Any, Any]) -> None:
        """Set values in a table; one that is not there is made with all of them."""
        if own is None and settings:
            self.changes.append((place, settings))
            return
        for key, value in settings.items():
            if isinstance(value, dict):
                self._add((*place, key), own[key] if isinstance(own, list) else own.get(key), value)
            else:
                self.changes.append(((*place, key), value))

    def _write_lists(self, name: str, is_on: bool, is_on_in_slot: bool) -> None:
        """Switch a slot by the lists of those that are on and off in the scene."""
        assert self.scene is not None
        for key, belongs in (("on", is_on and not is_on_in_slot), ("off", not is_on and is_on_in_slot)):
            before: Sequence[str] = self.scene.get(key, [])
            after = [each for each in before if each != name] + [name] * belongs
            if after != list(before):
                self.changes.append(((*self.place, key), after))
                self.scene[key] = after


def _path_in_part(part: Effect | Part, k: int, knobs: Mapping[str, Any]) -> Place:
    """Where a parameter stands in a table: those of a network among its knobs, under the name that they have there.

    The names of knobs may be in either case, and numbered.
    """
    name = part.parameters[k].name
    if not isinstance(part, Effect) or k >= len(part.preset.knobs):
        return (name,)
    folded = name.casefold()
    return ("knobs", next((each for each in knobs if each.casefold() in (folded, f"1.{folded}")), name))


def _path_in_blend(blend: Blend, k: int, table: Mapping[str, Any]) -> Place:
    """Where a parameter stands in the table of a blend, in that of a branch, or in those of the parts of one."""
    at = blend.places[k]
    if at.branch == WHOLE:
        return (MIX.name,)
    key = "branches" if "branches" in table else "branch"
    inside, path = table[key][at.branch], (key, at.branch)
    if at.part == OWN:
        return (*path, BRANCH[at.number].name)
    part = blend.branches[at.branch].parts[at.part]
    if "preset" not in inside:
        slots = "slots" if "slots" in inside else "slot"
        inside, path = inside[slots][at.part], (*path, slots, at.part)  # type: ignore[assignment]
    if isinstance(part, Blend):
        return (*path, *_path_in_blend(part, at.number, inside))
    return (*path, *_path_in_part(part, at.number, inside.get("knobs", {})))


def _round(value: float) -> float:
    return float(f"{value:.6g}")
