"""The report of a training: what a preset does, measured on its file, as an HTML page with figures.

Everything is measured with the compiled engine on the preset as it was written: `train.report.measures` measures,
`train.report.figures` draws, `train.report.page` lays it out. Audio is float32 `(frames,)`.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import FileError, TrainingError
from fxhost.io.files import check_output, explain_refusal
from fxhost.preset.archive import read_preset
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import compiled_stage
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from fxhost.stages.base import Stage
from train.network.losses import check_shapes, esr
from train.pairs.stretch import Stretch
from train.progress import Progress
from train.report import figures as draw
from train.report import measures as measure
from train.report.page import FIGURES, Facts, Summary, format_db, format_esr, format_page
from train.segments import HEARD_WARM_UP_S, play_stretch

SINES_HZ, SINE_LEVELS_DB = (110.0, 220.0, 440.0, 1000.0), (-30.0, -20.0, -10.0, -3.0)
ALIASING_HZ = (1245.0, 4186.0)
EXCERPT_S, EXCERPT_FRAMES = 10.0, 720_000  # the second keeps the page below 8 MB at every sample rate
PAGE = "index.html"
OURS = {PAGE, *(f"{name}.png" for name in FIGURES)}  # the files of a report


def check_report_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a report that could not be written, before the training that it would be about.

    Parameters
    ----------
    folder : Path
        Where the report will be.
    overwrite : bool
        Whether a report that is there already may be replaced. Anything else never is.

    Raises
    ------
    FileError
        If `folder` is a file, holds something, lies where nothing can be written, or if matplotlib is missing.
    """
    place = folder.resolve()
    if not place.is_dir():
        if place.exists():
            raise FileError(f"{folder} is a file, not a folder for the report; choose another name")
        check_output(place, overwrite=False)
    else:
        found = sorted(entry.name for entry in place.iterdir())
        if found and not overwrite:
            raise FileError(
                f"{folder} is not empty, it holds {found[0]!r}; "
                "give the report a new folder, or add --force to replace a report"
            )
        if foreign := [name for name in found if name not in OURS and not _is_report(place / name)]:
            raise FileError(f"{folder} holds more than a report, such as {foreign[0]!r}; choose another folder")
        check_output(_beside(place, "probe"), overwrite=True)
    draw.check_matplotlib()


def _is_report(place: Path) -> bool:
    """Whether a folder is one of several reports, and nothing else."""
    if place.is_symlink() or not place.is_dir():
        return False
    found = {entry.name for entry in place.iterdir()}
    return PAGE in found and found <= OURS


def write_report(
    folder: Path,
    preset_path: Path,
    history: Sequence[Progress],
    dry: Float32Array,
    wet: Float32Array,
    sample_rate: int,
    stretches: Sequence[Stretch],
    *,
    overwrite: bool = False,
) -> Summary:
    """Measure a preset and write the report on it, whose page is `index.html` in its folder.

    Parameters
    ----------
    folder : Path
        Appears whole or not at all: the page, which needs nothing else, and the figures as PNG beside it.
    preset_path : Path
        The preset; it is read from this file.
    history : sequence of Progress
        Of its training; may be empty.
    dry, wet : float32 (frames,)
        The recording to test on.
    sample_rate : int
        Of the recording, in Hz.
    stretches : sequence of Stretch
        What of the recording is the test.
    overwrite : bool
        Whether a report that is already in `folder` may be replaced.

    Returns
    -------
    Summary

    Raises
    ------
    FileError
        As `check_report_folder`, or if the preset cannot be read or the disk refuses the report.
    TrainingError
        If the recordings do not fit each other, the preset or the stretches, or are silent.
    """
    check_report_folder(folder, overwrite=overwrite)
    preset = read_preset(preset_path)
    _check_test(preset, dry, wet, sample_rate, stretches)
    stage = compiled_stage(preset)

    def play(audio: Float32Array) -> Float32Array:
        played = np.array(audio, np.float32)
        stage.reset()
        stage.process(played)
        return played

    model = _play_test(preset, dry, stretches)
    dry, target = (np.concatenate([side[s.start : s.end] for s in stretches]) for side in (dry, wet))
    signals = {"dry": dry, "target": target, "model": model, "difference": model - target}
    esr_test = esr(target, model)
    figures = {"learning-curve": draw.draw_learning_curve(history)} if history else {}
    facts: dict[str, Facts] = {}
    _compare(signals, stretches, sample_rate, figures, facts)
    _probe(play, dry, sample_rate, figures, facts)
    _time(stage, dry, sample_rate, facts)

    first = measure.find_loudest(target, frames := min(round(EXCERPT_S * sample_rate), EXCERPT_FRAMES))
    excerpts = {name: signals[name][first : first + frames] for name in ("dry", "target", "model", "difference")}
    best = min((progress.esr_best for progress in history), default=None)
    summary = Summary(preset, esr_test, best, len(target) / sample_rate)
    page = format_page(summary, figures, facts, excerpts)
    with replacing_folder(folder, overwrite=overwrite) as partial:
        for name, png in figures.items():
            (partial / f"{name}.png").write_bytes(png)
        (partial / PAGE).write_text(page, encoding="utf-8")
    return summary


