"""Mosaics brought onto the grid of another: demosaicked, then sampled where the other's photosites lie in them.

A mosaic cannot be shifted by less than a cell as it is: each colour is sampled too coarsely. Demosaicking takes what
the other colours know of the detail; at whole cells the measured samples come back. Fourth roots of light are
interpolated, so that a bright neighbour does not ring into the dark, with six samples a side: measured on noise-free
frames moved by a hand, that is worth 1.8 dB over cubic convolution of square roots, and eight or ten add 0.3.
"""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.align.warp import Warp
from hdrcli.images import FloatArray, NoiseModel
from hdrcli.kernels import Real, kernel, run_in_bands

_TAPS = 6
_STEPS = 512  # places between two samples that weights are tabulated for
_BETA = 4.0
_LEAST_OFFSET = 1e-4
# As when demosaicking: from there on the mean of noise no longer depends on the number of samples averaged.
_OFFSET_IN_SIGMA = 4.0


def root_offset_for(noise: NoiseModel) -> float:
    """Return what is added to light, 1.0 = clip, before its root is taken: below it the root is nearly straight."""
    return max(_LEAST_OFFSET, _OFFSET_IN_SIGMA * math.sqrt(max(noise.read, 0.0)))


def take_roots(rgb: FloatArray, offset: float) -> None:
    """Replace linear light (H, W, 3), float32, 1.0 = clip, by the roots that `mosaic_at` interpolates, in place."""
    run_in_bands(lambda first, last: _take_roots(rgb, np.float32(offset), first, last), rgb.shape[0])


def _finest(roots: FloatArray) -> FloatArray:
    """Return the mean square (H, W) over 3 x 3 pixels of what a small blur takes away from the mean of the roots.

    Of nine such figures it told the square of the error of interpolation best for the noise that it takes up.
    """
    mean = np.asarray(cv2.transform(roots, np.full((1, 3), 1 / 3, np.float32)), dtype=np.float32)
    mean -= cv2.GaussianBlur(mean, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.blur(np.square(mean, out=mean), (3, 3), borderType=cv2.BORDER_REFLECT), dtype=np.float32)


@cache
def _weights() -> FloatArray:
    """Return the weights (513, 6) of the samples around every place: a sinc within Kaiser's window (1974)."""
    places = np.linspace(0, 1, _STEPS + 1)[:, None] - np.arange(1 - _TAPS // 2, _TAPS // 2 + 1)
    window = np.i0(_BETA * np.sqrt(np.clip(1 - (places / (_TAPS / 2)) ** 2, 0, None)))
    weights = np.sinc(places) * window
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def mosaic_at(
    roots: FloatArray,
    warp: Warp,
    colours: NDArray[np.int64],
    *,
    offset: float,
    factors: tuple[float, float, float],
) -> tuple[FloatArray, FloatArray]:
    """Sample a frame with the colour filters of the reference at the places where these lie in the frame.

    Parameters
    ----------
    roots : ndarray (H, W, 3), float32
        Of `take_roots`.
    warp : ndarray (3, 3)
        From the reference to the frame.
    colours : ndarray (2, 2), int64
        Channel at each position of the reference's Bayer cell.
    offset : float
        That the roots were taken with.
    factors : tuple of 3 float
        What the light of each channel is multiplied by.

    Returns
    -------
    samples : ndarray (H, W), float32
        Linear; beyond the borders of the frame, the border's (where it reaches to is for `coverage` to say).
    detail : ndarray (H, W), float32
        Mean square of the finest detail around the place, linear: interpolation is in doubt in proportion.
    """
    samples, detail = np.empty(roots.shape[:2], np.float32), np.empty(roots.shape[:2], np.float32)
    finest = _finest(roots)
    scales = np.array(factors, dtype=np.float32)
    run_in_bands(
        lambda first, last: _mosaic_at(
            roots, finest, warp, colours, scales, np.float32(offset), _weights(), first, last, samples, detail
        ),
        roots.shape[0],
    )
    return samples, detail


@kernel
def _take_roots(rgb: FloatArray, offset: Real, first: int, last: int) -> None:
    root = np.sqrt(np.sqrt(offset))
    part = rgb[first:last].reshape(-1)
    for k in range(part.size):
        size = np.sqrt(np.sqrt(abs(part[k]) + offset)) - root
        part[k] = size if part[k] >= 0 else -size


@kernel
def _mosaic_at(
    roots: FloatArray,
    finest: FloatArray,
    warp: Warp,
    colours: NDArray[np.int64],
    factors: FloatArray,
    offset: Real,
    weights: FloatArray,
    first: int,
    last: int,
    samples: FloatArray,
    detail: FloatArray,
) -> None:
    height, width = roots.shape[:2]
    root = np.sqrt(np.sqrt(offset))
    for i in range(first, last):
        for j in range(width):
            c = colours[i & 1, j & 1]
            below = warp[2, 0] * j + warp[2, 1] * i + warp[2, 2]
            x = (warp[0, 0] * j + warp[0, 1] * i + warp[0, 2]) / below
            y = (warp[1, 0] * j + warp[1, 1] * i + warp[1, 2]) / below
            x = min(max(x, 0.0), width - 1.0)
            y = min(max(y, 0.0), height - 1.0)
            left, upper = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
            across, down = int((x - left) * 512 + 0.5), int((y - upper) * 512 + 0.5)
            value = np.float32(0)
            inside = 2 <= left < width - 3
            for k in range(6):
                row = min(max(upper + k - 2, 0), height - 1)
                line = np.float32(0)
                if inside:
                    for m in range(6):
                        line += weights[across, m] * roots[row, left + m - 2, c]
                else:
                    for m in range(6):
                        line += weights[across, m] * roots[row, min(max(left + m - 2, 0), width - 1), c]
                value += weights[down, k] * line
            size = abs(value) + root
            cube = size * size * size
            light = (cube * size - offset) * factors[c]
            samples[i, j] = light if value >= 0 else -light
            slope = 4 * cube * factors[c]
            detail[i, j] = slope * slope * finest[int(y + 0.5), int(x + 0.5)]
