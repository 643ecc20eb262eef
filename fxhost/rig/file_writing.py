"""Rig files that are written: a commented one to begin with, and the rig that plays."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fxhost.preset.effect import Preset
from fxhost.preset.library import SHIPPED, list_presets
from fxhost.preset.quality import HIGHEST
from fxhost.rig.blend import Blend, Branch
from fxhost.rig.effect import Effect
from fxhost.rig.part import Part
from fxhost.rig.parts import Cabinet
from fxhost.rig.planning import name_parts
from fxhost.rig.rig import Rig
from fxhost.rig.toml_editing import format_key, format_value
from fxhost.stages.parallel.stages import BRANCH
from fxhost.stages.parameter import Parameter

TABLES = ("branch", "slot")  # what is written in tables of its own rather than in a line

EXAMPLE = """\
# A rig: what `fxhost run {name}` plays. `fxhost rig check {name}` finds mistakes, `fxhost rig show {name}` draws it.

name = "My first rig"
input_gain_db = 0.0             # before the first slot
output_gain_db = 0.0            # after the last one

# The slots, in the order of the signal. Each has an id by which scenes name it; on = false leaves it out at first.

[[slot]]
id = "gate"
type = "gate"                   # it listens to the dry signal and acts after the last effect
threshold = -60                 # −90 to 0 dB; also hysteresis (dB), hold, attack, release (ms)

[[slot]]
id = "drive"
preset = "ts-overdrive"         # a name from `fxhost presets`, or a .pt, .nam, .json or .aidax file beside this one
# knobs = {{ drive = 0.7 }}       # of presets that have some, 0 to 1
# quality = 0.5                 # of a .nam container: 0 plays its smallest model, 1 its largest
# mix = 0.6                     # how much of the sound goes through it, 0 (dry) to 1

# [[slot]]                      # a blend: chains in parallel, which are aligned so that they add up
# id = "amps"
# type = "blend"                # also mix
# branches = [
#   {{ id = "clean", preset = "deluxe.nam", level = -3, pan = -0.5 }},      # level −60 to 12 dB, pan −1 to 1
#   {{ slots = [{{ preset = "ts-overdrive" }}, {{ type = "tone", bass = 2 }}] }}, # also polarity, mute, solo, delay_ms
# ]

# [[slot]]                      # a volume control, as often as you like
# id = "boost"
# type = "volume"
# level = 3                     # −60 to 12 dB; mute = true

# [[slot]]                      # a cabinet: impulse responses in sound files beside this one
# id = "cab"
# type = "cabinet"
# files = ["v30.wav"]           # several are blended: {{ file = "room.wav", level_db = -6, pan = 0.5 }}
# aligns = true                 # delay and turn over the others so that they add up with the first

[[slot]]
id = "tone"
type = "tone"
bass = 0                        # ±15 dB, like mid and treble
treble = 0
low_cut = 20                    # Hz; 20 is off
high_cut = 20000                # Hz; 20000 is off
# band1_freq = 400              # two parametric bands: band1_gain (±18 dB), band1_q (0.2 to 12), the same of band2

# The scenes: what differs from the above. Keys 1 to 9 choose them while it plays.

[[scene]]
name = "Crunch"

[[scene]]
name = "Clean"
off = ["drive"]

