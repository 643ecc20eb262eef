"""How a preset that was trained at one rate plays in a stream of another."""

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from fxhost.stages.rate.resampler import delays_between


@dataclass(frozen=True)
class Plan:
    """The rate plan of one preset in a stream: whether its network runs at the preset's rate, on interleaved or
    interpolated states, or resampled.

    Attributes
    ----------
    preset : str
        Its name.
    preset_rate, sample_rate, network_rate : int
        What it was trained at, what the stream has, and what the network runs at, in Hz. Where that is a multiple of
        the first, the network runs on as many interleaved states.
    order : int
        Of the interpolation of the network's state, 1 to 3; 0 where there is none.
    esr : float or None
        The error-to-signal ratio that decided, where it was measured: see `fxhost.engine.rate_choice`.
    esr_band : float or None
        The same against the preset at its own rate, with all that aliases otherwise at this one.
    radius : float or None
        With an interpolated state, the spectral radius about the state on silence; below 1 it is stable.
    """

    preset: str
    preset_rate: int
    sample_rate: int
    network_rate: int
    order: int = 0
    esr: float | None = None
    esr_band: float | None = None
    radius: float | None = None

    @property
    def is_own(self) -> bool:
        """Whether the preset plays as it was trained, in a stream of its own rate."""
        return self.preset_rate == self.sample_rate == self.network_rate

    @property
    def copies(self) -> int:
        """How many states the network takes in turn; 0 where its rate is no multiple of its own."""
        ratio = Fraction(self.network_rate, self.preset_rate)
        return ratio.numerator if ratio.denominator == 1 else 0

    @property
    def is_resampled(self) -> bool:
        """Whether the network has another rate than the stream."""
        return self.network_rate != self.sample_rate

    @property
    def latency_frames(self) -> int:
        """What resampling delays, in frames of the stream; without it nothing is delayed."""
        return delays_between(self.sample_rate, self.network_rate)[1]

    @property
    def latency_ms(self) -> float:
        """The same in ms."""
        return 1e3 * self.latency_frames / self.sample_rate

    @property
    def way(self) -> str:
        """What is done, in words."""
        verb = "oversampled" if self.network_rate > max(self.preset_rate, self.sample_rate) else "resampled"
        ways = [f"{verb} to {self.network_rate} Hz"] if self.is_resampled else []
        if self.copies > 1:
            ways.append(f"{self.copies} interleaved states")
        if self.order:
            ways.append(f"states interpolated by order {self.order}")
        return ", ".join(ways) or "its own rate"

    def describe(self) -> str:
        """All of it in one line."""
        esr = "" if self.esr is None else f", ESR {self.esr:.1e}"
        if self.esr_band not in (None, self.esr):
            esr += f" (to its own rate {self.esr_band:.1e})"
        return (
            f"{self.preset}, trained at {self.preset_rate} Hz, at {self.sample_rate} Hz: {self.way}{esr}, "
            f"latency {self.latency_frames} frames ({self.latency_ms:.2f} ms)"
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        latency = {"latency_frames": self.latency_frames, "latency_ms": self.latency_ms}
        return {**asdict(self), "way": self.way, **latency}
