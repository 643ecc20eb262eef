"""`fxhost devices`, `fxhost presets` and `fxhost info`."""

import argparse
import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from fxhost.cli.console import (
    flatten,
    format_esr,
    make_console,
    make_table,
    print_json,
    print_notes,
    say,
    tabulate_plans,
)
from fxhost.errors import DeviceError, FxhostError

LONGEST_NAME = 40  # of a preset, that is kept in one piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from fxhost.engine.rate_plan import Plan
    from fxhost.preset.effect import Preset
    from fxhost.preset.library import Entry


def run_devices(options: argparse.Namespace) -> int:
    """`fxhost devices`."""
    if options.midi:
        from fxhost.cli.midi import list_midi_ports

        return list_midi_ports(as_json=options.json)

    from fxhost.io.devices import choose_device, devices

    found = devices()
    if options.json:
        print_json([asdict(device) for device in found])
        return 0
    if not found:
        say("no sound device on this machine; `fxhost run` plays the virtual device")
        return 0
    chosen: dict[str, int | None] = {}
    for kind in ("input", "output"):
        try:
            chosen[kind] = choose_device(None, kind).index
        except DeviceError:
            chosen[kind] = None
    table = make_table("", "no.", "name", "host API", "in", "out", "rate", "low latency in / out")
    for device in found:
        latencies = " / ".join("unknown" if way is None else f"{1000 * way:.1f} ms" for way in device.latency_s)
        marks = "".join(mark for mark, kind in (("→", "input"), ("←", "output")) if chosen[kind] == device.index)
        channels = str(device.input_channels), str(device.output_channels)
        table.add_row(
            marks, str(device.index), device.name, device.host_api, *channels, f"{device.sample_rate} Hz", latencies
        )
    make_console().print(table)
    say("→ the input and ← the output that `fxhost run` takes; --device with a number or part of a name takes another")
    return 0


def run_presets(options: argparse.Namespace) -> int:
    """`fxhost presets`: list what can be named, or change the list of folders."""
    from fxhost.preset.library import list_presets

    if options.action != "list":
        return change_folders(options)
    if options.folder is not None:
        raise FxhostError(f"what is to be done with {options.folder}? Write add or remove before it")
    described = describe_entries(list_presets(), make_console(stderr=True))
    if options.json:
        rows = [
            {"preset": entry.name, "path": str(entry.path), "origin": entry.origin, **metadata}
            for entry, metadata in described
        ]
        print_json(rows)
        return 0
    table = make_table("preset", "what it is", "network", "rate", "held-out ESR", "from")
    table.columns[0].overflow = "fold"  # it is what one types
    table.columns[0].no_wrap = all(len(entry.name) <= LONGEST_NAME for entry, _ in described)
    for entry, metadata in described:
        training = metadata.get("training") or {}
        rate = f"{metadata['sample_rate']} Hz" if "sample_rate" in metadata else "–"
        name = metadata.get("name") or (
            "cannot be read; see `fxhost info`" if "error" in metadata else f"a capture of {metadata['program']}"
        )
        esr = format_esr(training.get("esr_test"))
        table.add_row(entry.name, name, _name_network(metadata), rate, esr, entry.origin)
    make_console().print(table)
    return 0


def describe_entries(entries: "Sequence[Entry]", console: "Console") -> "list[tuple[Entry, dict[str, Any]]]":
    """What each file is that can be named, but for those that are no presets; with a bar, as thousands take seconds."""
    from rich.progress import MofNCompleteColumn, Progress

    with Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        read = progress.track(entries, description="reading captures")
        return [(entry, told) for entry in read if (told := describe_entry(entry)) is not None]


def describe_entry(entry: "Entry") -> dict[str, Any] | None:
    """What a file that can be named is, without its weights.

    Returns
    -------
    dict or None
        The metadata of a preset; the `program` of a capture; the `error` of a file that cannot be read. None for JSON
        that is no model at all, as many programs keep it.
    """
    from fxhost.preset.archive import read_metadata
    from fxhost.preset.captures import recognise_capture

    try:
        if entry.path.suffix.lower() == ".pt":
            return read_metadata(entry.path)
        program = recognise_capture(entry.path)
    except FxhostError as err:
        return {"error": str(err)}
    if program is None and ".json" in entry.path.name.lower():
        return None
    return {"program": program} if program else {"error": f"{entry.path} is not a model that fxhost knows"}


def _name_network(metadata: dict[str, Any]) -> str:
    """The network of a preset in words, as far as its metadata is in order."""
    sizes = metadata.get("architecture")
    if not isinstance(sizes, dict) or not {"type", "layers", "hidden_size"} <= sizes.keys():
        return "–"
    name = "WaveNet" if sizes["type"] == "wavenet" else str(sizes["type"]).upper()
    return f"{name} {sizes['layers']}×{sizes['hidden_size']}"


def change_folders(options: argparse.Namespace) -> int:
    """Add or remove a folder in which presets are found by name."""
    from fxhost.preset.library import added_folders, keep_folders, list_presets

    if options.folder is None:
        raise FxhostError(f"which folder? fxhost presets {options.action} FOLDER")
    folder, folders = options.folder.expanduser().absolute(), added_folders()
    if options.action == "remove":
        if folder not in folders:
            listed = ", ".join(map(str, folders)) or "none"
            raise FxhostError(f"{folder} was not added before, so that it cannot be removed; these were: {listed}")
        keep_folders([other for other in folders if other != folder])
        say(f"{folder} is no longer searched; its files stay")
        return 0
    if not folder.is_dir():
        raise FxhostError(f"{folder} is not a folder; give one that exists")
    keep_folders([*(other for other in folders if other != folder), folder])
    entries = [entry for entry in list_presets() if entry.origin == str(folder)]
    found = describe_entries(entries, make_console(stderr=True))
    damaged = sum("error" in told for _, told in found)
    count = len(found) - damaged
    odd = f", {damaged} file{'s' * (damaged != 1)} cannot be read" if damaged else ""
    say(f"{folder}: {count} preset{'s' * (count != 1)} can now be named{odd}; see `fxhost presets`")
    return 0


