"""fxhost: a real-time host for learned audio effects.

The public names are listed in `__all__`. They are imported when they are first used, so that `import fxhost` is quick.
"""

from importlib import import_module

from fxhost.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fxhost.errors import (
        AudioError,
        DeviceError,
        DiskFullError,
        EngineError,
        FileError,
        FxhostError,
        PresetError,
        RigError,
        TrainingError,
    )
    from fxhost.io.devices import Device, devices
    from fxhost.live import Live, play
    from fxhost.rig.blend import Blend, Branch
    from fxhost.rig.effect import Effect, load
    from fxhost.rig.file import load_rig
    from fxhost.rig.impulse_response import Response
    from fxhost.rig.knobs import Knobs
    from fxhost.rig.parts import Cabinet, Gate, Tone, Volume
    from fxhost.rig.rig import Rig
    from fxhost.rig.stream import Stream
    from fxhost.training import Trained, train

_ERRORS = (
    *("AudioError", "DeviceError", "DiskFullError", "EngineError", "FileError", "FxhostError", "PresetError"),
    *("RigError", "TrainingError"),
)
_HOMES = {
    **dict.fromkeys(_ERRORS, "fxhost.errors"),
    **dict.fromkeys(("Device", "devices"), "fxhost.io.devices"),
    **dict.fromkeys(("Live", "play"), "fxhost.live"),
    **dict.fromkeys(("Blend", "Branch"), "fxhost.rig.blend"),
    **dict.fromkeys(("Effect", "load"), "fxhost.rig.effect"),
    "Knobs": "fxhost.rig.knobs",
    "load_rig": "fxhost.rig.file",
    "Response": "fxhost.rig.impulse_response",
    **dict.fromkeys(("Cabinet", "Gate", "Tone", "Volume"), "fxhost.rig.parts"),
    "Rig": "fxhost.rig.rig",
    "Stream": "fxhost.rig.stream",
    **dict.fromkeys(("Trained", "train"), "fxhost.training"),
}

__all__ = [
    "AudioError",
    "Blend",
    "Branch",
    "Cabinet",
    "Device",
    "DeviceError",
    "DiskFullError",
    "Effect",
    "EngineError",
    "FileError",
    "FxhostError",
    "Gate",
    "Knobs",
    "Live",
    "PresetError",
    "Response",
    "Rig",
    "RigError",
    "Stream",
    "Tone",
    "Trained",
    "TrainingError",
    "Volume",
    "__version__",
    "devices",
    "load",
    "load_rig",
    "play",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fxhost' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
