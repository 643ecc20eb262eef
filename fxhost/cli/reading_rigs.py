"""From the arguments of `fxhost run` and `fxhost render` to a rig or a set list, and back to a rig file."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fxhost.cli.console import print_notes, say
from fxhost.errors import FxhostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fxhost.cli.midi import MidiRemote
    from fxhost.rig.rig import Rig
    from fxhost.rig.set_list import SetList
    from fxhost.session import Session


def save_rig(session: "Session", path: Path, *, overwrite: bool, midi: "MidiRemote | None" = None) -> None:
    """Write the rig as it stands, and its MIDI bindings."""
    from fxhost.io.files import write_text
    from fxhost.rig.file_writing import format_rig

    gains_db = session.rack.input_gain_db, session.rack.output_gain_db
    is_on = session.playing.sound.is_on
    text = format_rig(session.rig, session.knobs.values, is_on, gains_db, path.parent)
    if midi is not None and midi.control.bindings:
        from fxhost.control.midi_map import format_binding

        text = "\n".join([text.rstrip("\n") + "\n", *map(format_binding, midi.control.bindings)])
    write_text(path, text, overwrite=overwrite)
    say(f"wrote {path}; play it: fxhost run {path}")


def read_set_list(options: argparse.Namespace) -> "tuple[SetList | None, Rig]":
    """What `fxhost run` plays: a rig, or the rigs of a folder of captures and the first of them."""
    names = options.presets
    if names[0].endswith(".toml") and len(names) == 1:
        return read_rigs(options, Path(names[0]))
    folders = [name for name in names if os.path.isdir(name)]  # noqa: PTH112 - it is quiet about a name too long
    if not folders:
        return None, read_rig(options, names)
    if len(names) > 1:
        raise FxhostError(
            f"{folders[0]} is a folder; give it alone to step through its captures, or give one file of it"
        )

    from fxhost.preset.archive import read_preset
    from fxhost.rig.set_list import read_folder

    folder, qualities = Path(folders[0]), set()
    set_list, unreadable = read_folder(
        folder,
        lambda path: read_rig(options, [str(path)], is_in_folder=True),
        lambda path: qualities.add(read_preset(path).quality),
    )
    if options.nam_quality is not None and qualities == {None}:
        raise FxhostError(f"{folder} holds no container of several models to choose from; leave out --nam-quality")
    if unreadable:
        say(f"{len(unreadable)} of {len(set_list) + len(unreadable)} captures cannot be opened:")
        for each in unreadable:
            say(f"  {each.reason}")
    return set_list, set_list.current.make()


def read_rigs(options: argparse.Namespace, path: Path) -> "tuple[SetList | None, Rig]":
    """What a rig file says: a rig, or a set list and the first of its rigs."""
    from fxhost.rig.file import load_rig, read_rig_file
    from fxhost.rig.set_list import Entry, SetList

    read = read_rig_file(path)
    if read.rig is not None:
        return None, read.rig
    set_list = SetList([Entry(each.stem, lambda each=each: load_rig(each), each) for each in read.rigs])  # type: ignore[misc]
    return set_list, set_list.current.make()


def read_rig(options: argparse.Namespace, names: "Sequence[str]", *, is_in_folder: bool = False) -> "Rig":
    """The rig of presets and of the options on the command line, or of a rig file.

    Of a folder, which may hold files of several models and of one, those of one are played at any quality.
    """
    if any(name.endswith(".toml") for name in names):
        if len(names) > 1:
            raise FxhostError("a rig file plays alone; give it without presets, or write them into it")
        from fxhost.rig.file import load_rig

        return load_rig(names[0])

    from fxhost.preset.archive import read_preset
    from fxhost.preset.library import find_preset
    from fxhost.preset.quality import HIGHEST, require_models

    quality = HIGHEST if options.nam_quality is None else options.nam_quality
    presets = [read_preset(find_preset(name), quality) for name in names]
    if options.nam_quality is not None and not is_in_folder:
        require_models(presets)
    for preset in presets:
        print_notes(preset)
    if options.knob:
        from fxhost.engine.knobs import set_knobs

        presets = set_knobs(presets, dict(options.knob), first=1 if options.gate is None else 2)

    from fxhost.rig.part import Part
    from fxhost.rig.parts import Cabinet, Gate, Tone
    from fxhost.rig.rig import Rig

    gates: list[Part] = [] if options.gate is None else [Gate(threshold=options.gate)]
    after: list[Part] = [Cabinet(*options.cab, aligns=True)] if options.cab else []
    after += [Tone(**options.eq)] if options.eq else []
    return Rig(
        [*gates, *presets, *after],
        engine=options.engine,
        input_gain_db=options.input_gain_db,
        output_gain_db=options.output_gain_db,
        level=options.level,
        interface_dbu=options.interface_dbu,
        oversample=options.oversample,
    )
