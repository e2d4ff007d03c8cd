"""The motion of a camera between two exposures, found on their pixels.

Both are compared as logarithms of light, in which another exposure is only an offset: it is fitted too, so a gain that
is known roughly is enough; where it was off by more, everything is done again with what was found. Inverse
compositional Lucas-Kanade (Baker and Matthews, "Lucas-Kanade 20 years on", IJCV 2004) from coarse to fine, every pixel
weighted by its noise and by how well it fits (Tukey's biweight), so neither clipped nor dark nor moving parts take
part. No estimate is trusted alone: the search starts from no motion and from phase correlation, richer motions must
explain the picture better than poorer ones, and what does not beat standing still is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.align.compare import (
    SMALLEST_SIDE,
    Candidate,
    Pair,
    Plane,
    differences,
    halvings,
    levels_of,
    overlap,
    shape_of,
    spread,
    tile_equations,
)
from hdrcli.align.warp import Warp, corner_motion, identity, to_finer

# Parameters of a homography near the identity, then the offset: x moves by p0 + p1 u + p2 v + p6 u u + p7 u v,
# y by p3 + p4 u + p5 v + p6 u v + p7 v v, where u and v are centred and span about -1 to 1.
_TRANSLATION = np.array([[1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0]], dtype=np.float64)
_SIMILARITY = np.array(
    [*_TRANSLATION, [0, 1, 0, 0, 0, 1, 0, 0], [0, 0, -1, 0, 1, 0, 0, 0]],
    dtype=np.float64,
)
_HOMOGRAPHY = np.eye(8)

_ITERATIONS = 12
_SETTLED = 0.003  # pixels
# What a richer motion must bring the cost down to, and the share of the pixels that must be comparable for it to be
# tried: a lamp alone tells no rotation.
_RICHER = {"similarity": (0.97, 0.08), "homography": (0.95, 0.3)}
_GAIN_OVER_NONE = 0.98
_FAR_NEEDS, _FAR_NEEDS_AT_MOST = 5.0, 0.3  # less of the cost for a motion by the longer side
_STILL = 0.25  # pixels of the full picture at its corners: interpolating would cost more than it mends
_LEAST_OVERLAP = 0.05  # share of the pixels that must be comparable for motion to be looked for
_LEAST_COMMON = 0.5  # of what can be compared before a motion, what must still be afterwards
_LARGEST_MOTION = 0.3  # of the longer side
_SAME_EXPOSURE = 0.1  # stops
_SEARCHES = 3


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

    @property
    def comparable(self) -> bool:
        """Whether enough could be compared for a motion to be looked for."""
        return self.overlap >= _LEAST_OVERLAP


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
    seen, offset = frame, 0.0
    for _ in range(_SEARCHES):
        found = _register(reference, seen, still=still)
        offset += found.offset
        if abs(found.offset) < _SAME_EXPOSURE or not found.comparable:
            break
        # The logarithm of dark light is cut off: another exposure is less of an offset there, and looks like motion.
        seen = _relit(frame, 2**-offset)
    return replace(found, offset=offset)


def _relit(plane: Plane, gain: float) -> Plane:
    factor = np.float32(gain)
    return replace(plane, light=plane.light * factor, variance=plane.variance * np.square(factor), top=plane.top * gain)


def _register(reference: Plane, frame: Plane, *, still: bool) -> Registration:
    levels = levels_of(reference, frame)
    pair = levels[0]
    none = _fit(pair, Candidate(identity(), "none", 0.0), None)
    best = none
    if not still and overlap(pair, none) >= _LEAST_OVERLAP:
        for start in _starts(levels[-1]):
            found = _search(levels, start)
            if _is_better(pair, found, best, _needed(pair, found)):
                best = found
    full = 2.0 ** (1 + halvings(reference.light.shape))  # pixels of the picture, of which the planes have half
    if np.abs(corner_motion(best.warp, shape_of(pair.template))).max() * full < _STILL:
        best = none
    return _registration(pair, best, reference.light.shape)


def _starts(pair: Pair) -> list[Candidate]:
    """Return what the search begins with at the smallest size: no motion, and what phase correlation finds."""
    plain = Candidate(identity(), "translation", 0.0)
    weight = np.sqrt(pair.weight / max(float(pair.weight.max()), 1e-6))
    if weight.sum() < 16:
        return [plain]
    a, b = ((x - np.average(x, weights=weight)) * weight for x in (pair.template, pair.image))
    window = cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(np.ascontiguousarray(a), np.ascontiguousarray(b), window)
    shifted = identity()
    shifted[0, 2], shifted[1, 2] = dx, dy
    return [plain, Candidate(shifted, "translation", 0.0)] if np.hypot(dx, dy) > 0.5 else [plain]


def _search(levels: list[Pair], start: Candidate) -> Candidate:
    """Follow a start from the smallest size to the largest, richer motions only where they explain more."""
    found = start
    for number, pair in enumerate(reversed(levels)):
        if number:
            found = replace(found, warp=to_finer(found.warp))
        found = _fit(pair, found, _TRANSLATION if found.model == "translation" else _SIMILARITY)
        if min(pair.template.shape) >= 2 * SMALLEST_SIDE and found.model == "translation":
            found = _if_better(pair, found, "similarity", _SIMILARITY)
        if pair is levels[0] or (len(levels) > 1 and pair is levels[1]):
            found = _if_better(pair, found, "homography", _HOMOGRAPHY)
    return found


def _if_better(pair: Pair, found: Candidate, model: str, basis: NDArray[np.float64]) -> Candidate:
    factor, least = _RICHER[model]
    if overlap(pair, found) < least:
        return found
    richer = replace(_fit(pair, found, basis), model=model)
    return richer if _is_better(pair, richer, found, factor) else found


def _needed(pair: Pair, candidate: Candidate) -> float:
    """Return the factor on the cost that a motion must reach: the farther it goes, the more it must explain."""
    shape = shape_of(pair.template)
    far = float(np.abs(corner_motion(candidate.warp, shape)).max()) / max(shape)
    return _GAIN_OVER_NONE - min(_FAR_NEEDS * far, _FAR_NEEDS_AT_MOST)


def _is_better(pair: Pair, candidate: Candidate, than: Candidate, factor: float) -> bool:
    """Tell whether a candidate explains the picture better, by a factor on the cost, where both can be compared.

    The cost is the mean square of the differences, each cut at three expected deviations.
    """
    shape = shape_of(pair.template)
    if np.abs(corner_motion(candidate.warp, shape)).max() > _LARGEST_MOTION * max(shape):
        return False
    z, other = differences(pair, candidate), differences(pair, than)
    both = np.isfinite(z) & np.isfinite(other)
    if np.count_nonzero(both) < max(16, _LEAST_COMMON * np.count_nonzero(np.isfinite(other))):
        return False
    cost, usual = (float(np.mean(np.minimum(np.square(x[both]), 9.0))) for x in (z, other))
    return cost < factor * usual


def _fit(pair: Pair, start: Candidate, basis: NDArray[np.float64] | None) -> Candidate:
    """Return the candidate after Gauss-Newton steps in the parameters of `basis` (k, 8); None for the offset alone."""
    found = start
    free = 0 if basis is None else len(basis)
    whole = np.zeros((free + 1, 9))
    whole[-1, 8] = 1
    if basis is not None:
        whole[:-1, :8] = basis
    for _ in range(_ITERATIONS):
        normal, right = _normal_equations(pair, found, spread(pair, found))
        matrix, vector = whole @ normal @ whole.T, whole @ right
        damping = 1e-9 * np.trace(matrix) + 1e-12
        step = whole.T @ np.linalg.solve(matrix + damping * np.eye(len(matrix)), vector)
        # The offset is solved for anew each time, the motion as a step.
        offset = float(step[8])
        warp: Warp = found.warp @ np.linalg.inv(_step_matrix(step[:8], shape_of(pair.template)))
        change: Warp = np.linalg.inv(found.warp) @ warp
        moved = np.abs(corner_motion(change, shape_of(pair.template))).max()
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


def _normal_equations(
    pair: Pair, candidate: Candidate, spread: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    normal, right, _, _ = tile_equations(pair, candidate, spread)
    return normal.sum(axis=(0, 1)), right.sum(axis=(0, 1))


def _registration(pair: Pair, best: Candidate, shape: tuple[int, ...]) -> Registration:
    """Return what is reported, on the scale of the full planes."""
    normal, right, fitting, all_of_it = tile_equations(pair, best, spread(pair, best))
    times = halvings(shape)
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
        overlap=overlap(pair, best),
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
