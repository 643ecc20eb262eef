"""Signs that the effect of a pair is not constant over time or has a long memory: an echo, a reverberation, an
oscillator, a knob that was moved.

None of it stops a training, for the rest can still be learned; each is told before it begins.
"""

import math
from dataclasses import asdict
from typing import Any

from fxhost.arrays import Float32Array
from train.pairs.echo import LEAST_REVERB, find_echo, measure_reverb
from train.pairs.modulation import find_modulation
from train.pairs.moved import find_move


def find_unsteadiness(dry: Float32Array, wet: Float32Array, sample_rate: int) -> dict[str, Any]:
    """What a network of this kind cannot learn in two sides that are aligned: JSON-able.

    Parameters
    ----------
    dry, wet : float32 (frames,)
    sample_rate : int
        In Hz.

    Returns
    -------
    dict
        `echo` (`delay_s`, `gain`), `modulation` (`rate_hz`, `is_tremolo`), `move` (`db`, `at_s`), each None if there
        is none; `reverb`, the power of the tail over what is there by chance (see `train.pairs.echo.measure_reverb`).
    """
    echo = find_echo(dry, wet, sample_rate)
    modulation = find_modulation(dry, wet, sample_rate)
    move = find_move(dry, wet, sample_rate)
    return {
        "echo": None if echo is None else asdict(echo),
        "reverb": measure_reverb(dry, wet, sample_rate),
        "modulation": None if modulation is None else asdict(modulation),
        "move": None if move is None else asdict(move),
    }


def note_unsteadiness(findings: dict[str, Any]) -> list[str]:
    """The same for people, a line each."""
    notes = []
    if echo := findings["echo"]:
        level = f"{20 * math.log10(echo['gain']):.0f} dB"
        notes.append(
            f"the wet side repeats itself {1000 * echo['delay_s']:.0f} ms late (about {level}): no network of this "
            "kind remembers so long an echo; switch the delay effect off and record again"
        )
    elif findings["reverb"] > LEAST_REVERB:
        notes.append(
            "the wet side has a tail of reverberation, longer than a network of this kind remembers; switch the reverb "
            "off and record again"
        )
    if modulation := findings["modulation"]:
        what, name = (
            ("the level of the wet side moves", "tremolo")
            if modulation["is_tremolo"]
            else ("the wet side is modulated", "chorus, flanger, phaser or vibrato")
        )
        notes.append(
            f"{what} by itself {modulation['rate_hz']:.2f} times a second ({name}), whatever is played; no network "
            "learns that: switch it off and record again"
        )
    if move := findings["move"]:
        when = (
            "little by little from beginning to end" if move["at_s"] is None else f"from about {move['at_s']:.0f} s on"
        )
        notes.append(
            f"the same playing is {abs(move['db']):.1f} dB {'louder' if move['db'] > 0 else 'quieter'} on the wet side "
            f"{when}; let the device warm up and keep its knobs still"
        )
    return notes
