"""Rig files that are written: a commented one to begin with, and the rig that plays."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from fxhost.preset.effect import Preset
from fxhost.preset.library import SHIPPED, list_presets
from fxhost.rig.effect import Effect
from fxhost.rig.parts import Cabinet, Part
from fxhost.rig.rig import Rig
from fxhost.stages.parameter import Parameter

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
        lines += ["", "[[slot]]", f"id = {json.dumps(name)}", *_format_kind(part)]
        lines += _format_part(part, values[n], folder)
        if not is_on[n]:
            lines.append("on = false")
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
        lines += ["", "[[scene]]", f"name = {json.dumps(scene.name)}"]
        lines += _format_gains(scene.input_gain_db, scene.output_gain_db)
        if off := [name for name, is_on in zip(rig.ids, scene.is_on, strict=True) if not is_on]:
            lines.append(f"off = {json.dumps(off)}")
        for name, part, base in zip(rig.ids, scene.parts, rig.parts, strict=True):
            if part is not base:
                fields = ", ".join(_format_part(part, _defaults(part), folder, every=True))
                lines.append(f"slots.{json.dumps(name)} = {{ {fields} }}")
    return "\n".join(lines) + "\n"


def _format_top(rig: Rig, gains_db: tuple[float, float]) -> list[str]:
    lines = _format_gains(*gains_db)
    if rig.level != "raw":
        lines.append(f"level = {json.dumps(rig.level)}")
    if rig.interface_dbu is not None:
        lines.append(f"interface_dbu = {_number(rig.interface_dbu)}")
    if rig.oversample != 1:
        lines.append(f"oversample = {rig.oversample}")
    return lines


def _format_gains(input_db: float, output_db: float) -> list[str]:
    return [f"input_gain_db = {_number(input_db)}", f"output_gain_db = {_number(output_db)}"]


def _number(value: float) -> str:
    """The shortest text that is read back as the same number."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _parameters(part: Effect | Part) -> tuple[Parameter, ...]:
    return part.preset.parameters if isinstance(part, Effect) else part.parameters


def _defaults(part: Effect | Part) -> list[float]:
    return [parameter.default for parameter in _parameters(part)]


def _format_kind(part: Effect | Part) -> list[str]:
    return [] if isinstance(part, Effect) else [f'type = "{part.KIND}"']


def _format_part(part: Effect | Part, values: Sequence[float], folder: Path, *, every: bool = False) -> list[str]:
    """The keys of a slot but for its id and type, a line each; those at their defaults only on request."""
    stands = {parameter.name: value for parameter, value in zip(_parameters(part), values, strict=True)}
    if isinstance(part, Effect):
        lines = [f"preset = {json.dumps(_name_preset(part.preset, folder))}"]
        if stands:
            pairs = ", ".join(f"{json.dumps(key)} = {_number(value)}" for key, value in stands.items())
            lines.append(f"knobs = {{ {pairs} }}")
        return lines
    declared = {parameter.name: parameter.default for parameter in part.PARAMETERS}
    lines = [f"{key} = {_number(value)}" for key, value in stands.items() if every or value != declared[key]]
    if isinstance(part, Cabinet):
        files = []
        for response in part.responses:
            fields = [f"file = {json.dumps(_relative(Path(response.file), folder))}"]
            for key, default in (("level_db", 0.0), ("pan", 0.0), ("polarity", 1), ("delay_ms", 0.0)):
                if (value := getattr(response, key)) != default:
                    fields.append(f"{key} = {_number(value)}")
            files.append(f"{{ {', '.join(fields)} }}")
        lines.append(f"files = [{', '.join(files)}]")
        flags = {"levels": (part.levels, True), "trims": (part.trims, False), "aligns": (part.aligns, False)}
        lines += [
            f"{key} = {str(value).lower()}" for key, (value, default) in flags.items() if every or value != default
        ]
    return lines


def _name_preset(preset: Preset, folder: Path) -> str:
    """The name of a shipped preset, or else the path of the file."""
    shipped = {entry.path.resolve(): entry.name for entry in list_presets() if entry.origin == SHIPPED}
    return shipped.get(preset.path.resolve()) or _relative(preset.path, folder)


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return str(path.resolve())
