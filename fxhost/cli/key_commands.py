"""The command of each key, and the texts about keys on the screen. A rig with scenes has them on 1 to 9."""

from fxhost.control.commands import (
    ChooseNextKnob,
    ChooseScene,
    Command,
    Loop,
    Quit,
    Reset,
    ResetGains,
    SaveScene,
    StepGain,
    StepKnob,
    StepRig,
    StepScene,
    ToggleBypass,
    ToggleMute,
    TogglePlayAlong,
    ToggleSlot,
    ToggleTake,
    ToggleTuner,
)

KEY_COMMANDS: dict[str, Command] = {
    "[": StepGain("input", -1),
    "]": StepGain("input", 1),
    "-": StepGain("output", -1),
    "+": StepGain("output", 1),
    "=": StepGain("output", 1),
    "0": ResetGains(),
    **{str(n + 1): ToggleSlot(n) for n in range(9)},
    "b": ToggleBypass(),
    "m": ToggleMute(),
    "t": ToggleTuner(),
    "r": Reset(),
    "R": ToggleTake(),
    "w": SaveScene(),
    "k": ChooseNextKnob(),
    ",": StepKnob(-1),
    ".": StepKnob(1),
    "n": StepScene(1),
    "p": StepScene(-1),
    " ": Loop("record"),
    "s": Loop("play"),
    "u": Loop("undo"),
    "c": Loop("clear"),
    "<": StepGain("loop", -1),
    ">": StepGain("loop", 1),
    "a": TogglePlayAlong(),
    "{": StepGain("play_along", -1),
    "}": StepGain("play_along", 1),
    "q": Quit(),
    "\x03": Quit(),
}
SCENE_COMMANDS: dict[str, Command] = {str(n + 1): ChooseScene(n) for n in range(9)}
RIG_COMMANDS: dict[str, Command] = {"n": StepRig(1), "p": StepRig(-1)}
KNOB_KEYS = ("k , . knob", "x its slot")
SCENE_KEYS = ("1-9 scenes", "n p next/previous")
RIG_KEYS = ("n p next/previous rig",)
LOOP_KEYS = ("space record/overdub", "s stop/play", "u undo", "c clear", "< > loop")
SONG_KEYS = ("a song", "{ } its level")
KEYS = (
    "[ ] in",
    "- + out",
    "0 reset gains",
    "1-9 on/off",
    "b all",
    "m mute",
    "t tuner",
    "r restart",
    "R record",
    "w save",
    "d details",
    "? help",
    "q quit",
)
SHORT_KEYS = ("[ ] in", "- + out", "b all", "m mute", "? help", "q quit")
FEW_KEYS = ("q quit", "b all", "m mute", "? help", "[ ] in", "- + out", *KNOB_KEYS)
NO_KEYS = "no other keys: nobody types into standard input"
HELP = (
    "[ ]    input gain down, up by 1 dB",
    "- +    output gain down, up by 1 dB",
    "0      both gains as at the start",
    "1-9    choose a scene; in a rig without scenes: switch a slot off or on",
    "n p    next and previous scene; in a set list or folder: rig",
    "b      bypass: hear the dry signal",
    "m      mute",
    "t      tuner: show the note, muted",
    "k      choose the next knob;  , .  turn it;  x  switch its slot off or on",
    "l      learn: the next MIDI controller that moves turns the chosen knob",
    "r      begin anew from silence",
    "R      record a take: output, input and all that is done; again to end it",
    "space  loop (--looper): record, play, overdub, play;  < >  its level",
    "s u c  loop: stop or play;  undo, and back;  clear",
    "a      song (--play-along): stop or play;  { }  its level",
    "w      write what was turned and switched into this scene of the rig file",
    "d      details: rates, load, priority",
    "?      this help, and back",
    "q      quit",
)
