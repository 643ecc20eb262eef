"""Commands as JSON, for whoever controls a rig from outside: `{"command": "toggle_slot", "slot": 0}`."""

from collections.abc import Callable
from typing import Any, get_args

from fxhost.control.commands import (
    ChooseScene,
    Command,
    Loop,
    LoopAction,
    Reset,
    ResetGains,
    SaveScene,
    SetBypass,
    SetGain,
    SetKnob,
    SetSlot,
    Side,
    StepGain,
    StepRig,
    StepScene,
    ToggleBypass,
    ToggleMute,
    TogglePlayAlong,
    ToggleSlot,
    ToggleTake,
    ToggleTuner,
)

MOST = 127  # of slots, knobs and scenes that can be named


def _whole(lowest: int, highest: int) -> Callable[[Any], int | None]:
    def check(value: Any) -> int | None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return value if is_whole and lowest <= value <= highest else None

    return check


def _number(lowest: float, highest: float) -> Callable[[Any], float | None]:
    def check(value: Any) -> float | None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number and lowest <= value <= highest else None

    return check


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _one_of(*words: str) -> Callable[[Any], str | None]:
    return lambda value: value if isinstance(value, str) and value in words else None


_side = _one_of(*get_args(Side))


# name → what it makes, and its fields in order with what checks them
TABLE: dict[str, tuple[Callable[..., Command], dict[str, Callable[[Any], Any]]]] = {
    "toggle_slot": (ToggleSlot, {"slot": _whole(0, MOST)}),
    "set_slot": (SetSlot, {"slot": _whole(0, MOST), "is_on": _flag}),
    "set_knob": (SetKnob, {"slot": _whole(0, MOST), "knob": _whole(0, MOST), "position": _number(0.0, 1.0)}),
    "choose_scene": (ChooseScene, {"scene": _whole(0, MOST)}),
    "step_scene": (StepScene, {"steps": _whole(-1, 1)}),
    "step_rig": (StepRig, {"steps": _whole(-1, 1)}),
    "set_gain": (SetGain, {"side": _side, "gain_db": _number(-40.0, 40.0)}),
    "step_gain": (StepGain, {"side": _side, "steps": _whole(-1, 1)}),
    "reset_gains": (ResetGains, {}),
    "set_bypass": (SetBypass, {"is_bypassed": _flag}),
    "toggle_bypass": (ToggleBypass, {}),
    "toggle_mute": (ToggleMute, {}),
    "toggle_tuner": (ToggleTuner, {}),
    "reset": (Reset, {}),
    "toggle_take": (ToggleTake, {}),
    "loop": (Loop, {"action": _one_of(*get_args(LoopAction))}),
    "toggle_play_along": (TogglePlayAlong, {}),
    "save": (SaveScene, {}),
}


def read_command(message: Any) -> Command | None:
    """The command of a message; None for what is none, or has a field that is missing, wrong or too much."""
    if not isinstance(message, dict) or not isinstance(name := message.get("command"), str) or name not in TABLE:
        return None
    make, fields = TABLE[name]
    if set(message) != {"command", *fields}:
        return None
    values = [check(message[field]) for field, check in fields.items()]
    return None if None in values else make(*values)
