"""The machine that a measurement was made on, in words."""

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from fxhost.io.finding import Machine
from fxhost.io.health import read_governors
from fxhost.version import __version__


def read_cpu_model() -> str:
    """What this machine's processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def describe_machine(engines: Sequence[str]) -> str:
    """The processor, its cores and governor, and the versions of what computes on it."""
    governor = " and ".join(read_governors(Machine())) or "unknown"
    packages = ["numba", "llvmlite", "numpy", *(["torch"] if "torchscript" in engines else [])]
    versions = [f"{name} {version(name)}" for name in packages]
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"{read_cpu_model()}, {os.cpu_count()} cores, governor {governor}\n"
        f"fxhost {__version__}, Python {python}, {', '.join(versions)}"
    )
