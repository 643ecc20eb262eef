"""Choose the channel of a recording that is used: the one that is asked for, or the one that carries the signal."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxhost.errors import AudioError
from fxhost.io.recordings import Recording

NAMES = ("left", "right")  # of the channels of a stereo file
AUTO = "auto"
MOST = 256
UNUSED_DB = 40.0  # a channel so far below the loudest carries its noise and its crosstalk
SAME_DB = 40.0  # channels that differ by less than that, at equal levels, carry the same signal
AS_LOUD_DB = 0.1  # of such channels the first is taken
SILENT_DB = -100.0  # of full scale: a channel without sound
BLOCK_FRAMES = 1 << 18
FEW = 16  # samples that have more than half of the power of a block: no sound does that


@dataclass(frozen=True)
class Choice:
    """A channel, from 0, and why that one; `note` is empty where there was no choice."""

    channel: int
    note: str = ""


@dataclass(frozen=True)
class Channels:
    """What the channels of a file carry, without their means.

    Attributes
    ----------
    powers : float64 (channels,)
        Mean squares.
    products : float64 (channels, channels)
        The means of the products of each with each.
    """

    powers: NDArray[np.float64]
    products: NDArray[np.float64]

    @property
    def loudest(self) -> int:
        """The first of those that are as loud as any."""
        return int(np.argmax(self.powers >= self.powers.max() * 10 ** (-AS_LOUD_DB / 10)))

    @property
    def sounding(self) -> list[int]:
        """Those with sound."""
        return [int(n) for n in np.flatnonzero(self.powers > 10 ** (SILENT_DB / 10))]

    def below_db(self, channel: int) -> float:
        """How far a channel lies below the loudest, in dB; infinite if it is silent."""
        power = self.powers[channel]
        return float(10 * np.log10(self.powers[self.loudest] / power)) if power > 10 ** (SILENT_DB / 10) else np.inf

    def are_alike(self, one: int, other: int) -> bool:
        """Whether two channels carry the same signal, at whatever levels and polarities."""
        both = self.powers[one] * self.powers[other]
        return bool(both > 0 and 1 - self.products[one, other] ** 2 / both < 10 ** (-SAME_DB / 10))


def parse_channel(text: str) -> int | None:
    """A channel from 0; None for 'auto'.

    Parameters
    ----------
    text : str
        `left`, `right`, `auto` or a number from 1.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    word = text.strip().casefold()
    if word in NAMES:
        return NAMES.index(word)
    if word == AUTO:
        return None
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:4]) <= MOST and len(word) < 4):
        raise ValueError(f"{text!r} is not a channel; give left, right, auto or a number from 1 to {MOST}")
    return int(word) - 1


