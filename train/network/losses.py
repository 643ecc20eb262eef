"""How far an effect is from the recording that it learns.

Conventions
-----------
`target` is the wet recording, `output` what the network made of the dry one. Sums run over all samples of all
sequences at once (pooled): a loud second weighs more than a quiet one, as it does to the ear.

Metrics
-------
* :func:`esr`: the error-to-signal ratio, Σ(y−ŷ)² / Σy², no pre-emphasis, float64. Every number that is printed or
  stored under that name is this one. 0 is perfect, 1 is what silence scores.

Losses
------
* :func:`training_loss`: mean squares of a window, weighted to be ESR and DC with or without pre-emphasis;
  differentiable, float32.

References
----------
.. [#] A. Wright, E.-P. Damskägg, L. Juvela, V. Välimäki, "Real-Time Guitar Amplifier Emulation with Deep Learning",
   Applied Sciences 10(3), 2020: ESR with pre-emphasis plus DC (eq. 10-13).
.. [#] A. Wright, V. Välimäki, "Perceptual Loss Function for Neural Modelling of Audio Systems", ICASSP 2020: the
   first-order pre-emphasis filter 1 − 0.85 z⁻¹ (eq. 4).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fxhost.errors import TrainingError
from train.pairs.source import audio_blocks

PRE_EMPHASIS = 0.85
BLOCK_FRAMES = 1 << 20


def check_shapes(target: NDArray[Any], output: NDArray[Any]) -> None:
    """Refuse arrays that no ratio can be formed of.

    Raises
    ------
    TrainingError
        If the shapes differ, or if `target` is silent or empty.
    """
    if target.shape != output.shape:
        raise TrainingError(f"the arrays differ in shape: got {output.shape}, expected {target.shape}; cut them alike")
    if not np.any(target):
        raise TrainingError(f"the target is silent in all {target.size} samples, expected a signal; record again")


def esr(target: NDArray[Any], output: NDArray[Any]) -> float:
    """The error-to-signal ratio Σ(y−ŷ)² / Σy², pooled, linear.

    Parameters
    ----------
    target, output : array (frames,) or any other shape, the same for both

    Returns
    -------
    float
        Computed in float64; 0 to infinity.

    Raises
    ------
    TrainingError
        As `check_shapes`.
    """
    check_shapes(target, output)
    y = target.astype(np.float64)
    return float(np.sum((y - output) ** 2) / np.sum(y**2))


def pre_emphasise(x: Tensor, coefficient: float = PRE_EMPHASIS) -> Tensor:
    """Filter with x[n] − coefficient·x[n−1], x[−1] = 0.

    Parameters
    ----------
    x : Tensor (sequences, frames)
    coefficient : float

    Returns
    -------
    Tensor (sequences, frames)
    """
    return torch.cat([x[:, :1], x[:, 1:] - coefficient * x[:, :-1]], dim=1)


@dataclass(frozen=True)
class LossWeights:
    """The weights of the mean squares in the loss.

    They divide by the mean squares of the whole training target, so that a window which happens to be silent neither
    divides by zero nor weighs more than it does in the pooled ESR.

    Attributes
    ----------
    plain, emphasised : float
        Of the error, and of the pre-emphasised error, over all samples.
    direct : float
        Of the mean error of a sequence in a window (DC), over the sequences.
    """

    plain: float
    emphasised: float
    direct: float


def weigh_losses(targets: Iterable[NDArray[np.float32]]) -> tuple[LossWeights, LossWeights]:
    """The weights that make a loss ESR + DC, without and with pre-emphasis.

    Parameters
    ----------
    targets : iterable of float32 (frames,)
        All that is trained on.

    Raises
    ------
    TrainingError
        If they are silent.
    """
    frames, plain, emphasised = 0, 0.0, 0.0
    for target in targets:
        for start, block in audio_blocks(target, BLOCK_FRAMES):  # a recording may be longer than memory
            y = block.astype(np.float64)
            frames += len(y)
            plain += float(y @ y)
            p = y - PRE_EMPHASIS * np.concatenate([target[start - 1 : start] if start else [0.0], y[:-1]])
            emphasised += float(p @ p)
    if not plain > 0.0:
        raise TrainingError("the part of the wet recording that is trained on is silent; record again")
    plain, emphasised = frames / plain, frames / emphasised
    return LossWeights(plain, 0.0, plain), LossWeights(0.0, emphasised, plain)


def training_loss(target: Tensor, output: Tensor, weights: LossWeights) -> Tensor:
    """The loss of one window: weighted mean squares.

    Parameters
    ----------
    target, output : Tensor (sequences, frames)
    weights : LossWeights
        From `weigh_losses`, of the whole training target.

    Returns
    -------
    Tensor ()

    Notes
    -----
    Wright et al. 2020, eq. 10–13, but for the denominators, which are constants (see `LossWeights`).
    """
    error = target - output
    loss = weights.plain * error.square().mean() + weights.direct * error.mean(dim=1).square().mean()
    if weights.emphasised:
        loss = loss + weights.emphasised * pre_emphasise(error).square().mean()
    return loss
