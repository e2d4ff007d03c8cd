"""The ratio between two sets of rows, from the pixels alone.

Both sets are held against each other in many thousand small neighbourhoods: high = gain * low + offset. Both sides
carry noise, which would flatten an ordinary regression; the slope is therefore taken with an instrument (Reiersol
1941): the level of rows further away, whose noise is independent of both. Neighbourhoods on edges and textures disagree
at random and are weighted down by Tukey's biweight, whose scale is measured among neighbourhoods of like level and like
unevenness.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hdrcli.dualiso.pairs import Pairs
from hdrcli.images import FloatArray

_BISQUARE = 4.685  # Tukey's constant: 95 % of the efficiency of least squares on normal errors
_MAD_TO_SIGMA = 1.4826
_ROUNDS = 6
_SHARED = 6.0  # variance of the fit against that of independent pairs: each row serves in several (measured)
_SPARSE = 6.0  # and how much more where few rows are compared, which biases (measured)
_HALFWAY = 0.9  # of the ceiling, for the mean of what both sets say
FEWEST = 24


@dataclass(frozen=True)
class RowRatio:
    """The line high = gain * low + offset, in counts above the stated black, and how far to trust it.

    Attributes
    ----------
    gain, offset : float
    gain_error, offset_error : float
        Standard errors; infinite where nothing could be measured.
    informative : int
        Neighbourhoods bright enough to tell this gain from a gain of one.
    agreement : float
        Share of these that are nearer to this gain than to one, 0 to 1.
    usable : int
        Neighbourhoods that clip in neither set.
    """

    gain: float
    offset: float
    gain_error: float
    offset_error: float
    informative: int
    agreement: float
    usable: int


def rough_ratio(pairs: Pairs, *, sigma: float) -> float:
    """Return roughly how many times brighter set `b` is than set `a`; 1.0 where nothing can be said.

    Parameters
    ----------
    pairs : Pairs
    sigma : float
        Uncertainty of the black levels, in counts.
    """
    if pairs.a.size == 0:
        return 1.0
    level = np.maximum((pairs.level_a + pairs.level_b) / 2, 0)
    noise = _MAD_TO_SIGMA * np.median(np.abs(pairs.b - pairs.level_b)) + sigma
    weight = level / (noise**2 + (0.3 * level) ** 2)
    ratio = 1.0
    for _ in range(_ROUNDS):
        a, b = float((weight * pairs.a).sum()), float((weight * pairs.b).sum())
        if a <= 0 or b <= 0:
            return 1.0
        ratio = b / a
        miss = (pairs.b - ratio * pairs.a) / ((1 + ratio) * (noise + 0.3 * level))
        weight = level / (noise**2 + (0.3 * level) ** 2) / (1 + miss**2)
    return ratio


def fit_ratio(pairs: Pairs, *, gain: float, sigma: float, fixed: bool = False) -> RowRatio:
    """Fit high = gain * low + offset.

    Parameters
    ----------
    pairs : Pairs
        Oriented so that `a` is the darker set.
    gain : float
        Where to start; what to keep, where `fixed`.
    sigma : float
        Standard deviation of `offset` as far as it is known beforehand (with mean 0), in counts.
    fixed : bool
        The gain is known; only the offset is sought.

    Returns
    -------
    RowRatio
    """
    pairs = _clipped_in_neither(pairs, gain)
    n = pairs.a.size
    if n < FEWEST:
        return RowRatio(gain, 0.0, np.inf, np.inf, 0, 0.0, n)
    low, high = pairs.a.astype(np.float64), pairs.b.astype(np.float64)
    offset = 0.0
    order, bounds, scale = np.arange(n), np.array([0, n]), np.ones(n)
    for step in range(_ROUNDS):
        level = (pairs.level_a + pairs.level_b).astype(np.float64) / (1 + gain)
        if step in (0, 2):
            order, bounds = _alike(level, pairs.step_b)
        miss = high - gain * low - offset
        if step < _ROUNDS - 2:  # settled by then
            scale = _scale(miss, order, bounds, least=0.3 * (1 + gain) / np.sqrt(pairs.samples))
        weight = np.maximum(1 - (miss / (_BISQUARE * scale)) ** 2, 0) ** 2 / scale**2
        # Instruments: the level and a constant. The last term is the prior on the offset.
        wz = weight * level
        normal = np.array([[_dot(wz, low), wz.sum()], [_dot(weight, low), weight.sum() + sigma**-2]])
        if not np.linalg.cond(normal) < 1e12:
            return RowRatio(gain, 0.0, np.inf, np.inf, 0, 0.0, n)
        inverse = np.linalg.inv(normal)
        if fixed:
            offset = float(_dot(weight, high - gain * low) / normal[1, 1])
            continue
        gain, offset = (float(x) for x in inverse @ (_dot(wz, high), _dot(weight, high)))
        if not 0.05 < gain < 1000:
            return RowRatio(1.0, 0.0, np.inf, np.inf, 0, 0.0, n)
    scores = wz * miss, weight * miss
    shared = _SHARED * (_SPARSE if pairs.sparse else 1.0)
    spread = shared * np.array([[_dot(one, other) for one in scores] for other in scores])
    spread[1, 1] += sigma**-2
    error = np.sqrt(np.diag(inverse @ spread @ inverse.T))
    number, agreement = _agreement(level, low, high - offset, gain, scale)
    return RowRatio(gain, offset, float(error[0]), float(error[1]), number, agreement, n)


def _agreement(
    level: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    gain: float,
    scale: NDArray[np.float64],
) -> tuple[int, float]:
    """Count neighbourhoods that can tell `gain` from 1, and the share of them that does.

    In the dark single neighbourhoods cannot, but several side by side can.
    """
    number = agreeing = 0
    for size in (1, 8, 64):
        groups = low.size // size
        together = slice(0, groups * size)
        light, dark, bright = (array[together].reshape(groups, size).mean(axis=1) for array in (level, low, high))
        noise = np.sqrt((scale[together] ** 2).reshape(groups, size).mean(axis=1) / size)
        informative = (gain - 1) * light > 4 * noise
        number += int(informative.sum())
        agreeing += int((bright > np.sqrt(max(gain, 1.0)) * dark)[informative].sum())
    return number, agreeing / max(number, 1)


def _dot(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the scalar product without BLAS, whose threads cost more than they bring on vectors this short."""
    return float(np.einsum("i,i->", one, other))