def run_info(options: argparse.Namespace) -> int:
    """`fxhost info`."""
    from fxhost.preset.archive import read_preset
    from fxhost.preset.library import find_preset
    from fxhost.preset.quality import HIGHEST, require_models

    preset = read_preset(find_preset(options.preset), HIGHEST if options.nam_quality is None else options.nam_quality)
    if options.nam_quality is not None:
        require_models([preset])
    print_notes(preset)
    result = dict(preset.metadata)
    if preset.quality is not None:
        from fxhost.cli.info_models import measure_models, tabulate_models

        result["submodels"] = measure_models(preset)
    if options.check:
        result["check"] = check_probe(preset)
    plans: list[Plan] = []
    if options.rates:
        from fxhost.engine.rate_choice import USUAL_RATES, choose_plan

        plans = [choose_plan(preset, rate) for rate in USUAL_RATES]
        result["rates"] = [plan.as_dict() for plan in plans]
    if options.json:
        print_json(result)
    else:
        rows = flatten({key: value for key, value in result.items() if key not in ("rates", "submodels")})
        table = make_table("", "", header=False)
        for key, value in rows if options.all else [*describe_for_players(preset), *_check_rows(result)]:
            table.add_row(key, value)
        make_console().print(table)
        if preset.quality is not None:
            say("models of this container; --nam-quality chooses:")
            make_console().print(tabulate_models(result["submodels"], preset.quality))
        if not options.all:
            say(f"`fxhost info {options.preset} --all` tells all {len(rows)} entries, --rates how it plays at others")
        if plans:
            make_console().print(tabulate_plans(plans))
    if options.check and not result["check"]["passed"]:
        answer = "the output that it carries" if preset.file_format != "fxhost" else "its probe"
        errors = {name: result["check"][name] for name in ("compiled", "torchscript")}
        raise FxhostError(
            f"{preset.path} does not sound as it did when it was made: {answer} is off by {errors}, "
            f"at most {result['check']['tolerance']:.1e} is right; get the file again"
        )
    return 0


def check_probe(preset: "Preset") -> dict[str, Any]:
    """Replay the probe of a preset through both engines: the largest error of each, and whether that is right."""
    if not preset.probe:
        raise FxhostError(f"{preset.path} holds no output to check against; import it, then check the preset")
    from fxhost.preset import probe
    from fxhost.reference import torchscript

    measured = {"compiled": probe.probe_error(preset), "torchscript": torchscript.probe_error(preset)}
    errors = {name: error if math.isfinite(error) else None for name, error in measured.items()}
    if preset.file_format != "fxhost":
        preset = replace(preset, probe_error=torchscript.rounding_error(preset))
    tolerance = probe.probe_tolerance(preset)
    passed = all(error is not None and error <= tolerance for error in errors.values())
    return {**errors, "tolerance": tolerance, "passed": passed}


def _check_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    check = result.get("check")
    if check is None:
        return []
    verdict = "sounds as when it was made" if check["passed"] else "does not sound as when it was made"
    return [("check", f"{verdict}: compiled {check['compiled']:.1e}, TorchScript {check['torchscript']:.1e}")]


def describe_for_players(preset: "Preset") -> list[tuple[str, str]]:
    """What a player wants to know about a preset, as rows of label and text."""
    metadata, levels = preset.metadata, preset.levels
    training = metadata.get("training") or {}
    formats = {
        "fxhost": "fxhost preset",
        "nam": "Neural Amp Modeler",
        "aidax": "AIDA-X",
        "coreaudioml": "Proteus or NeuralPi",
    }
    rows = [("name", preset.name), ("file", f"{preset.path} ({formats.get(preset.file_format, preset.file_format)})")]
    rows.append(("network", preset.architecture.label))
    rows.append(("rate", f"{preset.sample_rate} Hz; it plays at any other rate too"))
    knobs = ", ".join(f"{knob.name} {knob.default:.2f}" for knob in preset.knobs)
    rows.append(("knobs", knobs or "none"))
    esr = training.get("esr_test") if isinstance(training, dict) else None
    rows.append(("likeness", describe_esr(esr)))
    if levels.has_gains:
        rows.append(
            ("gains", f"{levels.input_gain_db:+.1f} dB before, {levels.output_gain_db:+.1f} dB after the network")
        )
    loudness = "unknown" if levels.loudness_db is None else f"{levels.loudness_db:.1f} dB"
    rows.append(("loudness", loudness))
    if levels.input_dbu is not None:
        rows.append(("calibration", f"full scale was {levels.input_dbu:+.1f} dBu at the input; see --interface-dbu"))
    for word, key in (("author", "author"), ("licence", "licence")):
        rows.append((word, str(metadata.get(key) or "not told")))
    return rows


def describe_esr(esr: Any) -> str:
    """What an error-to-signal ratio on recordings that were not trained on means to the ear."""
    if not isinstance(esr, int | float) or not 0 <= esr < math.inf:
        return "not told: the file has no error on recordings that were not trained on"
    meanings = (
        (1e-4, "no difference to be heard"),
        (0.003, "very close"),
        (0.02, "close"),
        (0.1, "recognisably like it"),
    )
    meaning = next((text for limit, text in meanings if esr < limit), "not close")
    error_db = 10 * math.log10(max(esr, 1e-15))
    return f"{meaning}: the error is {error_db:.0f} dB beside the signal (ESR {esr:.2g}) on other recordings"
