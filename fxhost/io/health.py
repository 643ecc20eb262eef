"""What decides on this machine whether live sound drops out: a check for each thing, and all of them in order.

Each check reads a few files or asks one program, changes nothing, and tells one finding. The checks of what plays,
PipeWire, JACK, PulseAudio and PortAudio, are in `fxhost.io.health_sound`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fxhost.io.finding import Finding, Machine, Status
from fxhost.io.health_sound import check_device, check_jack, check_pipewire, check_portaudio, check_pulseaudio
from fxhost.io.realtime import WAY_TO_ALLOW

CAP_IPC_LOCK, CAP_SYS_NICE = 14, 23
ENOUGH_LOCKED = 8_000_000  # bytes; a small rig touches 2 MB
FEW_CPUS = 2
MOST_SWAPPINESS = 10
USB_AUDIO = "01"  # the class of an interface
RTKIT = "usr/share/dbus-1/system-services/org.freedesktop.RealtimeKit1.service"
CPUFREQ = "sys/devices/system/cpu/cpu[0-9]*/cpufreq"
GRADES: tuple[Status, ...] = ("good", "warning", "bad")  # from best to worst
SAVING_GRADES = {"performance": 0, "power": 2}  # what a driver that scales by itself prefers; all others are between


def check_priority(machine: Machine) -> Finding:
    """Whether the audio thread may go before all other programs."""
    name = "real-time priority"
    limit, granted = machine.read_limit("Max realtime priority"), machine.take_priority()
    if granted:
        upto = f", up to {limit:.0f}" if limit else " with the rights of root"
        return Finding(name, "good", f"this user gets SCHED_FIFO{upto}")
    if limit is None:
        return Finding(name, "unknown", "the system does not tell", WAY_TO_ALLOW)
    if limit > 0 or machine.has_capability(CAP_SYS_NICE):
        return Finding(
            name,
            "bad",
            "the limits allow SCHED_FIFO, but the system refuses it, as in a container or a CPU control group",
            "start fxhost outside of it, or the container with --cap-add SYS_NICE --ulimit rtprio=95",
        )
    groups, own = _granting_groups(machine), _own_groups(machine)
    if member := sorted(groups & own):
        advice = f"log out and in again: group {member[0]} allows it, but this session began before"
    elif groups:
        group = "audio" if "audio" in groups else min(groups)
        advice = f"sudo usermod -aG {group} $USER, and a new login: group {group} allows it"
    else:
        advice = WAY_TO_ALLOW
    if machine.path(RTKIT).exists():
        text = "refused to this user (rtprio 0); rtkit gives it to PipeWire's clients alone, not through ALSA or JACK"
        return Finding(name, "warning", text, advice)
    return Finding(name, "bad", "refused to this user (rtprio 0)", advice)


def _granting_groups(machine: Machine) -> set[str]:
    """The groups to which a file of limits gives a real-time priority."""
    groups = set()
    for place in ["etc/security/limits.conf", *machine.find("etc/security/limits.d/*.conf")]:
        for line in (machine.read(place) or "").splitlines():
            words = line.partition("#")[0].split()
            if len(words) == 4 and words[0].startswith("@") and words[2] == "rtprio" and words[3].lstrip("-") != "0":
                groups.add(words[0][1:])
    return groups


def _own_groups(machine: Machine) -> set[str]:
    """The groups that this user has from the next login on."""
    uid = machine.read_fields("proc/self/status").get("Uid", "").split()[:1]
    accounts = [line.split(":") for line in (machine.read("etc/passwd") or "").splitlines()]
    users = {account[0] for account in accounts if account[2:3] == uid}
    gids = {account[3] for account in accounts if account[2:3] == uid and len(account) > 3}
    lines = [line.split(":") for line in (machine.read("etc/group") or "").splitlines()]
    return {line[0] for line in lines if len(line) > 3 and (line[2] in gids or users & set(line[3].split(",")))}


def check_locked_memory(machine: Machine) -> Finding:
    """How much of what the audio thread touches may be kept from being paged out."""
    name = "locked memory"
    limit = machine.read_limit("Max locked memory")
    if machine.has_capability(CAP_IPC_LOCK) or limit == float("inf"):
        return Finding(name, "good", "without limit")
    if limit is None:
        return Finding(name, "unknown", "the system does not tell")
    text = f"{limit / 1e6:.1f} MB may be locked"
    if limit >= ENOUGH_LOCKED:
        return Finding(name, "good", f"{text}, which is enough for a rig")
    advice = "the line '@audio - memlock unlimited' in /etc/security/limits.d/audio.conf, and a new login"
    return Finding(name, "warning", f"{text}; the rest can be paged out while it plays", advice)


def read_governors(machine: Machine) -> list[str]:
    """The CPU frequency governors in use, each once; none where none is told, as in a virtual machine."""
    return sorted({text for place in machine.find(f"{CPUFREQ}/scaling_governor") if (text := machine.read(place))})


def check_governor(machine: Machine) -> Finding:
    """Whether the CPU keeps its frequency while most of each block is waiting."""
    name = "CPU frequency"
    governors = read_governors(machine)
    if not governors:
        return Finding(name, "unknown", "no governor is told, as in a virtual machine; its host decides")
    told, worst = [], 0
    for governor in governors:
        scales_itself = governor == "powersave" and any(
            "pstate" in (machine.read(place) or "") for place in machine.find(f"{CPUFREQ}/scaling_driver")
        )
        if scales_itself:
            places = machine.find(f"{CPUFREQ}/energy_performance_preference")
            wishes = sorted({text for place in places if (text := machine.read(place))}) or ["balance_performance"]
            told.append(f"governor powersave, preference {' and '.join(wishes)}")
            worst = max(worst, *(SAVING_GRADES.get(wish, 1) for wish in wishes))
        else:
            told.append(f"governor {governor}")
            worst = max(worst, {"performance": 0, "powersave": 2}.get(governor, 1))
    text = " and ".join(told)
    if not worst:
        return Finding(name, "good", text)
    slow = "keeps the CPU slow" if worst == 2 else "lowers the frequency between blocks"
    advice = "sudo cpupower frequency-set -g performance, or powerprofilesctl set performance, while you play"
    return Finding(name, GRADES[worst], f"{text}: it {slow}", advice)


def check_cores(machine: Machine) -> Finding:
    """Whether the audio thread has a core beside what other programs take."""
    name = "CPU cores"
    cpus = _numbers(machine.read_fields("proc/self/status").get("Cpus_allowed_list", ""))
    count = len(cpus) or machine.count_cpus()
    if count is None:
        return Finding(name, "unknown", "the system does not tell how many there are")
    shared = [_numbers(machine.read(f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or "")
              for cpu in sorted(cpus)]  # fmt: skip
    cores = len({frozenset(siblings) for siblings in shared}) if shared and all(shared) else count
    text = f"{count} CPU{'s' if count > 1 else ''}"
    if cores < count:
        text += f" on {cores} core{'s' if cores > 1 else ''}: two threads share each (SMT)"
    quota = _read_quota(machine)
    if quota is not None and quota < count:
        text += f"; a control group stops this process whenever it has used {quota:g} of them"
        advice = "start fxhost outside of the container or service that sets cpu.max, or raise it"
        return Finding(name, "bad" if quota <= 1 else "warning", text, advice)
    if count == 1:
        return Finding(name, "bad", f"{text}: any other program takes it from the sound", "close all other programs")
    if count <= FEW_CPUS or cores <= FEW_CPUS:
        advice = "close browsers and other busy programs while you play"
        advice += ", or switch SMT off (echo off | sudo tee /sys/devices/system/cpu/smt/control)" if cores > 1 and (
            cores < count) else ""  # fmt: skip
        return Finding(name, "warning", f"{text}, few for the sound and other programs", advice)
    return Finding(name, "good", text)


def _numbers(text: str) -> set[int]:
    """The numbers of a list such as '0-3,8'."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def _read_quota(machine: Machine) -> float | None:
    """How many CPUs' time the control groups of this process leave it; None is without limit."""
    own = next((line[3:] for line in (machine.read("proc/self/cgroup") or "").splitlines() if line[:3] == "0::"), "/")
    parts = [part for part in own.split("/") if part not in ("", "..")]
    quotas = []
    for depth in range(len(parts) + 1):
        words = (machine.read("/".join(["sys/fs/cgroup", *parts[:depth], "cpu.max"])) or "max").split()
        if words[0] != "max" and len(words) == 2:
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def check_kernel(machine: Machine) -> Finding:
    """Whether the kernel lets a thread of high priority interrupt its own work."""
    name = "kernel"
    version, boot = machine.read("proc/version") or "", (machine.read("proc/cmdline") or "").split()
    if not version:
        return Finding(name, "unknown", "the system does not tell")
    if "PREEMPT_RT" in version or machine.read("sys/kernel/realtime") == "1":
        return Finding(name, "good", "PREEMPT_RT: it can be interrupted at almost any point")
    if "PREEMPT_DYNAMIC" in version:
        mode = next((word.partition("=")[2] for word in boot if word.startswith("preempt=")), "")
        if mode in ("none", "voluntary"):
            return Finding(name, "warning", f"it was started with preempt={mode}", "start it with preempt=full")
        return Finding(name, "good", f"PREEMPT_DYNAMIC{f', preempt={mode}' if mode else ''}")
    if "PREEMPT" in version:
        return Finding(name, "good", "PREEMPT: it can be interrupted")
    return Finding(
        name, "warning", "it is built for servers, and is seldom interrupted", "install a low-latency or desktop kernel"
    )


