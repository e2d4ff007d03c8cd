"""Directional demosaicing: colour differences from four sides, weighted by how steady they are.

Green is estimated at every red and blue sample from the colour differences that lie north, south, west and east of
it, each side weighted by the inverse square of its local gradients (Pekkucuksen and Altunbasak, "Gradient based
threshold free color filter array interpolation", ICIP 2010). No direction is ever chosen outright, so noise makes no
maze. Changes to the paper, each kept because it measured better on the Kodak pictures and on HDR scenes: gradients
also count the samples themselves and are summed over 3x3; red and blue follow by likeness of green instead of a fixed
filter with negative lobes; green stays within reach of its neighbours, so that nothing rings beside a lamp.

A tile is worked on as one long row of samples, so that the same loops serve both directions: one sample on is a step
to the side, one width on a step down. Its rows run into each other only in the margin, from which nothing is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray
from hdrcli.kernels import kernel

MARGIN = 8
"""Samples on each side of a pixel that its colours depend on."""

_ONE = np.float32(1)
_HALF = np.float32(0.5)
_FIFTH = np.float32(0.2)
_NINTH = np.float32(1 / 9)
# The other colour at a sample, along a line: half the sum of its two neighbours, plus 0.4 times the sample, less
# 0.2 times the next samples of its own colour. This is one less that 0.4.
_OWN = np.float32(0.6)
# How much a gradient of the samples counts beside one of the colour differences.
_SAMPLE_SHARE = np.float32(0.3)
# Keeps weights finite where all is equal; far below the noise on the root scale.
_LEAST_GRADIENT = np.float32(1e-5)
# Difference of green, on the root scale, up to which neighbours count about alike for red and blue.
_LIKENESS = np.float32(0.05)

_PLANES = 7


def scratch(rows: int, columns: int) -> FloatArray:
    """Return the working memory for tiles of up to `rows` x `columns` pixels, margins not counted."""
    return np.zeros((_PLANES, (rows + 2 * MARGIN) * (columns + 2 * MARGIN)), dtype=np.float32)


def interpolate(y: FloatArray, colours: NDArray[np.int64], rgb: FloatArray, work: FloatArray) -> None:
    """Write all three colours of a tile.

    Parameters
    ----------
    y : ndarray (h + 16, w + 16), float32
        Samples on the root scale, with `MARGIN` samples around the tile.
    colours : ndarray (2, 2), int64
        Channel (0 red, 1 green, 2 blue) of the Bayer cell at the first sample of `y`.
    rgb : ndarray (h, w, 3), float32
        Written, on the root scale.
    work : ndarray
        From `scratch`, for this size or a larger one.
    """
    tile = _Tile(y.shape[1], y.size)
    samples = y.reshape(-1)
    difference, gradient, sums, across, weighted_across, along, weighted_along = work[:, : y.size]
    for step, weight, weighted in ((1, across, weighted_across), (tile.width, along, weighted_along)):
        _difference(*tile.line(samples, step), tile.at(difference, 0))
        _gradient(*tile.pair(difference, step), *tile.pair(samples, step), tile.at(gradient, 0))
        _sum3(*tile.pair(gradient, 1), tile.at(gradient, 0), tile.at(sums, 0))
        _weight(*tile.pair(sums, tile.width), tile.at(sums, 0), tile.at(weight, 0))
        _weighted(*tile.line(difference, step), tile.at(weight, 0), tile.at(weighted, 0))

    green_minus, green, diagonal = difference, gradient, sums
    _four_sides(
        *tile.pair(weighted_across, 2),
        *tile.pair(weighted_along, 2 * tile.width),
        *tile.pair(across, 2),
        *tile.pair(along, 2 * tile.width),
        tile.at(green_minus, 0),
    )
    _limit(tile.at(samples, 0), *tile.pair(samples, 1), *tile.pair(samples, tile.width), tile.at(green_minus, 0))
    np.add(samples, green_minus, out=green)
    _diagonal(tile.at(green, 0), *tile.corners(green), *tile.corners(green_minus), tile.at(diagonal, 0))
    own, other = weighted_across, weighted_along
    for here, beside, out in ((green_minus, diagonal, own), (diagonal, green_minus, other)):
        sides = *tile.pair(here, 1), *tile.pair(beside, tile.width)
        _cross(*sides, tile.at(across, 0), tile.at(along, 0), tile.at(out, 0))
    _compose(y, green_minus, diagonal, own, other, colours, rgb)


@dataclass(frozen=True)
class _Tile:
    """Cuts planes of a tile so that index x of the cuts lies at x plus some shift in the plane."""

    width: int
    size: int

    def at(self, plane: FloatArray, shift: int) -> FloatArray:
        border = 2 * self.width + 2  # no loop looks farther than this
        return plane[border + shift : self.size - border + shift]

    def pair(self, plane: FloatArray, step: int) -> tuple[FloatArray, FloatArray]:
        return self.at(plane, -step), self.at(plane, step)

    def line(self, plane: FloatArray, step: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        before, after = self.pair(plane, step)
        return self.at(plane, -2 * step), before, self.at(plane, 0), after, self.at(plane, 2 * step)

    def corners(self, plane: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """North-east, south-west, north-west, south-east."""
        return *self.pair(plane, self.width - 1), *self.pair(plane, self.width + 1)


@kernel
def _difference(
    y0: FloatArray, y1: FloatArray, y2: FloatArray, y3: FloatArray, y4: FloatArray, out: FloatArray
) -> None:
    """Write the sample y2 less the other colour of its line: green minus colour at green, the negative elsewhere."""
    for x in range(out.size):
        out[x] = _OWN * y2[x] - _HALF * (y1[x] + y3[x]) + _FIFTH * (y0[x] + y4[x])


@kernel
def _gradient(d1: FloatArray, d3: FloatArray, y1: FloatArray, y3: FloatArray, out: FloatArray) -> None:
    for x in range(out.size):
        out[x] = abs(d1[x] - d3[x]) + _SAMPLE_SHARE * abs(y1[x] - y3[x])


@kernel
def _sum3(a: FloatArray, b: FloatArray, c: FloatArray, out: FloatArray) -> None:
    for x in range(out.size):
        out[x] = a[x] + b[x] + c[x]


@kernel
def _weight(a: FloatArray, b: FloatArray, c: FloatArray, out: FloatArray) -> None:
    """Write the inverse square of the mean of nine gradients, given as sums of three."""
    for x in range(out.size):
        gradient = (a[x] + b[x] + c[x]) * _NINTH + _LEAST_GRADIENT
        out[x] = _ONE / (gradient * gradient)


@kernel
def _weighted(
    d0: FloatArray, d1: FloatArray, d2: FloatArray, d3: FloatArray, d4: FloatArray, weight: FloatArray, out: FloatArray
) -> None:
    """Write weight times the mean of green minus colour over five samples of a line, along which signs alternate."""
    for x in range(out.size):
        out[x] = weight[x] * _FIFTH * (d1[x] + d3[x] - d0[x] - d2[x] - d4[x])


@kernel
def _four_sides(
    a: FloatArray,
    b: FloatArray,
    c: FloatArray,
    d: FloatArray,
    weight_a: FloatArray,
    weight_b: FloatArray,
    weight_c: FloatArray,
    weight_d: FloatArray,
    out: FloatArray,
) -> None:
    """Write the weighted mean of four sides, whose values come multiplied by their weights."""
    for x in range(out.size):
        out[x] = (a[x] + b[x] + c[x] + d[x]) / (weight_a[x] + weight_b[x] + weight_c[x] + weight_d[x])


@kernel
def _limit(
    y: FloatArray, west: FloatArray, east: FloatArray, north: FloatArray, south: FloatArray, out: FloatArray
) -> None:
    """Keep green, y + out, in the range of its four measured neighbours, widened by that range on both sides."""
    for x in range(out.size):
        low = min(min(west[x], east[x]), min(north[x], south[x]))
        high = max(max(west[x], east[x]), max(north[x], south[x]))
        reach = high - low
        out[x] = min(max(y[x] + out[x], low - reach), high + reach) - y[x]


@kernel
def _diagonal(
    g: FloatArray,
    g_ne: FloatArray,
    g_sw: FloatArray,
    g_nw: FloatArray,
    g_se: FloatArray,
    ne: FloatArray,
    sw: FloatArray,
    nw: FloatArray,
    se: FloatArray,
    out: FloatArray,
) -> None:
    """Write the mean of the four corners' colour differences, weighted by likeness of their green."""
    for x in range(out.size):
        like_nw = _ONE / (abs(g_nw[x] - g[x]) + _LIKENESS)
        like_ne = _ONE / (abs(g_ne[x] - g[x]) + _LIKENESS)
        like_sw = _ONE / (abs(g_sw[x] - g[x]) + _LIKENESS)
        like_se = _ONE / (abs(g_se[x] - g[x]) + _LIKENESS)
        total = like_nw * nw[x] + like_ne * ne[x] + like_sw * sw[x] + like_se * se[x]
        out[x] = total / (like_nw + like_ne + like_sw + like_se)


