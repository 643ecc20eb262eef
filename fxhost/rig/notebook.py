"""What a notebook shows of an effect."""

import base64
import io
from collections.abc import Mapping
from html import escape

import soundfile

from fxhost.arrays import Float32Array


def format_page(name: str, facts: Mapping[str, str], audio: Float32Array, sample_rate: int) -> str:
    """HTML with a name, a table of facts, and a player.

    Parameters
    ----------
    name : str
    facts : mapping of str to str
        A row each.
    audio : float32 (frames,)
        What the player plays.
    sample_rate : int
        In Hz.
    """
    file = io.BytesIO()
    soundfile.write(file, audio, sample_rate, format="WAV", subtype="PCM_16")
    data = base64.b64encode(file.getvalue()).decode()
    rows = "".join(f"<tr><th>{escape(fact)}</th><td>{escape(value)}</td></tr>" for fact, value in facts.items())
    player = f'<audio controls src="data:audio/wav;base64,{data}"></audio>'
    return f"<div><b>{escape(name)}</b><table>{rows}</table>{player}</div>"
