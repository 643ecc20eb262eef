"""Presets of other programs' files, and other programs' files of presets."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fxhost.arrays import linear
from fxhost.errors import DiskFullError, FileError, FxhostError, PresetError
from fxhost.io.environment import TORCH, require_room
from fxhost.io.files import check_folder, check_output, explain_refusal, identify, refuse_inputs, replacing, write_text
from fxhost.networks.recurrent import play_recurrence
from fxhost.networks.wavenet import WaveNet
from fxhost.preset.archive import read_preset
from fxhost.preset.archive_members import Answers, Description, choose_probe, compose_members
from fxhost.preset.captures import ENDINGS, PACKED_ENDINGS, aidax, coreaudioml, nam
from fxhost.preset.captures.rewriting import unwire_residual
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import compiled_stage
from fxhost.preset.probe import probe_error, probe_tolerance
from fxhost.preset.quality import HIGHEST
from fxhost.preset.torchscript_text import write_archive
from fxhost.riff import synthesise_riff

FORMATS = {"nam": nam, "proteus": coreaudioml, "aidax": aidax}
FORMAT_OF_ENDING = {".nam": "nam", ".json": "proteus", ".aidax": "aidax"}
ENDINGS_OF_FORMAT = {"nam": (".nam",), "proteus": (".json",), "aidax": (".aidax", ".json")}


def import_capture(
    path: Path, output: Path, *, sample_rate: int | None = None, quality: float = HIGHEST, overwrite: bool = False
) -> Preset:
    """Make a preset of another program's file.

    Parameters
    ----------
    path : Path
    output : Path
        The `.pt` file; it appears whole or not at all.
    sample_rate : int, optional
        In Hz, where the file tells none and what its format assumes is wrong.
    quality : float
        Of a container of several models: from 0, the smallest, to 1, the largest.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Preset
        As read back from `output`, with the notes on the file.

    Raises
    ------
    FxhostError
        If the file cannot be read or played, or the preset cannot be written.
    """
    check_output(output, overwrite=overwrite, inputs=[path])
    preset = read_preset(path, quality)
    if preset.file_format == "fxhost":
        raise PresetError(f"{path} is a preset already; there is nothing to import")
    if sample_rate is not None:
        if preset.metadata["sample_rate_known"] and sample_rate != preset.sample_rate:
            raise PresetError(f"{path} says itself that it is for {preset.sample_rate} Hz; leave out --sample-rate")
        preset = replace(preset, sample_rate=sample_rate)

    plain = unwire_residual(preset)
    if plain is not preset:  # and the state that the file stores is one of more units
        capture = {key: value for key, value in preset.metadata["capture"].items() if key != "state"}
        preset = replace(plain, metadata={**preset.metadata, "capture": capture})

    with replacing(output, overwrite=overwrite) as partial:
        write_preset(partial, preset, {**preset.metadata["capture"], "file": path.name})
        made = read_preset(partial)
        error = probe_error(made)
        if not error <= probe_tolerance(made):
            raise PresetError(f"{path}: the compiled engine is {error:.1e} off the network; please report this file")
    return replace(made, path=output, notes=preset.notes)


def write_preset(path: Path, preset: Preset, capture: Mapping[str, Any]) -> None:
    """Write another program's file, as it was read, as a preset; torch is loaded only where its module needs it.

    Parameters
    ----------
    path : Path
        To be written; an existing file is replaced.
    preset : Preset
        At rest on silence.
    capture : mapping
        What the file told about itself.

    Raises
    ------
    FxhostError
        If the preset cannot be written.
    """
    a, weights, levels = preset.architecture, preset.weights, preset.levels
    if not a.is_plain:
        require_room(TORCH, f"a preset of {a.label}")

        from fxhost.reference.preset_writer import save_preset
        from fxhost.reference.torchscript import build_module

        save_preset(
            path,
            build_module(a, weights),
            name=preset.name,
            sample_rate=preset.sample_rate,
            knobs=preset.knobs,
            levels=levels,
            start=None if isinstance(a, WaveNet) else (weights["h0"], weights["c0"]),
            is_settled=preset.is_settled,
            capture=capture,
            overwrite=True,
        )
        return
    probe, error = choose_probe(
        a,
        weights,
        lambda x, h, c: play_recurrence(preset.recurrent, weights, x, h, c, np.float32),
        lambda x, h, c: play_recurrence(preset.recurrent, weights, x, h, c, np.float64),
    )
    riff = (synthesise_riff(preset.sample_rate) * linear(levels.input_gain_db)).astype(np.float32)
    compiled_stage(preset).process(riff)
    answers = Answers(
        probe, error, riff * np.float32(linear(levels.output_gain_db)), preset.silent_output, preset.is_settled
    )
    what = Description(preset.name, preset.sample_rate, preset.knobs, levels, capture=capture)
    path.write_bytes(write_archive(a, weights, compose_members(path, a, weights, answers, what)))


@dataclass(frozen=True)
class Imported:
    """What became of one file of a collection: the preset, or why there is none."""

    path: Path
    output: Path
    preset: Preset | None
    reason: str = ""
    is_kept: bool = False  # there was a preset already


def import_folder(
    folder: Path,
    target: Path,
    *,
    quality: float = HIGHEST,
    overwrite: bool = False,
    report: Callable[[int, int], None] = lambda done, all: None,
) -> Iterator[Imported]:
    """Make presets of all files of a folder and of those below it; go on after failures.

    Parameters
    ----------
    folder : Path
    target : Path
        The folder of the presets, made if it is missing; the folders below are the same.
    quality : float
        Of containers of several models.
    overwrite : bool
        Whether existing presets are made anew. They are kept otherwise.
    report : callable
        Told before each file how many are done, and how many there are.

    Yields
    ------
    Imported

    Raises
    ------
    FileError
        If there is no such folder, no file to import, `target` is named as a file, or nothing can be written into it; a
        DiskFullError as soon as a file says so.
    """
    if target.suffix.lower() == ".pt" and not target.is_dir():
        raise FileError(f"{target} is named as one preset; give a folder, such as {target.stem}")
    paths = find_captures(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise explain_refusal(target, err) from err
    check_folder(target, target)
    inputs = {identify(path) for path in paths}
    taken: set[Path] = set()
    for n, path in enumerate(paths):
        report(n, len(paths))
        output = target / path.relative_to(folder).with_suffix(".pt")
        if output in taken:  # another file of the same name but for its ending
            output = output.with_name(f"{path.name}.pt")
        taken.add(output)
        if output.exists() and not overwrite:
            yield Imported(path, output, None, "exists already", is_kept=True)
            continue
        try:
            if output.exists() and identify(output) in inputs:
                refuse_inputs(output, paths)
            output.parent.mkdir(parents=True, exist_ok=True)
            yield Imported(path, output, import_capture(path, output, quality=quality, overwrite=overwrite))
        except DiskFullError:
            raise
        except FxhostError as err:
            yield Imported(path, output, None, str(err))
        except OSError as err:
            refusal = explain_refusal(output, err)
            if isinstance(refusal, DiskFullError):
                raise refusal from err
            yield Imported(path, output, None, str(refusal))
    report(len(paths), len(paths))


def find_captures(folder: Path) -> list[Path]:
    """The files of a folder and of those below it whose names end as captures' do.

    Raises
    ------
    FileError
        If there is no such folder, or no such file.
    """
    if not folder.is_dir():
        raise FileError(f"{folder} is not a folder; give the folder of a collection")
    found = sorted(
        path for path in folder.rglob("*") if path.name.lower().endswith((*ENDINGS, *PACKED_ENDINGS)) and path.is_file()
    )
    if not found:
        raise FileError(f"{folder} holds no file that ends in {', '.join(ENDINGS)}; give another folder")
    return found


def export_preset(
    preset: Preset, output: Path, *, file_format: str | None = None, overwrite: bool = False
) -> list[str]:
    """Write a preset as another program's file.

    Parameters
    ----------
    preset : Preset
    output : Path
        It appears whole or not at all.
    file_format : {'nam', 'proteus', 'aidax'}, optional
        By default what the ending says; `.json` is that of Proteus and NeuralPi.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    list of str
        What the user should know about the file.

    Raises
    ------
    FxhostError
        If the format cannot hold the preset, or the file cannot be written.
    """
    chosen = file_format or FORMAT_OF_ENDING.get(output.suffix.lower())
    if chosen is None:
        raise FileError(f"{output} ends in none of {', '.join(FORMAT_OF_ENDING)}, which say the format; end it in one")
    if output.suffix.lower() not in (endings := ENDINGS_OF_FORMAT[chosen]):
        named = output.with_suffix(endings[0])
        raise FileError(f"{output} does not end in {' or '.join(endings)}, as {chosen} files do; give {named}")
    module: ModuleType = FORMATS[chosen]
    data, notes = module.write(preset)
    write_text(output, json.dumps(data, allow_nan=False), overwrite=overwrite, inputs=[preset.path])
    return list(notes)
