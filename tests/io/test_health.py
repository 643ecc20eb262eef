"""The checks of a machine: each status of each check, on folders made up for it, and once on the machine that runs it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fxhost.io import finding
from fxhost.io.devices import Device
from fxhost.io.finding import Finding, Machine, PortAudio, ask_program
from fxhost.io.health import CHECKS, examine, name_left_out
from fxhost.io.jack import HOST_API, Server

LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max locked memory         {locked}              8388608              bytes
Max realtime priority     {priority}                    95                   """
STATUS = "Name:\tpython\nUid:\t1000\t1000\t1000\t1000\nCapEff:\t{capabilities}\nCpus_allowed_list:\t{cpus}"
NOBODY = "0000000000000000"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000:Ann:/home/ann:/bin/sh"
CPU = "sys/devices/system/cpu/cpu"
USB = "sys/bus/usb/devices/"
SETTINGS = "Found \"settings\" metadata 31\nupdate: id:0 key:'clock.rate' value:'{rate}' type:''\n"
DEVICE = Device(0, "Scarlett", "ALSA", 2, 2, 48_000, (0.0087, 0.0087))
WEBCAM = replace(DEVICE, index=1, name="Webcam", output_channels=0)
PORTAUDIO = PortAudio("V19.7.0", ("ALSA", "OSS"), DEVICE, DEVICE)
JACKD = Server(48_000, 128, is_pipewire=False)
SOCKET = {"run/user/1000/pipewire-0": ""}
SESSION = {"XDG_RUNTIME_DIR": "/run/user/1000"}
RTKIT = {"usr/share/dbus-1/system-services/org.freedesktop.RealtimeKit1.service": "[D-BUS Service]"}


def limits(priority: object = 0, locked: object = 8_388_608) -> dict[str, str]:
    return {"proc/self/limits": LIMITS.format(priority=priority, locked=locked)}


def status(capabilities: str = NOBODY, cpus: str = "0-7") -> dict[str, str]:
    return {"proc/self/status": STATUS.format(capabilities=capabilities, cpus=cpus)}


def siblings(*pairs: str) -> dict[str, str]:
    return {f"{CPU}{n}/topology/thread_siblings_list": text for n, text in enumerate(pairs)}


def governor(name: str, driver: str = "acpi-cpufreq", preference: str = "") -> dict[str, str]:
    files = {f"{CPU}0/cpufreq/scaling_governor": name, f"{CPU}0/cpufreq/scaling_driver": driver}
    return files | ({f"{CPU}0/cpufreq/energy_performance_preference": preference} if preference else {})


def settings(**values: int) -> Callable[[Sequence[str]], str | None]:
    lines = [
        f"update: id:0 key:'clock.{key.replace('_', '-')}' value:'{value}' type:''" for key, value in values.items()
    ]
    told = SETTINGS.format(rate=48_000) + "\n".join(lines)
    return lambda command: told if command == ["pw-metadata", "-n", "settings"] else None


def interface(control: str, delay: str = "2000") -> dict[str, str]:
    return {
        f"{USB}1-2:1.0/bInterfaceClass": "01",
        f"{USB}1-2/product": "Scarlett 2i2 USB",
        f"{USB}1-2/power/control": control,
        f"{USB}1-2/power/autosuspend_delay_ms": delay,
        f"{USB}1-3:1.0/bInterfaceClass": "03",
        f"{USB}1-3/power/control": "auto",
    }


def swaps(*devices: str) -> str:
    return "\n".join(["Filename Type Size Used Priority", *(f"{device} partition 8388604 0 -2" for device in devices)])


@dataclass(frozen=True)
class Case:
    """What a machine is like, and what is to be said of it."""

    check: str
    status: str
    words: str
    advice: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)