def _check_test(
    preset: Preset, dry: Float32Array, wet: Float32Array, sample_rate: int, stretches: Sequence[Stretch]
) -> None:
    check_shapes(wet, dry)
    if sample_rate != preset.sample_rate:
        raise TrainingError(
            f"the sample rates differ: the recording has {sample_rate} Hz, "
            f"{preset.path} {preset.sample_rate} Hz; test with a recording at that rate"
        )
    for s in stretches or [Stretch(0, 0)]:
        if not 0 <= s.start < s.end <= len(dry):
            raise TrainingError(
                f"a test stretch of frames {s.start} to {s.end} cannot be measured: it needs one frame or more within "
                f"0 to {len(dry)}; cut it to the recording"
            )


def _play_test(preset: Preset, dry: Float32Array, stretches: Sequence[Stretch]) -> Float32Array:
    """What the host makes of the stretches, each played after the audio before it, as the trainer measures it."""
    warm_up, chain = int(HEARD_WARM_UP_S * preset.sample_rate), build_chain(slots_at_own_rate([preset]))
    return np.concatenate([block for s in stretches for block in play_stretch(chain, dry, s, warm_up)])


def _compare(
    signals: dict[str, Float32Array],
    stretches: Sequence[Stretch],
    sample_rate: int,
    figures: dict[str, bytes],
    facts: dict[str, Facts],
) -> None:
    """Add what there is to say on target and model."""
    target, model = signals["target"], signals["model"]
    windows = measure.cut_windows(target, model, stretches, sample_rate)
    for name, place in zip(("worst-place", "median-place"), measure.find_places(windows), strict=True):
        start = windows.starts[place]
        part = slice(start, start + round(measure.WINDOW_S * sample_rate))
        figures[name] = draw.draw_place(target[part], model[part], sample_rate)
        ratio = float(windows.error[place] / windows.signal[place])
        facts[name] = [("ESR here", format_esr(ratio)), ("in the recording at", f"{windows.seconds[place]:.2f} s")]
    figures["spectra"] = draw.draw_spectra(signals, sample_rate)
    bands = measure.measure_bands(windows)
    figures["level-bands"] = draw.draw_bands(*zip(*((b.name, b.esr, b.share) for b in bands), strict=True))
    facts["level-bands"] = [(f"{b.name} dB", f"{format_esr(b.esr)}, {100 * b.share:.1f} %") for b in bands]
    figures["time"] = draw.draw_time(*measure.follow_time(windows, sample_rate))


def _probe(
    play: measure.Play, dry: Float32Array, sample_rate: int, figures: dict[str, bytes], facts: dict[str, Facts]
) -> None:
    """Add what the preset makes of signals that tell something about it."""
    figures["harmonics"] = draw.draw_harmonics(
        {
            hz: {level: measure.measure_harmonics(play, hz, level, sample_rate) for level in SINE_LEVELS_DB}
            for hz in SINES_HZ
        }
    )
    sweep, sweep_hz = measure.make_sweep(sample_rate)
    figures["sweep"] = draw.draw_sweep(play(sweep), sweep_hz, sample_rate)
    facts["sweep"] = []
    for hz in (hz for hz in ALIASING_HZ if hz < sample_rate / 2):
        level_db, where_hz = measure.measure_aliasing(play, hz, sample_rate)
        facts["sweep"].append((f"{hz:.0f} Hz at full scale", f"{format_db(level_db)}, at {where_hz:.0f} Hz"))
    start = measure.find_loudest(dry, sample_rate)
    loud = dry[start : start + sample_rate]
    silence = measure.measure_silence(play, loud / max(float(np.abs(loud).max()), 1e-6), sample_rate)
    figures["tail"] = draw.draw_tail(silence.tail_seconds, silence.tail_db)
    quiet = f"not within {measure.TAIL_S:g} s" if silence.quiet_s is None else f"after {1000 * silence.quiet_s:.0f} ms"
    facts["tail"] = [
        ("noise on silence", format_db(silence.noise_db)),
        ("DC on silence", f"{silence.dc:+.1e}"),
        (f"stays below {format_db(measure.QUIET_DB)}", quiet),
    ]


def _time(stage: Stage, dry: Float32Array, sample_rate: int, facts: dict[str, Facts]) -> None:
    """Add how long the preset takes on this machine."""
    block_us = 1e6 * measure.LOAD_FRAMES / sample_rate
    facts["load"] = [
        (name, f"{us:.1f} µs a block, load {100 * us / block_us:.1f} %")
        for name, us in measure.measure_load(stage, dry).items()
    ]
    facts["load"] += [
        ("block", f"{measure.LOAD_FRAMES} frames at {sample_rate} Hz, which last {block_us:.0f} µs"),
        ("blocks measured", str(measure.LOAD_BLOCKS)),
        ("processor", measure.name_processor()),
    ]


def _beside(folder: Path, purpose: str) -> Path:
    return folder.with_name(f".{folder.name}.{os.getpid()}.{purpose}")


@contextmanager
def replacing_folder(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a new folder beside `folder` that takes its place when the block ends without an error."""
    place = folder.resolve()  # a link goes on leading to the report
    partial, old = _beside(place, "partial"), _beside(place, "old")
    try:
        partial.mkdir()
        yield partial
        check_report_folder(folder, overwrite=overwrite)  # again: the figures took their time
        if place.exists():
            place.rename(old)
        try:
            partial.rename(place)
        except BaseException:
            if old.exists():
                old.rename(place)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as err:
        raise explain_refusal(folder, err) from err
    finally:
        shutil.rmtree(partial, ignore_errors=True)
