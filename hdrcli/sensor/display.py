"""What a camera makes of a scene when it writes a display picture: JPEG of 8 bits with the clipped parts gone.

Lens, exposure, white balance, noise, clipping, camera curve, chroma subsampling and JPEG, in this order. The camera's
own colour filter array and its interpolation are left out, but for the noise, which they make as coarse as `grain_px`
says. `display_capture` returns the picture and the noise-free, unclipped truth; `random_settings` draws everything
from what is met. Every number comes from the generator that is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray, NoiseModel
from hdrcli.sensor.cameras import Camera, find_camera
from hdrcli.sensor.capture import daylight_neutral
from hdrcli.sensor.curves import SRGB, CameraCurve, random_curve
from hdrcli.sensor.noise import add_noise

CAMERAS = ("Canon EOS 5D Mark III", "Canon EOS 550D", "Canon EOS 70D", "Canon EOS 5D Mark II")
"""Whose noise pictures have: of several sizes of pixel."""

LARGEST_SHARE = 0.25
_SUBSAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


@dataclass(frozen=True)
class DisplaySettings:
    """How a scene becomes a display picture.

    Attributes
    ----------
    clipped : float
        Share of the pixels in which at least one channel clips, 0 to 0.25; it sets the exposure. At 0 the brightest
        channel just does not clip.
    curve : CameraCurve
    cast : tuple of 3 float
        Error of the white balance: factors on R, G and B.
    camera : Camera or None
        Whose noise the picture has; None for none.
    iso : float
    noise_left : float
        Factor on the noise that the camera's noise reduction leaves, 0 to 1.
    grain_px : float
        Standard deviation in pixels of the blur that interpolation lays over the noise.
    blur_px : float
        Standard deviation of the lens blur in pixels.
    quality : int or None
        JPEG quality of 1 to 100; None for no JPEG at all (a PNG).
    subsampling : str
        Of chroma: "4:4:4", "4:2:2" or "4:2:0".
    """

    clipped: float = 0.05
    curve: CameraCurve = SRGB
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    camera: Camera | None = None
    iso: float = 100.0
    noise_left: float = 1.0
    grain_px: float = 0.0
    blur_px: float = 0.5
    quality: int | None = None
    subsampling: str = "4:2:0"


@dataclass(frozen=True)
class DisplayCapture:
    """A simulated display picture and what it shows.

    Attributes
    ----------
    picture : ndarray (H, W, 3), uint8
        R, G, B as decoded from the file.
    truth : ndarray (H, W, 3), float32
        Noise-free, unclipped linear light with the primaries and the white balance of the picture; 1.0 = the level at
        which a channel clips.
    settings : DisplaySettings
        What it was made with.
    exposure : float
        Factor from the radiance of the scene to `truth`, without the cast.
    encoded : bytes
        The JPEG file; empty where there is none.
    """

    picture: NDArray[np.uint8]
    truth: FloatArray
    settings: DisplaySettings
    exposure: float
    encoded: bytes = b""


def random_settings(rng: np.random.Generator, *, curve: CameraCurve | None = None) -> DisplaySettings:
    """Return random settings.

    Parameters
    ----------
    rng : numpy.random.Generator
    curve : CameraCurve, optional
        Instead of a random one.
    """
    drawn = random_curve(rng)
    # Half of the pictures clip little; the others evenly up to a quarter.
    clipped = rng.uniform(0, 0.05) if rng.random() < 0.5 else rng.uniform(0.05, LARGEST_SHARE)
    warmth, tint = rng.normal(0, 0.12), rng.normal(0, 0.05)
    return DisplaySettings(
        clipped=float(clipped),
        curve=curve or drawn,
        cast=(float(2 ** (warmth + tint)), 1.0, float(2 ** (tint - warmth))),
        camera=find_camera(CAMERAS[int(rng.integers(len(CAMERAS)))]),
        iso=float(100 * 2 ** rng.uniform(0, 5)),
        noise_left=float(rng.uniform(0.2, 1.0)),
        grain_px=float(rng.uniform(0.3, 0.9)),
        blur_px=float(rng.uniform(0.3, 0.7)),
        quality=int(rng.integers(60, 101)),
        subsampling=str(rng.choice(list(_SUBSAMPLING), p=[0.3, 0.2, 0.5])),
    )


def display_capture(scene: FloatArray, settings: DisplaySettings, rng: np.random.Generator) -> DisplayCapture:
    """Photograph a scene as a display picture.

    Parameters
    ----------
    scene : ndarray (H, W, 3), float32
        Radiance in linear sRGB, at least 0, any scale; some of it above 0.
    settings : DisplaySettings
    rng : numpy.random.Generator
        The only source of randomness.

    Returns
    -------
    DisplayCapture

    Raises
    ------
    UsageError
        When the share, the quality or the subsampling is not one that there is.
    """
    _check(settings)
    light = np.maximum(scene, np.float32(0)) * np.array(settings.cast, np.float32)
    if settings.blur_px > 0:
        light = cv2.GaussianBlur(light, (0, 0), settings.blur_px, borderType=cv2.BORDER_REFLECT)
    exposure = exposure_for(light, settings.clipped)
    truth = np.asarray(light * np.float32(exposure), dtype=np.float32)
    picture, encoded = picture_of_light(truth, settings, rng)
    return DisplayCapture(picture, truth, settings, exposure, encoded)


def picture_of_light(
    truth: FloatArray, settings: DisplaySettings, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], bytes]:
    """Return the picture that is made of the light on the sensor: noise, clipping, curve, codes, JPEG.

    Parameters
    ----------
    truth : ndarray (H, W, 3), float32
        Light after lens, white balance and exposure; 1.0 = clip.
    settings : DisplaySettings
        Its clipped share, cast and blur are not looked at.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray (H, W, 3), uint8
        R, G, B as decoded from the file.
    bytes
        The JPEG file; empty where there is none.
    """
    _check(settings)
    exposed = np.clip(_with_noise(truth, settings, rng), 0, 1)
    picture = np.rint(255 * settings.curve.encode(exposed)).astype(np.uint8)
    if settings.quality is None:
        return picture, b""
    encoded = encode_jpeg(picture, quality=settings.quality, subsampling=settings.subsampling)
    return decode_jpeg(encoded), encoded


def exposure_for(light: FloatArray, clipped: float) -> float:
    """Return the factor on `light` (H, W, 3) after which this share of the pixels has a channel above 1.0."""
    brightest = light.max(axis=2)
    level = float(np.quantile(brightest, 1 - clipped))
    return 1 / (level or float(brightest.max()) or 1.0)


def encode_jpeg(picture: NDArray[np.uint8], *, quality: int, subsampling: str) -> bytes:
    """Return the JPEG file (JFIF) of R, G, B codes (H, W, 3)."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLING[subsampling]]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[:, :, ::-1]), options)
    return bytes(data)


