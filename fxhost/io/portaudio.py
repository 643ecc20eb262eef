"""The PortAudio library, through sounddevice: started when it is needed, stopped, and replaced when it hangs."""

import atexit
import ctypes
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fxhost.errors import DeviceError
from fxhost.io.jack_client import tell_portaudio_the_name, use_portaudio
from fxhost.io.time_limit import finishes

logger = logging.getLogger(__name__)

STOP_S = 2.0  # a sound server that has died can hold its client for ever
_copies: dict[int, str] = {}  # the file of the first library that was loaded, and of its copies


def import_sounddevice() -> Any:
    """The sounddevice module, which starts PortAudio.

    Raises
    ------
    DeviceError
        If there is no PortAudio library, with the way to install it.
    """
    try:
        with quiet_libraries():
            if "sounddevice" not in sys.modules or not sys.modules["sounddevice"]._initialized:
                tell_portaudio_the_name()
            import sounddevice

            if not sounddevice._initialized:  # it was stopped
                sounddevice._initialize()
    except OSError as err:
        mends = {"linux": "apt install libportaudio2", "darwin": "brew install portaudio"}
        mend = next((text for system, text in mends.items() if sys.platform.startswith(system)), "install PortAudio")
        raise DeviceError(f"no PortAudio library on this machine; {mend}") from err
    except Exception as err:
        if type(err).__name__ != "PortAudioError":
            raise
        raise DeviceError(f"PortAudio does not start: {err}; restart the sound system") from err
    return sounddevice


def stop_portaudio() -> bool:
    """Leave the sound servers; PortAudio starts anew, with the devices that there are then, when it is needed.

    Returns
    -------
    bool
        False where a server does not let go of us. Then PortAudio is of no more use in this process.
    """
    sounddevice = sys.modules.get("sounddevice")
    if sounddevice is None or not sounddevice._initialized:
        return True
    try:
        with quiet_libraries():
            if finishes(sounddevice._terminate, STOP_S):
                return True
    except sounddevice.PortAudioError as err:
        logger.info("PortAudio does not stop: %s", err)
    forget_portaudio()
    return False


def forget_portaudio() -> None:
    """Do not wait for PortAudio when the process ends: it would hang, or abort, on a dead server."""
    atexit.unregister(import_sounddevice()._exit_handler)


def renew_portaudio() -> bool:
    """Load a second copy of the PortAudio library, in place of one that hangs on a dead server; tell whether it worked.

    A library that is loaded from another file has memory of its own, so that nothing waits for the old one. Only Linux
    tells which file is loaded.
    """
    sounddevice: Any = sys.modules.get("sounddevice")
    if sounddevice is None or not sys.platform.startswith("linux"):
        return False
    atexit.unregister(sounddevice._exit_handler)
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
        loaded = next(line.split(maxsplit=5)[5] for line in maps if "libportaudio" in line)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / f"libportaudio-{len(_copies)}.so"
            shutil.copyfile(_copies.setdefault(0, loaded), copy)
            _copies[len(_copies)] = str(copy)
            sounddevice._lib = sounddevice._ffi.dlopen(str(copy))
            use_portaudio(ctypes.CDLL(str(copy)))
    except (OSError, StopIteration) as err:
        logger.info("PortAudio cannot be loaded once more: %s", err)
        return False
    sounddevice._initialized = 0
    tell_portaudio_the_name()
    return True


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what ALSA and JACK print to stderr, whether asked or not, off the user's screen."""
    try:
        saved = os.dup(2)
    except OSError:  # stderr is closed: nothing to keep off
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        sys.stderr.flush()
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
