"""How far a network's light is from the truth, as the tables measure it (`hdrcli.training.single_metrics`), in torch.

What is reported is what is trained for: one gain is fitted to the unclipped pixels of each picture, as nobody knows the
camera's exposure; then errors in stops over both kinds of pixels, and both signal-to-noise ratios. Each picture counts
by ratios of its own errors, so that hard ones do not drown the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hdrcli.expand.features import FLOOR
from hdrcli.training.metrics import MU, PU21
from hdrcli.training.single_metrics import CLIP_CD_M2, LARGEST_CD_M2

_SMALL = 1e-5
"""Added to mean squares, so that perfect parts do not pull without end."""


@dataclass(frozen=True)
class Weights:
    """Of the parts of the loss.

    Attributes
    ----------
    unclipped, clipped : float
        Of the RMS errors in stops.
    decibels : float
        Of each signal-to-noise ratio, in units of 4.3 dB.
    level : float
        Of the gain, in stops: scale 1.0 is the clip of the input.
    """

    unclipped: float = 4.0
    clipped: float = 0.6
    decibels: float = 0.25
    level: float = 0.1


def picture_loss(answer: Tensor, truth: Tensor, *, percentile: Tensor, lit: Tensor, weights: Weights) -> Tensor:
    """Return the mean loss of pictures.

    Parameters
    ----------
    answer, truth : Tensor (N, 3, H, W)
        Stops over the floor, 0 = clip of the input.
    percentile : Tensor (N,)
        The 99th of the true light; one below the floor counts as the floor.
    lit : Tensor (N,)
        1 where clipped pixels have a truth; 0 where only unclipped ones count.
    weights : Weights
    """
    clipped = (truth.amax(dim=1, keepdim=True) >= 0).float()
    unclipped = 1 - clipped
    light = (torch.exp2(answer) - float(FLOOR)).clamp_min(0)
    gain = -_mean((answer - truth), unclipped)
    fitted = light * torch.exp2(gain)[:, None, None, None]
    stops = torch.log2(fitted + float(FLOOR))
    true = torch.exp2(truth) - float(FLOOR)
    square = (stops - truth).square()
    unclipped_rms, clipped_rms = ((_mean(square, where) + _SMALL).sqrt() for where in (unclipped, clipped))
    inside = lit * weights.clipped * clipped_rms
    for shown in (_mu_law(fitted, percentile) - _mu_law(true, percentile), _pu21(fitted) - _pu21(true)):
        # Pictures without truth above the clip count where they have one.
        where = torch.maximum(unclipped, lit[:, None, None, None])
        inside = inside + weights.decibels * (_mean(shown.square(), where) + _SMALL).log()
    return (weights.unclipped * unclipped_rms + inside + weights.level * gain.abs()).mean()


def _mean(x: Tensor, where: Tensor) -> Tensor:
    """Return the mean of each picture (N, 3, H, W) over places (N, 1, H, W); 0 where there are none."""
    return (x * where).sum(dim=(1, 2, 3)) / (3 * where.sum(dim=(1, 2, 3))).clamp_min(1)


def _mu_law(light: Tensor, percentile: Tensor) -> Tensor:
    bounded = torch.tanh(light / percentile.clamp_min(float(FLOOR))[:, None, None, None])
    return torch.log1p(MU * bounded) / math.log1p(MU)


def _pu21(light: Tensor) -> Tensor:
    """Return the PU21 values of `single_metrics.pu21_psnr` over their peak."""
    p = PU21
    y = (light * CLIP_CD_M2).clamp(0.005, LARGEST_CD_M2) ** p[3]
    return (p[6] * (((p[0] + p[1] * y) / (1 + p[2] * y)) ** p[4] - p[5])).clamp_min(0) / 256
