"""Audio as the network takes it: batches of segments for training, whole stretches for evaluation."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from fxhost.errors import TrainingError
from fxhost.preset import Float32Array
from fxhost.stages.lstm import Lstm
from fxhost.torchscript import EffectLSTM, named_weights
from train.losses import Scale, esr, measure_scale
from train.pair import Stretch, cut_warmed
from train.settings import Settings

EVALUATION_WARM_UP_S = 1.0


def place_segments(stretches: Sequence[Stretch], segment_frames: int) -> list[int]:
    """The first frame of each segment, so that the segments lie inside the stretches and cover every frame of them.

    The last segment of a stretch that the length does not divide overlaps the one before.

    Raises
    ------
    TrainingError
        If no stretch is as long as a segment.
    """
    starts = []
    for stretch in stretches:
        last = stretch.end - segment_frames
        if last >= stretch.start:
            starts += [*range(stretch.start, last, segment_frames), last]
    if not starts:
        raise TrainingError(
            f"segment_frames is {segment_frames}, longer than the training stretches of {len(stretches[0])} frames; "
            "record more or take shorter segments"
        )
    return starts


def draw_batches(
    dry: Float32Array, wet: Float32Array, starts: Sequence[int], settings: Settings, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Every segment once in each epoch, in random order, without end.

    Parameters
    ----------
    dry, wet : float32 (frames,)
    starts : sequence of int
        From `place_segments`.
    settings : Settings
    generator : torch.Generator
        The source of the order.

    Yields
    ------
    x : Tensor (batch, warm_up_frames + segment_frames, 1)
        Dry, with the audio before the segment in front. The last batch of an epoch may have fewer segments.
    y : Tensor (batch, segment_frames)
        Wet.
    ends_epoch : bool
    """
    frames, batch = settings.segment_frames, settings.batch
    while True:
        order = torch.randperm(len(starts), generator=generator).tolist()
        for first in range(0, len(order), batch):
            segments = [Stretch(starts[n], starts[n] + frames) for n in order[first : first + batch]]
            x = np.stack([cut_warmed(dry, segment, settings.warm_up_frames) for segment in segments])
            y = np.stack([wet[segment.start : segment.end] for segment in segments])
            yield torch.from_numpy(x)[..., None], torch.from_numpy(y), first + batch >= len(order)


def zero_state(model: EffectLSTM, batch: int) -> tuple[Tensor, Tensor]:
    """The state h, c of silence, (layers, batch, hidden) each, where the model lives."""
    state = torch.zeros(model.lstm.num_layers, batch, model.lstm.hidden_size, device=model.head.weight.device)
    return state, state


def play_stretches(
    model: EffectLSTM, dry: Float32Array, stretches: Sequence[Stretch], warm_up_frames: int
) -> list[Float32Array]:
    """What the compiled engine makes of each stretch with the model's weights, from the state of no sound.

    Parameters
    ----------
    model : EffectLSTM
        With one input.
    dry : float32 (frames,)
        The whole recording.
    stretches : sequence of Stretch
    warm_up_frames : int
        Audio before each stretch that sets the state and is not returned.

    Returns
    -------
    list of float32 (frames of the stretch,)
        All of its samples, the state carried from the first to the last.
    """
    stage = compile_model(model)
    played = []
    for stretch in stretches:
        audio = np.array(cut_warmed(dry, stretch, warm_up_frames), np.float32)
        stage.reset()
        stage.process(audio)
        played.append(audio[warm_up_frames:])
    return played


def compile_model(model: EffectLSTM) -> Lstm:
    """The compiled network with a model's weights as they are now."""
    lstm = model.lstm
    state = np.zeros((lstm.num_layers, lstm.hidden_size), np.float32)
    return Lstm(
        {**named_weights(model), "h0": state, "c0": state},
        layers=lstm.num_layers,
        hidden_size=lstm.hidden_size,
        inputs=lstm.input_size,
        residual=bool(model.residual),
        sample_rate=1,  # of no consequence without knobs
    )


def measure_esr(
    model: EffectLSTM, dry: Float32Array, wet: Float32Array, stretches: Sequence[Stretch], sample_rate: int
) -> float:
    """The ESR of the model on stretches of a recording, pooled over all their samples."""
    played = play_stretches(model, dry, stretches, int(EVALUATION_WARM_UP_S * sample_rate))
    target = np.concatenate([wet[stretch.start : stretch.end] for stretch in stretches])
    return esr(target, np.concatenate(played))


def measure_training_scale(wet: Float32Array, stretches: Sequence[Stretch]) -> Scale:
    """The `Scale` of the wet side of the training stretches, for the loss."""
    target = np.concatenate([wet[stretch.start : stretch.end] for stretch in stretches])
    return measure_scale(torch.from_numpy(target)[None])