def check_swap(machine: Machine) -> Finding:
    """Whether the kernel moves memory of running programs to the disk."""
    name = "swappiness"
    value = machine.read_number("proc/sys/vm/swappiness")
    swaps = machine.read("proc/swaps")
    if value is None or swaps is None:
        return Finding(name, "unknown", "the system does not tell")
    on_disk = [line.split()[0] for line in swaps.splitlines()[1:] if line.split() and "/zram" not in line.split()[0]]
    if not on_disk:
        return Finding(name, "good", f"{value}, and there is no swap on a disk")
    if value <= MOST_SWAPPINESS:
        return Finding(name, "good", f"{value}")
    advice = "sudo sysctl vm.swappiness=10, and for ever the same in /etc/sysctl.d/90-audio.conf"
    return Finding(name, "warning", f"{value}, with swap on {on_disk[0]}: memory is paged out early", advice)


def check_usb(machine: Machine) -> Finding:
    """Whether the system puts USB audio interfaces to sleep."""
    name = "USB interfaces"
    if not machine.path("sys/bus/usb/devices").is_dir():
        return Finding(name, "unknown", "the system tells of no USB")
    places = machine.find("sys/bus/usb/devices/*/bInterfaceClass")
    ports = {place.split("/")[-2].partition(":")[0] for place in places if machine.read(place) == USB_AUDIO}
    if not ports:
        return Finding(name, "good", "no USB audio interface is plugged in")
    names, sleepers = [], []
    for port in sorted(ports):
        folder = f"sys/bus/usb/devices/{port}"
        names.append(machine.read(f"{folder}/product") or port)
        delay = machine.read_number(f"{folder}/power/autosuspend_delay_ms")
        if machine.read(f"{folder}/power/control") == "auto" and (delay is None or delay >= 0):
            sleepers.append((names[-1], port))
    if not sleepers:
        return Finding(name, "good", f"{', '.join(names)}: kept awake")
    listed = ", ".join(sleeper for sleeper, _ in sleepers)
    advice = f"echo on | sudo tee /sys/bus/usb/devices/{sleepers[0][1]}/power/control"
    return Finding(name, "warning", f"{listed}: put to sleep when idle (autosuspend)", advice)


