"""The level at which a network learns, whatever the level of the recordings.

Before a network sees it, audio is multiplied by two gains that bring what it hears and what it must put out to an RMS
that it learns well at. When it is measured or written, the gains are folded into its weights, so that it plays at the
level of the recordings. Where it learns only the difference from the dry signal, that difference is its target.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fxhost.errors import TrainingError
from fxhost.reference.torchscript import EffectLSTM
from train.network.losses import LossWeights
from train.pairs.source import audio_blocks
from train.pairs.stretch import Material

DRY_RMS = 0.2  # linear, of what the network hears
TARGET_RMS = 1.2  # of what it must put out
LEAST_DIFFERENCE = 1e-3  # of the wet RMS: a smaller difference is rounding and is not made louder
LARGEST_GAIN = 2e4  # of the dry side, whose weights a preset must hold
LOUDEST_DB = 80.0  # of the wet RMS: the same


@dataclass(frozen=True)
class Scale:
    """The gains between recordings and network, linear."""

    dry: float
    target: float
    residual: bool  # whether the target is the difference of wet and dry

    def apply(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """A batch as the network learns it.

        Parameters
        ----------
        x : Tensor (batch, warm-up + frames, 1)
            Dry.
        y : Tensor (batch, frames)
            Wet.

        Returns
        -------
        x, y : Tensor
            Of the same shapes.
        """
        if self.residual:
            y = y - x[:, x.shape[1] - y.shape[1] :, 0]
        return x * self.dry, y * self.target

    def weigh(self, weights: LossWeights) -> LossWeights:
        """The loss weights for scaled targets that give the same loss as these weights give for the wet recording."""
        power = self.target**2
        plain, emphasised, direct = (
            _round(each / power) for each in (weights.plain, weights.emphasised, weights.direct)
        )
        return LossWeights(plain, emphasised, direct)

    def fold(self, learned: EffectLSTM) -> EffectLSTM:
        """A network that plays at the level of the recordings, on the CPU, from one that learned at its own."""
        lstm = learned.lstm
        played = EffectLSTM(lstm.num_layers, lstm.hidden_size, 1, self.residual)
        played.load_state_dict(learned.state_dict())
        _multiply(played, self.dry, 1 / self.target)
        return played

    def unfold(self, played: EffectLSTM, learned: EffectLSTM) -> None:
        """Give a network that learns the weights of one that plays at the level of the recordings."""
        learned.load_state_dict(played.state_dict())
        _multiply(learned, 1 / self.dry, self.target)

    def as_dict(self) -> dict[str, float]:
        """As the record of a training tells it, in dB."""
        return {"dry_db": 20 * math.log10(self.dry), "target_db": 20 * math.log10(self.target)}


def choose_scale(material: Sequence[Material], *, residual: bool) -> Scale:
    """The gains for what is trained on.

    Parameters
    ----------
    material : sequence of Material
    residual : bool
        Whether the network learns only the difference from the dry signal.

    Raises
    ------
    TrainingError
        If the wet side is so loud that no preset could hold the weights.

    Notes
    -----
    A level that changes by a power of two changes the gain by the same power, to the bit: the network then learns from
    the same numbers.
    """
    dry, wet, difference = (_measure_rms(side) for side in (_dry(material), _wet(material), _difference(material)))
    target = max(difference, LEAST_DIFFERENCE * wet) if residual else wet
    if target and 20 * math.log10(target) > LOUDEST_DB:
        raise TrainingError(
            f"the wet recording is too loud: an RMS of {20 * math.log10(target):+.0f} dB of full scale, where "
            f"{LOUDEST_DB:+g} dB is the most; export it at a lower level"
        )
    dry_gain = min(DRY_RMS / dry, LARGEST_GAIN) if dry else 1.0
    return Scale(_round(dry_gain), _round(TARGET_RMS / target if target else 1.0), residual)


def _dry(material: Sequence[Material]) -> Iterable[Any]:
    return (block for part in material for s in part.stretches for _, block in audio_blocks(part.dry[s.start : s.end]))


def _wet(material: Sequence[Material]) -> Iterable[Any]:
    return (block for part in material for s in part.stretches for _, block in audio_blocks(part.wet[s.start : s.end]))


def _difference(material: Sequence[Material]) -> Iterable[Any]:
    return (wet - dry for dry, wet in zip(_dry(material), _wet(material), strict=True))


def _measure_rms(blocks: Iterable[Any]) -> float:
    frames, power = 0, 0.0
    for block in blocks:
        audio = np.asarray(block, np.float64)
        frames += len(audio)
        power += float(audio @ audio)
    return math.sqrt(power / frames)


def _round(number: float) -> float:
    """To 12 binary digits: sums of the same numbers may differ in their last ones."""
    mantissa, exponent = math.frexp(number)
    return math.ldexp(round(mantissa * 4096) / 4096, exponent)


def _multiply(model: EffectLSTM, dry: float, output: float) -> None:
    """Multiply the weights of the audio input, and what is put out."""
    with torch.no_grad():
        model.get_parameter("lstm.weight_ih_l0").mul_(dry)
        model.head.weight.mul_(output)
        model.head.bias.mul_(output)