CASES = [
    Case("real-time priority", "good", "SCHED_FIFO, up to 95", "", limits(95), {"take_priority": lambda: True}),
    Case("real-time priority", "good", "the rights of root", "", limits(0), {"take_priority": lambda: True}),
    Case("real-time priority", "bad", "the system refuses", "SYS_NICE", {**limits(95), **status()}),
    Case("real-time priority", "bad", "the system refuses", "SYS_NICE", {**limits(0), **status("0000000000800000")}),
    Case("real-time priority", "bad", "rtprio 0", "@audio - rtprio 95", {**limits(0), **status()}),
    Case(
        "real-time priority", "bad", "rtprio 0", "usermod -aG audio",
        {**limits(0), **status(), "etc/passwd": PASSWD, "etc/group": "audio:x:29:\nann:x:1000:",
         "etc/security/limits.d/audio.conf": "# @x - rtprio 9\n@audio - rtprio 95 # yes\n@realtime - rtprio 99"},
    ),
    Case(
        "real-time priority", "bad", "rtprio 0", "log out and in again: group realtime",
        {**limits(0), **status(), "etc/passwd": PASSWD, "etc/group": "realtime:x:29:bob,ann",
         "etc/security/limits.conf": "@realtime soft rtprio 99"},
    ),
    Case("real-time priority", "warning", "rtkit gives it to PipeWire's", "usermod", {**limits(0), **status(), **RTKIT}),
    Case("real-time priority", "unknown", "does not tell", "usermod", {}, {"take_priority": lambda: None}),
    Case("locked memory", "good", "without limit", "", {**limits(0, "unlimited"), **status()}),
    Case("locked memory", "good", "without limit", "", {**limits(0, 65536), **status("0000000000004000")}),
    Case("locked memory", "good", "8.4 MB may be locked", "", {**limits(), **status()}),
    Case("locked memory", "warning", "0.1 MB may be locked", "memlock unlimited", {**limits(0, 65536), **status()}),
    Case("locked memory", "unknown", "does not tell"),
    Case("CPU frequency", "good", "governor performance", "", governor("performance")),
    Case("CPU frequency", "good", "preference performance", "", governor("powersave", "intel_pstate", "performance")),
    Case("CPU frequency", "warning", "governor schedutil: it lowers", "cpupower", governor("schedutil")),
    Case(
        "CPU frequency", "warning", "preference balance_performance", "cpupower",
        governor("powersave", "amd-pstate-epp", "balance_performance"),
    ),
    Case("CPU frequency", "warning", "governor powersave", "cpupower", governor("powersave", "intel_pstate")),
    Case("CPU frequency", "bad", "keeps the CPU slow", "cpupower", governor("powersave")),
    Case("CPU frequency", "bad", "preference power", "cpupower", governor("powersave", "intel_pstate", "power")),
    Case("CPU frequency", "unknown", "virtual machine"),
    Case("CPU cores", "good", "8 CPUs", "", status()),
    Case(
        "CPU cores", "good", "6 CPUs on 3 cores: two threads share each (SMT)", "",
        {**status(cpus="0-5"), **siblings("0,3", "1,4", "2,5", "0,3", "1,4", "2,5")},
    ),
    Case("CPU cores", "warning", "2 CPUs, few", "close browsers", status(cpus="0-1")),
    Case(
        "CPU cores", "warning", "4 CPUs on 2 cores", "smt/control",
        {**status(cpus="0-3"), **siblings("0-1", "0-1", "2-3", "2-3")},
    ),
    Case(
        "CPU cores", "warning", "it has used 2.5 of them", "cpu.max",
        {**status(), "proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "250000 100000",
         "sys/fs/cgroup/a/b/cpu.max": "max 100000"},
    ),
    Case("CPU cores", "bad", "it has used 0.5 of them", "cpu.max", {**status(), "sys/fs/cgroup/cpu.max": "50000 100000"}),
    Case("CPU cores", "bad", "1 CPU: any other program", "close all", status(cpus="3")),
    Case("CPU cores", "unknown", "does not tell", "", {}, {"count_cpus": lambda: None}),
    Case("kernel", "good", "PREEMPT_RT", "", {"proc/version": "Linux 6.12 #1 SMP PREEMPT_RT"}),
    Case("kernel", "good", "PREEMPT_DYNAMIC, preempt=full", "",
         {"proc/version": "Linux 6.12 SMP PREEMPT_DYNAMIC", "proc/cmdline": "quiet preempt=full"}),
    Case("kernel", "good", "PREEMPT: it can be interrupted", "", {"proc/version": "Linux 6.12 SMP PREEMPT"}),
    Case("kernel", "warning", "preempt=none", "preempt=full",
         {"proc/version": "Linux 6.12 SMP PREEMPT_DYNAMIC", "proc/cmdline": "preempt=none"}),
    Case("kernel", "warning", "for servers", "low-latency", {"proc/version": "Linux 4.18 #1 SMP"}),
    Case("kernel", "unknown", "does not tell"),
    Case("swappiness", "good", "10", "", {"proc/sys/vm/swappiness": "10", "proc/swaps": swaps("/dev/sda2")}),
    Case("swappiness", "good", "no swap on a disk", "",
         {"proc/sys/vm/swappiness": "180", "proc/swaps": swaps("/dev/zram0")}),
    Case("swappiness", "warning", "60, with swap on /dev/sda2", "vm.swappiness=10",
         {"proc/sys/vm/swappiness": "60", "proc/swaps": swaps("/dev/zram0", "/dev/sda2")}),
    Case("swappiness", "unknown", "does not tell", "", {"proc/sys/vm/swappiness": "x", "proc/swaps": swaps()}),
    Case("USB interfaces", "good", "no USB audio", "", {f"{USB}1-3:1.0/bInterfaceClass": "03"}),
    Case("USB interfaces", "good", "Scarlett 2i2 USB: kept awake", "", interface("on")),
    Case("USB interfaces", "good", "kept awake", "", interface("auto", "-1000")),
    Case("USB interfaces", "warning", "put to sleep", "echo on | sudo tee /sys/bus/usb/devices/1-2/power", interface("auto")),
    Case("USB interfaces", "unknown", "tells of no USB"),
    Case("PipeWire", "good", "does not run", "", {}, {"environment": SESSION}),
    Case("PipeWire", "good", "runs at 48000 Hz in blocks of 1024 frames; fxhost asks for 64", "", SOCKET,
         {"environment": SESSION, "ask": settings(quantum=1024, min_quantum=32, force_quantum=0)}),
    Case("PipeWire", "good", "forced to 128 frames (2.7 ms at 48000 Hz)", "", SOCKET,
         {"environment": SESSION, "ask": settings(force_quantum=128)}),
    Case("PipeWire", "good", "PIPEWIRE_LATENCY=64/48000", "", SOCKET,
         {"environment": {**SESSION, "PIPEWIRE_LATENCY": "64/48000"}, "ask": settings()}),
    Case("PipeWire", "warning", "PIPEWIRE_LATENCY=1024/48000", "set it to 64/48000", SOCKET,
         {"environment": {**SESSION, "PIPEWIRE_LATENCY": "1024/48000"}, "ask": settings()}),
    Case("PipeWire", "warning", "PIPEWIRE_LATENCY=x", "unset", SOCKET,
         {"environment": {**SESSION, "PIPEWIRE_LATENCY": "x"}, "ask": settings()}),
    Case("PipeWire", "warning", "forced to 144 frames (1.5 ms at 96000 Hz), which is not a power of two", "force-quantum 0",
         SOCKET, {"environment": SESSION, "ask": settings(force_quantum=144, force_rate=96_000)}),
    Case("PipeWire", "warning", "forced to 512 frames", "force-quantum 0", SOCKET,
         {"environment": SESSION, "ask": settings(force_quantum=512)}),
    Case("PipeWire", "warning", "forced to 16 frames", "force-quantum 0", SOCKET,
         {"environment": SESSION, "ask": settings(force_quantum=16)}),
    Case("PipeWire", "warning", "the shortest block is 1024 frames", "min-quantum 32", SOCKET,
         {"environment": SESSION, "ask": settings(min_quantum=1024)}),
    Case("PipeWire", "bad", "forced to 2048 frames", "force-quantum 0", SOCKET,
         {"environment": SESSION, "ask": settings(force_quantum=2048)}),
    Case("PipeWire", "bad", "does not answer", "systemctl --user restart", SOCKET,
         {"environment": SESSION, "ask": lambda command: "1.0" if "--version" in command else None}),
    Case("PipeWire", "unknown", "no pw-metadata", "pipewire-bin", SOCKET, {"environment": SESSION}),
    Case("JACK", "good", "no server runs"),
    Case("JACK", "good", "blocks of 128 frames (2.7 ms at 48000 Hz)", "", {}, {"ask_jack": lambda: JACKD}),
    Case("JACK", "good", "PipeWire plays", "", {}, {"ask_jack": lambda: replace(JACKD, is_pipewire=True)}),
    Case("JACK", "warning", "1024 frames", "-p 128", {}, {"ask_jack": lambda: replace(JACKD, period_frames=1024)}),
    Case("JACK", "warning", "not a power of two", "-p 128", {}, {"ask_jack": lambda: replace(JACKD, period_frames=100)}),
    Case("JACK", "bad", "without a real-time priority", "-R",
         {"proc/7/comm": "jackd\n", "proc/7/cmdline": "jackd\0-r\0-d\0alsa\0-r\000048000\0"}, {"ask_jack": lambda: JACKD}),
    Case("JACK", "good", "plays blocks", "",
         {"proc/7/comm": "jackd\n", "proc/7/cmdline": "jackd\0-R\0-d\0alsa\0-r\000048000\0"}, {"ask_jack": lambda: JACKD}),
    Case("JACK", "bad", "does not answer this user", "JACK_DEFAULT_SERVER", {"proc/7/comm": "jackd\n"}),
    Case("PulseAudio", "good", "does not run", "", {"proc/1/comm": "init"}),
    Case("PulseAudio", "good", "PipeWire stands in", "", {"proc/9/comm": "pipewire-pulse"}),
    Case("PulseAudio", "warning", "20 ms", "pasuspender", {"proc/9/comm": "pulseaudio"}),
    Case("PulseAudio", "unknown", "does not tell"),
    Case("PortAudio", "good", "V19.7.0 with ALSA, OSS"),
    Case("PortAudio", "warning", "does not reach the JACK server", "libportaudio2", {}, {"ask_jack": lambda: JACKD}),
    Case("PortAudio", "good", HOST_API, "", {},
         {"ask_jack": lambda: JACKD, "ask_portaudio": lambda: replace(PORTAUDIO, host_apis=("ALSA", HOST_API))}),
    Case("PortAudio", "bad", "no PortAudio library on this machine", "apt install", {},
         {"ask_portaudio": lambda: PortAudio(failure="no PortAudio library on this machine; apt install libportaudio2")}),
    Case("PortAudio", "bad", "no host API", "install", {}, {"ask_portaudio": lambda: PortAudio("V19")}),
    Case("sound device", "good", "0 'Scarlett' (ALSA)"),
    Case("sound device", "warning", "two clocks", "choose one", {},
         {"ask_portaudio": lambda: replace(PORTAUDIO, input_device=WEBCAM)}),
    Case("sound device", "good", "from 1 'Webcam'", "", {},
         {"ask_portaudio": lambda: replace(PORTAUDIO, input_device=replace(WEBCAM, host_api="Core Audio"))}),
    Case("sound device", "warning", "there is no input", "--input-file", {},
         {"ask_portaudio": lambda: replace(PORTAUDIO, input_device=None)}),
    Case("sound device", "bad", "virtual device", "plug in", {}, {"ask_portaudio": lambda: PortAudio("V19", ("ALSA",))}),
    Case("sound device", "bad", "ALSA knows USB-Audio - Scarlett 2i2", "usermod -aG audio",
         {"proc/asound/cards": " 0 [USB            ]: USB-Audio - Scarlett 2i2\n            Focusrite"},
         {"ask_portaudio": lambda: PortAudio("V19", ("ALSA",))}),
    Case("sound device", "unknown", "does not start", "", {}, {"ask_portaudio": lambda: PortAudio(failure="broken; mend")}),
    Case("compiled code", "good", "kept in /cache"),
    Case("compiled code", "warning", "each start compiles", "NUMBA_CACHE_DIR", {}, {"find_code_cache": lambda: None}),
]  # fmt: skip


