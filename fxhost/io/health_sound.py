"""The checks of what plays: PipeWire, JACK, PulseAudio, PortAudio, and whether there is a sound device at all."""

import re

from fxhost.io import jack
from fxhost.io.block_size import BLOCK_FRAMES
from fxhost.io.devices import PIPEWIRE_LATENCY
from fxhost.io.finding import Finding, Machine

LONG_FRAMES = 256  # of a block: longer ones are heard as a delay
STARVING_FRAMES = 1024  # blocks that are forced to this length starve what plays through ALSA
SHORT_FRAMES = 32  # shorter blocks leave no time for anything else
SETTING = re.compile(r"key:'([^']+)' value:'([^']*)'")
RULE_FILE = "~/.config/pipewire/pipewire.conf.d"


def check_pipewire(machine: Machine) -> Finding:
    """What blocks PipeWire plays in."""
    name = "PipeWire"
    if not _has_pipewire(machine):
        return Finding(name, "good", "does not run")
    settings = dict(SETTING.findall(machine.ask(["pw-metadata", "-n", "settings"]) or ""))
    if not settings:
        if machine.ask(["pw-metadata", "--version"]) is None:
            return Finding(name, "unknown", "runs, but there is no pw-metadata to ask it", "apt install pipewire-bin")
        advice = "systemctl --user restart pipewire wireplumber"
        return Finding(name, "bad", "runs, but does not answer", advice)

    def number(key: str) -> int:
        text = settings.get(f"clock.{key}", "")
        return int(text) if text.isdigit() else 0

    rate = number("force-rate") or number("rate") or 48_000
    forced, least = number("force-quantum"), number("min-quantum")
    if forced:
        text = f"every block is forced to {_describe_block(forced, rate)}"
        advice = "pw-metadata -n settings 0 clock.force-quantum 0"
        if forced >= STARVING_FRAMES:
            return Finding(name, "bad", text, advice)
        if problem := _find_problem(forced):
            return Finding(name, "warning", f"{text}, {problem}", advice)
        return Finding(name, "good", text)
    if wish := machine.environment.get(PIPEWIRE_LATENCY, ""):
        frames = int(wish.partition("/")[0]) if wish.partition("/")[0].isdigit() else 0
        text = f"{PIPEWIRE_LATENCY}={wish} stands in the environment and goes before --block-frames"
        if not frames or _find_problem(frames):
            return Finding(name, "warning", text, f"unset {PIPEWIRE_LATENCY}, or set it to {BLOCK_FRAMES}/{rate}")
        return Finding(name, "good", text)
    if least > BLOCK_FRAMES:
        advice = f"pw-metadata -n settings 0 clock.min-quantum {SHORT_FRAMES}; for ever: default.clock.min-quantum = "
        advice += f"{SHORT_FRAMES} in a file in {RULE_FILE}"
        text = f"the shortest block is {_describe_block(least, rate)}; fxhost asks for {BLOCK_FRAMES}"
        return Finding(name, "warning", text, advice)
    usual = number("quantum")
    text = f"runs at {rate} Hz in blocks of {usual or 'unknown'} frames; fxhost asks for {BLOCK_FRAMES}"
    return Finding(name, "good", text)


def _has_pipewire(machine: Machine) -> bool:
    """Whether the socket of this user's PipeWire is there."""
    environment = machine.environment
    folder = environment.get("PIPEWIRE_RUNTIME_DIR") or environment.get("XDG_RUNTIME_DIR")
    remote = environment.get("PIPEWIRE_REMOTE") or "pipewire-0"
    return folder is not None and machine.path(f"{folder}/{remote}").exists()


def _describe_block(frames: int, rate: int) -> str:
    return f"{frames} frames ({1000 * frames / rate:.1f} ms at {rate} Hz)"


def _find_problem(frames: int) -> str:
    """What is wrong with a block of so many frames, as the end of a sentence; empty where nothing is."""
    if frames > LONG_FRAMES:
        return "which is heard as a delay"
    if frames < SHORT_FRAMES:
        return "which leaves hardly a machine enough time"
    return "" if frames & (frames - 1) == 0 else "which is not a power of two, and uneven for most interfaces"


