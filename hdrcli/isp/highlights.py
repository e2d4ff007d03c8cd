"""Clipped colours that never turn pink.

White balance multiplies channels by different gains, so after it they clip at different levels (red, say, at 2.0, green
at 1.0, blue at 1.5), and a blown white comes out magenta. The rule here, in balanced values:

- a sample counts as clipped by s = smoothstep from 94 to 99 % of its own clip;
- a clipped channel is raised, by the share s, to the mean of the other two, which may have been raised in turn; it is
  never lowered, as it was at least that bright.

So a grey ramp stays grey up to the highest of the three clips and is flat above; a colour of which one channel clips
keeps the others as measured; what clips altogether is neutral. The result grows with every sample and is continuous in
it: no edge where clipping begins. It cannot know the colour of a light that clips all channels, nor give texture back.

The rule is applied twice. On the mosaic (`rebuild_part`), with the other two channels taken from the 3x3
neighbourhood, brighter samples counting more, because demosaicking would carry the false colour differences of clipped
samples over the edge: on 30 clipped HDR scenes the error beside highlights is 0.022 stops instead of 0.043, and 0.2 %
of the pixels there turn pink instead of 5 %. Then on the colours of each pixel (`neutralise_highlights`), for what is
left.

Colours that were not made from the rebuilt mosaic (a network's) do not know of it: `near_clip` says where not to trust
them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import BayerImage, FloatArray
from hdrcli.kernels import Real, kernel

METHODS = ("rebuild", "neutral", "off")

# Share of the clip between which a sample turns from measured to clipped: wider than noise and interpolation make
# samples stray, narrow enough to leave bright colours alone.
_FIRST = 0.94
_FULL = 0.99
_DARKEST = np.float32(1e-4)
# Likewise between which a sample makes what lies around it doubtful: full before it is rebuilt to any great extent.
_DOUBT_FIRST = np.float32(0.90)
_DOUBT_FULL = np.float32(0.98)
_DOUBT_WINDOW = 5
_DOUBT_FADE = 3

_ZERO = np.float32(0)
_ONE = np.float32(1)
_HALF = np.float32(0.5)
_TWO = np.float32(2)
_THREE = np.float32(3)

Gains = tuple[float, float, float]


def neutralise_highlights(rgb: FloatArray, *, gains: Gains, clip: float = 1.0, method: str = "rebuild") -> FloatArray:
    """Return white-balanced RGB whose clipped samples have lost their false colour.

    Parameters
    ----------
    rgb : ndarray (..., 3), float32
        Linear camera RGB after white balance.
    gains : tuple of 3 float
        The white-balance factors it was multiplied by.
    clip : float
        Level at which samples clip before white balance.
    method : str
        "rebuild": clipped channels follow the others, as the module says; values reach clip times the largest gain.
        "neutral": every channel is cut at clip times the smallest gain, the level that all channels reach.
        "off": nothing is changed.

    Returns
    -------
    ndarray (..., 3), float32
        A new array.

    Raises
    ------
    UsageError
        When there is no such method.
    """
    out = np.array(rgb, dtype=np.float32, order="C")
    neutralise_in_place(out, gains=gains, clip=clip, method=method)
    return out


def neutralise_in_place(rgb: FloatArray, *, gains: Gains, clip: float = 1.0, method: str = "rebuild") -> None:
    """Do what `neutralise_highlights` does in `rgb` itself, which must be C-contiguous: for tiles."""
    check_method(method)
    if method == "rebuild":
        _rebuild(rgb.reshape(-1, 3), np.array(gains, np.float32) * np.float32(clip))
    elif method == "neutral":
        np.minimum(rgb, np.float32(clip * min(gains)), out=rgb)


def rebuild_part(bayer: BayerImage, rows: slice, columns: slice, *, gains: Gains, clip: float = 1.0) -> FloatArray:
    """Return part of a mosaic, its clipped samples raised to the level of their unclipped neighbours.

    Parameters
    ----------
    bayer : BayerImage
        The whole, 2x2 or larger, before white balance.
    rows, columns : slice
        The part, not empty, with both ends given. What lies around it is looked at, so parts fit together.
    gains : tuple of 3 float
        White-balance factors that will be applied.
    clip : float
        Level at which samples clip.

    Returns
    -------
    ndarray (h, w), float32
        A new array, before white balance too; the samples themselves where nothing clips.
    """
    part = np.array(bayer.data[rows, columns], dtype=np.float32, order="C")
    if part.max() > _FIRST * clip:
        colours = np.array(["RGB".index(colour) for colour in bayer.cfa], dtype=np.int64).reshape(2, 2)
        samples = np.ascontiguousarray(bayer.data, dtype=np.float32)
        balance = np.array(gains, dtype=np.float32)
        sums = np.empty((3, 3), dtype=np.float32)
        _rebuild_samples(samples, rows.start, columns.start, colours, balance, np.float32(clip), sums, part)
    return part


def near_clip(bayer: BayerImage, rows: slice, columns: slice, *, clip: float = 1.0) -> FloatArray | None:
    """Return by how much the pixels of a part of a mosaic lie in or beside samples that clip.

    Parameters
    ----------
    bayer : BayerImage
        The whole, before white balance, not rebuilt.
    rows, columns : slice
        The part, not empty, with both ends given.
    clip : float
        Level at which samples clip.

    Returns
    -------
    ndarray (h, w), float32, or None
        Smoothstep from 90 to 98 % of the clip of the largest sample in 5x5, averaged over 3x3: 1 for a clipped sample
        and those that touch it, 0 from four pixels away, continuous in every sample. None where it is 0 throughout.
    """
    halo = _DOUBT_WINDOW // 2 + _DOUBT_FADE // 2
    top, left = max(rows.start - halo, 0), max(columns.start - halo, 0)
    around = bayer.data[top : rows.stop + halo, left : columns.stop + halo]
    if around.max() <= _DOUBT_FIRST * clip:
        return None
    highest = cv2.dilate(np.ascontiguousarray(around), np.ones((_DOUBT_WINDOW, _DOUBT_WINDOW), np.uint8))
    t = np.clip((highest / np.float32(clip) - _DOUBT_FIRST) / (_DOUBT_FULL - _DOUBT_FIRST), _ZERO, _ONE)
    near = cv2.blur(t * t * (_THREE - _TWO * t), (_DOUBT_FADE, _DOUBT_FADE))
    return np.asarray(near[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left])


def check_method(method: str) -> None:
    """Raise UsageError when there is no such method."""
    if method not in METHODS:
        raise UsageError(f"There is no highlight method {method!r}; choose from {', '.join(METHODS)}.")


@kernel
def _rebuild(rgb: FloatArray, clips: FloatArray) -> None:
    for k in range(rgb.shape[0]):
        red, green, blue = rgb[k, 0], rgb[k, 1], rgb[k, 2]
        by_red, by_green, by_blue = _clipped(red, clips[0]), _clipped(green, clips[1]), _clipped(blue, clips[2])
        if by_red + by_green + by_blue > _ZERO:
            rgb[k, 0], rgb[k, 1], rgb[k, 2] = _raised(red, green, blue, by_red, by_green, by_blue)


@kernel
def _raised(red: Real, green: Real, blue: Real, by_red: Real, by_green: Real, by_blue: Real) -> tuple[Real, Real, Real]:
    """Return three channels of which the clipped ones are raised to the mean of the others."""
    # A mean never exceeds the largest channel, so that one stays as it is.
    if red >= green and red >= blue:
        green, blue = _raised_pair(green, blue, by_green, by_blue, red)
    elif green >= blue:
        red, blue = _raised_pair(red, blue, by_red, by_blue, green)
    else:
        red, green = _raised_pair(red, green, by_red, by_green, blue)
    return red, green, blue


@kernel
def _raised_pair(p: Real, q: Real, by_p: Real, by_q: Real, largest: Real) -> tuple[Real, Real]:
    """Solve x = p + by_p max(0, (y + largest) / 2 - p) and the same for y and q."""
    a, b = p + by_p * (_HALF * largest - p), _HALF * by_p
    c, d = q + by_q * (_HALF * largest - q), _HALF * by_q
    if p <= q:  # the mean is above the smaller one, so only the other can be left as it is
        y = max(q, (c + d * a) / (_ONE - b * d))
        return a + b * y, y
    x = max(p, (a + b * c) / (_ONE - b * d))
    return x, c + d * x


@kernel
def _rebuild_samples(
    samples: FloatArray,
    top: int,
    left: int,
    colours: NDArray[np.int64],
    gains: FloatArray,
    clip: Real,
    sums: FloatArray,
    part: FloatArray,
) -> None:
    """Raise the clipped samples of `part`, which begins at (`top`, `left`) of all `samples`."""
    for i in range(part.shape[0]):
        for j in range(part.shape[1]):
            if _clipped(part[i, j], clip) > _ZERO:
                channel = colours[(top + i) & 1, (left + j) & 1]
                raised = _raised_sample(samples, colours, gains, clip, top + i, left + j, sums)
                part[i, j] = max(part[i, j], raised / gains[channel])


@kernel
def _raised_sample(
    samples: FloatArray,
    colours: NDArray[np.int64],
    gains: FloatArray,
    clip: Real,
    i: int,
    j: int,
    sums: FloatArray,
) -> Real:
    """Return a balanced sample, raised by the other two channels around it.

    `sums` (3, 3) is scratch: by channel the weights of its samples, and their sums weighted times value and times s.
    """
    height, width = samples.shape
    own = colours[i & 1, j & 1]
    for channel in range(3):
        for k in range(3):
            sums[channel, k] = _ZERO
    for di in range(-1, 2):
        row = abs(i + di)
        row = min(row, 2 * height - 2 - row)
        for dj in range(-1, 2):
            column = abs(j + dj)
            column = min(column, 2 * width - 2 - column)
            channel = colours[row & 1, column & 1]
            if channel != own or (di == 0 and dj == 0):
                value = max(samples[row, column] * gains[channel], _DARKEST)
                square = value * value
                weight = square * square
                sums[channel, 0] += weight
                sums[channel, 1] += weight * value
                sums[channel, 2] += weight * _clipped(samples[row, column], clip)
    for channel in range(3):
        sums[channel, 1] /= sums[channel, 0]
        sums[channel, 2] /= sums[channel, 0]
    red, green, blue = _raised(sums[0, 1], sums[1, 1], sums[2, 1], sums[0, 2], sums[1, 2], sums[2, 2])
    return red if own == 0 else (green if own == 1 else blue)


@kernel
def _clipped(value: Real, clip: Real) -> Real:
    """Return by how much a sample counts as clipped, 0 to 1."""
    t = (value / clip - np.float32(_FIRST)) / np.float32(_FULL - _FIRST)
    t = min(max(t, _ZERO), _ONE)
    return t * t * (_THREE - _TWO * t)
