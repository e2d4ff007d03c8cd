"""The motion of a camera between two exposures, found on their pixels.

Both are compared as logarithms of light, in which another exposure is only an offset: it is fitted too, so a gain that
is known roughly is enough. Inverse compositional Lucas-Kanade (Baker and Matthews, "Lucas-Kanade 20 years on", IJCV
2004) from coarse to fine, every pixel weighted by its noise and by how well it fits (Tukey's biweight), so neither
clipped nor dark nor moving parts take part. No estimate is trusted alone: the search starts from no motion and from
phase correlation, richer motions must explain the picture better than poorer ones, and what does not beat standing
still is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.align.warp import Warp, corner_motion, identity, to_finer
from hdrcli.images import FloatArray
from hdrcli.kernels import Real, kernel, run_in_bands

# Parameters of a homography near the identity, then the offset: x moves by p0 + p1 u + p2 v + p6 u u + p7 u v,
# y by p3 + p4 u + p5 v + p6 u v + p7 v v, where u and v are centred and span about -1 to 1.
_TRANSLATION = np.array([[1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0]], dtype=np.float64)
_SIMILARITY = np.array(
    [*_TRANSLATION, [0, 1, 0, 0, 0, 1, 0, 0], [0, 0, -1, 0, 1, 0, 0, 0]],
    dtype=np.float64,
)
_HOMOGRAPHY = np.eye(8)

_TILE = 64
_SMALLEST_SIDE = 24
_LARGEST_PIXELS = 8_000_000
# Logarithms (base 2) of well exposed light differ by so much for other reasons than noise: aliasing, interpolation.
_MODEL_ERROR = 0.04
_TUKEY = 4.685
_ITERATIONS = 12
_SETTLED = 0.003  # pixels
# What a richer motion must bring the cost down to, and the share of the pixels that must be comparable for it to be
# tried: a lamp alone tells no rotation.
_RICHER = {"similarity": (0.97, 0.08), "homography": (0.95, 0.3)}
_GAIN_OVER_NONE = 0.98
_FAR_NEEDS, _FAR_NEEDS_AT_MOST = 5.0, 0.3  # less of the cost for a motion by the longer side
_STILL = 0.15  # pixels of the full picture at its corners: interpolating would cost more than it mends
_LEAST_OVERLAP = 0.05  # share of the pixels that must be comparable for motion to be looked for
_LEAST_COMMON = 0.5  # of what can be compared before a motion, what must still be afterwards
_LARGEST_MOTION = 0.3  # of the longer side
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
class Registration:
    """The motion found.

    Attributes
    ----------
    warp : ndarray (3, 3)
        From the reference to the frame, in the pixels of the planes.
    model : str
        "none", "translation", "similarity" or "homography".
    offset : float
        log2 of the frame's light over the reference's, beyond the scale that it was given on.
    inliers : float
        Share of the comparable pixels that fit.
    residual : float
        Median of what small parts of the picture would still move by, in pixels.
    overlap : float
        Share of the pixels that can be compared.
    """

    warp: Warp
    model: str
    offset: float
    inliers: float
    residual: float
    overlap: float


def register(reference: Plane, frame: Plane, *, still: bool = False) -> Registration:
    """Find where the pixels of a reference lie in a frame of another exposure.

    Parameters
    ----------
    reference, frame : Plane
        Of the same size; light on about the same scale (within two stops).
    still : bool
        Take the camera as standing still, and measure only how well that fits.

    Returns
    -------
    Registration
        Of no motion where too little can be compared, or where no motion fits as well.
    """
    levels = _levels(reference, frame)
    pair = levels[0]
    none = _fit(pair, _Candidate(identity(), "none", 0.0), None)
    best = none
    if not still and _overlap(pair, none) >= _LEAST_OVERLAP:
        for start in _starts(levels[-1]):
            found = _search(levels, start)
            if _is_better(pair, found, best, _needed(pair, found)):
                best = found
    full = 2.0 ** (1 + _halvings(reference.light.shape))  # pixels of the picture, of which the planes have half
    if np.abs(corner_motion(best.warp, _shape(pair.template))).max() * full < _STILL:
        best = none
    return _registration(pair, best, reference.light.shape)


@dataclass(frozen=True)
class _Pair:
    """Both pictures at one size: logarithms of light, and what is needed to compare them."""

    template: FloatArray
    weight: FloatArray  # one over the variance of the difference of the logarithms; 0 where it cannot be compared
    slope_x: FloatArray
    slope_y: FloatArray
    image: FloatArray
    top: float  # of `image`


@dataclass(frozen=True)
class _Candidate:
    warp: Warp
    model: str
    offset: float


def _shape(array: FloatArray) -> tuple[int, int]:
    return array.shape[0], array.shape[1]


def _halvings(shape: tuple[int, ...]) -> int:
    """Return how often a picture is halved before anything is done: more pixels tell no more."""
    number = 0
    while (shape[0] * shape[1]) / 4**number > _LARGEST_PIXELS:
        number += 1
    return number


def _halved(array: FloatArray) -> FloatArray:
    height, width = array.shape[0] // 2, array.shape[1] // 2
    even = array[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _levels(reference: Plane, frame: Plane) -> list[_Pair]:
    """Return both pictures at all sizes, the largest first."""
    light, other = reference.light, frame.light
    variance = reference.variance + frame.variance
    known = np.ones_like(light) if reference.known is None else reference.known
    pairs: list[_Pair] = []
    first = _halvings(light.shape)
    level = 0
    while True:
        if level >= first:
            pairs.append(_pair(light, variance, known, other, (reference.top, frame.top)))
        if min(light.shape) < 2 * _SMALLEST_SIDE:
            return pairs
        light, other, known = _halved(light), _halved(other), _halved(known)
        variance = _halved(variance) / 4
        level += 1


def _pair(
    light: FloatArray, variance: FloatArray, known: FloatArray, other: FloatArray, tops: tuple[float, float]
) -> _Pair:
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
    return _Pair(template, weight, slope_x, slope_y, image, float(np.log2(0.95 * tops[1] + floor)))


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


def _starts(pair: _Pair) -> list[_Candidate]:
    """Return what the search begins with at the smallest size: no motion, and what phase correlation finds."""
    plain = _Candidate(identity(), "translation", 0.0)
    weight = np.sqrt(pair.weight / max(float(pair.weight.max()), 1e-6))
    if weight.sum() < 16:
        return [plain]
    a, b = ((x - np.average(x, weights=weight)) * weight for x in (pair.template, pair.image))
    window = cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(np.ascontiguousarray(a), np.ascontiguousarray(b), window)
    shifted = identity()
    shifted[0, 2], shifted[1, 2] = dx, dy
    return [plain, _Candidate(shifted, "translation", 0.0)] if np.hypot(dx, dy) > 0.5 else [plain]


def _search(levels: list[_Pair], start: _Candidate) -> _Candidate:
    """Follow a start from the smallest size to the largest, richer motions only where they explain more."""
    found = start
    for number, pair in enumerate(reversed(levels)):
        if number:
            found = replace(found, warp=to_finer(found.warp))
        found = _fit(pair, found, _TRANSLATION if found.model == "translation" else _SIMILARITY)
        if min(pair.template.shape) >= 2 * _SMALLEST_SIDE and found.model == "translation":
            found = _if_better(pair, found, "similarity", _SIMILARITY)
        if pair is levels[0] or (len(levels) > 1 and pair is levels[1]):
            found = _if_better(pair, found, "homography", _HOMOGRAPHY)
    return found


def _if_better(pair: _Pair, found: _Candidate, model: str, basis: NDArray[np.float64]) -> _Candidate:
    factor, least = _RICHER[model]
    if _overlap(pair, found) < least:
        return found
    richer = replace(_fit(pair, found, basis), model=model)
    return richer if _is_better(pair, richer, found, factor) else found


def _needed(pair: _Pair, candidate: _Candidate) -> float:
    """Return the factor on the cost that a motion must reach: the farther it goes, the more it must explain."""
    shape = _shape(pair.template)
    far = float(np.abs(corner_motion(candidate.warp, shape)).max()) / max(shape)
    return _GAIN_OVER_NONE - min(_FAR_NEEDS * far, _FAR_NEEDS_AT_MOST)


def _is_better(pair: _Pair, candidate: _Candidate, than: _Candidate, factor: float) -> bool:
    """Tell whether a candidate explains the picture better, by a factor on the cost, where both can be compared.

    The cost is the mean square of the differences, each cut at three expected deviations.
    """
    shape = _shape(pair.template)
    if np.abs(corner_motion(candidate.warp, shape)).max() > _LARGEST_MOTION * max(shape):
        return False
    z, other = _differences(pair, candidate), _differences(pair, than)
    both = np.isfinite(z) & np.isfinite(other)
    if np.count_nonzero(both) < max(16, _LEAST_COMMON * np.count_nonzero(np.isfinite(other))):
        return False
    cost, usual = (float(np.mean(np.minimum(np.square(x[both]), 9.0))) for x in (z, other))
    return cost < factor * usual


def _fit(pair: _Pair, start: _Candidate, basis: NDArray[np.float64] | None) -> _Candidate:
    """Return the candidate after Gauss-Newton steps in the parameters of `basis` (k, 8); None for the offset alone."""
    found = start
    free = 0 if basis is None else len(basis)
    whole = np.zeros((free + 1, 9))
    whole[-1, 8] = 1
    if basis is not None:
        whole[:-1, :8] = basis
    for _ in range(_ITERATIONS):
        normal, right = _normal_equations(pair, found, _spread(pair, found))
        matrix, vector = whole @ normal @ whole.T, whole @ right
        damping = 1e-9 * np.trace(matrix) + 1e-12
        step = whole.T @ np.linalg.solve(matrix + damping * np.eye(len(matrix)), vector)
        # The offset is solved for anew each time, the motion as a step.
        offset = float(step[8])
        warp: Warp = found.warp @ np.linalg.inv(_step_matrix(step[:8], _shape(pair.template)))
        change: Warp = np.linalg.inv(found.warp) @ warp
        moved = np.abs(corner_motion(change, _shape(pair.template))).max()
        if not np.isfinite(warp).all() or moved > 0.3 * max(pair.template.shape):
            return found
        settled = moved < _SETTLED and abs(offset - found.offset) < 1e-4
        found = replace(found, warp=warp / warp[2, 2], offset=offset)
        if settled:
            break
    return found


def _step_matrix(p: NDArray[np.float64], shape: tuple[int, int]) -> Warp:
    """Return the warp of parameters near the identity."""
    scale = max(shape) / 2
    centred = np.array(
        [[1 / scale, 0, -(shape[1] - 1) / 2 / scale], [0, 1 / scale, -(shape[0] - 1) / 2 / scale], [0, 0, 1]]
    )
    near = np.array(
        [[1 + p[1] / scale, p[2] / scale, p[0] / scale], [p[4] / scale, 1 + p[5] / scale, p[3] / scale],
         [-p[6] / scale, -p[7] / scale, 1]]
    )  # fmt: skip
    return np.asarray(np.linalg.inv(centred) @ near @ centred)


def _spread(pair: _Pair, candidate: _Candidate) -> float:
    """Return the robust spread of the differences in units of their expected deviation, 1 at least."""
    z = _differences(pair, candidate)
    z = z[np.isfinite(z)]
    return max(1.0, 1.4826 * float(np.median(np.abs(z)))) if z.size else 1.0


def _overlap(pair: _Pair, candidate: _Candidate) -> float:
    return float(np.isfinite(_differences(pair, candidate)).mean())


def _sparse(pair: _Pair) -> tuple[slice, slice]:
    step = max(1, int(np.sqrt(pair.template.size / 250_000)))
    return slice(step // 2, None, step), slice(step // 2, None, step)


def _differences(pair: _Pair, candidate: _Candidate) -> FloatArray:
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


def _normal_equations(
    pair: _Pair, candidate: _Candidate, spread: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    normal, right, _, _ = _tile_equations(pair, candidate, spread)
    return normal.sum(axis=(0, 1)), right.sum(axis=(0, 1))


def _tile_equations(pair: _Pair, candidate: _Candidate, spread: float) -> tuple[NDArray[np.float64], ...]:
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


def _registration(pair: _Pair, best: _Candidate, shape: tuple[int, ...]) -> Registration:
    """Return what is reported, on the scale of the full planes."""
    normal, right, fitting, all_of_it = _tile_equations(pair, best, _spread(pair, best))
    times = _halvings(shape)
    warp = best.warp
    for _ in range(times):
        warp = to_finer(warp)
    total = float(all_of_it.sum())
    return Registration(
        warp=identity() if best.model == "none" else warp,
        model=best.model,
        offset=best.offset,
        inliers=float(fitting.sum()) / total if total else 0.0,
        residual=_residual(normal, right, best.offset) * 2.0**times,
        overlap=_overlap(pair, best),
    )


def _residual(normal: NDArray[np.float64], right: NDArray[np.float64], offset: float) -> float:
    """Return the median motion that tiles with enough structure ask for by themselves."""
    motions = []
    both = [0, 3]
    strength = np.minimum(normal[..., 0, 0], normal[..., 3, 3])
    for place in zip(*np.nonzero(strength > 0.2 * np.median(strength) + 1e-9), strict=True):
        matrix = normal[place][np.ix_(both, both)]
        vector = right[place][both] - offset * normal[place][both, 8]
        if np.linalg.cond(matrix) < 100:
            motions.append(float(np.hypot(*np.linalg.solve(matrix, vector))))
    return float(np.median(motions)) if motions else 0.0


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
