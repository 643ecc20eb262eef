"""What else used the processor during a measurement: other programs, and the host of a virtual machine.

Conventions: both are in cores, processor time ÷ elapsed time; 0.5 is half a core all the time.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

STAT = Path("/proc/stat")
MOST_STOLEN = 0.01  # cores, of all
FREE_CORES = 1.5  # that a measurement needs: one for itself, and some for what a system does
MOST_OTHERS = 0.25  # cores, where the machine has no more than that to spare
ATTEMPTS = 3

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Disturbance:
    """How busy a machine was beside a measurement.

    Attributes
    ----------
    stolen : float
        Cores that the host of a virtual machine gave to others.
    others : float
        Cores that other programs used.
    cores : int
        How many the machine has.
    attempts : int
        How often it was measured, of which this is the quietest.
    """

    stolen: float
    others: float
    cores: int
    attempts: int = 1

    @property
    def is_spoiled(self) -> bool:
        """Whether the measurement may tell of the others more than of what was measured."""
        return self.stolen > MOST_STOLEN or self.others > max(MOST_OTHERS, self.cores - FREE_CORES)

    @property
    def total(self) -> float:
        """Cores that were used by anything else."""
        return self.stolen + self.others

    def describe(self) -> str:
        """What was taken, in words."""
        return f"other programs {self.others:.1f} of {self.cores} cores, stolen by the host {self.stolen:.2f}"

    def as_dict(self) -> dict[str, float | bool]:
        """For JSON."""
        return {
            "stolen_cores": self.stolen,
            "others_cores": self.others,
            "spoiled": self.is_spoiled,
            "attempts": self.attempts,
        }


class Machine:
    """The processor times of the machine and of this process, from when it was made. Only Linux tells them."""

    def __init__(self) -> None:
        self._start = self._read()

    def disturbance(self) -> Disturbance | None:
        """What else has used the processor since; None where the system does not tell."""
        before, now = self._start, self._read()
        if before is None or now is None or now[0] - before[0] <= 0:
            return None
        elapsed, own, busy, stolen = (new - old for new, old in zip(now, before, strict=True))
        others = max(0.0, busy - own) / elapsed
        return Disturbance(max(0.0, stolen) / elapsed, others, os.cpu_count() or 1)

    @staticmethod
    def _read() -> tuple[float, float, float, float] | None:
        """Seconds: on the clock, of this process, of all processes, and stolen."""
        try:
            words = STAT.read_text().split("\n", 1)[0].split()[1:]
            tick = os.sysconf("SC_CLK_TCK")
            user, nice, system, _, _, irq, softirq, stolen = (int(word) / tick for word in words[:8])
        except (OSError, ValueError, AttributeError):
            return None
        return time.perf_counter(), time.process_time(), user + nice + system + irq + softirq, stolen


def measure_quietly(
    measure: Callable[[], Measured], is_over: Callable[[Measured], bool], attempts: int = ATTEMPTS
) -> tuple[Measured, Disturbance | None]:
    """Measure, and again where it was spoiled; the quietest counts.

    Parameters
    ----------
    measure : callable
    is_over : callable
        Whether a result is good whatever the machine did, or the user wants to end.
    attempts : int
        How often at most.

    Returns
    -------
    measured
        The result of the quietest attempt.
    disturbance : Disturbance or None
        What went on beside it; None where the system does not tell.
    """
    tried: list[tuple[Measured, Disturbance]] = []
    while True:
        machine = Machine()
        result = measure()
        disturbance = machine.disturbance()
        if disturbance is None:
            return result, None
        tried.append((result, disturbance))
        if not disturbance.is_spoiled or is_over(result) or len(tried) == attempts:
            break
    quietest, disturbance = min(tried, key=lambda one: one[1].total)
    return quietest, replace(disturbance, attempts=len(tried))
