"""Reports on one preset, one for each recording that it was tested on, and the page that lists them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from fxhost.io.files import replacing
from fxhost.plain_text import plain_line
from fxhost.preset.archive import read_preset
from train.pairs.folder import SIDE
from train.pairs.stretch import Material
from train.progress import Progress
from train.report.page import Summary, format_esr, load_template
from train.report.report import OURS, PAGE, replacing_folder, write_report


def name_reports(pairs: Sequence[tuple[Path, Path]]) -> list[str]:
    """A name for each pair that a folder can have: that of the dry recording without 'dry', or that of its folder.

    Examples
    --------
    >>> name_reports([(Path(f"amp/{take}dry.wav"), Path(f"amp/{take}wet.wav")) for take in ("clean-", "")])
    ['clean', 'amp']
    """
    names: list[str] = []
    taken = {name.casefold() for name in OURS}
    for dry, _ in pairs:
        side = SIDE.fullmatch(dry.stem)
        wanted = name = (side["take"] if side else dry.stem) or dry.resolve().parent.name or "recording"
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{wanted} {number}"
        names.append(name)
        taken.add(name.casefold())
    return names


def write_reports(
    folder: Path,
    preset_path: Path,
    history: Sequence[Progress],
    parts: Mapping[str, Material],
    sample_rate: int,
    *,
    overwrite: bool = False,
    told: Callable[[str, Summary], None] = lambda name, summary: None,
) -> Path:
    """Write a report for each recording into a folder of its own, and the page that lists them after each of them.

    Parameters
    ----------
    folder : Path
        Of all reports.
    preset_path, history, sample_rate, overwrite
        As of `write_report`.
    parts : mapping of str to Material
        By the names of their folders.
    told : callable
        Is given the name and the summary of each report as it ends.

    Returns
    -------
    Path
        Of the page that lists them.

    Raises
    ------
    FxhostError
        As `write_report`. What was written before stays.
    """
    name = read_preset(preset_path).name
    summaries: dict[str, Summary] = {}
    with replacing_folder(folder, overwrite=overwrite) as partial:  # reports of recordings that are gone go too
        (partial / PAGE).write_text(format_index(name, summaries, len(parts)), encoding="utf-8")
    for part_name, part in parts.items():
        summaries[part_name] = write_report(
            folder / part_name, preset_path, history, part.dry, part.wet, sample_rate, part.stretches
        )
        with replacing(folder / PAGE, overwrite=True) as page:
            page.write_text(format_index(name, summaries, len(parts)), encoding="utf-8")
        told(part_name, summaries[part_name])
    return folder / PAGE


def format_index(name: str, summaries: Mapping[str, Summary], recordings: int) -> str:
    """The page that lists the reports there are so far, sorted by name.

    Parameters
    ----------
    name : str
        Of the preset.
    summaries : mapping of str to Summary
        By the names of their folders.
    recordings : int
        How many reports there will be.
    """
    rows = [
        {
            "name": plain_line(part),
            "address": f"{quote(part)}/{PAGE}",
            "esr": format_esr(summary.esr_test),
            "is_fit": summary.is_fit,
            "verdict": summary.verdict,
        }
        for part, summary in sorted(summaries.items(), key=lambda item: item[0].casefold())
    ]
    return load_template("index.html.j2").render(name=plain_line(name), rows=rows, recordings=recordings)
