"""What the network of `single` sees of a picture, and how what it answers becomes light.

Light is counted in stops over a floor, log2(x + 2^-10): ten stops under the clip everything is noise of eight bits, and
above it an error of a stop weighs the same in a shadow and in the sun. Training and inference both come here, so that a
network meets the same numbers in both.

The picture as a whole is looked at on a copy with a longer side of at most 512 (so that nothing depends on how many
pixels a camera has), in two ways. The small planes show where things are. The level statistics say how codes change
from place to place, code by code: in nature contrast does not depend much on the level, so where differences of codes
are small the camera's curve is flat. From them the curve is estimated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from hdrcli.expand.highlights import expand_highlights
from hdrcli.images import FloatArray
from hdrcli.kernels import run_in_bands

FLOOR = np.float32(2.0**-10)
BLACK_STOPS = 10.0
"""Stops of black under the clip: `to_stops(0)` is -10."""
KNOTS = 33
"""Of a camera curve: stops at equal steps of the code, from black to white."""

PLANES = (*(f"{what} {channel}" for what in ("code", "clipped", "expansion") for channel in "RGB"), "texture", "row")
"""Of `Context.planes`, in order."""
STATISTICS = ("share", "step 1", "step 2", "step 4", "step 16", "curvature", "colour")
"""Of `Context.levels`, in order."""
LEVELS = 24

CLIP = 0.90, 0.985
"""Codes from which on a channel is shown to networks as clipped a little, and wholly."""
WHITE = 0.95, 0.995
"""Codes between which what a network adds to clipped channels comes in: JPEG leaves white at some codes less."""
BRIGHT = 0.6, 0.85
"""Codes between which `smoothed` comes in."""
LEAST_LEFT = 0.7
"""Share of the classical expansion that maps leave of it: with less, white would lie under the codes just below it, and
a line would run around every lamp."""

MIDDLE_SIDE = 512
SMALL_SIDE = 128
SMALL_MULTIPLE = 8
_DISTANCES = (1, 2, 4, 16)
_SMALLEST = 2.0**-11
"""Differences of codes are taken as at least this: a fraction of a step of eight bits."""
_GUIDE_RADIUS, _GUIDE_VARIANCE = 2, 1e-3
SMOOTHED_REACH = 2 * _GUIDE_RADIUS
_ROWS = 64  # at once: what is held between steps stays in the cache


@dataclass(frozen=True)
class Context:
    """What a network sees of the picture as a whole.

    Attributes
    ----------
    planes : ndarray (11, h, w), float32
        `PLANES`, about -1 to 1 each; the longer side is 128, both are multiples of 8.
    levels : ndarray (7, 24), float32
        `STATISTICS` by level of the code, in units of a few stops.
    """

    planes: FloatArray
    levels: FloatArray


def to_stops(light: FloatArray) -> FloatArray:
    """Return log2(light + 2^-10) of light of any shape, 1.0 = the clip; light below 0 counts as 0."""
    return np.asarray(np.log2(np.maximum(light, np.float32(0)) + FLOOR), dtype=np.float32)


def from_stops(stops: FloatArray) -> FloatArray:
    """Return the light, at least 0, of stops over the floor."""
    return np.asarray(np.maximum(np.exp2(stops) - FLOOR, np.float32(0)), dtype=np.float32)


def clipping(codes: FloatArray, *, between: tuple[float, float] = CLIP) -> FloatArray:
    """Return how much a code is taken for clipped, 0 to 1, rising smoothly between two codes just under white."""
    first, full = between
    share = np.clip((codes - np.float32(first)) / np.float32(full - first), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)


def smoothed(codes: FloatArray) -> FloatArray:
    """Return codes (H, W, 3), 0 to 1, smoothed where they are bright and smooth already.

    A guided filter (He et al. 2010) of each channel, which comes in between the codes of `BRIGHT`. A camera's curve is
    steep under white, and would make hills of what JPEG left there; it is undone by these codes. In the dark curves are
    flatter than sRGB, which is good for noise. Each pixel depends on the `SMOOTHED_REACH` pixels around it.
    """
    share = clipping(codes, between=BRIGHT)
    if not share.any():
        return codes
    mean = _box(codes)
    variance = np.maximum(_box(codes * codes) - mean * mean, np.float32(0))
    slope = np.asarray(variance / (variance + np.float32(_GUIDE_VARIANCE)), dtype=np.float32)
    offset = np.asarray(mean - slope * mean, dtype=np.float32)
    smooth = np.clip(_box(slope) * codes + _box(offset), 0, 1)
    return np.asarray(codes + share * (smooth - codes), dtype=np.float32)


def srgb_light(codes: FloatArray) -> FloatArray:
    """Return the light of codes (any shape, 0 to 1) by the sRGB curve: what a camera's curve is told from."""
    bent = ((codes + np.float32(0.055)) * np.float32(1 / 1.055)) ** np.float32(2.4)
    return np.asarray(np.where(codes <= np.float32(0.04045), codes * np.float32(1 / 12.92), bent), dtype=np.float32)