def parse_channels(text: str) -> tuple[int | None, int | None]:
    """The channels of the dry and the wet side, from 0; None for the one that carries the signal.

    Parameters
    ----------
    text : str
        `left`, `right`, `auto` or a number from 1; two of them with a comma between for dry and wet.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    words = text.split(",")
    if len(words) > 2:
        raise ValueError(f"{text!r} names {len(words)} channels; give one, or two for dry and wet, such as left,right")
    channels = [parse_channel(word) for word in words]
    return channels[0], channels[-1]


def name_channel(channel: int, channels: int) -> str:
    """What people call a channel of a file that has so many."""
    return f"{NAMES[channel]} channel" if channels == 2 else f"channel {channel + 1}"


def measure_channels(recording: Recording) -> Channels:
    """What each channel carries; reads the file to its end.

    Parameters
    ----------
    recording : Recording
        Of several channels. A few samples that have most of the power are left out: a fault makes no channel loud.
    """
    total = np.zeros(recording.channels)
    products = np.zeros((recording.channels, recording.channels))
    for block in recording.blocks(BLOCK_FRAMES):
        values = block.astype(np.float64)
        _drop_wild_samples(values)
        total += values.sum(axis=0)
        products += values.T @ values
    mean = total / recording.frames
    products = products / recording.frames - np.outer(mean, mean)
    return Channels(np.maximum(np.diag(products), 0.0), products)


def _drop_wild_samples(values: NDArray[np.float64]) -> None:
    """Set to zero the few samples of a channel that have most of its power; (frames, channels), in place."""
    if len(values) <= FEW:
        return
    for column in values.T:
        loud = np.argpartition(np.abs(column), -FEW)[-FEW:]
        if np.sum(column[loud] ** 2) > 0.5 * np.sum(column**2):
            column[loud] = 0


def choose_channels(path: Path, wanted: int | None = None) -> tuple[list[int], str]:
    """The channels of a file that are played, each by itself, and a note where there was a choice.

    Parameters
    ----------
    path : Path
        Any audio file.
    wanted : int, optional
        From 0. Without it: all channels, if two or more carry signals that differ; else the one of `choose_channel`.

    Raises
    ------
    AudioError
        If the file cannot be read, or has no such channel.
    """
    with Recording(path, channel=wanted) as recording:
        count = recording.channels
        if wanted is None and count > 1:
            channels = measure_channels(recording)
            loud = [n for n in channels.sounding if channels.below_db(n) <= UNUSED_DB]
            if any(not channels.are_alike(loud[0], n) for n in loud[1:]):
                each = "both" if count == 2 else f"all {count}"
                return list(range(count)), f"{path.name} has {count} channels: {each} are played, each by itself"
    choice = choose_channel(path, wanted)
    return [choice.channel], choice.note


def choose_channel(path: Path, wanted: int | None = None) -> Choice:
    """The channel of a file to use.

    Parameters
    ----------
    path : Path
        Any audio file.
    wanted : int, optional
        From 0. Without it: the only channel with sound, or the loudest; of channels that are as loud the first.

    Returns
    -------
    Choice

    Raises
    ------
    AudioError
        If the file cannot be read, or has no such channel.
    """
    with Recording(path, channel=wanted) as recording:
        if wanted is not None:
            return Choice(wanted)
        if recording.channels == 1:
            return Choice(0)
        channels = measure_channels(recording)
    if not channels.sounding:
        return Choice(0)
    return Choice(channels.loudest, f"{path.name} {_explain_choice(channels)}")


def _explain_choice(channels: Channels) -> str:
    """Why the loudest channel is used, and what the others are."""
    count, used = len(channels.powers), channels.loudest
    others = [n for n in range(count) if n != used]
    takes = f"--channel {NAMES[others[0]] if count == 2 else 'N'} takes {'that' if count == 2 else 'another'}"
    if count == 2:
        is_stereo, it = f"is stereo: its {NAMES[used]} channel is used, the {NAMES[others[0]]} one", others[0]
        below = channels.below_db(it)
        if below > UNUSED_DB:
            return f"{is_stereo} is {'silent' if np.isinf(below) else f'{below:.0f} dB quieter'}"
        level = f"{below:.1f} dB quieter" if abs(below) > AS_LOUD_DB else ""
        if channels.are_alike(used, it):
            if channels.products[used, it] < 0:
                return f"{is_stereo} is the same inverted{' and ' if level else ''}{level} ({takes})"
            if level:
                return f"{is_stereo} is the same {level}"
            return f"is stereo with the same signal on both channels: the {NAMES[used]} one is used"
        return f"{is_stereo} is another signal, {level or 'as loud'} ({takes})"
    start = f"has {count} channels: {name_channel(used, count)} is used, "
    loud = [n for n in others if channels.below_db(n) <= UNUSED_DB]
    if not loud:
        silent = all(np.isinf(channels.below_db(n)) for n in others)
        return start + ("the others are silent" if silent else f"the others are {UNUSED_DB:.0f} dB quieter or more")
    nearest = min(channels.below_db(n) for n in loud)
    same = " and all others are the same or silent" if all(channels.are_alike(used, n) for n in loud) else ""
    return f"{start}the loudest by {max(0.0, nearest):.1f} dB{same} ({takes})"


def choose_sides(path: Path) -> tuple[Choice, Choice] | None:
    """The channels of a file that holds a dry and a wet side: the first and the second that have sound.

    Returns
    -------
    dry, wet : Choice
        None where the file has one channel, or two with the same signal.

    Raises
    ------
    AudioError
        If it has fewer than two channels with sound, or more.
    """
    with Recording(path) as recording:
        count = recording.channels
        if count == 1:
            return None
        channels = measure_channels(recording)
    if len(channels.sounding) != 2:
        raise AudioError(
            f"{path} is given as both sides, but {len(channels.sounding)} of its {count} channels have sound, not two; "
            "say with --channel DRY,WET which are the sides"
        )
    dry, wet = channels.sounding
    if count == 2 and channels.are_alike(dry, wet) and channels.products[dry, wet] > 0:
        return None
    note = f"{path.name} is taken for both sides: dry is its {name_channel(dry, count)}, wet its "
    other = "right,left" if count == 2 else f"{wet + 1},{dry + 1}"
    note += f"{name_channel(wet, count)} (--channel {other} if it is the other way round)"
    return Choice(dry, note), Choice(wet)