def decode_jpeg(encoded: bytes) -> NDArray[np.uint8]:
    """Return the R, G, B codes (H, W, 3) of a JPEG file; its EXIF is not looked at."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    picture = np.asarray(cv2.imdecode(np.frombuffer(encoded, np.uint8), flags), dtype=np.uint8)
    return np.ascontiguousarray(picture[:, :, ::-1])


def channel_noise(camera: Camera, iso: float) -> tuple[NoiseModel, NoiseModel, NoiseModel]:
    """Return the noise of R, G and B after white balance for daylight, each channel with its clip at 1.0."""
    own = camera.noise(iso)
    neutral = np.array(daylight_neutral(camera))
    # Before its balance a channel held so many times less light, and noise is multiplied with it.
    red, green, blue = (NoiseModel(own.shot * gain, own.read * gain**2) for gain in (neutral.max() / neutral).tolist())
    return red, green, blue


def _with_noise(truth: FloatArray, settings: DisplaySettings, rng: np.random.Generator) -> FloatArray:
    if settings.camera is None or settings.noise_left <= 0:
        return truth
    noisy = np.empty_like(truth)
    for channel, model in enumerate(channel_noise(settings.camera, settings.iso)):
        # Above twice the clip noise cannot bring a sample back, and Poisson counts would get large.
        exposed = np.minimum(truth[..., channel], np.float32(2))
        noise = add_noise(exposed, model, rng) - exposed
        if settings.grain_px > 0:
            blurred = cv2.GaussianBlur(noise, (0, 0), settings.grain_px, borderType=cv2.BORDER_REFLECT)
            noise = np.asarray(blurred, dtype=np.float32)
        noisy[..., channel] = exposed + np.float32(settings.noise_left) * noise
    return noisy


def _check(settings: DisplaySettings) -> None:
    if not 0 <= settings.clipped <= LARGEST_SHARE:
        raise UsageError(f"Between 0 and {LARGEST_SHARE:.0%} of the pixels clip, not {settings.clipped:.1%}.")
    if settings.quality is not None and not 1 <= settings.quality <= 100:
        raise UsageError(f"A JPEG quality is between 1 and 100, not {settings.quality}.")
    if settings.subsampling not in _SUBSAMPLING:
        raise UsageError(f"There is no subsampling {settings.subsampling!r}; choose from {', '.join(_SUBSAMPLING)}.")
