"""The settled state of a slow recurrent network: the compiled engine plays silence until it rests; the result is kept.

What half a second of silence does not bring to rest may take many seconds more, and a note that comes before it clicks.
So up to 30 s are played, and the state is kept on disk beside the compiled code, so that it costs once.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.native import tuning_cache
from fxhost.preset.effect import Preset
from fxhost.preset.network_stage import compiled_stage
from fxhost.stages.recurrent.stage import RecurrentStage

LONGEST_S = 30.0
LOOK_S = 0.5
STILL = 1e-6  # of a state within ±1, from one look to the next: what float32 can tell
MOST = 1e6  # of a state that is kept


def find_settled_state(preset: Preset) -> Preset:
    """The preset in its settled state: after silence until it rests, 30 s at most, with its knobs where they are.

    Parameters
    ----------
    preset : Preset
        A recurrent network in any state.

    Returns
    -------
    Preset
        It is not settled where it was still moving at the end.
    """
    key = f"rest {_digest(preset)}"
    found = _recalled(preset, tuning_cache.recall(key))
    if found is None:
        tuning_cache.forget(key)
        found = _play_silence(preset)
        state = (found.weights[name] for name in ("h0", "c0"))
        h, c = (base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode() for array in state)
        tuning_cache.keep(key, {"h": h, "c": c, "output": found.silent_output, "settled": found.is_settled})
    return found


def _digest(preset: Preset) -> str:
    digest = hashlib.sha256(repr((preset.sample_rate, preset.architecture, preset.knobs)).encode())
    for name in sorted(preset.weights):
        digest.update(preset.weights[name].tobytes())
    return digest.hexdigest()


def _recalled(preset: Preset, entry: dict[str, Any] | None) -> Preset | None:
    """The preset in the state that was kept, or None where there is none or it is damaged."""
    if entry is None or not isinstance(output := entry.get("output"), float) or not abs(output) <= MOST:
        return None
    state = []
    for name in ("h", "c"):
        try:
            array = np.frombuffer(base64.b64decode(entry.get(name, ""), validate=True), "<f4")
        except (TypeError, ValueError, binascii.Error):
            return None
        if array.size != preset.weights["h0"].size or not np.all(np.abs(array) <= MOST):
            return None
        state.append(array.astype(np.float32).reshape(preset.weights["h0"].shape))
    return _at(preset, state, output, entry.get("settled") is True)


def _play_silence(preset: Preset) -> Preset:
    stage = compiled_stage(preset)
    frames = round(LOOK_S * preset.sample_rate) + 7  # so that no cycle of a round length seems to stand still
    settled, before, audio = False, read_state(stage, preset), np.zeros(0, np.float32)
    for _ in range(round(LONGEST_S / LOOK_S)):
        audio = np.zeros(frames, np.float32)
        stage.process(audio)
        after = read_state(stage, preset)
        scale = max(1.0, float(np.abs(after[1]).max()), float(np.abs(audio).max()))
        moved = max(float(np.abs(new - old).max()) for new, old in zip(after, before, strict=True))
        before = after
        if max(moved, float(np.ptp(audio))) < STILL * scale:
            settled = True
            break
    return _at(preset, before, float(audio[-1]), settled)


def read_state(stage: RecurrentStage, preset: Preset) -> list[Float32Array]:
    """The state h, c of a stage now, float32 (layers, hidden) each."""
    layers, hidden = preset.weights["h0"].shape
    start, padded = stage.layout.offsets(), stage.layout.padded
    return [
        stage.memory[start[name] :][: layers * padded].reshape(layers, padded)[:, :hidden].copy() for name in ("h", "c")
    ]


def _at(preset: Preset, state: Sequence[Float32Array], output: float, settled: bool) -> Preset:
    for array in state:
        array.setflags(write=False)
    weights = {**preset.weights, "h0": state[0], "c0": state[1]}
    return replace(preset, weights=weights, silent_output=output, is_settled=settled)
