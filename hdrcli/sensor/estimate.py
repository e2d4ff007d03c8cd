"""The noise of a frame, measured from its own pixels.

The classical photon transfer curve (Janesick, Photon Transfer, 2007: variance against mean) from one picture of
anything: a mixed second difference, along the row and then between two rows of the same colour and gain, removes
gradients, straight edges, and whatever a whole row shares. The blocks that count are chosen by another statistic of
the same samples, the spread of short means, which in pure noise is independent of the second difference: so choosing
the flattest blocks does not choose the quietest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import CountArray, FloatArray, NoiseModel
from hdrcli.kernels import kernel, run_in_bands

Numbers = NDArray[np.float64]

_ROWS, _COLUMNS = 16, 24  # of a block: four rows of each class and colour, twelve samples in each
_MEDIAN_CHI2 = 0.918  # median of chi-squared with 8 degrees of freedom, over 8
_FLATTEST = 0.25
_LEVELS = 24
_FEWEST = 12
_GOOD_FIT = 1.5  # chi-squared a point
_ROUNDING = 1 / 12  # variance of rounding to whole counts: less noise than this cannot be seen


@dataclass(frozen=True)
class NoiseBlocks:
    """Statistics of small blocks of a frame, by row modulo 4 and by column modulo 2.

    Attributes
    ----------
    mean, variance, relief : ndarray (M, N, 4, 2), float32
        Mean counts, variance of the noise in counts squared, and variance of the means of three samples.
    peak, floor : ndarray (M, N, 4, 2), uint16
        Largest and smallest count.
    """

    mean: FloatArray
    variance: FloatArray
    relief: FloatArray
    peak: CountArray
    floor: CountArray


@dataclass(frozen=True)
class NoisePoints:
    """A measured photon transfer curve; all arrays (n,), float64, n may be 0.

    Attributes
    ----------
    level : ndarray
        Mean counts above black.
    variance : ndarray
        Counts squared.
    blocks : ndarray
        Blocks behind each point.
    """

    level: Numbers
    variance: Numbers
    blocks: Numbers


@dataclass(frozen=True)
class CountNoise:
    """Noise in counts: variance = slope * max(counts - black, 0) + read.

    Attributes
    ----------
    slope : float
        Counts per photoelectron.
    slope_error : float
        Its standard error; infinite where the frame holds nothing to tell it by.
    read : float
        Variance without light, in counts squared, rounding included.
    """

    slope: float
    slope_error: float
    read: float

    def model(self, *, range_counts: float) -> NoiseModel:
        """Return the same noise on the scale where `range_counts` counts above black are 1.0."""
        return NoiseModel(self.slope / range_counts, self.read / range_counts**2)


@dataclass(frozen=True)
class NoisePrior:
    """What to expect, for what a frame does not show (no shadows, or texture everywhere).

    Attributes
    ----------
    slope, read : float
        As in `CountNoise`.
    slope_doubt, read_doubt : float
        Relative standard deviations.
    """

    slope: float
    read: float
    slope_doubt: float = 1.0
    read_doubt: float = 0.7


def typical_noise(*, iso: float | None, range_counts: float) -> NoisePrior:
    """Return what to expect of a sensor at `iso` whose counts end `range_counts` above black.

    Near the median of the calibrated cameras, of the Canon ones for read noise since only these take dual-ISO frames:
    photon slope 2.3e-5 of the range at ISO 100; read noise behind the amplifier 11.6 stops below clip, before it 14.
    """
    factor = 4.0 if iso is None else max(iso, 1.0) / 100
    after, before = range_counts * 2.0**-11.6, range_counts * 2.0**-14 * factor
    return NoisePrior(
        2.3e-5 * factor * range_counts, after**2 + before**2 + _ROUNDING, slope_doubt=1.0 if iso is None else 0.5
    )


@kernel
def _measure_blocks(
    counts: CountArray,
    first: int,
    last: int,
    mean: FloatArray,
    variance: FloatArray,
    relief: FloatArray,
    peak: CountArray,
    floor: CountArray,
) -> None:
    for m in range(first, last):
        for n in range(mean.shape[1]):
            for phase in range(4):
                for parity in range(2):
                    total = 0.0
                    squares = 0.0
                    energy = 0.0
                    top = 0
                    bottom = 65535
                    for pair in range(2):
                        y = 16 * m + 8 * pair + phase
                        for triple in range(4):
                            x = 24 * n + 6 * triple + parity
                            bend = 0.0
                            for step in range(2):
                                left = int(counts[y + 4 * step, x])
                                centre = int(counts[y + 4 * step, x + 2])
                                right = int(counts[y + 4 * step, x + 4])
                                local = (left + centre + right) / 3.0
                                total += local
                                squares += local * local
                                bend = (left - 2 * centre + right) - bend
                                top = max(top, left, centre, right)
                                bottom = min(bottom, left, centre, right)
                            energy += bend * bend
                    total /= 16
                    mean[m, n, phase, parity] = total
                    variance[m, n, phase, parity] = energy / 96
                    relief[m, n, phase, parity] = squares / 16 - total * total
                    peak[m, n, phase, parity] = top
                    floor[m, n, phase, parity] = bottom


def measure_blocks(counts: CountArray) -> NoiseBlocks:
    """Measure all blocks of a frame.

    Parameters
    ----------
    counts : ndarray (H, W), uint16

    Returns
    -------
    NoiseBlocks
        Empty for frames under 16 x 24.
    """
    shape = (counts.shape[0] // _ROWS, counts.shape[1] // _COLUMNS, 4, 2)
    mean, variance, relief = (np.empty(shape, np.float32) for _ in range(3))
    peak, floor = (np.empty(shape, np.uint16) for _ in range(2))
    run_in_bands(
        lambda first, last: _measure_blocks(counts, first, last, mean, variance, relief, peak, floor), shape[0]
    )
    return NoiseBlocks(mean, variance, relief, peak, floor)


def noise_points(blocks: NoiseBlocks, rows: Sequence[int], *, black: Sequence[float], ceiling: float) -> NoisePoints:
    """Return the photon transfer curve of a class of rows.

    Parameters
    ----------
    blocks : NoiseBlocks
    rows : sequence of int
        Rows modulo 4 of the class: (0, 1, 2, 3) for ordinary frames.
    black : sequence of 4 float
        Black of the class by position in the Bayer cell, in counts.
    ceiling : float
        Blocks with a count at or above it are left out; so are blocks with a count of 0.
    """
    level, variance, relief = _usable(blocks, rows, black, ceiling)
    # Steps of level that are even in its root, since that is how noise grows.
    top = max(ceiling - float(np.mean(black)), 1.0)
    step = np.minimum((np.sqrt(np.clip(level / top, 0, 1)) * _LEVELS).astype(np.int64), _LEVELS - 1)
    points = []
    for k in range(_LEVELS):
        inside = np.flatnonzero(step == k)
        if inside.size < _FEWEST:
            continue
        number = max(_FEWEST, int(_FLATTEST * inside.size))
        # Relative to the level, so that the flattest are not simply the darkest of the step.
        uneven = relief[inside] / (np.abs(level[inside]) + 1)
        flat = inside[np.argpartition(uneven, number - 1)[:number]]
        points.append((float(level[flat].mean()), float(np.median(variance[flat])) / _MEDIAN_CHI2, float(number)))
    measured = np.array(points).reshape(-1, 3).T
    return NoisePoints(measured[0], np.maximum(measured[1], _ROUNDING), measured[2])


def _usable(
    blocks: NoiseBlocks, rows: Sequence[int], black: Sequence[float], ceiling: float
) -> tuple[Numbers, Numbers, Numbers]:
    """Return level, variance and relief of the blocks of these rows that neither end of the scale cuts."""
    parts = []
    for row in rows:
        for parity in range(2):
            here = (..., row, parity)
            good = (blocks.peak[here] < ceiling) & (blocks.floor[here] > 0)
            level = blocks.mean[here][good] - black[2 * (row % 2) + parity]
            parts.append(np.stack([level, blocks.variance[here][good], blocks.relief[here][good]]).astype(np.float64))
    level, variance, relief = np.concatenate(parts, axis=1)
    return level, variance, relief


def fit_noise(points: NoisePoints, prior: NoisePrior) -> CountNoise:
    """Fit variance = read + slope * level + texture * level^2, no term below 0, and return the first two.

    Texture of the subject scales with the light, so it shows as the square; it only ever adds, hence points above the
    curve count for less than points below it. Where the points say little, the prior speaks.

    Returns
    -------
    CountNoise
        That of the prior, with an infinite `slope_error`, where there are no points.
    """
    if points.level.size == 0:
        return CountNoise(prior.slope, np.inf, prior.read)
    x = np.append(np.maximum(points.level, 0), [0.0, 0.0])
    measured = np.append(np.ones(points.level.size), [0.0, 0.0])
    read, slope = measured + np.eye(x.size)[-2], x * measured + np.eye(x.size)[-1]
    terms = np.stack([read, slope, x**2], axis=1)
    target = np.append(points.variance, [prior.read, prior.slope])
    relative = np.append(_relative_error(points, model=0.05), [prior.read_doubt, prior.slope_doubt])
    weight = 1 / (relative * target) ** 2
    for _ in range(12):
        solution = _nonnegative(terms, target, weight)
        fitted = np.maximum(terms @ solution, 0.3 * target)
        excess = np.maximum((target / fitted - 1) / relative, 0) * measured
        weight = 1 / (relative * fitted) ** 2 / (1 + excess**2 / 4)
    error = np.linalg.pinv((terms.T * weight) @ terms, hermitian=True)[1, 1] ** 0.5
    # No sensor is without photon noise, whatever the texture of the subject suggests.
    slope = max(float(solution[1]), 0.1 * prior.slope)
    return CountNoise(slope, float(error), max(float(solution[0]), _ROUNDING))


def amplified_evidence(low: NoisePoints, high: NoisePoints, *, gain: float) -> float:
    """Return how much better noise is explained by an amplifier in the high rows than by more light on them.

    Rows that are brighter because the subject is (a blind, a woven texture) have, at equal counts, the noise of all
    other rows. Rows that are brighter because they are amplified have `gain` times the photon noise there, and a read
    noise of their own.

    Parameters
    ----------
    low, high : NoisePoints
    gain : float
        Counts of high rows over those of low rows.

    Returns
    -------
    float
        Robust chi-squared of "more light" minus that of "amplified": below 0 speaks for the subject; 0 and above where
        it does not, or where the frame shows too little noise to tell (texture everywhere).
    """
    if low.level.size < 2 or high.level.size < 2:
        return 0.0
    x = np.maximum(np.concatenate([low.level, high.level]), 0)
    variance = np.concatenate([low.variance, high.variance])
    relative = np.concatenate([_relative_error(low, model=0.1), _relative_error(high, model=0.1)])
    is_high = np.repeat([0.0, 1.0], [low.level.size, high.level.size])
    light = np.stack([np.ones_like(x), x, x**2], axis=1)
    amplified = np.stack([1 - is_high, is_high, x * np.where(is_high, gain, 1.0), x**2], axis=1)
    as_light, as_amplified = (_misfit(terms, variance, relative) for terms in (light, amplified))
    if as_light > _GOOD_FIT * x.size:  # not noise but texture, which follows neither
        return max(0.0, as_light - as_amplified)
    return as_light - as_amplified


def _misfit(terms: Numbers, target: Numbers, relative: Numbers) -> float:
    """Return the chi-squared of the best non-negative fit, in logarithms, bounded for single wild points."""
    weight = 1 / (relative * target) ** 2
    miss = np.zeros_like(target)
    for _ in range(8):
        fitted = np.maximum(terms @ _nonnegative(terms, target, weight), 0.1 * target)
        miss = np.log(target / fitted) / relative
        weight = 1 / (relative * fitted) ** 2 / (1 + miss**2 / 9)
    return float((9 * np.log1p(miss**2 / 9)).sum())


def _relative_error(points: NoisePoints, *, model: float) -> Numbers:
    """Return the relative error of medians of chi-squared values with 8 degrees of freedom, and that of the model."""
    return np.sqrt(0.4 / points.blocks + model**2)


def _nonnegative(terms: Numbers, target: Numbers, weight: Numbers) -> Numbers:
    """Return the weighted least-squares solution with no term below 0: the best over all subsets of the terms."""
    root = np.sqrt(weight)
    scaled, wanted = root[:, None] * terms, root * target
    gram, product = scaled.T @ scaled, scaled.T @ wanted
    number = terms.shape[1]
    best, most = np.zeros(number), 0.0
    for size in range(1, number + 1):
        for subset in combinations(range(number), size):
            chosen = list(subset)
            unit = np.sqrt(np.diag(gram)[chosen]) + 1e-150  # squared below, and not to become 0
            matrix = gram[np.ix_(chosen, chosen)] / np.outer(unit, unit)
            some = np.linalg.lstsq(matrix, product[chosen] / unit, rcond=1e-10)[0] / unit
            explained = float(product[chosen] @ some)
            if some.min() >= 0 and explained > most:
                best, most = np.zeros(number), explained
                best[chosen] = some
    return best
