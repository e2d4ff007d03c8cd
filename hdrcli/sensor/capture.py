"""What a camera writes of a scene: optics, exposure, colour, mosaic, noise, quantisation, clipping, borders.

`capture` returns the frame as a file would hold it and the noise-free truth, for tests, examples, benchmarks and
(in the same terms, in torch) training. Ordinary single-ISO frames are dual-ISO frames with equal ISO.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

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
    matrix = camera.xyz_to_camera @ SRGB_TO_XYZ
    matrix = np.array(neutral)[:, None] * matrix / matrix.sum(axis=1, keepdims=True)
    return np.asarray(np.maximum(scene @ matrix.T.astype(np.float32), np.float32(0)), dtype=np.float32)


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

    high = high_rows(light.shape[0], settings.row_pattern)
    low_iso, high_iso = settings.iso
    gain = settings.true_gain
    noise = camera.noise(low_iso), camera.noise(high_iso)
    counts = np.empty(light.shape, dtype=np.uint16)
    borders = _empty_borders(light.shape, settings.border)
    low_range, high_range = (camera.white(iso) - camera.black for iso in (low_iso, high_iso))
    for rows, iso, model, factor in (
        (~high, low_iso, noise[0], 1.0),
        (high, high_iso, noise[1], gain * low_range / high_range),
    ):
        # Above twice the clip the noise cannot bring a sample back; cutting there keeps the Poisson counts small.
        exposed = np.minimum(light[rows] * np.float32(factor), np.float32(2))
        noisy = add_noise(exposed, model, rng)
        dark = add_noise(np.zeros((int(rows.sum()), settings.border), np.float32), model, rng)
        offset = rng.normal(0, settings.row_noise * camera.row_sigma(iso) + 1e-12, (int(rows.sum()), 1))
        counts[rows] = _quantise(noisy, camera, iso, offset)
        if borders is not None:
            borders.left[rows] = _quantise(dark, camera, iso, offset)
    if settings.hot_pixels > 0:
        counts = _add_hot_pixels(counts, camera, settings, rng)
    if borders is not None:
        dark = add_noise(np.zeros(borders.top.shape, np.float32), noise[0], rng)
        borders.top[:] = _quantise(dark, camera, low_iso, np.zeros((1, 1)))
    raw = RawFrame(
        counts=counts,
        cfa=cfa,
        black=(camera.black,) * 4,
        white=camera.white(low_iso),
        borders=borders,
        camera=replace(camera.profile(), as_shot_neutral=neutral),
        metadata=Metadata(
            exposure_time_s=1 / 60, iso=low_iso, f_number=8.0, make=camera.profile().make, model=camera.profile().model
        ),
        name=f"simulated {camera.name}",
    )
    return Capture(raw, truth, settings.row_pattern, gain, noise[0], noise[1])


def _optics(scene: FloatArray, blur_px: float) -> FloatArray:
    if blur_px <= 0:
        return scene
    return np.asarray(cv2.GaussianBlur(scene, (0, 0), blur_px, borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _quantise(x: FloatArray, camera: Camera, iso: float, row_offset_dn: np.ndarray) -> CountArray:
    counts = np.float32(camera.black) + x * np.float32(camera.white(iso) - camera.black) + row_offset_dn
    return np.asarray(np.clip(np.rint(counts), 0, camera.white(iso)), dtype=np.uint16)


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
