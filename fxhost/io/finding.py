"""What a check of a machine finds, and the machine that it looks at: this one, or a copy of its files in a folder."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from fxhost.errors import DeviceError
from fxhost.io import jack
from fxhost.io.devices import Device, default_device, list_devices
from fxhost.io.portaudio import import_sounddevice, quiet_libraries
from fxhost.io.realtime import try_priority
from fxhost.io.time_limit import finishes

ANSWER_S = 2.0  # a program that takes longer hangs
PORTAUDIO_S = 8.0  # it looks at every device, and each may take its time

Status = Literal["good", "warning", "bad", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    name : str
        What was looked at.
    status : {'good', 'warning', 'bad', 'unknown'}
        'bad' is what makes sound drop out on most machines, or keeps it away; 'warning' is what does so on some.
    text : str
        What is there.
    advice : str
        What to do; empty where there is nothing to do.
    """

    name: str
    status: Status
    text: str
    advice: str = ""


@dataclass(frozen=True)
class PortAudio:
    """What PortAudio says of itself.

    Attributes
    ----------
    version : str
    host_apis : tuple of str
        Those that it reaches now; a sound server that does not run is not among them.
    input_device, output_device : Device or None
        Those that `fxhost run` takes.
    failure : str
        Why it does not start; empty where it does.
    """

    version: str = ""
    host_apis: tuple[str, ...] = ()
    input_device: Device | None = None
    output_device: Device | None = None
    failure: str = ""


def ask_program(command: Sequence[str]) -> str | None:
    """What a program prints, or None where it is missing, fails, or does not answer within two seconds."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def ask_jack() -> jack.Server | None:
    """What the JACK server says; libjack's own words are kept off the screen."""
    with quiet_libraries():
        return jack.ask_server()


@cache
def ask_portaudio() -> PortAudio:
    """What PortAudio says, once in a process. It may hang on a sound server that has died, and is not waited for."""
    answers: list[PortAudio] = []
    try:
        if not finishes(lambda: answers.append(_ask_portaudio()), PORTAUDIO_S):
            return PortAudio(failure="PortAudio does not answer; restart the sound server")
    except DeviceError as err:
        return PortAudio(failure=str(err))
    return answers[0]


def _ask_portaudio() -> PortAudio:
    sounddevice = import_sounddevice()
    list_devices()

    def choose(kind: Literal["input", "output"]) -> Device | None:
        try:
            return default_device(kind)
        except DeviceError:
            return None

    apis = tuple(api["name"] for api in sounddevice.query_hostapis())
    version = sounddevice.get_portaudio_version()[1].partition(",")[0].removeprefix("PortAudio ")
    return PortAudio(version, apis, choose("input"), choose("output"))


def find_code_cache() -> Path | None:
    """The folder that the compiled engine is kept in; None if none can be written."""
    from fxhost.native.code_cache import choose_folder  # loads numba

    return choose_folder(Path(__file__).parents[1] / "engine")


@dataclass(frozen=True)
class Machine:
    """What the checks look at; by default this machine.

    Attributes
    ----------
    root : Path
        The folder that /proc, /sys, /etc and the others are in.
    platform : str
        As `sys.platform`.
    environment : mapping of str to str
    ask : callable
        From a command to what it prints; None where nothing answers.
    take_priority, ask_jack, ask_portaudio, find_code_cache, count_cpus : callable
        What cannot be read from files.
    """

    root: Path = Path("/")
    platform: str = sys.platform
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    ask: Callable[[Sequence[str]], str | None] = ask_program
    take_priority: Callable[[], bool | None] = try_priority
    ask_jack: Callable[[], jack.Server | None] = ask_jack
    ask_portaudio: Callable[[], PortAudio] = ask_portaudio
    find_code_cache: Callable[[], Path | None] = find_code_cache
    count_cpus: Callable[[], int | None] = os.cpu_count

    def path(self, place: str) -> Path:
        """Where a file or folder lies that is named from the root on."""
        return self.root / place.lstrip("/")

    def read(self, place: str) -> str | None:
        """The text of a file without blanks around it; None where it cannot be read."""
        try:
            return self.path(place).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def read_number(self, place: str) -> int | None:
        """The whole number in a file; None where there is none."""
        try:
            return int(self.read(place) or "")
        except ValueError:
            return None

    def find(self, pattern: str) -> list[str]:
        """The files and folders that fit a pattern, sorted, named from the root on."""
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob(pattern))

    def read_fields(self, place: str) -> dict[str, str]:
        """The lines 'name: value' of a file."""
        lines = (self.read(place) or "").splitlines()
        return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def read_limit(self, name: str) -> float | None:
        """A soft limit of this process by the name that /proc gives it; infinity is without limit, None unknown."""
        for line in (self.read("proc/self/limits") or "").splitlines():
            if line.startswith(name):
                word = line.removeprefix(name).split()[0]
                return float("inf") if word == "unlimited" else float(word)
        return None

    def has_capability(self, number: int) -> bool:
        """Whether this process has one of the kernel's capabilities, such as 23 (CAP_SYS_NICE)."""
        return bool(int(self.read_fields("proc/self/status").get("CapEff", "0"), 16) >> number & 1)

    def find_processes(self, name: str) -> list[str]:
        """The folders in /proc of the running programs of this name."""
        return [place.removesuffix("/comm") for place in self.find("proc/[0-9]*/comm") if self.read(place) == name]