[[scene]]
name = "Lead"
output_gain_db = 2.0
slots.tone = {{ mid = 4, treble = 2 }}
"""


def format_example(path: Path) -> str:
    """A commented rig file that plays at once."""
    return EXAMPLE.format(name=path.name)


def format_rig(
    rig: Rig, values: Sequence[Sequence[float]], is_on: Sequence[bool], gains_db: tuple[float, float], folder: Path
) -> str:
    """A rig file of what plays.

    Parameters
    ----------
    rig : Rig
    values : sequence of sequence of float
        For each slot where its parameters stand, in their units.
    is_on : sequence of bool
        For each slot.
    gains_db : (float, float)
        Of input and output, in dB.
    folder : Path
        Of the file; paths are written relative to it.
    """
    lines = _format_top(rig, gains_db)
    for n, (part, name) in enumerate(zip(rig.parts, rig.ids, strict=True)):
        stands = {parameter.name: value for parameter, value in zip(part.parameters, values[n], strict=True)}
        kind = {} if isinstance(part, Effect) else {"type": part.KIND}
        off = {} if is_on[n] else {"on": False}
        lines += _format_table("slot", {"id": name} | kind | _describe_part(part.set_to(stands), folder) | off)
    return "\n".join(lines) + "\n"


def format_scenes(rig: Rig, folder: Path) -> str:
    """A rig file of a rig as it was made, with all its scenes; numbers are exact.

    Parameters
    ----------
    rig : Rig
    folder : Path
        Of the file; paths are written relative to it.
    """
    first = rig.scenes[0]
    if len(rig.scenes) == 1 and not first.name:
        gains_db = first.input_gain_db, first.output_gain_db
        return format_rig(rig, [_defaults(part) for part in rig.parts], first.is_on, gains_db, folder)
    on = [True] * len(rig.parts)
    gains_db = rig.input_gain_db, rig.output_gain_db
    lines = [format_rig(rig, [_defaults(part) for part in rig.parts], on, gains_db, folder).rstrip("\n")]
    for scene in rig.scenes:
        lines += ["", "[[scene]]", f"name = {format_value(scene.name)}"]
        lines += _format_gains(scene.input_gain_db, scene.output_gain_db)
        if off := [name for name, is_on in zip(rig.ids, scene.is_on, strict=True) if not is_on]:
            lines.append(f"off = {format_value(off)}")
        for name, part, base in zip(rig.ids, scene.parts, rig.parts, strict=True):
            if part is not base:
                lines.append(f"slots.{format_key(name)} = {format_value(_describe_change(part, base, folder))}")
    return "\n".join(lines) + "\n"


def _format_top(rig: Rig, gains_db: tuple[float, float]) -> list[str]:
    lines = _format_gains(*gains_db)
    if rig.level != "raw":
        lines.append(f"level = {format_value(rig.level)}")
    if rig.interface_dbu is not None:
        lines.append(f"interface_dbu = {format_value(rig.interface_dbu)}")
    if rig.oversample != 1:
        lines.append(f"oversample = {rig.oversample}")
    return lines


def _format_gains(input_db: float, output_db: float) -> list[str]:
    return [f"input_gain_db = {format_value(input_db)}", f"output_gain_db = {format_value(output_db)}"]


def _format_keys(data: Mapping[str, Any]) -> list[str]:
    return [f"{format_key(key)} = {format_value(value)}" for key, value in data.items()]


def _format_table(header: str, data: Mapping[str, Any]) -> list[str]:
    """A table with the tables in it, a line for each key."""
    inner = {key: value for key, value in data.items() if key in TABLES}
    lines = ["", f"[[{header}]]", *_format_keys({key: value for key, value in data.items() if key not in inner})]
    for key, tables in inner.items():
        for table in tables:
            lines += _format_table(f"{header}.{key}", table)
    return lines


def _defaults(part: Effect | Part) -> list[float]:
    return [parameter.default for parameter in part.parameters]


def _describe_part(part: Effect | Part, folder: Path, *, every: bool = False) -> dict[str, Any]:
    """The keys of a slot but for its id and type; those at their defaults only on request."""
    mix = {} if part.mix is None else {"mix": part.mix}
    if isinstance(part, Effect):
        knobs = {"knobs": {knob.name: knob.default for knob in part.preset.knobs}} if part.preset.knobs else {}
        quality = {} if part.preset.quality in (None, HIGHEST) else {"quality": part.preset.quality}
        return {"preset": _name_preset(part.preset, folder)} | quality | knobs | mix
    if isinstance(part, Blend):
        is_panned = any(branch.settings["pan"] for branch in part.branches)
        flags = {"aligns": (part.aligns, True), "stereo": (part.stereo, is_panned)}
        branches = {"branch": [_describe_branch(branch, folder) for branch in part.branches]}
        return _without_defaults(flags, every) | mix | branches
    settings = _describe_settings(part.settings, part.PARAMETERS, every)
    if isinstance(part, Cabinet):
        settings["files"] = [
            {"file": _relative(Path(response.file), folder)}
            | _without_defaults(
                {
                    key: (getattr(response, key), default)
                    for key, default in (("level_db", 0.0), ("pan", 0.0), ("polarity", 1), ("delay_ms", 0.0))
                }
            )
            for response in part.responses
        ]
        flags = {"levels": (part.levels, True), "trims": (part.trims, False), "aligns": (part.aligns, False)}
        settings |= _without_defaults(flags, every)
    return settings | mix


def _describe_branch(branch: Branch, folder: Path) -> dict[str, Any]:
    fields = {"id": (branch.id, ""), "polarity": (branch.polarity, 1), "delay_ms": (branch.delay_ms, 0.0)}
    data = _without_defaults(fields) | _describe_settings(branch.settings, BRANCH)
    has_default_ids = branch.ids == name_parts(branch.parts)
    if has_default_ids and len(branch.parts) == 1 and isinstance(branch.parts[0], Effect):
        return data | _describe_part(branch.parts[0], folder)
    slots = [
        ({} if has_default_ids else {"id": name})
        | ({} if isinstance(part, Effect) else {"type": part.KIND})
        | _describe_part(part, folder)
        for name, part in zip(branch.ids, branch.parts, strict=True)
    ]
    return data | ({"slot": slots} if slots else {"slots": []})


def _describe_change(part: Effect | Part, base: Effect | Part, folder: Path) -> dict[str, Any]:
    """What a scene changes of a slot."""
    if not isinstance(part, Blend):
        return _describe_part(part, folder, every=True)
    is_turned = isinstance(base, Blend) and part.aligned_as is base.aligned_as
    made = {} if is_turned else _describe_part(part.aligned_as, folder, every=True)
    return made | _describe_settings({}, part.parameters, every=True)


def _describe_settings(
    settings: Mapping[str, float], parameters: Sequence[Parameter], every: bool = False
) -> dict[str, Any]:
    values = {
        parameter.name: (settings.get(parameter.name, parameter.default), parameter.default) for parameter in parameters
    }
    switches = {parameter.name for parameter in parameters if parameter.taper == "switch"}
    kept = _without_defaults(values, every)
    return {name: bool(value) if name in switches else value for name, value in kept.items()}


def _without_defaults(values: Mapping[str, tuple[Any, Any]], every: bool = False) -> dict[str, Any]:
    """The values that differ from the defaults beside them."""
    return {key: value for key, (value, default) in values.items() if every or value != default}


def _name_preset(preset: Preset, folder: Path) -> str:
    """The name of a shipped preset, or else the path of the file."""
    shipped = {entry.path.resolve(): entry.name for entry in list_presets() if entry.origin == SHIPPED}
    return shipped.get(preset.path.resolve()) or _relative(preset.path, folder)


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return str(path.resolve())