def make_machine(root: Path, files: Mapping[str, str], **changed: Any) -> Machine:
    """A machine of these files alone, on which nothing answers but what is given."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    silent: dict[str, Any] = {
        "platform": "linux",
        "environment": {},
        "ask": lambda command: None,
        "take_priority": lambda: False,
        "ask_jack": lambda: None,
        "ask_portaudio": lambda: PORTAUDIO,
        "find_code_cache": lambda: Path("/cache"),
        "count_cpus": lambda: 8,
    }
    return Machine(root, **{**silent, **changed})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}: {case.status}, {case.words}")
def test_a_check_says_how_it_stands_and_what_to_do(case: Case, tmp_path: Path) -> None:
    look = next(check.look for check in CHECKS if check.name == case.check)
    found = look(make_machine(tmp_path, case.files, **case.machine))
    assert (found.name, found.status) == (case.check, case.status)
    assert case.words in found.text
    assert case.advice in found.advice
    assert bool(found.advice) == bool(case.advice)


def test_what_is_to_be_mended_always_comes_with_advice_and_every_check_has_its_cases() -> None:
    assert all(case.advice for case in CASES if case.status in ("warning", "bad"))
    assert {case.check for case in CASES} == {check.name for check in CHECKS}


def test_an_empty_machine_tells_little_and_breaks_nothing(tmp_path: Path) -> None:
    findings = examine(make_machine(tmp_path, {}))
    assert [finding.name for finding in findings] == [check.name for check in CHECKS]
    assert {finding.name for finding in findings if finding.status == "unknown"} == {
        *("real-time priority", "locked memory", "CPU frequency", "kernel", "swappiness", "USB interfaces"),
        "PulseAudio",
    }


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_only_what_makes_sense_there_is_looked_at(platform: str, tmp_path: Path) -> None:
    machine = make_machine(tmp_path, {}, platform=platform)
    names = [finding.name for finding in examine(machine)]
    assert names == ["CPU cores", "PortAudio", "sound device", "compiled code"]
    assert sorted(names + name_left_out(machine)) == sorted(check.name for check in CHECKS)
    assert name_left_out(make_machine(tmp_path, {})) == []


def test_a_program_that_hangs_fails_or_is_missing_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "ANSWER_S", 0.2)
    assert ask_program([sys.executable, "-c", "import time; time.sleep(60)"]) is None
    assert ask_program([sys.executable, "-c", "raise SystemExit(1)"]) is None
    assert ask_program(["no-such-program"]) is None


def test_a_program_that_answers_is_heard() -> None:
    assert ask_program([sys.executable, "-c", "print('1.2')"]) == "1.2\n"


def test_a_portaudio_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(finding, "PORTAUDIO_S", 0.05)
    monkeypatch.setattr(finding, "_ask_portaudio", threading.Event().wait)
    assert finding.ask_portaudio.__wrapped__() == PortAudio(
        failure="PortAudio does not answer; restart the sound server"
    )


def test_this_machine_is_looked_at_without_a_fault() -> None:
    machine = Machine()
    findings = examine(machine)
    assert all(isinstance(found, Finding) and found.text for found in findings)
    assert all(found.advice for found in findings if found.status in ("warning", "bad"))
    assert len(findings) + len(name_left_out(machine)) == len(CHECKS)
    code = next(found for found in findings if found.name == "compiled code")
    assert code.status == "good" and Path(code.text.removeprefix("kept in ")).is_dir()
