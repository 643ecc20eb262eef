"""Audio as the network takes it: batches of segments for training, whole stretches for evaluation."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fxhost.arrays import Float32Array
from fxhost.preset.effect import Preset
from fxhost.reference.torchscript import EffectLSTM, named_weights
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from fxhost.stages.base import Stage
from fxhost.stages.recurrent.stage import RecurrentStage
from train.pairs.splits import cut_warmed
from train.pairs.stretch import Material, Stretch
from train.settings import Settings

EVALUATION_WARM_UP_S = 1.0
HEARD_WARM_UP_S = 8.0  # a DC blocker takes that long to find what it takes away
SHORTEST_SEGMENT = 8192  # frames, of a segment that is shortened because there is little to learn from
BLOCK_FRAMES = 1 << 18


class Feed:
    """Endless batches of segments; it can be put back to where it was.

    Parameters
    ----------
    material : sequence of Material
        What is trained on.
    settings : Settings
        Segments are shorter than asked for if a stretch is, or if there are fewer than a batch of them.
    generator : torch.Generator
        Of the places and the order of the segments.

    Attributes
    ----------
    segment_frames : int
    per_epoch : int
        Segments that are as long as the material together.
    """

    def __init__(self, material: Sequence[Material], settings: Settings, generator: torch.Generator) -> None:
        self.material = material
        self.settings = settings
        self.generator = generator
        lengths = [len(stretch) for part in material for stretch in part.stretches]
        fair = max(SHORTEST_SEGMENT, sum(lengths) // settings.batch)  # a batch with everything twice teaches no more
        frames = min(settings.segment_frames, fair, *lengths)
        if frames < settings.segment_frames:  # whole windows: a short one would be an update like any other
            frames -= frames % min(frames, settings.truncation_frames)
        self.segment_frames = frames
        self.per_epoch = len(self._place())
        self.queue: list[tuple[int, int]] = []  # recording and first frame of the segments to come

    def _place(self) -> list[tuple[int, int]]:
        """Segments that cover the material about once, at random places, in random order."""
        places = [
            (number, start)
            for number, part in enumerate(self.material)
            for stretch in part.stretches
            for start in place_segments(stretch, self.segment_frames, self.generator)
        ]
        return [places[n] for n in torch.randperm(len(places), generator=self.generator).tolist()]

    def draw(self) -> tuple[Tensor, Tensor]:
        """The next batch.

        Returns
        -------
        x : Tensor (batch, warm_up_frames + segment_frames, 1)
            Dry, with the audio before the segment in front.
        y : Tensor (batch, segment_frames)
            Wet.
        """
        while len(self.queue) < self.settings.batch:
            self.queue += self._place()
        drawn, self.queue = self.queue[: self.settings.batch], self.queue[self.settings.batch :]
        frames, warm_up = self.segment_frames, self.settings.warm_up_frames
        x = [cut_warmed(self.material[n].dry, Stretch(start, start + frames), warm_up) for n, start in drawn]
        y = [self.material[n].wet[start : start + frames] for n, start in drawn]
        return torch.from_numpy(np.stack(x))[..., None], torch.from_numpy(np.stack(y))

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {"queue": [list(place) for place in self.queue], "generator": self.generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where a feed of the same material was."""
        self.queue = [(number, start) for number, start in state["queue"]]
        self.generator.set_state(state["generator"])


def place_segments(stretch: Stretch, segment_frames: int, generator: torch.Generator) -> list[int]:
    """The first frames of as many segments as a stretch is long, inside it.

    They begin and end with the stretch and lie evenly between, each moved by up to half its length.
    """
    count = -(-len(stretch) // segment_frames)
    space = len(stretch) - segment_frames
    even = torch.arange(count, dtype=torch.float64) * (space / max(1, count - 1))
    moved = even + (torch.rand(count, dtype=torch.float64, generator=generator) - 0.5) * segment_frames
    return [stretch.start + int(start) for start in moved.clamp(0, space)]


def play_stretch(
    chain: Sequence[Stage], dry: Float32Array, stretch: Stretch, warm_up_frames: int
) -> Iterator[Float32Array]:
    """What a chain makes of a stretch, from the state of no sound, in blocks.

    Parameters
    ----------
    chain : sequence of Stage
        A network from `compile_model`, or all that stands behind a preset.
    dry : float32 (frames,)
        The whole recording.
    stretch : Stretch
    warm_up_frames : int
        Audio before the stretch that sets the state and is not returned.

    Yields
    ------
    float32 (frames of the block,)
        All samples of the stretch, one after the other.
    """
    warm_up = cut_warmed(dry, Stretch(stretch.start, stretch.start), warm_up_frames)
    for stage in chain:
        stage.reset()
        stage.process(warm_up)
    for start in range(stretch.start, stretch.end, BLOCK_FRAMES):
        block = np.array(dry[start : min(start + BLOCK_FRAMES, stretch.end)], np.float32)
        for stage in chain:
            stage.process(block)
        yield block


def compile_model(model: EffectLSTM) -> RecurrentStage:
    """The compiled network with a model's weights as they are now."""
    lstm = model.lstm
    state = np.zeros((lstm.num_layers, lstm.hidden_size), np.float32)
    return RecurrentStage(
        {**named_weights(model), "h0": state, "c0": state},
        layers=lstm.num_layers,
        hidden_size=lstm.hidden_size,
        inputs=lstm.input_size,
        residual=bool(model.residual),
        sample_rate=1,  # of no consequence without knobs
    )


def measure_esr(model: EffectLSTM, material: Sequence[Material], sample_rate: int, *, threads: int = 1) -> float:
    """The ESR of a model, pooled over all samples of all stretches.

    Parameters
    ----------
    model : EffectLSTM
        With one input. It is played by the compiled engine.
    material : sequence of Material
    sample_rate : int
        In Hz.
    threads : int
        How many stretches are played at once.

    Returns
    -------
    float
        As `train.network.losses.esr`; NaN or infinite if the model plays such numbers.
    """
    return _measure_error(lambda: [compile_model(model)], material, int(EVALUATION_WARM_UP_S * sample_rate), threads)


def measure_heard_esr(preset: Preset, material: Sequence[Material], *, threads: int = 1) -> float:
    """The ESR of a preset as the host plays it, with all that stands behind its network.

    Parameters
    ----------
    preset : Preset
    material : sequence of Material
        At the rate of the preset.
    threads : int
        How many stretches are played at once.

    Returns
    -------
    float
        Pooled over all samples of all stretches.
    """
    warm_up = int(HEARD_WARM_UP_S * preset.sample_rate)
    return _measure_error(lambda: build_chain(slots_at_own_rate([preset])), material, warm_up, threads)


def _measure_error(
    make_chain: Callable[[], Sequence[Stage]], material: Sequence[Material], warm_up_frames: int, threads: int
) -> float:
    """The pooled ESR of chains of one kind, one for each thread's turn."""

    def measure(job: tuple[Material, Stretch]) -> tuple[float, float]:
        part, stretch = job
        error, power, start = 0.0, 0.0, stretch.start
        for block in play_stretch(make_chain(), part.dry, stretch, warm_up_frames):
            target = part.wet[start : start + len(block)].astype(np.float64)
            error += float(np.sum((target - block) ** 2))
            power += float(np.sum(target**2))
            start += len(block)
        return error, power

    jobs = [(part, stretch) for part in material for stretch in part.stretches]
    with ThreadPoolExecutor(threads) as pool:
        errors, powers = zip(*pool.map(measure, jobs), strict=True)
    return float(sum(errors) / sum(powers))
