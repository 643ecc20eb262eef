"""`fxhost rig`: write, check and draw rig files."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fxhost.cli.console import print_error, say
from fxhost.errors import FxhostError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fxhost.rig.effect import Effect
    from fxhost.rig.file_reading import RigFile
    from fxhost.rig.part import Part
    from fxhost.rig.rig import Rig
    from fxhost.rig.scenes import Scene
    from fxhost.stages.parameter import Parameter

DEFAULT_NAME = Path("rig.toml")


def run_rig(options: argparse.Namespace) -> int:
    """`fxhost rig`."""
    if options.file is not None and options.file.name.startswith("-"):  # `rig service -- --midi`
        options.file, options.run_options = None, [str(options.file), *options.run_options]
    if options.action != "init" and options.file is not None and options.file.is_file():
        check_ending(options.file, "give a rig file")
    if options.action == "service":
        from fxhost.cli.service import print_service

        return print_service(options.file or DEFAULT_NAME, options.run_options)
    if options.run_options:
        raise FxhostError(f"{' '.join(options.run_options)}: only rig service takes options of run behind --")
    return {"init": init_rig, "check": check_rig, "show": show_rig}[options.action](options)


def init_rig(options: argparse.Namespace) -> int:
    """Write a commented rig file that plays at once."""
    from fxhost.io.files import write_text
    from fxhost.rig.file_writing import format_example

    path: Path = options.file or DEFAULT_NAME
    path = path if path.suffix else path.with_suffix(".toml")
    check_ending(path)
    write_text(path, format_example(path), overwrite=options.force)
    say(f"wrote {path}; play it: fxhost run {path}")
    return 0


def check_rig(options: argparse.Namespace) -> int:
    """Tell every mistake in a rig file, each with its line."""
    from fxhost.rig.file import check_rig_file, read_rig_file

    path: Path = options.file or DEFAULT_NAME
    read, problems = check_rig_file(path)
    if read is not None:
        from fxhost.control.midi_file import check_bindings

        problems = check_bindings(path, read.rig)[1]
    for problem in problems:
        print_error(f"{path}, line {problem.line}: {problem.text}")
    if read is None or problems:
        return 1
    for rig in read.rigs:
        if read_rig_file(rig).rig is None:
            raise FxhostError(f"{path}: {rig} is a set list, and a set list holds rigs only; name those of {rig.name}")
    say(f"{path}: {describe_rig(read)}")
    return 0


def describe_rig(read: "RigFile") -> str:
    """What a rig file holds, in a line."""
    if read.rig is None:
        return f"a set list of {len(read.rigs)} rigs, without a mistake"
    scenes = [scene.name or f"scene {n}" for n, scene in enumerate(read.rig.scenes, 1)]
    told = f", scenes: {', '.join(scenes)}" if len(scenes) > 1 else ""
    return f"{len(read.ids)} slots{told}, without a mistake"


def show_rig(options: argparse.Namespace) -> int:
    """Draw the path of the signal in every scene."""
    from fxhost.rig.file import read_rig_file

    path: Path = options.file or DEFAULT_NAME
    read = read_rig_file(path)
    if read.rig is None:
        for number, rig in enumerate(read.rigs, 1):
            say(f"{number} {rig}")
        return 0
    say(read.name)
    for number, scene in enumerate(read.rig.scenes, 1):
        say("")
        if len(read.rig.scenes) > 1:
            say(f"{number} {scene.name}".rstrip())
        for line in draw_scene(read.rig, scene, read.ids):
            say(line)
    return 0


def draw_scene(rig: "Rig", scene: "Scene", ids: tuple[str, ...]) -> list[str]:
    """The path of the signal through a scene, a line for each slot; what is off stands in brackets."""
    lines = [f"  input {scene.input_gain_db:+.1f} dB".replace("-", "−")]
    for name, part, is_on in zip(ids, scene.parts, scene.is_on, strict=True):
        line = f"{name:{max(map(len, ids))}}  {describe_part(part)}".rstrip()
        lines += ["    │", f"    ▼ {line}" if is_on else f"    │ ({line})"]
        if is_on:
            lines += [f"    {each}" for each in draw_branches(part)]
    lines += ["    │", f"  output {scene.output_gain_db:+.1f} dB".replace("-", "−")]
    return lines


def describe_part(part: "Effect | Part") -> str:
    """What a slot plays, and what it is set to; of a blend not what belongs to its branches."""
    from fxhost.preset.quality import HIGHEST
    from fxhost.rig.blend import Blend
    from fxhost.rig.effect import Effect

    if isinstance(part, Blend):
        return ", ".join(["blend", *([] if part.mix is None else format_settings(part.parameters[-1:], {}))])
    declared = {} if isinstance(part, Effect) else {each.name: each.default for each in part.PARAMETERS}
    title = part.name if isinstance(part, Effect) or part.name != part.KIND else ""
    settings = format_settings(part.parameters, declared)
    if isinstance(part, Effect) and part.preset.quality not in (None, HIGHEST):
        settings.append(f"quality {part.preset.quality:g}")
    return ", ".join(filter(None, [title, *settings]))


def format_settings(parameters: "Sequence[Parameter]", declared: "Mapping[str, float]") -> list[str]:
    """What parameters are set to, but for those that stand where they are declared to."""
    return [
        f"{each.name} {each.format(each.default)}" for each in parameters if each.default != declared.get(each.name)
    ]


def draw_branches(part: "Effect | Part") -> list[str]:
    """The parallel branches of a blend, one below the other; nothing for other parts."""
    from fxhost.rig.blend import Blend
    from fxhost.stages.parallel.stages import BRANCH

    if not isinstance(part, Blend):
        return []
    lines, declared = [], {each.name: each.default for each in BRANCH}
    for number, branch in enumerate(part.branches, 1):
        own = [replace(each, default=branch.settings[each.name]) for each in BRANCH]
        told = format_settings(own, declared)
        told += [f"polarity {branch.polarity:+d}".replace("-", "−")] if branch.polarity != 1 else []
        told += [f"delay {branch.delay_ms:g} ms"] if branch.delay_ms else []
        lines.append(f"├─┬ {branch.id or number}  {', '.join(told)}".rstrip())
        if not branch.parts:
            lines.append("│ │ the dry signal")
        width = max(map(len, branch.ids), default=0)
        for name, inner in zip(branch.ids, branch.parts, strict=True):
            lines.append(f"│ ▼ {name:{width}}  {describe_part(inner)}".rstrip())
            lines += [f"│ {each}" for each in draw_branches(inner)]
    return [*lines, "├─┘"]


def check_ending(path: Path, mend: str | None = None) -> None:
    """Refuse a name that `fxhost run` would not take for a rig file.

    Raises
    ------
    FxhostError
    """
    if path.suffix != ".toml":
        raise FxhostError(f"{path} does not end in .toml, as rig files do; {mend or f'name it {path.stem}.toml'}")
