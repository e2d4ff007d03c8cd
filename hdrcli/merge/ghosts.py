"""Ghosts: where an exposure shows something else than what was merged so far.

The difference of every cell is taken in units of what may be expected of it: noise of both, an error of the gain, and
what the least error of the alignment does at an edge. Noise counts for no more than differences at that level of light
usually are, and their median is taken off, because where it is dark a response may be wrong. The mean square over a
small window is about 1 at most where nothing moved. What rises far above that is a ghost, and with it what is connected
to it and rises less (hysteresis, Canny 1986), because the inside of a moved thing often resembles what it hides.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray, MaskArray
from hdrcli.kernels import Real, kernel, run_in_bands
from hdrcli.merge.cells import Cells


class _Level(NamedTuple):
    sure: float
    likely: float


LEVELS = {"low": _Level(16.0, 5.0), "medium": _Level(6.0, 2.2), "high": _Level(3.0, 1.6)}
"""Mean squares from which on something has moved for sure, and from which on if it touches that."""

_STILL, _MOVED = 0.06, 0.4  # share of the local contrast that errors of the position are worth
_WINDOW = 2.0  # cells, standard deviation
_DILATE = 3  # cells
_FADE = 1.5
_SMALLEST = 12  # cells

# Levels that usual differences are measured at: four to a stop, the first at 2**-20.
_BINS, _BINS_A_STOP, _DARKEST = 100, 4, 20
_CELLS_MEASURED, _LEAST_A_BIN = 100_000, 200
_ROOM = 1.5  # on the variance measured


def find_ghosts(
    merged: Cells,
    frame: Cells,
    *,
    bound: float,
    tolerance: float,
    level: str,
    still: bool,
    reached: FloatArray | None = None,
) -> FloatArray:
    """Return where an exposure may be merged.

    Parameters
    ----------
    merged : Cells
        What was merged so far; where its variance is 0, its light is what there is at least.
    frame : Cells
        The exposure on the same grid and scale.
    bound : float
        Light from which on the mean of a cell of the exposure may hold clipped samples.
    tolerance : float
        Share of the light that other things than motion may change: errors of the gain or of the response, flicker of
        lamps, glare.
    level : str
        "off", "low", "medium" or "high": how readily something is taken for a ghost.
    still : bool
        Whether the frame was not interpolated.
    reached : ndarray (h, w), float32, or None
        1 where the frame reaches to; elsewhere nothing is compared. None for everywhere.

    Returns
    -------
    ndarray (h, w), float32
        1 where it shows the same, 0 where it does not, smooth in between.

    Raises
    ------
    UsageError
        When there is no such level.
    """
    if level == "off":
        return np.ones(frame.trust.shape, np.float32)
    if level not in LEVELS:
        raise UsageError(f"There is no deghosting {level!r}; choose from off, {', '.join(LEVELS)}.")
    usual = _usual_differences(merged, frame)
    excess = np.empty_like(frame.trust)
    contrast = np.float32(_STILL if still else _MOVED)

    def work(first: int, last: int) -> None:
        _compare(
            merged.light, merged.variance, frame.light, frame.variance, np.float32(bound), contrast,
            np.float32(tolerance), usual, first, last, excess,
        )  # fmt: skip

    run_in_bands(work, excess.shape[0])
    if reached is not None:
        excess[reached < np.float32(0.5)] = 0
    mean = cv2.GaussianBlur(excess, (0, 0), _WINDOW, borderType=cv2.BORDER_REFLECT)
    moved = _connected(np.asarray(mean, dtype=np.float32), LEVELS[level])
    if not moved.any():
        return np.ones(frame.trust.shape, np.float32)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _DILATE + 1, 2 * _DILATE + 1))
    wide = cv2.dilate(moved.astype(np.float32), around)
    faded = cv2.GaussianBlur(wide, (0, 0), _FADE, borderType=cv2.BORDER_REFLECT)
    # The fade lies outside: inside a ghost nothing of it may be left.
    return np.asarray(1 - np.clip(2 * faded, 0, 1), dtype=np.float32)


def _connected(mean: FloatArray, level: _Level) -> MaskArray:
    """Return what is likely a ghost and connected to what is one for sure."""
    likely = mean > level.likely
    number, labels, statistics, _ = cv2.connectedComponentsWithStats(likely.astype(np.uint8), connectivity=8)
    sure = np.zeros(number, dtype=bool)
    sure[np.unique(labels[mean > level.sure])] = True
    sure &= statistics[:, cv2.CC_STAT_AREA] >= _SMALLEST
    sure[0] = False
    return np.asarray(sure[labels])


@kernel
def _bin(light: Real) -> int:
    stops = np.log2(max(light, np.float32(1e-9)))
    return int(min(max(_BINS_A_STOP * (stops + _DARKEST), 0), _BINS - 1))


@kernel
def _bins(light: FloatArray, bins: NDArray[np.int64]) -> None:
    for i in range(light.size):
        bins[i] = _bin(light[i])


def _usual_differences(merged: Cells, frame: Cells) -> FloatArray:
    """Return the median difference and the robust variance (3, n, 2) at every level of each colour.

    Levels that too few cells have keep no offset and a variance without bound.
    """
    step = max(1, math.isqrt(frame.trust.size // _CELLS_MEASURED))
    some = (slice(step // 2, None, step), slice(step // 2, None, step))
    compared = np.minimum(merged.trust[some], frame.trust[some]) > np.float32(0.99)
    usual = np.zeros((3, _BINS, 2), np.float32)
    usual[..., 1] = np.inf
    for c in range(3):
        light = merged.light[some][..., c][compared]
        differences = frame.light[some][..., c][compared] - light
        bins = np.empty(light.size, np.int64)
        _bins(light, bins)
        for level in np.flatnonzero(np.bincount(bins, minlength=_BINS) >= _LEAST_A_BIN):
            there = differences[bins == level]
            middle = np.median(there)
            usual[c, level] = middle, _ROOM * np.square(1.4826 * np.median(np.abs(there - middle)))
    return usual


@kernel
def _compare(
    light: FloatArray,
    variance: FloatArray,
    other: FloatArray,
    other_variance: FloatArray,
    bound: Real,
    contrast: Real,
    tolerance: Real,
    usual: FloatArray,
    first: int,
    last: int,
    excess: FloatArray,
) -> None:
    """Write the mean square over the channels of differences in units of what may be expected."""
    height, width = excess.shape
    cut = np.float32(36)
    for i in range(first, last):
        for j in range(width):
            total = np.float32(0)
            for c in range(3):
                a, b = light[i, j, c], other[i, j, c]
                difference = b - a
                if variance[i, j, c] <= 0:  # there is at least so much, and clipped samples are a little short of it
                    difference = min(b - np.float32(0.9) * a, np.float32(0))
                if b >= bound:
                    difference = max(np.float32(0.9) * b - a, np.float32(0)) if variance[i, j, c] > 0 else np.float32(0)
                # Of both: one of them may clip here, and show no contrast.
                smallest, largest, least, most = a, a, b, b
                for y in range(max(i - 1, 0), min(i + 2, height)):
                    for x in range(max(j - 1, 0), min(j + 2, width)):
                        smallest = min(smallest, light[y, x, c])
                        largest = max(largest, light[y, x, c])
                        least = min(least, other[y, x, c])
                        most = max(most, other[y, x, c])
                relative = tolerance * max(a, b)
                position = contrast * max(largest - smallest, most - least)
                noise, level = variance[i, j, c] + other_variance[i, j, c], _bin(a)
                if variance[i, j, c] > 0 and b < bound:
                    # No more than the noise explains: what differs by more is not a matter of the level.
                    most = np.sqrt(noise)
                    difference -= min(max(usual[c, level, 0], -most), most)
                expected = min(noise, usual[c, level, 1]) + relative * relative + position * position
                # One wild cell (a hot pixel, a glint) shall not decide for its window.
                total += min(difference * difference / (expected + np.float32(1e-12)), cut)
            excess[i, j] = total / np.float32(3)
