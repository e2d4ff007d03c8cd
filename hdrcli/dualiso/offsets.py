"""Offsets that a whole row or column shares, found in the shadows of the picture and taken out.

The converter adds a little to each row as it is read (row noise), and each column amplifier has an offset; the eye
finds both at a tenth of the noise of a sample. In shadows, where light adds little noise, each row is held against the
rows of its class four above and below, each column against the columns two left and right. What the subject does is
told from what the sensor does in three ways: the sensor does it along the whole line (the median over stretches of the
line counts), to each line on its own (what lines side by side share is subject, and so is an outlier), and little (a
fraction of the read noise at most). The
differences are then turned into offsets by ridge regression, which shrinks what is not certain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray, MaskArray, NoiseModel
from hdrcli.kernels import kernel, run_in_bands

Numbers = NDArray[np.float64]

_STRETCHES = 32  # into which rows and columns are cut,
_SHORTEST = 64  # of so many samples at least
_FEWEST_STRETCHES = 6
_FEWEST_SAMPLES = 16  # in a stretch
_SHADOW = 6.0  # light may add this much variance, in units of the read variance
_LARGEST = 0.3  # of an offset's standard deviation, in units of the read noise of a sample
_SUBJECT = 2.0  # the subject varies by so many times what lines side by side share of it, at most
_MAD_TO_SIGMA = 1.4826


@kernel
def _collect(
    data: FloatArray,
    high: MaskArray,
    first: int,
    last: int,
    thickness: int,
    width: int,
    limits: FloatArray,
    bounds: FloatArray,
    rows: FloatArray,
    columns: FloatArray,
) -> None:
    """Sum, over shadows, how samples differ from those beside them and from those above and below of their class.

    `rows` (3, H, pieces) and `columns` (3, 2, stretches, W) take number, sum and sum of squares of the differences.
    """
    one, half = np.float32(1), np.float32(0.5)
    right = data.shape[1] - 2
    for stretch in range(first, last):
        for y in range(max(4, stretch * thickness), min(data.shape[0] - 4, (stretch + 1) * thickness)):
            kind = 1 if high[y] else 0
            limit, bound = np.float32(4) * limits[kind], bounds[kind]
            for piece in range(rows.shape[2]):
                number = np.float32(0)
                total = np.float32(0)
                squares = np.float32(0)
                for x in range(max(2, piece * width), min(right, (piece + 1) * width)):
                    # None of these four takes part in the differences, so the choice does not bend them.
                    around = data[y - 4, x - 2] + data[y - 4, x + 2] + data[y + 4, x - 2] + data[y + 4, x + 2]
                    if around < limit:
                        here = data[y, x]
                        down = here - half * (data[y - 4, x] + data[y + 4, x])
                        across = here - half * (data[y, x - 2] + data[y, x + 2])
                        if abs(down) < bound and abs(across) < bound:
                            number += one
                            total += down
                            squares += down * down
                            columns[0, kind, stretch, x] += one
                            columns[1, kind, stretch, x] += across
                            columns[2, kind, stretch, x] += across * across
                rows[0, y, piece] = number
                rows[1, y, piece] = total
                rows[2, y, piece] = squares


@kernel
def _subtract(data: FloatArray, high: MaskArray, first: int, last: int, rows: FloatArray, columns: FloatArray) -> None:
    for y in range(first, last):
        kind = 1 if high[y] else 0
        for x in range(data.shape[1]):
            data[y, x] -= rows[y] + columns[kind, x]


def remove_offsets(data: FloatArray, high: MaskArray, noise: tuple[NoiseModel, NoiseModel]) -> None:
    """Take the offsets of rows and columns out of `data`, in place.

    Parameters
    ----------
    data : ndarray (H, W), float32
        Linear samples, black 0.
    high : ndarray (H,), bool
        Class of each row.
    noise : tuple of 2 NoiseModel
        Of low and of high rows, in units of `data`.
    """
    rows, columns = measure_offsets(data, high, noise)
    if rows.any() or columns.any():
        run_in_bands(lambda first, last: _subtract(data, high, first, last, rows, columns), data.shape[0])


def measure_offsets(
    data: FloatArray, high: MaskArray, noise: tuple[NoiseModel, NoiseModel]
) -> tuple[FloatArray, FloatArray]:
    """Measure the offsets of rows and columns.

    Parameters
    ----------
    data, high, noise
        As for `remove_offsets`.

    Returns
    -------
    rows : ndarray (H,), float32
    columns : ndarray (2, W), float32
        Of low and of high rows. Both in units of `data`, 0 where nothing is certain.
    """
    height, width = data.shape
    thickness, length = (max(_SHORTEST, -(-size // _STRETCHES)) for size in (height, width))
    stretches, pieces = -(-height // thickness), -(-width // length)
    read = np.array([model.read for model in noise])
    shot = np.array([max(model.shot, 1e-12) for model in noise])
    # A difference of three samples, two of them halved, has 1.5 times the variance of one.
    limits, bounds = _SHADOW * read / shot, 5 * np.sqrt(1.5 * read * (1 + _SHADOW))
    of_rows = np.zeros((3, height, pieces), np.float32)
    of_columns = np.zeros((3, 2, stretches, width), np.float32)
    arguments = limits.astype(np.float32), bounds.astype(np.float32), of_rows, of_columns
    run_in_bands(lambda first, last: _collect(data, high, first, last, thickness, length, *arguments), stretches)
    rows, columns = np.zeros(height, np.float32), np.zeros((2, width), np.float32)
    for kind in (0, 1):
        lines = np.flatnonzero(high == bool(kind))
        rows[lines] = _interleaved(of_rows[:, lines], variance=1.5 * read[kind])
        columns[kind] = _interleaved(of_columns[:, kind].transpose(0, 2, 1), variance=1.5 * read[kind])
    return rows, columns


def _interleaved(sums: FloatArray, *, variance: float) -> FloatArray:
    """Return the offsets of lines that were compared with those two lines away.

    `sums` (3, lines, stretches): number, sum, and sum of squares of differences; `variance`: of one, in the dark.
    """
    largest = _LARGEST * float(np.sqrt(variance / 1.5))
    halves = []
    for first in (0, 1):
        number, total, squares = sums[:, first::2].astype(np.float64)
        halves.append(_differences(number, total, squares, variance))
    common = _common(halves[0][0], halves[1][0])
    out = np.zeros(sums.shape[1], np.float32)
    for first in (0, 1):
        out[first::2] = _solve(*halves[first], common=common, largest=largest)
    return out


def _common(one: Numbers, other: Numbers) -> float:
    """Return the covariance of lines side by side, which are of different colours: what they share is the subject."""
    n = min(one.size, other.size)
    if n < 8:
        return 0.0
    bounded = []
    for line in (one[:n], other[:n]):
        reach = 3 * _MAD_TO_SIGMA * float(np.median(np.abs(line)))
        bounded.append(np.clip(line, -reach, reach))
    left, right = bounded
    return max(0.0, float(np.mean(left * right)), float(np.mean(left[1:] * right[:-1])))


def _differences(number: Numbers, total: Numbers, squares: Numbers, variance: float) -> tuple[Numbers, Numbers]:
    """Return for each line the median difference over its even stretches, and the variance of that.

    A stretch is even where its differences scatter no more than noise does; elsewhere the subject has a say.
    """
    filled = number >= _FEWEST_SAMPLES
    difference, error = np.zeros(len(number)), np.full(len(number), np.inf)
    if not filled.any():
        return difference, error
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, scatter = total / number, squares / number
    usual = min(float(np.percentile(scatter[filled], 25)), variance * (1 + _SHADOW))
    even = filled & (scatter < usual * (1.3 + 3 * np.sqrt(2 / np.maximum(number, 1))))
    count = even.sum(axis=1)
    enough = count >= _FEWEST_STRETCHES
    if enough.any():
        difference[enough] = np.nanmedian(np.where(even, mean, np.nan)[enough], axis=1)
        # A median of few values has 1.57 times the variance of their mean.
        each = np.where(even, usual / np.maximum(number, 1), 0)[enough].sum(axis=1) / count[enough]
        error[enough] = 1.57 * each / count[enough]
        spread = np.nanmedian(np.abs(np.where(even, mean, np.nan)[enough] - difference[enough, None]), axis=1)
        error[enough] = np.maximum(error[enough], 1.57 * (_MAD_TO_SIGMA * spread) ** 2 / count[enough])
    return difference, error


def _solve(difference: Numbers, variance: Numbers, *, common: float, largest: float) -> Numbers:
    """Return the offsets o behind differences d = o - (o before + o after) / 2, shrunk by their own size.

    Minimises sum (D o - d)^2 / variance + sum o^2 / prior by conjugate gradients; the prior is the variance of offsets
    that the differences show beyond their errors.
    """
    known = np.isfinite(variance)
    offsets = np.zeros_like(difference)
    if known.sum() < 8:
        return offsets
    size = _MAD_TO_SIGMA * np.median(np.abs(difference[known]))
    prior = min((size**2 - np.median(variance[known]) - _SUBJECT * common) / 1.5, largest**2)
    if prior <= 0:
        return offsets
    weight = np.zeros_like(difference)
    weight[known] = 1 / variance[known]
    # What exceeds three times the offsets' own deviation is subject.
    usual = 3 * np.sqrt(1.5 * prior + np.where(known, variance, 0))
    weight[np.abs(difference) > usual] = 0

    def apply(o: Numbers) -> Numbers:
        bent = weight * _bend(o)
        return np.asarray(o / prior + bent - _neighbours(bent))

    right = weight * difference
    residual = right - _neighbours(right)
    direction, energy = residual.copy(), float(residual @ residual)
    for _ in range(60):
        if energy <= 0:
            break
        image = apply(direction)
        step = energy / float(direction @ image)
        offsets += step * direction
        residual -= step * image
        energy, before = float(residual @ residual), energy
        direction = residual + (energy / before) * direction
    return offsets


def _neighbours(o: Numbers) -> Numbers:
    """Return half the sum of both neighbours, none beyond the ends: a symmetric operator."""
    out = np.zeros_like(o)
    out[1:] += 0.5 * o[:-1]
    out[:-1] += 0.5 * o[1:]
    return out


def _bend(o: Numbers) -> Numbers:
    return o - _neighbours(o)
