"""What one side of a pair has before or after the other: silence, hiss or a tail may be cut off, playing may not."""

from dataclasses import replace

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import TrainingError
from train.pairs.delay import LOWEST_PEAK, SEARCH_S, Delay, find_delay
from train.pairs.levels import TENTH_S, SideLevels, measure_levels
from train.pairs.mislabelled import refuse_mislabelled
from train.pairs.sides import SILENCE
from train.pairs.source import BLOCK_FRAMES, Source, release_pages

LENGTH_SLACK_S = 1.0  # by how much the two files may differ, whatever is played there
FAR_S = 30.0  # how far a delay is looked for where there is none nearby
BEGIN_DB = -30.0  # of the RMS of the whole: what is quieter is before the beginning
LOUD_DB = -6.0  # of the RMS of the whole: a tenth of a second as loud is playing
HEARD_DB = -20.0  # one as loud is playing if it rose
RISE_DB = 6.0  # over the quietest before it
KEPT_S = 1.0  # of silence that both sides end with


def find_far_delay(dry: Source, wet: Source, levels: tuple[SideLevels, SideLevels], near: Delay) -> Delay:
    """The delay of two recordings that do not correlate nearby, where one of them only begins later.

    Raises
    ------
    TrainingError
        If they correlate nowhere, or only at another speed, or something is played before the other begins.
    """
    rate = dry.sample_rate
    begins = [_find_begin(side, level) for side, level in zip((dry, wet), levels, strict=True)]
    far = find_delay(dry.audio[begins[0] :], wet.audio[begins[1] :], rate)
    steps = (
        replace(step, at=step.at + begins[0], first=step.first + begins[0], last=step.last + begins[0])
        for step in far.steps
    )
    far = replace(far, frames=far.frames + begins[1] - begins[0], steps=tuple(steps))
    if not far.is_of_a_pair:  # something may be played before the one begins
        lengths = len(dry.audio), len(wet.audio)
        search_s = max(min(lengths) / 2, abs(lengths[0] - lengths[1]) + rate) / rate
        far = find_delay(dry.audio, wet.audio, rate, min(FAR_S, search_s))
    if not far.is_of_a_pair:
        refuse_mislabelled(dry, wet)
        raise TrainingError(
            f"{dry.path} and {wet.path} are not a pair: nothing in one is found again in the other within "
            f"±{SEARCH_S:g} s (correlation {near.correlation:.3f}, {near.peak:.1f} times chance, {LOWEST_PEAK:g} times "
            "is needed); give the dry and the wet side of one performance"
        )
    seconds = far.frames / rate
    late, side, level = ("late", wet, levels[1]) if seconds > 0 else ("early", dry, levels[0])
    playing = find_playing(side.audio[: abs(round(far.frames))], rate, level.rms)
    if playing is not None:
        raise TrainingError(
            f"{wet.path} is {abs(seconds):.2f} s {late}, and at most {SEARCH_S:g} s are made up for; cut that off the "
            f"beginning of {side.path.name}, in which something is played at {playing:.1f} s"
        )
    return far


def _find_begin(side: Source, levels: SideLevels) -> int:
    """The frame a second before the first tenth of a second that is not far below the whole."""
    tenth = int(TENTH_S * side.sample_rate)
    heard = int(np.argmax(levels.tenths > levels.rms**2 * 10 ** (BEGIN_DB / 10)))
    return max(0, heard * tenth - side.sample_rate)


def check_ends(dry: Source, wet: Source, levels: tuple[SideLevels, SideLevels], late: int) -> list[str]:
    """What is said of the end that one side has more than the other once it is no more late by so many frames.

    Raises
    ------
    TrainingError
        If something is played in it.
    """
    rate, difference = dry.sample_rate, len(dry.audio) - len(wet.audio)
    over = difference + late
    if not difference or not over:
        return []
    side, level = (dry, levels[0]) if over > 0 else (wet, levels[1])
    slack = int(LENGTH_SLACK_S * rate)
    playing = find_playing(side.audio[len(side.audio) - abs(over) :][slack:], rate, level.rms)
    if playing is not None:
        raise TrainingError(
            f"the lengths differ: {dry.path} has {len(dry.audio)} frames, {wet.path} has {len(wet.audio)}, and in "
            f"{side.path.name} something is still played {LENGTH_SLACK_S + playing:.1f} s after the other has ended "
            f"(up to {LENGTH_SLACK_S:g} s would be cut off); cut both to the same performance"
        )
    return [f"{side.path.name} is {abs(over)} frames longer than the other; its end was cut"]


def find_playing(audio: Float32Array, sample_rate: int, rms: float) -> float | None:
    """Where something is played in what would be cut off, in seconds; None if nothing is.

    Parameters
    ----------
    audio : float32 (frames,)
        What would be cut off.
    sample_rate : int
        In Hz.
    rms : float
        Of the whole recording.

    Returns
    -------
    float or None
        A reverb or a note that dies away, hum and hiss are no playing: they do not rise.
    """
    if len(audio) < int(TENTH_S * sample_rate):
        return None
    tenths = measure_levels(audio, sample_rate).tenths
    levels = 10 * np.log10(np.maximum(tenths / rms**2, 1e-12))
    rises = levels > np.maximum(HEARD_DB, np.minimum.accumulate(levels) + RISE_DB)
    playing = np.flatnonzero(rises | (levels > LOUD_DB))
    return float(playing[0] * TENTH_S) if len(playing) else None


def find_last_sound(dry: Float32Array, wet: Float32Array, sample_rate: int) -> int:
    """Where two sides that are aligned may end: at most a second after the last sound of either.

    Parameters
    ----------
    dry, wet : float32 (frames,)
    sample_rate : int
        In Hz.

    Returns
    -------
    int
        In frames.
    """
    last = max(_find_last_sound(side) for side in (dry, wet))
    return min(len(dry), last + int(KEPT_S * sample_rate))


def _find_last_sound(audio: Float32Array) -> int:
    """The end of what is heard; 0 if nothing is. Read from the end."""
    for end in range(len(audio), 0, -BLOCK_FRAMES):
        start = max(0, end - BLOCK_FRAMES)
        heard = np.flatnonzero(np.abs(audio[start:end]) > SILENCE)
        if len(heard):
            return start + int(heard[-1]) + 1
        release_pages(audio)
    return 0
