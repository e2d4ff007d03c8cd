"""What a camera writes of a scene: optics, exposure, colour, mosaic, noise, quantisation, clipping, borders.

`capture` returns the frame as a file would hold it and the noise-free truth, for tests, examples, benchmarks and
(in the same terms, in torch) training. Ordinary single-ISO frames are dual-ISO frames with equal ISO.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import CountArray, FloatArray, MaskedBorders, Metadata, NoiseModel, RawFrame
from hdrcli.sensor.cameras import Camera
from hdrcli.sensor.mosaic import high_rows, mosaic
from hdrcli.sensor.noise import add_noise

# IEC 61966-2-1 primaries and D65, to CIE XYZ.
SRGB_TO_XYZ = np.array(
    [[0.4123908, 0.3575843, 0.1804808], [0.2126390, 0.7151687, 0.0721923], [0.0193308, 0.1191948, 0.9505322]]
)


@dataclass(frozen=True)
class CaptureSettings:
    """How a scene is photographed.

    Attributes
    ----------
    iso : tuple of 2 float
        ISO of the low and of the high rows; equal for an ordinary frame.
    exposure : float
        Factor from scene radiance to the low exposure: a white-balanced camera value of 1.0 after it clips.
    row_pattern : str
        Which rows are high: "HHLL", "LHHL", "LLHH" or "HLLH".
    cfa : str or None
        Bayer pattern at the first active pixel; None for that of the camera.
    neutral : tuple of 3 float or None
        Camera RGB of a neutral object in the light of the scene, largest 1.0; None for daylight (D65).
    gain : float or None
        True ratio of high to low counts; None for the ratio of the ISO values.
    blur_px : float
        Standard deviation of the lens and low-pass blur in pixels; without it scenes alias as no camera does.
    hot_pixels : float
        Share of samples that read a fixed high value.
    row_noise : float
        Factor on the calibrated row noise; 0 for none.
    border : int
        Masked columns on the left and rows on top (0 for none).
    black_delta : float
        Black level of the high rows less that of the low rows, in counts.
    """

    iso: tuple[float, float] = (100.0, 1600.0)
    exposure: float = 1.0
    row_pattern: str = "HHLL"
    cfa: str | None = None
    neutral: tuple[float, float, float] | None = None
    gain: float | None = None
    blur_px: float = 0.5
    hot_pixels: float = 0.0
    row_noise: float = 1.0
    border: int = 0
    black_delta: float = 0.0

    @property
    def true_gain(self) -> float:
        """Ratio of high to low counts for the same light."""
        return self.iso[1] / self.iso[0] if self.gain is None else self.gain


@dataclass(frozen=True)
class Capture:
    """A simulated frame and what it shows.

    Attributes
    ----------
    raw : RawFrame
        As read from a file.
    truth : ndarray (H, W, 3), float32
        Noise-free, unclipped camera RGB on every pixel, 1.0 = clip of the low exposure.
    row_pattern : str
    gain : float
    noise_low, noise_high : NoiseModel
        Of each row class on the scale of its own clip, without row noise.
    """

    raw: RawFrame
    truth: FloatArray
    row_pattern: str
    gain: float
    noise_low: NoiseModel
    noise_high: NoiseModel

    @property
    def truth_mosaic(self) -> FloatArray:
        """Noise-free, unclipped samples (H, W), float32, 1.0 = clip of the low exposure."""
        return mosaic(self.truth, self.raw.cfa)


def daylight_neutral(camera: Camera) -> tuple[float, float, float]:
    """Return the camera RGB of a neutral object in D65 light, largest value 1.0."""
    neutral = camera.xyz_to_camera @ SRGB_TO_XYZ @ np.ones(3)
    red, green, blue = (neutral / neutral.max()).tolist()
    return red, green, blue


def scene_to_camera(scene: FloatArray, camera: Camera, neutral: tuple[float, float, float]) -> FloatArray:
    """Turn linear sRGB into camera RGB under the light whose neutral is given.

    Parameters
    ----------
    scene : ndarray (H, W, 3), float32
        Linear light with sRGB primaries; white (1, 1, 1).
    camera : Camera
    neutral : tuple of 3 float
        Camera RGB of white.

    Returns
    -------
    ndarray (H, W, 3), float32
        White maps to `neutral`; colours outside the camera's gamut are cut at 0, as no sensor counts negative light.
    """
    matrix = scene_to_camera_matrix(camera, neutral)
    return np.asarray(np.maximum(scene @ matrix.T.astype(np.float32), np.float32(0)), dtype=np.float32)


def scene_to_camera_matrix(camera: Camera, neutral: Sequence[float]) -> NDArray[np.float64]:
    """Return the matrix (3, 3) from linear sRGB to camera RGB that maps white (1, 1, 1) to `neutral`."""
    matrix = camera.xyz_to_camera @ SRGB_TO_XYZ
    return np.asarray(np.array(neutral)[:, None] * matrix / matrix.sum(axis=1, keepdims=True))


def capture(scene: FloatArray, camera: Camera, settings: CaptureSettings, rng: np.random.Generator) -> Capture:
    """Photograph a scene.

    Parameters
    ----------
    scene : ndarray (H, W, 3), float32
        Scene radiance in linear sRGB, at least 0, any scale.
    camera : Camera
    settings : CaptureSettings
    rng : numpy.random.Generator
        The only source of randomness.

    Returns
    -------
    Capture
    """
    cfa = settings.cfa or camera.cfa
    neutral = settings.neutral or daylight_neutral(camera)
    truth = scene_to_camera(_optics(scene, settings.blur_px), camera, neutral) * np.float32(settings.exposure)
    light = mosaic(truth, cfa)

    classes = _row_classes(camera, settings)
    counts = np.empty(light.shape, dtype=np.uint16)
    borders = _empty_borders(light.shape, settings.border)
    high = high_rows(light.shape[0], settings.row_pattern)
    for rows, kind in ((~high, classes[0]), (high, classes[1])):
        # Above twice the clip the noise cannot bring a sample back; cutting there keeps the Poisson counts small.
        exposed = np.minimum(light[rows] * np.float32(kind.factor), np.float32(2))
        noisy = add_noise(exposed, kind.noise, rng)
        dark = add_noise(np.zeros((len(exposed), settings.border), np.float32), kind.noise, rng)
        offset = rng.normal(0, kind.row_sigma, (len(exposed), 1))
        counts[rows] = _quantise(noisy, kind, offset)
        if borders is not None:
            borders.left[rows] = _quantise(dark, kind, offset)
    if settings.hot_pixels > 0:
        counts = _add_hot_pixels(counts, camera, settings, rng)
    if borders is not None:
        # The row classes go on above the first active row: four periods back they are the same.
        above_high = high_rows(4 * settings.border, settings.row_pattern)[-settings.border :]
        for rows, kind in ((~above_high, classes[0]), (above_high, classes[1])):
            dark = add_noise(np.zeros((int(rows.sum()), light.shape[1]), np.float32), kind.noise, rng)
            borders.top[rows] = _quantise(dark, kind, rng.normal(0, kind.row_sigma, (len(dark), 1)))
    profile = camera.profile()
    low_iso = settings.iso[0]
    raw = RawFrame(
        counts=counts,
        cfa=cfa,
        black=(camera.black,) * 4,
        white=camera.white(low_iso),
        borders=borders,
        camera=replace(profile, as_shot_neutral=neutral),
        metadata=Metadata(exposure_time_s=1 / 60, iso=low_iso, f_number=8.0, make=profile.make, model=profile.model),
        name=f"simulated {camera.name}",
    )
    return Capture(raw, truth, settings.row_pattern, settings.true_gain, classes[0].noise, classes[1].noise)


def capture_in_bands(
    rows: Callable[[int, int], FloatArray],
    height: int,
    camera: Camera,
    settings: CaptureSettings,
    rng: np.random.Generator,
    *,
    band: int = 512,
) -> RawFrame:
    """Photograph a scene too large to hold several times in memory.

    Parameters
    ----------
    rows : callable
        Gives the scene from a first row up to but not including a last, as `capture` takes it; called from threads.
    height : int
        Rows of the whole scene.
    camera, settings
        As in `capture`.
    rng : numpy.random.Generator
        Each band has its own stream derived from it, so the frame does not depend on the number of cores.
    band : int
        Rows photographed at once, a multiple of four.

    Returns
    -------
    RawFrame
        As `capture(...).raw` with other random numbers.
    """
    if band <= 0 or band % 4:
        raise ValueError(f"a band has a positive multiple of four rows, not {band}")
    margin = 4 * (1 + ceil(settings.blur_px))  # OpenCV's Gaussian reaches four standard deviations far
    firsts = range(0, height, band)

    def work(first: int, stream: np.random.Generator) -> RawFrame:
        last = min(first + band, height)
        top, bottom = max(first - margin, 0), min(last + margin, height)
        part = capture(rows(top, bottom), camera, settings, stream).raw
        own = slice(first - top, last - top)
        borders = part.borders and MaskedBorders(part.borders.left[own].copy(), part.borders.top)
        return replace(part, counts=part.counts[own].copy(), borders=borders)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        parts = list(pool.map(work, firsts, rng.spawn(len(firsts))))
    borders = [part.borders for part in parts if part.borders is not None]
    return replace(
        parts[0],
        counts=np.concatenate([part.counts for part in parts]),
        borders=MaskedBorders(np.concatenate([b.left for b in borders]), borders[0].top) if borders else None,
    )


@dataclass(frozen=True)
class _RowClass:
    """How the rows of one ISO turn light into counts."""

    factor: float  # from units of the low clip to units of its own
    noise: NoiseModel  # in units of its own clip
    black: float
    span: float  # counts from black to clip
    white: float
    row_sigma: float


def _row_classes(camera: Camera, settings: CaptureSettings) -> tuple[_RowClass, _RowClass]:
    low_iso, high_iso = settings.iso
    low_white, high_white = camera.white(low_iso), camera.white(high_iso)
    low_span, high_span = low_white - camera.black, high_white - camera.black
    low_noise = camera.noise(low_iso)
    factor = settings.true_gain * low_span / high_span
    # The same light frees the same electrons in both rows, whatever the amplifier really does.
    high_noise = NoiseModel(low_noise.shot * factor, camera.noise(high_iso).read)
    low_sigma, high_sigma = (settings.row_noise * camera.row_sigma(iso) for iso in settings.iso)
    return (
        _RowClass(1.0, low_noise, camera.black, low_span, low_white, low_sigma),
        _RowClass(factor, high_noise, camera.black + settings.black_delta, high_span, high_white, high_sigma),
    )


def _optics(scene: FloatArray, blur_px: float) -> FloatArray:
    if blur_px <= 0:
        return scene
    return np.asarray(cv2.GaussianBlur(scene, (0, 0), blur_px, borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _quantise(x: FloatArray, kind: _RowClass, row_offset_dn: NDArray[np.float64]) -> CountArray:
    counts = x * np.float32(kind.span) + (kind.black + row_offset_dn).astype(np.float32)
    return np.asarray(np.clip(np.rint(counts), 0, kind.white), dtype=np.uint16)


def _empty_borders(shape: tuple[int, ...], border: int) -> MaskedBorders | None:
    if border <= 0:
        return None
    height, width = shape
    return MaskedBorders(np.empty((height, border), np.uint16), np.empty((border, width), np.uint16))


def _add_hot_pixels(
    counts: CountArray, camera: Camera, settings: CaptureSettings, rng: np.random.Generator
) -> CountArray:
    number = rng.poisson(settings.hot_pixels * counts.size)
    where = rng.integers(0, counts.size, number)
    level = rng.uniform(0.2, 1.0, number) * (camera.white(settings.iso[0]) - camera.black) + camera.black
    hot = counts.copy()
    hot.flat[where] = np.maximum(hot.flat[where], level.astype(np.uint16))
    return hot
