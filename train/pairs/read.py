"""Read a dry and a wet recording of the same performance, check them, and take out what lies between them.

Audio is float32 `(frames,)`, mono. Both sides of a pair have the same length and rate, and frame n of the wet side is
what the effect made of the dry side up to frame n.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fxhost.arrays import Float32Array
from fxhost.errors import TrainingError
from fxhost.io.channels import name_channel
from train.pairs.align import choose_correction, close_steps, take_out
from train.pairs.check import describe_levels, inspect_pair, note_findings
from train.pairs.delay import Delay, find_delay
from train.pairs.drift import Step
from train.pairs.dropouts import Dropout, describe_dropouts, find_dropouts, remove_stretches
from train.pairs.ends import KEPT_S, check_ends, find_far_delay, find_last_sound
from train.pairs.levels import TENTH_S, SideLevels
from train.pairs.mislabelled import explain_rates
from train.pairs.pair import Pair
from train.pairs.sides import measure_again, measure_source, note_clipping, note_flat_tops, read_sides
from train.pairs.source import Source
from train.pairs.stretch import Stretch
from train.pairs.verify import is_early, verify_delay

SHORTEST_S = 3.0  # less holds too few notes to learn from and to measure on
FEW_STEPS = 3  # so many are mended at any length
SECONDS_PER_STEP = 10.0  # and one more in so much of the recording
NAMED_STEPS = 4
SURELY_EARLY = 5.0  # uncertainties
SHORT_S = 30.0  # less is accepted with a note


def read_pair(
    dry: Path, wet: Path, *, channel: str = "auto", delay_frames: float | None = None, force: bool = False
) -> Pair:
    """Read two recordings, check them, and take the delay of the wet one out.

    Parameters
    ----------
    dry, wet : Path
        wav, flac or aiff; one channel is used, or of one file two; 16, 24 or 32 bit, or float. What lasts longer than
        20 minutes is kept in a temporary file instead of in memory.
    channel : str
        Which one; see `fxhost.io.channels.parse_channels`.
    delay_frames : float, optional
        How many frames late the wet side is, to be taken out whatever is found; negative if it is early.
    force : bool
        Whether two recordings are taken that look swapped.

    Returns
    -------
    Pair

    Raises
    ------
    AudioError
        If one of the files cannot be used.
    TrainingError
        If the two do not belong together.
    """
    x, y = read_sides(dry, wet, channel)
    rate = x.sample_rate
    if rate != y.sample_rate:
        raise explain_rates(x, y)
    frames = min(len(x.audio), len(y.audio))
    if frames < SHORTEST_S * rate:
        raise TrainingError(
            f"{dry} {'is' if dry == wet else f'and {wet} are'} too short: {frames / rate:.2f} s, where at least "
            f"{SHORTEST_S:g} s are needed; record more"
        )
    levels = measure_source(x, any_flat_top=True), measure_source(y, any_flat_top=False)
    notes = list(dict.fromkeys((*x.notes, *y.notes)))  # both may be of one file
    notes += [note for note in (note_flat_tops(x, levels[0]), note_clipping(y, levels[1])) if note]

    delay = find_delay(x.audio, y.audio, rate)
    if delay_frames is None and not delay.is_of_a_pair:
        delay = find_far_delay(x, y, levels, delay)
    correction = _choose_correction(x, y, delay) if delay_frames is None else _check_given(x, y, delay_frames)
    steps = _place_steps(delay, correction)
    aligned = close_steps(*take_out(x.audio, y.audio, correction), steps)
    notes += _note_steps(steps, x, y, frames, force=force)
    if correction and delay_frames is None:
        notes.append(_note_correction(wet.name, correction, rate))
    if correction or steps:
        levels = measure_again(aligned[0], levels[0], rate), measure_again(aligned[1], levels[1], rate)
    notes += check_ends(x, y, levels, round(correction) + sum(round(step.frames) for step in steps))
    aligned, levels, dropouts, cuts = _cut_silences(*aligned, levels, rate)
    gaps = _leave_out(steps, len(aligned[0]))
    dropouts = [
        one
        for one in dropouts
        if not any(gap.start <= one.stretch.end and gap.end >= one.stretch.start for gap in gaps)
    ]
    notes += cuts + describe_dropouts(dropouts, {"dry": dry.name, "wet": wet.name}, rate)
    gaps += tuple(one.stretch for one in dropouts)
    seconds = len(aligned[0]) / rate
    if seconds < SHORT_S:
        notes.append(f"only {seconds:.1f} s of audio: two or three minutes of varied playing make a better preset")
    findings = _describe_sides(x, y, levels) | {
        "delay": _describe_delay(delay),
        "delay_frames": correction,
        "delay_given": delay_frames is not None,
        "polarity": delay.polarity,
        "steps": [{"seconds": step.at / rate, "frames": round(step.frames)} for step in steps],
        "drift_frames": delay.drift_frames,
        "drift_ppm": 1e6 * delay.drift_frames / len(aligned[0]),
        **_inspect(*aligned, levels, rate, [one.stretch for one in dropouts]),
    }
    if findings["swapped_surely"] and not force:
        raise _explain_swap(x, y)
    notes += note_findings(findings)
    return Pair(*aligned, rate, x.sha256, y.sha256, tuple(notes), correction, gaps, findings)


def _inspect(
    dry: Float32Array, wet: Float32Array, levels: tuple[SideLevels, SideLevels], rate: int, silences: Sequence[Stretch]
) -> dict[str, Any]:
    """`inspect_pair` where neither side is silent alone: that would look like an effect of its own."""
    if not silences:
        return inspect_pair(dry, wet, *levels, rate)
    dry, wet = remove_stretches(dry, silences), remove_stretches(wet, silences)
    return inspect_pair(dry, wet, measure_again(dry, levels[0], rate), measure_again(wet, levels[1], rate), rate)


def _cut_silences(
    dry: Float32Array, wet: Float32Array, levels: tuple[SideLevels, SideLevels], rate: int
) -> tuple[tuple[Float32Array, Float32Array], tuple[SideLevels, SideLevels], list[Dropout], list[str]]:
    """Both sides without an end at which one of them is silent, their levels, and where else one falls silent."""
    dropouts = find_dropouts(*levels, rate)
    last = dropouts[-1] if dropouts and dropouts[-1].stretch.end > len(dry) - 2 * TENTH_S * rate else None
    notes = []
    if last is not None and last.stretch.start >= SHORTEST_S * rate:
        end = last.stretch.start
        other = "dry" if last.side == "wet" else "wet"
        notes.append(
            f"the {last.side} side is silent from {end / rate:.1f} s on while the {other} side plays; the end was cut"
        )
        dropouts.pop()
    else:
        end = find_last_sound(dry, wet, rate)
        if end < SHORTEST_S * rate or end >= len(dry):
            return (dry, wet), levels, dropouts, notes
        notes.append(f"both sides are silent from {end / rate - KEPT_S:.1f} s on; all but a second of that was cut")
    dry, wet = dry[:end], wet[:end]
    levels = measure_again(dry, levels[0], rate), measure_again(wet, levels[1], rate)
    return (dry, wet), levels, dropouts, notes


def _explain_swap(dry: Source, wet: Source) -> TrainingError:
    """What to do about sides that are surely swapped."""
    names, turn = [str(side.path) for side in (dry, wet)], "give the other one first"
    if dry.path == wet.path:
        names = [f"the {name_channel(side.channel, side.channels)} of {side.path}" for side in (dry, wet)]
        turn = f"add --channel {wet.channel + 1},{dry.channel + 1}"
    return TrainingError(
        f"the recordings are swapped: the overtones and the noise of an effect are in {names[0]}, not in {names[1]}; "
        f"{turn} (or add --force if this is what you want to learn)"
    )


def _choose_correction(dry: Source, wet: Source, delay: Delay) -> float:
    """How many frames to take out, as far as the evidence bears it."""
    frames = verify_delay(dry.audio, wet.audio, choose_correction(delay))
    if -SURELY_EARLY * delay.uncertainty_frames < frames < 0 and not is_early(dry.audio, wet.audio, -frames):
        return 0.0
    return frames


def _place_steps(delay: Delay, correction: float) -> tuple[Step, ...]:
    """The steps of the delay in frames of the aligned dry side."""
    cut = max(0, -math.floor(correction))
    return tuple(replace(step, at=step.at - cut, first=step.first - cut, last=step.last - cut) for step in delay.steps)


def _leave_out(steps: Sequence[Step], frames: int) -> tuple[Stretch, ...]:
    """The stretches around steps, in which it is not known what belongs together."""
    edges = ((max(0, math.floor(step.first)), min(frames, math.ceil(step.last))) for step in steps)
    return tuple(Stretch(first, last) for first, last in edges if first < last)


def _note_steps(steps: Sequence[Step], dry: Source, wet: Source, frames: int, *, force: bool) -> list[str]:
    """A line on each step of the delay; an error where there are too many to be worth it."""
    rate = dry.sample_rate
    if len(steps) > max(FEW_STEPS, frames / rate / SECONDS_PER_STEP) and not force:
        places = ", ".join(f"{step.at / rate:.2f} s" for step in steps[:NAMED_STEPS])
        raise TrainingError(
            f"{wet.path} or {dry.path} lost or doubled frames in {len(steps)} places ({places}, …); "
            "record again with a larger buffer, or add --force to train on what lies between them"
        )
    notes = []
    for step in steps[:NAMED_STEPS]:
        what = "lacks" if step.frames < 0 else "has doubled"
        other = "has doubled" if step.frames < 0 else "lacks"
        notes.append(
            f"the delay jumps at {step.at / rate:.2f} s: {wet.path.name} {what} {abs(step.frames):.0f} frames there "
            f"(or {dry.path.name} {other} them): a dropout of the recorder, or a joint; both sides of it are aligned "
            f"for themselves, and {(step.last - step.first) / rate:.1f} s around it left out"
        )
    if len(steps) > NAMED_STEPS:
        notes.append(f"and {len(steps) - NAMED_STEPS} more such jumps; record again with a larger buffer")
    return notes


def _check_given(dry: Source, wet: Source, delay_frames: float) -> float:
    """The delay that the user gave, if it leaves enough of the recordings."""
    longest = min(len(dry.audio), len(wet.audio)) - SHORTEST_S * dry.sample_rate
    if not abs(delay_frames) <= longest:
        raise TrainingError(
            f"a delay of {delay_frames:g} frames leaves less than {SHORTEST_S:g} s of {dry.path} and {wet.path}; give "
            f"at most {longest:.0f} frames either way"
        )
    return delay_frames


def _note_correction(name: str, frames: float, rate: int) -> str:
    side = "late" if frames > 0 else "early"
    return f"{name} is {abs(frames):.2f} frames {side} ({1000 * abs(frames) / rate:.2f} ms); that was taken out"


def _describe_sides(dry: Source, wet: Source, levels: tuple[SideLevels, SideLevels]) -> dict[str, Any]:
    return {
        "sample_rate": dry.sample_rate,
        "dry": _describe_source(dry) | describe_levels(levels[0]),
        "wet": _describe_source(wet) | describe_levels(levels[1]),
    }


def _describe_delay(delay: Delay) -> dict[str, Any]:
    return {
        "frames": delay.frames,
        "uncertainty_frames": delay.uncertainty_frames,
        "confidence": delay.confidence,
        "correlation": delay.correlation,
        "peak": delay.peak,
    }


def _describe_source(source: Source) -> dict[str, Any]:
    return {"frames": len(source.audio), "channels": source.channels, "channel": source.channel}