def check_code_cache(machine: Machine) -> Finding:
    """Whether compiled code is kept, so that a later start does not compile."""
    name = "compiled code"
    folder = machine.find_code_cache()
    if folder is None:
        advice = "set NUMBA_CACHE_DIR to a folder that only you can write"
        return Finding(name, "warning", "no folder can be written: each start compiles for seconds", advice)
    return Finding(name, "good", f"kept in {folder}")


@dataclass(frozen=True)
class Check:
    """A check: what it looks at, how, and whether that is so only on Linux."""

    name: str
    look: Callable[[Machine], Finding]
    is_linux_only: bool = True


CHECKS = (
    Check("real-time priority", check_priority),
    Check("locked memory", check_locked_memory),
    Check("CPU frequency", check_governor),
    Check("CPU cores", check_cores, is_linux_only=False),
    Check("kernel", check_kernel),
    Check("swappiness", check_swap),
    Check("USB interfaces", check_usb),
    Check("PipeWire", check_pipewire),
    Check("JACK", check_jack),
    Check("PulseAudio", check_pulseaudio),
    Check("PortAudio", check_portaudio, is_linux_only=False),
    Check("sound device", check_device, is_linux_only=False),
    Check("compiled code", check_code_cache, is_linux_only=False),
)


def examine(machine: Machine) -> list[Finding]:
    """The findings of all checks that make sense on a machine, in order."""
    return [check.look(machine) for check in CHECKS if machine.platform == "linux" or not check.is_linux_only]


def name_left_out(machine: Machine) -> list[str]:
    """The checks that make no sense on a machine."""
    return [check.name for check in CHECKS if machine.platform != "linux" and check.is_linux_only]
