"""Photographic tone reproduction, and the encoding for a screen.

Reinhard, Stark, Shirley, Ferwerda, "Photographic tone reproduction for digital images", SIGGRAPH 2002: the global
operator with a white point (equations 1 to 4) and the local one, dodging and burning (equations 5 to 9). The
automatic key is that of Reinhard, "Parameter estimation for photographic tone reproduction", 2003.

Colours keep the ratio of their channels to luminance, as far as the range of the screen allows; beyond it they keep
their luminance and fade.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hdrcli.errors import UsageError
from hdrcli.images import DisplayImage, FloatArray, SceneImage
from hdrcli.isp.colour import luminance_weights
from hdrcli.kernels import run_in_bands

_PIXELS_LOOKED_AT = 1_000_000
_MIDDLE_GREY = 0.18
# Lamps and the sun would hold all else down; this share of the pixels may become plain white.
_WHITE_PERCENTILE = 99.9

# The local operator's constants in the paper's letters; its scales are in pixels of pictures about 1024 wide.
_PHI = 8.0
_EPSILON = 0.05
_ALPHA = 1 / (2 * math.sqrt(2))
_SCALE_STEP = 1.6
_SCALES = 8
_PAPER_SIDE = 1024.0


@dataclass(frozen=True)
class Exposure:
    """How scene luminance L becomes the scaled luminance of the paper, L1 = scale L.

    Attributes
    ----------
    key : float
        Where the log-average of the scene goes, 0.18 for a usual one.
    scale : float
        Key over log-average.
    white : float
        Smallest scaled luminance that becomes white.
    """

    key: float
    scale: float
    white: float


def expose(scene: SceneImage, *, key: float | None = None, white: float | None = None) -> Exposure:
    """Return the exposure that the photographic operator gives a scene.

    Parameters
    ----------
    scene : SceneImage
    key : float or None
        None: by the scene's log-average between its 1st and 99th percentile, 0.18 x 4^(-1 .. 1).
    white : float or None
        Scene luminance, in units of the scene, that becomes white. None: the 99.9th percentile, but never below a
        scaled luminance of 1, or pictures of low contrast would be blown up.

    Returns
    -------
    Exposure
        From a million pixels on a regular grid where there are more; pixels at or below 0 do not count. A black
        scene is left as it is.

    Raises
    ------
    UsageError
        When key or white is not positive.
    """
    for name, value in (("key", key), ("white point", white)):
        if value is not None and not value > 0:
            raise UsageError(f"A {name} of {value} is not positive.")
    step = max(1, math.isqrt(scene.data.shape[0] * scene.data.shape[1] // _PIXELS_LOOKED_AT))
    some = scene.data[::step, ::step] @ luminance_weights(scene.colour_space).astype(np.float32)
    some = some[np.isfinite(some) & (some > 0)].astype(np.float64)
    if some.size == 0:
        return Exposure(key or _MIDDLE_GREY, 1.0, math.inf if white is None else white)
    dark, bright, brightest = np.percentile(some, (1, 99, _WHITE_PERCENTILE)).tolist()
    average = float(np.exp(np.mean(np.log(some + 1e-6 * bright))))
    if key is None:
        stops = math.log2(bright) - math.log2(dark)
        place = (2 * math.log2(average) - math.log2(dark) - math.log2(bright)) / stops if stops > 0 else 0.0
        key = _MIDDLE_GREY * 4 ** min(max(place, -1.0), 1.0)
    scale = key / average
    return Exposure(key, scale, max(1.0, scale * brightest) if white is None else scale * white)


def reinhard_global(scene: SceneImage, *, key: float | None = None, white: float | None = None) -> FloatArray:
    """Return display-linear colour by the global operator, Ld = L1 (1 + L1 / Lwhite^2) / (1 + L1).

    Parameters
    ----------
    scene : SceneImage
    key, white : float or None
        As for `expose`.

    Returns
    -------
    ndarray (H, W, 3), float32
        Linear RGB of the scene's colour space, 0 to 1.

    Raises
    ------
    UsageError
        When key or white is not positive.
    """
    exposure = expose(scene, key=key, white=white)
    weights = luminance_weights(scene.colour_space).astype(np.float32)
    shown = np.empty_like(scene.data)

    def band(first: int, last: int) -> None:
        rgb = scene.data[first:last]
        scaled = _scaled_luminance(rgb, weights, exposure)
        shown[first:last] = _show(rgb, scaled, scaled, exposure)

    run_in_bands(band, scene.data.shape[0])
    return shown


def reinhard_local(scene: SceneImage, *, key: float | None = None, white: float | None = None) -> FloatArray:
    """Return display-linear colour by the local operator.

    It is the global one with L1 below the fraction line replaced by its mean over the largest surround in which
    luminance is about equal. Surrounds reach 27 pixels in pictures up to 1024 pixels wide and grow with larger ones.

    Parameters
    ----------
    scene : SceneImage
    key, white : float or None
        As for `expose`.

    Returns
    -------
    ndarray (H, W, 3), float32
        Linear RGB of the scene's colour space, 0 to 1.

    Raises
    ------
    UsageError
        When key or white is not positive.
    """
    exposure = expose(scene, key=key, white=white)
    weights = luminance_weights(scene.colour_space).astype(np.float32)
    scaled = np.empty(scene.data.shape[:2], dtype=np.float32)

    def luminance_band(first: int, last: int) -> None:
        scaled[first:last] = _scaled_luminance(scene.data[first:last], weights, exposure)

    run_in_bands(luminance_band, scene.data.shape[0])
    surround = _surround(scaled, exposure.key)
    shown = np.empty_like(scene.data)

    def band(first: int, last: int) -> None:
        shown[first:last] = _show(scene.data[first:last], scaled[first:last], surround[first:last], exposure)

    run_in_bands(band, scene.data.shape[0])
    return shown


def encode_display(linear: FloatArray, *, bits: int = 8, icc: bytes = b"") -> DisplayImage:
    """Return a picture encoded for a screen with the sRGB curve (IEC 61966-2-1).

    Parameters
    ----------
    linear : ndarray (H, W, 3), float32
        Display-linear, cut to 0..1; NaN becomes 0.
    bits : int
        8 or 16.
    icc : bytes
        Profile of the primaries with the sRGB curve; sRGB where empty.

    Returns
    -------
    DisplayImage

    Raises
    ------
    UsageError
        For other depths.
    """
    if bits not in (8, 16):
        raise UsageError(f"A display picture has 8 or 16 bits, not {bits}.")
    encoded = np.empty(linear.shape, dtype=np.uint8 if bits == 8 else np.uint16)

    def band(first: int, last: int) -> None:
        x = np.nan_to_num(np.clip(linear[first:last], 0, 1))
        curved = np.float32(1.055) * cv2.pow(x, 1 / 2.4) - np.float32(0.055)
        y = np.where(x <= np.float32(0.0031308), np.float32(12.92) * x, curved)
        encoded[first:last] = np.rint(y * np.float32(2**bits - 1))

    if linear.size:
        run_in_bands(band, linear.shape[0])
    return DisplayImage(encoded, icc)


def _scaled_luminance(rgb: FloatArray, weights: FloatArray, exposure: Exposure) -> FloatArray:
    return np.asarray(np.maximum(rgb @ (weights * np.float32(exposure.scale)), 0), dtype=np.float32)


def _show(rgb: FloatArray, scaled: FloatArray, surround: FloatArray, exposure: Exposure) -> FloatArray:
    """Return C (Ld / L) with Ld = L1 (1 + L1 / Lwhite^2) / (1 + V), written without the division by L.

    Where a channel leaves the range of the screen, the colour is drawn towards the grey of its luminance until it fits:
    cutting the channel alone would turn bright foliage yellow and bright skin orange.
    """
    factor = (1 + scaled * np.float32(exposure.white**-2)) / (1 + surround)
    grey = np.minimum(scaled * factor, np.float32(1))[..., None]
    shown = rgb * (np.float32(exposure.scale) * factor)[..., None]
    top = shown.max(axis=-1, keepdims=True)
    fitting = np.where(top > 1, (1 - grey) / np.maximum(top - grey, np.float32(1e-6)), np.float32(1))
    return np.asarray(np.clip(grey + (shown - grey) * fitting, 0, 1), dtype=np.float32)


def _surround(scaled: FloatArray, key: float) -> FloatArray:
    """Return V1 at the largest scale before centre and surround differ (equations 6 to 8)."""
    enlarged = max(1.0, max(scaled.shape) / _PAPER_SIDE)
    centre = _blur(scaled, _ALPHA * enlarged)
    chosen = centre.copy()
    growing = np.ones(scaled.shape, dtype=np.bool_)
    for k in range(_SCALES):
        around = _blur(scaled, _ALPHA * enlarged * _SCALE_STEP ** (k + 1))
        sharpening = np.float32(2**_PHI * key / _SCALE_STEP ** (2 * k))

        def band(
            first: int, last: int, centre: FloatArray = centre, around: FloatArray = around, c: np.float32 = sharpening
        ) -> None:
            inner = centre[first:last]
            activity = np.abs(inner - around[first:last]) / (c + inner)
            growing[first:last] &= activity < np.float32(_EPSILON)
            np.copyto(chosen[first:last], inner, where=growing[first:last])

        run_in_bands(band, scaled.shape[0])
        centre = around
    return chosen


def _blur(plane: FloatArray, radius: float) -> FloatArray:
    """Convolve with exp(-(x^2 + y^2) / radius^2): a Gaussian of standard deviation radius / sqrt 2.

    Wide ones are taken on a reduced copy, where the deviation is 2 to 4 pixels.
    """
    sigma = radius / math.sqrt(2)
    reduction = 2 ** max(0, math.floor(math.log2(sigma / 2)))
    height, width = plane.shape
    if reduction == 1 or min(height, width) < 2 * reduction:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), dtype=np.float32)
    small = cv2.resize(plane, (-(-width // reduction), -(-height // reduction)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / reduction)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
