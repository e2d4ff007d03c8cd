"""Two exposures compared pixel by pixel: logarithms of light, weights, and the equations of a small motion.

What `hdrcli.align.register` searches with. A motion is a warp, and an offset of the logarithms for another exposure.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.align.warp import Warp
from hdrcli.images import FloatArray
from hdrcli.kernels import Real, kernel, run_in_bands

SMALLEST_SIDE = 24
"""Of the smallest size that is compared, about."""

_TILE = 64
_LARGEST_PIXELS = 8_000_000
# Logarithms (base 2) of well exposed light differ by so much for other reasons than noise: aliasing, interpolation.
_MODEL_ERROR = 0.04
_TUKEY = 4.685
_UNSEEN = np.float32(-1e30)  # compiled code with fast arithmetic does not keep NaN apart


@dataclass(frozen=True)
class Plane:
    """Light of one exposure, as registration sees it.

    Attributes
    ----------
    light : ndarray (H, W), float32
        Linear, on the scale of the reference.
    variance : ndarray (H, W), float32
        Of the noise of `light`.
    top : float
        Level from which on it may be clipped.
    known : ndarray (H, W), float32, or None
        Weight 0 to 1 of what is known; None where all is.
    """

    light: FloatArray
    variance: FloatArray
    top: float
    known: FloatArray | None = None


@dataclass(frozen=True)
class Pair:
    """Both pictures at one size: logarithms of light, and what is needed to compare them."""

    template: FloatArray
    weight: FloatArray  # one over the variance of the difference of the logarithms; 0 where it cannot be compared
    slope_x: FloatArray
    slope_y: FloatArray
    image: FloatArray
    top: float  # of `image`


@dataclass(frozen=True)
class Candidate:
    """A motion that may be the right one: its warp, the name of its model, and the offset of the logarithms."""

    warp: Warp
    model: str
    offset: float


def shape_of(array: FloatArray) -> tuple[int, int]:
    """Return rows and columns."""
    return array.shape[0], array.shape[1]


def halvings(shape: tuple[int, ...]) -> int:
    """Return how often a picture is halved before anything is done: more pixels tell no more."""
    number = 0
    while (shape[0] * shape[1]) / 4**number > _LARGEST_PIXELS:
        number += 1
    return number


def _halved(array: FloatArray) -> FloatArray:
    height, width = array.shape[0] // 2, array.shape[1] // 2
    even = array[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


def levels_of(reference: Plane, frame: Plane) -> list[Pair]:
    """Return both pictures at all sizes, the largest first."""
    light, other = reference.light, frame.light
    variance = reference.variance + frame.variance
    known = np.ones_like(light) if reference.known is None else reference.known
    pairs: list[Pair] = []
    first = halvings(light.shape)
    level = 0
    while True:
        if level >= first:
            pairs.append(_pair(light, variance, known, other, (reference.top, frame.top)))
        if min(light.shape) < 2 * SMALLEST_SIDE:
            return pairs
        light, other, known = _halved(light), _halved(other), _halved(known)
        variance = _halved(variance) / 4
        level += 1


def _pair(
    light: FloatArray, variance: FloatArray, known: FloatArray, other: FloatArray, tops: tuple[float, float]
) -> Pair:
    """Prepare one size."""
    # Light far below the noise says nothing; the floor keeps its logarithm from shouting.
    floor = np.float32(max(4 * float(np.sqrt(np.percentile(variance, 5))), 1e-5))
    template = _log(light, floor)
    image = _log(other, floor)
    shown = np.maximum(light, 0)
    spread = variance / np.square((shown + floor) * np.float32(np.log(2)))
    weight = 1 / (spread + np.float32(_MODEL_ERROR**2))
    weight *= (known > 0.99) & (light < 0.9 * min(tops)) & (shown > floor / 4)
    slope_x, slope_y = _slopes(template)
    return Pair(template, weight, slope_x, slope_y, image, float(np.log2(0.95 * tops[1] + floor)))


def _log(light: FloatArray, floor: np.float32) -> FloatArray:
    blurred = cv2.GaussianBlur(light, (0, 0), 0.8, borderType=cv2.BORDER_REFLECT)
    return np.asarray(np.log2(np.maximum(blurred, 0) + floor), dtype=np.float32)


def _slopes(template: FloatArray) -> tuple[FloatArray, FloatArray]:
    kernel_1d = np.array([-0.5, 0, 0.5], np.float32)
    one = np.ones(1, np.float32)
    return (
        np.asarray(cv2.sepFilter2D(template, cv2.CV_32F, kernel_1d, one), dtype=np.float32),
        np.asarray(cv2.sepFilter2D(template, cv2.CV_32F, one, kernel_1d), dtype=np.float32),
    )


def spread(pair: Pair, candidate: Candidate) -> float:
    """Return the robust spread of the differences in units of their expected deviation, 1 at least."""
    z = differences(pair, candidate)
    z = z[np.isfinite(z)]
    return max(1.0, 1.4826 * float(np.median(np.abs(z)))) if z.size else 1.0


def overlap(pair: Pair, candidate: Candidate) -> float:
    """Return the share of the pixels that can be compared."""
    return float(np.isfinite(differences(pair, candidate)).mean())


def _sparse(pair: Pair) -> tuple[slice, slice]:
    step = max(1, int(np.sqrt(pair.template.size / 250_000)))
    return slice(step // 2, None, step), slice(step // 2, None, step)


def differences(pair: Pair, candidate: Candidate) -> FloatArray:
    """Return differences, in units of what is expected, of an even choice of the pixels; NaN where there is none."""
    rows, columns = _sparse(pair)
    result = np.empty_like(pair.template[rows, columns])
    _compare(
        pair.template,
        pair.weight,
        pair.image,
        candidate.warp,
        candidate.offset,
        pair.top,
        rows.start,
        rows.step,
        result,
    )
    return result


def tile_equations(pair: Pair, candidate: Candidate, spread: float) -> tuple[NDArray[np.float64], ...]:
    """Return normal equations (M, N, 9, 9) and (M, N, 9) by tile, and the weights (M, N) that fit and of all."""
    height, width = pair.template.shape
    shape = (-(-height // _TILE), -(-width // _TILE))
    normal, right = np.zeros((*shape, 9, 9)), np.zeros((*shape, 9))
    fitting, all_of_it = np.zeros(shape), np.zeros(shape)
    reach = _TUKEY * spread

    def work(first: int, last: int) -> None:
        _accumulate(
            pair.template, pair.weight, pair.slope_x, pair.slope_y, pair.image, candidate.warp, candidate.offset,
            pair.top, reach, first, last, normal, right, fitting, all_of_it,
        )  # fmt: skip

    run_in_bands(work, height, multiple=_TILE)
    return normal, right, fitting, all_of_it


@kernel
def _sample(image: FloatArray, x: Real, y: Real, top: Real) -> Real:
    """Return a bilinear sample; `_UNSEEN` outside and where a neighbour may be clipped."""
    height, width = image.shape
    if not (x >= 0 and y >= 0 and x <= width - 1.001 and y <= height - 1.001):
        return _UNSEEN
    j, i = int(x), int(y)
    a, b, c, d = image[i, j], image[i, j + 1], image[i + 1, j], image[i + 1, j + 1]
    if max(max(a, b), max(c, d)) > top:
        return _UNSEEN
    fx, fy = np.float32(x - j), np.float32(y - i)
    upper, lower = a + fx * (b - a), c + fx * (d - c)
    value: Real = upper + fy * (lower - upper)
    return value


@kernel
def _compare(
    template: FloatArray,
    weight: FloatArray,
    image: FloatArray,
    warp: Warp,
    offset: Real,
    top: Real,
    start: int,
    step: int,
    result: FloatArray,
) -> None:
    """Write differences of the logarithms over their expected deviation; NaN where they cannot be compared."""
    for row in range(result.shape[0]):
        i = start + row * step
        for column in range(result.shape[1]):
            j = start + column * step
            result[row, column] = np.nan
            if weight[i, j] > 0:
                below = warp[2, 0] * j + warp[2, 1] * i + warp[2, 2]
                x = (warp[0, 0] * j + warp[0, 1] * i + warp[0, 2]) / below
                y = (warp[1, 0] * j + warp[1, 1] * i + warp[1, 2]) / below
                seen = _sample(image, x, y, top)
                if seen > _UNSEEN:
                    result[row, column] = (seen - template[i, j] - offset) * np.sqrt(weight[i, j])


@kernel
def _accumulate(
    template: FloatArray,
    weight: FloatArray,
    slope_x: FloatArray,
    slope_y: FloatArray,
    image: FloatArray,
    warp: Warp,
    offset: Real,
    top: Real,
    reach: Real,
    first: int,
    last: int,
    normal: NDArray[np.float64],
    right: NDArray[np.float64],
    fitting: NDArray[np.float64],
    all_of_it: NDArray[np.float64],
) -> None:
    """Add rows `first` to `last` to the normal equations of their tiles."""
    height, width = template.shape
    scale = max(height, width) / 2
    j_row = np.zeros(9)
    j_row[8] = 1
    for i in range(first, last):
        v = (i - (height - 1) / 2) / scale
        for j in range(width):
            own = weight[i, j]
            if own <= 0:
                continue
            below = warp[2, 0] * j + warp[2, 1] * i + warp[2, 2]
            x = (warp[0, 0] * j + warp[0, 1] * i + warp[0, 2]) / below
            y = (warp[1, 0] * j + warp[1, 1] * i + warp[1, 2]) / below
            seen = _sample(image, x, y, top)
            if seen <= _UNSEEN:
                continue
            difference = seen - template[i, j]
            tile_y, tile_x = i // 64, j // 64
            all_of_it[tile_y, tile_x] += own
            z = (difference - offset) * np.sqrt(own) / reach
            if abs(z) >= 1:
                continue
            fit = (1 - z * z) * (1 - z * z)
            fitting[tile_y, tile_x] += own
            u = (j - (width - 1) / 2) / scale
            gx, gy = slope_x[i, j], slope_y[i, j]
            j_row[0], j_row[1], j_row[2] = gx, gx * u, gx * v
            j_row[3], j_row[4], j_row[5] = gy, gy * u, gy * v
            along = gx * u + gy * v
            j_row[6], j_row[7] = along * u, along * v
            share = own * fit
            for a in range(9):
                scaled = share * j_row[a]
                right[tile_y, tile_x, a] += scaled * difference
                for b in range(a, 9):
                    normal[tile_y, tile_x, a, b] += scaled * j_row[b]
    for tile_y in range(first // 64, -(-last // 64)):
        for tile_x in range(normal.shape[1]):
            for a in range(9):
                for b in range(a):
                    normal[tile_y, tile_x, a, b] = normal[tile_y, tile_x, b, a]
