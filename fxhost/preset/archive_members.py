"""The three files of a preset beside its module: what the effect is, its weights, and its answers to the probe."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.errors import PresetError
from fxhost.networks.architecture import Architecture
from fxhost.networks.dense import NONE
from fxhost.networks.wavenet import WaveNet
from fxhost.preset.archive import FORMAT, MEMBER_LIMITS, MOST_PROBE_ERROR
from fxhost.preset.effect import Knob, Levels
from fxhost.version import __version__

PROBE_FRAMES = 2048
PROBE_HALVINGS = 8
PROBE_ERROR = 2e-6  # how far the network may be from itself in float64 on the probe

Play = Callable[[Float32Array, Float32Array, Float32Array], Float32Array]


@dataclass(frozen=True)
class Description:
    """What the maker says about an effect: name, rate, knobs, levels, author, licence, training.

    Attributes
    ----------
    name, author, licence : str
    sample_rate : int
        In Hz.
    knobs : sequence of Knob
    levels : Levels
    training : mapping
        The record of the training; whatever JSON can hold.
    capture : mapping, optional
        What another program's file, which this was, told about itself.
    """

    name: str
    sample_rate: int
    knobs: Sequence[Knob] = ()
    levels: Levels = field(default_factory=Levels)
    author: str = ""
    licence: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    capture: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Answers:
    """The network's output for the probe, the riff and silence.

    Attributes
    ----------
    probe : dict
        As `Architecture.probe_shapes` lists it.
    probe_error : float
        How far float32 is from float64 on it.
    riff : float32 (frames,)
        The riff as it is heard, with the gains around the network.
    silence : float
        What comes out at rest.
    settled : bool
        Whether the network came to rest.
    """

    probe: Mapping[str, Float32Array]
    probe_error: float
    riff: Float32Array
    silence: float
    settled: bool = True


def compose_members(
    path: Path, architecture: Architecture, weights: Mapping[str, Float32Array], answers: Answers, what: Description
) -> dict[str, bytes]:
    """The three files by their names.

    Parameters
    ----------
    path : Path
        For the message of an error.
    architecture : Architecture
    weights : mapping
        As `Architecture.weight_shapes` lists them.
    answers : Answers
    what : Description

    Raises
    ------
    PresetError
        If one of them is longer than a reader takes.
    """
    metadata = {
        "format": FORMAT,
        "format_version": oldest_version(architecture, what.levels),
        "name": what.name,
        "architecture": architecture.as_dict(),
        "sample_rate": what.sample_rate,
        "knobs": [{"name": knob.name, "default": knob.default} for knob in what.knobs],
        "levels": asdict(what.levels),
        "loudness_db": float(10 * np.log10(np.mean(answers.riff.astype(np.float64) ** 2) + 1e-12)),
        "silence": {"settled": answers.settled, "output": answers.silence},
        "probe_frames": PROBE_FRAMES,
        "probe_error": answers.probe_error,
        "author": what.author,
        "licence": what.licence,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fxhost_version": __version__,
        "training": dict(what.training),
    }
    if what.capture is not None:
        metadata["capture"] = dict(what.capture)
    members = {
        "fxhost.json": json.dumps(metadata, indent=1, allow_nan=False).encode(),
        "weights.npz": _npz({key: weights[key] for key in architecture.weight_shapes()}),
        "probe.npz": _npz({key: answers.probe[key] for key in architecture.probe_shapes(PROBE_FRAMES)}),
    }
    for name, content in members.items():
        if len(content) > MEMBER_LIMITS[name]:
            raise PresetError(
                f"cannot write {path}: {name} of this network has {len(content)} bytes, at most {MEMBER_LIMITS[name]} "
                "are allowed"
            )
    return members


def oldest_version(architecture: Architecture, levels: Levels) -> int:
    """The lowest version of the format that can hold a preset."""
    if isinstance(architecture, WaveNet):
        return 3 if architecture.is_newer else 2
    if architecture.dense != NONE or architecture.layers > 3 or architecture.hidden_size > 128:
        return 3
    return 1 if architecture.cell == "lstm" and not levels.has_gains else 2


def choose_probe(
    architecture: Architecture, weights: Mapping[str, Float32Array], play: Play, play_exactly: Play
) -> tuple[dict[str, Float32Array], float]:
    """The probe: a loud fixed input, and the network's output from its settled state and from a state far from it.

    Some networks are chaotic when they are driven harder than anything they were trained on, and then two engines part
    ways from the smallest difference in rounding. The probe is made softer by halves until the network agrees with
    itself in float64, so that it tells a wrong engine from a right one. Captures of high-gain amplifiers amplify
    rounding errors and never agree; for them the level with the smallest difference is taken.

    Parameters
    ----------
    architecture : Architecture
    weights : mapping
        As `Architecture.weight_shapes` lists them; of a WaveNet with the settled state `h0`, `c0` as well.
    play, play_exactly : callable
        The network's output from an input and a state, in float32 and in float64.

    Returns
    -------
    probe : dict
        As `Architecture.probe_shapes` lists it.
    error : float
        How far the network is from itself in float64 on it.

    Raises
    ------
    PresetError
        If what comes out is no number.
    """
    loudest, h, c = _draw_probe(architecture)
    probe, least = {}, np.inf
    for halvings in range(PROBE_HALVINGS):
        x = loudest.copy()
        x[:, 0] *= 0.5**halvings
        starts = (weights["h0"], weights["c0"]), (h, c)
        settled, from_state = (play(x, *start) for start in starts)
        truths = (play_exactly(x, *start) for start in starts)
        error = max(float(np.abs(out - truth).max()) for out, truth in zip((settled, from_state), truths, strict=True))
        if error < least:
            least = error
            probe = {"input": x, "output_settled": settled, "h": h, "c": c, "output_state": from_state}
        if error < PROBE_ERROR:
            break
    if not probe:
        raise PresetError("the network's output is not a number on the probe; nothing can be made of it")
    return probe, min(least, MOST_PROBE_ERROR)


def _draw_probe(architecture: Architecture) -> tuple[Float32Array, Float32Array, Float32Array]:
    """The loudest input of the probe, always the same (knobs stand still), and a state far from the settled one."""
    rng = np.random.default_rng(20240229)
    shape_h, shape_c = architecture.state_shapes
    n = np.arange(PROBE_FRAMES)
    chirp = np.sin(2 * np.pi * (n / 480 + (n / 160) ** 2))  # at 48 kHz from 100 Hz to 4 kHz in the first half
    audio = 0.9 * np.where(n < PROBE_FRAMES // 2, chirp, rng.uniform(-1.0, 1.0, PROBE_FRAMES))
    knobs = rng.uniform(0.0, 1.0, architecture.inputs - 1)
    h = rng.uniform(-0.9, 0.9, shape_h).astype(np.float32)
    c = rng.uniform(-1.5, 1.5, shape_c).astype(np.float32)
    return np.column_stack([audio, *(np.full(PROBE_FRAMES, knob) for knob in knobs)]).astype(np.float32), h, c


def _npz(arrays: Mapping[str, Float32Array]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{key: np.ascontiguousarray(value, "<f4") for key, value in arrays.items()})
    return file.getvalue()
