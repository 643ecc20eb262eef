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
* :func:`training_loss`: ESR and DC, with or without pre-emphasis, of a window; differentiable, float32.

References
----------
.. [#] A. Wright, E.-P. Damskägg, L. Juvela, V. Välimäki, "Real-Time Guitar Amplifier Emulation with Deep Learning",
   Applied Sciences 10(3), 2020: ESR with pre-emphasis plus DC (eq. 10-13).
.. [#] A. Wright, V. Välimäki, "Perceptual Loss Function for Neural Modelling of Audio Systems", ICASSP 2020: the
   first-order pre-emphasis filter 1 − 0.85 z⁻¹ (eq. 4).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fxhost.errors import TrainingError

PRE_EMPHASIS = 0.85


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
class Scale:
    """The mean squares of the training target, per sample: what makes a ratio of an error.

    They are those of the whole training stretch, so that a window which happens to be silent neither divides by zero
    nor weighs more than it does in the pooled ESR.
    """

    plain: float
    emphasised: float


def measure_scale(target: Tensor) -> Scale:
    """The `Scale` of a target `(sequences, frames)`.

    Raises
    ------
    TrainingError
        If `target` is silent.
    """
    plain, emphasised = target.square().mean().item(), pre_emphasise(target).square().mean().item()
    if not plain > 0.0:
        raise TrainingError("the part of the wet recording that is trained on is silent; record again")
    return Scale(plain, emphasised)


def training_loss(target: Tensor, output: Tensor, scale: Scale, *, emphasised: bool) -> Tensor:
    """ESR + DC of one window.

    Parameters
    ----------
    target, output : Tensor (sequences, frames)
    scale : Scale
        From `measure_scale`, of the whole training target.
    emphasised : bool
        Whether both are pre-emphasised before the ESR; the DC term never is.

    Returns
    -------
    Tensor ()

    Notes
    -----
    Wright et al. 2020, eq. 10–13, but for the denominators, which are constants (see `Scale`).
    """
    error = target - output
    direct = error.mean(dim=1).square().mean() / scale.plain
    if emphasised:
        return pre_emphasise(error).square().mean() / scale.emphasised + direct
    return error.square().mean() / scale.plain + direct
