"""Skies with clouds and a sun, as panoramas and as a bright disc.

The luminance over the sky follows the formula of ISO 15469 (CIE Standard General Sky) for a clear, a hazy and a
partly cloudy atmosphere; colours and clouds are painted.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from hdrcli.images import FloatArray
from hdrcli.training.render.parts import Matrix, Plugin, facing, glow, matt
from hdrcli.training.render.textures import noise

# Rows a, b (gradation) and c, d, e (around the sun) of ISO 15469: its sky types 12, 13 and 10.
_ATMOSPHERES = ((-1.0, -0.32, 10.0, -3.0, 0.45), (-1.0, -0.32, 16.0, -3.0, 0.3), (-1.0, -0.55, 5.0, -2.5, 0.3))
_ROWS = 1024
_ZENITH, _HORIZON = np.array([0.22, 0.42, 1.0]), np.array([0.75, 0.87, 1.0])
_FAR = 800.0


@dataclass(frozen=True)
class Weather:
    """What the sky is like.

    Attributes
    ----------
    sun : tuple of 3 float
        Unit vector towards the sun.
    clouds : float
        Share of the sky that they cover, about.
    sunlight : float
        Irradiance across the sun's beam over that of the clear sky; 0 where clouds hide the sun.
    radius_deg : float
        Of the sun's disc; the real one has 0.27, haze makes it look larger.
    """

    sun: tuple[float, float, float]
    clouds: float
    sunlight: float
    radius_deg: float


def direction(azimuth_deg: float, elevation_deg: float) -> tuple[float, float, float]:
    """Return the unit vector of an azimuth (from +y towards +x) and a height above the horizon."""
    turn, up = np.radians(azimuth_deg), np.radians(elevation_deg)
    return float(np.sin(turn) * np.cos(up)), float(np.cos(turn) * np.cos(up)), float(np.sin(up))


def weather(rng: np.random.Generator, azimuth_deg: float, elevation_deg: float, *, dull: float = 0.1) -> Weather:
    """Return random weather under a given sun; a share `dull` of it is overcast."""
    if rng.random() < dull:
        return Weather(direction(azimuth_deg, elevation_deg), rng.uniform(0.85, 1.1), 0.0, 0.5)
    low = np.clip(elevation_deg / 25, 0.25, 1)
    sunlight = float(rng.uniform(3, 8) * low)
    return Weather(direction(azimuth_deg, elevation_deg), rng.uniform(-0.2, 0.65), sunlight, rng.uniform(0.27, 0.6))


def daylight(rng: np.random.Generator, now: Weather, *, only: Matrix | None = None) -> list[Plugin]:
    """Return sky and sun; the clear sky alone has an irradiance of about pi on level ground.

    Parameters
    ----------
    rng : Generator
    now : Weather
    only : ndarray (3,), optional
        The sky is black where it is behind this direction: of a room with windows on one side, nothing else is seen,
        and paths are not spent on it.
    """
    around = _panorama_directions()
    light = _sky(rng, around, now)
    if only is not None:
        light = light * (around @ only > 0)[:, :, None].astype(np.float32)
    parts: list[Plugin] = [{"type": "envmap", "bitmap": light, "to_world": _UPRIGHT}]
    return [*parts, _sun_disc(now)] if now.sunlight > 0 else parts


# Mitsuba's panoramas have y up.
_UPRIGHT = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def _sun_disc(now: Weather) -> Plugin:
    low = np.clip(now.sun[2] / 0.5, 0, 1)
    warm = np.array([1.0, 0.62 + 0.34 * low, 0.3 + 0.58 * low])
    radius = np.tan(np.radians(now.radius_deg))
    radiance = np.pi * now.sunlight * warm / (np.pi * radius**2)
    place = facing(np.array(now.sun) * _FAR, (0, 0, 0), size=radius * _FAR)
    return {"type": "disk", "to_world": place, "bsdf": matt(np.zeros(3, np.float32)), **glow(radiance)}


def _panorama_directions() -> Matrix:
    """Return unit vectors (rows, 2 rows, 3) in the layout of Mitsuba's panoramas after `_UPRIGHT`."""
    polar = (np.arange(_ROWS) + 0.5)[:, None] / _ROWS * np.pi
    turn = (np.arange(2 * _ROWS) + 0.5)[None] / _ROWS * np.pi
    flat = np.sin(turn) * np.sin(polar), np.cos(turn) * np.sin(polar), np.cos(polar)
    return np.stack(np.broadcast_arrays(*flat), axis=2)


def _sky(rng: np.random.Generator, around: Matrix, now: Weather) -> FloatArray:
    a, b, c, d, e = _ATMOSPHERES[rng.integers(len(_ATMOSPHERES))]
    up = np.clip(around[:, :, 2], 0.01, 1)
    towards = np.clip(around @ np.array(now.sun), -1, 1)
    away = np.arccos(towards)
    level = (1 + a * np.exp(b / up)) * (1 + c * (np.exp(d * away) - np.exp(d * np.pi / 2)) + e * towards**2)
    if now.sunlight == 0:
        level = (1 + 2 * up) / 3
    level = level / level[: _ROWS // 2].mean()
    share = (up**0.45)[:, :, None]
    light = level[:, :, None] * (_HORIZON * (1 - share) + _ZENITH * share)
    # The bright ring close to the sun, which haze scatters forward.
    aureole = now.sunlight * (3 * np.exp(-away / 0.035) + 0.5 * np.exp(-away / 0.15))
    light += aureole[:, :, None] * np.array([1.0, 0.9, 0.75])
    cover = _clouds(rng, around, now.clouds)
    lining = 0.7 + now.sunlight * (0.6 + 0.9 * np.exp(-away / 0.25) * (1 - cover))
    dark = 1 - 0.35 * cover
    light += cover[:, :, None] * ((lining * dark)[:, :, None] * np.array([1.0, 0.98, 0.95]) - light)
    ground = np.clip(-8 * around[:, :, 2], 0, 1)[:, :, None]
    return np.asarray(light * (1 - ground) + ground * np.array([0.2, 0.19, 0.17]), dtype=np.float32)


def _clouds(rng: np.random.Generator, around: Matrix, amount: float) -> Matrix:
    """Return how opaque the clouds are, 0 to 1; they lie on a plane, so that they narrow towards the horizon."""
    side = 1024
    field = noise(rng, side, slope=rng.uniform(1.5, 2.0))
    down = np.maximum(around[:, :, 2], 0) + 0.12
    scale = side * rng.uniform(0.08, 0.2)
    x, y = ((around[:, :, k] / down * scale) % side for k in range(2))
    seen = cv2.remap(field, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    threshold = np.quantile(field, np.clip(1 - amount, 0, 1)) if amount > 0 else 2.0
    return np.clip((seen.astype(np.float64) - threshold) / rng.uniform(0.08, 0.25), 0, 1) * (around[:, :, 2] > 0)
