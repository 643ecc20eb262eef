"""The row of keys at the end of the screen."""

from fxhost.cli.key_commands import (
    FEW_KEYS,
    KEYS,
    KNOB_KEYS,
    LOOP_KEYS,
    NO_KEYS,
    RIG_KEYS,
    SCENE_KEYS,
    SHORT_KEYS,
    SONG_KEYS,
)
from fxhost.cli.screen_details import labelled
from fxhost.cli.screen_rows import Row, shorten, wrap
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack


def key_row(rack: Rack, knobs: KnobBoard, width: int, scenes: int, rigs: int, *, has_keys: bool) -> Row:
    """The keys that mean something now.

    Parameters
    ----------
    rack : Rack
    knobs : KnobBoard
    width : int
        Of the window, in cells.
    scenes, rigs : int
        How many there are.
    has_keys : bool
        Whether there is a terminal to type in.
    """
    if not has_keys:
        return Row([labelled("keys", ["Ctrl-C quit", NO_KEYS], width), [shorten("Ctrl-C quit", width)]], [40, 25])
    turn = KNOB_KEYS if knobs.places else ()
    few = wrap([key for key in FEW_KEYS if key not in KNOB_KEYS or turn], width)[:1]
    more = RIG_KEYS if rigs > 1 else SCENE_KEYS[1:] if scenes > 1 else ()
    keys = [SCENE_KEYS[0] if key.startswith("1-9") and scenes > 1 else key for key in KEYS]
    beside = (*(LOOP_KEYS if rack.looper else ()), *(SONG_KEYS if rack.play_along else ()))
    long = wrap([*beside, *turn, *more, *keys], width)
    return Row([long, wrap([*beside[:2], *SHORT_KEYS, *turn], width), few], [55, 40, 25])
