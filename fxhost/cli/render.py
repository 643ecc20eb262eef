"""`fxhost render`."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxhost.cli.console import end_like_ctrl_c, make_console, print_error, print_json, print_plans, say
from fxhost.cli.reading_rigs import read_rig
from fxhost.errors import FxhostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress

    from fxhost.engine.rack import Rack
    from fxhost.engine.rate_plan import Plan
    from fxhost.engine.statistics import Statistics
    from fxhost.rig.rig import Rig
    from fxhost.rig.slot import Slot

PRESET_ENDINGS = {"", ".pt", ".nam", ".json", ".aidax", ".toml"}


@dataclass(frozen=True)
class Rendered:
    """One recording that was rendered."""

    source: Path
    output: Path
    sample_rate: int
    plans: "list[Plan]"
    notes: list[str]
    channels: int
    statistics: "list[Statistics]"  # of each rack
    seconds: float

    @property
    def audio_s(self) -> float:
        """The length of the output."""
        return self.statistics[0].frames / self.sample_rate

    def as_dict(self, rig: "Rig") -> dict[str, Any]:
        """For JSON."""
        statistics = self.statistics
        return {
            "presets": [preset.name for preset in rig.presets],
            "engine": rig.engine,
            "input": str(self.source),
            "output": str(self.output),
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "rates": [plan.as_dict() for plan in self.plans],
            "frames": statistics[0].frames,
            "seconds": self.seconds,
            "load": self.seconds / self.audio_s,
            "input_peak_db": max(each.input_peak_db for each in statistics),
            "output_peak_db": max(each.output_peak_db for each in statistics),
            "bad_samples": sum(each.bad_samples for each in statistics),
            "limited_samples": sum(each.limited_samples for each in statistics),
        }


def run_render(options: argparse.Namespace) -> int:
    """`fxhost render`."""
    if len(options.words) == 2 and options.words[0].endswith(".take"):
        from fxhost.cli.takes import render_take

        return render_take(options, *map(Path, options.words))
    options.presets, jobs = split_words(options)
    rig = choose_scene(read_rig(options, options.presets), options.scene)
    check_jobs(options, rig, jobs)

    from rich.progress import Progress

    for note in rig.notes:
        print_error(note)
    end_like_ctrl_c()
    if options.output_folder is not None:
        options.output_folder.mkdir(parents=True, exist_ok=True)
    console = make_console(stderr=True)
    done: list[Rendered] = []
    with Progress(console=console, transient=True, disable=options.json or not console.is_terminal) as progress:
        for source, output in jobs:
            done.append(render_one(options, rig, source, output, progress))
    results = [each.as_dict(rig) for each in done]
    if options.json:
        print_json(results[0] if options.output_folder is None else results)
        return 0
    for each, result in zip(done, results, strict=True):
        if each is done[0] or each.sample_rate != done[0].sample_rate:
            print_plans(each.plans)
            for note in each.notes:
                say(note)
        what = f"{each.audio_s:.1f} s at {each.sample_rate} Hz in {each.seconds:.1f} s, load {result['load']:.1%}"
        channels = f", {result['channels']} channels" if result["channels"] > 1 else ""
        say(f"{each.output}: {what}{channels}")
        if result["limited_samples"]:
            say(f"{result['limited_samples']} samples were limited to full scale; lower --output-gain-db")
        if result["bad_samples"]:
            print_error(f"{result['bad_samples']} samples were no numbers and were silenced: is the preset damaged?")
    return 0


def choose_scene(rig: "Rig", wanted: str | None) -> "Rig":
    """A rig that plays one scene from its start, by name or number; by default the first.

    Raises
    ------
    FxhostError
        If there is no such scene.
    """
    names = [scene.name for scene in rig.scenes]
    if wanted is None:
        return rig.in_scene(rig.scenes[0])
    for number, scene in enumerate(rig.scenes, 1):
        if wanted.casefold() in (scene.name.casefold(), str(number)):
            return rig.in_scene(scene)
    listed = ", ".join(f"{number} {name}".rstrip() for number, name in enumerate(names, 1))
    raise FxhostError(f"no scene {wanted!r}; there is {listed}")


def split_words(options: argparse.Namespace) -> tuple[list[str], list[tuple[Path, Path]]]:
    """The presets, and each recording with the file that it becomes.

    Raises
    ------
    FxhostError
        If one of them is missing.
    """
    words: list[str] = options.words
    if options.output_folder is None:
        return words[:-2], [(Path(words[-2]), Path(words[-1]))]
    count = next((n for n, word in enumerate(words) if is_recording(word)), len(words))
    if not 0 < count < len(words):
        missing = "recording to render" if count else "preset before the recordings"
        raise FxhostError(f"there is no {missing}, only {' '.join(words)}; give PRESET… -o FOLDER IN.wav…")
    ending = options.format and f".{options.format.lstrip('.')}"
    sources = [Path(word) for word in words[count:]]
    return words[:count], [(s, options.output_folder / (f"{s.stem}{ending}" if ending else s.name)) for s in sources]


def is_recording(word: str) -> bool:
    """Whether a word names a recording and no preset."""
    from fxhost.io.sound_writing import SUBTYPES

    ending = Path(word).suffix.lower()
    return ending in SUBTYPES or (ending not in PRESET_ENDINGS and Path(word).is_file())


def check_jobs(options: argparse.Namespace, rig: "Rig", jobs: list[tuple[Path, Path]]) -> None:
    """Refuse what could not be written before anything is rendered."""
    from fxhost.io.files import check_output
    from fxhost.io.sound_writing import check_encoding, check_format

    outputs = [output for _, output in jobs]
    if twice := [output for output in outputs if outputs.count(output) > 1]:
        raise FxhostError(f"two recordings would become {twice[0]}; render each into a folder of its own")
    inputs = [*(source for source, _ in jobs), *rig.files]
    for output in outputs:
        check_format(output)
        check_encoding(output, options.bits, options.quality)
        if output.parent.exists() or options.output_folder is None:
            check_output(output, overwrite=options.force, inputs=inputs)


def render_one(options: argparse.Namespace, rig: "Rig", source: Path, output: Path, progress: "Progress") -> Rendered:
    """Render one recording, each of its channels through a rack of its own."""
    from fxhost.io.channels import choose_channels
    from fxhost.io.recordings import Recording
    from fxhost.render import Encoding, render
    from fxhost.rig.slot import list_effects

    channels, note = choose_channels(source, options.channel)
    with Recording(source, channel=channels[0] if len(channels) == 1 else None) as recording:
        for line in filter(None, (recording.note, note)):
            print_error(f"note: {line}")
        rate = options.sample_rate or recording.sample_rate
        slots = rig.slots_at(rate)
        racks = make_racks(rig, slots, len(channels), source)
        started = time.perf_counter()
        total = -(-recording.frames * rate // recording.sample_rate)
        task = progress.add_task(f"rendering {source.name}", total=total)
        statistics = render(
            racks,
            recording,
            output,
            overwrite=options.force,
            encoding=Encoding(options.bits, options.quality),
            report=lambda frames: progress.update(task, completed=frames),
        )
    plans, notes = [effect.plan for effect in list_effects(slots)], [note for slot in slots for note in slot.notes]
    written = max(len(racks), racks[0].channels)
    return Rendered(source, output, rate, plans, notes, written, statistics, time.perf_counter() - started)


def make_racks(rig: "Rig", slots: "Sequence[Slot]", channels: int, source: Path) -> "list[Rack]":
    """A rack for each channel of a recording, or one for all where the rig is stereo.

    Raises
    ------
    FxhostError
        If the rig is stereo and the recording has more than two channels.
    """
    rack, _ = rig.rack_of(slots)
    if rack.channels == 1:
        return [rack, *(rig.rack_of(slots)[0] for _ in range(channels - 1))]
    if channels > 2:
        raise FxhostError(
            f"{source} has {channels} channels, but a stereo rig plays one or two; choose one by --channel"
        )
    return [rack] if channels == 1 else [rig.rack_of(slots, channels)[0]]