@kernel
def _cross(
    west: FloatArray,
    east: FloatArray,
    north: FloatArray,
    south: FloatArray,
    across: FloatArray,
    along: FloatArray,
    out: FloatArray,
) -> None:
    for x in range(out.size):
        total = across[x] * (west[x] + east[x]) + along[x] * (north[x] + south[x])
        out[x] = _HALF * total / (across[x] + along[x])


@kernel
def _compose(
    y: FloatArray,
    green_minus: FloatArray,
    diagonal: FloatArray,
    own: FloatArray,
    other: FloatArray,
    colours: NDArray[np.int64],
    rgb: FloatArray,
) -> None:
    """Put the colours together: at red and blue from their differences to green, at green from both lines."""
    width = y.shape[1]
    for i in range(rgb.shape[0]):
        site = 0 if colours[i & 1, 0] != 1 else 1
        channel = colours[i & 1, site]
        first = (i + MARGIN) * width + MARGIN
        for j in range(site, rgb.shape[1], 2):
            green = y[i + MARGIN, j + MARGIN] + green_minus[first + j]
            rgb[i, j, channel] = y[i + MARGIN, j + MARGIN]
            rgb[i, j, 1] = green
            rgb[i, j, 2 - channel] = green - diagonal[first + j]
        for j in range(1 - site, rgb.shape[1], 2):
            green = y[i + MARGIN, j + MARGIN]
            rgb[i, j, channel] = green - own[first + j]
            rgb[i, j, 1] = green
            rgb[i, j, 2 - channel] = green - other[first + j]
