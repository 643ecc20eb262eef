"""`fxhost import` and `fxhost export`: arguments in, tables out."""

import argparse
from contextlib import nullcontext
from pathlib import Path

from fxhost.cli.console import make_console, make_table, print_error, print_json, print_notes, say
from fxhost.convert import Imported, export_preset, import_capture, import_folder
from fxhost.errors import DiskFullError, FxhostError
from fxhost.io.interruption import Interruption
from fxhost.native.slow_steps import listening_to_slow_steps
from fxhost.plain_text import escape
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.preset.library import find_preset, resolve_output
from fxhost.preset.quality import HIGHEST, require_models


def run_import(options: argparse.Namespace, interruption: Interruption) -> int:
    """`fxhost import`; 1 where a file of a folder failed."""
    if (options.capture is None) == (options.all is None):
        raise FxhostError("give either one FILE or --all FOLDER")
    if options.all is not None:
        return import_all(options, interruption)
    options.output = resolve_output(options.output)
    quality = HIGHEST if options.nam_quality is None else options.nam_quality
    if options.nam_quality is not None:
        require_models([read_preset(options.capture)])
    preset = import_capture(
        options.capture, options.output, sample_rate=options.sample_rate, quality=quality, overwrite=options.force
    )
    print_notes(preset, options.capture)
    if options.json:
        print_json({"capture": str(options.capture), "preset": str(options.output), **preset.metadata})
    else:
        say(f"{options.output}: {preset.name}, {describe(preset)}")
        if not read_preset(options.capture).metadata["sample_rate_known"] and options.sample_rate is None:
            say(f"the file tells no sample rate: {preset.sample_rate} Hz is assumed; --sample-rate sets another")
    return 0


def import_all(options: argparse.Namespace, interruption: Interruption) -> int:
    """A whole folder, with a table of what failed; it ends at Ctrl-C, and where the disk is full."""
    from rich.progress import Progress

    results: list[Imported] = []
    full = ""
    console = make_console(stderr=True)
    with Progress(console=console, transient=True, disable=options.json or not console.is_terminal) as progress:
        task = progress.add_task("importing")

        def report(done: int, count: int) -> None:
            interruption.check()
            progress.update(task, description="importing", completed=done, total=count)

        def wait(doing: str, what: str) -> None:
            progress.update(task, description=f"{doing} {what}")

        try:
            with listening_to_slow_steps(wait) if console.is_terminal else nullcontext():
                quality = HIGHEST if options.nam_quality is None else options.nam_quality
                for result in import_folder(
                    options.all, options.output, quality=quality, overwrite=options.force, report=report
                ):
                    results.append(result)
        except DiskFullError as err:
            full = str(err)
        except BaseException:  # libraries make other errors of an interrupt, above all while they are being loaded
            if not interruption.count:
                raise
    interruption.wait_for_words()
    interrupted = interruption.count > 0
    failed = [result for result in results if result.preset is None and not result.is_kept]
    kept = sum(result.is_kept for result in results)
    made = len(results) - len(failed) - kept
    if options.json:
        print_json(
            {"results": [as_dict(result) for result in results], "interrupted": interrupted, "stopped": full or None}
        )
    else:
        odd = [result for result in results if result.preset is not None and result.preset.notes]
        for title, column, told in (("not imported", "why", failed), ("imported", "left out", odd)):
            if not told:
                continue
            table = make_table(title, column)
            table.columns[0].overflow = "fold"
            for result in told:
                reason = "; ".join(result.preset.notes) if result.preset is not None else result.reason
                reason = reason.removeprefix(escape(str(result.path))).lstrip(": ")
                table.add_row(str(result.path.relative_to(options.all)), reason)
            make_console().print(table)
        there = f", {kept} were there already (--force makes them anew)" if kept else ""
        say(f"{options.output}: {made} presets made{there}, {len(failed)} files failed")
    made_now = [result.preset for result in results if result.preset is not None]
    if options.nam_quality is not None and made_now and not any("quality" in p.metadata["capture"] for p in made_now):
        print_error("note: --nam-quality did nothing, as none of these files is a container of several models")
    if full:
        print_error(f"{full}; what was made is kept, and the same command goes on")
        return 1
    if interrupted:
        print_error("interrupted; what was made is kept, and the same command goes on")
        return 130
    return 1 if failed else 0


def as_dict(result: Imported) -> dict[str, object]:
    """The outcome for one file, for JSON."""
    preset = result.preset
    return {
        "capture": str(result.path),
        "preset": str(result.output),
        "imported": preset is not None,
        "kept": result.is_kept,
        "reason": result.reason,
        "notes": [] if preset is None else list(preset.notes),
        "network": None if preset is None else preset.architecture.label,
    }


def describe(preset: Preset) -> str:
    """A preset's network and rate in words."""
    knobs = f", knobs {', '.join(knob.name for knob in preset.knobs)}" if preset.knobs else ""
    return f"{preset.architecture.label} at {preset.sample_rate} Hz{knobs}"


def run_export(options: argparse.Namespace) -> int:
    """`fxhost export`."""
    preset = read_preset(find_preset(options.preset))
    print_notes(preset)
    if options.knob:
        from fxhost.engine.knobs import set_knobs

        [preset] = set_knobs([preset], dict(options.knob))
    output: Path = options.output
    notes = export_preset(preset, output, file_format=options.format, overwrite=options.force)
    if options.json:
        print_json({"preset": preset.name, "output": str(output), "notes": notes})
    else:
        say(f"{output}: {preset.name}, {describe(preset)}")
        for note in notes:
            say(f"note: {note}")
    return 0
