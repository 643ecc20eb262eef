"""The looper against a plain model that keeps every overdub by itself, in blocks of any size, and at its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from fxhost.arrays import Float32Array, Float64Array
from fxhost.stages.base import PLANE
from fxhost.stages.looper.kernel import COMMANDS, OVERDUBS
from fxhost.stages.looper.stage import FADE_MS, SHORTEST_MS, Looper
from tests.conftest import RATE

FADE = round(FADE_MS * 1e-3 * RATE)
SHORTEST = round(SHORTEST_MS * 1e-3 * RATE)
LOOP = 7001  # frames of the loops here
Script = Mapping[int, Sequence[str]]  # what is given at which frame


def play(looper: Looper, audio: Float32Array, script: Script, size: int = 509) -> Float32Array:
    """What comes out, (frames, 2); a block begins at each frame of the script."""
    out = np.empty((len(audio), 2), np.float32)
    block = np.zeros((2, PLANE), np.float32)
    ends = sorted({*range(0, len(audio), size), *script, len(audio)})
    for start, end in pairwise(ends):
        for action in script.get(start, ()):
            looper.give(action)
        for first in range(start, end, PLANE):  # as the callback cuts it
            last = min(end, first + PLANE)
            block[:, : last - first] = audio[first:last].T
            looper.process_at(block.ctypes.data, last - first)
            out[first:last] = block[:, : last - first].T
    return out


@dataclass
class Model:
    """A looper in float64 that keeps each overdub as a layer of its own; commands come when no fade is going on."""

    state: str = "empty"
    recorded: list[Float64Array] = field(default_factory=list)
    layers: list[Float64Array] = field(default_factory=list)  # (loop, 2) each
    undone: bool = False
    position: int = 0
    fades: dict[str, int] = field(default_factory=lambda: {"heard": 0, "dubbed": 0, "shown": FADE})
    seam: int = FADE

    def give(self, action: str) -> None:
        match self.state, action:
            case "empty", "record":
                self.state, self.recorded, self.layers, self.undone = "recording", [], [], False
                self.fades = {"heard": 0, "dubbed": 0, "shown": FADE}
            case "empty", "undo" if self.layers:
                self.state = "stopped"
            case "recording", "record" | "play" if len(self.recorded) < SHORTEST:
                self.state = "empty"
            case "recording", "record" | "play":
                self.state = "playing" if action == "record" else "stopped"
                self.layers, self.position, self.seam = [np.array(self.recorded)], 0, 0
                self.fades["heard"] = FADE if action == "record" else 0
            case "playing" | "stopped", "record":
                if self.undone:
                    self.layers.pop()
                self.state, self.undone = "overdubbing", False
                self.layers.append(np.zeros_like(self.layers[0]))
                self.fades["shown"] = FADE
            case "overdubbing", "record":
                self.state = "playing"
            case "stopped", "play":
                self.state = "playing"
            case "playing" | "overdubbing", "play":
                self.state = "stopped"
            case "overdubbing", "undo":
                self.state, self.undone = "playing", True
            case "playing" | "stopped", "undo" if len(self.layers) > 1:
                self.undone = not self.undone
            case _, "clear":
                self.state = "empty"

    def frame(self, x: Float64Array) -> Float64Array:
        plays = self.state in ("playing", "overdubbing")
        rising = {"heard": plays, "dubbed": self.state == "overdubbing", "shown": not self.undone}
        for name, rises in rising.items():
            self.fades[name] = min(FADE, max(0, self.fades[name] + (1 if rises else -1)))
        heard, dubbed, shown = (self.fades[name] / FADE for name in ("heard", "dubbed", "shown"))
        out = x.copy()
        if self.state == "recording":
            self.recorded.append(x)
            return out
        moves = plays or heard > 0 or dubbed > 0
        if moves:
            first, *middle = [layer[self.position] for layer in self.layers]
            if self.position == self.seam:
                first = first * (self.seam / FADE)
            if middle:
                middle[-1] = middle[-1] * shown
            out += heard * (first + sum(middle))
            if len(self.layers) > 1:
                self.layers[-1][self.position] += dubbed * x
        if self.seam < FADE:
            rise = self.seam / FADE
            self.layers[0][self.seam] = rise * self.layers[0][self.seam] + (1 - rise) * x
            self.seam += 1
        self.position = (self.position + 1) % len(self.layers[0]) if moves else 0
        return out


def play_model(audio: Float32Array, script: Script) -> Float64Array:
    model, out = Model(), []
    for n, x in enumerate(audio.astype(np.float64)):
        for action in script.get(n, ()):
            model.give(action)
        out.append(model.frame(x))
    return np.array(out)


def stereo(guitar: Float32Array, frames: int) -> Float32Array:
    return np.stack([guitar[4 * RATE : 4 * RATE + frames], guitar[6 * RATE : 6 * RATE + frames]], axis=1) * np.float32(
        0.3
    )


# Overdubs that do and do not go all the way round, undone, brought back, and followed by others at once.
LONG: Script = {
    1000: ["record"],
    1000 + LOOP: ["record"],  # plays
    9000: ["record"],  # overdub 1, part of the way
    11_000: ["record"],
    11_500: ["undo"],
    12_000: ["record"],  # overdub 2 begins where overdub 1 is only partly dropped
    22_000: ["record"],
    22_500: ["undo"],
    23_000: ["undo"],
    23_500: ["record"],  # overdub 3 begins where overdub 2 stays
    25_000: ["undo"],  # while it is overdubbed
    26_000: ["record"],  # overdub 4
    27_000: ["record"],
    27_500: ["record"],  # overdub 5
    28_000: ["play"],  # stops
    30_000: ["undo"],
    30_500: ["play"],  # from the beginning
    33_000: ["record"],  # overdub 6
    40_000: ["clear"],
    41_000: ["undo"],  # a clear too
    42_000: ["record"],  # overdub 7, from where it had stopped
    44_000: ["play"],
    45_000: ["clear"],
    46_000: ["record"],
    50_000: ["play"],  # closes the loop and stops
    51_000: ["play"],
}


def test_it_does_what_a_plain_model_does(guitar: Float32Array) -> None:
    audio = stereo(guitar, 60_000)
    out = play(Looper(RATE, 2, 2.0), audio, LONG)
    assert np.abs(out - play_model(audio, LONG)).max() < 2e-6


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("size", [1, 3, 17, 64, 512, 4096, 60_000])
def test_blocks_of_any_size_give_the_same_samples_to_the_bit(size: int, channels: int, guitar: Float32Array) -> None:
    audio = stereo(guitar, 60_000)
    reference = play(Looper(RATE, channels, 2.0), audio, LONG)
    assert np.array_equal(play(Looper(RATE, channels, 2.0), audio, LONG, size), reference)


@pytest.mark.parametrize("seed", range(4))
def test_random_playing_follows_the_model(seed: int, guitar: Float32Array) -> None:
    rng = np.random.default_rng(seed)
    audio = stereo(guitar, 40_000)
    frames = np.cumsum(rng.integers(FADE + 1, 4000, 20))
    actions = rng.choice(["record", "play", "undo", "clear"], 20, p=[0.6, 0.12, 0.24, 0.04])
    script = {int(frame): [str(action)] for frame, action in zip(frames, actions, strict=True) if frame < len(audio)}
    out = play(Looper(RATE, 2, 2.0), audio, script)
    assert np.abs(out - play_model(audio, script)).max() < 1e-5


def test_a_mono_loop_is_heard_on_both_sides(guitar: Float32Array) -> None:
    audio = stereo(guitar, 30_000)
    out = play(Looper(RATE, 1, 2.0), audio, {0: ["record"], LOOP: ["record"]}) - audio
    middle = audio.mean(axis=1)[FADE:LOOP]
    for side in out[LOOP + FADE : 2 * LOOP].T:
        assert np.abs(side - middle).max() < 1e-6


def test_without_a_loop_nothing_changes(guitar: Float32Array) -> None:
    audio = stereo(guitar, 10_000)
    script: Script = {100: ["play"], 200: ["undo"], 300: ["clear"]}
    assert np.array_equal(play(Looper(RATE, 2, 1.0), audio, script), audio)


def largest_step(audio: Float32Array) -> float:
    return float(np.abs(np.diff(audio, axis=0)).max())


@pytest.mark.parametrize("frequency", [55.0, 440.0])
def test_no_seam_makes_a_step_that_the_signal_does_not(frequency: float) -> None:
    # at the end of the loop the tone is elsewhere in its period than at its beginning
    tone = 0.2 * np.sin(2 * np.pi * frequency * np.arange(60_000) / RATE + 1.0)
    audio = np.stack([tone, tone], axis=1).astype(np.float32)
    out = play(Looper(RATE, 2, 2.0), audio, LONG)
    voices = 5  # at most: what is played, the loop, and overdubs
    assert largest_step(out) < voices * (largest_step(audio) + 0.2 / FADE)
    without = play(Looper(RATE, 2, 2.0), audio, {0: ["record"], LOOP: ["record"]})
    assert largest_step(without) < 2 * largest_step(audio) + 0.2 / FADE


def test_a_full_memory_closes_the_loop_and_its_overdub_can_be_undone(guitar: Float32Array) -> None:
    audio = stereo(guitar, 60_000)
    looper = Looper(RATE, 2, 0.25)
    full = RATE // 4
    script: Script = {500: ["record"], 500 + full + 1000: ["record"], 500 + 3 * full: ["undo"]}
    out = play(looper, audio, script)
    closed = {500: ["record"], 500 + full: ["record"]} | {frame: script[frame] for frame in list(script)[1:]}
    assert np.array_equal(out, play(Looper(RATE, 2, 1.0), audio, closed))
    status = looper.status()
    assert (status.state, status.length_s, status.has_overdub, status.is_undone) == ("playing", 0.25, True, True)
    later = slice(500 + 3 * full + FADE + 1, None)
    once = play(Looper(RATE, 2, 0.25), audio, {500: ["record"]})
    assert np.array_equal(out[later], once[later])


def test_a_loop_that_is_too_short_is_none(guitar: Float32Array) -> None:
    audio = stereo(guitar, 10_000)
    looper = Looper(RATE, 2, 1.0)
    assert np.array_equal(play(looper, audio, {0: ["record"], SHORTEST - 1: ["record"]}), audio)
    assert looper.status().state == "empty"
    play(looper, audio, {0: ["record"], SHORTEST: ["record"]})
    assert looper.status().state == "playing"


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e30])
def test_what_is_no_signal_is_not_recorded(poison: float, guitar: Float32Array) -> None:
    audio = stereo(guitar, 40_000)
    audio[2000:12_000:100] = poison
    out = play(Looper(RATE, 2, 1.0), audio, {0: ["record"], LOOP: ["record"], LOOP + 100: ["record"]})
    assert np.isfinite(out[12_000:]).all()
    assert np.abs(out[12_000:]).max() < 3.0
    assert np.abs(out[-LOOP:] - audio[-LOOP:]).max() > 0.05  # it plays


def test_two_commands_for_one_block_both_count_and_wait_for_fades(guitar: Float32Array) -> None:
    audio = stereo(guitar, 40_000)
    together: Script = {
        0: ["record"],
        LOOP: ["record"],
        8000: ["record"],
        12_000: ["undo", "record"],
        20_000: ["clear", "record"],
    }
    apart: Script = {
        0: ["record"],
        LOOP: ["record"],
        8000: ["record"],
        12_000: ["undo"],
        12_000 + FADE: ["record"],
        20_000: ["clear"],
        20_000 + FADE: ["record"],
    }
    out = play(Looper(RATE, 2, 1.0), audio, together)
    assert np.array_equal(out, play(Looper(RATE, 2, 1.0), audio, apart))
    assert largest_step(out) < 4 * largest_step(audio)


def test_more_overdubs_than_can_be_told_apart_stay_heard() -> None:
    looper, rate = Looper(8000, 2, 1.0), 8000
    fade = round(FADE_MS * 1e-3 * rate)

    def hear(level: float, frames: int) -> Float32Array:
        block = np.full((2, PLANE), level, np.float32)
        looper.process_at(block.ctypes.data, frames)
        return block[:, :frames]

    looper.give("record")
    hear(0.25, 500)
    for _ in range(1 + 2 * (OVERDUBS + 10)):  # closes the loop; begins an overdub and ends it
        looper.give("record")
        hear(0.0, fade + 1)
    assert np.abs(hear(0.0, 500)).max() == pytest.approx(0.25, abs=1e-6)


def test_commands_that_nobody_takes_do_not_pile_up(guitar: Float32Array) -> None:
    looper = Looper(RATE, 2, 1.0)
    for _ in range(3 * COMMANDS):
        looper.give("clear")
    looper.give("record")  # is left out
    play(looper, stereo(guitar, 100), {})
    assert looper.status().state == "empty"
    play(looper, stereo(guitar, 100), {0: ["record"]})
    assert looper.status().state == "recording"


def test_the_level_glides(guitar: Float32Array) -> None:
    tone = 0.2 * np.sin(2 * np.pi * 110 * np.arange(60_000) / RATE)
    audio = np.stack([tone, tone], axis=1).astype(np.float32)
    looper = Looper(RATE, 2, 2.0)
    play(looper, audio[:LOOP], {0: ["record"]})
    silence = np.zeros((2 * LOOP, 2), np.float32)
    whole = play(looper, silence, {0: ["record"]})
    looper.memory["level_target"] = 0.1
    soft = play(looper, silence, {})
    assert np.abs(soft[LOOP:] - np.float32(0.1) * whole[LOOP:]).max() < 1e-6
    assert largest_step(soft) < 1.1 * largest_step(whole)
