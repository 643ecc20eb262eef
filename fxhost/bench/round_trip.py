"""The round trip from a device's output back to its input, through a cable: measured, to the frame.

Three bursts of noise are played, and looked for in what comes back. Noise has the sharpest autocorrelation there is,
and neither hum nor music looks like it. The confidence is the correlation coefficient, 0 to 1, of the burst with the
stretch of the input where it fits best; it is 1 for a loop that leaves the signal as it is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array, to_db
from fxhost.bench.blocks import Stopped
from fxhost.bench.machine import read_cpu_model
from fxhost.control.commands import Quit
from fxhost.errors import DeviceError
from fxhost.io.device_stream import DeviceStream
from fxhost.io.devices import choose_device
from fxhost.io.round_trips import keep_trip
from fxhost.io.stream_options import Options
from fxhost.io.streams import VIRTUAL
from fxhost.preset.effect import Preset
from fxhost.rig.build import Chain
from fxhost.rig.rig import Rig
from fxhost.session import Session
from fxhost.stages.loopback import Loopback

LEAD_S = 0.25  # silence before the first burst, for the fade-in of the rack
BURST_S = 0.25
BURSTS = 3
PERIOD_S = 0.75  # from burst to burst: a round trip of up to half a second is found
PEAK = 0.25
SILENCE = 1e-7  # RMS of an input that holds nothing
LEAST_CONFIDENCE = 0.2  # five times what noise of its own can reach


@dataclass(frozen=True)
class RoundTrip:
    """What was measured on one device.

    Attributes
    ----------
    device, host_api : str
    sample_rate : int
        In Hz.
    block_frames : int
    round_trip_frames : int
        From a frame that the callback puts out to the one in which it comes back.
    confidence : float
        0 to 1, the least of the bursts that agree.
    bursts, bursts_agreeing : int
    claimed_frames : float or None
        What the server or the driver says of both ways. None where they say nothing, as JACK does where no hardware is
        at the ends of its graph.
    xruns : int
    is_kept : bool
        Whether runs on this device will show it.
    """

    device: str
    host_api: str
    sample_rate: int
    block_frames: int
    round_trip_frames: int
    confidence: float
    bursts: int
    bursts_agreeing: int
    claimed_frames: float | None
    xruns: int
    is_kept: bool

    def in_ms(self, frames: float) -> float:
        """Frames as milliseconds."""
        return 1e3 * frames / self.sample_rate

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            **asdict(self),
            "round_trip_ms": self.in_ms(self.round_trip_frames),
            "claimed_ms": None if self.claimed_frames is None else self.in_ms(self.claimed_frames),
            "cpu": read_cpu_model(),
        }


class LoopbackSession(Session):
    """A run whose only stage plays the bursts and records the input. The rig gives no more than a sample rate.

    Parameters
    ----------
    rig, options, notice
        As for `Session`.
    """

    loop: Loopback
    follows_rate = False

    def first_chain(self) -> Chain:
        """The two ends of the loop."""
        self.loop = Loopback(make_bursts(self.sample_rate))
        return Chain([self.loop])


def make_burst(sample_rate: int) -> Float32Array:
    """White noise of a quarter of full scale without an offset, the same at every call, float32 (frames,)."""
    rng = np.random.default_rng(1024)
    burst: Float32Array = rng.uniform(-PEAK, PEAK, round(BURST_S * sample_rate)).astype(np.float32)
    burst -= burst.mean(dtype=np.float64)
    return burst


def make_bursts(sample_rate: int) -> Float32Array:
    """The whole test signal: silence, then the bursts with silence after each, float32 (frames,)."""
    burst = make_burst(sample_rate)
    signal = np.zeros(round((LEAD_S + BURSTS * PERIOD_S) * sample_rate), np.float32)
    for start in range(round(LEAD_S * sample_rate), len(signal), round(PERIOD_S * sample_rate)):
        signal[start : start + len(burst)] = burst
    return signal


def find_burst(burst: Float32Array, heard: Float32Array) -> tuple[int, float]:
    """Where a burst fits best in what was heard, and how well.

    Parameters
    ----------
    burst : float32 (frames,)
    heard : float32 (more frames,)

    Returns
    -------
    delay : int
        In frames from the beginning of `heard`.
    confidence : float
        The absolute value of the correlation coefficient there, 0 to 1.
    """
    size = len(heard) + len(burst)
    spectrum = np.fft.rfft(heard.astype(np.float64), size) * np.conj(np.fft.rfft(burst.astype(np.float64), size))
    products = np.abs(np.fft.irfft(spectrum, size)[: len(heard) - len(burst) + 1])  # a loop may turn the polarity
    delay = int(np.argmax(products))
    level, burst_level = (float(np.std(x, dtype=np.float64)) for x in (heard[delay : delay + len(burst)], burst))
    if level < SILENCE:
        return delay, 0.0
    return delay, min(1.0, float(products[delay]) / (len(burst) * level * burst_level))


def find_delays(recorded: Float32Array, sample_rate: int) -> list[tuple[int, float]]:
    """The delay in frames and the confidence of each burst whose whole period was recorded, float32 (frames,)."""
    burst, period = make_burst(sample_rate), round(PERIOD_S * sample_rate)
    starts = range(round(LEAD_S * sample_rate), len(recorded) - period + 1, period)
    return [find_burst(burst, recorded[start : start + period]) for start in starts]


def measure_round_trip(presets: Sequence[Preset], options: Options, *, stopped: Stopped) -> RoundTrip:
    """Play the bursts on a device and look for them in its input.

    Parameters
    ----------
    presets : sequence of Preset
        At least one, for the sample rate.
    options : Options
        Which device, and how to open it.
    stopped : callable
        Whether to end now; what was heard until then counts.

    Raises
    ------
    DeviceError
        If the device does not play, or there is no loop, or one whose length changes.
    KeyboardInterrupt
        If it was stopped before the first burst was over.
    """
    if VIRTUAL in (options.input_device, options.output_device):
        raise DeviceError("the virtual device has no loop; give a real --device, or leave it out for the system's own")
    choose_device(options.output_device, "output")  # refuses where a session would play the virtual device
    choose_device(options.input_device, "input")
    session = LoopbackSession(Rig(tuple(presets)), options, notice=lambda text: None)
    summary = session.play(lambda: [Quit()] if stopped() or session.loop.has_finished else [])
    stream, rate = session.stream, session.sample_rate
    recorded = session.loop.recorded
    found = find_delays(recorded, rate)
    if summary.error is not None:
        raise summary.error
    if not found:
        raise KeyboardInterrupt
    sure = [(delay, confidence) for delay, confidence in found if confidence >= LEAST_CONFIDENCE]
    if not sure:
        best = max(confidence for _, confidence in found)
        raise DeviceError(
            f"no loop on '{stream.name}': what came in correlates {best:.3f} with what went out, where "
            f"{LEAST_CONFIDENCE:g} is needed, and peaked at {to_db(float(np.abs(recorded).max())):.0f} dB; connect the "
            "output to the input by a cable, or turn the levels up"
        )
    delay, agreeing = Counter(delay for delay, _ in sure).most_common(1)[0]
    if 2 * agreeing <= len(found):
        listed = ", ".join(f"{delay} ({confidence:.2f})" for delay, confidence in found)
        raise DeviceError(
            f"the loop on '{stream.name}' has no steady length: {listed} frames (confidence), with "
            f"{summary.statistics.xruns.total} xruns; try larger --block-frames, or one device for both ends"
        )
    block_frames, claimed = summary.statistics.block_frames, stream.claim.claimed_frames(rate)
    assert isinstance(stream, DeviceStream)
    is_steady = agreeing == len(found) and delay > 0
    return RoundTrip(
        device=stream.name,
        host_api=stream.host_api,
        sample_rate=rate,
        block_frames=block_frames,
        round_trip_frames=delay,
        confidence=min(confidence for found_delay, confidence in sure if found_delay == delay),
        bursts=len(found),
        bursts_agreeing=agreeing,
        claimed_frames=claimed,
        xruns=summary.statistics.xruns.total,
        is_kept=is_steady and keep_trip(stream.setup(block_frames), delay, claimed),
    )