def _clipped_in_neither(pairs: Pairs, gain: float) -> Pairs:
    """Leave out, by the same rule for both sets, what the high rows cannot hold.

    Dropping only neighbourhoods whose high rows clip would keep those where texture made the high rows dark. But single
    samples of low rows are too noisy to be chosen by alone.
    """
    if pairs.sparse:
        return pairs.chosen((gain * pairs.a + pairs.b) / 2 < _HALFWAY * pairs.ceiling)
    return pairs.chosen(np.maximum(gain * pairs.peak_a, pairs.peak_b) < pairs.ceiling)


def _alike(level: NDArray[np.float64], step: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return an order by level and, in each step of it, by unevenness; and the bounds of groups in that order."""
    n = level.size
    levels = int(np.clip(n // 200, 1, 16))
    steps = 4 if n // levels >= 100 else 1
    stage = np.empty(n, np.int32)
    stage[np.argsort(level)] = np.arange(n) * levels // n
    return np.lexsort((step, stage)), np.linspace(0, n, levels * steps + 1).astype(np.int64)


def _scale(
    miss: NDArray[np.float64], order: NDArray[np.int64], bounds: NDArray[np.int64], *, least: float
) -> NDArray[np.float64]:
    """Return the robust standard deviation of `miss` in the group of each neighbourhood."""
    size = np.abs(miss)[order]
    sigmas = [max(_MAD_TO_SIGMA * float(np.median(size[first:last])), least) for first, last in pairwise(bounds)]
    scale = np.empty_like(miss)
    scale[order] = np.repeat(sigmas, np.diff(bounds))
    return scale