def check_jack(machine: Machine) -> Finding:
    """What blocks a JACK server plays in, and whether it has a real-time priority."""
    name = "JACK"
    server, processes = machine.ask_jack(), machine.find_processes("jackd")
    if server is None:
        if not processes:
            return Finding(name, "good", "no server runs")
        advice = "start fxhost as the user who started it, with the same JACK_DEFAULT_SERVER, or restart it"
        return Finding(name, "bad", "jackd runs, but does not answer this user", advice)
    block = _describe_block(server.period_frames, server.sample_rate)
    if server.is_pipewire:
        return Finding(name, "good", f"PipeWire plays what speaks JACK, in blocks of {block} now")
    for process in processes:
        words = (machine.read(f"{process}/cmdline") or "").split("\0")
        options = words[: words.index("-d")] if "-d" in words else words
        if "-r" in options or "--no-realtime" in options:
            return Finding(name, "bad", f"plays blocks of {block} without a real-time priority", "start jackd with -R")
    text = f"plays blocks of {block}"
    if problem := _find_problem(server.period_frames):
        return Finding(name, "warning", f"{text}, {problem}", "start it with -p 128, in QjackCtl: Frames/Period 128")
    return Finding(name, "good", text)


def check_pulseaudio(machine: Machine) -> Finding:
    """Whether PulseAudio stands between the programs and the devices."""
    name = "PulseAudio"
    if not machine.find("proc/[0-9]*/comm"):
        return Finding(name, "unknown", "the system does not tell what runs")
    if machine.find_processes("pulseaudio"):
        advice = "choose the interface by its name (--device, see `fxhost devices`), or pasuspender -- fxhost run …"
        return Finding(
            name, "warning", "runs, and holds the devices: through it sound comes 20 ms late or more", advice
        )
    if machine.find_processes("pipewire-pulse"):
        return Finding(name, "good", "PipeWire stands in for it")
    return Finding(name, "good", "does not run")


def check_portaudio(machine: Machine) -> Finding:
    """Whether PortAudio is there, and what it reaches."""
    name = "PortAudio"
    portaudio = machine.ask_portaudio()
    if portaudio.failure:
        text, _, advice = portaudio.failure.partition("; ")
        return Finding(name, "bad", text, advice)
    text = f"{portaudio.version} with {', '.join(portaudio.host_apis) or 'no host API'}"
    if not portaudio.host_apis:
        return Finding(name, "bad", text, "install a PortAudio that is built for this system")
    if machine.platform == "linux" and jack.HOST_API not in portaudio.host_apis and machine.ask_jack() is not None:
        advice = "install a PortAudio that is built with JACK, such as the package libportaudio2 of Debian"
        return Finding(name, "warning", f"{text}; it does not reach the JACK server that runs", advice)
    return Finding(name, "good", text)


def check_device(machine: Machine) -> Finding:
    """Whether there is something to play on, and which `fxhost run` takes."""
    name = "sound device"
    portaudio = machine.ask_portaudio()
    if portaudio.failure:
        return Finding(name, "unknown", "PortAudio lists the devices, and it does not start")
    source, target = portaudio.input_device, portaudio.output_device
    if target is None:
        cards = [line for line in (machine.read("proc/asound/cards") or "").splitlines() if "]:" in line]
        if cards:
            card = cards[0].partition("]:")[2].strip()
            text = f"none that may be used, though ALSA knows {card}"
            return Finding(name, "bad", text, "close what plays on it; sudo usermod -aG audio $USER, and a new login")
        text = "none: `fxhost run` plays the virtual device, which nobody hears"
        return Finding(name, "bad", text, "plug in an interface, or start the sound server")
    if source is None:
        advice = "plug in an interface with an input, or play a recording (--input-file)"
        return Finding(name, "warning", f"{target} plays, but there is no input", advice)
    if source.name != target.name and target.host_api == source.host_api == "ALSA":
        advice = "choose one interface for both with --device"
        text = f"from {source} to {target}: two devices have two clocks, which drift apart until a block is missing"
        return Finding(name, "warning", text, advice)
    return Finding(name, "good", f"from {source} to {target}" if source != target else f"{target}")
