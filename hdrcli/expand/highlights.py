"""Highlights given back to one display picture without a network: smooth expansion by what surrounds a clipped area.

Every channel is raised by E(y) + B t(y) stops. E opens the shoulder that cameras bend their highlights into; it rises
smoothly from a quarter of white. t rises smoothly from 0 to 1 just under the clip, so that value and slope are
continuous everywhere and what is well exposed stays as it is. B, how far above the clip the light lay, is estimated
where channels clip:

- from how many of the three channels clip here: light just above the clip clips in one;
- from the depth within the clipped area: the rim is dimmer than the middle, and specks are dimmer than lamps;
  behind steep rims, as lamps and windows have them, the light jumps, behind gentle ones, as in sky, it rises slowly;
- from the share of the wide surroundings that clips: large white areas are brighter than white by little;
- from the share of the clipped pixels of the picture in which all channels clip: it is small where light passes the
  clip by a little;
- from the colour of the unclipped surroundings, by channel: the glow around a lamp has the lamp's colour.

The forms follow Banterle et al., "Inverse tone mapping", 2006 (expansion by a map of light sources) and Rempel et al.,
"Ldr2Hdr", 2007 (smooth brightness enhancement, stopped at edges); the weights were fitted to simulated pictures of
training scenes (`hdrcli.training.single_cases` with `tuning`). Surroundings are looked at on a copy with a longer side
of 512, so estimates do not depend on the resolution. It cannot tell a lamp from white paper in the same light: errors
over clipped pixels stay at about a stop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hdrcli.images import FloatArray
from hdrcli.kernels import run_in_bands

_LN2 = math.log(2)
_SMALL_SIDE = 512
_CLIP_FIRST, _CLIP_FULL = 0.82, 0.99  # of white, in linear light: codes 233 and 254 of sRGB
_SHOULDER_FIRST = 0.25
_SHOULDER_STOPS = 0.2
# Of B where some channels clip, in stops.
_BY_COMPLETION, _BY_STEEP = 0.83, 0.33
_COMPLETION_SOFTNESS = 0.25
# Of B where all channels clip, in stops.
_BY_INSIDE, _INSIDE_BY_SHARE, _INSIDE_BY_SIZE = 1.79, 0.25, -0.90
_BY_DEPTH, _BY_TINT = 0.69, 0.65
_MOST_STOPS = 6.0
# Where a rim counts as gentle and as steep: log2 of stops a pixel of the small copy.
_GENTLE, _STEEP = -4.5, -2.0
# Standard deviations in pixels of the small copy.
_NEAR, _WIDE = 1.0, 27.0
_DOME = 9.0, 18.0
_DOME_FIRST = 0.7  # of the blurred area: a straight rim has 0.5
_COLOUR_SCALES = (3.0, 1.0), (9.0, 0.3), (27.0, 0.1)  # with the weight of each
_RIM_SCALES = (14.0, 1.0), (42.0, 0.3), (126.0, 0.1)
_RIM_ANYWHERE = 1e-4  # weight of the mean of the picture: without it far places would flip from rim to rim
_MOST_TINT = 1.0  # stops: the colour of a lamp's glow is in its light, that of an object before the sky is not
_DARKEST = 2.0**-7
_ROWS = 64  # at once: what is held between steps stays in the cache
# Radius and tolerated variance of the filter that keeps steps of codes and JPEG blocks out of t.
_GUIDE_RADIUS, _GUIDE_VARIANCE = 3, 0.01


def expand_highlights(light: FloatArray) -> FloatArray:
    """Return the scene light of a display picture.

    Parameters
    ----------
    light : ndarray (H, W, 3), float32
        The picture linearised, in the primaries that it clipped in: 1.0 = white, where every channel clips. Values
        beyond 0..1 are legal.

    Returns
    -------
    ndarray (H, W, 3), float32
        A new array, 1.0 = clip of the input before the shoulder is opened: what lies below a quarter of white is the
        input unchanged, what is clipped lies at up to 2^6.2.
    """
    surroundings = _surroundings(light)
    out = np.empty_like(light)
    height = len(light)
    halo = 2 * _GUIDE_RADIUS

    def work(first: int, last: int) -> None:
        for top in range(first, last, _ROWS):
            bottom = min(top + _ROWS, last)
            around = light[max(top - halo, 0) : bottom + halo]
            own = slice(min(top, halo), min(top, halo) + bottom - top)
            planes = (_enlarged(x, slice(top, bottom), light.shape) for x in (surroundings.full, surroundings.tint))
            out[top:bottom] = _expanded(around, own, _Surroundings(*planes))

    run_in_bands(work, height)
    return out


@dataclass(frozen=True)
class _Surroundings:
    """What surrounds every pixel.

    Attributes
    ----------
    full : ndarray (h, w, 3), float32
        B where all channels clip, in stops.
    tint : ndarray (h, w, 4), float32
        Stops of each channel over the mean of the channels in the unclipped surroundings; last how steep the rim of
        the clipped area is, 0 to 1.
    """

    full: FloatArray
    tint: FloatArray


@dataclass(frozen=True)
class _Small:
    """The picture reduced, and how much of each channel clips there: (h, w, 3) both."""

    light: FloatArray
    clipping: FloatArray


def _expanded(around: FloatArray, own: slice, here: _Surroundings) -> FloatArray:
    """Return the rows `own` of a band of light, raised; `here` is of these rows alone."""
    band = around[own]
    stops = np.float32(_SHOULDER_STOPS) * _rise(band, _SHOULDER_FIRST, 1.0)
    clipping = _smooth_clipping(around)[own]
    if clipping.max() > 0:
        all_clip = _over_channels(np.minimum, clipping)[..., None]
        raised = _completion(band, clipping, here)
        raised += all_clip * (here.full - raised)
        stops += np.clip(raised, 0, np.float32(_MOST_STOPS)) * clipping
    return np.asarray(band * cv2.exp(stops * np.float32(_LN2)), dtype=np.float32)


def _completion(band: FloatArray, clipping: FloatArray, here: _Surroundings) -> FloatArray:
    """Return B where some channels clip: up to where the others are in the colour of the surroundings."""
    steep = here.tint[..., 3:]
    tint = here.tint[..., :3] * steep  # behind a gentle rim the glow around the sun loses the colour of the sky
    brightness = cv2.log(np.maximum(band, np.float32(_DARKEST))) * np.float32(1 / _LN2)
    unclipped = np.float32(1.001) - clipping
    without = brightness - tint
    neutral = _over_channels(np.add, unclipped * without) / _over_channels(np.add, unclipped)
    missing = (neutral[..., None] - without) * np.float32(1 / _COMPLETION_SOFTNESS)
    softly = np.maximum(missing, 0) + cv2.log(1 + cv2.exp(-np.abs(missing)))
    return np.asarray(np.float32(_BY_COMPLETION * _COMPLETION_SOFTNESS) * softly + np.float32(_BY_STEEP) * steep)


def _surroundings(light: FloatArray) -> _Surroundings:
    """Return what surrounds the pixels of the small copy."""
    small = _reduced(light)
    scale = max(small.light.shape) / _SMALL_SIDE
    anywhere = small.clipping.max(axis=2)
    throughout = np.ascontiguousarray(small.clipping.min(axis=2))
    seen = np.maximum(1 - anywhere, 0) + np.float32(1e-4)
    steep = _rise(_rim_slope(small, seen, scale), _GENTLE, _STEEP)
    depth = _blur(throughout, _NEAR * scale)
    # Behind a gentle rim the light goes on rising slowly; a jump there would draw a line into the sky.
    domes = [_rise(_blur(throughout, sigma * scale), _DOME_FIRST, 1.0) for sigma in _DOME]
    inside = steep + (1 - steep) * np.mean(domes, axis=0, dtype=np.float32)
    share = np.log2((float(throughout.mean()) + 1e-3) / (float(anywhere.mean()) + 1e-3))
    size = _blur(small.clipping, _WIDE * scale)
    around = _unclipped_colour(small, seen, scale)
    tint = np.log2(around / around.mean(axis=2, keepdims=True))
    tint = np.float32(_MOST_TINT) * np.tanh(tint / np.float32(_MOST_TINT))
    full = inside[..., None] * (np.float32(_BY_INSIDE + _INSIDE_BY_SHARE * share) + np.float32(_INSIDE_BY_SIZE) * size)
    full += np.float32(_BY_DEPTH) * (depth * steep)[..., None] + np.float32(_BY_TINT) * tint
    return _Surroundings(full, np.concatenate([tint, steep[..., None]], axis=2))


def _unclipped_colour(small: _Small, seen: FloatArray, scale: float) -> FloatArray:
    """Return the mean light of the unclipped surroundings (h, w, 3), of near and bright ones where there are any."""
    weight = seen * np.square(np.maximum(small.light.mean(axis=2), np.float32(1e-3)))
    lights, weights = _spread(small.light, weight, _COLOUR_SCALES, scale)
    return np.asarray(np.maximum(lights / weights[..., None], 0) + np.float32(_DARKEST), dtype=np.float32)


def _rim_slope(small: _Small, seen: FloatArray, scale: float) -> FloatArray:
    """Return log2 of the slope of brightness around clipped areas, in stops a pixel of the small copy."""
    brightness = np.log2(np.maximum(small.light.mean(axis=2), np.float32(_DARKEST / 2)))
    dx, dy = (cv2.Sobel(brightness, cv2.CV_32F, i, 1 - i, scale=1 / 8, borderType=cv2.BORDER_REFLECT) for i in (1, 0))
    rim = _blur(small.clipping.max(axis=2), _NEAR * scale) * seen
    slope = np.log2(np.float32(0.02) + np.hypot(dx, dy))
    anywhere = np.float32((slope * rim).sum() / max(float(rim.sum()), 1e-7))
    slopes, rims = _spread(slope, rim, _RIM_SCALES, scale)
    least = np.float32(_RIM_ANYWHERE)
    return np.asarray((slopes + least * anywhere) / (rims + least), dtype=np.float32)


def _spread(
    x: FloatArray, weight: FloatArray, scales: tuple[tuple[float, float], ...], scale: float
) -> tuple[FloatArray, FloatArray]:
    """Return x (h, w) or (h, w, 3) times its weight (h, w), and the weight, both spread over several scales."""
    values = x * (weight if x.ndim == 2 else weight[..., None])
    spread, weights = np.zeros_like(values), np.zeros_like(weight)
    for sigma, share in scales:
        spread += np.float32(share) * _blur(values, sigma * scale)
        weights += np.float32(share) * _blur(weight, sigma * scale)
    return spread, weights


def _reduced(light: FloatArray) -> _Small:
    height, width = light.shape[:2]
    factor = math.ceil(max(height, width) / _SMALL_SIDE)
    shape = (math.ceil(height / factor), math.ceil(width / factor), 3)
    small, clipping = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def work(first: int, last: int) -> None:
        rows = slice(first // factor, math.ceil(last / factor))
        size = (shape[1], rows.stop - rows.start)
        band = np.ascontiguousarray(light[first:last])
        small[rows] = cv2.resize(band, size, interpolation=cv2.INTER_AREA)
        clipping[rows] = cv2.resize(_rise(band, _CLIP_FIRST, _CLIP_FULL), size, interpolation=cv2.INTER_AREA)

    run_in_bands(work, height, multiple=factor)
    return _Small(small, clipping)


def _enlarged(small: FloatArray, rows: slice, shape: tuple[int, ...]) -> FloatArray:
    """Return some rows of a small picture (h, w, n) enlarged bilinearly to a shape."""
    place = (np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5)) * np.float32(len(small) / shape[0])
    place = np.clip(place - np.float32(0.5), 0, len(small) - 1)
    above = place.astype(np.int64)
    below = np.minimum(above + 1, len(small) - 1)
    share = (place - above)[:, None, None].astype(np.float32)
    band = small[above] * (1 - share) + small[below] * share
    return np.asarray(cv2.resize(band, (shape[1], len(band)), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _smooth_clipping(band: FloatArray) -> FloatArray:
    """Return t (h, w, 3), smoothed where the light itself is smooth: a guided filter (He et al. 2010)."""
    clipping = _rise(band, _CLIP_FIRST, _CLIP_FULL)
    if clipping.max() == 0:
        return clipping
    guide: FloatArray = np.clip(band, np.float32(0), np.float32(1))
    mean, mean_clipping = _box(guide), _box(clipping)
    variance = np.maximum(_box(guide * guide) - mean * mean, np.float32(0))
    covariance = _box(guide * clipping) - mean * mean_clipping
    slope = np.asarray(covariance / (variance + np.float32(_GUIDE_VARIANCE)), dtype=np.float32)
    smooth = _box(slope) * guide + _box(mean_clipping - slope * mean)
    # Nothing below the first clipping level is raised: no halo.
    return np.asarray(np.clip(smooth, 0, 1) * _rise(guide, _CLIP_FIRST - 0.1, _CLIP_FIRST + 0.1), dtype=np.float32)


def _rise(x: FloatArray, first: float, full: float) -> FloatArray:
    """Return smoothstep from 0 at `first` to 1 at `full`."""
    t = np.subtract(x, np.float32(first))
    t *= np.float32(1 / (full - first))
    np.clip(t, np.float32(0), np.float32(1), out=t)
    falling = np.float32(3) - np.float32(2) * t
    t *= t
    t *= falling
    return t


def _over_channels(combine: np.ufunc, x: FloatArray) -> FloatArray:
    """Return (h, w) of (h, w, 3); several times as fast as the reduction of NumPy over so short an axis."""
    return np.asarray(combine(combine(x[..., 0], x[..., 1]), x[..., 2]), dtype=np.float32)


def _box(x: FloatArray) -> FloatArray:
    side = 2 * _GUIDE_RADIUS + 1
    return np.asarray(cv2.blur(x, (side, side), borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _blur(x: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), dtype=np.float32)
