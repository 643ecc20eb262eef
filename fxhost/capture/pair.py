"""From what was recorded to a pair: the delay is taken out, the repetition is compared, and three files are written."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array, to_db
from fxhost.capture.levels import Levels, measure_levels
from fxhost.capture.score import LONGEST_TRIP_S
from fxhost.capture.session import CaptureSession, Take
from fxhost.errors import DeviceError, FileError
from fxhost.io.files import check_folder, check_output, explain_refusal, replacing
from fxhost.io.sound_writing import writing
from fxhost.plain_text import json_ready
from fxhost.version import __version__

DRY, WET, DESCRIPTION = "dry.wav", "wet.wav", "capture.json"
MARGIN_S = 0.002  # by which the wet side is left late, for the search that follows; a low-pass bends a burst by less
CONSTANT, NOISY, UNSTEADY = 1e-5, 1e-3, 1e-2  # self-ESR up to which a device repeats itself so


@dataclass(frozen=True)
class Lag:
    """How late a wet recording is, as whoever looked at a whole pair says.

    Attributes
    ----------
    frames : float
        What may be taken out.
    is_sure : bool
        Whether the two sides have to do with each other at all.
    losses_s : tuple of float
        Where frames are missing or doubled, in seconds.
    """

    frames: float
    is_sure: bool
    losses_s: tuple[float, ...] = ()


FindLag = Callable[[Float32Array, Float32Array, int], Lag]


@dataclass(frozen=True)
class CapturedPair:
    """A pair of recordings, and what is known of it.

    Attributes
    ----------
    dry, wet : float32 (frames,)
        As it was played, and its return without the delay.
    sample_rate : int
        In Hz.
    device, host_api : str
    block_frames : int
    delay_frames : int
        What was taken out: the round trip of the interface, and what the device adds to it.
    interface_frames : int or None
        The round trip of the interface alone, where `fxhost bench --loopback` has measured it.
    levels : Levels
        Of the return.
    self_esr : float or None
        The error-to-signal ratio of a stretch that was played twice, one time to the other; None where dropouts
        spoiled it.
    stretch_s : float
        How long that stretch is.
    dropouts_s : tuple of float
        Where frames may be missing, in seconds of the pair.
    slipped_frames : int
        How much later the end came back than the beginning.
    has_one_clock : bool
        Whether the input and the output are one device.
    attempt : int
        How often it was recorded, for dropouts.
    """

    dry: Float32Array
    wet: Float32Array
    sample_rate: int
    device: str
    host_api: str
    block_frames: int
    delay_frames: int
    interface_frames: int | None
    levels: Levels
    self_esr: float | None
    stretch_s: float
    dropouts_s: tuple[float, ...]
    slipped_frames: int
    has_one_clock: bool
    attempt: int

    @property
    def esr_floor(self) -> float | None:
        """What no learned effect can get below: half the self-ESR, since both times have a noise of their own."""
        return None if self.self_esr is None else self.self_esr / 2

    def as_dict(self) -> dict[str, Any]:
        """Everything but the samples, for JSON."""
        left_out = {"dry", "wet", "levels"}
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in left_out}
        return {
            "version": 1,
            "fxhost": __version__,
            "captured": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": len(self.dry) / self.sample_rate,
            "dry_peak_db": to_db(float(np.abs(self.dry).max())),
            **own,
            "delay_ms": 1000 * self.delay_frames / self.sample_rate,
            "esr_floor": self.esr_floor,
            **asdict(self.levels),
        }

    def describe_repetition(self) -> str:
        """How well the device repeats itself, for people."""
        if self.self_esr is None:
            return "repetition: not measured, there was a dropout"
        if self.self_esr == 0.0:
            return f"repetition: played twice, {self.stretch_s:.1f} s came back equal to the bit"
        told = f"repetition: played twice, {self.stretch_s:.1f} s differ by an ESR of {self.self_esr:.1e}"
        floor = f"no preset can get below {self.esr_floor:.1e}"
        if self.self_esr <= CONSTANT:
            return f"{told}: the device repeats itself; noise will not limit the training"
        if self.self_esr <= NOISY:
            return f"{told}: a little noise; {floor}"
        if self.self_esr <= UNSTEADY:
            return f"{told}: noise limits the training, {floor}; look for hum, and lower the gain or play louder"
        return (
            f"{told}: the device does not repeat itself, {floor}; much noise, or something that moves by itself "
            "(tremolo, chorus, echo, reverb), which this kind of network cannot learn: switch it off"
        )


def make_pair(take: Take, session: CaptureSession, find_lag: FindLag) -> CapturedPair:
    """Lay what came back over what was played.

    Parameters
    ----------
    take : Take
    session : CaptureSession
        That has made it.
    find_lag : callable
        Looks at the two sides, float32 (frames,), and the sample rate in Hz.

    Raises
    ------
    DeviceError
        If what came back has nothing to do with what was played.

    Notes
    -----
    The burst before the signal tells the delay to some frames, because the device bends it. How late the wet side is
    after that, the whole signal tells; the burst counts where that cannot be told. Only whole frames are taken out, so
    that the samples stay what was recorded.
    """
    score, rate, stream = take.score, take.score.sample_rate, session.stream
    interface = round((stream.latency.seconds or 0.0) * rate) if stream.latency.source == "measured" else None
    burst = next(iter(take.sure_delays), interface)
    coarse = max(0, (burst or 0) - round(MARGIN_S * rate))
    dry = score.played[score.signal]
    lag = find_lag(dry, take.recorded[_later(score.signal, coarse)].copy(), rate)
    if lag.is_sure:
        delay = max(0, coarse + int(np.floor(lag.frames)))
    elif burst is not None:
        delay = burst
    else:
        raise DeviceError(
            f"what comes back on '{stream.name}' has nothing to do with what is played, at a peak of "
            f"{np.abs(take.recorded).max():.3f}; choose the input of the device with --input-channel, or capture again"
        )
    self_esr, stretch_s = _compare_times(take, delay)
    return CapturedPair(
        dry=dry,
        wet=take.recorded[_later(score.signal, delay)],
        sample_rate=rate,
        device=stream.name,
        host_api=stream.host_api,
        block_frames=session.rack.block_frames,
        delay_frames=delay,
        interface_frames=interface,
        levels=measure_levels(score, take.recorded),
        self_esr=self_esr,
        stretch_s=stretch_s,
        dropouts_s=tuple(sorted({*take.dropouts_s, *lag.losses_s})),
        slipped_frames=take.slipped_frames,
        has_one_clock=session.has_one_clock,
        attempt=take.attempt,
    )


def _compare_times(take: Take, delay: int) -> tuple[float | None, float]:
    """The ESR of the second time of a stretch to the first, None where it is not known; and its length in seconds."""
    score, stretch, again = take.score, take.stretch, take.again
    if stretch is None or again is None:
        return None, 0.0
    frames, rate = stretch.end - stretch.start, score.sample_rate
    first_s, last_s = (stretch.start - stretch.run_up) / rate, stretch.end / rate + LONGEST_TRIP_S
    if any(first_s <= at_s <= last_s for at_s in take.dropouts_s):
        return None, frames / rate
    begins = score.signal.start + stretch.start, again.score.signal.start + stretch.run_up
    delays = delay, delay
    if take.sure_delays and again.sure_delays:
        delays = delay, delay + again.sure_delays[0] - take.sure_delays[0]
    first, second = (
        each.recorded[begin + late : begin + late + frames].astype(np.float64)
        for each, begin, late in zip((take, again), begins, delays, strict=True)
    )
    power = float(np.sum(first**2))
    return float(np.sum((first - second) ** 2)) / power if power else None, frames / rate


def check_pair_folder(folder: Path, *, overwrite: bool, inputs: Sequence[Path | None] = ()) -> None:
    """Refuse a folder in which the pair could not be written, before anything is played.

    Raises
    ------
    FileError
        If it is a file, holds one of the three files and may not be changed or one of the inputs, or cannot be made or
        written to.
    """
    if folder.exists() and not folder.is_dir():
        raise FileError(f"{folder} is a file; give a folder for {DRY}, {WET} and {DESCRIPTION}")
    if not folder.exists():
        if not folder.parent.is_dir():
            raise FileError(f"cannot make {folder}: there is no folder {folder.parent}; make it first")
        check_folder(folder.parent, folder)
        return
    for name in (DRY, WET, DESCRIPTION):
        check_output(folder / name, overwrite=overwrite, inputs=inputs)


def write_pair(pair: CapturedPair, folder: Path, *, overwrite: bool, about: dict[str, Any]) -> None:
    """Write the three files, all of them or none; 32-bit float, so that every sample is as it was played and recorded.

    Parameters
    ----------
    pair : CapturedPair
    folder : Path
        Made if it is not there.
    overwrite : bool
        Whether existing files may be replaced.
    about : dict
        What else the description tells; JSON-able.

    Raises
    ------
    FileError
        If one of them cannot be written.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as err:
        raise explain_refusal(folder, err) from err
    try:
        with (
            replacing(folder / DESCRIPTION, overwrite=overwrite) as description,
            writing(folder / WET, pair.sample_rate, overwrite=overwrite) as wet,
            writing(folder / DRY, pair.sample_rate, overwrite=overwrite) as dry,
        ):
            text = json.dumps(json_ready({**about, **pair.as_dict()}), indent=1, ensure_ascii=False)
            description.write_text(text + "\n", encoding="utf-8")
            wet.write(pair.wet)
            dry.write(pair.dry)
    except BaseException:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _later(part: slice, frames: int) -> slice:
    return slice(part.start + frames, part.stop + frames)
