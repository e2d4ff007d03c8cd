"""Samples of a bracket: tuples of codes that the frames give to the same light.

From histograms (Grossberg and Nayar, "Determining the camera response from images: what is knowable?", PAMI 2003):
equal ranks in all frames belong to equal light, as long as the frames show the same on the whole. That needs no
alignment and survives motion. From places: pixels in flat areas of aligned frames, which a small shift does not harm.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.response.response import CODES

RANKS = 256
"""How many ranks are taken from histograms; more make no better response."""

LARGEST_RANGE = 32
"""Largest difference of the codes in an area of 3 x 3 pixels that still counts as flat."""

CONTRADICTION = 2
"""By how many codes a longer exposure may be darker than a shorter one before the sample is rejected."""

_CANDIDATES = 500_000


def histogram_samples(histograms: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the codes of equal rank in all frames.

    Parameters
    ----------
    histograms : ndarray (P, 256, 3)
        Counts of each code by frame and channel; every frame and channel counts some pixels, not the same number.

    Returns
    -------
    ndarray (256, P, 3), float64
        Codes between 0 and 255, interpolated within a code as if its pixels were spread evenly over it; exactly 0
        and 255 stand for the ends, whose light is not known. Increasing along the first axis.

    Raises
    ------
    UsageError
        When the histograms have another shape or one of them is empty.
    """
    if histograms.ndim != 3 or histograms.shape[1:] != (CODES, 3):
        raise UsageError(f"Histograms are an array (P, {CODES}, 3).")
    if histograms.sum(axis=1).min() <= 0:
        raise UsageError("Every frame needs some pixels in each of its channels.")
    frames = histograms.shape[0]
    ranks = (np.arange(RANKS) + 0.5) / RANKS
    samples = np.empty((RANKS, frames, 3))
    for frame in range(frames):
        for channel in range(3):
            samples[:, frame, channel] = _quantiles(histograms[frame, :, channel].astype(np.float64), ranks)
    return samples


def _quantiles(counts: NDArray[np.float64], ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the code of each rank (0 to 1), with the pixels of code z spread over z - 0.5 to z + 0.5."""
    cumulative = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    below = np.clip(np.searchsorted(cumulative, ranks, side="right") - 1, 0, CODES - 1)
    share = (ranks - cumulative[below]) / np.maximum(cumulative[below + 1] - cumulative[below], 1e-300)
    codes = below - 0.5 + np.clip(share, 0, 1)
    # What was cut at the ends is not spread evenly over the last code.
    return np.where(below == 0, 0.0, np.where(below == CODES - 1, CODES - 1.0, codes))


def spatial_sample_points(codes: NDArray[np.uint8], number: int) -> NDArray[np.int64]:
    """Return pixels in flat areas of a picture, evenly over its codes.

    Parameters
    ----------
    codes : ndarray (H, W, 3), uint8
        The middle frame.
    number : int
        How many points at most.

    Returns
    -------
    ndarray (N, 2), int64
        Rows and columns, each at most once, none on the border; fewer than `number` where there are not so many flat
        areas. The same picture always gives the same points.

    Raises
    ------
    UsageError
        When the codes are no such array or the number is not positive.
    """
    if codes.ndim != 3 or codes.shape[2] != 3 or codes.dtype != np.uint8:
        raise UsageError("Codes are an array (H, W, 3) of uint8.")
    if number < 1:
        raise UsageError(f"There is at least one sample, not {number}.")
    if min(codes.shape[:2]) < 3:
        return np.empty((0, 2), np.int64)
    window = np.ones((3, 3), np.uint8)
    spread = (cv2.dilate(codes, window) - cv2.erode(codes, window)).max(axis=2)
    inner = np.zeros(spread.shape, bool)
    inner[1:-1, 1:-1] = spread[1:-1, 1:-1] <= LARGEST_RANGE
    places = np.flatnonzero(inner)
    # Shuffled, so that the points of one code come from the whole picture.
    places = np.random.default_rng(0).permutation(places[:: len(places) // _CANDIDATES + 1])
    green = codes[..., 1].ravel()[places]
    order = np.lexsort((spread.ravel()[places], green))
    counts = np.bincount(green, minlength=CODES)
    turn = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    # The flattest of every code, then the second of every code, until there are enough.
    taken = places[order[np.argsort(turn, kind="stable")[:number]]]
    return np.stack(np.divmod(np.sort(taken), codes.shape[1]), axis=1)


def codes_around(codes: NDArray[np.uint8], points: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean codes (N, 3) of the 3 x 3 pixels around points (N, 2) of rows and columns of a picture.

    The mean holds a third of a pixel's noise. Where one of the pixels is at an end, 0 or 255, the mean is that end:
    what was cut there is not known. Beyond the border the pixels are those on it.
    """
    steps = np.arange(-1, 2)
    rows = np.clip(points[:, 0, None, None] + steps[:, None], 0, codes.shape[0] - 1)
    columns = np.clip(points[:, 1, None, None] + steps, 0, codes.shape[1] - 1)
    around = codes[rows, columns].reshape(len(points), 9, 3)
    means = np.where(around.max(axis=1) == CODES - 1, CODES - 1.0, around.mean(axis=1))
    return np.where(around.min(axis=1) == 0, 0.0, means)


def reject_contradictions(
    codes: NDArray[np.uint8] | NDArray[np.float64], exposures: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which samples to keep: those whose codes never fall by more than 2 as the exposure rises.

    Parameters
    ----------
    codes : ndarray (N, P, 3)
    exposures : ndarray (P,)
        Exposure of each frame, or its logarithm; in any order.

    Returns
    -------
    ndarray (N,), bool
    """
    ordered = codes[:, np.argsort(exposures, kind="stable")].astype(np.float64)
    highest = np.maximum.accumulate(ordered, axis=1)
    return np.asarray((highest - ordered <= CONTRADICTION).all(axis=(1, 2)))