def expansion(codes: FloatArray) -> FloatArray:
    """Return by how many stops the classical method raises the light that the sRGB curve makes of codes.

    Parameters
    ----------
    codes : ndarray (H, W, 3), float32
        Display codes over the highest one, 0 to 1.

    Returns
    -------
    ndarray (H, W, 3), float32
        At least 0, but for rounding. Two arrays of the size of the picture are held, this one included.
    """
    light = np.empty(codes.shape, np.float32)

    def linearise(first: int, last: int) -> None:
        for rows in _few_rows(first, last):
            light[rows] = srgb_light(codes[rows])

    run_in_bands(linearise, len(codes))
    raised = expand_highlights(light)

    def compare(first: int, last: int) -> None:
        for rows in _few_rows(first, last):
            raised[rows] = to_stops(raised[rows]) - to_stops(light[rows])

    run_in_bands(compare, len(codes))
    return raised


def context(codes: FloatArray, *, raised: FloatArray | None = None) -> Context:
    """Return what a network sees of a whole picture.

    Parameters
    ----------
    codes : ndarray (H, W, 3), float32
        Display codes over the highest one, 0 to 1.
    raised : ndarray (H, W, 3), float32, optional
        What `expansion` gives for the picture, where it is known already: a picture of at most 512 pixels a side is
        not reduced, and needs no other.
    """
    middle = reduced(codes)
    if raised is None or middle is not codes:
        raised = expansion(middle)
    height, width = middle.shape[:2]
    longer = max(height, width)
    size = tuple(
        max(SMALL_MULTIPLE, round(SMALL_SIDE * side / longer / SMALL_MULTIPLE) * SMALL_MULTIPLE)
        for side in (width, height)
    )
    luma = np.ascontiguousarray(middle.mean(axis=2))
    texture = np.abs(cv2.Laplacian(luma, cv2.CV_32F, borderType=cv2.BORDER_REFLECT))
    planes = np.concatenate(
        [
            cv2.resize(middle, size, interpolation=cv2.INTER_AREA) * 2 - 1,
            cv2.resize(clipping(middle), size, interpolation=cv2.INTER_AREA),
            cv2.resize(raised, size, interpolation=cv2.INTER_AREA) / 2,
            (np.log2(cv2.resize(texture, size, interpolation=cv2.INTER_AREA) + _SMALLEST) / 4 + 1.5)[..., None],
            np.broadcast_to(np.linspace(-1, 1, size[1], dtype=np.float32)[:, None, None], (size[1], size[0], 1)),
        ],
        axis=2,
    )
    return Context(np.ascontiguousarray(planes.transpose(2, 0, 1), dtype=np.float32), level_statistics(middle))


def reduced(codes: FloatArray) -> FloatArray:
    """Return a picture averaged so that its longer side is at most 512; a smaller one as it is."""
    height, width = codes.shape[:2]
    factor = MIDDLE_SIDE / max(height, width)
    if factor >= 1:
        return codes
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(codes, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def level_statistics(codes: FloatArray) -> FloatArray:
    """Return `STATISTICS` (7, 24) of a picture (H, W, 3).

    Log2 of the share of the codes, of the mean differences of codes at some distances (with the level between them),
    of the mean second difference, and of the mean distance of red and blue from green, for every level of the code.
    """
    rows = [_shares(codes)]
    rows += [_mean_by_level(*_differences(codes, distance)) for distance in _DISTANCES]
    rows += [_mean_by_level(*_curvatures(codes))]
    green = codes[:, :, 1:2]
    rows += [_mean_by_level(np.abs(codes - green), (codes + green) * np.float32(0.5))]
    statistics = np.stack(rows)
    statistics[1:] = statistics[1:] / 3 + 2
    return np.asarray(statistics, dtype=np.float32)


def _box(x: FloatArray) -> FloatArray:
    side = 2 * _GUIDE_RADIUS + 1
    return np.asarray(cv2.blur(x, (side, side), borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _differences(codes: FloatArray, distance: int) -> tuple[FloatArray, FloatArray]:
    """Return differences between places so far apart in both directions, with the level between them."""
    steps, levels = [], []
    for axis in (0, 1):
        if codes.shape[axis] <= distance:
            continue
        one, other = np.split(codes, [distance], axis=axis)[1], np.split(codes, [-distance], axis=axis)[0]
        steps.append(np.abs(one - other).ravel())
        levels.append(((one + other) / 2).ravel())
    if not steps:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    return np.concatenate(steps), np.concatenate(levels)


def _curvatures(codes: FloatArray) -> tuple[FloatArray, FloatArray]:
    between = (codes[:, 2:] + codes[:, :-2]) / 2
    return np.abs(codes[:, 1:-1] - between), codes[:, 1:-1]


def _shares(codes: FloatArray) -> FloatArray:
    counts = np.bincount(_bins(codes), minlength=LEVELS)
    return np.asarray(np.log2(counts / max(codes.size, 1) + 2.0**-12) / 4 + 1.5, dtype=np.float32)


def _mean_by_level(values: FloatArray, levels: FloatArray) -> FloatArray:
    """Return log2 of the mean value at each level; levels that hardly occur take after the whole."""
    bins = _bins(levels)
    sums = np.bincount(bins, weights=values.ravel(), minlength=LEVELS)
    counts = np.bincount(bins, minlength=LEVELS)
    prior = max(values.size, 1) / 2048
    mean = (sums + prior * (values.mean() if values.size else 0)) / (counts + prior)
    return np.asarray(np.log2(mean + _SMALLEST), dtype=np.float32)


def _bins(levels: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.minimum((levels.ravel() * LEVELS).astype(np.int64), LEVELS - 1)


def _few_rows(first: int, last: int) -> Iterator[slice]:
    return (slice(top, min(top + _ROWS, last)) for top in range(first, last, _ROWS))
